//! The circuit breaker of one operation: stops calling an operation that keeps failing, and finds out when it is back.
//!
//! # Rule
//!
//! [`MAX_IN_A_ROW`] failures in a row, or half of at least [`MIN_IN_WINDOW`] calls within [`WINDOW`], open it for
//! [`FIRST_PAUSE`]. After the pause one call is sent as a probe (half-open). Its answer closes the breaker; its failure
//! opens it for twice as long, up to [`MAX_PAUSE`].
//!
//! # Edge cases
//!
//! - While the probe is in flight no other call is sent.
//! - Throttling is no failure: Amazon is well, and the account is too fast.
//! - A call that was sent before the breaker opened and fails later changes nothing.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

/// Failures in a row that open it (a flaky minute has fewer).
const MAX_IN_A_ROW: u32 = 5;
/// The window in which the failing part is counted, and the fewest calls in it for the part to mean anything.
const WINDOW: Duration = Duration::from_secs(60);
const MIN_IN_WINDOW: usize = 10;
/// The first pause, and the longest after doubling.
const FIRST_PAUSE: Duration = Duration::from_secs(30);
const MAX_PAUSE: Duration = Duration::from_secs(300);

/// One operation's breaker.
#[derive(Debug)]
pub(crate) struct OperationBreaker {
    state: BreakerState,
    in_a_row: u32,
    recent: VecDeque<(Instant, bool)>,
    pause: Duration,
    calls: u64,
}

/// Whether calls are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Calls are sent.
    Closed,
    /// No call is sent until then.
    Open {
        /// When one call will be sent as a probe.
        until: Instant,
    },
    /// The probe is in flight.
    HalfOpen,
}

impl Default for OperationBreaker {
    fn default() -> Self {
        Self { state: BreakerState::Closed, in_a_row: 0, recent: VecDeque::new(), pause: FIRST_PAUSE, calls: 0 }
    }
}

impl OperationBreaker {
    /// How long until calls may be sent; `None` where they may now.
    pub(crate) fn open_for(&self, now: Instant) -> Option<Duration> {
        match self.state {
            BreakerState::Closed => None,
            BreakerState::Open { until } => (until > now).then(|| until - now),
            // The probe is answered within its timeout. A second is a fair guess.
            BreakerState::HalfOpen => Some(Duration::from_secs(1)),
        }
    }

    /// A call is sent. After a pause it is the probe.
    pub(crate) fn on_send(&mut self) {
        self.calls += 1;
        if matches!(self.state, BreakerState::Open { .. }) {
            self.state = BreakerState::HalfOpen;
        }
    }

    /// A call was answered, whatever the answer.
    pub(crate) fn on_answer(&mut self, now: Instant) {
        if self.state != BreakerState::Closed {
            *self = Self { calls: self.calls, ..Self::default() };
        }
        self.in_a_row = 0;
        self.record(now, true);
    }

    /// A call failed.
    pub(crate) fn on_failure(&mut self, now: Instant) {
        self.in_a_row += 1;
        self.record(now, false);
        let failures = self.recent.iter().filter(|(_, good)| !good).count();
        let half = self.recent.len() >= MIN_IN_WINDOW && failures * 2 >= self.recent.len();
        match self.state {
            BreakerState::HalfOpen => {
                self.pause = (self.pause * 2).min(MAX_PAUSE);
                self.state = BreakerState::Open { until: now + self.pause };
            }
            BreakerState::Closed if self.in_a_row >= MAX_IN_A_ROW || half => {
                self.state = BreakerState::Open { until: now + self.pause }
            }
            BreakerState::Closed | BreakerState::Open { .. } => {}
        }
    }

    /// How many calls were sent since the start.
    pub(crate) fn calls(&self) -> u64 {
        self.calls
    }

    /// Whether calls are sent.
    pub(crate) fn state(&self) -> BreakerState {
        self.state
    }

    fn record(&mut self, now: Instant, good: bool) {
        self.recent.push_back((now, good));
        while self.recent.front().is_some_and(|(at, _)| now.duration_since(*at) > WINDOW) {
            self.recent.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_failures_in_a_row_open_it_for_half_a_minute() {
        let (mut breaker, now) = (OperationBreaker::default(), Instant::now());
        for _ in 0..4 {
            breaker.on_failure(now);
        }
        assert_eq!(breaker.open_for(now), None);
        breaker.on_failure(now);
        assert_eq!(breaker.open_for(now), Some(FIRST_PAUSE));
        assert_eq!(breaker.open_for(now + FIRST_PAUSE), None);
    }

    #[test]
    fn a_probe_that_fails_doubles_the_pause_up_to_five_minutes_and_one_that_succeeds_closes_it() {
        let (mut breaker, mut now) = (OperationBreaker::default(), Instant::now());
        for _ in 0..5 {
            breaker.on_failure(now);
        }
        for seconds in [60, 120, 240, 300, 300] {
            now += MAX_PAUSE;
            breaker.on_send();
            assert!(breaker.open_for(now).is_some(), "a second call waits for the probe");
            breaker.on_failure(now);
            assert_eq!(breaker.open_for(now), Some(Duration::from_secs(seconds)));
        }
        now += MAX_PAUSE;
        breaker.on_send();
        breaker.on_answer(now);
        assert_eq!((breaker.state(), breaker.open_for(now)), (BreakerState::Closed, None));
    }

    #[test]
    fn half_of_ten_within_a_minute_open_it_and_older_ones_are_forgotten() {
        let (mut breaker, now) = (OperationBreaker::default(), Instant::now());
        for _ in 0..4 {
            breaker.on_failure(now);
            breaker.on_answer(now);
        }
        breaker.on_failure(now);
        assert_eq!(breaker.state(), BreakerState::Closed, "nine calls say nothing yet");
        breaker.on_answer(now + WINDOW * 2);
        for _ in 0..4 {
            breaker.on_failure(now + WINDOW * 2);
        }
        assert_eq!(breaker.state(), BreakerState::Closed, "the first nine are over a minute old");
        let (mut breaker, later) = (OperationBreaker::default(), now);
        for _ in 0..5 {
            breaker.on_answer(later);
            breaker.on_failure(later);
        }
        assert!(matches!(breaker.state(), BreakerState::Open { .. }));
    }
}
