//! The account's clock: milliseconds since 1970, by Redis where it has been heard of.

use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Runs with the monotonic clock between the times at which it is set.
#[derive(Debug)]
pub(crate) struct AccountClock {
    at: Instant,
    at_ms: u64,
    /// By how much the account's clock is ahead of this machine's.
    ahead_ms: i64,
}

impl AccountClock {
    pub(crate) fn new(now: Instant) -> Self {
        Self { at: now, at_ms: wall_ms(), ahead_ms: 0 }
    }

    /// The time.
    pub(crate) fn ms(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.at).as_millis();
        self.at_ms.saturating_add(u64::try_from(since).unwrap_or(u64::MAX))
    }

    /// Sets it to what Redis told just now.
    pub(crate) fn set(&mut self, ms: u64, now: Instant) {
        (self.at, self.at_ms) = (now, ms);
        self.ahead_ms = i64::try_from(i128::from(ms) - i128::from(wall_ms())).unwrap_or_default();
    }

    /// Sets it by this machine's clock, which is kept right from outside while the monotonic one drifts.
    pub(crate) fn set_by_wall(&mut self, now: Instant) {
        (self.at, self.at_ms) = (now, wall_ms().saturating_add_signed(self.ahead_ms));
    }
}

fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
