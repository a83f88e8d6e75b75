//! The sandbox's HTTP server: accepts connections, passes each request to the shared state and sends the answer.

use std::{
    convert::Infallible,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response, header, request::Parts};
use http_body_util::{BodyExt, Full, Limited, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    body::{Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::{
    RecordedCall, Tls,
    outcome::{CallOutcome, HttpAnswer},
    signature::ReceivedRequest,
    state::{Route, SandboxState},
};
use amazon_catalog::Operation;

/// The largest request body. Requests of both APIs are far smaller: they carry at most ten ids.
const MAX_REQUEST_BYTES: usize = 1 << 20;

/// The pause after a failed accept, so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// The connection is closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the sandbox hangs up on purpose, or the request could not be read")]
struct HungUp;

/// Serves until `stop`, and then closes the port and every connection.
pub(crate) async fn serve(listener: TcpListener, tls: Option<Tls>, state: Arc<SandboxState>, stop: CancellationToken) {
    let acceptor = tls.map(|tls| TlsAcceptor::from(tls.config));
    let mut connections = JoinSet::new();
    // Cancel-safe: accepting and joining lose nothing when the other branch wins.
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, acceptor.clone(), Arc::clone(&state)));
                }
                // Most likely the process has no free file descriptor; one must be closed first.
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    connections.shutdown().await;
}

async fn connection(stream: TcpStream, acceptor: Option<TlsAcceptor>, state: Arc<SandboxState>) {
    // Without this, Nagle's algorithm delays small answers.
    let _best_effort = stream.set_nodelay(true);
    match acceptor {
        None => speak_http(stream, state).await,
        Some(acceptor) => {
            if let Ok(stream) = acceptor.accept(stream).await {
                speak_http(stream, state).await;
            }
        }
    }
}

async fn speak_http(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, state: Arc<SandboxState>) {
    let service = service_fn(move |request| call(Arc::clone(&state), request));
    // It fails when the client disconnects and when a fault closes the connection; both are expected.
    let _how_it_ended = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn call(state: Arc<SandboxState>, request: Request<Incoming>) -> Result<Response<Body>, HungUp> {
    let (parts, body) = request.into_parts();
    let raw = Limited::new(body, MAX_REQUEST_BYTES).collect().await.map_err(|_| HungUp)?.to_bytes();
    let received =
        ReceivedRequest { method: parts.method.as_str(), path: parts.uri.path(), headers: &parts.headers, body: &raw };
    let route = Route::of(received);
    let outcome = state.decide(route, received, parts.uri.query().unwrap_or_default());
    let call = match route {
        Route::Paapi5(_) | Route::Creators(_) => Some(state.call_log.arrive(call_of(&parts, route.operation(), &raw))),
        Route::Token(_) | Route::File | Route::Counts | Route::Faults => None,
    };
    match route {
        Route::Paapi5(_) | Route::Creators(_) => state.gate.pass().await,
        Route::Token(_) => {
            state.tokens.requested();
            state.token_gate.pass().await;
        }
        Route::File | Route::Counts | Route::Faults => {}
    }
    let (answer, whole) = match outcome {
        CallOutcome::Answered(answer) => (answer, true),
        CallOutcome::CutShort(answer) => (answer, false),
        CallOutcome::NeverAnswered => return std::future::pending().await,
        CallOutcome::HungUp => return Err(HungUp),
    };
    tokio::time::sleep(state.latency + answer.later).await;
    if let Some(call) = call {
        state.call_log.answered(call, answer.status);
    }
    answer.deliver(whole)
}

fn call_of(parts: &Parts, operation: Option<Operation>, raw: &[u8]) -> RecordedCall {
    let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default().to_owned();
    let body: Value = serde_json::from_slice(raw).unwrap_or_default();
    let ids = ["ItemIds", "itemIds"].into_iter().filter_map(|name| body.get(name)?.as_array()).flatten();
    let item_ids = ids.filter_map(Value::as_str).map(str::to_owned).collect();
    RecordedCall { operation, path: parts.uri.path().to_owned(), host, item_ids, body, status: 0, at: Instant::now() }
}

impl HttpAnswer {
    fn deliver(self, whole: bool) -> Result<Response<Body>, HungUp> {
        let mut response = Response::builder()
            .status(self.status)
            .header(header::SERVER, "Server")
            .header(header::CONTENT_TYPE, self.content_type)
            .header(header::CONTENT_LENGTH, self.body.len())
            .header("x-amzn-RequestId", uuid::Uuid::new_v4().to_string())
            .header("x-amz-rid", amazon_rid());
        if let Some(wait) = self.retry_after {
            response = response.header(header::RETRY_AFTER, wait.as_secs());
        }
        let body = if whole {
            Full::new(self.body).map_err(|never: Infallible| match never {}).boxed_unsync()
        } else {
            half(&self.body)
        };
        response.body(body).map_err(|_| HungUp)
    }
}

/// The first half of `body`, and then an error that closes the connection.
fn half(body: &Bytes) -> Body {
    let first = body.slice(..body.len() / 2);
    let frames = stream::unfold(Some(first), |first| async move {
        if let Some(first) = first {
            return Some((Ok(Frame::data(first)), None));
        }
        // Yields once, so that the connection writes the first half before it sees the error.
        tokio::task::yield_now().await;
        Some((Err(io::Error::from(io::ErrorKind::ConnectionAborted)), None))
    });
    StreamBody::new(frames).boxed_unsync()
}

/// Twenty upper-case letters and digits, as Amazon's own.
fn amazon_rid() -> String {
    std::iter::repeat_with(|| fastrand::alphanumeric().to_ascii_uppercase()).take(20).collect()
}
