//! Which failures are tried again, how often, and when.

use std::time::Duration;

use amazon_catalog::Error;

/// Tries of one call in all (Amazon asks for few, with back-off).
const ATTEMPTS: u32 = 3;
/// Full jitter: a random wait up to the base, doubled with each try, up to the cap.
const BASE: Duration = Duration::from_millis(50);
const CAP: Duration = Duration::from_secs(20);

/// Whether another try can help after so many.
pub(crate) fn helps(error: &Error, attempts: u32) -> bool {
    match error {
        Error::Throttled { .. } | Error::Failed { .. } | Error::TimedOut { .. } | Error::Unreachable { .. } => {
            attempts < ATTEMPTS
        }
        // Amazon would say the same again.
        Error::Malformed { .. } | Error::Refused { .. } | Error::Rejected { .. } => false,
    }
}

/// How long to wait after so many tries.
pub(crate) fn backoff(attempts: u32) -> Duration {
    BASE.saturating_mul(1 << attempts.min(16)).min(CAP).mul_f64(fastrand::f64())
}
