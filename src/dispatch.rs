//! The only way to Amazon: one actor for each account decides what is sent, when, and on whose behalf.
//!
//! Each account has one task, its actor, that owns the account's budget, queue and circuit breakers. Everybody else sends
//! it messages over a bounded channel. The queue is the batch: ids that wait for their turn share one call, ten at most, and
//! an id that is already being fetched is never asked for again. A call that was sent is finished and its answer stored,
//! whoever still waits for it. Free places of a batch carry refreshes of cached answers.
//!
//! Nothing here stores an answer: an [`AnswerSink`] does.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use futures_util::future::BoxFuture;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};

use crate::{
    clock::Clock,
    store::Store,
    telemetry::{TraceContext, Tracer},
};
use amazon_catalog::{
    Asin, CatalogRequest, CatalogResponse, Locale, Marketplace, Operation, Snapshot, Unsupported, Upstream,
};

use self::account::{ActorMessage, FIRST_PAUSE};
pub use self::{account::AccountHealth, breaker::BreakerState, refresh_queue::RefreshQueue, report::Report};
pub(crate) use self::{account::FETCH_LOCK_TIME, budget::replicas_with_lease};

mod account;
mod batch;
mod breaker;
mod budget;
mod call_time;
mod fair_queue;
mod pacing;
mod queue;
mod refresh_queue;
mod report;
mod retry;
mod state_log;
#[cfg(test)]
mod tests;
mod waiter;

/// The accounts, each with its actor.
#[derive(Debug)]
pub struct Dispatch {
    accounts: Vec<AccountHandle>,
    by_marketplace: HashMap<Marketplace, usize>,
    refresh_queue: Arc<RefreshQueue>,
    health: watch::Receiver<AccountHealth>,
}

#[derive(Debug)]
struct AccountHandle {
    upstream: Arc<dyn Upstream>,
    messages: mpsc::Sender<ActorMessage>,
}

/// One account and what it may do.
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
    /// How many ids and other requests may wait.
    pub queue_capacity: usize,
    /// Amazon's API with the account's credentials.
    pub upstream: Arc<dyn Upstream>,
    /// Where answers are stored.
    pub answers: Arc<dyn AnswerSink>,
    /// The keys that are due for a refresh; the same for all accounts.
    pub refresh_queue: Arc<RefreshQueue>,
    /// The clock that stamps answers and counts the account's day.
    pub clock: Clock,
    /// With which other replicas.
    pub sharing: Sharing,
    /// Records the spans of calls.
    pub tracer: Tracer,
}

/// How replicas share an account. By default there is one.
#[derive(Clone, Debug)]
pub struct Sharing {
    /// The Redis through which all replicas share the account; `None`: there is none.
    pub store: Option<Store>,
    /// How many replicas may call without Redis; at least one. Must be the same for all of them.
    pub replicas: u32,
    /// Which of them this is, from 0: without Redis the calls that do not divide evenly are the first ones'.
    pub replica_index: Option<u32>,
}

impl Default for Sharing {
    fn default() -> Self {
        Self { store: None, replicas: 1, replica_index: None }
    }
}

/// What can be fetched: one product, or the answer to any other request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FetchKey {
    /// A product.
    Item(Locale, Asin),
    /// Anything else.
    Request(CatalogRequest),
}

/// Stores what is fetched, and knows what other replicas have stored. Only [`look_up`](Self::look_up) may wait; the actors
/// call the rest between two messages.
pub trait AnswerSink: fmt::Debug + Send + Sync {
    /// Stores what Amazon said of a product, before anybody who waits for it is answered. Its time is that at which the
    /// call was sent, so a purge since then is stronger.
    fn store_item(&self, locale: Locale, asin: Asin, snapshot: &Snapshot);

    /// Stores the answer to any other request; the content of the stamp is empty.
    fn store_response(&self, request: &CatalogRequest, response: &CatalogResponse, stamp: &Snapshot);

    /// Looks up once, for all keys of a batch, what other replicas do about them, and locks those that are free. Each key
    /// comes with the time of the youngest answer that is known for it. Whatever ails Redis, all are free.
    fn look_up<'a>(&'a self, keys: &'a [(FetchKey, SystemTime)]) -> BoxFuture<'a, Vec<FetchState>>;

    /// Gives up the locks on keys whose fetch failed, so that other replicas may try.
    fn release(&self, keys: &[FetchKey]);

    /// When the answer in this process's memory was fetched; `None` where there is none.
    fn fetched_at(&self, key: &FetchKey) -> Option<SystemTime>;
}

/// What other replicas do about a key.
#[derive(Clone, Debug, PartialEq)]
pub enum FetchState {
    /// Nobody fetches it; it is locked for this process.
    Free,
    /// Another replica is fetching it.
    Remote,
    /// Another replica has fetched it, and it is in this process's memory now: the product, or `None` for the answer to
    /// another request.
    Answered(Option<Snapshot>),
}

/// How urgent a request is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Somebody waits for the answer.
    #[default]
    Interactive,
    /// The caller can wait.
    Bulk,
}

/// On whose behalf something is fetched, and how long the caller can wait.
#[derive(Clone, Debug)]
pub struct RequestContext {
    /// The caller.
    pub caller: Arc<str>,
    /// The calls a day that the caller may cause; `None`: no quota of its own.
    pub daily_quota: Option<u32>,
    /// The caller's weight among callers; 1 where nothing else is configured.
    pub weight: f64,
    /// How urgent it is.
    pub priority: Priority,
    /// When an answer is of no use any more.
    pub deadline: Instant,
    /// Cancelled when the caller has gone. What has not been sent by then is not sent.
    pub abandoned: CancelFlag,
    /// The span of the caller's call; `None` where no trace is known.
    pub trace: Option<TraceContext>,
}

impl RequestContext {
    /// An interactive request without a quota of its own, of a caller with the usual weight.
    pub fn new(caller: impl Into<Arc<str>>, deadline: Instant) -> Self {
        Self {
            caller: caller.into(),
            daily_quota: None,
            weight: 1.0,
            priority: Priority::Interactive,
            deadline,
            abandoned: CancelFlag::default(),
            trace: None,
        }
    }
}

/// Says that nobody waits any more. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct CancelFlag(Arc<AtomicBool>);

/// Sets a [`CancelFlag`] when it is dropped.
#[derive(Debug)]
pub struct CancelGuard(CancelFlag);

impl CancelFlag {
    /// Sets it, for good.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Sets it at the end of the guard.
    pub fn drop_guard(self) -> CancelGuard {
        CancelGuard(self)
    }

    /// Whether it is set.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for CancelGuard {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// What became of one id.
#[derive(Clone, Debug)]
pub struct ItemResult {
    /// The id.
    pub asin: Asin,
    /// What Amazon said of it.
    pub result: Result<Snapshot, Error>,
    /// The calls that were made for it by this process. A snapshot without calls was fetched by another replica.
    pub calls: Calls,
}

/// The answer to any other request.
#[derive(Clone, Debug)]
pub enum Response {
    /// It was fetched by this process.
    Fetched(Fetched),
    /// It was fetched by another replica, and is in the cache now.
    Cached,
}

/// An answer that this process fetched.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The answer.
    pub answer: Arc<CatalogResponse>,
    /// When and by which API it was given; the content is empty.
    pub stamp: Snapshot,
    /// The calls that were made for it.
    pub calls: Calls,
}

/// Why a request was not answered, and what it cost all the same.
#[derive(Clone, Debug)]
pub struct RequestFailure {
    /// Why.
    pub error: Error,
    /// The calls that were made for it.
    pub calls: Calls,
}

/// Calls to Amazon, each attempt by an id that is unique in this process, for counting what a request cost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calls(Option<Arc<[u64]>>);

impl Calls {
    /// The calls with these ids.
    pub(crate) fn from_ids(ids: &[u64]) -> Self {
        Self((!ids.is_empty()).then(|| ids.into()))
    }

    /// The ids.
    pub fn ids(&self) -> &[u64] {
        self.0.as_deref().unwrap_or_default()
    }

    /// Whether no call was made.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }
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
    /// Others are before it, and its answer would come too late.
    #[error("the answer would come in {} ms, after the deadline", .wait.as_millis())]
    WaitExceedsDeadline {
        /// The predicted wait for the answer.
        wait: Duration,
    },
    /// The deadline came first.
    #[error("the deadline came before Amazon's answer")]
    DeadlineExceeded,
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
    /// A defect of the gateway ended what the account was doing. It goes on in a moment.
    #[error("the account is being restarted after a defect of the gateway")]
    Restarting {
        /// How long that takes.
        retry_after: Duration,
    },
    /// The gateway is stopping.
    #[error("the gateway is stopping")]
    Stopping,
}

impl Error {
    /// The error of what ended without an answer: the actor that was to give it met a defect.
    pub(crate) fn lost() -> Self {
        Self::Restarting { retry_after: FIRST_PAUSE }
    }
}

impl From<Error> for RequestFailure {
    fn from(error: Error) -> Self {
        Self { error, calls: Calls::default() }
    }
}

impl Dispatch {
    /// Starts an actor for each account. The actors end when the last [`Dispatch`] is dropped.
    pub fn start(accounts: Vec<Options>) -> Self {
        let by_marketplace = accounts
            .iter()
            .enumerate()
            .flat_map(|(index, account)| account.marketplaces.iter().map(move |marketplace| (*marketplace, index)))
            .collect();
        let (health_tx, health) = watch::channel(AccountHealth::new(accounts.len()));
        let refresh_queue = accounts.first().map(|account| Arc::clone(&account.refresh_queue)).unwrap_or_default();
        Self {
            accounts: accounts
                .into_iter()
                .map(|options| AccountHandle {
                    upstream: Arc::clone(&options.upstream),
                    messages: account::start(options, health_tx.clone()),
                })
                .collect(),
            by_marketplace,
            refresh_queue,
            health,
        }
    }

    /// Fetches products by their ids. Sends each id's result once, as soon as it is known, and by the deadline at the latest;
    /// the channel ends after the last. Where it ends before, the rest is lost. Dropping the receiver abandons
    /// nothing that was sent.
    pub async fn fetch_items(
        &self,
        locale: Locale,
        asins: Vec<Asin>,
        context: RequestContext,
    ) -> mpsc::UnboundedReceiver<ItemResult> {
        let (reply, results) = mpsc::unbounded_channel();
        let message = ActorMessage::Items { locale, asins, context, reply };
        match self.account(locale.marketplace) {
            Err(error) => message.refuse(&error),
            Ok(account) => {
                if let Err(unsent) = account.messages.send(message).await {
                    unsent.0.refuse(&Error::Stopping);
                }
            }
        }
        results
    }

    /// Fetches the answer to any other request. Dropping the future abandons nothing that was sent.
    pub async fn fetch(&self, request: CatalogRequest, context: RequestContext) -> Result<Response, RequestFailure> {
        let account = self.account(request.locale().marketplace)?;
        let (reply, response) = oneshot::channel();
        let message = ActorMessage::Request { request, context, reply };
        account.messages.send(message).await.map_err(|_| Error::Stopping)?;
        response.await.map_err(|_| Error::lost())?
    }

    /// Marks a cached answer that was read past its freshness. It is refreshed as the budget allows.
    pub fn mark_stale(&self, key: &FetchKey, fetched_at: SystemTime) {
        self.refresh_queue.mark_stale(key, fetched_at);
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
            let (reply, report) = oneshot::channel();
            if account.messages.send(ActorMessage::Report(reply)).await.is_ok()
                && let Ok(report) = report.await
            {
                reports.push(report);
            }
        }
        reports
    }

    /// Which accounts refuse everything because their actor panicked, as it changes.
    pub fn health(&self) -> watch::Receiver<AccountHealth> {
        self.health.clone()
    }

    /// Ends the actors: what waits is refused at once, calls in flight are finished, stored and answered, and other replicas
    /// have what this one leaves of the budget.
    pub async fn stop(&self) {
        let stops = self.accounts.iter().map(async |account| {
            let (reply, stopped) = oneshot::channel();
            if account.messages.send(ActorMessage::Stop(reply)).await.is_ok() {
                // It ends either way.
                let _ = stopped.await;
            }
        });
        futures_util::future::join_all(stops).await;
    }

    fn account(&self, marketplace: Marketplace) -> Result<&AccountHandle, Error> {
        self.by_marketplace
            .get(&marketplace)
            .and_then(|index| self.accounts.get(*index))
            .ok_or(Error::NotServed(marketplace))
    }
}
