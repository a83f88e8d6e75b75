//! How patient calls are: the day's budget as a bucket that fills all day long.
//!
//! 8,640 calls a day are one in ten seconds, so a call that leaves with one id wastes nine seats that somebody will miss
//! in the evening. With budget in hand calls leave at once; behind pace they wait for company as long as their callers
//! can. The bucket may be overdrawn a little for callers who cannot wait, and then it refuses: the day's hard count is
//! kept elsewhere and is never touched by patience.

use std::time::Duration;

use tokio::time::Instant;

/// The part of a day's calls that may be spent at once after a quiet time: 600 of 8,640.
const BURST_SHARE: f64 = 600.0 / 8640.0;
/// The part of a day's calls by which callers in a hurry may run ahead of the pace.
const OVERDRAFT_SHARE: f64 = 0.05;
const DAY_SECONDS: f64 = 24.0 * 3600.0;

/// The day's budget as a bucket.
#[derive(Debug)]
pub(crate) struct PacingBucket {
    burst: f64,
    overdraft: f64,
    per_second: f64,
    calls: f64,
    at: Instant,
}

impl PacingBucket {
    /// A full bucket for so many calls a day. The burst and the refill add up to no more than the day.
    pub(crate) fn new(calls_per_day: u32, now: Instant) -> Self {
        let day = f64::from(calls_per_day);
        let burst = (day * BURST_SHARE).max(1.0);
        Self {
            burst,
            overdraft: (day * OVERDRAFT_SHARE).max(1.0),
            per_second: (day - burst).max(1.0) / DAY_SECONDS,
            calls: burst,
            at: now,
        }
    }

    /// Whether calls may leave without company.
    pub(crate) fn in_hand(&self, now: Instant) -> bool {
        self.level(now) >= 1.0
    }

    /// Whether so much is in hand that work nobody waits for may leave without company.
    pub(crate) fn plenty(&self, now: Instant) -> bool {
        self.level(now) >= self.burst / 2.0
    }

    /// When calls may leave without company again; now where they may.
    pub(crate) fn in_hand_at(&self, now: Instant) -> Instant {
        now + self.until(1.0, now)
    }

    /// How long until a caller in a hurry may cause a call, with so many calls before it.
    pub(crate) fn hurried_wait(&self, calls_before: usize, now: Instant) -> Duration {
        let before = u32::try_from(calls_before).unwrap_or(u32::MAX);
        self.until(1.0 - self.overdraft + f64::from(before), now)
    }

    /// A call leaves.
    pub(crate) fn spend(&mut self, now: Instant) {
        self.calls = self.level(now) - 1.0;
        self.at = now;
    }

    fn level(&self, now: Instant) -> f64 {
        let refilled = now.saturating_duration_since(self.at).as_secs_f64() * self.per_second;
        (self.calls + refilled).min(self.burst)
    }

    fn until(&self, level: f64, now: Instant) -> Duration {
        Duration::from_secs_f64(((level.min(self.burst) - self.level(now)) / self.per_second).max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_s_refill_and_a_burst_are_no_more_than_the_day() {
        let now = Instant::now();
        let mut bucket = PacingBucket::new(8640, now);
        let (mut spent, mut clock) = (0, now);
        while clock < now + Duration::from_secs(24 * 3600) {
            if bucket.in_hand(clock) {
                bucket.spend(clock);
                spent += 1;
            } else {
                clock = bucket.in_hand_at(clock) + Duration::from_millis(1);
            }
        }
        assert!((8600..=8640).contains(&spent), "{spent}");
    }

    #[test]
    fn callers_in_a_hurry_may_overdraw_it_and_not_without_end() {
        let now = Instant::now();
        let mut bucket = PacingBucket::new(8640, now);
        let mut spent = 0;
        while bucket.hurried_wait(0, now).is_zero() {
            bucket.spend(now);
            spent += 1;
        }
        assert_eq!(spent, 600 + 432);
        assert!(bucket.hurried_wait(5, now) > bucket.hurried_wait(0, now));
    }

    #[test]
    fn the_smallest_account_still_makes_calls() {
        let now = Instant::now();
        let mut bucket = PacingBucket::new(1, now);
        assert!(bucket.in_hand(now));
        bucket.spend(now);
        assert!(!bucket.in_hand(now) && bucket.in_hand_at(now) <= now + Duration::from_secs(24 * 3600 + 1));
    }
}
