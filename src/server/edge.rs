//! The edge that every call passes: its id, who calls, how long it may take, and the one line it leaves in the log.
//!
//! Everything that can answer a call stands inside it, so that the line tells of every call and every error carries the
//! request's id. It also bounds what tonic leaves open: a stream ends at its deadline too, and a panic is an answer.

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant as WallInstant},
};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Body as HttpBody;
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;
use tonic::{Status, body::Body, service::Routes};
use tower::ServiceExt;
use tracing::Instrument;

use super::{
    auth::{self, Callers},
    completion,
    context::{CallContext, CallStatsHandle},
    deadline,
    error::ErrorDescriptor,
    tracked_body::TrackedBody,
};
use crate::{
    config,
    metrics::{Method, Metrics},
};
use stockroom_proto::pb::ErrorReason;

const REQUEST_ID: &str = "x-request-id";
const OVERLOAD_RETRY_DELAY: Duration = Duration::from_millis(500);

/// What every call passes.
#[derive(Debug)]
pub(crate) struct Edge {
    routes: Routes,
    callers: Arc<Callers>,
    metrics: &'static Metrics,
    bounds: config::Server,
    calls: Arc<Semaphore>,
}

/// A call that has record, for the line it leaves when it ends.
#[derive(Debug)]
pub(crate) struct CallRecord {
    pub(crate) method: Arc<str>,
    pub(crate) request_id: HeaderValue,
    pub(crate) caller: Arc<str>,
    pub(crate) started: WallInstant,
    pub(crate) deadline: Instant,
    pub(crate) stats: CallStatsHandle,
    pub(crate) metrics: &'static Metrics,
    pub(crate) series: Method,
}

impl Edge {
    pub(crate) fn new(
        routes: Routes,
        config: &config::Config,
        callers: Arc<Callers>,
        metrics: &'static Metrics,
    ) -> Self {
        Self {
            routes: routes.prepare(),
            callers,
            metrics,
            bounds: config.server,
            calls: Arc::new(Semaphore::new(config.server.max_concurrent_calls)),
        }
    }

    /// Serves one call.
    pub(crate) async fn call<B>(&self, mut request: Request<B>) -> Response<TrackedBody>
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let path: Arc<str> = request.uri().path().into();
        let open = auth::is_open(&path);
        // A watch on health has no end of its own.
        let allowed = if open {
            Duration::from_secs(365 * 24 * 3600)
        } else {
            deadline::allowed(request.headers(), &self.bounds)
        };
        let ended = CancellationToken::new();
        let series = Method::from_path(&path);
        self.metrics.call_started(series);
        let mut record = CallRecord {
            method: path.trim_start_matches('/').into(),
            request_id: request_id(request.headers()),
            caller: "".into(),
            started: WallInstant::now(),
            deadline: Instant::now() + allowed,
            stats: CallStatsHandle::default(),
            metrics: self.metrics,
            series,
        };
        let permit = match Arc::clone(&self.calls).try_acquire_owned() {
            Ok(permit) => Some(permit),
            Err(_) if open => None,
            Err(_) => return TrackedBody::refused(overloaded(), record),
        };
        let principal = match self.callers.admit(&path, request.headers()) {
            Ok(principal) => principal,
            Err(error) => return TrackedBody::refused(error, record),
        };
        record.caller = Arc::clone(&principal.name);
        request.extensions_mut().insert(CallContext {
            principal,
            deadline: record.deadline,
            ended: ended.clone(),
            stats: record.stats.clone(),
        });
        let ends = ended.drop_guard();

        let id = record.request_id.to_str().unwrap_or_default();
        let span = tracing::info_span!("call", request_id = id, method = &*record.method);
        let serving = AssertUnwindSafe(self.routes.clone().oneshot(request)).catch_unwind().instrument(span);
        match timeout_at(record.deadline, serving).await {
            Ok(Ok(Ok(response))) => TrackedBody::answered(response, record, permit, ends),
            Ok(Ok(Err(never))) => match never {},
            Ok(Err(_)) => TrackedBody::refused(
                ErrorDescriptor::new(ErrorReason::Panic, "the gateway failed on this call"),
                record,
            ),
            Err(_) => TrackedBody::refused(completion::deadline_exceeded(), record),
        }
    }
}

fn overloaded() -> ErrorDescriptor {
    ErrorDescriptor::new(ErrorReason::Overloaded, "too many calls are in progress").retry_in(OVERLOAD_RETRY_DELAY)
}

/// The id that the caller gave the request, if it is one that a log can bear, or a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let given = headers
        .get(REQUEST_ID)
        .filter(|id| (1..=128).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic));
    given.cloned().unwrap_or_else(|| {
        HeaderValue::from_str(&uuid::Uuid::new_v4().to_string()).unwrap_or(HeaderValue::from_static("none"))
    })
}

/// An answer with headers only, as gRPC ends a call that failed before its first message.
pub(crate) fn trailers_only(status: &Status) -> Response<Body> {
    status.clone().into_http()
}
