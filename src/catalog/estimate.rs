//! What a request would cost: a dry run of the path that answers it.
//!
//! # Rule
//!
//! A read with `estimate` set goes the way of every other read, and asks Amazon for nothing. What it would have to fetch is
//! replaced by a placeholder that counts as a call and makes the rest of the path as expensive as it can be: a product that
//! no filter lets pass, a page after which more follow, a node with as many children as a walk may visit.
//!
//! # Edge cases
//!
//! An estimate is from above. By the time the request is made others may have filled the cache, and a call that it shares
//! with others is counted in full.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{Catalog, CostCounter, Error, ReadContext, SearchPlan};
use crate::{catalog::products::Lookup, dispatch::Calls};
use amazon_catalog::{Asin, BrowseNodeId};
use stockroom_proto::pb;

/// Ids of calls that are not made. They count down, where those of calls that are made count up.
static NEXT_CALL: AtomicU64 = AtomicU64::new(u64::MAX);

/// A call that would be made.
pub(super) fn planned_call() -> Calls {
    Calls::from_ids(&[NEXT_CALL.fetch_sub(1, Ordering::Relaxed)])
}

/// How fresh an answer would be that Amazon is asked for.
pub(super) fn planned_freshness() -> pb::Freshness {
    pb::Freshness { source: pb::Source::Amazon.into(), ..Default::default() }
}

impl Catalog {
    /// What these products would cost.
    pub async fn estimate_products(&self, read: &ReadContext, asins: impl IntoIterator<Item = Asin>) -> CostCounter {
        let mut cost_counter = CostCounter::default();
        let mut lookups = self.products(&dry(read), asins).await;
        while let Some(Lookup { outcome, calls, .. }) = lookups.recv().await {
            cost_counter.calls(&calls);
            if let Ok(found) = outcome {
                cost_counter.answer(&found.freshness);
            }
        }
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
        cost(self.search(&dry(read), plan, from, wanted).await.map(|slice| slice.cost_counter))
    }

    /// What a page of a variation family would cost.
    pub async fn estimate_variations(&self, read: &ReadContext, asin: Asin, from: usize) -> CostCounter {
        let wanted = amazon_catalog::IDS_PER_CALL;
        cost(self.variations(&dry(read), asin, from, wanted).await.map(|page| page.cost_counter))
    }

    /// What a walk over browse nodes would cost.
    pub async fn estimate_nodes(&self, read: &ReadContext, ids: &[BrowseNodeId], depth: usize) -> CostCounter {
        cost(self.browse(&dry(read), ids, depth).await.map(|tree| tree.cost_counter))
    }

    /// What a list of trending products or deals would cost.
    pub async fn estimate_ranking(&self, read: &ReadContext, plan: &SearchPlan, limit: usize) -> CostCounter {
        cost(self.trending(&dry(read), plan, limit).await.map(|list| list.cost_counter))
    }
}

fn dry(read: &ReadContext) -> ReadContext {
    ReadContext { estimate: true, ..read.clone() }
}

/// A dry run fails only where the request would, which costs nothing more.
fn cost(counter: Result<CostCounter, Error>) -> CostCounter {
    counter.unwrap_or_default()
}
