//! One scrape: the counters and a snapshot of the gateway's state, as samples.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime},
};

use super::{
    Metrics, MetricsSnapshot, NO_CERTIFICATE,
    exposition::Exposition,
    names::{self, Family},
    process,
    rpc::{BOUNDS_MICROS, CODES, Durations, METHODS},
};
use stockroom_proto::pb;

pub(super) fn render(metrics: &Metrics, snapshot: &MetricsSnapshot) -> String {
    let mut text = Exposition::default();
    let status = &snapshot.status;
    one(&mut text, &names::BUILD, &[&status.version, env!("STOCKROOM_COMMIT")], 1);
    one(&mut text, &names::READY, &[], u8::from(snapshot.not_ready.is_empty()));
    rpc(&mut text, metrics);
    accounts(&mut text, &status.accounts);
    caches(&mut text, &status.caches);
    if let Some(answers) = snapshot.redis_answers {
        one(&mut text, &names::REDIS_UP, &[], u8::from(answers));
    }
    text.family(&names::RELOADS);
    for (result, counter) in ["applied", "unchanged", "rejected"].into_iter().zip(&metrics.reloads) {
        text.sample(&names::RELOADS, &[result], load(counter));
    }
    let expiry = metrics.certificate_expiry.load(Ordering::Relaxed);
    if expiry != NO_CERTIFICATE {
        one(&mut text, &names::CERTIFICATE_EXPIRY, &[], expiry);
    }
    one(&mut text, &names::IDENTITY_REFUSED, &[], load(&metrics.identity_headers_refused));
    one(&mut text, &names::LOG_DROPPED, &[], load(&metrics.log_lines_dropped));
    text.family(&names::TRACE_SPANS);
    for (result, counter) in ["exported", "dropped", "failed"].into_iter().zip(&metrics.trace_spans) {
        text.sample(&names::TRACE_SPANS, &[result], load(counter));
    }
    let started = metrics.started.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    one(&mut text, &names::PROCESS_START, &[], started.as_secs_f64());
    if let Some(seconds) = process::cpu_seconds() {
        one(&mut text, &names::PROCESS_CPU, &[], seconds);
    }
    if let Some(bytes) = process::resident_bytes() {
        one(&mut text, &names::PROCESS_MEMORY, &[], bytes);
    }
    if let Some(count) = process::open_fds() {
        one(&mut text, &names::PROCESS_FDS, &[], count);
    }
    text.finish()
}

fn one(text: &mut Exposition, family: &Family, labels: &[&str], value: impl std::fmt::Display) {
    text.family(family);
    text.sample(family, labels, value);
}

/// Every method's counter, and the durations of each method and status that occurred.
fn rpc(text: &mut Exposition, metrics: &Metrics) {
    text.family(&names::RPC_STARTED);
    for (method, counter) in METHODS.iter().zip(&metrics.rpc.started) {
        text.sample(&names::RPC_STARTED, &[method], load(counter));
    }
    text.family(&names::RPC_DURATION);
    for (method, codes) in METHODS.iter().zip(&metrics.rpc.durations) {
        for (code, series) in CODES.iter().zip(codes) {
            durations(text, &[method, code], series);
        }
    }
}

fn durations(text: &mut Exposition, labels: &[&str], series: &Durations) {
    let counts: Vec<u64> = series.buckets.iter().map(load).collect();
    if counts.iter().all(|count| *count == 0) {
        return;
    }
    let mut below = 0;
    let bounds = BOUNDS_MICROS.iter().map(|micros| seconds(*micros).to_string()).chain(["+Inf".to_owned()]);
    for (bound, count) in bounds.zip(&counts) {
        below += count;
        text.bucket(&names::RPC_DURATION, labels, &bound, below);
    }
    text.total(&names::RPC_DURATION, "count", labels, below);
    text.total(&names::RPC_DURATION, "sum", labels, seconds(load(&series.sum_micros)));
}

fn accounts(text: &mut Exposition, accounts: &[pb::AccountStatus]) {
    text.family(&names::AMAZON_CALLS);
    for (account, calls) in accounts.iter().map(|account| (account, account.calls.unwrap_or_default())) {
        let outcomes = [
            ("answered", calls.answered),
            ("throttled", calls.throttled),
            ("failed", calls.failed),
            ("refused", calls.refused),
        ];
        for (outcome, count) in outcomes {
            text.sample(&names::AMAZON_CALLS, &[&account.name, outcome], count);
        }
    }
    gauge(text, &names::AMAZON_RETRIES, accounts, |account| account.calls.unwrap_or_default().retries as f64);
    gauge(text, &names::COALESCED, accounts, |account| account.calls.unwrap_or_default().coalesced as f64);
    text.family(&names::AMAZON_SENT);
    for (account, operation) in operations(accounts) {
        text.sample(&names::AMAZON_SENT, &[&account.name, &operation.operation], operation.calls);
    }
    text.family(&names::BREAKER);
    for (account, operation) in operations(accounts) {
        let state = match operation.state() {
            pb::BreakerState::Open => 2,
            pb::BreakerState::HalfOpen => 1,
            pb::BreakerState::Closed | pb::BreakerState::Unspecified => 0,
        };
        text.sample(&names::BREAKER, &[&account.name, &operation.operation], state);
    }
    gauge(text, &names::DAY_LIMIT, accounts, |account| account.day.unwrap_or_default().limit.into());
    gauge(text, &names::DAY_LEFT, accounts, |account| account.day.unwrap_or_default().left.into());
    gauge(text, &names::RATE_LIMIT, accounts, |account| account.calls_per_second);
    gauge(text, &names::RATE, accounts, |account| account.current_calls_per_second);
    gauge(text, &names::QUEUE_LENGTH, accounts, |account| account.queue.unwrap_or_default().length.into());
    gauge(text, &names::QUEUE_CAPACITY, accounts, |account| account.queue.unwrap_or_default().capacity.into());
    gauge(text, &names::QUEUE_WAIT, accounts, |account| {
        let wait = account.queue.unwrap_or_default().predicted_wait;
        wait.and_then(|wait| Duration::try_from(wait).ok()).unwrap_or_default().as_secs_f64()
    });
    gauge(text, &names::OFFLINE, accounts, |account| f64::from(u8::from(account.own_share_since_time.is_some())));
    text.family(&names::OFFLINE_LEFT);
    for (account, left) in accounts.iter().filter_map(|account| Some((account, account.offline_calls_left?))) {
        text.sample(&names::OFFLINE_LEFT, &[&account.name], left);
    }
    gauge(text, &names::ACCOUNT_RESTARTS, accounts, |account| account.restarts as f64);
    // Only callers with a quota: their names come from the configuration, and others may be made up by callers.
    let limited = || {
        let callers = accounts.iter().flat_map(|account| account.callers.iter().map(move |caller| (account, caller)));
        callers.filter_map(|(account, caller)| Some((account, caller, caller.limit?)))
    };
    text.family(&names::CALLER_SPENT);
    for (account, caller, _) in limited() {
        text.sample(&names::CALLER_SPENT, &[&account.name, &caller.caller], caller.spent);
    }
    text.family(&names::CALLER_LIMIT);
    for (account, caller, limit) in limited() {
        text.sample(&names::CALLER_LIMIT, &[&account.name, &caller.caller], limit);
    }
}

fn operations(accounts: &[pb::AccountStatus]) -> impl Iterator<Item = (&pb::AccountStatus, &pb::BreakerStatus)> {
    accounts.iter().flat_map(|account| account.breakers.iter().map(move |operation| (account, operation)))
}

fn gauge(
    text: &mut Exposition,
    family: &Family,
    accounts: &[pb::AccountStatus],
    value: impl Fn(&pb::AccountStatus) -> f64,
) {
    text.family(family);
    for account in accounts {
        text.sample(family, &[&account.name], value(account));
    }
}

fn caches(text: &mut Exposition, caches: &[pb::CacheStatus]) {
    text.family(&names::CACHE_LOOKUPS);
    for cache in caches {
        let results = [("fresh", cache.hits - cache.stale_hits), ("stale", cache.stale_hits), ("miss", cache.misses)];
        for (result, count) in results {
            text.sample(&names::CACHE_LOOKUPS, &[&cache.tier, result], count);
        }
    }
    type Size = fn(&pb::CacheStatus) -> i64;
    let sizes: [(&Family, Size); 3] = [
        (&names::CACHE_ENTRIES, |cache| cache.entries),
        (&names::CACHE_SIZE, |cache| cache.size_bytes),
        (&names::CACHE_CAPACITY, |cache| cache.capacity_bytes),
    ];
    for (family, value) in sizes {
        text.family(family);
        for cache in caches {
            text.sample(family, &[&cache.tier], value(cache));
        }
    }
}

fn load(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{RpcSeries, names::FAMILIES};

    #[test]
    fn a_scrape_is_openmetrics_with_every_metric_once() {
        let metrics = Metrics::new();
        let method = RpcSeries::from_path("/stockroom.v1.ProductService/GetProduct");
        metrics.call_started(method);
        metrics.call_ended(method, 0, Duration::from_millis(2));
        metrics.set_certificate_expiry(1_800_000_000);
        let account = pb::AccountStatus {
            name: "a \"quoted\" name".to_owned(),
            callers: vec![
                pb::CallerSpending { caller: "web".to_owned(), spent: 3, limit: Some(10) },
                pb::CallerSpending { caller: "made-up".to_owned(), spent: 3, limit: None },
            ],
            breakers: vec![pb::BreakerStatus { operation: "GetItems".to_owned(), calls: 7, ..Default::default() }],
            ..Default::default()
        };
        let status = pb::GetStatusResponse {
            accounts: vec![account],
            caches: vec![pb::CacheStatus {
                tier: "memory".to_owned(),
                hits: 5,
                stale_hits: 2,
                misses: 1,
                ..Default::default()
            }],
            ..Default::default()
        };
        let text = metrics.render(&MetricsSnapshot { status, redis_answers: Some(true), not_ready: Vec::new() });
        for family in FAMILIES {
            assert_eq!(text.matches(&format!("# TYPE {} ", family.name)).count(), 1, "{}", family.name);
        }
        for line in [
            "grpc_server_call_started_total{grpc_method=\"stockroom.v1.ProductService/GetProduct\"} 1",
            "grpc_server_call_started_total{grpc_method=\"other\"} 0",
            "grpc_server_call_duration_seconds_bucket{grpc_method=\"stockroom.v1.ProductService/GetProduct\",grpc_status=\"OK\",le=\"0.001\"} 0",
            "grpc_server_call_duration_seconds_bucket{grpc_method=\"stockroom.v1.ProductService/GetProduct\",grpc_status=\"OK\",le=\"+Inf\"} 1",
            "grpc_server_call_duration_seconds_sum{grpc_method=\"stockroom.v1.ProductService/GetProduct\",grpc_status=\"OK\"} 0.002",
            "stockroom_cache_lookups_total{tier=\"memory\",result=\"fresh\"} 3",
            "stockroom_amazon_operation_calls_total{account=\"a \\\"quoted\\\" name\",operation=\"GetItems\"} 7",
            "stockroom_redis_up 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("made-up") && text.ends_with("# EOF\n"));
    }
}
