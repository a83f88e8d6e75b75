//! What another replica is asking Amazon for at this moment is waited for, and not asked again.

use std::{collections::HashMap, time::Duration};

use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};

use super::{Catalog, Lookup, ReadContext};
use crate::cache::{CacheHit, Freshness, Key, LEASE};
use amazon_catalog::Asin;

/// How often to look whether the answer is there. It costs two questions to Redis, and Amazon takes a second.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Products to ask for, by who asks.
pub(super) struct FetchAssignment {
    pub local: Vec<Asin>,
    pub remote: Vec<Asin>,
}

impl Catalog {
    /// Which products are this replica's to ask for, and which another is asking for now.
    pub(super) async fn assign_fetches(&self, read: &ReadContext, asins: Vec<Asin>) -> FetchAssignment {
        if read.max_age.is_some_and(|max_age| max_age < LEASE) {
            // What the other brings may be too old already.
            return FetchAssignment { local: asins, remote: Vec::new() };
        }
        let keys: Vec<Key> = asins.iter().map(|asin| Key::Product(read.locale, *asin)).collect();
        let claims = self.cache.claim(&keys).await;
        let (local, remote): (Vec<_>, Vec<_>) = asins.into_iter().zip(claims).partition(|(_, is_ours)| *is_ours);
        let asins = |share: Vec<(Asin, bool)>| share.into_iter().map(|(asin, _)| asin).collect();
        FetchAssignment { local: asins(local), remote: asins(remote) }
    }

    /// Tells of products that another replica is asking for, as its answers arrive. What it has not brought when its lease
    /// is over is asked for here.
    pub(super) async fn fetch_remote(
        &self,
        read: ReadContext,
        mut open: Vec<Asin>,
        fallback: HashMap<Asin, CacheHit>,
        tx: mpsc::UnboundedSender<Lookup>,
    ) {
        let (requirement, until) = (read.requirement(), read.give_up.min(Instant::now() + LEASE));
        while Instant::now() < until && !tx.is_closed() {
            let keys: Vec<Key> = open.iter().map(|asin| Key::Product(read.locale, *asin)).collect();
            let now = self.cache.now();
            let hits = self.cache.get_many(&keys, &requirement, now).await;
            let mut missing = Vec::new();
            for (asin, hit) in open.into_iter().zip(hits) {
                match hit.filter(|hit| hit.freshness < Freshness::StaleIfError) {
                    // Whoever asked may have gone.
                    Some(hit) => drop(tx.send(self.known(asin, hit, &requirement, now, None))),
                    None => missing.push(asin),
                }
            }
            let FetchAssignment { local, remote } = self.assign_fetches(&read, missing).await;
            if !local.is_empty() {
                self.fetch(read.clone(), local, fallback.clone(), tx.clone()).await;
            }
            if remote.is_empty() {
                return;
            }
            open = remote;
            sleep(LOOK_EVERY).await;
        }
        if !tx.is_closed() {
            self.fetch(read, open, fallback, tx).await;
        }
    }
}
