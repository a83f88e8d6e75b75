//! The keys whose cached answers are due for a refresh.
//!
//! # Why
//!
//! Nobody waits for a refresh. A stale read marks its key and goes on: no task, no channel, no deadline. The account actor
//! takes keys from here for the free places of a batch that is sent anyway, and for a batch of its own while there is
//! budget in hand.
//!
//! # Rule
//!
//! A key is here once, whoever reads it and however often. It is due from a time on: a stale one at once, one that was only
//! read when four fifths of its freshness are over ([`REFRESH_AHEAD`]). The second kind fills free places and is never
//! worth a call. A key whose refresh failed is not due again for [`RETRY_INTERVAL`], and one that Amazon rejected alone not
//! for [`REJECTED_INTERVAL`].
//!
//! # Edge cases
//!
//! - There is room for [`MAX_KEYS`]. Past that the key that is due last makes room.
//! - Whether a key has been fetched again since it was marked is asked when it is taken.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use tokio::{sync::Notify, time::Instant};

use super::FetchKey;
use amazon_catalog::{Locale, Marketplace};

/// The part of its freshness after which an answer that was read is worth a free place.
pub(crate) const REFRESH_AHEAD: f64 = 0.8;
/// The most keys. At one call a second an account refreshes 36,000 products in an hour.
const MAX_KEYS: usize = 32_768;
/// How long after a failure a key is not due.
pub(crate) const RETRY_INTERVAL: Duration = Duration::from_secs(60);
/// The same for a key that Amazon rejected alone.
pub(crate) const REJECTED_INTERVAL: Duration = Duration::from_secs(3600);

/// The queue, for all accounts of a process.
#[derive(Debug, Default)]
pub struct RefreshQueue {
    keys: Mutex<Keys>,
    /// Wakes the account actors when a key has become stale.
    wakers: Mutex<Vec<Arc<Notify>>>,
}

#[derive(Debug, Default)]
struct Keys {
    due: HashMap<FetchKey, Due>,
    /// The same by what can share a batch and by kind, in the order in which they are due.
    order: HashMap<(RefreshGroup, RefreshKind), BTreeMap<(Instant, u64), FetchKey>>,
    marks: u64,
}

/// What can share a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum RefreshGroup {
    /// Products of a locale, ten to a call.
    Items(Locale),
    /// Anything else of a marketplace, each with a call of its own.
    Requests(Marketplace),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum RefreshKind {
    /// Was read after its freshness had ended: worth a call.
    Stale,
    /// Was read before: worth a free place.
    Ahead,
    /// Its last refresh failed.
    Failed,
}

/// One key.
#[derive(Clone, Copy, Debug)]
struct Due {
    kind: RefreshKind,
    at: Instant,
    mark: u64,
    fetched_at: SystemTime,
}

/// A key that is due, and the answer that was read.
#[derive(Clone, Debug)]
pub(crate) struct DueKey {
    pub(crate) key: FetchKey,
    pub(crate) fetched_at: SystemTime,
    pub(crate) is_stale: bool,
}

impl RefreshQueue {
    /// An answer was read past its freshness.
    pub fn mark_stale(&self, key: &FetchKey, fetched_at: SystemTime) {
        let now = Instant::now();
        let mut keys = self.keys();
        if keys
            .due
            .get(key)
            .is_some_and(|due| due.kind == RefreshKind::Stale || (due.kind == RefreshKind::Failed && due.at > now))
        {
            return;
        }
        keys.insert(key.clone(), RefreshKind::Stale, now, fetched_at);
        drop(keys);
        for waker in self.wakers.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            waker.notify_one();
        }
    }

    /// An answer was read for the first time: it becomes due when its age reaches four fifths of its
    /// freshness lifetime. `age` is today's, by the cache's clock; `fetched_at` identifies the answer.
    pub fn mark_read(&self, key: &FetchKey, fetched_at: SystemTime, lifetime: Duration, age: Duration) {
        let due_at = Instant::now() + lifetime.mul_f64(REFRESH_AHEAD).saturating_sub(age);
        let mut keys = self.keys();
        let is_known = |due: &Due| due.kind != RefreshKind::Ahead || (due.fetched_at == fetched_at && due.at <= due_at);
        if !keys.due.get(key).is_some_and(is_known) {
            keys.insert(key.clone(), RefreshKind::Ahead, due_at, fetched_at);
        }
    }

    /// A refresh failed; the key is not due again for `pause`.
    pub(crate) fn defer(&self, due: &DueKey, pause: Duration) {
        self.keys().insert(due.key.clone(), RefreshKind::Failed, Instant::now() + pause, due.fetched_at);
    }

    /// Has the account actor woken when a key becomes stale.
    pub(crate) fn subscribe(&self) -> Arc<Notify> {
        let waker = Arc::new(Notify::new());
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&waker));
        waker
    }

    /// When the key that is stale for longest became so, and how many are (up to `enough`), in each group that passes.
    pub(crate) fn stale(
        &self,
        enough: usize,
        passes: impl Fn(Marketplace) -> bool,
    ) -> Vec<(RefreshGroup, Instant, usize)> {
        let keys = self.keys();
        let groups =
            keys.order.iter().filter(|((group, kind), _)| *kind == RefreshKind::Stale && passes(group.marketplace()));
        groups
            .filter_map(|((group, _), order)| {
                let ((since, _), _) = order.first_key_value()?;
                Some((*group, *since, order.len().min(enough)))
            })
            .collect()
    }

    /// Takes out up to `count` keys of a group that are due: stale ones first, then the others, those longest due first.
    pub(crate) fn take(&self, group: RefreshGroup, count: usize) -> Vec<DueKey> {
        let now = Instant::now();
        let mut keys = self.keys();
        let mut taken = Vec::new();
        for kind in [RefreshKind::Stale, RefreshKind::Ahead] {
            while taken.len() < count
                && let Some(order) = keys.order.get(&(group, kind))
                && let Some(((at, _), key)) = order.first_key_value()
                && *at <= now
            {
                let key = key.clone();
                let Some(due) = keys.remove(&key) else { break };
                taken.push(DueKey { key, fetched_at: due.fetched_at, is_stale: kind == RefreshKind::Stale });
            }
        }
        taken
    }

    /// The number of keys, due or not.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.keys().due.len()
    }

    fn keys(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Keys {
    fn insert(&mut self, key: FetchKey, kind: RefreshKind, at: Instant, fetched_at: SystemTime) {
        self.remove(&key);
        self.marks += 1;
        let (mark, group) = (self.marks, key.group());
        if self.due.len() >= MAX_KEYS && !self.make_room(at) {
            return;
        }
        self.due.insert(key.clone(), Due { kind, at, mark, fetched_at });
        self.order.entry((group, kind)).or_default().insert((at, mark), key);
    }

    fn remove(&mut self, key: &FetchKey) -> Option<Due> {
        let due = self.due.remove(key)?;
        let place = (key.group(), due.kind);
        if let Some(order) = self.order.get_mut(&place) {
            order.remove(&(due.at, due.mark));
            if order.is_empty() {
                self.order.remove(&place);
            }
        }
        Some(due)
    }

    /// Drops a key whose pause after a failure is over, or else the one that is due last, if that is after `at`.
    fn make_room(&mut self, at: Instant) -> bool {
        let now = Instant::now();
        let failed = self.order.iter().filter(|((_, kind), _)| *kind == RefreshKind::Failed);
        let over = failed.filter_map(|(_, order)| order.first_key_value()).find(|((due_at, _), _)| *due_at <= now);
        let not_stale = self.order.iter().filter(|((_, kind), _)| *kind != RefreshKind::Stale);
        let last = not_stale.filter_map(|(_, order)| order.last_key_value()).max_by_key(|(place, _)| **place);
        let dropped = over.or(last.filter(|((due_at, _), _)| *due_at > at)).map(|(_, key)| key.clone());
        dropped.is_some_and(|key| self.remove(&key).is_some())
    }
}

impl RefreshGroup {
    fn marketplace(self) -> Marketplace {
        match self {
            Self::Items(locale) => locale.marketplace,
            Self::Requests(marketplace) => marketplace,
        }
    }
}

impl FetchKey {
    fn group(&self) -> RefreshGroup {
        match self {
            Self::Item(locale, _) => RefreshGroup::Items(*locale),
            Self::Request(request) => RefreshGroup::Requests(request.locale().marketplace),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use amazon_catalog::Asin;
    use tokio::time::advance;

    const HOUR: Duration = Duration::from_secs(3600);

    fn us() -> Locale {
        Locale::of(Marketplace::parse("US").unwrap())
    }

    fn key(n: usize) -> FetchKey {
        FetchKey::Item(us(), Asin::parse(&format!("B{n:09}")).unwrap())
    }

    fn taken(queue: &RefreshQueue, count: usize) -> Vec<FetchKey> {
        queue.take(RefreshGroup::Items(us()), count).into_iter().map(|due| due.key).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_is_due_once_however_often_it_is_read() {
        let (queue, fetched_at) = (RefreshQueue::default(), SystemTime::now());
        for _ in 0..1000 {
            queue.mark_stale(&key(1), fetched_at);
        }
        assert_eq!(queue.stale(10, |_| true).len(), 1);
        assert_eq!(taken(&queue, 10), [key(1)]);
        assert_eq!(taken(&queue, 10), []);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stale_key_goes_first_and_one_that_was_read_is_due_after_four_fifths_of_its_freshness() {
        let (queue, fetched_at) = (RefreshQueue::default(), SystemTime::now());
        queue.mark_read(&key(1), fetched_at, HOUR * 10, Duration::ZERO);
        queue.mark_read(&key(2), fetched_at, HOUR, Duration::ZERO);
        assert_eq!(taken(&queue, 10), []);
        advance(HOUR).await;
        queue.mark_stale(&key(3), fetched_at);
        assert_eq!(taken(&queue, 10), [key(3), key(2)]);
        advance(HOUR * 7).await;
        assert_eq!(taken(&queue, 10), [key(1)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_whose_refresh_failed_is_left_alone_for_its_pause() {
        let (queue, fetched_at) = (RefreshQueue::default(), SystemTime::now());
        let due = DueKey { key: key(1), fetched_at, is_stale: true };
        queue.defer(&due, RETRY_INTERVAL);
        queue.mark_stale(&key(1), fetched_at);
        assert_eq!(taken(&queue, 10), []);
        advance(RETRY_INTERVAL).await;
        assert_eq!(taken(&queue, 10), [], "the read during the pause is not remembered");
        queue.mark_stale(&key(1), fetched_at);
        assert_eq!(taken(&queue, 10), [key(1)]);
    }

    #[tokio::test(start_paused = true)]
    async fn it_has_a_bound_and_a_stale_key_takes_the_place_of_one_that_is_due_later() {
        let (queue, fetched_at) = (RefreshQueue::default(), SystemTime::now());
        for n in 0..MAX_KEYS + 10 {
            queue.mark_read(&key(n), fetched_at, HOUR, Duration::ZERO);
        }
        queue.mark_stale(&key(MAX_KEYS + 20), fetched_at);
        assert_eq!(queue.keys().due.len(), MAX_KEYS);
        assert_eq!(taken(&queue, 10), [key(MAX_KEYS + 20)]);
    }
}
