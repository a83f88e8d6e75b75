//! The primitive under everything that shows products: many ids in, each one's outcome out as soon as it is known.

use std::{collections::HashMap, time::SystemTime};

use bytes::Bytes;
use foldhash::{HashSet, HashSetExt};
use prost::Message;
use tokio::{sync::mpsc, time::sleep_until};

use super::{Catalog, Error, ProductMask, ReadContext, remote_fetch::FetchAssignment};
use crate::{
    cache::{CacheHit, Freshness, FreshnessRequirement, Key, STAMP_AFTER},
    dispatch::{Call, ItemResult},
    served,
};
use amazon_catalog::{Asin, Snapshot};
use stockroom_proto::pb;

/// What became of one id.
#[derive(Clone, Debug)]
pub struct Lookup {
    /// The id.
    pub asin: Asin,
    /// The product, or why there is none.
    pub outcome: Result<CachedProduct, Error>,
    /// The call that brought it; `None` where none was made for it.
    pub call: Option<Call>,
}

impl Lookup {
    /// The product for a list that was made earlier: one that has gone since is a product less and no failure, `None`.
    pub(super) fn into_listed(self) -> Result<Option<CachedProduct>, Error> {
        match self.outcome {
            Ok(found) => Ok(Some(found)),
            Err(Error::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// A product, encoded, and how fresh it is.
#[derive(Clone, Debug)]
pub struct CachedProduct {
    /// The whole product, whatever parts are wanted.
    pub encoded: Bytes,
    /// How fresh it is.
    pub freshness: pb::Freshness,
}

impl CachedProduct {
    /// For an answer: the parts that are wanted, still encoded.
    pub fn entry(self, parts: ProductMask) -> served::ProductEntry {
        served::ProductEntry { product: parts.apply(self.encoded), freshness: Some(self.freshness) }
    }

    /// Decoded, to filter, sort or compare it.
    pub fn product(&self) -> Result<pb::Product, Error> {
        pb::Product::decode(self.encoded.clone()).map_err(|_| Error::Undecodable)
    }
}

/// The outcomes of a lookup of many ids, each id's once.
#[derive(Debug)]
pub struct Lookups {
    /// What was known at once, in the order of the request.
    known: std::vec::IntoIter<Lookup>,
    /// The rest, in the order it becomes known; `None` where there is no rest.
    pending: Option<mpsc::UnboundedReceiver<Lookup>>,
}

impl Lookups {
    /// The next outcome: first what is known, then the rest as it becomes known. `None` after the last.
    ///
    /// Dropping this future loses nothing.
    pub async fn next(&mut self) -> Option<Lookup> {
        match self.known.next() {
            Some(known) => Some(known),
            None => self.pending.as_mut()?.recv().await,
        }
    }
}

impl Catalog {
    /// Looks products up: what the cache has is known at once, the rest as Amazon's answers arrive.
    ///
    /// Complete at its first poll where memory has all of them fresh. Dropping the lookups abandons nothing that has been
    /// sent: it is finished and cached.
    pub async fn products(&self, read: &ReadContext, asins: impl IntoIterator<Item = Asin>) -> Lookups {
        let (requirement, now) = (read.requirement(), self.cache.now());
        let asins = asins.into_iter();
        let mut seen = HashSet::with_capacity(asins.size_hint().0);
        let asins: Vec<Asin> = asins.filter(|asin| seen.insert(*asin)).collect();
        let keys: Vec<Key> = asins.iter().map(|asin| Key::Product(read.locale, *asin)).collect();
        let hits = self.cache.get_many(&keys, &requirement, now).await;
        let mut known = Vec::with_capacity(hits.len());
        let (mut wanted, mut stale, mut fallback) = (Vec::new(), Vec::new(), HashMap::new());
        for (asin, hit) in asins.into_iter().zip(hits) {
            match hit {
                Some(hit) if hit.freshness != Freshness::StaleIfError => {
                    if hit.freshness == Freshness::StaleWhileRevalidate && !read.cache_only {
                        stale.push(asin);
                    }
                    known.push(self.known(asin, hit, &requirement, now, None));
                }
                other => {
                    fallback.extend(other.map(|hit| (asin, hit)));
                    wanted.push(asin);
                }
            }
        }
        if read.cache_only {
            let missing = wanted.drain(..);
            known.extend(missing.map(|asin| Lookup { asin, outcome: Err(Error::NotCached), call: None }));
        }
        if !stale.is_empty() {
            self.refresh(read, stale);
        }
        let pending = if wanted.is_empty() { None } else { Some(self.fetch_missing(read, wanted, fallback).await) };
        Lookups { known: known.into_iter(), pending }
    }

    /// Has fetched what the cache lacks, here or by another replica. The channel ends after the last.
    async fn fetch_missing(
        &self,
        read: &ReadContext,
        wanted: Vec<Asin>,
        fallback: HashMap<Asin, CacheHit>,
    ) -> mpsc::UnboundedReceiver<Lookup> {
        let (tx, pending) = mpsc::unbounded_channel();
        let FetchAssignment { local, remote } = self.assign_fetches(read, wanted).await;
        if !remote.is_empty() {
            let (catalog, read, fallback, tx) = (self.clone(), read.clone(), fallback.clone(), tx.clone());
            // Owned by nobody, and over with the lease or the deadline.
            tokio::spawn(async move { catalog.fetch_remote(read, remote, fallback, tx).await });
        }
        if !local.is_empty() {
            self.fetch(read.clone(), local, fallback, tx).await;
        }
        pending
    }

    /// How fresh an answer is for somebody with a requirement.
    pub(super) fn freshness(
        &self,
        snapshot: &Snapshot,
        source: pb::Source,
        freshness: Freshness,
        requirement: &FreshnessRequirement,
        now: SystemTime,
    ) -> pb::Freshness {
        let horizon = self.cache.policy().fresh(snapshot.content.as_ref().err().copied(), requirement);
        pb::Freshness {
            fetch_time: Some(snapshot.fetched_at.into()),
            expire_time: Some((snapshot.fetched_at + horizon).into()),
            source: source.into(),
            is_stale: freshness != Freshness::Fresh,
            protocol: snapshot.protocol.into(),
            price_stamp_required: requirement.offers && snapshot.age(now) >= STAMP_AFTER,
        }
    }

    /// What is known of a product that Amazon has just told of.
    pub(super) fn just_fetched(
        &self,
        asin: Asin,
        snapshot: Snapshot,
        requirement: &FreshnessRequirement,
        call: Call,
    ) -> Lookup {
        self.known(
            asin,
            CacheHit { snapshot, source: pb::Source::Amazon, freshness: Freshness::Fresh },
            requirement,
            self.cache.now(),
            Some(call),
        )
    }

    pub(super) fn known(
        &self,
        asin: Asin,
        hit: CacheHit,
        requirement: &FreshnessRequirement,
        now: SystemTime,
        call: Option<Call>,
    ) -> Lookup {
        let freshness = self.freshness(&hit.snapshot, hit.source, hit.freshness, requirement, now);
        let outcome = match hit.snapshot.content {
            Ok(encoded) => Ok(CachedProduct { encoded, freshness }),
            Err(missing) => Err(Error::Missing { asin, missing }),
        };
        Lookup { asin, outcome, call }
    }

    fn refresh(&self, read: &ReadContext, asins: Vec<Asin>) {
        let (catalog, read) = (self.clone(), read.clone());
        // Owned by nobody on purpose: a refresh outlives the request that found it due, and the dispatcher bounds it. What
        // it brings is kept as it lands.
        tokio::spawn(async move {
            // Another replica that has found it due as well refreshes it for all.
            let local = catalog.assign_fetches(&read, asins).await.local;
            if !local.is_empty() {
                catalog.dispatch.items(read.locale, local, read.refresh_terms()).await;
            }
        });
    }

    pub(super) async fn fetch(
        &self,
        read: ReadContext,
        asins: Vec<Asin>,
        mut fallback: HashMap<Asin, CacheHit>,
        tx: mpsc::UnboundedSender<Lookup>,
    ) {
        let (catalog, requirement) = (self.clone(), read.requirement());
        let mut results = self.dispatch.items(read.locale, asins.clone(), read.terms.clone()).await;
        // Ends with the last id, which the dispatcher bounds; whoever asked may have gone by then.
        tokio::spawn(async move {
            let mut open: Vec<Asin> = asins;
            let mut settle = |asin: Asin, outcome: Result<Lookup, (Error, Option<Call>)>| {
                let known = outcome.unwrap_or_else(|(error, call)| match fallback.remove(&asin) {
                    Some(hit) => catalog.known(asin, hit, &requirement, catalog.cache.now(), call),
                    None => Lookup { asin, outcome: Err(error), call },
                });
                // Whoever asked may have gone.
                let _ = tx.send(known);
            };
            loop {
                tokio::select! {
                    // Cancel-safe: neither branch loses anything when the other wins.
                    item = results.recv() => {
                        let Some(ItemResult { asin, result, call }) = item else { break };
                        if let Some(place) = open.iter().position(|waiting| *waiting == asin) {
                            open.swap_remove(place);
                            let hit = |snapshot| CacheHit { snapshot, source: pb::Source::Amazon, freshness: Freshness::Fresh };
                            let outcome = result.map(|snapshot| catalog.known(asin, hit(snapshot), &requirement, catalog.cache.now(), call));
                            let failed = outcome.is_err();
                            settle(asin, outcome.map_err(|error| (error.into(), call)));
                            if failed {
                                // Others that wait for this answer may try, or be told why not, at once.
                                catalog.cache.release(&Key::Product(read.locale, asin)).await;
                            }
                        }
                    }
                    () = sleep_until(read.give_up), if !open.is_empty() => {
                        for asin in open.drain(..) {
                            settle(asin, Err((Error::DeadlineExceeded, None)));
                        }
                    }
                }
            }
            for asin in open {
                settle(asin, Err((Error::DeadlineExceeded, None)));
            }
        });
    }
}
