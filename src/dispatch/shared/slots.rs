//! Whose turn it is when nobody can be asked: time is cut into slots, and every replica has each n-th.
//!
//! A slot is a quarter longer than the time between two calls, and a call leaves in its first tenth. So two calls of
//! neighbouring slots are an interval and more apart, with a part of an interval to spare for clocks that differ. The
//! script has the same rule.

/// The slots of one account.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slots {
    replicas: u32,
    slot_ms: f64,
    window_ms: f64,
}

impl Slots {
    pub(super) fn new(calls_per_second: f64, replicas: u32) -> Self {
        Self { replicas, slot_ms: 1250.0 / calls_per_second, window_ms: 125.0 / calls_per_second }
    }

    /// The first moment from then on at which the replica of a number may call. Milliseconds since 1970.
    pub(super) fn next(&self, number: u32, at_ms: u64) -> u64 {
        let (at, replicas) = (at_ms as f64, f64::from(self.replicas));
        let slot = (at / self.slot_ms).floor();
        if slot % replicas == f64::from(number) && at - slot * self.slot_ms <= self.window_ms {
            return at_ms;
        }
        let ahead = (f64::from(number) - slot - 1.0).rem_euclid(replicas);
        ((slot + 1.0 + ahead) * self.slot_ms).ceil() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_in_slots_are_never_closer_than_the_pace_allows() {
        for seed in 0..200 {
            let mut random = fastrand::Rng::with_seed(seed);
            let (rate, replicas) = (0.1 + random.f64() * 9.9, random.u32(1..=6));
            let slots = Slots::new(rate, replicas);
            let start = 1_800_000_000_000 + random.u64(0..100_000_000);
            let mut calls: Vec<u64> = Vec::new();
            for number in 0..replicas {
                let mut at = start;
                for _ in 0..30 {
                    at = slots.next(number, at);
                    calls.push(at);
                    // It calls again as soon as its own pace allows, or some time later.
                    at += (f64::from(replicas) * 1000.0 / rate) as u64 + random.u64(0..300);
                }
            }
            calls.sort_unstable();
            let closest = calls.windows(2).map(|pair| pair[1] - pair[0]).min().unwrap();
            assert!(closest as f64 >= 1000.0 / rate, "seed {seed}: {closest} ms at {rate} a second");
        }
    }

    #[test]
    fn every_replica_has_a_turn_in_every_round() {
        let slots = Slots::new(1.0, 3);
        for number in 0..3 {
            let first = slots.next(number, 0);
            assert_eq!(first, u64::from(number) * 1250);
            assert_eq!(slots.next(number, first), first);
            assert_eq!(slots.next(number, first + 126), first + 3750, "a turn that is missed is not made up for");
        }
    }
}
