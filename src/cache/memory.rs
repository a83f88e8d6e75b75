//! The nearest tier: this process's memory, bounded by bytes.
//!
//! An entry is dropped when it is expired for every read, when it is purged, or when its bytes are needed for others. Each
//! entry records which kinds of read it has had since it was put here, so that only the first of each kind enters the
//! refresh queue.

use std::{
    hash::BuildHasher,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use foldhash::fast::RandomState;
use moka::{Expiry, sync};

use super::{
    Freshness, FreshnessPolicy, Key, Purge,
    stats::{Stats, TierCounts},
};
use amazon_catalog::{Asin, Locale, Marketplace, Snapshot};

/// What an entry costs beside its content: key, times, moka's own nodes and the allocator's share. An estimate: `make
/// bench-stale` saw an entry of 16 bytes take 600 in all.
const OVERHEAD_BYTES: usize = 576;

/// Locks for the changes of entries. With so many, two keys that are changed at the same time rarely share one.
const CHANGE_LOCKS: usize = 64;

#[derive(Debug)]
pub(crate) struct Memory {
    entries: sync::Cache<Key, MemoryEntry, RandomState>,
    /// Whoever looks at an entry in order to change it holds the lock of its key, and asks nobody else meanwhile. moka's own way to do both in one step costs
    /// several allocations and as much again as the insertion.
    changes: [Mutex<()>; CHANGE_LOCKS],
    hasher: RandomState,
    capacity_bytes: u64,
    counts: TierCounts,
}

/// An answer, and which kinds of read it has had.
#[derive(Clone, Debug)]
pub(crate) struct MemoryEntry {
    pub(crate) snapshot: Snapshot,
    /// Bit 0: a read without offers. Bit 1: a read with offers.
    read_kinds: Arc<AtomicU8>,
}

impl MemoryEntry {
    /// Marks the entry as read. `true` if this is the first read since it was put here, among the reads that want offers or
    /// among the others.
    pub(crate) fn mark_as_read(&self, offers: bool) -> bool {
        let mark = 1 << u8::from(offers);
        // Most reads are not the first: a load before the write keeps the processor's cache line shared among cores.
        self.read_kinds.load(Ordering::Relaxed) & mark == 0
            && self.read_kinds.fetch_or(mark, Ordering::Relaxed) & mark == 0
    }
}

/// Drops entries that are expired for every read.
struct EntryExpiry(FreshnessPolicy);

impl EntryExpiry {
    fn remaining(&self, snapshot: &Snapshot) -> Duration {
        let missing = snapshot.content.as_ref().err().copied();
        self.0.remaining_retention(snapshot.fetched_at, missing, SystemTime::now())
    }
}

impl Expiry<Key, MemoryEntry> for EntryExpiry {
    fn expire_after_create(&self, _: &Key, entry: &MemoryEntry, _: Instant) -> Option<Duration> {
        Some(self.remaining(&entry.snapshot))
    }

    // Without this moka keeps the remaining time of the entry that was replaced.
    fn expire_after_update(&self, _: &Key, entry: &MemoryEntry, _: Instant, _: Option<Duration>) -> Option<Duration> {
        Some(self.remaining(&entry.snapshot))
    }
}

impl Memory {
    pub(crate) fn new(capacity_bytes: u64, policy: FreshnessPolicy) -> Self {
        let entries = sync::Cache::builder()
            .max_capacity(capacity_bytes)
            .weigher(|key: &Key, entry: &MemoryEntry| weight(key, &entry.snapshot))
            .expire_after(EntryExpiry(policy))
            .build_with_hasher(RandomState::default());
        Self {
            entries,
            changes: [const { Mutex::new(()) }; CHANGE_LOCKS],
            hasher: RandomState::default(),
            capacity_bytes,
            counts: TierCounts::default(),
        }
    }

    /// Excludes other changes of the key.
    fn lock(&self, key: &Key) -> MutexGuard<'_, ()> {
        let index = self.hasher.hash_one(key) as usize % CHANGE_LOCKS;
        #[expect(clippy::indexing_slicing, reason = "the index is a remainder")]
        self.changes[index].lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get(&self, key: &Key) -> Option<MemoryEntry> {
        self.entries.get(key)
    }

    /// Counts a look-up: how fresh the hit was, or `None` for a miss.
    pub(crate) fn count(&self, freshness: Option<Freshness>) {
        self.counts.count(freshness);
    }

    /// Stores an answer; `false` if memory has one that is as young or younger, which stays with its reads. The comparison and
    /// the change are one step, because two calls may be answered out of order and at the same time. Where bytes are short,
    /// moka may drop the new entry.
    pub(crate) fn put(&self, key: &Key, snapshot: &Snapshot) -> bool {
        let _lock = self.lock(key);
        let is_youngest = self.entries.get(key).is_none_or(|old| old.snapshot.fetched_at < snapshot.fetched_at);
        if is_youngest {
            self.entries.insert(key.clone(), MemoryEntry { snapshot: snapshot.clone(), read_kinds: Arc::default() });
        }
        is_youngest
    }

    /// Drops what a purge covers. Returns how many entries that were.
    pub(crate) fn purge(&self, what: &Purge) -> u64 {
        match what {
            // A few look-ups, where the memory may hold a million entries.
            Purge::Products(marketplace, asins) => {
                asins.iter().map(|asin| self.purge_product(*marketplace, *asin, |_, _| true)).sum()
            }
            Purge::Namespace(_) | Purge::Everything => self.purge_where(|key, _| what.covers(key)),
        }
    }

    /// Drops the entries of a product that pass, in every locale of the marketplace. Returns how many that were.
    pub(crate) fn purge_product(
        &self,
        marketplace: Marketplace,
        asin: Asin,
        passes: impl Fn(&Key, &Snapshot) -> bool,
    ) -> u64 {
        let keys = locales(marketplace).map(|locale| Key::Product(locale, asin));
        let entries = keys.filter_map(|key| self.get(&key).map(|entry| (key, entry)));
        let passing = entries.filter(|(key, entry)| passes(key, &entry.snapshot));
        passing.map(|(key, entry)| self.forget(&key, entry.snapshot.fetched_at)).sum()
    }

    /// Drops the entries that pass. Returns how many that were.
    pub(crate) fn purge_where(&self, passes: impl Fn(&Key, &Snapshot) -> bool) -> u64 {
        let passing = self.entries.iter().filter(|(key, entry)| passes(key, &entry.snapshot));
        let passing: Vec<_> = passing.map(|(key, entry)| (key, entry.snapshot.fetched_at)).collect();
        passing.iter().map(|(key, fetched_at)| self.forget(key, *fetched_at)).sum()
    }

    /// Drops an entry, unless a younger answer has replaced it since. Returns how many entries that were, 0 or 1.
    fn forget(&self, key: &Key, fetched_at: SystemTime) -> u64 {
        let _lock = self.lock(key);
        let is_there = self.entries.get(key).is_some_and(|entry| entry.snapshot.fetched_at <= fetched_at);
        if is_there {
            self.entries.invalidate(key);
        }
        u64::from(is_there)
    }

    pub(crate) fn stats(&self) -> Stats {
        self.entries.run_pending_tasks();
        Stats {
            entries: self.entries.entry_count(),
            size_bytes: self.entries.weighted_size(),
            capacity_bytes: self.capacity_bytes,
            ..self.counts.stats("memory")
        }
    }
}

/// The locales of a marketplace.
fn locales(marketplace: Marketplace) -> impl Iterator<Item = Locale> {
    marketplace.languages().iter().flat_map(move |language| {
        marketplace.currencies().iter().map(move |currency| Locale {
            marketplace,
            language: *language,
            currency: *currency,
        })
    })
}

fn weight(key: &Key, snapshot: &Snapshot) -> u32 {
    let request = match key {
        Key::Product(..) => 0,
        Key::Page { request, .. } => request.len(),
    };
    let content = snapshot.content.as_ref().map_or(0, bytes::Bytes::len);
    u32::try_from(OVERHEAD_BYTES + request + content).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cache::Namespace, config};
    use amazon_catalog::Missing;
    use stockroom_proto::pb;

    fn memory(capacity_bytes: u64) -> Memory {
        Memory::new(capacity_bytes, FreshnessPolicy::from(&config::CacheConfig::default()))
    }

    fn key(marketplace: &str, asin: &str) -> Key {
        Key::Product(Locale::of(Marketplace::parse(marketplace).unwrap()), Asin::parse(asin).unwrap())
    }

    fn snapshot(size: usize, age: Duration) -> Snapshot {
        Snapshot {
            fetched_at: SystemTime::now() - age,
            protocol: pb::Protocol::Paapi5,
            content: Ok(vec![0; size].into()),
        }
    }

    #[test]
    fn it_holds_no_more_bytes_than_it_may() {
        let memory = memory(100 * 1024);
        for n in 0..1000 {
            memory.put(&key("US", &format!("B{n:09}")), &snapshot(1024, Duration::ZERO));
        }
        let stats = memory.stats();
        assert!(stats.size_bytes <= 100 * 1024 && stats.entries > 50, "{stats:?}");
    }

    #[test]
    fn an_answer_that_came_late_does_not_replace_a_newer_one() {
        let memory = memory(1 << 20);
        let (new, old) = (snapshot(1, Duration::ZERO), snapshot(2, Duration::from_secs(60)));
        assert!(memory.put(&key("US", "B000000001"), &new));
        assert!(!memory.put(&key("US", "B000000001"), &old));
        assert_eq!(memory.get(&key("US", "B000000001")).map(|entry| entry.snapshot), Some(new));
    }

    #[test]
    fn the_same_answer_again_keeps_its_reads() {
        let memory = memory(1 << 20);
        let (key, answer) = (key("US", "B000000001"), snapshot(1, Duration::ZERO));
        assert!(memory.put(&key, &answer));
        assert!(memory.get(&key).unwrap().mark_as_read(true));
        assert!(!memory.put(&key, &answer));
        assert!(!memory.get(&key).unwrap().mark_as_read(true));
    }

    #[test]
    fn an_answer_that_replaces_what_is_being_purged_stays() {
        let memory = memory(1 << 20);
        let key = key("US", "B000000001");
        let (old, new) = (snapshot(1, Duration::from_secs(60)), snapshot(2, Duration::ZERO));
        let replaced = |_: &Key, _: &Snapshot| memory.put(&key, &new);
        memory.put(&key, &old);
        let us = Marketplace::parse("US").unwrap();
        assert_eq!(memory.purge_product(us, Asin::parse("B000000001").unwrap(), replaced), 0);
        assert_eq!(memory.get(&key).map(|entry| entry.snapshot), Some(new.clone()));
        memory.purge_where(|_, _| true);
        memory.put(&key, &old);
        assert_eq!(memory.purge_where(replaced), 0);
        assert_eq!(memory.get(&key).map(|entry| entry.snapshot), Some(new.clone()));
    }

    #[test]
    fn an_answer_past_its_retention_is_not_kept() {
        let memory = memory(1 << 20);
        memory.put(&key("US", "B000000001"), &snapshot(1, Duration::from_secs(24 * 3600)));
        let absent = Snapshot { content: Err(Missing::NotFound), ..snapshot(0, Duration::from_secs(3600)) };
        memory.put(&key("US", "B000000002"), &absent);
        assert!(["B000000001", "B000000002"].iter().all(|asin| memory.get(&key("US", asin)).is_none()));
    }

    #[test]
    fn a_purge_drops_what_it_covers_and_nothing_else() {
        let memory = memory(1 << 20);
        let us = Locale::of(Marketplace::parse("US").unwrap());
        let page = Key::Page { namespace: Namespace::Searches, locale: us, request: "lamp".into() };
        let keys = [key("US", "B000000001"), key("US", "B000000002"), key("UK", "B000000001"), page];
        for key in &keys {
            memory.put(key, &snapshot(1, Duration::ZERO));
        }
        let left = |memory: &Memory| keys.iter().map(|key| memory.get(key).is_some()).collect::<Vec<_>>();
        let purge = |what: &Purge| memory.purge(what);
        let one = Purge::Products(us.marketplace, vec![Asin::parse("B000000001").unwrap()]);
        assert_eq!((purge(&one), left(&memory)), (1, vec![false, true, true, true]));
        assert_eq!((purge(&Purge::Namespace(Namespace::Searches)), left(&memory)), (1, vec![false, true, true, false]));
        assert_eq!((purge(&Purge::Everything), left(&memory)), (2, vec![false; 4]));
    }
}
