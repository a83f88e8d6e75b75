//! Counters and state of each cache tier, for operators.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Freshness;

/// The state of one tier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stats {
    /// The tier, as `memory` or `redis`.
    pub tier: &'static str,
    /// Entries in it; 0 where that is not known.
    pub entries: u64,
    /// Bytes in it, estimated; 0 where that is not known.
    pub size_bytes: u64,
    /// Bytes it may hold; 0 where that is not known.
    pub capacity_bytes: u64,
    /// Look-ups answered.
    pub hits: u64,
    /// Look-ups not answered.
    pub misses: u64,
    /// Stale answers among the hits.
    pub stale_hits: u64,
    /// Answers that were to be stored and were not.
    pub dropped_writes: u64,
    /// Whether it answered when it was last asked.
    pub answers: bool,
}

/// Counts look-ups by outcome.
#[derive(Debug, Default)]
pub(super) struct TierCounts {
    pub hits: AtomicU64,
    pub misses: AtomicU64,
    pub stale_hits: AtomicU64,
}

impl TierCounts {
    /// Counts a look-up by its outcome.
    pub(super) fn count(&self, freshness: Option<Freshness>) {
        let counter = if freshness.is_some() { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
        if freshness.is_some_and(|freshness| freshness != Freshness::Fresh) {
            self.stale_hits.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The stats of a tier of which nothing else is known.
    pub(super) fn stats(&self, tier: &'static str) -> Stats {
        Stats {
            tier,
            entries: 0,
            size_bytes: 0,
            capacity_bytes: 0,
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            stale_hits: self.stale_hits.load(Ordering::Relaxed),
            dropped_writes: 0,
            answers: true,
        }
    }
}
