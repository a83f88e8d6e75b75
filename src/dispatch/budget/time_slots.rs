//! When a replica may call while Redis is unreachable: time is cut into slots, and each replica slot owns every n-th.
//!
//! # Why
//!
//! A replica that cannot reach Redis cannot ask whose turn it is. Clocks are all that replicas still share.
//!
//! # Rule
//!
//! A time slot is a quarter longer than the interval between two calls, and a call is sent in its first tenth. Two calls of
//! neighbouring slots are then at least an interval apart, with a part of an interval to spare for clocks that differ.
//! After [`OFFLINE_FULL`](super::shared::OFFLINE_FULL) only slots that begin in the first
//! [`RESIDUAL_WINDOW`](super::shared::RESIDUAL_WINDOW) of a minute are left: the replicas that reach Redis have the rest
//! of the minute back. `budget.lua` keeps them out of exactly these slots.

/// The length of a time slot and of the part in which a call may be sent, in intervals.
pub(super) const SLOT: f64 = 1.25;
pub(super) const SEND_WINDOW: f64 = 0.125;
pub(super) const MINUTE_MS: u64 = 60_000;

/// The time slots of one account.
#[derive(Clone, Copy, Debug)]
pub(super) struct TimeSlots {
    replicas: u32,
    slot_ms: f64,
    window_ms: f64,
}

impl TimeSlots {
    pub(super) fn new(calls_per_second: f64, replicas: u32) -> Self {
        let interval_ms = 1000.0 / calls_per_second;
        Self { replicas, slot_ms: SLOT * interval_ms, window_ms: SEND_WINDOW * interval_ms }
    }

    /// The first moment from `at_ms` on at which the owner of a replica slot may call. Milliseconds since 1970.
    pub(super) fn next(&self, replica_slot: u32, at_ms: u64) -> u64 {
        let (at, replicas) = (at_ms as f64, f64::from(self.replicas));
        let slot = (at / self.slot_ms).floor();
        if slot % replicas == f64::from(replica_slot) && at - slot * self.slot_ms <= self.window_ms {
            return at_ms;
        }
        let ahead = (f64::from(replica_slot) - slot - 1.0).rem_euclid(replicas);
        ((slot + 1.0 + ahead) * self.slot_ms).ceil() as u64
    }

    /// The same among the slots that begin in the first `window_ms` of a minute.
    pub(super) fn next_in_window(&self, replica_slot: u32, at_ms: u64, window_ms: u64) -> u64 {
        let mut at = at_ms;
        // A slot of this replica begins in the window of one of so many minutes, or of none that matters.
        for _ in 0..600 {
            at = self.next(replica_slot, at);
            let begins = ((at as f64 / self.slot_ms).floor() * self.slot_ms).ceil() as u64;
            if begins % MINUTE_MS < window_ms {
                return at;
            }
            at = (at / MINUTE_MS + 1) * MINUTE_MS;
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_in_slots_are_never_closer_than_the_rate_allows() {
        for seed in 0..200 {
            let mut random = fastrand::Rng::with_seed(seed);
            let (rate, replicas) = (0.1 + random.f64() * 9.9, random.u32(1..=6));
            let slots = TimeSlots::new(rate, replicas);
            let start = 1_800_000_000_000 + random.u64(0..100_000_000);
            let mut calls: Vec<u64> = Vec::new();
            for slot in 0..replicas {
                let mut at = start;
                for _ in 0..30 {
                    at = slots.next(slot, at);
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
    fn every_replica_has_a_slot_in_every_round() {
        let slots = TimeSlots::new(1.0, 3);
        for slot in 0..3 {
            let first = slots.next(slot, 0);
            assert_eq!(first, u64::from(slot) * 1250);
            assert_eq!(slots.next(slot, first), first);
            assert_eq!(slots.next(slot, first + 126), first + 3750, "a slot that is missed is not made up for");
        }
    }

    #[test]
    fn late_slots_begin_in_the_first_seconds_of_a_minute_and_nowhere_else() {
        let slots = TimeSlots::new(4.0, 4);
        for n in 0..200 {
            let at = slots.next_in_window(n % 4, 1_800_000_000_000 + u64::from(n) * 7_919, 4_000);
            let begins = ((at as f64 / 312.5).floor() * 312.5).ceil() as u64;
            assert!(begins % MINUTE_MS < 4_000, "{at}");
        }
    }
}
