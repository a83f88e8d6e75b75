//! The span of a call that has ended, with the attributes that OpenTelemetry names for gRPC.

use std::time::Duration;

use tonic::Code;

use super::{super::context::CallStats, CallRecord};
use crate::telemetry::{FinishedSpan, KeyValue, SpanKind};

/// What the span of a call says. Allocates, so it is made for a traced call only.
pub(super) fn finished(
    code: Code,
    reason: &str,
    duration: Duration,
    stats: &CallStats,
    record: &CallRecord,
) -> FinishedSpan {
    // The name has few values: paths that nobody serves share one.
    let name = record.series.method().unwrap_or("other");
    let (service, method) = record.method.split_once('/').unwrap_or((&record.method, ""));
    let cost = stats.cost;
    let mut attributes = vec![
        KeyValue::new("rpc.system", "grpc"),
        KeyValue::new("rpc.service", service.to_owned()),
        KeyValue::new("rpc.method", method.to_owned()),
        KeyValue::new("rpc.grpc.status_code", i64::from(i32::from(code))),
        KeyValue::new("stockroom.request_id", record.request_id.to_str().unwrap_or_default().to_owned()),
        KeyValue::new("stockroom.caller", record.caller.to_string()),
        KeyValue::new("stockroom.from_memory", i64::from(cost.from_memory)),
        KeyValue::new("stockroom.from_redis", i64::from(cost.from_redis)),
        KeyValue::new("stockroom.from_amazon", i64::from(cost.from_amazon)),
        KeyValue::new("stockroom.stale", i64::from(cost.stale)),
        KeyValue::new("stockroom.amazon_calls", i64::from(cost.amazon_calls)),
    ];
    // The slowest tier that the answer came from.
    let tiers = [("amazon", cost.from_amazon), ("redis", cost.from_redis), ("memory", cost.from_memory)];
    let tier = tiers.into_iter().find(|(_, count)| *count > 0);
    attributes.extend(tier.map(|(tier, _)| KeyValue::new("stockroom.cache_tier", tier)));
    if !reason.is_empty() {
        attributes.push(KeyValue::new("error.type", reason.to_owned()));
    }
    let error = is_server_error(code).then(|| reason.to_owned());
    FinishedSpan { name: name.into(), kind: SpanKind::Server, duration, attributes, links: Vec::new(), error }
}

/// Whether a code is the server's failure: OpenTelemetry sets the status of a server's span for these only.
fn is_server_error(code: Code) -> bool {
    match code {
        Code::Unknown
        | Code::DeadlineExceeded
        | Code::Unimplemented
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss => true,
        Code::Ok
        | Code::Cancelled
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unauthenticated => false,
    }
}
