//! The actor of one account: it owns the account's budget, queue and circuit breakers, and decides what is sent and when.
//!
//! Everybody else sends it messages. It never waits for a call: calls run in tasks of their own and come back as
//! [`Completed`]. `admission` decides whether a request may wait, `sending` what is sent next, `completion` what an answer or
//! a failure means, `remote` follows what other replicas fetch, and `supervision` keeps the actor running over its own defects.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{
    sync::{Notify, mpsc, oneshot, watch},
    task::JoinSet,
    time::{Instant, sleep_until},
};

use self::refusals::Refusals;
use super::{
    Error, FetchKey, FetchState, ItemResult, Options, Report, RequestContext, RequestFailure, Response,
    batch::Batch,
    breaker::OperationBreaker,
    budget::{Booking, Budget, Part},
    call_time::CallTime,
    pacing::PacingBucket,
    queue::Queue,
    refresh_queue::DueKey,
    report::CallCounts,
    state_log::StateLog,
    waiter::{ReplyTo, Waiter},
};
use amazon_catalog::{Asin, CatalogRequest, CatalogResponse, Locale, Operation};

mod admission;
mod completion;
mod refusals;
mod remote;
mod sending;
mod span;
mod supervision;

pub(crate) use self::remote::FETCH_LOCK_TIME;
pub use self::supervision::AccountHealth;
pub(super) use self::supervision::FIRST_PAUSE;

/// What can be asked of an account's actor.
#[derive(Debug)]
pub(super) enum ActorMessage {
    Items {
        locale: Locale,
        asins: Vec<Asin>,
        context: RequestContext,
        reply: mpsc::UnboundedSender<ItemResult>,
    },
    Request {
        request: CatalogRequest,
        context: RequestContext,
        reply: oneshot::Sender<Result<Response, RequestFailure>>,
    },
    Report(oneshot::Sender<Report>),
    Stop(oneshot::Sender<()>),
}

/// Starts the actor. It ends when every sender is gone, after the calls in flight.
pub(super) fn start(options: Options, health: watch::Sender<AccountHealth>) -> mpsc::Sender<ActorMessage> {
    // Messages are taken at once; what may pile up is the queue, which has a bound of its own.
    let (messages, inbox) = mpsc::channel(64);
    // Owned by its inbox: it ends with the last handle.
    tokio::spawn(AccountActor::new(options).supervise(inbox, health));
    messages
}

struct AccountActor {
    name: Arc<str>,
    options: Options,
    budget: Budget,
    bucket: PacingBucket,
    queue: Queue,
    breakers: HashMap<Operation, OperationBreaker>,
    refusals: Refusals,
    call_time: CallTime,
    in_flight: JoinSet<Completed>,
    /// The look for answers of other replicas; one at a time.
    poll: JoinSet<Vec<(FetchKey, FetchState)>>,
    poll_at: Instant,
    /// No refresh before then: its permit was refused, the day is spent or the account pauses.
    refresh_not_before: Instant,
    refresh_waker: Arc<Notify>,
    /// When the requests of which calls were written.
    written: mpsc::UnboundedReceiver<(u64, Instant)>,
    written_tx: mpsc::UnboundedSender<(u64, Instant)>,
    /// The last call, and when it was permitted, while it may still be connecting. For a while nothing is sent before its
    /// request was written: a later call on an open connection would arrive too close to it.
    connecting: Option<(u64, Instant)>,
    counts: CallCounts,
    last_error: Option<String>,
    /// How long everything is refused after a panic; `None` while the actor runs.
    paused_until: Option<Instant>,
    state_log: StateLog,
}

/// A call that has ended.
struct Completed {
    batch: Batch,
    fillers: Vec<DueKey>,
    booking: Booking,
    call: u64,
    /// The version of the credentials that it was made with.
    credentials: u64,
    result: Result<CatalogResponse, amazon_catalog::Error>,
    /// When it was sent, by the clock of answers.
    sent_at: SystemTime,
    /// How long it took.
    took: Duration,
    /// When the request was written; `None` where it never left.
    written: Option<Instant>,
}

impl AccountActor {
    fn new(options: Options) -> Self {
        let now = Instant::now();
        let (written_tx, written) = mpsc::unbounded_channel();
        let name: Arc<str> = options.name.as_str().into();
        Self {
            state_log: StateLog::new(&name),
            name,
            budget: Budget::new(&options, now),
            bucket: PacingBucket::new(Part::new(&options).of(options.calls_per_day), now),
            refresh_waker: options.refresh_queue.subscribe(),
            options,
            queue: Queue::default(),
            breakers: HashMap::new(),
            refusals: Refusals::default(),
            call_time: CallTime::default(),
            in_flight: JoinSet::new(),
            poll: JoinSet::new(),
            poll_at: now,
            refresh_not_before: now,
            written,
            written_tx,
            connecting: None,
            counts: CallCounts::default(),
            last_error: None,
            paused_until: None,
        }
    }

    /// Handles messages and results until the actor is stopped. Returns whom to answer then.
    ///
    /// Cancel-safe: receiving, joining and sleeping lose nothing when another branch wins. What a branch then does may ask
    /// Redis, for no longer than the store's timeout, and is not cancelled.
    async fn run(&mut self, inbox: &mut mpsc::Receiver<ActorMessage>) -> Option<oneshot::Sender<()>> {
        loop {
            self.judge_suspects();
            let now = Instant::now();
            self.state_log.observe(&self.breakers, &mut self.budget, now);
            let next = self.next_send(now);
            let sync = self.budget.sync_at();
            let deadline = self.queue.next_deadline();
            let poll = (self.poll.is_empty() && self.queue.has_remote()).then_some(self.poll_at);
            tokio::select! {
                message = inbox.recv() => match message {
                    Some(ActorMessage::Stop(reply)) => return Some(reply),
                    Some(message) => self.on_message(message),
                    None => return None,
                },
                Some(completed) = self.in_flight.join_next() => {
                    // The task of a call catches its own panics.
                    if let Ok(completed) = completed {
                        self.on_response(completed, true).await;
                    }
                }
                Some(found) = self.poll.join_next() => self.on_poll(found.unwrap_or_default()),
                Some((call, written)) = self.written.recv() => self.on_written(call, written).await,
                () = self.refresh_waker.notified() => {}
                () = sleep_until(next.unwrap_or(now)), if next.is_some() => self.send_next().await,
                () = sleep_until(sync.unwrap_or(now)), if sync.is_some() => self.sync().await,
                () = sleep_until(deadline.unwrap_or(now)), if deadline.is_some() => self.queue.end_overdue(Instant::now()),
                () = sleep_until(poll.unwrap_or(now)), if poll.is_some() => self.look_for_remote_answers(),
            }
        }
    }

    fn on_message(&mut self, message: ActorMessage) {
        match message {
            ActorMessage::Items { locale, asins, context, reply } => {
                for asin in asins {
                    let waiter = Waiter { context: context.clone(), reply: ReplyTo::Item(asin, reply.clone()) };
                    self.join(FetchKey::Item(locale, asin), waiter);
                }
            }
            ActorMessage::Request { request, context, reply } => {
                self.join(FetchKey::Request(request), Waiter { context, reply: ReplyTo::Request(reply) });
            }
            // Whoever asked may have gone.
            ActorMessage::Report(reply) => drop(reply.send(self.report())),
            // Ends the loop, and is not for here.
            ActorMessage::Stop(_) => {}
        }
    }

    /// Exchanges counters with the other replicas. What they spent paces this replica, too.
    async fn sync(&mut self) {
        for _ in 0..self.budget.sync().await {
            self.bucket.spend(Instant::now());
        }
        if self.budget.offline_since().is_some() {
            self.refuse_hurried();
        }
    }

    fn report(&mut self) -> Report {
        let now = Instant::now();
        let state =
            |(operation, breaker): (&Operation, &OperationBreaker)| (*operation, breaker.state(), breaker.calls());
        let mut breakers: Vec<_> = self.breakers.iter().map(state).collect();
        breakers.sort_by_key(|(operation, ..)| *operation);
        Report {
            name: Arc::clone(&self.name),
            protocol: self.options.upstream.protocol(),
            marketplaces: self.options.marketplaces.clone(),
            calls_per_second: self.options.calls_per_second,
            current_calls_per_second: self.budget.rate(),
            day_limit: self.budget.limit(),
            day_spent: self.budget.spent(now),
            offline_since: self.budget.offline_since(),
            offline_calls_left: self.budget.offline_calls_left(),
            next_release_in: self.budget.next_release_in(now),
            callers: self.budget.by_caller(now),
            queue_length: self.queue.len(),
            queue_capacity: self.options.queue_capacity,
            predicted_wait: self.predicted_wait(self.queue.calls(), now),
            breakers,
            counts: self.counts,
            paused_for: self.paused_until.map(|until| until.saturating_duration_since(now)),
            last_error: self.last_error.clone(),
        }
    }
}

impl ActorMessage {
    /// Refuses whoever waits for it.
    pub(super) fn refuse(self, error: &Error) {
        // Whoever asked may have gone.
        match self {
            Self::Items { asins, reply, .. } => {
                let failed = |asin| ItemResult { asin, result: Err(error.clone()), calls: <_>::default() };
                asins.into_iter().for_each(|asin| drop(reply.send(failed(asin))));
            }
            Self::Request { reply, .. } => drop(reply.send(Err(error.clone().into()))),
            // Whoever waits for a report or for the end learns it from the end of the channel.
            Self::Report(_) | Self::Stop(_) => {}
        }
    }
}
