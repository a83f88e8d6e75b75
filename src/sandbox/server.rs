//! The sandbox's HTTP server: accepts connections, decides each call's fate, and delivers it.

use std::{
    convert::Infallible,
    io,
    sync::{Arc, Mutex},
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
use time::OffsetDateTime;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::{
    amazon::Operation,
    sandbox::{
        Call, Fault, FaultKind, Options, Tls, hold::Gate, limits::Allowance, locked, paapi5, record::Record,
        signature::Received,
    },
};

/// Larger than any request of the API, whose ids are at most ten.
const MAX_REQUEST_BYTES: usize = 1 << 20;

/// How long to wait after a connection could not be accepted: long enough not to spin, short enough not to be noticed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What all connections share.
#[derive(Debug)]
pub(crate) struct House {
    pub(crate) allowance: Mutex<Allowance>,
    pub(crate) faults: Mutex<Vec<Fault>>,
    pub(crate) record: Record,
    pub(crate) gate: Gate,
    latency: Duration,
}

/// What becomes of a call.
enum Fate {
    Answered(Answer),
    /// Half of the answer is sent.
    CutShort(Answer),
    NeverAnswered,
    HungUp,
}

struct Answer {
    status: u16,
    content_type: &'static str,
    retry_after: Option<Duration>,
    body: Bytes,
    later: Duration,
}

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// The connection is closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the sandbox hangs up on purpose, or the request could not be read")]
struct HungUp;

impl House {
    pub(crate) fn new(options: Options) -> Self {
        Self {
            allowance: Mutex::new(Allowance::new(options.calls_per_second, options.calls_per_day)),
            faults: Mutex::new(options.faults),
            record: Record::new(),
            gate: Gate::new(),
            latency: options.latency,
        }
    }

    /// Checks a call in the order that the API does, and answers it unless a fault befalls it.
    fn decide(&self, operation: Option<Operation>, received: Received<'_>, body: &Value) -> Fate {
        let admitted = paapi5::authenticate(operation, received, OffsetDateTime::now_utc()).and_then(|operation| {
            let admitted = locked(&self.allowance).admits(Instant::now());
            if admitted { Ok(operation) } else { Err(paapi5::Refusal::named("TooManyRequests")) }
        });
        let operation = match admitted {
            Ok(operation) => operation,
            Err(refusal) => return Fate::Answered(Answer::refusing(&refusal)),
        };
        let fault = Fault::take(&mut locked(&self.faults), operation);
        let hide_first = fault == Some(FaultKind::PartialErrors);
        let answer = match paapi5::answer(operation, received, body, OffsetDateTime::now_utc(), hide_first) {
            Ok(answer) => Answer::json(200, &answer),
            Err(refusal) => Answer::refusing(&refusal),
        };
        match fault {
            Some(fault) => befall(fault, answer),
            None => Fate::Answered(answer),
        }
    }
}

/// Serves until `stop`, and then closes the port and every connection.
pub(crate) async fn serve(listener: TcpListener, tls: Option<Tls>, house: Arc<House>, stop: CancellationToken) {
    let acceptor = tls.map(|tls| TlsAcceptor::from(tls.config));
    let mut connections = JoinSet::new();
    // Cancel-safe: accepting and joining lose nothing when the other branch wins.
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, acceptor.clone(), Arc::clone(&house)));
                }
                // Out of file descriptors, most likely: others must give theirs back first.
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    connections.shutdown().await;
}

async fn connection(stream: TcpStream, acceptor: Option<TlsAcceptor>, house: Arc<House>) {
    // Small answers must not wait for each other.
    let _best_effort = stream.set_nodelay(true);
    match acceptor {
        None => speak_http(stream, house).await,
        Some(acceptor) => {
            if let Ok(stream) = acceptor.accept(stream).await {
                speak_http(stream, house).await;
            }
        }
    }
}

async fn speak_http(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, house: Arc<House>) {
    let service = service_fn(move |request| call(Arc::clone(&house), request));
    // It fails when the client goes away and when a fault closes the connection: neither is news.
    let _how_it_ended = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn call(house: Arc<House>, request: Request<Incoming>) -> Result<Response<Body>, HungUp> {
    let (parts, body) = request.into_parts();
    let raw = Limited::new(body, MAX_REQUEST_BYTES).collect().await.map_err(|_| HungUp)?.to_bytes();
    let body: Value = serde_json::from_slice(&raw).unwrap_or(Value::Null);
    let received =
        Received { method: parts.method.as_str(), path: parts.uri.path(), headers: &parts.headers, body: &raw };
    let operation = paapi5::operation(received);
    let fate = house.decide(operation, received, &body);
    let call = house.record.arrive(call_of(&parts, operation, body));
    house.gate.pass().await;
    let (answer, whole) = match fate {
        Fate::Answered(answer) => (answer, true),
        Fate::CutShort(answer) => (answer, false),
        Fate::NeverAnswered => return std::future::pending().await,
        Fate::HungUp => return Err(HungUp),
    };
    tokio::time::sleep(house.latency + answer.later).await;
    house.record.answered(call, answer.status);
    answer.deliver(whole)
}

fn call_of(parts: &Parts, operation: Option<Operation>, body: Value) -> Call {
    let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default().to_owned();
    let ids = body.get("ItemIds").and_then(Value::as_array).into_iter().flatten();
    let item_ids = ids.filter_map(Value::as_str).map(str::to_owned).collect();
    Call { operation, host, item_ids, body, status: 0, at: Instant::now() }
}

/// Lets a fault have its way with what would have been the answer.
fn befall(fault: FaultKind, answer: Answer) -> Fate {
    Fate::Answered(match fault {
        FaultKind::Error(name) => Answer::refusing(&paapi5::Refusal::named(name)),
        FaultKind::Status { status, body } => Answer { status, content_type: "text/html", body: body.into(), ..answer },
        FaultKind::RetryAfter(wait) => {
            let refusal = Answer::refusing(&paapi5::Refusal::named("TooManyRequests"));
            Answer { retry_after: Some(wait), ..refusal }
        }
        FaultKind::Latency(later) => Answer { later, ..answer },
        FaultKind::Hang => return Fate::NeverAnswered,
        FaultKind::Reset => return Fate::HungUp,
        FaultKind::Truncated => return Fate::CutShort(answer),
        FaultKind::Malformed => Answer { status: 200, body: "{\"ItemsResult\": {\"Items\": [,]}".into(), ..answer },
        FaultKind::WrongShape => {
            let body =
                r#"{"ItemsResult": ["spoon"], "SearchResult": 7, "VariationsResult": "", "BrowseNodesResult": true}"#;
            Answer { status: 200, body: body.into(), ..answer }
        }
        FaultKind::PartialErrors => answer,
    })
}

impl Answer {
    fn json(status: u16, body: &Value) -> Self {
        let body = body.to_string().into();
        Self { status, content_type: "application/json", retry_after: None, body, later: Duration::ZERO }
    }

    fn refusing(refusal: &paapi5::Refusal) -> Self {
        Self::json(refusal.status, &refusal.body())
    }

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
        // Pending once, so that the connection writes what it has before it is told of the error.
        tokio::task::yield_now().await;
        Some((Err(io::Error::from(io::ErrorKind::ConnectionAborted)), None))
    });
    StreamBody::new(frames).boxed_unsync()
}

/// Twenty upper-case letters and digits, as Amazon's own.
fn amazon_rid() -> String {
    std::iter::repeat_with(|| fastrand::alphanumeric().to_ascii_uppercase()).take(20).collect()
}
