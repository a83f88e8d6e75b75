//! What a request cost.

use std::collections::HashMap;

use crate::dispatch::Call;
use stockroom_proto::pb;

/// Adds up what a request cost.
#[derive(Clone, Debug, Default)]
pub struct CostCounter {
    attempts_by_call: HashMap<u64, u32>,
    from_memory: i32,
    from_redis: i32,
    from_amazon: i32,
    stale: i32,
    would_call: u32,
}

impl CostCounter {
    /// Counts a call; the same call counts once.
    pub fn call(&mut self, call: Option<Call>) {
        if let Some(call) = call {
            self.attempts_by_call.insert(call.id, call.attempts);
        }
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

    /// Counts what Amazon would be asked for, in so many calls.
    pub(super) fn would_ask(&mut self, answers: usize, calls: usize) {
        self.from_amazon += i32::try_from(answers).unwrap_or(i32::MAX);
        self.would_call += u32::try_from(calls).unwrap_or(u32::MAX);
    }

    /// Adds another cost_counter.
    pub fn merge(&mut self, other: &Self) {
        self.attempts_by_call.extend(&other.attempts_by_call);
        self.from_memory += other.from_memory;
        self.from_redis += other.from_redis;
        self.from_amazon += other.from_amazon;
        self.stale += other.stale;
        self.would_call += other.would_call;
    }

    /// The cost so far.
    pub fn total(&self) -> pb::Cost {
        pb::Cost {
            amazon_calls: (self.attempts_by_call.values().sum::<u32>() + self.would_call)
                .try_into()
                .unwrap_or(i32::MAX),
            from_memory: self.from_memory,
            from_redis: self.from_redis,
            from_amazon: self.from_amazon,
            stale: self.stale,
        }
    }
}
