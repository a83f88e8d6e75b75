//! The tier that all replicas share: answers in Redis, in the form in which they go to the wire.
//!
//! Reading is one MGET. Writing is never waited for: a task drains a bounded queue, and what does not fit or fails is dropped
//! and counted. Only answers that Amazon just gave are written, never what was read. Two replicas that asked Amazon at the
//! same moment may write in the wrong order; the older answer is then seconds older, which is not worth a script for each
//! write.
//!
//! Whatever is stored under a key may be garbage, of another version or somebody else's. What does not read as an answer to
//! that key is a miss.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use bytes::Bytes;
use prost::Message;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
};

use self::{fetch_lock::FetchLock, key_names::KeyNames, write_queue::Write};
use super::{
    Freshness, FreshnessPolicy, Key, Namespace, Purge,
    freshness::TERMS_CEILING,
    memory::Memory,
    purge_log::{self, PurgeLog},
    stats::{Stats, TierCounts},
};
use crate::store::Store;
use amazon_catalog::{BrowseNodeId, Items, Marketplace, Snapshot};
use stockroom_proto::pb;

mod entry;
mod fetch_lock;
pub mod fuzzing;
mod key_names;
mod write_queue;

/// Answers that may wait to be written. A busy gateway gets some ten a second from Amazon.
const MAX_WRITES: usize = 1024;

#[derive(Debug)]
pub(super) struct SharedTier {
    store: Store,
    names: Arc<KeyNames>,
    lock: FetchLock,
    purge_log: Arc<PurgeLog>,
    writes: mpsc::Sender<Write>,
    dropped_writes: Arc<AtomicU64>,
    counts: TierCounts,
    /// Owned so that they end with it.
    _tasks: JoinSet<()>,
}

impl SharedTier {
    pub(super) fn start(
        store: Store,
        tags: impl IntoIterator<Item = (Marketplace, String)>,
        policy: FreshnessPolicy,
        purge_log: Arc<PurgeLog>,
        memory: Arc<Memory>,
    ) -> Self {
        let tags: HashMap<_, _> = tags.into_iter().collect();
        let (names, lock) = (Arc::new(KeyNames::new(store.prefix(), tags)), FetchLock::new());
        let dropped_writes = Arc::new(AtomicU64::new(0));
        let (writes, queue) = mpsc::channel(MAX_WRITES);
        let mut tasks = JoinSet::new();
        tasks.spawn(purge_log::follow(store.clone(), names.journal(), Arc::clone(&purge_log), memory));
        let writer = write_queue::Writer {
            store: store.clone(),
            names: Arc::clone(&names),
            lock: lock.clone(),
            policy,
            dropped: Arc::clone(&dropped_writes),
        };
        tasks.spawn(writer.run(queue));
        let counts = TierCounts::default();
        Self { store, names, lock, purge_log, writes, dropped_writes, counts, _tasks: tasks }
    }

    /// What is stored under the keys and was not purged, in their order. Whatever ails Redis, nothing is.
    pub(super) async fn read(&self, keys: &[&Key], now: SystemTime) -> Vec<Option<Snapshot>> {
        let found = self.store.read(&self.names_of(keys)).await.unwrap_or_default();
        let found = found.into_iter().chain(std::iter::repeat(None));
        keys.iter().zip(found).map(|(key, bytes)| self.decode(key, bytes?, now)).collect()
    }

    /// The same, and whether this process has the lock on each key; for keys of one marketplace.
    pub(super) async fn look_up(&self, keys: &[&Key], now: SystemTime) -> Vec<(Option<Snapshot>, bool)> {
        let found = self.lock.try_lock(&self.store, &self.names_of(keys)).await.into_iter();
        keys.iter()
            .zip(found)
            .map(|(key, (bytes, is_locked_by_us))| {
                (bytes.and_then(|bytes| self.decode(key, bytes, now)), is_locked_by_us)
            })
            .collect()
    }

    /// Has an answer written, unless too many wait.
    pub(super) fn write(&self, key: &Key, snapshot: &Snapshot) {
        if self.writes.try_send(Write::Answer(key.clone(), snapshot.clone())).is_err() {
            self.dropped_writes.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Has locks given up. Where that fails they end.
    pub(super) fn release(&self, keys: Vec<Key>) {
        let _ = self.writes.try_send(Write::Release(keys));
    }

    /// Waits until all writes before it are done.
    pub(super) async fn flush(&self) {
        let (done, is_done) = oneshot::channel();
        if self.writes.send(Write::Flush(done)).await.is_ok() {
            // It is done or the writer is gone.
            let _ = is_done.await;
        }
    }

    /// Announces a purge to every replica; `false` where Redis did not take it.
    pub(super) async fn announce_purge(&self, what: &Purge, at: SystemTime) -> bool {
        let appended = self.store.append(&self.names.journal(), &purge_log::text(what, at), TERMS_CEILING).await;
        appended.inspect_err(|error| tracing::warn!(%error, "a purge did not reach the other replicas")).is_ok()
    }

    pub(super) fn count(&self, freshness: Option<Freshness>) {
        self.counts.count(freshness);
    }

    pub(super) fn stats(&self) -> Stats {
        Stats {
            dropped_writes: self.dropped_writes.load(Ordering::Relaxed),
            answers: self.store.answers(),
            ..self.counts.stats("redis")
        }
    }

    fn names_of(&self, keys: &[&Key]) -> Vec<String> {
        keys.iter().map(|key| self.names.of(key)).collect()
    }

    fn decode(&self, key: &Key, bytes: Bytes, now: SystemTime) -> Option<Snapshot> {
        let snapshot = entry::decode(bytes, now).filter(|snapshot| is_answer_to(key, snapshot))?;
        (!self.purge_log.covers(key, &snapshot)).then_some(snapshot)
    }
}

/// The fields that say which product it is. What stands in the others is not decoded, only that they are whole: a read of
/// fifty products would take twice the time.
#[derive(Clone, PartialEq, prost::Message)]
struct ProductIds {
    #[prost(string, tag = "1")]
    asin: String,
    #[prost(string, tag = "6")]
    requested_asin: String,
}

/// Whether a snapshot can be the answer to a key. Pages are checked where they are read: their form is the catalog's.
fn is_answer_to(key: &Key, snapshot: &Snapshot) -> bool {
    let Ok(content) = &snapshot.content else { return true };
    match key {
        Key::Product(_, asin) => {
            ProductIds::decode(content.clone()).is_ok_and(|ProductIds { asin: own, requested_asin }| {
                Items::asin_of(&pb::Product { asin: own, requested_asin, ..Default::default() }) == Some(*asin)
            })
        }
        Key::Page { namespace: Namespace::BrowseNodes, .. } => {
            pb::BrowseNode::decode(content.clone()).is_ok_and(|node| BrowseNodeId::parse(&node.id).is_ok())
        }
        Key::Page { .. } => !content.is_empty(),
    }
}
