//! The name, type, labels and meaning of every metric.
//!
//! Names of RPC metrics follow gRFC A66, in Prometheus' spelling. A family with a unit ends with it; a counter's sample ends with
//! `_total`.

use FamilyKind::{Counter, Gauge, Histogram, Info};

/// A metric with its labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family {
    /// The name, without `_total`.
    pub name: &'static str,
    /// The type.
    pub kind: FamilyKind,
    /// The unit; empty for a plain number.
    pub unit: &'static str,
    /// The names of the labels, in order.
    pub labels: &'static [&'static str],
    /// The meaning.
    pub help: &'static str,
}

/// The type of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FamilyKind {
    /// A number that only grows.
    Counter,
    /// A number that goes up and down.
    Gauge,
    /// A distribution.
    Histogram,
    /// Facts as labels.
    Info,
}

macro_rules! families {
    ($($(#[doc = $doc:literal])* $id:ident = $kind:ident $name:literal $unit:literal [$($label:literal),*];)*) => {
        $($(#[doc = $doc])*
        pub const $id: Family = Family {
            name: $name,
            kind: $kind,
            unit: $unit,
            labels: &[$($label),*],
            help: concat!($($doc),*),
        };)*
        /// Every metric, in the order of a scrape.
        pub const FAMILIES: &[Family] = &[$($id),*];
    };
}

families! {
    ///The version of the gateway.
    BUILD = Info "stockroom_build" "" ["version", "commit"];
    ///1 while the gateway is ready to serve.
    READY = Gauge "stockroom_ready" "" [];
    ///RPCs that began, by method; unknown methods count as other.
    RPC_STARTED = Counter "grpc_server_call_started" "" ["grpc_method"];
    ///Time from the first to the last byte of an RPC, by method and status.
    RPC_DURATION = Histogram "grpc_server_call_duration_seconds" "seconds" ["grpc_method", "grpc_status"];
    ///Calls to Amazon that ended, by outcome: answered, throttled, failed or refused.
    AMAZON_CALLS = Counter "stockroom_amazon_calls" "" ["account", "outcome"];
    ///Calls to Amazon that repeated an earlier one.
    AMAZON_RETRIES = Counter "stockroom_amazon_retries" "" ["account"];
    ///Requests for an id or another call that was waiting or in flight already, so that one call answered several.
    COALESCED = Counter "stockroom_coalesced_requests" "" ["account"];
    ///Calls to Amazon that were sent, by operation.
    AMAZON_SENT = Counter "stockroom_amazon_operation_calls" "" ["account", "operation"];
    ///State of the circuit breaker of an operation: 0 closed, 1 half open, 2 open.
    BREAKER = Gauge "stockroom_breaker_state" "" ["account", "operation"];
    ///Calls that Amazon allows in 24 hours.
    DAY_LIMIT = Gauge "stockroom_day_calls_limit" "" ["account"];
    ///Calls left of those that Amazon allows in 24 hours.
    DAY_LEFT = Gauge "stockroom_day_calls_left" "" ["account"];
    ///Calls a second that Amazon allows.
    RATE_LIMIT = Gauge "stockroom_rate_limit" "" ["account"];
    ///Calls a second that the gateway makes at most now; lower after Amazon throttled it.
    RATE = Gauge "stockroom_rate_current" "" ["account"];
    ///Ids and other calls that wait.
    QUEUE_LENGTH = Gauge "stockroom_queue_length" "" ["account"];
    ///Ids and other calls that may wait.
    QUEUE_CAPACITY = Gauge "stockroom_queue_capacity" "" ["account"];
    ///Predicted wait of a call that joins the queue now.
    QUEUE_WAIT = Gauge "stockroom_queue_predicted_wait_seconds" "seconds" ["account"];
    ///1 while the account uses its own part of the budget because Redis does not answer.
    OFFLINE = Gauge "stockroom_account_offline" "" ["account"];
    ///Calls that this replica may make while Redis does not answer; absent without Redis.
    OFFLINE_LEFT = Gauge "stockroom_offline_calls_left" "" ["account"];
    ///Times a defect of the gateway ended what the account was doing; the account then refuses everything for up to 10 seconds.
    ACCOUNT_RESTARTS = Counter "stockroom_account_restarts" "" ["account"];
    ///Calls to Amazon in the last 24 hours of a caller with a daily quota.
    CALLER_SPENT = Gauge "stockroom_caller_day_calls" "" ["account", "caller"];
    ///Calls to Amazon that a caller may cause in 24 hours.
    CALLER_LIMIT = Gauge "stockroom_caller_day_calls_limit" "" ["account", "caller"];
    ///Cache lookups by tier and result: fresh, stale or miss.
    CACHE_LOOKUPS = Counter "stockroom_cache_lookups" "" ["tier", "result"];
    ///Entries in a cache tier.
    CACHE_ENTRIES = Gauge "stockroom_cache_entries" "" ["tier"];
    ///Size of a cache tier.
    CACHE_SIZE = Gauge "stockroom_cache_size_bytes" "bytes" ["tier"];
    ///Capacity of a cache tier.
    CACHE_CAPACITY = Gauge "stockroom_cache_capacity_bytes" "bytes" ["tier"];
    ///1 if Redis answered when it was last asked; absent without Redis.
    REDIS_UP = Gauge "stockroom_redis_up" "" [];
    ///Times the configuration was read again, by result: applied, unchanged or rejected.
    RELOADS = Counter "stockroom_config_reloads" "" ["result"];
    ///Time at which the certificate of the gRPC port expires; absent without TLS.
    CERTIFICATE_EXPIRY = Gauge "stockroom_tls_certificate_expiry_timestamp_seconds" "seconds" [];
    ///Calls refused because a peer that is no sidecar sent the header in which a sidecar names the caller.
    IDENTITY_REFUSED = Counter "stockroom_identity_headers_refused" "" [];
    ///Log lines dropped because the reader of the log is too slow.
    LOG_DROPPED = Counter "stockroom_log_lines_dropped" "" [];
    ///Spans of traced calls by result: exported, dropped because too many waited, or failed because the collector did not take them.
    TRACE_SPANS = Counter "stockroom_trace_spans" "" ["result"];
    ///Time at which the process started.
    PROCESS_START = Gauge "process_start_time_seconds" "seconds" [];
    ///Processor time that the process used.
    PROCESS_CPU = Counter "process_cpu_seconds" "seconds" [];
    ///Memory of the process that is resident.
    PROCESS_MEMORY = Gauge "process_resident_memory_bytes" "bytes" [];
    ///File descriptors that the process has open.
    PROCESS_FDS = Gauge "process_open_fds" "" [];
}

/// The reference of all metrics, in Markdown: the content of `docs/metrics.md`. Dashboards and alerts rely on its names.
pub fn reference() -> String {
    let mut text =
        "# Metrics\n\n<!-- Generated from `src/metrics/names.rs`; a test fails when this file is out of date. -->\n\n\
        The admin port answers a scrape of `/metrics` in the OpenMetrics text format.\n\
        Names of RPC metrics follow gRFC A66.\n\
        A histogram has the samples `_bucket`, `_count` and `_sum`.\n\n\
        | Metric | Type | Labels | Meaning |\n| --- | --- | --- | --- |\n"
            .to_owned();
    for family in FAMILIES {
        let kind = match family.kind {
            Counter => "counter",
            Gauge => "gauge",
            Histogram => "histogram",
            Info => "info",
        };
        let labels: Vec<String> = family.labels.iter().map(|label| format!("`{label}`")).collect();
        let (name, help) = (family.sample_name(), family.help);
        text.push_str(&format!("| `{name}` | {kind} | {} | {help} |\n", labels.join(", ")));
    }
    text
}

impl Family {
    /// The name of a sample, as a query names it. Of a histogram, the common part of its samples' names.
    pub fn sample_name(&self) -> String {
        match self.kind {
            Counter => format!("{}_total", self.name),
            Info => format!("{}_info", self.name),
            Gauge | Histogram => self.name.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_of_metrics_is_current() {
        let reference = reference();
        assert!(include_str!("../../docs/metrics.md") == reference, "docs/metrics.md must read:\n{reference}");
    }
}
