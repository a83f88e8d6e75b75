//! Leaves a failing Redis alone, and finds out when it is back.
//!
//! Without it every request would pay the whole bound for as long as Redis is away. It is as small as it can be: nothing
//! waits, nothing is locked, and a question that finds out is one of the ordinary ones.

use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
    time::Duration,
};

use tokio::time::Instant;

/// Failures in a row that open it.
const IN_A_ROW: u32 = 5;
/// How long nobody asks before one finds out: at most two requests a second pay for a Redis that is away, and one that
/// is back is used within a second.
const PAUSE: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(super) struct RedisPause {
    failures: AtomicU32,
    /// When the next may ask, in milliseconds from `start`; only looked at while open.
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
        self.failures.load(Ordering::Relaxed) < IN_A_ROW
    }

    /// Whether a question may be asked. While open, the one that may moves the next one's time, so that it stands even if
    /// this one is never heard of again.
    pub(super) fn admits(&self, now: Instant) -> bool {
        if self.is_closed() {
            return true;
        }
        let next = self.next_ms.load(Ordering::Relaxed);
        let (now, after) = (self.ms(now), self.ms(now + PAUSE));
        now >= next && self.next_ms.compare_exchange(next, after, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    pub(super) fn answered(&self) {
        if self.failures.swap(0, Ordering::Relaxed) >= IN_A_ROW {
            tracing::info!("Redis answers again");
        }
    }

    pub(super) fn failed(&self, now: Instant) {
        self.next_ms.store(self.ms(now + PAUSE), Ordering::Relaxed);
        if self.failures.fetch_add(1, Ordering::Relaxed) + 1 == IN_A_ROW {
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
        for _ in 0..IN_A_ROW {
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
        for _ in 0..IN_A_ROW * 3 {
            breaker.failed(Instant::now());
            breaker.answered();
        }
        assert!(breaker.is_closed());
    }
}
