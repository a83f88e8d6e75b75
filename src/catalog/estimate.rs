//! What a request would cost, told from what the cache holds now, without fetching anything.
//!
//! An estimate from above: by the time the request is made others may have filled the cache, and calls that it would
//! share with others are counted in full.

use super::{
    Catalog, Plan, Reading, Tally,
    cached::Request,
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
    pub async fn estimate_products(&self, reading: &Reading, asins: impl IntoIterator<Item = Asin>) -> Tally {
        let mut tally = Tally::default();
        let mut keys: Vec<Key> = asins.into_iter().map(|asin| Key::Product(reading.locale, asin)).collect();
        let mut seen = std::collections::HashSet::new();
        keys.retain(|key| seen.insert(key.clone()));
        let missing = self.count_hits(reading, &keys, &mut tally).await.into_iter().filter(|hit| !hit).count();
        tally.would_ask(missing, missing.div_ceil(IDS_PER_CALL));
        tally
    }

    /// What a run of a search's results would cost.
    pub async fn estimate_search(&self, reading: &Reading, plan: &Plan, from: usize, wanted: usize) -> Tally {
        let mut tally = Tally::default();
        let mut reachable = (from + wanted).min(REACHABLE);
        let mut number = from / IDS_PER_CALL + 1;
        while (number - 1) * IDS_PER_CALL < reachable {
            match self.kept::<_, KeptPage>(reading, &plan.page(number), &mut tally).await {
                Some(page) => {
                    reachable = reachable.min(usize::try_from(page.total_results).unwrap_or(REACHABLE));
                    let asins = page.asins.iter().filter_map(|asin| Asin::parse(asin).ok());
                    tally.merge(&self.estimate_products(reading, asins).await);
                }
                None => tally.would_ask(IDS_PER_CALL, 1),
            }
            number += 1;
        }
        tally
    }

    /// What a page of a variation family would cost.
    pub async fn estimate_variations(&self, reading: &Reading, asin: Asin, from: usize) -> Tally {
        let mut tally = Tally::default();
        let page = u32::try_from(from / IDS_PER_CALL + 1).unwrap_or(u32::MAX);
        let asked = GetVariations { locale: reading.locale, asin, page };
        match self.kept::<_, variations::KeptPage>(reading, &asked, &mut tally).await {
            Some(page) => {
                let asins = page.asins.iter().filter_map(|asin| Asin::parse(asin).ok());
                tally.merge(&self.estimate_products(reading, asins).await);
            }
            None => tally.would_ask(IDS_PER_CALL, 1),
        }
        tally
    }

    /// What these browse nodes would cost, without those below them: which they are is not known before.
    pub async fn estimate_nodes(&self, reading: &Reading, ids: &[BrowseNodeId]) -> Tally {
        let mut tally = Tally::default();
        let keys: Vec<Key> =
            ids.iter().map(|id| Node { locale: reading.locale, id: *id }.key(reading.locale)).collect();
        let missing = self.count_hits(reading, &keys, &mut tally).await.into_iter().filter(|hit| !hit).count();
        tally.would_ask(missing, missing.div_ceil(IDS_PER_CALL));
        tally
    }

    async fn kept<K: Request, T: prost::Message + Default>(
        &self,
        reading: &Reading,
        asked: &K,
        tally: &mut Tally,
    ) -> Option<T> {
        let wish = reading.wish();
        let keys = [asked.key(reading.locale)];
        let hit = self.cache.get_many(&keys, &wish, self.cache.now()).await.pop().flatten()?;
        if hit.freshness > Freshness::StaleWhileRevalidate {
            return None;
        }
        tally.answer(&self.freshness(&hit.snapshot, hit.source, hit.freshness, &wish));
        // A page that says there is nothing holds nothing.
        Some(hit.snapshot.content.ok().and_then(|bytes| T::decode(bytes).ok()).unwrap_or_default())
    }

    /// Counts what the cache would answer, and tells which it would.
    async fn count_hits(&self, reading: &Reading, keys: &[Key], tally: &mut Tally) -> Vec<bool> {
        let wish = reading.wish();
        let hits = self.cache.get_many(keys, &wish, self.cache.now()).await;
        let mut count = |hit: Option<crate::cache::CacheHit>| {
            let hit = hit.filter(|hit| hit.freshness <= Freshness::StaleWhileRevalidate);
            if let Some(hit) = &hit {
                tally.answer(&self.freshness(&hit.snapshot, hit.source, hit.freshness, &wish));
            }
            hit.is_some()
        };
        hits.into_iter().map(&mut count).collect()
    }
}
