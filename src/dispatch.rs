//! The account's keeper, and the only way to Amazon.
//!
//! Each account has one task that owns its budget, its queue and its breakers; everybody else talks to it through a
//! bounded channel. The queue is the batch: ids that wait for their turn join one call, ten at most, and an id that is
//! already asked for is never asked for again. Who goes first is decided when a call leaves: by class, then by fair shares
//! among callers. A call that has left is finished whether or not anybody still waits, and no call leaves with empty seats
//! while something read is about to age.
//!
//! Nothing here remembers an answer: that is `cache`.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{clock::Clock, store::Store};
use amazon_catalog::{
    Asin, CatalogRequest, CatalogResponse, Locale, Marketplace, Operation, Snapshot, Unsupported, Upstream,
};

use self::account::ActorMessage;
pub use self::{breaker::BreakerState, report::Report};

mod account;
mod account_clock;
mod allowance;
mod breaker;
mod budget;
mod fair_queue;
mod pacing;
mod queue;
mod report;
mod retry;
mod shared;
#[cfg(test)]
mod tests;

/// The accounts, each with its task.
#[derive(Debug)]
pub struct Dispatch {
    accounts: Vec<Account>,
    by_marketplace: HashMap<Marketplace, usize>,
}

#[derive(Debug)]
struct Account {
    upstream: Arc<dyn Upstream>,
    asks: mpsc::Sender<ActorMessage>,
}

/// What one account may do.
#[derive(Debug)]
pub struct Options {
    /// Its name in the configuration.
    pub name: String,
    /// The marketplaces it serves.
    pub marketplaces: Vec<Marketplace>,
    /// The calls a second it may make.
    pub calls_per_second: f64,
    /// The calls it may make in any 24 hours.
    pub calls_per_day: u32,
    /// How long one call may take.
    pub timeout: Duration,
    /// How many ids and other calls may wait.
    pub queue_capacity: usize,
    /// The way to Amazon.
    pub upstream: Arc<dyn Upstream>,
    /// Who keeps what is fetched.
    pub answers: Arc<dyn AnswerSink>,
    /// The clock that stamps answers.
    pub clock: Clock,
    /// The Redis through which all replicas share the account; `None`: there is none.
    pub store: Option<Store>,
    /// How many replicas may run at once; one at least. Must be the same for all of them.
    pub replicas: u32,
}

/// Who keeps what is fetched, and knows what will be wanted again. Both are called from the account's task, so they must
/// not block.
pub trait AnswerSink: fmt::Debug + Send + Sync {
    /// Amazon has told of an item. Called once for each id of a call, before anybody who waits is told.
    fn keep(&self, locale: Locale, asin: Asin, snapshot: &Snapshot);

    /// Up to so many ids that were read and are about to age; each is told once.
    fn due(&self, locale: Locale, seats: usize) -> Vec<Asin>;
}

/// How urgent an ask is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Somebody waits.
    #[default]
    Interactive,
    /// Nobody waits: what is told meanwhile is getting old.
    Refresh,
    /// Somebody waits who can wait.
    Bulk,
}

/// Who asks, and how long they can wait.
#[derive(Clone, Debug)]
pub struct RequestContext {
    /// Who asks.
    pub caller: Arc<str>,
    /// The calls a day the caller may cause; `None`: no share of its own.
    pub daily_quota: Option<u32>,
    /// The caller's weight among callers; 1 where nothing else is configured.
    pub weight: f64,
    /// How urgent it is.
    pub priority: Priority,
    /// When an answer is of no use any more.
    pub deadline: Instant,
    /// Cancelled when the caller has gone. What has not left by then, never leaves.
    pub abandoned: CancellationToken,
}

/// What became of one id.
#[derive(Clone, Debug)]
pub struct ItemResult {
    /// The id.
    pub asin: Asin,
    /// What Amazon said of it.
    pub result: Result<Snapshot, Error>,
    /// The call that brought it; `None` where none was made.
    pub call: Option<Call>,
}

/// What Amazon answered to a question.
#[derive(Clone, Debug)]
pub struct Response {
    /// The answer.
    pub answer: Arc<CatalogResponse>,
    /// When and by what it was given; the content is empty.
    pub stamp: Snapshot,
    /// The call that brought it.
    pub call: Call,
}

/// One call, for counting what a request cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Call {
    /// Tells calls of one process apart.
    pub id: u64,
    /// How often it was made, retries included.
    pub attempts: u32,
}

/// Why Amazon was not asked, or did not answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The account has no call left today.
    #[error("the account {account} has spent its {limit} calls of the past 24 hours")]
    DayBudgetSpent {
        /// The account.
        account: Arc<str>,
        /// Its calls a day.
        limit: u32,
        /// How long until it has one again.
        resets_in: Duration,
    },
    /// The caller has no call left today.
    #[error("{caller} has spent its share of {share} calls of the past 24 hours")]
    CallerShareSpent {
        /// The caller.
        caller: Arc<str>,
        /// Its calls a day.
        share: u32,
        /// How long until it has one again.
        resets_in: Duration,
    },
    /// Others are before it, and its turn would come too late.
    #[error("the turn would come in {} ms, after the deadline", .wait.as_millis())]
    WaitExceedsDeadline {
        /// The predicted wait.
        wait: Duration,
    },
    /// Too many wait already.
    #[error("{capacity} ids and calls are waiting already")]
    QueueFull {
        /// How many may wait.
        capacity: usize,
        /// How long the queue is, in time.
        wait: Duration,
    },
    /// The operation kept failing and is left alone for a while.
    #[error("{} keeps failing and is paused", .operation.name())]
    BreakerOpen {
        /// The operation.
        operation: Operation,
        /// How long it is paused.
        retry_after: Duration,
    },
    /// No account serves the marketplace.
    #[error("no account serves {0}")]
    NotServed(Marketplace),
    /// Amazon was asked.
    #[error("Amazon did not answer")]
    Upstream(#[source] Arc<amazon_catalog::Error>),
    /// The day is nearly spent, and what is left is kept for those who wait.
    #[error("what is left of the day is kept for callers who wait")]
    KeptForOthers {
        /// How long until there is more.
        resets_in: Duration,
    },
    /// The gateway is stopping.
    #[error("the gateway is stopping")]
    Stopping,
}

impl Dispatch {
    /// Starts a task for each account. The tasks end when the last [`Dispatch`] is dropped.
    pub fn start(accounts: Vec<Options>) -> Self {
        let by_marketplace = accounts
            .iter()
            .enumerate()
            .flat_map(|(index, account)| account.marketplaces.iter().map(move |marketplace| (*marketplace, index)))
            .collect();
        Self {
            accounts: accounts
                .into_iter()
                .map(|options| Account { upstream: Arc::clone(&options.upstream), asks: account::start(options) })
                .collect(),
            by_marketplace,
        }
    }

    /// Asks for products by their ids. Each id is told once, as soon as it is known; ids of one call arrive together.
    pub async fn items(
        &self,
        locale: Locale,
        asins: Vec<Asin>,
        terms: RequestContext,
    ) -> mpsc::UnboundedReceiver<ItemResult> {
        let (tell, told) = mpsc::unbounded_channel();
        let asked = match self.account(locale.marketplace) {
            Err(error) => Err((asins, error)),
            Ok(account) => {
                account.asks.send(ActorMessage::Items { locale, asins, terms, tell: tell.clone() }).await.or_else(
                    |back| match back.0 {
                        ActorMessage::Items { asins, .. } => Err((asins, Error::Stopping)),
                        ActorMessage::Request { .. } | ActorMessage::Report(_) | ActorMessage::Stop(_) => Ok(()),
                    },
                )
            }
        };
        if let Err((asins, error)) = asked {
            for asin in asins {
                // The receiver is in our hands still.
                let _ = tell.send(ItemResult { asin, result: Err(error.clone()), call: None });
            }
        }
        told
    }

    /// Asks anything else.
    pub async fn ask(&self, question: CatalogRequest, terms: RequestContext) -> Result<Response, Error> {
        let account = self.account(question.locale().marketplace)?;
        let (tell, told) = oneshot::channel();
        account.asks.send(ActorMessage::Request { question, terms, tell }).await.map_err(|_| Error::Stopping)?;
        told.await.map_err(|_| Error::Stopping)?
    }

    /// What the API of the account that serves the request's marketplace has no way to express in the request; `None`
    /// where it can be asked all of it, and where no account serves the marketplace.
    pub fn unsupported(&self, request: &CatalogRequest) -> Option<Unsupported> {
        self.account(request.locale().marketplace).ok()?.upstream.unsupported(request)
    }

    /// How each account does.
    pub async fn reports(&self) -> Vec<Report> {
        let mut reports = Vec::new();
        for account in &self.accounts {
            let (tell, told) = oneshot::channel();
            if account.asks.send(ActorMessage::Report(tell)).await.is_ok()
                && let Ok(report) = told.await
            {
                reports.push(report);
            }
        }
        reports
    }

    /// Ends the tasks: what waits is told that the gateway is stopping, calls under way are finished, and other replicas
    /// may have what this one leaves of the budget.
    pub async fn stop(&self) {
        for account in &self.accounts {
            let (tell, told) = oneshot::channel();
            if account.asks.send(ActorMessage::Stop(tell)).await.is_ok() {
                // It ends either way.
                let _ = told.await;
            }
        }
    }

    fn account(&self, marketplace: Marketplace) -> Result<&Account, Error> {
        self.by_marketplace
            .get(&marketplace)
            .and_then(|index| self.accounts.get(*index))
            .ok_or(Error::NotServed(marketplace))
    }
}
