//! What has been answered before: in this process's memory, and behind it in the Redis that all replicas share.
//!
//! What is kept is a [`Snapshot`]: an encoded message with the moment Amazon gave it. A hit goes to the wire without being
//! decoded. Whether it may still be told is `freshness`'s to say, each time it is asked for; the cache itself only
//! forgets what nobody may be told any more. An answer replaces the one before it: there is no history.
//!
//! The shared tier saves calls to Amazon and is never waited for longer than its bound: whatever ails it is a miss. What
//! memory has fresh is told without asking it.

use std::{sync::Arc, time::SystemTime};

use crate::{clock::Clock, config, dispatch::AnswerSink, store::Store};
use amazon_catalog::{Asin, Locale, Marketplace, Snapshot};
use stockroom_proto::pb;

#[doc(hidden)]
pub use self::shared_tier::fuzzing;
pub(crate) use self::{freshness::STAMP_AFTER, shared_tier::fetch_lock::LEASE};
pub use self::{
    freshness::{Freshness, FreshnessPolicy, FreshnessRequirement},
    stats::Stats,
};
use self::{memory::Memory, refresh_queue::RefreshQueue, shared_tier::SharedTier};

mod freshness;
mod memory;
mod refresh_queue;
mod shared_tier;
mod stats;

/// The cache, for everybody in this process.
#[derive(Debug)]
pub struct Cache {
    memory: Arc<Memory>,
    shared: Option<SharedTier>,
    policy: FreshnessPolicy,
    due: RefreshQueue,
    clock: Clock,
}

/// What an answer is kept under. The partner tag is not in it, since a process has one tag a marketplace; the shared tier,
/// which may serve processes with others, adds it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// A product.
    Product(Locale, Asin),
    /// Anything else, by the normalised request.
    Page {
        /// The kind.
        namespace: Namespace,
        /// Where.
        locale: Locale,
        /// The request, in a form that is equal for equal requests.
        request: Box<str>,
    },
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
    /// Some products of a marketplace, in every language and currency.
    Products(Marketplace, Vec<Asin>),
    /// All of one kind.
    Namespace(Namespace),
    /// Everything.
    Everything,
}

/// An answer that may be told, and how.
#[derive(Clone, Debug)]
pub struct CacheHit {
    /// The answer.
    pub snapshot: Snapshot,
    /// Which tier had it.
    pub source: pb::Source,
    /// Whether it is fresh.
    pub freshness: Freshness,
}

/// What a purge did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purged {
    /// Entries dropped from this process's memory.
    pub dropped: u64,
    /// Whether the shared tier and every other replica drop it too, which takes them a moment. Otherwise only this process
    /// has dropped it, and the purge should be asked for again.
    pub everywhere: bool,
}

impl Cache {
    /// An empty cache of this process alone.
    pub fn new(options: &config::Cache) -> Self {
        let policy = FreshnessPolicy::from(options);
        Self {
            memory: Arc::new(Memory::new(options.memory_bytes, policy)),
            shared: None,
            policy,
            due: RefreshQueue::default(),
            clock: Clock::System,
        }
    }

    /// An empty memory before the Redis that all replicas share; `tags` are the partner tags of the marketplaces that are
    /// served. Starts tasks that end with the cache, so it needs a runtime.
    pub fn shared(
        options: &config::Cache,
        store: Store,
        tags: impl IntoIterator<Item = (Marketplace, String)>,
    ) -> Self {
        let alone = Self::new(options);
        let shared = SharedTier::start(store, tags, alone.policy, Arc::clone(&alone.memory));
        Self { shared: Some(shared), ..alone }
    }

    /// The same with another clock, for simulations.
    pub fn with_clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// What time it is for the ages of answers.
    pub fn now(&self) -> SystemTime {
        self.clock.now()
    }

    /// Looks answers up for somebody with a requirement, in the order of the keys. What may not be told to them is not found.
    ///
    /// Redis is asked, once for all, for what memory has not or has stale: another replica may have refreshed it.
    pub async fn get_many(
        &self,
        keys: &[Key],
        requirement: &FreshnessRequirement,
        now: SystemTime,
    ) -> Vec<Option<CacheHit>> {
        let mut hits: Vec<_> = keys.iter().map(|key| self.remembered(key, requirement, now)).collect();
        if let Some(shared) = &self.shared {
            let is_open = |hit: &Option<CacheHit>| hit.as_ref().is_none_or(|hit| hit.freshness != Freshness::Fresh);
            let open: Vec<_> = keys.iter().zip(&mut hits).filter(|(_, hit)| is_open(hit)).collect();
            if !open.is_empty() {
                self.look_further(shared, open, requirement, now).await;
            }
        }
        hits
    }

    /// Keeps an answer in place of an older one.
    pub fn put(&self, key: Key, snapshot: Snapshot) {
        if let Some(shared) = &self.shared {
            shared.write(&key, &snapshot);
        }
        self.remember(&key, &snapshot);
    }

    /// Which keys, of one marketplace, are this process's to ask Amazon for. The others are being asked for by another
    /// replica, whose answers can be got here shortly; a claim runs out by itself after a few seconds.
    pub async fn claim(&self, keys: &[Key]) -> Vec<bool> {
        match &self.shared {
            Some(shared) if !keys.is_empty() => shared.claim(keys).await,
            _ => vec![true; keys.len()],
        }
    }

    /// Gives up this process's claim to a key, if it has one.
    pub async fn release(&self, key: &Key) {
        if let Some(shared) = &self.shared {
            shared.release(key).await;
        }
    }

    /// How long answers of different kinds stay fresh.
    pub fn policy(&self) -> &FreshnessPolicy {
        &self.policy
    }

    /// Drops answers: here at once, and in the shared tier and every replica as soon as they hear of it.
    pub async fn purge(&self, what: &Purge) -> Purged {
        let Some(shared) = &self.shared else {
            return Purged { dropped: self.memory.purge(|key, _| what.covers(key)), everywhere: true };
        };
        let at = SystemTime::now();
        shared.purge_here(what, at);
        let dropped = self.memory.purge(|key, _| what.covers(key));
        Purged { dropped, everywhere: shared.purge_elsewhere(what, at).await }
    }

    /// How each tier does, nearest first.
    pub fn stats(&self) -> Vec<Stats> {
        [Some(self.memory.stats()), self.shared.as_ref().map(SharedTier::stats)].into_iter().flatten().collect()
    }

    fn remembered(&self, key: &Key, requirement: &FreshnessRequirement, now: SystemTime) -> Option<CacheHit> {
        let kept = self.memory.get(key);
        if let (Key::Product(locale, asin), Some(kept)) = (key, &kept)
            && kept.snapshot.content.is_ok()
            && kept.is_first_read(requirement.offers)
        {
            let fresh = self.policy.fresh(None, &FreshnessRequirement { max_age: None, ..*requirement });
            self.due.read(*locale, *asin, kept.snapshot.fetched_at, fresh);
        }
        let hit = kept.and_then(|kept| self.hit(kept.snapshot, pb::Source::Memory, requirement, now));
        self.memory.count(hit.as_ref().map(|hit| hit.freshness));
        hit
    }

    async fn look_further(
        &self,
        shared: &SharedTier,
        open: Vec<(&Key, &mut Option<CacheHit>)>,
        requirement: &FreshnessRequirement,
        now: SystemTime,
    ) {
        let keys: Vec<&Key> = open.iter().map(|(key, _)| *key).collect();
        let found = shared.read(&keys, now).await;
        for ((key, hit), snapshot) in open.into_iter().zip(found) {
            let newer = snapshot
                .filter(|found| hit.as_ref().is_none_or(|hit| hit.snapshot.fetched_at < found.fetched_at))
                .filter(|found| self.remember(key, found))
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
        let freshness = self.policy.classify(snapshot.age(now), snapshot.content.as_ref().err().copied(), requirement);
        (freshness != Freshness::Expired).then_some(CacheHit { snapshot, source, freshness })
    }

    /// Keeps an answer in memory; `false` where it has been purged.
    fn remember(&self, key: &Key, snapshot: &Snapshot) -> bool {
        self.memory.put(key.clone(), snapshot.clone());
        // A purge is noted first and swept after, so one that comes while this is under way is seen here or sweeps this.
        let is_purged = self.shared.as_ref().is_some_and(|shared| shared.is_purged(key, snapshot));
        if is_purged && self.memory.get(key).is_some_and(|kept| kept.snapshot.fetched_at <= snapshot.fetched_at) {
            self.memory.forget(key);
        }
        !is_purged
    }
}

impl Key {
    /// The kind of what is kept under it.
    pub fn namespace(&self) -> Namespace {
        match self {
            Self::Product(..) => Namespace::Products,
            Self::Page { namespace, .. } => *namespace,
        }
    }
}

impl Namespace {
    pub(crate) const ALL: [Self; 4] = [Self::Products, Self::Searches, Self::Variations, Self::BrowseNodes];
}

impl Purge {
    /// Whether it drops what is kept under the key.
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

impl AnswerSink for Cache {
    fn keep(&self, locale: Locale, asin: Asin, snapshot: &Snapshot) {
        self.put(Key::Product(locale, asin), snapshot.clone());
    }

    fn due(&self, locale: Locale, seats: usize) -> Vec<Asin> {
        self.due.take(locale, seats, self.now(), |asin, fetched_at| {
            let kept = self.memory.get(&Key::Product(locale, asin));
            kept.is_some_and(|kept| kept.snapshot.fetched_at == fetched_at)
        })
    }
}
