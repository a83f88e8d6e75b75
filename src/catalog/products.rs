//! The primitive under everything that shows products: many ids in, each one's outcome out as soon as it is known.

use std::{collections::HashMap, time::SystemTime};

use bytes::Bytes;
use foldhash::{HashSet, HashSetExt};
use prost::Message;
use tokio::{sync::mpsc, time::timeout_at};

use super::{
    Catalog, Error, ProductMask, ReadContext,
    estimate::{planned_call, planned_freshness},
};
use crate::{
    cache::{CacheHit, Freshness, FreshnessRequirement, Key, STAMP_AFTER},
    dispatch::{self, Calls, FetchKey, ItemResult},
    served,
};
use amazon_catalog::{Asin, IDS_PER_CALL, Snapshot};
use stockroom_proto::pb;

/// What became of one id.
#[derive(Clone, Debug)]
pub struct Lookup {
    /// The id.
    pub asin: Asin,
    /// The product, or why there is none.
    pub outcome: Result<CachedProduct, Error>,
    /// The calls that were made for it.
    pub calls: Calls,
}

impl Lookup {
    /// What Amazon would be asked for, in the call of the page that it is on.
    pub(super) fn planned(asin: Asin) -> Self {
        let found = CachedProduct { encoded: Bytes::new(), freshness: planned_freshness() };
        Self { asin, outcome: Ok(found), calls: Calls::default() }
    }

    /// The product for a cached list page: if it no longer exists it is skipped instead of failing the page.
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
    /// Looks products up: cached products are known at once, the others as Amazon's answers arrive. A stale product is
    /// returned and marked for a refresh.
    ///
    /// Complete at its first poll where memory has all of them fresh. Dropping the lookups abandons nothing that was sent to
    /// Amazon: it is finished and cached.
    pub async fn products(&self, read: &ReadContext, asins: impl IntoIterator<Item = Asin>) -> Lookups {
        let (requirement, now) = (read.requirement(), self.cache.now());
        let asins = asins.into_iter();
        let count = asins.size_hint().1.unwrap_or_default();
        let (mut known, mut open, mut seen) = (Vec::with_capacity(count), Vec::new(), HashSet::with_capacity(count));
        for asin in asins.filter(|asin| seen.insert(*asin)) {
            match self.cache.get_from_memory(&Key::Product(read.locale, asin), &requirement, now) {
                Some(hit) if hit.freshness == Freshness::Fresh => {
                    known.push(self.known(asin, hit, &requirement, now, Calls::default()));
                }
                other => open.push((asin, other)),
            }
        }
        let pending = if open.is_empty() { None } else { self.look_further(read, open, now, &mut known).await };
        Lookups { known: known.into_iter(), pending }
    }

    /// Looks up what memory does not have fresh. Adds what Redis has, and what is stale, to the known products; returns where
    /// the rest arrives.
    async fn look_further(
        &self,
        read: &ReadContext,
        open: Vec<(Asin, Option<CacheHit>)>,
        now: SystemTime,
        known: &mut Vec<Lookup>,
    ) -> Option<mpsc::UnboundedReceiver<Lookup>> {
        let requirement = read.requirement();
        let keys: Vec<Key> = open.iter().map(|(asin, _)| Key::Product(read.locale, *asin)).collect();
        let (asins, mut hits): (Vec<Asin>, Vec<Option<CacheHit>>) = open.into_iter().unzip();
        self.cache.improve_from_shared(keys.iter().zip(&mut hits).collect(), &requirement, now).await;
        let (mut missing, mut fallback) = (Vec::new(), HashMap::new());
        for (asin, hit) in asins.into_iter().zip(hits) {
            match hit {
                Some(hit) if hit.freshness != Freshness::StaleIfError => {
                    if hit.freshness == Freshness::StaleWhileRevalidate && requirement.may_refresh() {
                        self.dispatch.mark_stale(&FetchKey::Item(read.locale, asin), hit.snapshot.fetched_at);
                    }
                    known.push(self.known(asin, hit, &requirement, now, Calls::default()));
                }
                other => {
                    fallback.extend(other.map(|hit| (asin, hit)));
                    missing.push(asin);
                }
            }
        }
        if read.cache_only {
            let not_cached = |asin| Lookup { asin, outcome: Err(Error::NotCached), calls: Calls::default() };
            known.extend(missing.drain(..).map(not_cached));
        } else if read.estimate {
            for batch in missing.chunks(IDS_PER_CALL) {
                let calls = planned_call();
                known.extend(batch.iter().map(|asin| Lookup { calls: calls.clone(), ..Lookup::planned(*asin) }));
            }
            missing.clear();
        }
        if missing.is_empty() { None } else { Some(self.fetch(read, missing, fallback).await) }
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
        let horizon = self.cache.policy().freshness_lifetime(snapshot.content.as_ref().err().copied(), requirement);
        pb::Freshness {
            fetch_time: Some(snapshot.fetched_at.into()),
            expire_time: Some((snapshot.fetched_at + horizon).into()),
            source: source.into(),
            is_stale: freshness != Freshness::Fresh,
            protocol: snapshot.protocol.into(),
            price_stamp_required: requirement.offers && snapshot.age(now) >= STAMP_AFTER,
        }
    }

    /// The outcome for a product that Amazon has just answered with.
    pub(super) fn just_fetched(
        &self,
        asin: Asin,
        snapshot: Snapshot,
        requirement: &FreshnessRequirement,
        calls: Calls,
    ) -> Lookup {
        // Without a call of its own, this process got it from another replica.
        let source = if calls.is_empty() { pb::Source::Redis } else { pb::Source::Amazon };
        let hit = CacheHit { snapshot, source, freshness: Freshness::Fresh };
        self.known(asin, hit, requirement, self.cache.now(), calls)
    }

    fn known(
        &self,
        asin: Asin,
        hit: CacheHit,
        requirement: &FreshnessRequirement,
        now: SystemTime,
        calls: Calls,
    ) -> Lookup {
        let freshness = self.freshness(&hit.snapshot, hit.source, hit.freshness, requirement, now);
        let outcome = match hit.snapshot.content {
            Ok(encoded) => Ok(CachedProduct { encoded, freshness }),
            Err(missing) => Err(Error::Missing { asin, missing }),
        };
        Lookup { asin, outcome, calls }
    }

    /// Fetches products in a task, and sends their outcomes until the read gives up. A product whose fetch fails is
    /// answered with its fallback, where it has one.
    async fn fetch(
        &self,
        read: &ReadContext,
        asins: Vec<Asin>,
        mut fallback: HashMap<Asin, CacheHit>,
    ) -> mpsc::UnboundedReceiver<Lookup> {
        let (tx, pending) = mpsc::unbounded_channel();
        let (catalog, requirement, give_up) = (self.clone(), read.requirement(), read.give_up);
        let mut results = self.dispatch.fetch_items(read.locale, asins.clone(), read.terms.clone()).await;
        // Ends with the last id, which the dispatcher bounds, or when the read gives up.
        tokio::spawn(async move {
            let mut open: HashSet<Asin> = asins.into_iter().collect();
            let mut send = |asin: Asin, result: Result<Snapshot, Error>, calls: Calls| {
                let lookup = match (result, fallback.remove(&asin)) {
                    (Ok(snapshot), _) => catalog.just_fetched(asin, snapshot, &requirement, calls),
                    (Err(_), Some(hit)) => catalog.known(asin, hit, &requirement, catalog.cache.now(), calls),
                    (Err(error), None) => Lookup { asin, outcome: Err(error), calls },
                };
                // Whoever asked may have gone.
                let _ = tx.send(lookup);
            };
            let unanswered = loop {
                // Cancel-safe: receiving loses nothing when the time is up.
                match timeout_at(give_up, results.recv()).await {
                    Ok(Some(ItemResult { asin, result, calls })) => {
                        if open.remove(&asin) {
                            send(asin, result.map_err(Error::from), calls);
                        }
                    }
                    Ok(None) => break dispatch::Error::lost().into(),
                    Err(_) => break Error::DeadlineExceeded,
                }
            };
            for asin in open {
                send(asin, Err(unanswered.clone()), Calls::default());
            }
        });
        pending
    }
}
