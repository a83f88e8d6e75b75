//! The cache of Amazon's answers: this process's memory, and behind it the Redis that all replicas share.
//!
//! An entry is a [`Snapshot`]: an encoded message, or that there is none, with the time of the call that brought it. A hit
//! goes to the wire without being decoded. Whether an entry may be returned is decided by `freshness` at each read. The
//! cache drops entries that are expired for every read or purged, and the least useful ones where its bytes do not suffice.
//! An answer replaces the one before it: there is no history.
//!
//! The shared tier saves calls to Amazon and is never waited for longer than `redis.timeout`: any failure of it is a miss.
//! Redis is not asked for an entry that is fresh in memory.
//!
//! The first read of a product in memory also enters it in the refresh queue, for the time when it will be nearly stale. The
//! dispatcher fills the free places of its batches from that queue. A stale product that was read enters it at once, by the
//! catalog. Reads that must not cause a call (`cache_only`, estimates) enter nothing.
//!
//! The youngest answer wins: one that is not younger than memory's, from a call that took long or from Redis, neither
//! replaces it nor is written to Redis. A write does not compare with what is in Redis (`shared_tier` says why).

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
    time::SystemTime,
};

use crate::{
    clock::Clock,
    config,
    dispatch::{FetchKey, FetchState, RefreshQueue},
    store::Store,
};
use amazon_catalog::{Asin, Locale, Marketplace, Snapshot};
use stockroom_proto::pb;

pub(crate) use self::freshness::STAMP_AFTER;
#[doc(hidden)]
pub use self::shared_tier::fuzzing;
pub use self::{
    freshness::{Freshness, FreshnessPolicy, FreshnessRequirement},
    stats::Stats,
};
use self::{memory::Memory, purge_log::PurgeLog, shared_tier::SharedTier};

mod freshness;
mod memory;
mod purge_log;
mod shared_tier;
mod stats;

/// The cache of one process.
#[derive(Debug)]
pub struct Cache {
    memory: Arc<Memory>,
    shared: Option<SharedTier>,
    policy: FreshnessPolicy,
    purge_log: Arc<PurgeLog>,
    refresh_queue: Arc<RefreshQueue>,
    clock: Clock,
}

/// What an answer is cached under. The partner tag is not part of it, since a process has one tag per marketplace. The
/// shared tier adds it, because other processes on the same Redis may have other tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// A product.
    Product(Locale, Asin),
    /// Anything else (a page of a search or of variations, a browse node), by the normalised request.
    Page {
        /// The kind; never [`Namespace::Products`].
        namespace: Namespace,
        /// The locale.
        locale: Locale,
        /// The request, in a form that is equal for equal requests.
        request: Box<str>,
    },
}

/// Only what nearly always differs between two keys: a locale is three texts, and most gateways serve few.
impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Product(_, asin) => asin.hash(state),
            Self::Page { request, .. } => request.hash(state),
        }
    }
}

/// The kinds of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Namespace {
    /// Products.
    Products,
    /// Pages of searches.
    Searches,
    /// Pages of variation families.
    Variations,
    /// Browse nodes.
    BrowseNodes,
}

/// What to drop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purge {
    /// Some products of a marketplace, in every language and currency; the pages that list them stay.
    Products(Marketplace, Vec<Asin>),
    /// All of one kind.
    Namespace(Namespace),
    /// Everything.
    Everything,
}

/// An answer that is not expired for the read that found it. If it is stale-if-error, the reader returns it only once Amazon
/// has failed.
#[derive(Clone, Debug)]
pub struct CacheHit {
    /// The answer.
    pub snapshot: Snapshot,
    /// Which tier had it.
    pub source: pb::Source,
    /// How fresh it is for the read that found it.
    pub freshness: Freshness,
}

/// What a purge did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purged {
    /// Entries dropped from this process's memory.
    pub dropped: u64,
    /// Whether the purge reaches every replica: it is in Redis' journal, or there is no Redis. Otherwise only this process
    /// has dropped the entries, and the purge should be repeated.
    pub everywhere: bool,
}

impl Cache {
    /// An empty cache of this process alone.
    pub fn new(options: &config::CacheConfig) -> Self {
        let policy = FreshnessPolicy::from(options);
        Self {
            memory: Arc::new(Memory::new(options.memory_bytes, policy)),
            shared: None,
            policy,
            purge_log: Arc::default(),
            refresh_queue: Arc::default(),
            clock: Clock::System,
        }
    }

    /// An empty memory tier, and the shared tier in the Redis of all replicas; `tags` are the partner tags of the marketplaces that are
    /// served. Starts tasks that end with the cache, so it needs a runtime.
    pub fn shared(
        options: &config::CacheConfig,
        store: Store,
        tags: impl IntoIterator<Item = (Marketplace, String)>,
    ) -> Self {
        let local = Self::new(options);
        let (purge_log, memory) = (Arc::clone(&local.purge_log), Arc::clone(&local.memory));
        let shared = SharedTier::start(store, tags, local.policy, purge_log, memory);
        Self { shared: Some(shared), ..local }
    }

    /// Replaces the clock by which reads and purges judge an age, for simulations. Memory and Redis still drop entries by the
    /// system's clock.
    pub fn with_clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// The time by which answers age.
    pub fn now(&self) -> SystemTime {
        self.clock.now()
    }

    /// The keys that were read, and when each is due for a refresh.
    pub fn refresh_queue(&self) -> Arc<RefreshQueue> {
        Arc::clone(&self.refresh_queue)
    }

    /// Reads answers, in the order of the keys. `None` where nothing is cached, or where it is expired for this requirement.
    /// `now` is the time of the read, by the cache's clock.
    ///
    /// One command asks Redis for all keys that memory does not have fresh, because another replica may have refreshed them.
    /// An answer in Redis is used only if it is younger than the hit in memory.
    pub async fn get_many(
        &self,
        keys: &[Key],
        requirement: &FreshnessRequirement,
        now: SystemTime,
    ) -> Vec<Option<CacheHit>> {
        let mut hits: Vec<_> = keys.iter().map(|key| self.get_from_memory(key, requirement, now)).collect();
        let is_open = |hit: &Option<CacheHit>| hit.as_ref().is_none_or(|hit| hit.freshness != Freshness::Fresh);
        let open: Vec<_> = keys.iter().zip(&mut hits).filter(|(_, hit)| is_open(hit)).collect();
        self.improve_from_shared(open, requirement, now).await;
        hits
    }

    /// Stores an answer in both tiers, unless memory has one that is as young or a purge covers the answer.
    /// Does not wait for Redis.
    pub fn put(&self, key: Key, snapshot: Snapshot) {
        if self.remember(&key, &snapshot) == Remembered::Stored
            && let Some(shared) = &self.shared
        {
            shared.write(&key, &snapshot);
        }
    }

    /// Prepares a fetch of keys (of one marketplace). An answer in Redis whose call was sent after the time beside its key is
    /// put into memory and returned. Every key that no other replica has locked is locked for this process, also one that
    /// is answered; `release` gives the locks up. Without Redis, or where it fails, every key is free.
    pub async fn look_up(&self, keys: &[(Key, SystemTime)]) -> Vec<FetchState> {
        let Some(shared) = &self.shared else { return vec![FetchState::Free; keys.len()] };
        let now = self.now();
        let found = shared.look_up(&keys.iter().map(|(key, _)| key).collect::<Vec<_>>(), now).await;
        let state = |((key, known_at), (snapshot, is_locked_by_us)): (&(Key, SystemTime), (Option<Snapshot>, bool))| {
            let newer = snapshot.filter(|snapshot| snapshot.fetched_at > *known_at);
            let newer = newer.filter(|snapshot| self.remember(key, snapshot) != Remembered::Purged);
            match (newer, is_locked_by_us) {
                (Some(snapshot), _) => FetchState::Answered(Some(snapshot)),
                (None, true) => FetchState::Free,
                (None, false) => FetchState::Remote,
            }
        };
        keys.iter().zip(found).map(state).collect()
    }

    /// Gives up this process's locks on keys.
    pub fn release(&self, keys: Vec<Key>) {
        if let Some(shared) = &self.shared {
            shared.release(keys);
        }
    }

    /// When the call of the answer in memory was sent; `None` where memory has none.
    pub fn fetched_at(&self, key: &Key) -> Option<SystemTime> {
        self.memory.get(key).map(|entry| entry.snapshot.fetched_at)
    }

    /// The freshness policy of this configuration.
    pub fn policy(&self) -> &FreshnessPolicy {
        &self.policy
    }

    /// Drops answers: in this memory at once, in the other replicas as soon as they read the purge in Redis' journal.
    pub async fn purge(&self, what: &Purge) -> Purged {
        let at = self.now();
        self.purge_log.add(purge_log::targets(what), at);
        let dropped = self.memory.purge(what);
        let everywhere = match &self.shared {
            Some(shared) => shared.announce_purge(what, at).await,
            None => true,
        };
        Purged { dropped, everywhere }
    }

    /// Waits until what is stored is also in Redis, or could not be written.
    pub async fn flush(&self) {
        if let Some(shared) = &self.shared {
            shared.flush().await;
        }
    }

    /// The statistics of each tier, memory first.
    pub fn stats(&self) -> Vec<Stats> {
        [Some(self.memory.stats()), self.shared.as_ref().map(SharedTier::stats)].into_iter().flatten().collect()
    }

    /// Reads an answer from memory.
    pub fn get_from_memory(&self, key: &Key, requirement: &FreshnessRequirement, now: SystemTime) -> Option<CacheHit> {
        let entry = self.memory.get(key);
        if let (Key::Product(locale, asin), Some(entry)) = (key, &entry)
            && entry.snapshot.content.is_ok()
            && requirement.may_refresh()
            // The queue learns of the first read with offers and of the first without only: it costs a lock.
            && entry.mark_as_read(requirement.offers)
        {
            // By the policy: the `max_age` of one reader says nothing about the next one.
            let policy_only = FreshnessRequirement { max_age: None, ..*requirement };
            let lifetime = self.policy.freshness_lifetime(None, &policy_only);
            let (key, age) = (FetchKey::Item(*locale, *asin), entry.snapshot.age(now));
            self.refresh_queue.mark_read(&key, entry.snapshot.fetched_at, lifetime, age);
        }
        let hit = entry.and_then(|entry| self.hit(entry.snapshot, pb::Source::Memory, requirement, now));
        self.memory.count(hit.as_ref().map(|hit| hit.freshness));
        hit
    }

    /// Reads from Redis, once for all, what memory has not or has stale: another replica may have refreshed it.
    pub async fn improve_from_shared(
        &self,
        open: Vec<(&Key, &mut Option<CacheHit>)>,
        requirement: &FreshnessRequirement,
        now: SystemTime,
    ) {
        let Some(shared) = self.shared.as_ref().filter(|_| !open.is_empty()) else { return };
        let keys: Vec<&Key> = open.iter().map(|(key, _)| *key).collect();
        let found = shared.read(&keys, now).await;
        for ((key, hit), snapshot) in open.into_iter().zip(found) {
            let newer = snapshot
                .filter(|found| hit.as_ref().is_none_or(|hit| hit.snapshot.fetched_at < found.fetched_at))
                .filter(|found| self.remember(key, found) != Remembered::Purged)
                .and_then(|found| self.hit(found, pb::Source::Redis, requirement, now));
            shared.count(newer.as_ref().map(|hit| hit.freshness));
            if newer.is_some() {
                *hit = newer;
            }
        }
    }

    fn hit(
        &self,
        snapshot: Snapshot,
        source: pb::Source,
        requirement: &FreshnessRequirement,
        now: SystemTime,
    ) -> Option<CacheHit> {
        let missing = snapshot.content.as_ref().err().copied();
        let freshness = self.policy.classify(snapshot.age(now), missing, requirement);
        (freshness != Freshness::Expired).then_some(CacheHit { snapshot, source, freshness })
    }

    /// Puts an answer into memory, unless memory has one that is as young or a purge covers the answer.
    fn remember(&self, key: &Key, snapshot: &Snapshot) -> Remembered {
        // `purge` first adds to the log and then drops entries, so it drops what was put before it was added.
        match self.purge_log.unless_covered(key, snapshot, || self.memory.put(key, snapshot)) {
            Some(true) => Remembered::Stored,
            Some(false) => Remembered::Outdated,
            None => Remembered::Purged,
        }
    }
}

/// What became of an answer that was to be put into memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Remembered {
    Stored,
    /// Memory has an answer that is as young or younger.
    Outdated,
    /// A purge covers the answer.
    Purged,
}

impl Key {
    /// The kind of what is cached under it.
    pub fn namespace(&self) -> Namespace {
        match self {
            Self::Product(..) => Namespace::Products,
            Self::Page { namespace, .. } => *namespace,
        }
    }
}

impl Namespace {
    pub(crate) const ALL: [Self; 4] = [Self::Products, Self::Searches, Self::Variations, Self::BrowseNodes];

    /// Its name in Redis.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Products => "products",
            Self::Searches => "searches",
            Self::Variations => "variations",
            Self::BrowseNodes => "browse-nodes",
        }
    }
}

impl Purge {
    /// Whether it drops what is cached under the key.
    pub fn covers(&self, key: &Key) -> bool {
        match (self, key) {
            (Self::Everything, _) => true,
            (Self::Namespace(namespace), key) => key.namespace() == *namespace,
            (Self::Products(marketplace, asins), Key::Product(locale, asin)) => {
                locale.marketplace == *marketplace && asins.contains(asin)
            }
            (Self::Products(..), Key::Page { .. }) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn cache() -> Cache {
        Cache::new(&config::CacheConfig::default())
    }

    fn key() -> Key {
        Key::Product(Locale::of(Marketplace::parse("US").unwrap()), Asin::parse("B000000001").unwrap())
    }

    fn snapshot(fetched_at: SystemTime) -> Snapshot {
        Snapshot { fetched_at, protocol: pb::Protocol::Paapi5, content: Ok("a product".into()) }
    }

    #[test]
    fn a_read_that_must_not_cause_a_call_enters_nothing_in_the_refresh_queue() {
        let cache = cache();
        let now = SystemTime::now();
        cache.put(key(), snapshot(now - HOUR / 2));
        let default = FreshnessRequirement::default();
        for quiet in
            [FreshnessRequirement { cache_only: true, ..default }, FreshnessRequirement { estimate: true, ..default }]
        {
            assert!(cache.get_from_memory(&key(), &quiet, now).is_some());
            assert_eq!(cache.refresh_queue().len(), 0, "{quiet:?}");
        }
        cache.get_from_memory(&key(), &default, now);
        assert_eq!(cache.refresh_queue().len(), 1);
    }

    #[test]
    fn an_answer_older_than_a_purge_is_never_seen_after_it() {
        let cache = cache();
        let sent_at = SystemTime::now() - HOUR;
        cache.purge_log.add(purge_log::targets(&Purge::Everything), SystemTime::now());
        let is_done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|threads| {
            let reader = threads.spawn(|| {
                let mut seen = 0;
                while !is_done.load(std::sync::atomic::Ordering::Relaxed) {
                    seen += usize::from(cache.memory.get(&key()).is_some());
                }
                seen
            });
            for _ in 0..20_000 {
                cache.put(key(), snapshot(sent_at));
            }
            is_done.store(true, std::sync::atomic::Ordering::Relaxed);
            assert_eq!(reader.join().unwrap(), 0);
        });
    }
}
