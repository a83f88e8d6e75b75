//! The tier that all replicas share: answers in Redis, as they go to the wire, and what has been purged of them.
//!
//! Reading is one MGET. Writing is never waited for: a task drains a bounded queue, and what does not fit or fails is
//! dropped and counted. Only answers that Amazon just gave are written, never what was read. Two replicas that asked
//! Amazon at the same moment may write in the wrong order; the older answer is then seconds older, which is not worth a
//! script for each write.
//!
//! A purge deletes nothing: it is an entry in a [journal](purged) that every replica follows, and an answer from before it
//! is treated as gone wherever it is found, until it expires.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use bytes::Bytes;
use tokio::{sync::mpsc, task::JoinSet};

use self::{fetch_lock::FetchLock, key_names::KeyNames, purge_log::PurgeLog};
use super::{
    Freshness, FreshnessPolicy, Key, Purge,
    freshness::TERMS_CEILING,
    memory::Memory,
    stats::{Stats, TierCounts},
};
use crate::store::Store;
use amazon_catalog::{Marketplace, Snapshot};

mod entry;
pub(crate) mod fetch_lock;
pub mod fuzzing;
mod key_names;
mod purge_log;
mod write_queue;

/// Answers that may wait to be written. A busy gateway gets some ten a second from Amazon.
const QUEUE: usize = 1024;

#[derive(Debug)]
pub(super) struct SharedTier {
    store: Store,
    names: Arc<KeyNames>,
    holder: FetchLock,
    stamps: Arc<PurgeLog>,
    queue: mpsc::Sender<(Key, Snapshot)>,
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
        memory: Arc<Memory>,
    ) -> Self {
        let tags: HashMap<_, _> = tags.into_iter().collect();
        let names = Arc::new(KeyNames::new(store.prefix(), tags));
        let stamps = Arc::new(PurgeLog::default());
        let dropped_writes = Arc::new(AtomicU64::new(0));
        let (queue, writes) = mpsc::channel(QUEUE);
        let mut tasks = JoinSet::new();
        tasks.spawn(purge_log::follow(store.clone(), names.journal(), Arc::clone(&stamps), memory));
        tasks.spawn(write_queue::drain(writes, store.clone(), Arc::clone(&names), policy, Arc::clone(&dropped_writes)));
        Self {
            store,
            names,
            holder: FetchLock::new(),
            stamps,
            queue,
            dropped_writes,
            counts: TierCounts::default(),
            _tasks: tasks,
        }
    }

    /// What is kept under the keys and was not purged, in their order. Whatever ails Redis, nothing is.
    pub(super) async fn read(&self, keys: &[&Key], now: SystemTime) -> Vec<Option<Snapshot>> {
        let names: Vec<String> = keys.iter().map(|key| self.names.of(key)).collect();
        let found = self.store.read(&names).await.unwrap_or_default();
        let decoded = found.into_iter().map(|bytes: Option<Bytes>| entry::decode(bytes?, now));
        decoded.chain(std::iter::repeat_with(|| None)).take(keys.len()).collect()
    }

    /// Has an answer written, unless too many wait.
    pub(super) fn write(&self, key: &Key, snapshot: &Snapshot) {
        if self.queue.try_send((key.clone(), snapshot.clone())).is_err() {
            self.dropped_writes.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Which keys are this process's to ask Amazon for, and not being asked for by another.
    pub(super) async fn claim(&self, keys: &[Key]) -> Vec<bool> {
        self.holder.take(&self.store, keys.iter().map(|key| self.names.of(key))).await
    }

    /// Gives up a claim.
    pub(super) async fn release(&self, key: &Key) {
        self.holder.release(&self.store, self.names.of(key)).await;
    }

    /// Whether an answer is from before a purge that covers it.
    pub(super) fn is_purged(&self, key: &Key, snapshot: &Snapshot) -> bool {
        self.stamps.cover(key, snapshot)
    }

    /// From now on treats what is in Redis as gone. Memory is the caller's to sweep.
    pub(super) fn purge_here(&self, what: &Purge, at: SystemTime) {
        self.stamps.add(purge_log::targets(what), at);
    }

    /// Tells every replica of a purge; `false` where Redis did not take it.
    pub(super) async fn purge_elsewhere(&self, what: &Purge, at: SystemTime) -> bool {
        let told = self.store.append(&self.names.journal(), &purge_log::text(what, at), TERMS_CEILING).await;
        told.inspect_err(|error| tracing::warn!(%error, "a purge did not reach the other replicas")).is_ok()
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
}
