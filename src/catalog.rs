//! What the services know how to do, over the cache and the dispatcher.
//!
//! Everything that shows products goes through one primitive, [`Catalog::products`]; everything else that Amazon is asked
//! goes through one cached call, in `cached`. Requests arrive here validated: nothing below checks them again.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::{
    cache::{Cache, FreshnessRequirement, Purge, Purged, Stats},
    dispatch::{self, Dispatch, Report, RequestContext},
};
use amazon_catalog::{Asin, Locale, Missing};

pub use self::{
    answer_store::AnswerStore,
    browse::{NodeMap, NodeTree},
    category::Category,
    compare::{Comparison, compare_row},
    cost::CostCounter,
    product_mask::ProductMask,
    products::{CachedProduct, Lookup},
    ranking::RankedList,
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

    /// How each account does.
    pub async fn accounts(&self) -> Vec<Report> {
        self.dispatch.reports().await
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
    fn requirement(&self) -> FreshnessRequirement {
        FreshnessRequirement { offers: self.parts.offers(), max_age: self.max_age, cache_only: self.cache_only }
    }
}

impl Error {
    /// The reason in upper case, as it stands in `google.rpc.ErrorInfo`.
    pub fn reason(&self) -> &'static str {
        use amazon_catalog::Error as Amazon;
        match self {
            Self::Missing { missing: Missing::NotFound, .. } => "PRODUCT_NOT_FOUND",
            Self::Missing { missing: Missing::NotAccessible, .. } => "PRODUCT_NOT_ACCESSIBLE",
            Self::NotCached => "NOT_CACHED",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::Undecodable => "UNDECODABLE",
            Self::Dispatch(error) => match error {
                dispatch::Error::DayBudgetSpent { .. } => "DAY_BUDGET_SPENT",
                dispatch::Error::CallerShareSpent { .. } => "CALLER_SHARE_SPENT",
                dispatch::Error::WaitExceedsDeadline { .. } => "WAIT_EXCEEDS_DEADLINE",
                dispatch::Error::QueueFull { .. } => "QUEUE_FULL",
                dispatch::Error::BreakerOpen { .. } => "UPSTREAM_PAUSED",
                dispatch::Error::KeptForOthers { .. } => "KEPT_FOR_OTHERS",
                dispatch::Error::NotServed(_) => "MARKETPLACE_NOT_SERVED",
                dispatch::Error::Stopping => "STOPPING",
                dispatch::Error::Upstream(error) => match &**error {
                    Amazon::Throttled { .. } => "UPSTREAM_THROTTLED",
                    Amazon::Failed { .. } => "UPSTREAM_FAILED",
                    Amazon::TimedOut { .. } => "UPSTREAM_TIMED_OUT",
                    Amazon::Unreachable { .. } => "UPSTREAM_UNREACHABLE",
                    Amazon::Malformed { .. } => "UPSTREAM_MALFORMED",
                    Amazon::Rejected { .. } => "UPSTREAM_REJECTED",
                    Amazon::Refused { refusal, .. } => refusal.reason(),
                },
            },
        }
    }

    /// When asking again can help; `None` where it cannot.
    pub fn retry_after(&self) -> Option<Duration> {
        use amazon_catalog::Error as Amazon;
        match self {
            Self::Missing { .. } | Self::NotCached | Self::DeadlineExceeded | Self::Undecodable => None,
            Self::Dispatch(error) => match error {
                dispatch::Error::DayBudgetSpent { resets_in, .. }
                | dispatch::Error::CallerShareSpent { resets_in, .. }
                | dispatch::Error::KeptForOthers { resets_in } => Some(*resets_in),
                dispatch::Error::WaitExceedsDeadline { wait } | dispatch::Error::QueueFull { wait, .. } => Some(*wait),
                dispatch::Error::BreakerOpen { retry_after, .. } => Some(*retry_after),
                dispatch::Error::Stopping => Some(Duration::from_secs(1)),
                dispatch::Error::NotServed(_) => None,
                dispatch::Error::Upstream(error) => match &**error {
                    Amazon::Throttled { retry_after, .. } => Some(retry_after.unwrap_or(Duration::from_secs(2))),
                    Amazon::Failed { .. } | Amazon::TimedOut { .. } | Amazon::Unreachable { .. } => {
                        Some(Duration::from_secs(1))
                    }
                    Amazon::Malformed { .. } | Amazon::Rejected { .. } | Amazon::Refused { .. } => None,
                },
            },
        }
    }
}
