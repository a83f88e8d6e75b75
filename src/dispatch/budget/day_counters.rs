//! The calls of the past day, counted by minute, replica and caller.
//!
//! # Why
//!
//! Several replicas count the same account and exchange what they know. A counter that only grows can be merged by maximum:
//! reporting it twice is harmless, and nothing grows with the number of calls.
//!
//! # Rule
//!
//! A counter is two numbers that only grow: calls booked, and bookings given back. A minute leaves the window 24 hours after
//! its end, so a call counts for up to a minute longer than a day and never shorter; the time that is predicted for it is
//! a day at most. Times are milliseconds by the account's clock.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use serde::{Deserialize, Serialize};

/// The minutes of the window, and the length of each.
pub(super) const DAY_MINUTES: u64 = 24 * 60;
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The counters of one minute, by `<replica> <caller>`: the form in which replicas exchange them.
pub(super) type MinuteCounters = HashMap<String, Counter>;

/// Calls booked, and bookings given back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counter(pub(super) u32, pub(super) u32);

impl Counter {
    fn calls(self) -> u32 {
        self.0.saturating_sub(self.1)
    }
}

/// All counters of the past day that this replica knows.
#[derive(Debug)]
pub(crate) struct DayCounters {
    limit: u32,
    minutes: BTreeMap<u64, MinuteCounters>,
    total: u32,
    by_caller: HashMap<Arc<str>, u32>,
}

impl DayCounters {
    pub(super) fn new(limit: u32) -> Self {
        Self { limit, minutes: BTreeMap::new(), total: 0, by_caller: HashMap::new() }
    }

    /// The calls that may be made in a day.
    pub(super) fn limit(&self) -> u32 {
        self.limit
    }

    /// Books a call.
    pub(super) fn book(&mut self, replica: &str, caller: &str, at_ms: u64) {
        self.add(replica, caller, at_ms, Counter(1, 0));
    }

    /// Gives a booking back.
    pub(super) fn give_back(&mut self, replica: &str, caller: &str, at_ms: u64) {
        self.add(replica, caller, at_ms, Counter(0, 1));
    }

    /// Merges the counters of a minute. Returns how many calls were not known.
    pub(super) fn merge(&mut self, minute: u64, counters: &MinuteCounters) -> u32 {
        counters.iter().map(|(name, counter)| self.raise(minute, name, *counter)).sum()
    }

    /// The minutes that have counters.
    pub(super) fn minutes(&self) -> impl Iterator<Item = u64> {
        self.minutes.keys().copied()
    }

    /// The counters of a minute.
    pub(super) fn counters(&self, minute: u64) -> Option<&MinuteCounters> {
        self.minutes.get(&minute)
    }

    /// The calls made in the past day.
    pub(super) fn spent(&mut self, now_ms: u64) -> u32 {
        self.forget(now_ms);
        self.total
    }

    /// The calls of the past day by caller, in alphabetical order.
    pub(super) fn by_caller(&mut self, now_ms: u64) -> Vec<(Arc<str>, u32)> {
        self.forget(now_ms);
        let mut callers: Vec<_> = self.by_caller.iter().map(|(name, calls)| (Arc::clone(name), *calls)).collect();
        callers.sort();
        callers
    }

    /// How long until fewer calls than `limit` are in the window; `None` where it is so now.
    pub(super) fn spent_for(&mut self, limit: u32, now_ms: u64) -> Option<Duration> {
        let excess = self.spent(now_ms).checked_sub(limit)?;
        Some(self.released_in(excess, now_ms, |_| true))
    }

    /// How long until a caller with a quota of its own may cause a call; `None` where it may now.
    pub(super) fn caller_spent_for(&mut self, caller: &str, quota: u32, now_ms: u64) -> Option<Duration> {
        self.forget(now_ms);
        let excess = self.by_caller.get(caller).copied().unwrap_or(0).checked_sub(quota)?;
        Some(self.released_in(excess, now_ms, |name| caller_of(name) == caller))
    }

    /// How long until the oldest calls leave the window; `None` where none are in it.
    pub(super) fn next_release_in(&self, now_ms: u64) -> Option<Duration> {
        self.minutes.keys().next().map(|minute| leaves_in(*minute, now_ms).min(DAY))
    }

    fn add(&mut self, replica: &str, caller: &str, at_ms: u64, more: Counter) {
        let (minute, name) = (minute_of(at_ms), format!("{replica} {caller}"));
        let known = self.minutes.get(&minute).and_then(|counters| counters.get(name.as_str())).copied();
        let known = known.unwrap_or_default();
        self.raise(minute, &name, Counter(known.0 + more.0, known.1 + more.1));
    }

    /// Raises a counter to at least the given one. Returns how many calls were added.
    fn raise(&mut self, minute: u64, name: &str, counter: Counter) -> u32 {
        let known = self.minutes.entry(minute).or_default().entry(name.to_owned()).or_default();
        let before = known.calls();
        *known = Counter(known.0.max(counter.0), known.1.max(counter.1));
        let after = known.calls();
        self.total = self.total + after - before;
        let caller = caller_of(name);
        match self.by_caller.get_mut(caller) {
            Some(calls) => *calls = *calls + after - before,
            None => drop(self.by_caller.insert(caller.into(), after - before)),
        }
        after.saturating_sub(before)
    }

    /// How long until so many calls that pass, and one more, have left the window.
    fn released_in(&self, calls: u32, now_ms: u64, passes: impl Fn(&str) -> bool) -> Duration {
        let mut released = 0;
        for (minute, counters) in &self.minutes {
            let passing = counters.iter().filter(|(name, _)| passes(name));
            released += passing.map(|(_, counter)| counter.calls()).sum::<u32>();
            if released > calls {
                return leaves_in(*minute, now_ms).min(DAY);
            }
        }
        DAY
    }

    fn forget(&mut self, now_ms: u64) {
        while let Some(oldest) = self.minutes.first_entry()
            && leaves_in(*oldest.key(), now_ms).is_zero()
        {
            for (name, counter) in oldest.remove() {
                self.total -= counter.calls();
                if let Some(calls) = self.by_caller.get_mut(caller_of(&name)) {
                    *calls -= counter.calls();
                    if *calls == 0 {
                        self.by_caller.remove(caller_of(&name));
                    }
                }
            }
        }
    }
}

/// The minute of a time.
pub(super) fn minute_of(at_ms: u64) -> u64 {
    at_ms / 60_000
}

/// The caller in a counter's name.
fn caller_of(name: &str) -> &str {
    name.split_once(' ').map_or(name, |(_, caller)| caller)
}

/// How long until the calls of a minute leave the window.
fn leaves_in(minute: u64, now_ms: u64) -> Duration {
    (MINUTE * u32::try_from(minute.saturating_add(1)).unwrap_or(u32::MAX) + DAY)
        .saturating_sub(Duration::from_millis(now_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE_MS: u64 = 60_000;
    const DAY_MS: u64 = DAY_MINUTES * MINUTE_MS;

    fn counters(name: &str, booked: u32, given_back: u32) -> MinuteCounters {
        HashMap::from([(name.into(), Counter(booked, given_back))])
    }

    #[test]
    fn the_day_is_a_window_that_rolls_and_no_call_leaves_it_early() {
        let mut day = DayCounters::new(2);
        day.book("r", "a", 30_000);
        day.book("r", "b", 90_000);
        assert_eq!(day.spent_for(2, 120_000), Some(DAY - MINUTE));
        assert_eq!(day.spent(DAY_MS + 59_999), 2, "the first call may be younger than a day");
        assert_eq!((day.spent(DAY_MS + 60_000), day.by_caller(DAY_MS + 60_000)), (1, vec![("b".into(), 1)]));
        assert_eq!(day.spent_for(2, DAY_MS + 60_000), None);
    }

    #[test]
    fn what_is_reported_twice_or_late_counts_once() {
        let mut day = DayCounters::new(10);
        assert_eq!(day.merge(5, &counters("r a", 3, 0)), 3);
        assert_eq!(day.merge(5, &counters("r a", 3, 0)), 0);
        assert_eq!(day.merge(5, &counters("r a", 2, 0)), 0, "an older report");
        assert_eq!(day.merge(5, &counters("r a", 4, 1)), 0, "one call more and one given back");
        assert_eq!(day.merge(5, &counters("s a", 1, 0)), 1, "another replica's");
        assert_eq!((day.spent(5 * MINUTE_MS), day.by_caller(0)), (4, vec![("a".into(), 4)]));
    }

    #[test]
    fn a_booking_that_is_given_back_may_be_made_again() {
        let mut day = DayCounters::new(1);
        day.book("r", "a", 0);
        day.give_back("r", "a", 0);
        assert_eq!((day.spent(0), day.spent_for(1, 0), day.caller_spent_for("a", 1, 0)), (0, None, None));
        day.book("r", "a", 1);
        assert_eq!(day.spent_for(1, 1), Some(DAY));
    }

    #[test]
    fn a_caller_s_quota_is_its_own() {
        let mut day = DayCounters::new(100);
        day.book("r", "a", 0);
        assert_eq!(day.caller_spent_for("a", 1, 0), Some(DAY));
        assert_eq!(day.caller_spent_for("b", 1, 0), None);
        assert_eq!(day.caller_spent_for("b", 0, 0), Some(DAY), "a quota of nothing allows nothing");
        assert_eq!(day.caller_spent_for("a", 1, DAY_MS + MINUTE_MS), None);
    }

    #[test]
    fn a_day_of_many_calls_is_no_larger_than_its_minutes() {
        let mut day = DayCounters::new(1_000_000);
        for call in 0..100_000 {
            day.book("r", "a", call * 800);
        }
        assert_eq!(day.spent(80_000_000), 100_000);
        assert!(day.minutes.values().map(HashMap::len).sum::<usize>() <= 1334);
    }
}
