//! How long a batch waits for company: the day's budget as a token bucket that fills all day long.
//!
//! # Why
//!
//! 8,640 calls a day are one in ten seconds. A call that is sent with one id wastes nine places, and the evening has to
//! do without it.
//!
//! # Rule
//!
//! Each call takes a token. With a token in the bucket a batch is sent at once; without one it waits for company as long as
//! its waiters' deadlines allow. Callers who cannot wait may overdraw the bucket to a bound: no more are admitted, while those
//! that were admitted are sent all the same. The bucket only paces: the hard count of the day is `budget`'s.
//!
//! # Edge cases
//!
//! - The burst and the refill of 24 hours add up to no more than the day.
//! - A day of few calls is all burst and overdraft, so that an idle account answers at once.

use std::time::Duration;

use tokio::time::Instant;

/// The part of a day's calls that may be spent at once after a quiet time: 600 of 8,640.
const BURST_PART: f64 = 600.0 / 8640.0;
/// The part of a day's calls by which callers in a hurry may run ahead of the pace.
const OVERDRAFT_PART: f64 = 0.05;
/// The least of each, in calls: pacing is worth nothing where the whole day is a handful.
const MIN_BURST: f64 = 10.0;
const DAY_SECONDS: f64 = 24.0 * 3600.0;

/// The day's budget as a bucket.
#[derive(Debug)]
pub(crate) struct PacingBucket {
    burst: f64,
    overdraft: f64,
    per_second: f64,
    tokens: f64,
    at: Instant,
}

impl PacingBucket {
    /// A full bucket for so many calls a day. The burst and the refill add up to no more than the day.
    pub(crate) fn new(calls_per_day: u32, now: Instant) -> Self {
        let day = f64::from(calls_per_day);
        let burst = (day * BURST_PART).max(MIN_BURST.min(day));
        Self {
            burst,
            overdraft: (day * OVERDRAFT_PART).max(MIN_BURST.min(day)),
            per_second: (day - burst).max(1.0) / DAY_SECONDS,
            tokens: burst,
            at: now,
        }
    }

    /// Whether a batch with free places may be sent.
    pub(crate) fn has_tokens(&self, now: Instant) -> bool {
        self.level(now) >= 1.0
    }

    /// Whether so much is in hand that a refresh is worth a call of its own at once.
    pub(crate) fn half_full(&self, now: Instant) -> bool {
        self.level(now) >= self.burst / 2.0
    }

    /// When a batch with free places may be sent; now where it may.
    pub(crate) fn has_tokens_at(&self, now: Instant) -> Instant {
        now + self.until(1.0, now)
    }

    /// How long until a caller in a hurry may cause a call, with so many calls before it.
    pub(crate) fn min_wait_with_overdraft(&self, calls_before: usize, now: Instant) -> Duration {
        let before = u32::try_from(calls_before).unwrap_or(u32::MAX);
        self.until(1.0 - self.overdraft + f64::from(before), now)
    }

    /// A call is sent.
    pub(crate) fn spend(&mut self, now: Instant) {
        self.tokens = self.level(now) - 1.0;
        self.at = now;
    }

    fn level(&self, now: Instant) -> f64 {
        let refilled = now.saturating_duration_since(self.at).as_secs_f64() * self.per_second;
        (self.tokens + refilled).min(self.burst)
    }

    fn until(&self, level: f64, now: Instant) -> Duration {
        Duration::from_secs_f64(((level - self.level(now)) / self.per_second).max(0.0))
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
            if bucket.has_tokens(clock) {
                bucket.spend(clock);
                spent += 1;
            } else {
                clock = bucket.has_tokens_at(clock) + Duration::from_millis(1);
            }
        }
        assert!((8600..=8640).contains(&spent), "{spent}");
    }

    #[test]
    fn callers_in_a_hurry_may_overdraw_it_and_not_without_end() {
        let now = Instant::now();
        let mut bucket = PacingBucket::new(8640, now);
        let mut spent = 0;
        while bucket.min_wait_with_overdraft(0, now).is_zero() {
            bucket.spend(now);
            spent += 1;
        }
        assert_eq!(spent, 600 + 432);
        assert!(bucket.min_wait_with_overdraft(5, now) > bucket.min_wait_with_overdraft(0, now));
    }

    #[test]
    fn the_wait_behind_many_calls_is_the_time_in_which_the_bucket_earns_them() {
        let now = Instant::now();
        let wait = PacingBucket::new(8640, now).min_wait_with_overdraft(2000, now);
        // 2,001 calls, of which 600 are in hand and 432 may be overdrawn; the others come one in 10.7 seconds.
        assert_eq!(wait.as_secs(), 10_413);
    }

    #[test]
    fn a_small_day_can_be_spent_at_once_by_callers_who_wait() {
        for calls_per_day in [1, 4, 10, 20] {
            let now = Instant::now();
            let mut bucket = PacingBucket::new(calls_per_day, now);
            for call in 0..calls_per_day {
                assert!(bucket.min_wait_with_overdraft(0, now).is_zero(), "call {call} of {calls_per_day}");
                bucket.spend(now);
            }
        }
    }

    #[test]
    fn the_smallest_account_still_makes_calls() {
        let now = Instant::now();
        let mut bucket = PacingBucket::new(1, now);
        assert!(bucket.has_tokens(now));
        bucket.spend(now);
        assert!(!bucket.has_tokens(now) && bucket.has_tokens_at(now) <= now + Duration::from_secs(24 * 3600 + 1));
    }
}
