//! What another replica is asking Amazon for at this moment is waited for, and not asked again.

use std::{collections::HashMap, time::Duration};

use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};

use super::{Catalog, Known, Reading};
use crate::cache::{CacheHit, Freshness, Key, LEASE};
use amazon_catalog::Asin;

/// How often to look whether the answer is there. It costs two questions to Redis, and Amazon takes a second.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Products to ask for, by who asks.
pub(super) struct Shares {
    pub ours: Vec<Asin>,
    pub theirs: Vec<Asin>,
}

impl Catalog {
    /// Which products are this replica's to ask for, and which another is asking for now.
    pub(super) async fn share_out(&self, reading: &Reading, asins: Vec<Asin>) -> Shares {
        if reading.max_age.is_some_and(|max_age| max_age < LEASE) {
            // What the other brings may be too old already.
            return Shares { ours: asins, theirs: Vec::new() };
        }
        let keys: Vec<Key> = asins.iter().map(|asin| Key::Product(reading.locale, *asin)).collect();
        let claims = self.cache.claim(&keys).await;
        let (ours, theirs): (Vec<_>, Vec<_>) = asins.into_iter().zip(claims).partition(|(_, is_ours)| *is_ours);
        let asins = |share: Vec<(Asin, bool)>| share.into_iter().map(|(asin, _)| asin).collect();
        Shares { ours: asins(ours), theirs: asins(theirs) }
    }

    /// Tells of products that another replica is asking for, as its answers arrive. What it has not brought when its lease
    /// is over is asked for here.
    pub(super) async fn fetch_elsewhere(
        &self,
        reading: Reading,
        mut open: Vec<Asin>,
        fallback: HashMap<Asin, CacheHit>,
        tell: mpsc::UnboundedSender<Known>,
    ) {
        let (wish, until) = (reading.wish(), reading.give_up.min(Instant::now() + LEASE));
        while Instant::now() < until && !tell.is_closed() {
            let keys: Vec<Key> = open.iter().map(|asin| Key::Product(reading.locale, *asin)).collect();
            let hits = self.cache.get_many(&keys, &wish, self.cache.now()).await;
            let mut missing = Vec::new();
            for (asin, hit) in open.into_iter().zip(hits) {
                match hit.filter(|hit| hit.freshness < Freshness::StaleIfError) {
                    // Whoever asked may have gone.
                    Some(hit) => drop(tell.send(self.known(asin, hit, &wish, None))),
                    None => missing.push(asin),
                }
            }
            let Shares { ours, theirs } = self.share_out(&reading, missing).await;
            if !ours.is_empty() {
                self.fetch(reading.clone(), ours, fallback.clone(), tell.clone()).await;
            }
            if theirs.is_empty() {
                return;
            }
            open = theirs;
            sleep(LOOK_EVERY).await;
        }
        if !tell.is_closed() {
            self.fetch(reading, open, fallback, tell).await;
        }
    }
}
