//! Writes answers to Redis off everybody's path.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::{entry, fetch_lock::FetchLock, key_names::KeyNames};
use crate::{
    cache::{FreshnessPolicy, Key},
    store::Store,
};
use amazon_catalog::Snapshot;

/// The most writes in one go: half a megabyte of answers, which is written well within the timeout.
const MAX_BATCH: usize = 64;

/// One thing to be done in Redis.
#[derive(Debug)]
pub(super) enum Write {
    /// Store an answer.
    Answer(Key, Snapshot),
    /// Give up the locks on keys.
    Release(Vec<Key>),
    /// Report that all before it is done.
    Flush(oneshot::Sender<()>),
}

/// Does what comes through the queue, and counts the answers that could not be stored.
pub(super) struct Writer {
    pub(super) store: Store,
    pub(super) names: Arc<KeyNames>,
    pub(super) lock: FetchLock,
    pub(super) policy: FreshnessPolicy,
    pub(super) dropped: Arc<AtomicU64>,
}

impl Writer {
    pub(super) async fn run(self, mut queue: mpsc::Receiver<Write>) {
        let mut writes = Vec::with_capacity(MAX_BATCH);
        while queue.recv_many(&mut writes, MAX_BATCH).await > 0 {
            let now = SystemTime::now();
            let (mut entries, mut flushed) = (Vec::<(String, Bytes, Duration)>::new(), Vec::new());
            for write in writes.drain(..) {
                match write {
                    Write::Answer(key, snapshot) => {
                        let time = storage_time(&snapshot, &self.policy, now);
                        entries.push((self.names.of(&key), entry::encode(&snapshot), time));
                    }
                    Write::Release(keys) => {
                        let names: Vec<String> = keys.iter().map(|key| self.names.of(key)).collect();
                        self.lock.release(&self.store, &names).await;
                    }
                    Write::Flush(done) => flushed.push(done),
                }
            }
            entries.retain(|(_, _, time)| *time >= Duration::from_millis(1));
            if !entries.is_empty() && self.store.write(&entries).await.is_err() {
                self.dropped.fetch_add(entries.len() as u64, Ordering::Relaxed);
            }
            for done in flushed {
                // Whoever flushes may have gone.
                let _ = done.send(());
            }
        }
    }
}

/// How long an answer is stored: until it may not be returned any more, less up to a tenth, so that entries of one batch do
/// not expire together.
fn storage_time(snapshot: &Snapshot, policy: &FreshnessPolicy, now: SystemTime) -> Duration {
    let left = policy.remaining_retention(snapshot.fetched_at, snapshot.content.as_ref().err().copied(), now);
    left.mul_f64(1.0 - fastrand::f64() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use amazon_catalog::Missing;
    use stockroom_proto::pb;

    #[test]
    fn nothing_is_stored_for_longer_than_it_may_be_returned() {
        let policy = FreshnessPolicy::from(&config::CacheConfig::default());
        let hours = |hours: u64| Duration::from_secs(3600 * hours);
        let now = SystemTime::now();
        let cases = [
            (hours(0), None, hours(24)),
            (hours(20), None, hours(4)),
            (hours(24), None, hours(0)),
            (hours(30), None, hours(0)),
            (hours(0), Some(Missing::NotFound), hours(1)),
        ];
        for (age, missing, most) in cases {
            let content = missing.map_or(Ok(Bytes::from_static(b"m")), Err);
            let snapshot = Snapshot { fetched_at: now - age, protocol: pb::Protocol::Paapi5, content };
            for _ in 0..100 {
                let keep = storage_time(&snapshot, &policy, now);
                assert!(keep <= most && keep >= most.mul_f64(0.9), "{age:?} {missing:?}: {keep:?}");
            }
        }
    }
}
