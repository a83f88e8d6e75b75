//! The completion of a call: the headers that end it are completed for the client, and its line is written to the log.
//!
//! # Rule
//!
//! gRPC ends a call with `grpc-status`, in the trailers or, where no message was sent, in the headers. Each call
//! passes exactly one of [`finish`], [`succeed`] (an OK of this gateway's own services) and [`abandoned`] (its record was
//! dropped before). What is sent at the end has the request's id.
//! An error has `ErrorInfo` (a reason of this gateway),
//! `RequestInfo` (the request's id), the details that its maker added, and where a retry can help the pushback header.
//!
//! # Edge cases
//!
//! A status that tonic made has no reason; it gets one, and that reason's code. An error that is too large for a client's
//! header list loses details, then the end of its message, never its reason. A call whose stream ended before has no headers
//! to complete. Headers without a status do not come here: `tracked_body` takes such an end for a defect.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime},
};

use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::{
    edge::CallRecord,
    error::{self, DOMAIN, ErrorDescriptor},
};
use crate::metrics::FailedCall;
use stockroom_proto::pb::ErrorReason;

mod span;

const OK: HeaderValue = HeaderValue::from_static("0");
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// gRPC clients with a retry policy obey this; only applications read `RetryInfo` (gRFC A6).
pub(crate) const PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");
/// The most that the headers of an error may take: below the 8 KiB that grpc-java accepts by default, with room for what a
/// proxy adds.
const MAX_HEADER_LIST_BYTES: usize = 7 * 1024;
/// The characters of a message where a longer one does not fit.
const SHORT_MESSAGE_CHARS: usize = 100;

/// The error of a call that took too long.
pub(crate) fn deadline_exceeded() -> ErrorDescriptor {
    ErrorDescriptor::new(ErrorReason::DeadlineExceeded, "the deadline came before the answer")
}

/// The trailers of a call that ends with an error.
pub(crate) fn trailers(error: &Status, record: CallRecord) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    // A status of the gateway always encodes into headers.
    let _ = error.add_header(&mut trailers);
    finish(&mut trailers, record);
    trailers
}

/// The trailers of a call that succeeded. Records its end.
pub(crate) fn succeed(mut record: CallRecord) -> HeaderMap {
    record.is_finished = true;
    record_end(Code::Ok, "", &record);
    let mut trailers = HeaderMap::with_capacity(2);
    trailers.insert(Status::GRPC_STATUS, OK);
    let nothing = HeaderValue::from_static("");
    trailers.insert(REQUEST_ID, std::mem::replace(&mut record.request_id, nothing));
    trailers
}

/// Completes the headers that end a call, and records its end. They have a status.
pub(crate) fn finish(last: &mut HeaderMap, mut record: CallRecord) {
    record.is_finished = true;
    last.insert(REQUEST_ID, record.request_id.clone());
    let (code, reason) = match Status::from_header_map(last).filter(|status| status.code() != Code::Ok) {
        None => (Code::Ok, String::new()),
        Some(status) => complete(last, &status, &record),
    };
    record_end(code, &reason, &record);
}

/// Records the end of a call whose record was dropped before its end could be sent. After the deadline `stream_watchdog` has
/// ended its stream, since its peer does not read or its answers do not stop. Before it the client has left.
pub(crate) fn abandoned(record: &CallRecord) {
    let (code, reason) = if Instant::now() >= record.deadline {
        (Code::DeadlineExceeded, error::reason_name(ErrorReason::DeadlineExceeded))
    } else {
        (Code::Cancelled, error::reason_name(ErrorReason::ClientGone))
    };
    keep_failure(code, reason, String::new(), record);
    record_end(code, reason, record);
}

/// Gives a status what every error of this gateway carries: a reason, the request's id, and when to retry. Keeps the failure
/// for the status page.
///
/// Clients bound the headers that they accept, so the first form that fits is sent: with all details; with the reason, the
/// request's id and the retry delay only; or with a short message besides, which is sent even if it does not fit.
fn complete(last: &mut HeaderMap, status: &Status, record: &CallRecord) -> (Code, String) {
    let details = status.get_error_details();
    let (code, reason) = match details.error_info() {
        Some(info) => (status.code(), info.reason.clone()),
        None => {
            let reason = reason_of_foreign(status);
            (error::code(reason), error::reason_name(reason).to_owned())
        }
    };
    let request_id = record.request_id.to_str().unwrap_or_default();
    let mut all = details.clone();
    let facts = details.error_info().map(|info| info.metadata.clone()).unwrap_or_default();
    keep_failure(code, &reason, facts.get("amazon_request_id").cloned().unwrap_or_default(), record);
    all.set_error_info(reason.clone(), DOMAIN, facts);
    all.set_request_info(request_id, "");
    let mut bare = ErrorDetails::new();
    bare.set_error_info(reason.clone(), DOMAIN, HashMap::new());
    bare.set_request_info(request_id, "");
    if let Some(delay) = details.retry_info().and_then(|info| info.retry_delay) {
        bare.set_retry_info(Some(delay));
        last.insert(PUSHBACK, pushback(delay, record));
    }
    let short: String = status.message().chars().take(SHORT_MESSAGE_CHARS).collect();
    for (message, details) in [(status.message(), all), (status.message(), bare.clone()), (&*short, bare)] {
        // A status built here always encodes into headers.
        let _ = Status::with_error_details(code, message, details).add_header(last);
        if header_list_bytes(last) <= MAX_HEADER_LIST_BYTES {
            break;
        }
    }
    (code, reason)
}

/// The pushback of a retry delay: the delay, or "do not retry" where the client's own deadline comes first. A client that
/// obeyed a longer delay would wait past its deadline, and report the deadline instead of the reason.
fn pushback(delay: Duration, record: &CallRecord) -> HeaderValue {
    if record.client_deadline.is_some_and(|deadline| Instant::now() + delay >= deadline) {
        return HeaderValue::from_static("-1");
    }
    HeaderValue::from(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX))
}

/// The size of a header list as peers count it: 32 bytes more for each field (RFC 9113, 6.5.2).
fn header_list_bytes(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum()
}

/// The reason of a status without `ErrorInfo`: tonic made it, or one of the services that come with it.
///
/// tonic reports a request that it cannot read as INTERNAL. The caller caused that, so such a status becomes
/// INVALID_ARGUMENT, as MALFORMED_MESSAGE or PROTOCOL_ERROR; only tonic's message distinguishes the two. Codes that tonic
/// does not use by itself count as PROTOCOL_ERROR as well.
fn reason_of_foreign(status: &Status) -> ErrorReason {
    let says = |words: &str| status.message().contains(words);
    match status.code() {
        Code::Internal if says("decode Protobuf") => ErrorReason::MalformedMessage,
        Code::Internal => ErrorReason::ProtocolError,
        Code::Unimplemented if says("compressed with") => ErrorReason::UnsupportedEncoding,
        Code::Unimplemented => ErrorReason::UnknownMethod,
        Code::OutOfRange | Code::ResourceExhausted => ErrorReason::MessageTooLarge,
        Code::NotFound => ErrorReason::ServiceUnknown,
        Code::DeadlineExceeded => ErrorReason::DeadlineExceeded,
        Code::Cancelled => ErrorReason::ClientGone,
        _ => ErrorReason::ProtocolError,
    }
}

/// Keeps a failure for the status page, unless its code says that the caller caused it. A deadline counts as a failure, however
/// short the client's was. Health and reflection are left out: anybody can make their calls fail, and the list is short.
fn keep_failure(code: Code, reason: &str, amazon_request_id: String, record: &CallRecord) {
    if record.is_public_service {
        return;
    }
    let code = match code {
        Code::Unknown => "UNKNOWN",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Ok
        | Code::Cancelled
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::Unauthenticated => return,
    };
    record.metrics.failed(FailedCall {
        time: SystemTime::now(),
        method: record.method.clone().into_owned(),
        code,
        reason: reason.to_owned(),
        request_id: record.request_id.to_str().unwrap_or_default().to_owned(),
        amazon_request_id,
    });
}

/// Ends a call in the metrics and its trace, and writes its line to the log.
fn record_end(code: Code, reason: &str, record: &CallRecord) {
    let stats = record.stats.snapshot();
    let elapsed = record.started.elapsed();
    record.metrics.call_ended(record.series, code.into(), elapsed);
    if let Some(span) = record.span {
        record.tracer.finish(span, || span::finished(code, reason, elapsed, &stats, record));
    }
    let duration_ms = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX) as f64 / 1000.0;
    let request_id = record.request_id.to_str().unwrap_or_default();
    let trace_id = record.trace().map(|trace| tracing::field::display(trace.trace_id()));
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                target: "stockroom::call",
                method = &*record.method,
                code = ?code,
                reason,
                duration_ms,
                caller = &*record.caller,
                ids = stats.ids,
                from_memory = stats.cost.from_memory,
                from_redis = stats.cost.from_redis,
                from_amazon = stats.cost.from_amazon,
                stale = stats.cost.stale,
                amazon_calls = stats.cost.amazon_calls,
                request_id,
                trace_id,
                "call ended"
            )
        };
    }
    match code {
        // A defect of the gateway, or an answer of Amazon that it cannot read.
        Code::Internal | Code::Unknown | Code::DataLoss => line!(error),
        // The account or the configuration needs the operator.
        Code::FailedPrecondition => line!(warn),
        // Probes and tools call these all the time, and anybody may.
        _ if record.is_public_service => line!(debug),
        _ => line!(info),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        metrics::{Metrics, RpcSeries},
        server::context::CallStatsHandle,
    };

    fn record(metrics: &'static Metrics, path: &'static str, deadline: Instant) -> CallRecord {
        let series = RpcSeries::from_path(path);
        metrics.call_started(series);
        CallRecord {
            method: path.into(),
            request_id: HeaderValue::from_static("id"),
            caller: Arc::default(),
            started: std::time::Instant::now(),
            deadline,
            client_deadline: None,
            is_public_service: path.starts_with("/grpc."),
            stats: CallStatsHandle::default(),
            is_finished: false,
            metrics,
            series,
            tracer: <_>::default(),
            span: None,
        }
    }

    const SEARCH: &str = "/stockroom.v1.SearchService/StreamSearch";

    fn failures(metrics: &Metrics) -> Vec<&'static str> {
        metrics.recent_failures().into_iter().map(|failure| failure.code).collect()
    }

    #[tokio::test]
    async fn a_stream_that_is_ended_at_its_deadline_is_no_client_that_left() {
        let metrics = Metrics::new();
        drop(record(metrics, SEARCH, Instant::now() + Duration::from_secs(60)));
        assert_eq!(failures(metrics), [""; 0]);
        drop(record(metrics, SEARCH, Instant::now()));
        assert_eq!(failures(metrics), ["DEADLINE_EXCEEDED"]);
    }

    #[tokio::test]
    async fn anybody_can_make_health_and_reflection_fail_so_the_status_page_leaves_them_out() {
        let metrics = Metrics::new();
        for path in ["/grpc.health.v1.Health/Watch", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"] {
            trailers(&deadline_exceeded().status(), record(metrics, path, Instant::now()));
        }
        assert_eq!(failures(metrics), [""; 0]);
        trailers(&deadline_exceeded().status(), record(metrics, SEARCH, Instant::now()));
        assert_eq!(failures(metrics), ["DEADLINE_EXCEEDED"]);
    }
}
