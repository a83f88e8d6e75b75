//! How a call ends: what its last headers say, completed for the client and told to the log.

use std::time::SystemTime;

use http::{HeaderMap, HeaderName, HeaderValue};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::{
    edge::CallRecord,
    error::{self, DOMAIN, ErrorDescriptor},
};
use crate::metrics::Failure;
use stockroom_proto::pb::ErrorReason;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// gRPC clients with a retry policy obey this; only applications read `RetryInfo` (gRFC A6).
const PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");
/// What a client's header list bears with room for others' headers (8 KiB in Java by default).
const MAX_DETAILS_BYTES: usize = 4096;

/// The error of a call that took too long.
pub(crate) fn deadline_exceeded() -> ErrorDescriptor {
    ErrorDescriptor::new(ErrorReason::DeadlineExceeded, "the deadline came before the answer")
}

/// Completes the headers that end a call and writes its line.
pub(crate) fn finish(last: &mut HeaderMap, record: &CallRecord) {
    let ended =
        Status::from_header_map(last).filter(|status| status.code() != Code::Ok).map(|status| complete(status, record));
    let (code, reason) = match &ended {
        None => (Code::Ok, String::new()),
        Some((status, reason)) => {
            // Our own text and base64 always make headers.
            let _ = status.add_header(last);
            (status.code(), reason.clone())
        }
    };
    last.insert(REQUEST_ID, record.request_id.clone());
    log(code, &reason, record);
}

/// Writes the line of a call that the client left.
pub(crate) fn abandoned(record: &CallRecord) {
    log(Code::Cancelled, error::reason_name(ErrorReason::ClientGone), record);
}

/// Gives a status what every error of this gateway carries: a reason, the request's id, and when to come back.
fn complete(status: Status, record: &CallRecord) -> (Status, String) {
    let details = status.get_error_details();
    let (code, reason) = match details.error_info() {
        Some(info) => (status.code(), info.reason.clone()),
        None => {
            let reason = reason_of_foreign(&status);
            (error::code(reason), error::reason_name(reason).to_owned())
        }
    };
    let mut completed = ErrorDetails::new();
    let facts = details.error_info().map(|info| info.metadata.clone()).unwrap_or_default();
    remember(code, &reason, facts.get("amazon_request_id").cloned().unwrap_or_default(), record);
    completed.set_error_info(reason.clone(), DOMAIN, facts);
    completed.set_request_info(record.request_id.to_str().unwrap_or_default(), "");
    let retry = details.retry_info().and_then(|info| info.retry_delay);
    if let Some(delay) = retry {
        completed.set_retry_info(Some(delay));
    }
    if let Some(quota) = details.quota_failure() {
        completed.set_quota_failure(quota.violations.clone());
    }
    if let Some(resource) = details.resource_info() {
        let (kind, name) = (resource.resource_type.clone(), resource.resource_name.clone());
        completed.set_resource_info(kind, name, resource.owner.clone(), resource.description.clone());
    }
    if let Some(bad) = details.bad_request() {
        completed.set_bad_request(bad.field_violations.clone());
    }
    let mut status_with_details = Status::with_error_details(code, status.message(), completed);
    if status_with_details.details().len() > MAX_DETAILS_BYTES {
        let mut bare = ErrorDetails::new();
        bare.set_error_info(reason.clone(), DOMAIN, std::collections::HashMap::new());
        bare.set_request_info(record.request_id.to_str().unwrap_or_default(), "");
        status_with_details = Status::with_error_details(code, status.message(), bare);
    }
    if let Some(delay) = retry {
        let millis = HeaderValue::from(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX));
        status_with_details.metadata_mut().as_mut().insert(PUSHBACK, millis);
    }
    (status_with_details, reason)
}

/// The reason of a status that tonic or one of its services made.
///
/// tonic reports what is wrong with a request's bytes as its own failure (INTERNAL); the caller caused it. Its messages
/// are all there is to tell them apart.
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

/// Keeps a failure for the status page, unless it is the caller's own doing.
fn remember(code: Code, reason: &str, amazon_request_id: String, record: &CallRecord) {
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
    record.metrics.failed(Failure {
        time: SystemTime::now(),
        method: record.method.to_string(),
        code,
        reason: reason.to_owned(),
        request_id: record.request_id.to_str().unwrap_or_default().to_owned(),
        amazon_request_id,
    });
}

fn log(code: Code, reason: &str, record: &CallRecord) {
    let stats = record.stats.read();
    let elapsed = record.started.elapsed();
    record.metrics.call_ended(record.series, code.into(), elapsed);
    let duration_ms = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX) as f64 / 1000.0;
    let request_id = record.request_id.to_str().unwrap_or_default();
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
                "call ended"
            )
        };
    }
    match code {
        Code::Internal | Code::Unknown | Code::DataLoss => line!(error),
        Code::FailedPrecondition => line!(warn),
        // A probe asks every few seconds.
        Code::Ok if record.method.starts_with("grpc.health.v1.") => line!(debug),
        _ => line!(info),
    }
}
