//! The account's limits: calls per second, and calls in any 24 hours.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The length of the rate window relative to the exact period.
///
/// Evenly spaced calls do not arrive evenly spaced. A window shorter by 5 % tolerates the network's jitter.
const FORGIVING: f64 = 0.95;

/// Counts calls and decides which of them are within the limits.
///
/// Rate: at most `n = floor(max(1, rate))` calls are admitted in any window of `0.95 * n / rate` seconds; a rejected call does not
/// delay the next one. Day: every call counts, rejected ones included.
#[derive(Debug)]
pub(crate) struct RateLimits {
    per_second: f64,
    per_day: u32,
    /// The times of the last admitted calls, the newest last.
    recent: VecDeque<Instant>,
    /// The times of all calls of the last 24 hours, rejected ones included.
    day: VecDeque<Instant>,
    /// The number of calls over a limit since the start.
    refused: usize,
}

impl RateLimits {
    /// Limits without any calls yet.
    pub(crate) fn new(per_second: f64, per_day: u32) -> Self {
        Self { per_second, per_day, recent: VecDeque::new(), day: VecDeque::new(), refused: 0 }
    }

    /// Changes the rate. Earlier calls still count.
    pub(crate) fn set_rate(&mut self, per_second: f64) {
        self.per_second = per_second;
    }

    /// Changes the daily limit. Earlier calls still count.
    pub(crate) fn set_per_day(&mut self, per_day: u32) {
        self.per_day = per_day;
    }

    /// The number of calls over a limit.
    pub(crate) fn refused(&self) -> usize {
        self.refused
    }

    /// Counts a call and returns whether it is within both limits.
    pub(crate) fn admits(&mut self, now: Instant) -> bool {
        let admitted = self.is_within(now);
        self.refused += usize::from(!admitted);
        admitted
    }

    fn is_within(&mut self, now: Instant) -> bool {
        while self.day.front().is_some_and(|call| now.duration_since(*call) >= DAY) {
            self.day.pop_front();
        }
        self.day.push_back(now);
        if self.day.len() > usize::try_from(self.per_day).unwrap_or(usize::MAX) {
            return false;
        }
        let (calls, window) = self.window();
        while self.recent.front().is_some_and(|call| now.duration_since(*call) >= window) {
            self.recent.pop_front();
        }
        let admitted = self.recent.len() < calls;
        if admitted {
            self.recent.push_back(now);
        }
        admitted
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a small positive number, already whole"
    )]
    fn window(&self) -> (usize, Duration) {
        let calls = self.per_second.max(1.0).floor();
        let seconds = FORGIVING * calls / self.per_second.max(f64::MIN_POSITIVE);
        (calls as usize, Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which of the calls at these milliseconds are admitted.
    fn admitted(mut limits: RateLimits, at_ms: &[u64]) -> Vec<bool> {
        let start = Instant::now();
        at_ms.iter().map(|ms| limits.admits(start + Duration::from_millis(*ms))).collect()
    }

    #[test]
    fn calls_are_admitted_up_to_the_rate_in_any_window() {
        let cases: [(f64, &[u64], &[bool]); 4] = [
            (1.0, &[0, 500, 949, 951, 1900], &[true, false, false, true, false]),
            (2.0, &[0, 10, 20, 951, 955, 961], &[true, true, false, true, false, true]),
            (0.5, &[0, 1000, 1899, 1901], &[true, false, false, true]),
            (2.5, &[0, 0, 0, 761], &[true, true, false, true]),
        ];
        for (rate, at_ms, expected) in cases {
            assert_eq!(admitted(RateLimits::new(rate, 100), at_ms), expected, "{rate} a second");
        }
    }

    #[test]
    fn the_day_rolls_and_counts_refused_calls_too() {
        let day_ms = 24 * 60 * 60 * 1000;
        let at_ms = [0, 100, 5000, 9000, day_ms + 50, day_ms + 6000];
        let expected = [true, false, true, false, false, true];
        assert_eq!(admitted(RateLimits::new(1.0, 3), &at_ms), expected);
    }
}
