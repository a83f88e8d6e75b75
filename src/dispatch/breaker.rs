//! Stops calling an operation that keeps failing, and finds out when it is back.
//!
//! Throttling is not failure and never counts here: it says that Amazon is well and we are too fast.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

/// Failures in a row that open it.
const IN_A_ROW: u32 = 5;
/// The window in which shares are counted, and the least number of calls in it for a share to mean anything.
const WINDOW: Duration = Duration::from_secs(60);
const LEAST_IN_WINDOW: usize = 10;
/// The first pause, and the longest after doubling.
const FIRST_PAUSE: Duration = Duration::from_secs(30);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// One operation's breaker.
#[derive(Debug)]
pub(crate) struct OperationBreaker {
    state: BreakerState,
    in_a_row: u32,
    recent: VecDeque<(Instant, bool)>,
    pause: Duration,
    calls: u64,
}

/// Whether calls go through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// They do.
    Closed,
    /// They do not until then.
    Open {
        /// When one call will be let through to see.
        until: Instant,
    },
    /// One call is under way to see.
    HalfOpen,
}

impl Default for OperationBreaker {
    fn default() -> Self {
        Self { state: BreakerState::Closed, in_a_row: 0, recent: VecDeque::new(), pause: FIRST_PAUSE, calls: 0 }
    }
}

impl OperationBreaker {
    /// How long calls must wait; `None` where they may go.
    pub(crate) fn closed_for(&self, now: Instant) -> Option<Duration> {
        match self.state {
            BreakerState::Closed => None,
            BreakerState::Open { until } => (until > now).then(|| until - now),
            // The call that is under way to see will have told within one timeout; a second is a fair guess.
            BreakerState::HalfOpen => Some(Duration::from_secs(1)),
        }
    }

    /// A call leaves. After a pause it is the one that finds out.
    pub(crate) fn leaving(&mut self) {
        self.calls += 1;
        if matches!(self.state, BreakerState::Open { .. }) {
            self.state = BreakerState::HalfOpen;
        }
    }

    /// A call was answered, whatever the answer.
    pub(crate) fn answered(&mut self, now: Instant) {
        if self.state != BreakerState::Closed {
            *self = Self { calls: self.calls, ..Self::default() };
        }
        self.in_a_row = 0;
        self.remember(now, true);
    }

    /// A call failed.
    pub(crate) fn failed(&mut self, now: Instant) {
        self.in_a_row += 1;
        self.remember(now, false);
        let failures = self.recent.iter().filter(|(_, good)| !good).count();
        let half = self.recent.len() >= LEAST_IN_WINDOW && failures * 2 >= self.recent.len();
        match self.state {
            BreakerState::HalfOpen => {
                self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                self.state = BreakerState::Open { until: now + self.pause };
            }
            BreakerState::Closed if self.in_a_row >= IN_A_ROW || half => {
                self.state = BreakerState::Open { until: now + self.pause }
            }
            BreakerState::Closed | BreakerState::Open { .. } => {}
        }
    }

    /// How many calls left since the start.
    pub(crate) fn calls(&self) -> u64 {
        self.calls
    }

    /// Whether calls go through.
    pub(crate) fn state(&self) -> BreakerState {
        self.state
    }

    fn remember(&mut self, now: Instant, good: bool) {
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
            breaker.failed(now);
        }
        assert_eq!(breaker.closed_for(now), None);
        breaker.failed(now);
        assert_eq!(breaker.closed_for(now), Some(FIRST_PAUSE));
        assert_eq!(breaker.closed_for(now + FIRST_PAUSE), None);
    }

    #[test]
    fn a_probe_that_fails_doubles_the_pause_up_to_five_minutes_and_one_that_succeeds_closes_it() {
        let (mut breaker, mut now) = (OperationBreaker::default(), Instant::now());
        for _ in 0..5 {
            breaker.failed(now);
        }
        for seconds in [60, 120, 240, 300, 300] {
            now += LONGEST_PAUSE;
            breaker.leaving();
            assert!(breaker.closed_for(now).is_some(), "a second call waits for the probe");
            breaker.failed(now);
            assert_eq!(breaker.closed_for(now), Some(Duration::from_secs(seconds)));
        }
        now += LONGEST_PAUSE;
        breaker.leaving();
        breaker.answered(now);
        assert_eq!((breaker.state(), breaker.closed_for(now)), (BreakerState::Closed, None));
    }

    #[test]
    fn half_of_ten_within_a_minute_open_it_and_older_ones_are_forgotten() {
        let (mut breaker, now) = (OperationBreaker::default(), Instant::now());
        for _ in 0..4 {
            breaker.failed(now);
            breaker.answered(now);
        }
        breaker.failed(now);
        assert_eq!(breaker.state(), BreakerState::Closed, "nine calls say nothing yet");
        breaker.answered(now + WINDOW * 2);
        for _ in 0..4 {
            breaker.failed(now + WINDOW * 2);
        }
        assert_eq!(breaker.state(), BreakerState::Closed, "the first nine are over a minute old");
        let (mut breaker, later) = (OperationBreaker::default(), now);
        for _ in 0..5 {
            breaker.answered(later);
            breaker.failed(later);
        }
        assert!(matches!(breaker.state(), BreakerState::Open { .. }));
    }
}
