//! What a request cost.

use std::collections::HashSet;

use crate::dispatch::Calls;
use stockroom_proto::pb;

/// Adds up what a request cost.
#[derive(Clone, Debug, Default)]
pub struct CostCounter {
    calls: HashSet<u64>,
    from_memory: i32,
    from_redis: i32,
    from_amazon: i32,
    stale: i32,
}

impl CostCounter {
    /// Counts calls; the same call counts once.
    pub fn calls(&mut self, calls: &Calls) {
        self.calls.extend(calls.ids());
    }

    /// Counts an answer by where it came from.
    pub fn answer(&mut self, freshness: &pb::Freshness) {
        match freshness.source() {
            pb::Source::Memory => self.from_memory += 1,
            pb::Source::Redis => self.from_redis += 1,
            pb::Source::Amazon => self.from_amazon += 1,
            pb::Source::Unspecified => {}
        }
        self.stale += i32::from(freshness.is_stale);
    }

    /// Adds another counter.
    pub fn merge(&mut self, other: &Self) {
        self.calls.extend(&other.calls);
        self.from_memory += other.from_memory;
        self.from_redis += other.from_redis;
        self.from_amazon += other.from_amazon;
        self.stale += other.stale;
    }

    /// The cost so far.
    pub fn total(&self) -> pb::Cost {
        pb::Cost {
            amazon_calls: self.calls.len().try_into().unwrap_or(i32::MAX),
            from_memory: self.from_memory,
            from_redis: self.from_redis,
            from_amazon: self.from_amazon,
            stale: self.stale,
        }
    }
}
