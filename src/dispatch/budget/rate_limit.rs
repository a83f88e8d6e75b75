//! The account's rate limit: evenly spaced calls, fewer for a while after Amazon throttled.
//!
//! # Rule
//!
//! Calls are an interval apart and idle time is not saved up, since Amazon allows no burst to an account of one call a
//! second. A throttled call halves the rate, down to [`MIN_RATE`], and each clean minute wins a tenth of the full rate
//! back.
//!
//! # Edge cases
//!
//! - Several throttled calls of one moment are one episode: only a call that was sent after the last halving halves again.
//! - An account slower than the floor is not made faster by it.

use std::time::Duration;

use tokio::time::Instant;

/// The lowest rate that throttling leads to, in calls a second.
pub(super) const MIN_RATE: f64 = 0.1;
/// How long without throttling it takes to win back a tenth of the rate.
pub(super) const CLEAN_INTERVAL: Duration = Duration::from_secs(60);

/// The rate limit as this replica knows it.
#[derive(Debug)]
pub(crate) struct RateLimit {
    full_rate: f64,
    rate: f64,
    next: Instant,
    clean_since: Instant,
    halved_at: Option<Instant>,
}

impl RateLimit {
    pub(super) fn new(calls_per_second: f64, now: Instant) -> Self {
        Self { full_rate: calls_per_second, rate: calls_per_second, next: now, clean_since: now, halved_at: None }
    }

    /// The earliest time of the next call; may be in the past.
    pub(super) fn next(&self) -> Instant {
        self.next
    }

    /// The time between two calls.
    pub(super) fn interval(&self) -> Duration {
        Duration::from_secs_f64(1.0 / self.rate)
    }

    /// The calls a second right now.
    pub(super) fn rate(&self) -> f64 {
        self.rate
    }

    /// Whether it is below the full rate. A rate from Redis has been through decimal digits.
    pub(super) fn is_reduced(&self) -> bool {
        self.rate < self.full_rate * (1.0 - 1e-6)
    }

    /// Counts a call.
    pub(super) fn spend(&mut self, now: Instant) {
        self.recover(now);
        self.next = now.max(self.next) + self.interval();
    }

    /// Amazon throttled a call that was sent at `sent_at`.
    pub(super) fn throttled(&mut self, now: Instant, sent_at: Instant, retry_after: Duration) {
        if self.halved_at.is_none_or(|halved_at| sent_at > halved_at) {
            self.rate = (self.rate / 2.0).max(MIN_RATE.min(self.full_rate));
            self.halved_at = Some(now);
        }
        self.clean_since = now;
        self.hold(now + retry_after.max(self.interval()));
    }

    /// Takes over what all replicas agreed on. Since when no call was throttled is not known here: it counts from now.
    pub(super) fn follow(&mut self, rate: f64, next: Instant, now: Instant) {
        (self.rate, self.next, self.clean_since) = (rate, next, now);
    }

    /// Allows no call before that time.
    pub(super) fn hold(&mut self, until: Instant) {
        self.next = self.next.max(until);
    }

    fn recover(&mut self, now: Instant) {
        while self.rate < self.full_rate && now.duration_since(self.clean_since) >= CLEAN_INTERVAL {
            self.clean_since += CLEAN_INTERVAL;
            self.rate = (self.rate + self.full_rate / 10.0).min(self.full_rate);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Duration = Duration::from_millis(1);

    #[test]
    fn calls_are_evenly_spaced_and_idle_time_is_not_saved_up() {
        let now = Instant::now();
        let mut limit = RateLimit::new(2.0, now);
        limit.spend(now);
        assert_eq!(limit.next(), now + Duration::from_millis(500));
        let later = now + Duration::from_secs(60);
        limit.spend(later);
        assert_eq!(limit.next(), later + Duration::from_millis(500));
    }

    #[test]
    fn throttling_halves_the_rate_to_a_floor_and_clean_minutes_win_it_back() {
        let now = Instant::now();
        let mut limit = RateLimit::new(1.0, now);
        limit.throttled(now, now, Duration::ZERO);
        assert_eq!((limit.rate(), limit.next()), (0.5, now + Duration::from_secs(2)));
        limit.throttled(now, now, Duration::from_secs(30));
        assert_eq!(limit.next(), now + Duration::from_secs(30), "Retry-After is honoured");
        for n in 1..6 {
            limit.throttled(now + MOMENT * n, now + MOMENT * n, Duration::ZERO);
        }
        assert_eq!(limit.rate(), MIN_RATE);
        let clean = now + MOMENT * 5;
        limit.spend(clean + CLEAN_INTERVAL * 3);
        assert!((limit.rate() - 0.4).abs() < 1e-9);
        limit.spend(clean + CLEAN_INTERVAL * 100);
        assert_eq!(limit.rate(), 1.0);
    }

    #[test]
    fn throttled_calls_of_one_episode_halve_the_rate_once() {
        let sent = Instant::now();
        let mut limit = RateLimit::new(10.0, sent);
        for n in 0..10 {
            limit.throttled(sent + MOMENT * (300 + n), sent + MOMENT * n, Duration::ZERO);
        }
        assert_eq!(limit.rate(), 5.0);
        limit.throttled(sent + MOMENT * 900, sent + MOMENT * 500, Duration::ZERO);
        assert_eq!(limit.rate(), 2.5, "a call that was sent after the halving says that it was not enough");
    }

    #[test]
    fn a_rate_that_was_taken_over_recovers_from_then_on() {
        let start = Instant::now();
        let mut limit = RateLimit::new(1.0, start);
        let lost = start + CLEAN_INTERVAL * 60;
        limit.follow(0.5, lost, lost);
        limit.spend(lost + MOMENT);
        assert_eq!(limit.rate(), 0.5);
        limit.spend(lost + CLEAN_INTERVAL);
        assert_eq!(limit.rate(), 0.6);
    }

    #[test]
    fn an_account_slower_than_the_floor_is_never_made_faster_by_throttling() {
        let now = Instant::now();
        let mut limit = RateLimit::new(0.05, now);
        limit.throttled(now, now, Duration::ZERO);
        assert_eq!(limit.rate(), 0.05);
    }
}
