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
//! with others is counted in full. A dry run that fails has counted what the request would spend before it fails.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{Catalog, CostCounter, ReadContext, SearchPlan};
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
        let mut cost = CostCounter::default();
        let mut lookups = self.products(&dry(read), asins).await;
        while let Some(Lookup { outcome, calls, .. }) = lookups.next().await {
            cost.calls(&calls);
            if let Ok(found) = outcome {
                cost.answer(&found.freshness);
            }
        }
        cost
    }

    /// What a run of a search's results would cost.
    pub async fn estimate_search(
        &self,
        read: &ReadContext,
        plan: &SearchPlan,
        from: usize,
        wanted: usize,
    ) -> CostCounter {
        let mut cost = CostCounter::default();
        let _ = self.search(&dry(read), plan, from, wanted, &mut cost).await;
        cost
    }

    /// What a page of a variation family would cost.
    pub async fn estimate_variations(&self, read: &ReadContext, asin: Asin, from: usize) -> CostCounter {
        let wanted = amazon_catalog::ITEMS_PER_PAGE;
        let mut cost = CostCounter::default();
        let _ = self.variations(&dry(read), asin, from, wanted, &mut cost).await;
        cost
    }

    /// What a walk over browse nodes would cost.
    pub async fn estimate_nodes(&self, read: &ReadContext, ids: &[BrowseNodeId], depth: usize) -> CostCounter {
        let mut cost = CostCounter::default();
        let _ = self.browse(&dry(read), ids, depth, &mut cost).await;
        cost
    }

    /// What a list of trending products or deals would cost.
    pub async fn estimate_ranking(&self, read: &ReadContext, plan: &SearchPlan, limit: usize) -> CostCounter {
        let mut cost = CostCounter::default();
        let _ = self.trending(&dry(read), plan, limit, &mut cost).await;
        cost
    }
}

fn dry(read: &ReadContext) -> ReadContext {
    ReadContext { estimate: true, ..read.clone() }
}
