//! The account's clock: milliseconds since 1970, by Redis' clock where Redis has answered.

use std::time::{Duration, UNIX_EPOCH};

use tokio::time::Instant;

use crate::clock::Clock;

/// Runs with the monotonic clock between the times at which it is set.
#[derive(Debug)]
pub(super) struct AccountClock {
    at: Instant,
    at_ms: u64,
    /// This machine's.
    wall: Clock,
    /// How far the account's clock is ahead of this machine's.
    ahead_ms: i64,
}

impl AccountClock {
    pub(super) fn new(wall: Clock, now: Instant) -> Self {
        Self { at: now, at_ms: wall_ms(wall), wall, ahead_ms: 0 }
    }

    /// The time at an instant that is not before the clock was last set.
    pub(super) fn ms(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.at).as_millis();
        self.at_ms.saturating_add(u64::try_from(since).unwrap_or(u64::MAX))
    }

    /// The instant of a time in the past day; one that is too long ago to be an instant counts as now.
    pub(super) fn instant(&self, ms: u64) -> Instant {
        match ms.checked_sub(self.at_ms) {
            Some(ahead) => self.at + Duration::from_millis(ahead),
            None => self.at.checked_sub(Duration::from_millis(self.at_ms - ms)).unwrap_or(self.at),
        }
    }

    /// Sets it to the time that Redis has just answered with.
    pub(super) fn set(&mut self, ms: u64, now: Instant) {
        (self.at, self.at_ms) = (now, ms);
        self.ahead_ms = i64::try_from(i128::from(ms) - i128::from(wall_ms(self.wall))).unwrap_or_default();
    }

    /// Sets it by this machine's clock, which is kept right from outside while the monotonic one drifts.
    pub(super) fn set_by_wall(&mut self, now: Instant) {
        (self.at, self.at_ms) = (now, wall_ms(self.wall).saturating_add_signed(self.ahead_ms));
    }
}

fn wall_ms(wall: Clock) -> u64 {
    let since = wall.now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
