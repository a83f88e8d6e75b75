//! What an account may spend: a pace, and a number of calls in any 24 hours.
//!
//! Every attempt counts, retries and throttled ones included, because Amazon counts them too.

use std::{
    collections::{HashMap, VecDeque},
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

    fn recover(&mut self, now: Instant) {
        while self.rate < self.full_rate && now.duration_since(self.clean_since) >= CLEAN {
            self.clean_since += CLEAN;
            self.rate = (self.rate + self.full_rate / 10.0).min(self.full_rate);
        }
    }
}

/// The day's budget, and what each caller spent of it.
#[derive(Debug)]
pub(crate) struct Day {
    limit: u32,
    spent: VecDeque<(Instant, Arc<str>)>,
    by_caller: HashMap<Arc<str>, u32>,
}

impl Day {
    pub(crate) fn new(limit: u32) -> Self {
        Self { limit, spent: VecDeque::new(), by_caller: HashMap::new() }
    }

    /// The calls that may be made in a day.
    pub(crate) fn limit(&self) -> u32 {
        self.limit
    }

    /// The calls made in the past day.
    pub(crate) fn spent(&mut self, now: Instant) -> u32 {
        self.forget(now);
        u32::try_from(self.spent.len()).unwrap_or(u32::MAX)
    }

    /// What each caller spent in the past day.
    pub(crate) fn by_caller(&mut self, now: Instant) -> &HashMap<Arc<str>, u32> {
        self.forget(now);
        &self.by_caller
    }

    /// How long until a call may be made; `None` where one may be made now.
    pub(crate) fn spent_for(&mut self, now: Instant) -> Option<Duration> {
        if self.spent(now) < self.limit {
            return None;
        }
        Some(self.next_release().map_or(DAY, |at| at.saturating_duration_since(now)))
    }

    /// How long until this caller, with a share of its own, may cause a call; `None` where it may now.
    pub(crate) fn share_spent_for(&mut self, caller: &str, share: u32, now: Instant) -> Option<Duration> {
        self.forget(now);
        if self.by_caller.get(caller).copied().unwrap_or(0) < share {
            return None;
        }
        let first = self.spent.iter().find(|(_, who)| &**who == caller);
        Some(first.map_or(DAY, |(at, _)| (*at + DAY).saturating_duration_since(now)))
    }

    /// How long until work that nobody waits for may cause a call; `None` where it may now. It stops at four fifths of the
    /// day, so that what is left is there for those who wait.
    pub(crate) fn background_spent_for(&mut self, now: Instant) -> Option<Duration> {
        let most = usize::try_from(self.limit).unwrap_or(usize::MAX) / 5 * 4;
        self.forget(now);
        if self.spent.len() < most.max(1) {
            return None;
        }
        let over = self.spent.len() - most.max(1);
        Some(self.spent.get(over).map_or(DAY, |(at, _)| (*at + DAY).saturating_duration_since(now)))
    }

    /// When the oldest call leaves the window; `None` where none is in it.
    pub(crate) fn next_release(&self) -> Option<Instant> {
        self.spent.front().map(|(at, _)| *at + DAY)
    }

    /// A call leaves.
    pub(crate) fn spend(&mut self, caller: Arc<str>, now: Instant) {
        *self.by_caller.entry(Arc::clone(&caller)).or_default() += 1;
        self.spent.push_back((now, caller));
    }

    fn forget(&mut self, now: Instant) {
        while self.spent.front().is_some_and(|(at, _)| now.duration_since(*at) >= DAY) {
            if let Some((_, caller)) = self.spent.pop_front()
                && let Some(count) = self.by_caller.get_mut(&caller)
            {
                *count -= 1;
                if *count == 0 {
                    self.by_caller.remove(&caller);
                }
            }
        }
    }
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

    #[test]
    fn the_day_is_a_window_that_rolls() {
        let (mut day, now) = (Day::new(2), Instant::now());
        let hour = Duration::from_secs(3600);
        day.spend("a".into(), now);
        day.spend("b".into(), now + hour);
        assert_eq!(day.spent_for(now + hour * 2), Some(hour * 22));
        assert_eq!(day.spent_for(now + DAY), None);
        assert_eq!((day.spent(now + DAY), day.by_caller(now + DAY).len()), (1, 1));
    }

    #[test]
    fn a_caller_s_share_is_its_own() {
        let (mut day, now) = (Day::new(100), Instant::now());
        day.spend("a".into(), now);
        assert_eq!(day.share_spent_for("a", 1, now), Some(DAY));
        assert_eq!(day.share_spent_for("b", 1, now), None);
        assert_eq!(day.share_spent_for("b", 0, now), Some(DAY), "a share of nothing allows nothing");
        assert_eq!(day.share_spent_for("a", 1, now + DAY), None);
    }
}
