//! The measure: a tonic server that does nothing but send the bytes that it was given.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::Arc,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use futures_util::future::BoxFuture;
use tokio::{net::TcpListener, runtime};
use tonic::{
    Request, Response, Status,
    body::Body,
    server::{Grpc, NamedService, ServerStreamingService, UnaryService},
    transport::{Server, server::TcpIncoming},
};

use super::wire::Raw;

/// The answer to each path: its messages.
type Answers = Arc<Vec<(String, Vec<Bytes>)>>;

#[derive(Clone)]
struct Bare(Answers);

struct Unary(Bytes);

struct Streaming(Vec<Bytes>);

/// Serves the answers in a file, on the runtime that the gateway uses on as many cores.
pub fn run(answers: &str) {
    let answers = Arc::new(read(std::fs::read(answers).unwrap().into()));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut runtime =
        if cores == 1 { runtime::Builder::new_current_thread() } else { runtime::Builder::new_multi_thread() };
    runtime.enable_all().build().unwrap().block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("listening on {}", listener.local_addr().unwrap());
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        Server::builder().add_service(Bare(answers)).serve_with_incoming(incoming).await.unwrap();
    });
}

/// The path under which a call's answer is sent.
pub fn path(name: &str) -> String {
    format!("/{}/{name}", Bare::NAME)
}

/// Writes answers as [`run`] reads them: each path and message with its length before it, and counts of both.
pub fn write<'a>(answers: impl IntoIterator<Item = (String, &'a [Bytes])>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut put = |bytes: &[u8]| {
        out.extend((bytes.len() as u32).to_be_bytes());
        out.extend(bytes);
    };
    for (path, messages) in answers {
        put(path.as_bytes());
        put(&(messages.len() as u32).to_be_bytes());
        messages.iter().for_each(|message| put(message));
    }
    out
}

fn read(mut file: Bytes) -> Vec<(String, Vec<Bytes>)> {
    let take = |file: &mut Bytes| {
        let length = file.get_u32() as usize;
        file.split_to(length)
    };
    let mut answers = Vec::new();
    while file.has_remaining() {
        let path = String::from_utf8(take(&mut file).to_vec()).unwrap();
        let messages = take(&mut file).get_u32();
        answers.push((path, (0..messages).map(|_| take(&mut file)).collect()));
    }
    answers
}

impl NamedService for Bare {
    const NAME: &'static str = "bare.Bare";
}

impl tower::Service<http::Request<Body>> for Bare {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let found = self.0.iter().find(|(path, _)| path == request.uri().path());
        let mut messages = found.map(|(_, messages)| messages.clone()).unwrap_or_default();
        Box::pin(async move {
            let mut grpc = Grpc::new(Raw);
            Ok(if messages.len() == 1 {
                grpc.unary(Unary(messages.remove(0)), request).await
            } else {
                grpc.server_streaming(Streaming(messages), request).await
            })
        })
    }
}

impl UnaryService<Bytes> for Unary {
    type Response = Bytes;
    type Future = Ready<Result<Response<Bytes>, Status>>;

    fn call(&mut self, _: Request<Bytes>) -> Self::Future {
        ready(Ok(Response::new(self.0.clone())))
    }
}

impl ServerStreamingService<Bytes> for Streaming {
    type Response = Bytes;
    type ResponseStream = tokio_stream::Iter<std::vec::IntoIter<Result<Bytes, Status>>>;
    type Future = Ready<Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, _: Request<Bytes>) -> Self::Future {
        let messages: Vec<_> = self.0.iter().cloned().map(Ok).collect();
        ready(Ok(Response::new(tokio_stream::iter(messages))))
    }
}
