//! Short locks on what is being fetched from Amazon, so that two replicas do not fetch the same at the same moment.
//!
//! A lock is a hint and protects nothing: without Redis everybody has it, and it ends by itself when its holder fails.

use std::sync::LazyLock;

use bytes::Bytes;
use uuid::Uuid;

use crate::{
    dispatch::FETCH_LOCK_TIME,
    store::{Script, Store},
};

/// For each key: its value, and 1 where the asker has the lock on it now. A key is locked only where it has no lock.
static LOOK_UP: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local found = {}
        for i, name in ipairs(KEYS) do
            local lock, kept = name .. ':lock', redis.call('TYPE', name).ok == 'string' and redis.call('GET', name)
            local is_ours = redis.call('SET', lock, ARGV[1], 'NX', 'PX', ARGV[2]) or redis.call('GET', lock) == ARGV[1]
            found[2 * i - 1], found[2 * i] = kept, is_ours and 1 or 0
        end
        return found",
    )
});

/// Gives up locks, unless they have ended and are somebody else's.
static RELEASE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "for _, name in ipairs(KEYS) do
            if redis.call('GET', name .. ':lock') == ARGV[1] then redis.call('DEL', name .. ':lock') end
        end
        return 0",
    )
});

/// One process, as the holder of locks.
#[derive(Clone, Debug)]
pub(super) struct FetchLock(String);

impl FetchLock {
    pub(super) fn new() -> Self {
        Self(Uuid::new_v4().to_string())
    }

    /// Looks up keys of one hash slot: what is stored under each, and whether this process has the lock on it. Whatever ails
    /// Redis, nothing is stored and every lock is had.
    pub(super) async fn try_lock(&self, store: &Store, names: &[String]) -> Vec<(Option<Bytes>, bool)> {
        let arguments = [self.0.clone(), FETCH_LOCK_TIME.as_millis().to_string()];
        let found = store.eval::<Vec<(Option<Bytes>, u8)>>(&LOOK_UP, names, &arguments).await.unwrap_or_default();
        let found = found.into_iter().map(|(kept, is_ours)| (kept, is_ours == 1));
        found.chain(std::iter::repeat((None, true))).take(names.len()).collect()
    }

    /// Gives up the locks on keys of one hash slot. Where that fails they end.
    pub(super) async fn release(&self, store: &Store, names: &[String]) {
        let _ = store.eval::<u8>(&RELEASE, names, std::slice::from_ref(&self.0)).await;
    }
}
