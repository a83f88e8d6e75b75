//! The nearest tier: this process's memory, bounded by bytes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use foldhash::fast::RandomState;
use moka::{Expiry, sync};

use super::{
    Freshness, FreshnessPolicy, Key,
    stats::{Stats, TierCounts},
};
use amazon_catalog::Snapshot;

/// What an entry costs beside its content: key, times, moka's own nodes. Measured roughly; it keeps small entries from
/// counting as free.
const OVERHEAD_BYTES: usize = 256;

#[derive(Debug)]
pub(crate) struct Memory {
    entries: sync::Cache<Key, MemoryEntry, RandomState>,
    capacity_bytes: u64,
    counts: TierCounts,
}

/// An answer, and whether it was read since it was fetched.
#[derive(Clone, Debug)]
pub(crate) struct MemoryEntry {
    pub(crate) snapshot: Snapshot,
    read: Arc<AtomicU8>,
}

impl MemoryEntry {
    /// Whether this is its first read, of those that want offers or of the others.
    pub(crate) fn is_first_read(&self, offers: bool) -> bool {
        let mark = 1 << u8::from(offers);
        // Most reads are not the first: looking before marking keeps the line of the cache shared among cores.
        self.read.load(Ordering::Relaxed) & mark == 0 && self.read.fetch_or(mark, Ordering::Relaxed) & mark == 0
    }
}

/// Forgets what may not be told to anybody any more.
struct EntryExpiry(FreshnessPolicy);

impl EntryExpiry {
    fn left(&self, snapshot: &Snapshot) -> Option<Duration> {
        Some(self.0.keep_from(snapshot.fetched_at, snapshot.content.as_ref().err().copied(), SystemTime::now()))
    }
}

impl Expiry<Key, MemoryEntry> for EntryExpiry {
    fn expire_after_create(&self, _: &Key, kept: &MemoryEntry, _: Instant) -> Option<Duration> {
        self.left(&kept.snapshot)
    }

    // Without this moka keeps the remaining time of the entry that was replaced.
    fn expire_after_update(&self, _: &Key, kept: &MemoryEntry, _: Instant, _: Option<Duration>) -> Option<Duration> {
        self.left(&kept.snapshot)
    }
}

impl Memory {
    pub(crate) fn new(capacity_bytes: u64, policy: FreshnessPolicy) -> Self {
        let entries = sync::Cache::builder()
            .max_capacity(capacity_bytes)
            .weigher(|key: &Key, kept: &MemoryEntry| weight(key, &kept.snapshot))
            .expire_after(EntryExpiry(policy))
            .build_with_hasher(RandomState::default());
        Self { entries, capacity_bytes, counts: TierCounts::default() }
    }

    pub(crate) fn get(&self, key: &Key) -> Option<MemoryEntry> {
        self.entries.get(key)
    }

    /// TierCounts a look-up by how it ended.
    pub(crate) fn count(&self, freshness: Option<Freshness>) {
        self.counts.count(freshness);
    }

    pub(crate) fn put(&self, key: Key, snapshot: Snapshot) {
        // Two calls may land out of order; the later word of Amazon's stays.
        if self.entries.get(&key).is_none_or(|kept| kept.snapshot.fetched_at <= snapshot.fetched_at) {
            self.entries.insert(key, MemoryEntry { snapshot, read: Arc::default() });
        }
    }

    /// Drops what is covered and tells how many.
    pub(crate) fn purge(&self, covers: impl Fn(&Key, &Snapshot) -> bool) -> u64 {
        let covered = self.entries.iter().filter(|(key, kept)| covers(key, &kept.snapshot)).map(|(key, _)| key);
        covered.collect::<Vec<_>>().iter().map(|key| u64::from(self.entries.remove(&**key).is_some())).sum()
    }

    pub(crate) fn forget(&self, key: &Key) {
        self.entries.invalidate(key);
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
    use crate::{
        cache::{Namespace, Purge},
        config,
    };
    use amazon_catalog::{Asin, Locale, Marketplace, Missing};
    use stockroom_proto::pb;

    fn memory(capacity_bytes: u64) -> Memory {
        Memory::new(capacity_bytes, FreshnessPolicy::from(&config::Cache::default()))
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
            memory.put(key("US", &format!("B{n:09}")), snapshot(1024, Duration::ZERO));
        }
        let stats = memory.stats();
        assert!(stats.size_bytes <= 100 * 1024 && stats.entries > 50, "{stats:?}");
    }

    #[test]
    fn an_answer_that_came_late_does_not_replace_a_newer_one() {
        let memory = memory(1 << 20);
        let (new, old) = (snapshot(1, Duration::ZERO), snapshot(2, Duration::from_secs(60)));
        memory.put(key("US", "B000000001"), new.clone());
        memory.put(key("US", "B000000001"), old);
        assert_eq!(memory.get(&key("US", "B000000001")).map(|kept| kept.snapshot), Some(new));
    }

    #[test]
    fn what_may_not_be_told_any_more_is_not_kept() {
        let memory = memory(1 << 20);
        memory.put(key("US", "B000000001"), snapshot(1, Duration::from_secs(24 * 3600)));
        let absent = Snapshot { content: Err(Missing::NotFound), ..snapshot(0, Duration::from_secs(3600)) };
        memory.put(key("US", "B000000002"), absent);
        assert!(["B000000001", "B000000002"].iter().all(|asin| memory.get(&key("US", asin)).is_none()));
    }

    #[test]
    fn a_purge_drops_what_it_covers_and_nothing_else() {
        let memory = memory(1 << 20);
        let us = Locale::of(Marketplace::parse("US").unwrap());
        let page = Key::Page { namespace: Namespace::Searches, locale: us, request: "lamp".into() };
        let keys = [key("US", "B000000001"), key("US", "B000000002"), key("UK", "B000000001"), page];
        for key in &keys {
            memory.put(key.clone(), snapshot(1, Duration::ZERO));
        }
        let left = |memory: &Memory| keys.iter().map(|key| memory.get(key).is_some()).collect::<Vec<_>>();
        let purge = |what: &Purge| memory.purge(|key, _| what.covers(key));
        let one = Purge::Products(us.marketplace, vec![Asin::parse("B000000001").unwrap()]);
        assert_eq!((purge(&one), left(&memory)), (1, vec![false, true, true, true]));
        assert_eq!((purge(&Purge::Namespace(Namespace::Searches)), left(&memory)), (1, vec![false, true, true, false]));
        assert_eq!((purge(&Purge::Everything), left(&memory)), (2, vec![false; 4]));
    }
}
