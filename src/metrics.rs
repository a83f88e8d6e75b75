//! Metrics: what a gateway counts, and its form for a Prometheus scrape.
//!
//! Series are made when the gateway starts and are plain atomics: the way of a call takes no lock and allocates nothing. Facts
//! that GetStatus reports already are not counted again; a scrape reads them from a [`MetricsSnapshot`] of it.
//!
//! All names are in [`names`]. Label values come from enums and from the configuration, never from a request, so the number
//! of series is bounded.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use stockroom_proto::pb;

use self::rpc::RpcMetrics;
pub use self::rpc::{METHODS, RpcSeries};

mod exposition;
pub mod names;
mod process;
mod rpc;
mod scrape;

/// The failed calls that the status page shows.
const RECENT_FAILURES: usize = 20;
/// No certificate is in use.
const NO_CERTIFICATE: i64 = i64::MIN;

/// The counters of a gateway. Made once and never freed, so that calls refer to it without counting references.
#[derive(Debug)]
pub struct Metrics {
    rpc: RpcMetrics,
    reloads: [AtomicU64; 3],
    log_lines_dropped: AtomicU64,
    trace_spans: [AtomicU64; 3],
    certificate_expiry: AtomicI64,
    identity_headers_refused: AtomicU64,
    failures: Mutex<VecDeque<FailedCall>>,
    started: SystemTime,
}

/// A call that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedCall {
    /// When it ended.
    pub time: SystemTime,
    /// The method, as `stockroom.v1.SearchService/SearchProducts`.
    pub method: String,
    /// The gRPC code, as `UNAVAILABLE`.
    pub code: &'static str,
    /// The reason, as `WAIT_EXCEEDS_DEADLINE`.
    pub reason: String,
    /// The id of the request.
    pub request_id: String,
    /// Amazon's id of its answer; empty without one.
    pub amazon_request_id: String,
}

/// How reading the configuration again ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReloadResult {
    /// Something changed.
    Applied,
    /// Nothing changed.
    Unchanged,
    /// The configuration had errors.
    Rejected,
}

/// The state of a gateway at the time of a scrape.
#[derive(Clone, Debug, Default)]
pub struct MetricsSnapshot {
    /// What GetStatus reports.
    pub status: pb::GetStatusResponse,
    /// Whether Redis answered when it was last asked; `None` without Redis.
    pub redis_answers: Option<bool>,
    /// Why the gateway is not ready; empty if it is.
    pub not_ready: Vec<String>,
}

impl Metrics {
    /// Metrics of one gateway, all zero.
    pub fn new() -> &'static Self {
        Box::leak(Box::new(Self {
            rpc: RpcMetrics::default(),
            reloads: Default::default(),
            log_lines_dropped: AtomicU64::new(0),
            trace_spans: Default::default(),
            certificate_expiry: AtomicI64::new(NO_CERTIFICATE),
            identity_headers_refused: AtomicU64::new(0),
            failures: Mutex::default(),
            started: SystemTime::now(),
        }))
    }

    /// Counts a call that begins.
    pub fn call_started(&self, method: RpcSeries) {
        self.rpc.started(method);
    }

    /// Counts a call that ended with a gRPC code after `duration`.
    pub fn call_ended(&self, method: RpcSeries, code: i32, duration: Duration) {
        self.rpc.ended(method, code, duration);
    }

    /// Remembers a failed call for the status page. The oldest is forgotten.
    pub fn failed(&self, failure: FailedCall) {
        let mut failures = self.lock_failures();
        failures.truncate(RECENT_FAILURES - 1);
        failures.push_front(failure);
    }

    /// The last failed calls, newest first.
    pub fn recent_failures(&self) -> Vec<FailedCall> {
        self.lock_failures().iter().cloned().collect()
    }

    /// Counts a reload.
    pub fn reloaded(&self, result: ReloadResult) {
        if let Some(counter) = self.reloads.get(result as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts log lines that were dropped because the log's reader is too slow.
    pub fn log_lines_dropped(&self, count: u64) {
        self.log_lines_dropped.fetch_add(count, Ordering::Relaxed);
    }

    /// Counts spans: those that the collector took, those that found no place in the queue, and those that the collector did
    /// not take.
    pub fn spans_ended(&self, exported: u64, dropped: u64, failed: u64) {
        for (counter, count) in self.trace_spans.iter().zip([exported, dropped, failed]) {
            counter.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// Counts a call that was refused because a peer that is not a sidecar sent the header of one.
    pub fn identity_header_refused(&self) {
        self.identity_headers_refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Sets the time at which the certificate of the gRPC port expires.
    pub fn set_certificate_expiry(&self, unix_seconds: i64) {
        self.certificate_expiry.store(unix_seconds, Ordering::Relaxed);
    }

    /// Everything in the OpenMetrics text format.
    pub fn render(&self, snapshot: &MetricsSnapshot) -> String {
        scrape::render(self, snapshot)
    }

    fn lock_failures(&self) -> MutexGuard<'_, VecDeque<FailedCall>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
