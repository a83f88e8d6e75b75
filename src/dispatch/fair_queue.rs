//! Whose turn it is among callers: shares by weight, where an idle caller's share is free for the others.
//!
//! # Rule
//!
//! Start-time fair queueing (Goyal, Vin and Cheng, 1996): each caller has a virtual clock that advances by what the caller
//! was served, divided by its weight. The caller whose clock is furthest behind goes first.
//!
//! # Edge cases
//!
//! - A caller that was away starts at the clock of whoever was served last: a share that was not used is not saved up.
//! - Clocks that are behind that are dropped, so callers that stay away cost nothing.

use std::{collections::HashMap, sync::Arc};

/// The callers' virtual clocks.
#[derive(Debug, Default)]
pub(crate) struct FairQueue {
    clocks: HashMap<Arc<str>, f64>,
    /// The clock of the caller that was served last.
    now: f64,
}

impl FairQueue {
    /// The caller's virtual clock; the smallest goes first.
    pub(crate) fn clock(&self, caller: &str) -> f64 {
        self.clocks.get(caller).map_or(self.now, |clock| clock.max(self.now))
    }

    /// Advances the clock of a caller that is served so many places of a batch.
    pub(crate) fn serve(&mut self, caller: &Arc<str>, places: f64, weight: f64) {
        let start = self.clock(caller);
        self.now = start;
        self.clocks.insert(Arc::clone(caller), start + places / weight.max(f64::EPSILON));
        // A clock that is behind means the same as none.
        self.clocks.retain(|_, clock| *clock > start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Serves whoever is first among those who always want more, and counts.
    fn shares(weights: &[(&str, f64)], turns: usize) -> Vec<usize> {
        let mut fair = FairQueue::default();
        let mut counts = vec![0; weights.len()];
        for _ in 0..turns {
            let first = (0..weights.len())
                .min_by(|a, b| fair.clock(weights[*a].0).total_cmp(&fair.clock(weights[*b].0)))
                .unwrap();
            counts[first] += 1;
            fair.serve(&weights[first].0.into(), 1.0, weights[first].1);
        }
        counts
    }

    #[test]
    fn shares_follow_weights() {
        for seed in 0..50 {
            let mut random = fastrand::Rng::with_seed(seed);
            let weights: Vec<(String, f64)> = (0..4).map(|n| (format!("c{n}"), random.u32(1..=10).into())).collect();
            let named: Vec<(&str, f64)> = weights.iter().map(|(name, weight)| (name.as_str(), *weight)).collect();
            let whole: f64 = named.iter().map(|(_, weight)| weight).sum();
            for ((_, weight), count) in named.iter().zip(shares(&named, 2000)) {
                let due = 2000.0 * weight / whole;
                assert!((count as f64 - due).abs() <= 2.0 + weight, "seed {seed}: {count} of {due}");
            }
        }
    }

    #[test]
    fn a_share_that_was_not_used_is_not_saved_up() {
        let mut fair = FairQueue::default();
        let (busy, late): (Arc<str>, Arc<str>) = ("busy".into(), "late".into());
        for _ in 0..1000 {
            fair.serve(&busy, 1.0, 1.0);
        }
        let mut turns_of_late = 0;
        for _ in 0..20 {
            let first = if fair.clock(&late) < fair.clock(&busy) { &late } else { &busy };
            turns_of_late += usize::from(Arc::ptr_eq(first, &late));
            fair.serve(&first.clone(), 1.0, 1.0);
        }
        assert!((9..=11).contains(&turns_of_late), "{turns_of_late}");
    }
}
