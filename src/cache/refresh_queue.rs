//! What was read and is about to age: candidates for seats that are free in a call that leaves anyway.
//!
//! An entry becomes a candidate with the first read after it was fetched, and is due when four fifths of its time are up.
//! What nobody reads is never refreshed.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use amazon_catalog::{Asin, Locale};

/// The part of its time after which an entry is worth a free seat.
const DUE_AFTER: f64 = 0.8;
/// Candidates kept at most in a locale; past that the oldest are forgotten and wait for their next read.
const MOST: usize = 100_000;

/// The candidates, by when they are due.
#[derive(Debug, Default)]
pub(super) struct RefreshQueue(Mutex<HashMap<Locale, BTreeSet<Candidate>>>);

/// When it is due, what it is, and which fetch of it was read.
type Candidate = (SystemTime, Asin, SystemTime);

impl RefreshQueue {
    /// An entry was read for the first time since it was fetched.
    pub(super) fn read(&self, locale: Locale, asin: Asin, fetched_at: SystemTime, fresh: Duration) {
        let mut candidates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let candidates = candidates.entry(locale).or_default();
        candidates.insert((fetched_at + fresh.mul_f64(DUE_AFTER), asin, fetched_at));
        if candidates.len() > MOST {
            candidates.pop_first();
        }
    }

    /// Takes out up to so many that are due, the longest due first; those that were fetched again meanwhile are none.
    pub(super) fn take(
        &self,
        locale: Locale,
        seats: usize,
        now: SystemTime,
        is_current: impl Fn(Asin, SystemTime) -> bool,
    ) -> Vec<Asin> {
        let mut candidates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(candidates) = candidates.get_mut(&locale) else { return Vec::new() };
        let mut due = Vec::new();
        while due.len() < seats && candidates.first().is_some_and(|(at, ..)| *at <= now) {
            let Some((_, asin, fetched_at)) = candidates.pop_first() else { break };
            if is_current(asin, fetched_at) && !due.contains(&asin) {
                due.push(asin);
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use amazon_catalog::Marketplace;

    #[test]
    fn what_was_read_is_due_after_four_fifths_of_its_time_once() {
        let (due, us, start) =
            (RefreshQueue::default(), Locale::of(Marketplace::parse("US").unwrap()), SystemTime::now());
        let asin = |n: u32| Asin::parse(&format!("B{n:09}")).unwrap();
        let hour = Duration::from_secs(3600);
        for n in 0..3 {
            due.read(us, asin(n), start + hour * n, hour * 10);
        }
        let take = |seats, now| due.take(us, seats, now, |asin_read, _| asin_read != asin(1));
        assert_eq!(take(10, start + hour * 7), []);
        assert_eq!(take(10, start + hour * 8), [asin(0)]);
        assert_eq!(take(10, start + hour * 8), [], "told once");
        assert_eq!(take(1, start + hour * 20), [asin(2)], "one that was fetched again meanwhile is none");
    }
}
