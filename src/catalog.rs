//! What the services know how to do, over the cache and the dispatcher.
//!
//! Everything that shows products goes through one primitive, [`Catalog::products`]; everything else that Amazon is asked
//! goes through one cached call, in `cached`. Requests arrive here validated: nothing below checks them again.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, time::Instant};

use crate::{
    cache::{Cache, FreshnessRequirement, Purge, Purged, Stats},
    dispatch::{self, AccountHealth, Dispatch, Report, RequestContext},
};
use amazon_catalog::{Asin, CatalogRequest, Locale, Missing, Unsupported};

pub use self::{
    answer_store::AnswerStore,
    browse::{NodeMap, NodeTree},
    category::Category,
    compare::{Comparison, compare_row},
    cost::CostCounter,
    product_mask::ProductMask,
    products::{CachedProduct, Lookup, Lookups},
    ranking::{DealFilter, RankedList},
    search::{SearchPlan, SearchSlice},
    variations::VariationPage,
};

mod answer_store;
mod browse;
mod cached;
pub mod category;
mod compare;
mod cost;
mod estimate;
mod files;
mod paging;
mod product_mask;
mod products;
mod ranking;
mod search;
mod variations;

/// The catalog; cheap to clone.
#[derive(Clone, Debug)]
pub struct Catalog {
    cache: Arc<Cache>,
    dispatch: Arc<Dispatch>,
}

/// How one request may be answered.
#[derive(Clone, Debug)]
pub struct ReadContext {
    /// Where.
    pub locale: Locale,
    /// The parts of a product that are wanted.
    pub parts: ProductMask,
    /// The oldest answer that will do, where they said so.
    pub max_age: Option<Duration>,
    /// Whether Amazon must not be asked.
    pub cache_only: bool,
    /// Whether only the cost is wanted.
    pub estimate: bool,
    /// Who asks, and until when.
    pub terms: RequestContext,
    /// When to answer with what there is, a little before the deadline.
    pub give_up: Instant,
}

/// Why something is not in an answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Amazon has no such product, or does not offer it through its API.
    #[error("{}", match .missing {
        Missing::NotFound => format!("Amazon knows no product {asin} in this marketplace"),
        Missing::NotAccessible => format!("Amazon does not offer {asin} through its API"),
    })]
    Missing {
        /// The product.
        asin: Asin,
        /// Which of the two.
        missing: Missing,
    },
    /// The request wanted the cache only, and it is not there.
    #[error("it is not in the cache, and the request does not allow to ask Amazon")]
    NotCached,
    /// The deadline came before the answer.
    #[error("the deadline came before Amazon's answer")]
    DeadlineExceeded,
    /// Amazon was not asked, or did not answer.
    #[error(transparent)]
    Dispatch(#[from] dispatch::Error),
    /// What was kept or answered does not decode. A defect of this gateway.
    #[error("an answer could not be decoded")]
    Undecodable,
}

impl Catalog {
    /// A catalog over a cache and the accounts.
    pub fn new(cache: Arc<Cache>, dispatch: Dispatch) -> Self {
        Self { cache, dispatch: Arc::new(dispatch) }
    }

    /// Ends the account actors: calls in flight are finished, answered and stored, also in Redis.
    pub async fn stop(&self) {
        self.dispatch.stop().await;
        self.cache.flush().await;
    }

    /// What the API of the account that serves the request's marketplace has no way to express in the request.
    pub fn unsupported(&self, request: &CatalogRequest) -> Option<Unsupported> {
        self.dispatch.unsupported(request)
    }

    /// How each account does.
    pub async fn accounts(&self) -> Vec<Report> {
        self.dispatch.reports().await
    }

    /// Which accounts refuse everything because their actor panicked, as it changes.
    pub fn account_health(&self) -> watch::Receiver<AccountHealth> {
        self.dispatch.health()
    }

    /// How each tier of the cache does.
    pub fn caches(&self) -> Vec<Stats> {
        self.cache.stats()
    }

    /// Drops answers, in every tier and replica.
    pub async fn purge(&self, what: &Purge) -> Purged {
        self.cache.purge(what).await
    }
}

impl ReadContext {
    /// A read of whole products, by the freshness policy.
    pub fn new(locale: Locale, terms: RequestContext, give_up: Instant) -> Self {
        let parts = ProductMask::ALL;
        Self { locale, parts, max_age: None, cache_only: false, estimate: false, terms, give_up }
    }

    fn requirement(&self) -> FreshnessRequirement {
        FreshnessRequirement {
            offers: self.parts.offers(),
            max_age: self.max_age,
            cache_only: self.cache_only,
            estimate: self.estimate,
        }
    }
}
