//! What an account may spend: a pace, and a number of calls in any 24 hours.
//!
//! Every attempt counts, retries and throttled ones included, because Amazon counts them too.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

/// The window of the day's budget.
const DAY: Duration = Duration::from_secs(24 * 3600);
/// The slowest pace that throttling leads to, in calls a second.
const SLOWEST: f64 = 0.1;
/// How long without throttling it takes to win back a tenth of the pace.
const CLEAN: Duration = Duration::from_secs(60);

/// The pace of calls: evenly spaced, no bursts, slower for a while after Amazon throttled.
#[derive(Debug)]
pub(crate) struct Pace {
    full_rate: f64,
    rate: f64,
    next: Instant,
    clean_since: Instant,
}

impl Pace {
    pub(crate) fn new(calls_per_second: f64, now: Instant) -> Self {
        Self { full_rate: calls_per_second, rate: calls_per_second, next: now, clean_since: now }
    }

    /// When the next call may leave; may be in the past.
    pub(crate) fn next(&self) -> Instant {
        self.next
    }

    /// The time between two calls.
    pub(crate) fn interval(&self) -> Duration {
        Duration::from_secs_f64(1.0 / self.rate)
    }

    /// The calls a second right now.
    pub(crate) fn rate(&self) -> f64 {
        self.rate
    }

    /// A call leaves.
    pub(crate) fn spend(&mut self, now: Instant) {
        self.recover(now);
        self.next = now.max(self.next) + self.interval();
    }

    /// Amazon throttled: half the pace, and nothing more in this period.
    pub(crate) fn throttled(&mut self, now: Instant, retry_after: Option<Duration>) {
        self.rate = (self.rate / 2.0).max(SLOWEST.min(self.full_rate));
        self.clean_since = now;
        self.next = self.next.max(now + retry_after.unwrap_or_default().max(self.interval()));
    }

    /// What others know of the pace: the calls a second, and when the next may leave.
    pub(crate) fn follow(&mut self, rate: f64, next: Instant) {
        (self.rate, self.next) = (rate, next);
    }

    /// No call before then.
    pub(crate) fn hold(&mut self, until: Instant) {
        self.next = self.next.max(until);
    }

    fn recover(&mut self, now: Instant) {
        while self.rate < self.full_rate && now.duration_since(self.clean_since) >= CLEAN {
            self.clean_since += CLEAN;
            self.rate = (self.rate + self.full_rate / 10.0).min(self.full_rate);
        }
    }
}

/// The day's budget, and what each caller spent of it. Times are milliseconds by one clock, which is the account's.
///
/// A call is known by its time and a name, as `<id> <caller>`, so that what several replicas know can be put together.
#[derive(Debug)]
pub(crate) struct Day {
    limit: u32,
    calls: BTreeSet<(u64, Arc<str>)>,
    by_caller: HashMap<Arc<str>, u32>,
}

impl Day {
    pub(crate) fn new(limit: u32) -> Self {
        Self { limit, calls: BTreeSet::new(), by_caller: HashMap::new() }
    }

    /// The calls that may be made in a day.
    pub(crate) fn limit(&self) -> u32 {
        self.limit
    }

    /// The calls made in the past day.
    pub(crate) fn spent(&mut self, now_ms: u64) -> u32 {
        self.forget(now_ms);
        count(self.calls.len())
    }

    /// Those among them that were made after a time.
    pub(crate) fn spent_after(&self, at_ms: u64) -> u32 {
        count(self.calls.iter().rev().take_while(|(at, _)| *at > at_ms).count())
    }

    /// Those that were made until a time and are in the window.
    pub(crate) fn spent_until(&self, at_ms: u64, now_ms: u64) -> u32 {
        let until = self.calls.iter().take_while(|(at, _)| *at <= at_ms);
        count(until.filter(|(at, _)| !left_of_day(*at, now_ms).is_zero()).count())
    }

    /// What each caller spent in the past day.
    pub(crate) fn by_caller(&mut self, now_ms: u64) -> &HashMap<Arc<str>, u32> {
        self.forget(now_ms);
        &self.by_caller
    }

    /// All calls that are known, with their times.
    pub(crate) fn calls(&self) -> impl Iterator<Item = &(u64, Arc<str>)> {
        self.calls.iter()
    }

    /// How long until a call may be made; `None` where one may be made now.
    pub(crate) fn spent_for(&mut self, now_ms: u64) -> Option<Duration> {
        let spent = self.spent(now_ms);
        // One leaves the window when so many have that there is room for it.
        (spent >= self.limit).then(|| self.released_in(spent - self.limit, now_ms))
    }

    /// How long until this caller, with a share of its own, may cause a call; `None` where it may now.
    pub(crate) fn share_spent_for(&mut self, caller: &str, share: u32, now_ms: u64) -> Option<Duration> {
        self.forget(now_ms);
        if self.by_caller.get(caller).copied().unwrap_or(0) < share {
            return None;
        }
        let first = self.calls.iter().find(|(_, name)| caller_of(name) == caller);
        Some(first.map_or(DAY, |(at, _)| left_of_day(*at, now_ms)))
    }

    /// How long until work that nobody waits for may cause a call; `None` where it may now. It stops at four fifths of the
    /// day, so that what is left is there for those who wait.
    pub(crate) fn background_spent_for(&mut self, now_ms: u64) -> Option<Duration> {
        let most = (self.limit / 5 * 4).max(1);
        let spent = self.spent(now_ms);
        (spent >= most).then(|| self.released_in(spent - most, now_ms))
    }

    /// How long until the oldest call leaves the window; `None` where none is in it.
    pub(crate) fn next_release_in(&self, now_ms: u64) -> Option<Duration> {
        self.calls.first().map(|(at, _)| left_of_day(*at, now_ms))
    }

    /// A call leaves, or is heard of; `false` where it was known.
    pub(crate) fn spend(&mut self, name: Arc<str>, at_ms: u64) -> bool {
        if !self.calls.insert((at_ms, Arc::clone(&name))) {
            return false;
        }
        let caller = caller_of(&name);
        match self.by_caller.get_mut(caller) {
            Some(count) => *count += 1,
            None => {
                self.by_caller.insert(caller.into(), 1);
            }
        }
        true
    }

    fn released_in(&self, calls: u32, now_ms: u64) -> Duration {
        let nth = usize::try_from(calls).unwrap_or(usize::MAX);
        self.calls.iter().nth(nth).map_or(DAY, |(at, _)| left_of_day(*at, now_ms))
    }

    fn forget(&mut self, now_ms: u64) {
        while self.calls.first().is_some_and(|(at, _)| left_of_day(*at, now_ms).is_zero()) {
            if let Some((_, name)) = self.calls.pop_first()
                && let Some(count) = self.by_caller.get_mut(caller_of(&name))
            {
                *count -= 1;
                if *count == 0 {
                    self.by_caller.remove(caller_of(&name));
                }
            }
        }
    }
}

/// The caller in a call's name.
fn caller_of(name: &str) -> &str {
    name.split_once(' ').map_or(name, |(_, caller)| caller)
}

fn left_of_day(at_ms: u64, now_ms: u64) -> Duration {
    DAY.saturating_sub(Duration::from_millis(now_ms.saturating_sub(at_ms)))
}

fn count(calls: usize) -> u32 {
    u32::try_from(calls).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_evenly_spaced_and_idle_time_is_not_saved_up() {
        let now = Instant::now();
        let mut pace = Pace::new(2.0, now);
        pace.spend(now);
        assert_eq!(pace.next(), now + Duration::from_millis(500));
        let later = now + Duration::from_secs(60);
        pace.spend(later);
        assert_eq!(pace.next(), later + Duration::from_millis(500));
    }

    #[test]
    fn throttling_halves_the_pace_to_a_floor_and_clean_minutes_win_it_back() {
        let now = Instant::now();
        let mut pace = Pace::new(1.0, now);
        pace.throttled(now, None);
        assert_eq!((pace.rate(), pace.next()), (0.5, now + Duration::from_secs(2)));
        pace.throttled(now, Some(Duration::from_secs(30)));
        assert_eq!(pace.next(), now + Duration::from_secs(30), "Retry-After is honoured");
        for _ in 0..5 {
            pace.throttled(now, None);
        }
        assert_eq!(pace.rate(), SLOWEST);
        pace.spend(now + CLEAN * 3);
        assert!((pace.rate() - 0.4).abs() < 1e-9);
        pace.spend(now + CLEAN * 100);
        assert_eq!(pace.rate(), 1.0);
    }

    #[test]
    fn an_account_slower_than_the_floor_is_never_made_faster_by_throttling() {
        let now = Instant::now();
        let mut pace = Pace::new(0.05, now);
        pace.throttled(now, None);
        assert_eq!(pace.rate(), 0.05);
    }

    const HOUR_MS: u64 = 3600 * 1000;

    #[test]
    fn the_day_is_a_window_that_rolls() {
        let mut day = Day::new(2);
        day.spend("1 a".into(), 0);
        day.spend("2 b".into(), HOUR_MS);
        assert_eq!(day.spent_for(HOUR_MS * 2), Some(Duration::from_secs(22 * 3600)));
        assert_eq!(day.spent_for(HOUR_MS * 24), None);
        assert_eq!((day.spent(HOUR_MS * 24), day.by_caller(HOUR_MS * 24).len()), (1, 1));
    }

    #[test]
    fn a_call_that_is_heard_of_twice_counts_once() {
        let mut day = Day::new(2);
        assert!(day.spend("1 a".into(), 7));
        assert!(!day.spend("1 a".into(), 7));
        assert!(day.spend("2 a".into(), 7));
        assert_eq!((day.spent(7), day.by_caller(7)["a"], day.spent_after(6), day.spent_after(7)), (2, 2, 2, 0));
    }

    #[test]
    fn a_caller_s_share_is_its_own() {
        let mut day = Day::new(100);
        day.spend("1 a".into(), 0);
        assert_eq!(day.share_spent_for("a", 1, 0), Some(DAY));
        assert_eq!(day.share_spent_for("b", 1, 0), None);
        assert_eq!(day.share_spent_for("b", 0, 0), Some(DAY), "a share of nothing allows nothing");
        assert_eq!(day.share_spent_for("a", 1, HOUR_MS * 24), None);
    }
}
