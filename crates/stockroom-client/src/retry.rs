//! Whether and when a failed call is made again.
//!
//! # Why
//!
//! A gateway that restarts or drains answers UNAVAILABLE, and the same call succeeds a moment later or at another replica.
//!
//! # Rule
//!
//! The policy is that of `clients/service-config.json`: three attempts, only after UNAVAILABLE, with a pause of up to 0.2 s,
//! then up to 0.4 s. The gateway's `grpc-retry-pushback-ms` replaces the pause; a negative one forbids the attempt. No pause
//! goes beyond the call's deadline. AdminService's methods are not idempotent and are not retried.
//!
//! # Edge case
//!
//! A call that its connection never sent is made again at once, whatever its method: the gateway has not seen it.

use std::time::Duration;

use tonic::{Code, Status};

const MAX_ATTEMPTS: u32 = 3;
const INITIAL_BACKOFF: Duration = Duration::from_millis(200);
const MAX_BACKOFF: Duration = Duration::from_secs(5);

/// Whether a method may be called twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Idempotency {
    /// It has no side effect.
    Idempotent,
    /// It may have one.
    NotIdempotent,
}

/// The pause before the next attempt; `None` where the call has failed for good. `attempt` counts from 1.
pub(super) fn pause_before_retry(status: &Status, attempt: u32, idempotency: Idempotency) -> Option<Duration> {
    if attempt >= MAX_ATTEMPTS {
        return None;
    }
    if was_never_sent(status) {
        return Some(Duration::ZERO);
    }
    if idempotency == Idempotency::NotIdempotent || status.code() != Code::Unavailable {
        return None;
    }
    match status.metadata().get("grpc-retry-pushback-ms") {
        Some(pushback) => pushback.to_str().ok()?.parse().ok().map(Duration::from_millis),
        None => Some(backoff(attempt).mul_f64(fastrand::f64())),
    }
}

fn backoff(attempt: u32) -> Duration {
    INITIAL_BACKOFF.saturating_mul(1 << (attempt - 1)).min(MAX_BACKOFF)
}

/// Whether a call failed before it was sent, because the server closed its connection at that moment. hyper's client reports
/// it with these words only.
pub(super) fn was_never_sent(status: &Status) -> bool {
    status.code() == Code::Cancelled && status.message().contains("operation was canceled")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const SERVICE_CONFIG: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/service-config.json"));

    fn unavailable(pushback: Option<&'static str>) -> Status {
        let mut status = Status::unavailable("restarting");
        if let Some(pushback) = pushback {
            status.metadata_mut().insert("grpc-retry-pushback-ms", pushback.parse().unwrap());
        }
        status
    }

    #[test]
    fn the_policy_is_that_of_the_service_config() {
        let config: Value = serde_json::from_str(SERVICE_CONFIG).unwrap();
        let policy = json!({
            "maxAttempts": MAX_ATTEMPTS,
            "initialBackoff": format!("{}s", INITIAL_BACKOFF.as_secs_f64()),
            "maxBackoff": format!("{}s", MAX_BACKOFF.as_secs()),
            "backoffMultiplier": 2,
            "retryableStatusCodes": ["UNAVAILABLE"],
        });
        assert_eq!(config["methodConfig"][0]["retryPolicy"], policy);
    }

    #[test]
    fn the_gateway_s_pushback_replaces_the_pause_or_forbids_the_attempt() {
        let pause = |pushback| pause_before_retry(&unavailable(pushback), 1, Idempotency::Idempotent);
        assert!(pause(None).is_some_and(|pause| pause <= INITIAL_BACKOFF));
        assert_eq!(pause(Some("1500")), Some(Duration::from_millis(1500)));
        assert_eq!(pause(Some("-1")), None);
    }

    #[test]
    fn only_unavailable_is_retried_and_only_where_it_is_harmless() {
        use Idempotency::{Idempotent, NotIdempotent};
        let spent = Status::resource_exhausted("the day is spent");
        let unsent = Status::cancelled("operation was canceled");
        assert_eq!(pause_before_retry(&spent, 1, Idempotent), None);
        assert_eq!(pause_before_retry(&unavailable(None), 1, NotIdempotent), None);
        assert_eq!(pause_before_retry(&unavailable(None), MAX_ATTEMPTS, Idempotent), None);
        assert_eq!(pause_before_retry(&unsent, 1, NotIdempotent), Some(Duration::ZERO));
    }
}
