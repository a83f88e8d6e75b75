//! What a request would cost, told from what the cache holds now, without fetching anything.
//!
//! An estimate from above: by the time the request is made others may have filled the cache, and calls that it would
//! share with others are counted in full.

use super::{
    Catalog, CostCounter, ReadContext, SearchPlan,
    cached::Request,
    paging::PageExtent,
    search::{KeptPage, REACHABLE},
    variations,
};
use crate::{
    cache::{Freshness, Key},
    catalog::browse::Node,
};
use amazon_catalog::{Asin, BrowseNodeId, GetVariations, IDS_PER_CALL};

impl Catalog {
    /// What these products would cost.
    pub async fn estimate_products(&self, read: &ReadContext, asins: impl IntoIterator<Item = Asin>) -> CostCounter {
        let mut cost_counter = CostCounter::default();
        let mut keys: Vec<Key> = asins.into_iter().map(|asin| Key::Product(read.locale, asin)).collect();
        let mut seen = std::collections::HashSet::new();
        keys.retain(|key| seen.insert(key.clone()));
        let missing = self.count_hits(read, &keys, &mut cost_counter).await.into_iter().filter(|hit| !hit).count();
        cost_counter.would_ask(missing, missing.div_ceil(IDS_PER_CALL));
        cost_counter
    }

    /// What a run of a search's results would cost.
    pub async fn estimate_search(
        &self,
        read: &ReadContext,
        plan: &SearchPlan,
        from: usize,
        wanted: usize,
    ) -> CostCounter {
        let mut cost_counter = CostCounter::default();
        let mut reachable = (from + wanted).min(REACHABLE);
        let mut number = from / IDS_PER_CALL + 1;
        while (number - 1) * IDS_PER_CALL < reachable {
            match self.kept::<_, KeptPage>(read, &plan.page(number), &mut cost_counter).await {
                Some(page) => {
                    let extent = PageExtent { number, places: page.asins.len() };
                    if !extent.is_followed([page.total_results.and_then(|count| usize::try_from(count).ok())]) {
                        reachable = reachable.min(extent.end());
                    }
                    if !page.embeds_products() {
                        let asins = page.asins.iter().filter_map(|asin| Asin::parse(asin).ok());
                        cost_counter.merge(&self.estimate_products(read, asins).await);
                    }
                }
                None => cost_counter.would_ask(IDS_PER_CALL, 1),
            }
            number += 1;
        }
        cost_counter
    }

    /// What a page of a variation family would cost.
    pub async fn estimate_variations(&self, read: &ReadContext, asin: Asin, from: usize) -> CostCounter {
        let mut cost_counter = CostCounter::default();
        let page = u32::try_from(from / IDS_PER_CALL + 1).unwrap_or(u32::MAX);
        let asked = GetVariations { locale: read.locale, asin, page };
        match self.kept::<_, variations::KeptPage>(read, &asked, &mut cost_counter).await {
            Some(page) => {
                let asins = page.asins.iter().filter_map(|asin| Asin::parse(asin).ok());
                cost_counter.merge(&self.estimate_products(read, asins).await);
            }
            None => cost_counter.would_ask(IDS_PER_CALL, 1),
        }
        cost_counter
    }

    /// What these browse nodes would cost, without those below them: which they are is not known before.
    pub async fn estimate_nodes(&self, read: &ReadContext, ids: &[BrowseNodeId]) -> CostCounter {
        let mut cost_counter = CostCounter::default();
        let keys: Vec<Key> = ids.iter().map(|id| Node { locale: read.locale, id: *id }.key(read.locale)).collect();
        let missing = self.count_hits(read, &keys, &mut cost_counter).await.into_iter().filter(|hit| !hit).count();
        cost_counter.would_ask(missing, missing.div_ceil(IDS_PER_CALL));
        cost_counter
    }

    /// The pages that the cache has, without those that it does not have. Nothing is fetched.
    pub(super) async fn cached_only<K: Request, T: prost::Message + Default>(
        &self,
        read: &ReadContext,
        asked: impl IntoIterator<Item = K>,
    ) -> Vec<T> {
        let keys: Vec<Key> = asked.into_iter().map(|request| request.key(read.locale)).collect();
        if keys.is_empty() {
            return Vec::new();
        }
        let hits = self.cache.get_many(&keys, &read.requirement(), self.cache.now()).await;
        let content = |hit: crate::cache::CacheHit| T::decode(hit.snapshot.content.ok()?).ok();
        hits.into_iter().filter_map(|hit| content(hit?)).collect()
    }

    async fn kept<K: Request, T: prost::Message + Default>(
        &self,
        read: &ReadContext,
        asked: &K,
        cost_counter: &mut CostCounter,
    ) -> Option<T> {
        let requirement = read.requirement();
        let keys = [asked.key(read.locale)];
        let now = self.cache.now();
        let hit = self.cache.get_many(&keys, &requirement, now).await.pop().flatten()?;
        if hit.freshness > Freshness::StaleWhileRevalidate {
            return None;
        }
        cost_counter.answer(&self.freshness(&hit.snapshot, hit.source, hit.freshness, &requirement, now));
        // A page that says there is nothing holds nothing.
        Some(hit.snapshot.content.ok().and_then(|bytes| T::decode(bytes).ok()).unwrap_or_default())
    }

    /// Counts what the cache would answer, and tells which it would.
    async fn count_hits(&self, read: &ReadContext, keys: &[Key], cost_counter: &mut CostCounter) -> Vec<bool> {
        let (requirement, now) = (read.requirement(), self.cache.now());
        let hits = self.cache.get_many(keys, &requirement, now).await;
        let mut count = |hit: Option<crate::cache::CacheHit>| {
            let hit = hit.filter(|hit| hit.freshness <= Freshness::StaleWhileRevalidate);
            if let Some(hit) = &hit {
                cost_counter.answer(&self.freshness(&hit.snapshot, hit.source, hit.freshness, &requirement, now));
            }
            hit.is_some()
        };
        hits.into_iter().map(&mut count).collect()
    }
}
