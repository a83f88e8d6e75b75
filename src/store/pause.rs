//! Pauses questions to a Redis that fails, and finds out when it is back.
//!
//! Rule: after [`MAX_IN_A_ROW`] failures in a row one question in each [`PAUSE`] is asked, and the others fail at once.
//! Without it every request would wait for the whole timeout for as long as Redis is unreachable. The question that finds
//! out is an ordinary one; nothing waits and nothing is locked.

use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
    time::Duration,
};

use tokio::time::Instant;

/// Failures in a row that open it (one may be a packet that was lost).
const MAX_IN_A_ROW: u32 = 5;
/// How long nobody asks before one finds out: at most two requests a second pay for a Redis that is away, and one that
/// is back is used within a second.
const PAUSE: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(super) struct RedisPause {
    failures: AtomicU32,
    /// When the next question is admitted, in milliseconds from `start`; read only while open.
    next_ms: AtomicU64,
    start: Instant,
}

impl Default for RedisPause {
    fn default() -> Self {
        Self { failures: AtomicU32::new(0), next_ms: AtomicU64::new(0), start: Instant::now() }
    }
}

impl RedisPause {
    pub(super) fn is_closed(&self) -> bool {
        self.failures.load(Ordering::Relaxed) < MAX_IN_A_ROW
    }

    /// Whether a question may be asked. While open, the question that is admitted sets the time of the next one, so that
    /// the pause goes on even if this one is never answered.
    pub(super) fn admits(&self, now: Instant) -> bool {
        if self.is_closed() {
            return true;
        }
        let next = self.next_ms.load(Ordering::Relaxed);
        let (now, after) = (self.ms(now), self.ms(now + PAUSE));
        now >= next && self.next_ms.compare_exchange(next, after, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// A question was answered. Returns whether Redis had been failing.
    pub(super) fn answered(&self) -> bool {
        let was_open = self.failures.swap(0, Ordering::Relaxed) >= MAX_IN_A_ROW;
        if was_open {
            tracing::info!("Redis answers again");
        }
        was_open
    }

    pub(super) fn failed(&self, now: Instant) {
        self.next_ms.store(self.ms(now + PAUSE), Ordering::Relaxed);
        if self.failures.fetch_add(1, Ordering::Relaxed) + 1 == MAX_IN_A_ROW {
            tracing::warn!("Redis does not answer; going on without it");
        }
    }

    fn ms(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.start).as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_five_failures_one_question_in_a_pause_is_let_through_until_one_is_answered() {
        let breaker = RedisPause::default();
        let start = Instant::now();
        for _ in 0..MAX_IN_A_ROW {
            assert!(breaker.admits(start));
            breaker.failed(start);
        }
        assert!(!breaker.admits(start) && !breaker.is_closed());
        let later = start + PAUSE + Duration::from_millis(1);
        assert!(breaker.admits(later));
        assert!(!breaker.admits(later), "the first finds out");
        assert!(breaker.admits(later + PAUSE), "the first was never heard of again");
        breaker.answered();
        assert!(breaker.admits(later) && breaker.is_closed());
    }

    #[test]
    fn an_answer_between_failures_keeps_it_closed() {
        let breaker = RedisPause::default();
        for _ in 0..MAX_IN_A_ROW * 3 {
            breaker.failed(Instant::now());
            breaker.answered();
        }
        assert!(breaker.is_closed());
    }
}
