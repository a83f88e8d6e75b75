//! Short leases on what is being asked of Amazon, so that two replicas do not ask the same at the same moment.
//!
//! A lease is a hint and protects nothing: it is given without Redis too, and runs out by itself when its holder fails.

use std::{sync::LazyLock, time::Duration};

use uuid::Uuid;

use crate::store::{Script, Store};

/// How long a lease holds: an answer of Amazon's takes about a second, and whoever waits for one that never comes should
/// still have time to ask.
pub(crate) const LEASE: Duration = Duration::from_secs(3);

/// Takes each lease that nobody holds, and tells for each whether the asker holds it.
static TAKE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local held = {}
        for i, name in ipairs(KEYS) do
            if redis.call('SET', name, ARGV[1], 'NX', 'PX', ARGV[2]) then
                held[i] = 1
            else
                held[i] = redis.call('GET', name) == ARGV[1] and 1 or 0
            end
        end
        return held",
    )
});

/// Gives up a lease, unless it has run out and is somebody else's.
static RELEASE: LazyLock<Script> = LazyLock::new(|| {
    Script::new("if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0")
});

/// One process, as the holder of leases.
#[derive(Debug)]
pub(super) struct FetchLock(String);

impl FetchLock {
    pub(super) fn new() -> Self {
        Self(Uuid::new_v4().to_string())
    }

    /// Takes a lease on each name, all of one hash slot, and tells which are held. Whatever ails Redis, all are.
    pub(super) async fn take(&self, store: &Store, names: impl Iterator<Item = String>) -> Vec<bool> {
        let names: Vec<String> = names.map(lease).collect();
        let arguments = [self.0.clone(), LEASE.as_millis().to_string()];
        let held: Vec<u8> = store.eval(&TAKE, &names, &arguments).await.unwrap_or_default();
        held.iter().map(|held| *held != 0).chain(std::iter::repeat(true)).take(names.len()).collect()
    }

    /// Gives up the lease on a name. Where that fails it runs out.
    pub(super) async fn release(&self, store: &Store, name: String) {
        let _ = store.eval::<u8>(&RELEASE, &[lease(name)], std::slice::from_ref(&self.0)).await;
    }
}

fn lease(name: String) -> String {
    name + ":lease"
}
