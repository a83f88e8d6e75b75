//! Writes answers to Redis off everybody's path.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::{entry, key_names::KeyNames};
use crate::{
    cache::{FreshnessPolicy, Key},
    store::Store,
};
use amazon_catalog::Snapshot;

/// The most answers in one go: half a megabyte of them, which is written well within the bound.
const AT_ONCE: usize = 64;

/// Writes what comes through the queue, and counts what could not be written.
pub(super) async fn drain(
    mut queue: mpsc::Receiver<(Key, Snapshot)>,
    store: Store,
    names: Arc<KeyNames>,
    policy: FreshnessPolicy,
    dropped: Arc<AtomicU64>,
) {
    let mut answers = Vec::with_capacity(AT_ONCE);
    while queue.recv_many(&mut answers, AT_ONCE).await > 0 {
        let now = SystemTime::now();
        let entries: Vec<(String, Bytes, Duration)> = answers
            .drain(..)
            .map(|(key, snapshot)| (names.of(&key), entry::encode(&snapshot), keep(&snapshot, &policy, now)))
            .filter(|(_, _, keep)| *keep >= Duration::from_millis(1))
            .collect();
        if store.write(&entries).await.is_err() {
            dropped.fetch_add(entries.len() as u64, Ordering::Relaxed);
        }
    }
}

/// How long an answer is kept: until nobody may be told, less up to a tenth, so that what came together does not go
/// together.
fn keep(snapshot: &Snapshot, policy: &FreshnessPolicy, now: SystemTime) -> Duration {
    let left = policy.keep_from(snapshot.fetched_at, snapshot.content.as_ref().err().copied(), now);
    left.mul_f64(1.0 - fastrand::f64() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use amazon_catalog::Missing;
    use stockroom_proto::pb;

    #[test]
    fn nothing_is_kept_for_longer_than_it_may_be_told() {
        let policy = FreshnessPolicy::from(&config::Cache::default());
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
                let keep = keep(&snapshot, &policy, now);
                assert!(keep <= most && keep >= most.mul_f64(0.9), "{age:?} {missing:?}: {keep:?}");
            }
        }
    }
}
