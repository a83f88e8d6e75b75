//! Which failures are retried, how often, and when.

use std::time::Duration;

use amazon_catalog::Error;

/// Attempts for one key in all (Amazon asks for few, with back-off).
const MAX_ATTEMPTS: u32 = 3;
/// Full jitter: a random wait up to the base, doubled with each attempt, up to the maximum.
const BASE: Duration = Duration::from_millis(50);
const MAX_BACKOFF: Duration = Duration::from_secs(20);

/// Whether another attempt can help after so many.
pub(crate) fn is_worthwhile(error: &Error, attempts: u32) -> bool {
    match error {
        Error::Throttled { .. }
        | Error::Failed { .. }
        | Error::TimedOut { .. }
        | Error::Unreachable { .. }
        | Error::TokenExpired { .. } => attempts < MAX_ATTEMPTS,
        // Amazon would say the same again.
        Error::Malformed { .. } | Error::Refused { .. } | Error::Rejected { .. } => false,
    }
}

/// How long to wait after so many attempts.
pub(crate) fn backoff(attempts: u32) -> Duration {
    BASE.saturating_mul(1 << attempts.min(16)).min(MAX_BACKOFF).mul_f64(fastrand::f64())
}
