//! The edge: what every call passes before its handler, and what is recorded of it until its end.
//!
//! # Order
//!
//! A call of this gateway's services is refused by the first of these that fails, and costs nothing of what comes after: its
//! caller is known and allowed; its encodings are known; its message arrives whole; there is a place among the concurrent
//! calls. A peer without a token therefore never takes a place.
//!
//! # Rule
//!
//! Everything that answers a gRPC call is inside the edge, so each call has one line in the log, and each error carries
//! the request's id. A call ends at its deadline: unanswered ones here, streams that wait in `tracked_body`, and streams that
//! are still going on in `stream_watchdog`, whether their peer reads or not. A handler that panics ends its call with INTERNAL and the reason PANIC.
//!
//! # Edge cases
//!
//! Health and reflection are called by probes and tools without tokens. They take no place among the calls, so that no
//! probe fails under load; their streams have a bound of their own. A check has none: its message and its time are bounded.

use std::{
    borrow::Cow,
    panic::AssertUnwindSafe,
    pin::pin,
    sync::Arc,
    task::Poll,
    time::{Duration, Instant as StdInstant},
};

use bytes::Bytes;
use futures_util::{FutureExt, future::Either, poll};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body::Body as HttpBody;
use http_body_util::Full;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};
use tonic::{Status, body::Body, metadata::MetadataValue, service::Routes};
use tower::ServiceExt;
use tracing::Instrument;

use super::{
    auth::{self, Callers},
    completion,
    compression::{self, Encodings},
    connections::Connection,
    context::{CallContext, CallStatsHandle},
    deadline,
    error::ErrorDescriptor,
    request,
    services::{Call, Services},
    stream_watchdog::{self, Stream},
    tracked_body::{Content, TrackedBody},
};
use crate::{
    config,
    dispatch::{CancelFlag, CancelGuard},
    metrics::{Metrics, RpcSeries},
    telemetry::{OpenSpan, TraceContext, Tracer},
};
use stockroom_proto::pb::ErrorReason;

/// The caller's span (W3C Trace Context).
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const OVERLOAD_RETRY_DELAY: Duration = Duration::from_millis(500);

/// Streams of health and reflection that may be open at once, in the process and on one connection. They take no place
/// among the calls; a client has one health watch a connection. A connection's checks count while their message is on its way.
const MAX_OPEN_STREAMS: usize = 4096;
const MAX_OPEN_STREAMS_PER_CONNECTION: usize = 8;
/// The deadline of a health watch that states none, as good as none. One that is stated holds, however long.
const WATCH_DEADLINE: Duration = Duration::from_secs(365 * 24 * 3600);
const REFLECTION_DEADLINE: Duration = Duration::from_secs(600);

/// What every call passes.
#[derive(Debug)]
pub(crate) struct Edge {
    services: Services,
    /// Health and reflection.
    public_services: Routes,
    callers: Arc<Callers>,
    metrics: &'static Metrics,
    tracer: Tracer,
    bounds: config::ServerConfig,
    calls: Arc<Semaphore>,
    open_streams: Arc<Semaphore>,
}

/// A call in progress, for the line in the log at its end. A record that is dropped unfinished is a call whose stream ended
/// without headers to complete: its client left, its connection broke, or `stream_watchdog` ended it at its deadline.
#[derive(Debug)]
pub(crate) struct CallRecord {
    /// The service and the method, as `stockroom.v1.SearchService/SearchProducts`.
    pub(crate) method: Cow<'static, str>,
    pub(crate) request_id: HeaderValue,
    pub(crate) caller: Arc<str>,
    pub(crate) started: StdInstant,
    pub(crate) deadline: Instant,
    /// The deadline that the client stated, without the gateway's bound.
    pub(crate) client_deadline: Option<Instant>,
    /// Whether it calls health or reflection.
    pub(crate) is_public_service: bool,
    pub(crate) stats: CallStatsHandle,
    /// Whether its end is recorded.
    pub(crate) is_finished: bool,
    pub(crate) metrics: &'static Metrics,
    pub(crate) series: RpcSeries,
    pub(crate) tracer: Tracer,
    /// `None` where no trace is known.
    pub(crate) span: Option<OpenSpan>,
}

impl Edge {
    pub(crate) fn new(
        services: Services,
        public_services: Routes,
        config: &config::Config,
        callers: Arc<Callers>,
        metrics: &'static Metrics,
        tracer: Tracer,
    ) -> Self {
        Self {
            services,
            public_services: public_services.prepare(),
            callers,
            metrics,
            tracer,
            bounds: config.server,
            calls: Arc::new(Semaphore::new(config.server.max_concurrent_calls)),
            open_streams: Arc::new(Semaphore::new(MAX_OPEN_STREAMS)),
        }
    }

    /// Serves one gRPC call.
    pub(crate) async fn call<B>(&self, request: Request<B>, connection: &Connection) -> Response<TrackedBody>
    where
        B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let method = Method::of(request.uri().path());
        let asked = deadline::asked(request.headers());
        let allowed = match method {
            Method::HealthWatch => asked.unwrap_or(WATCH_DEADLINE),
            Method::Reflection => asked.unwrap_or(REFLECTION_DEADLINE).min(REFLECTION_DEADLINE),
            Method::HealthCheck | Method::Call => deadline::allowed(asked, &self.bounds),
        };
        let now = Instant::now();
        let deadline = now + allowed;
        stream_watchdog::set_stream(Stream { deadline, is_public_service: method != Method::Call });
        let series = RpcSeries::from_path(request.uri().path());
        self.metrics.call_started(series);
        let caller_span = request.headers().get(TRACEPARENT).and_then(|value| TraceContext::parse(value.as_bytes()));
        let mut record = CallRecord {
            method: match series.method() {
                Some(method) => method.into(),
                None => request.uri().path().trim_start_matches('/').to_owned().into(),
            },
            request_id: request_id(request.headers()),
            caller: Arc::default(),
            started: StdInstant::now(),
            deadline,
            client_deadline: asked.map(|asked| now + asked),
            is_public_service: method != Method::Call,
            stats: CallStatsHandle::default(),
            metrics: self.metrics,
            series,
            tracer: self.tracer,
            // A probe begins no trace of its own.
            span: self.tracer.open_server_span(caller_span, method == Method::Call),
            is_finished: false,
        };
        match self.serve(method, request, connection, &mut record).await {
            Ok((response, held)) => TrackedBody::served(response, record, held),
            Err(status) => TrackedBody::failed(&status, record),
        }
    }

    /// Everything that can refuse a call before its handler, in the order of what it costs; then the handler.
    async fn serve<B>(
        &self,
        method: Method,
        request: Request<B>,
        connection: &Connection,
        record: &mut CallRecord,
    ) -> Result<(Response<Content>, Held), Status>
    where
        B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let principal = self.callers.admit(request.uri().path(), request.headers(), connection.peer.get())?;
        record.caller = Arc::clone(&principal.name);
        let ended = CancelFlag::default();
        let hold = |place| Held { _place: place, _ends: ended.clone().drop_guard() };
        let (head, body) = request.into_parts();
        let (held, serving) = match method {
            Method::Call => {
                let encodings = Encodings::from_headers(&head.headers).map_err(|error| {
                    let mut status = error.status();
                    let accepted = MetadataValue::from_static(compression::ACCEPTED);
                    status.metadata_mut().insert(compression::ACCEPT_ENCODING, accepted);
                    status
                })?;
                let message = request::read_message(body, record.deadline).await?;
                let place = Arc::clone(&self.calls).try_acquire_owned().map_err(|_| overloaded("calls"))?;
                let context = CallContext {
                    principal,
                    deadline: record.deadline,
                    ended: ended.clone(),
                    trace: record.trace(),
                    stats: record.stats.clone(),
                };
                let call = Call { message, encodings, context };
                (hold(Some(place)), Either::Left(self.services.call(head.uri.path(), call)))
            }
            Method::HealthCheck => {
                let message = request::read_message(body, record.deadline).await?;
                (hold(None), Either::Right(self.open(head, Body::new(Full::new(message)))))
            }
            Method::HealthWatch | Method::Reflection => {
                // The streams before this one, which is counted after its first poll.
                if connection.public_service_streams() >= MAX_OPEN_STREAMS_PER_CONNECTION {
                    return Err(overloaded("health and reflection streams of this connection").into());
                }
                let place = Arc::clone(&self.open_streams).try_acquire_owned();
                let place = place.map_err(|_| overloaded("health and reflection streams"))?;
                (hold(Some(place)), Either::Right(self.open(head, Body::new(body))))
            }
        };
        let mut serving = pin!(AssertUnwindSafe(serving).catch_unwind());
        // What memory answers is complete here, without a span: a handler logs nothing in its first poll.
        let served = match poll!(&mut serving) {
            Poll::Ready(served) => Some(served),
            Poll::Pending => {
                let id = record.request_id.to_str().unwrap_or_default();
                let trace_id = record.trace().map(|trace| tracing::field::display(trace.trace_id()));
                let span = tracing::info_span!("call", request_id = id, trace_id, method = &*record.method);
                timeout_at(record.deadline, serving.instrument(span)).await.ok()
            }
        };
        match served {
            Some(Ok(response)) => Ok((response?, held)),
            Some(Err(_)) => Err(ErrorDescriptor::new(ErrorReason::Panic, "the gateway failed on this call").into()),
            None => Err(completion::deadline_exceeded().into()),
        }
    }

    /// Calls health or reflection.
    async fn open(&self, head: http::request::Parts, body: Body) -> Result<Response<Content>, Status> {
        match self.public_services.clone().oneshot(Request::from_parts(head, body)).await {
            Ok(response) => Ok(response.map(Content::Foreign)),
            Err(never) => match never {},
        }
    }
}

/// What a call holds until its body is dropped: its place among the calls in progress, and the guard whose drop cancels
/// [`CallContext::ended`].
#[derive(Debug)]
pub(crate) struct Held {
    _place: Option<OwnedSemaphorePermit>,
    _ends: CancelGuard,
}

/// The kinds of methods that the edge treats differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    /// A method of this gateway's own services.
    Call,
    /// Any other method of health, as of a probe: answered at any load.
    HealthCheck,
    /// A stream that stays open.
    HealthWatch,
    /// A stream that a tool holds open.
    Reflection,
}

impl Method {
    fn of(path: &str) -> Self {
        match path {
            "/grpc.health.v1.Health/Watch" => Self::HealthWatch,
            _ if path.starts_with("/grpc.health.v1.") => Self::HealthCheck,
            _ if auth::is_public(path) => Self::Reflection,
            _ => Self::Call,
        }
    }
}

impl CallRecord {
    /// The place of the call in a trace.
    pub(crate) fn trace(&self) -> Option<TraceContext> {
        self.span.map(|span| span.context)
    }
}

impl Drop for CallRecord {
    fn drop(&mut self) {
        if !self.is_finished {
            completion::abandoned(self);
        }
    }
}

fn overloaded(what: &str) -> ErrorDescriptor {
    let message = format!("too many {what} are in progress");
    ErrorDescriptor::new(ErrorReason::Overloaded, message).retry_in(OVERLOAD_RETRY_DELAY)
}

/// The id that the caller gave the request, if it is valid in a log line, or a random UUID. The UUID need not be
/// unguessable, so it does not cost a system call for the kernel's randomness.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let given = headers
        .get(completion::REQUEST_ID)
        .filter(|id| (1..=128).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic));
    let mut id = given.cloned().unwrap_or_else(|| {
        let id = uuid::Builder::from_random_bytes(fastrand::u128(..).to_be_bytes()).into_uuid();
        let mut text = uuid::Uuid::encode_buffer();
        HeaderValue::from_str(id.hyphenated().encode_lower(&mut text)).unwrap_or(HeaderValue::from_static("none"))
    });
    // Hardly another call has it, so HPACK need not remember it (RFC 7541, 6.2.3).
    id.set_sensitive(true);
    id
}

/// An answer with headers only, as gRPC ends a call that failed before its first message.
pub(crate) fn trailers_only(status: &Status) -> Response<Content> {
    status.clone().into_http::<()>().map(|()| Content::Empty)
}
