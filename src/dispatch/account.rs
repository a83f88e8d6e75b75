//! The actor of one account: it decides what is sent, when, and what a failure means.
//!
//! It owns the account's budget, queue and circuit breakers; everybody else sends it messages. It never waits for a call:
//! calls run in tasks of their own and come back as [`Completed`].
//!
//! # Sending a batch
//!
//! A permit first, then one look into Redis for all keys of the batch: what another replica has answered meanwhile or is
//! fetching is taken out, and locks on the rest keep other replicas from fetching it too. A permit that is not needed is
//! given back.
//!
//! # An id that Amazon rejects without naming it
//!
//! A rejected batch is halved until the id is alone. The calls differ in their ids only, so an id that is rejected alone, while
//! ids of the same batch are answered, does not exist for Amazon. It is stored as not found, or each further batch with it
//! would be halved again. Where nothing of the batch is answered, the request and not the id may be at fault.
//!
//! # Supervision
//!
//! A panic while a message or a result is handled ends neither the task nor the account: waiters are failed, and the actor
//! goes on with a new queue and the budget as it was counted. The report says how often that happened.

use std::{
    collections::HashMap,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use futures_util::FutureExt;
use tokio::{
    sync::{Notify, mpsc, oneshot},
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};

use super::{
    Error, Failure, FetchKey, FetchState, Fetched, ItemResult, Options, Priority, Report, RequestContext, Response,
    breaker::{BreakerState, OperationBreaker},
    budget::{Booking, Budget, Permit, PermitRequest},
    pacing::PacingBucket,
    queue::{Batch, Queue, ReplyTo, Waiter},
    refresh_queue::{DueKey, REJECTED_INTERVAL, RETRY_INTERVAL, RefreshGroup},
    report::CallCounts,
    retry,
};
use amazon_catalog::{
    Asin, CatalogRequest, CatalogResponse, IDS_PER_CALL, Items, Locale, Missing, Operation, Refusal, SentNotice,
    Snapshot,
};
use prost::Message;
use stockroom_proto::pb;

static NEXT_CALL: AtomicU64 = AtomicU64::new(1);
/// To whom calls are booked that nobody waits for.
const REFRESH_CALLER: &str = "(refresh)";
/// How long stale products wait for company while at least half of the burst is in hand, and otherwise.
const REFRESH_LINGER: Duration = Duration::from_secs(60);
const MAX_REFRESH_LINGER: Duration = Duration::from_secs(300);
/// How often answers of other replicas are looked for, once for all keys. Amazon takes a second.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// How long another replica's lock is waited for. The lock itself holds as long.
pub(crate) const FETCH_LOCK_TIME: Duration = Duration::from_secs(3);
/// Equal refusals in a row after which the account pauses, and for how long: doubled with each further refusal.
const MAX_REFUSALS: u32 = 3;
const FIRST_REFUSAL_PAUSE: Duration = Duration::from_secs(5);
const MAX_REFUSAL_PAUSE: Duration = Duration::from_secs(300);
/// How long a call may connect before the next one is sent all the same: a TLS connection over an ocean. A call that waits
/// for a token takes longer, and holds nobody up.
const MAX_CONNECTING: Duration = Duration::from_millis(200);
/// By how much a request may be written later than its permit was given before the distance to the next call is counted
/// anew: more than a machine takes to run a task, less than a connection.
const MAX_WRITE_DELAY: Duration = Duration::from_millis(10);
/// How long the actor waits after a panic, so that one that repeats does not take a core.
const RESTART_PAUSE: Duration = Duration::from_millis(100);

/// What can be asked of an account's actor.
#[derive(Debug)]
pub(super) enum ActorMessage {
    Items { locale: Locale, asins: Vec<Asin>, context: RequestContext, reply: mpsc::UnboundedSender<ItemResult> },
    Request { request: CatalogRequest, context: RequestContext, reply: oneshot::Sender<Result<Response, Failure>> },
    Report(oneshot::Sender<Report>),
    Stop(oneshot::Sender<()>),
}

/// Starts the actor. It ends when every sender is gone, after the calls in flight.
pub(super) fn start(options: Options) -> mpsc::Sender<ActorMessage> {
    // Messages are taken at once; what may pile up is the queue, which has a bound of its own.
    let (messages, inbox) = mpsc::channel(64);
    // Owned by its inbox: it ends with the last handle.
    tokio::spawn(AccountActor::new(options).supervise(inbox));
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
    in_flight: JoinSet<Completed>,
    /// The look for answers of other replicas; one at a time.
    poll: JoinSet<Vec<(FetchKey, FetchState)>>,
    poll_at: Instant,
    /// No refresh before then: its permit was refused.
    refresh_not_before: Instant,
    refresh_waker: Arc<Notify>,
    /// When the requests of which calls were written.
    written: mpsc::UnboundedReceiver<(u64, Instant)>,
    written_tx: mpsc::UnboundedSender<(u64, Instant)>,
    /// The last call, and when it was sent, while it may still be connecting. Nothing is sent before its request was
    /// written: a later call on an open connection would arrive too close to it.
    connecting: Option<(u64, Instant)>,
    /// When Amazon last answered a call for items of each locale.
    items_answered_at: HashMap<Locale, Instant>,
    counts: CallCounts,
    last_error: Option<String>,
}

/// A call that has ended.
struct Completed {
    batch: Batch,
    fillers: Vec<DueKey>,
    booking: Booking,
    call: u64,
    result: Result<CatalogResponse, amazon_catalog::Error>,
    /// When it was sent, by the clock of answers.
    sent_at: SystemTime,
    /// When the request was written; `None` where it never left.
    written: Option<Instant>,
}

/// Refusals of the account, by which it pauses.
#[derive(Debug, Default)]
struct Refusals {
    in_a_row: u32,
    last: Option<Arc<amazon_catalog::Error>>,
    until: Option<Instant>,
    /// The credentials that were refused; others end the pause.
    credentials: u64,
}

impl AccountActor {
    fn new(options: Options) -> Self {
        let now = Instant::now();
        let (written_tx, written) = mpsc::unbounded_channel();
        Self {
            name: options.name.as_str().into(),
            budget: Budget::new(&options, now),
            bucket: PacingBucket::new(options.paced_calls_per_day(), now),
            refresh_waker: options.refresh_queue.subscribe(),
            options,
            queue: Queue::default(),
            breakers: HashMap::new(),
            refusals: Refusals::default(),
            in_flight: JoinSet::new(),
            poll: JoinSet::new(),
            poll_at: now,
            refresh_not_before: now,
            written,
            written_tx,
            connecting: None,
            items_answered_at: HashMap::new(),
            counts: CallCounts::default(),
            last_error: None,
        }
    }

    /// Runs the actor until it is stopped, over any panic of its own.
    async fn supervise(mut self, mut inbox: mpsc::Receiver<ActorMessage>) {
        let stopped = loop {
            match AssertUnwindSafe(self.run(&mut inbox)).catch_unwind().await {
                Ok(stopped) => break stopped,
                Err(panic) => self.restart(panic_text(&*panic)).await,
            }
        };
        drop(inbox);
        self.queue.fail_all(&Error::Stopping, |_, _| true);
        while let Some(completed) = self.in_flight.join_next().await {
            if let Ok(completed) = completed
                && AssertUnwindSafe(self.on_response(completed, false)).catch_unwind().await.is_err()
            {
                tracing::error!(account = &*self.name, "the last answer of a stopping account could not be handled");
            }
        }
        self.budget.release().await;
        // Whoever stopped it is answered when this is dropped.
        drop(stopped);
    }

    async fn restart(&mut self, text: String) {
        self.counts.restarts += 1;
        tracing::error!(
            account = &*self.name,
            panic = text,
            "the account actor panicked and goes on with an empty queue"
        );
        self.last_error = Some(format!("the account actor panicked and was restarted: {text}"));
        // Dropping what waited fails it.
        self.queue = Queue::default();
        self.poll = JoinSet::new();
        sleep(RESTART_PAUSE).await;
    }

    /// Handles messages and results until the actor is stopped. Returns whom to answer then.
    ///
    /// Cancel-safe: receiving, joining and sleeping lose nothing when another branch wins. What a branch then does may ask
    /// Redis, for no longer than the store's timeout, and is not cancelled.
    async fn run(&mut self, inbox: &mut mpsc::Receiver<ActorMessage>) -> Option<oneshot::Sender<()>> {
        loop {
            let now = Instant::now();
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
                () = sleep_until(deadline.unwrap_or(now)), if deadline.is_some() => self.queue.drop_gone(Instant::now()),
                () = sleep_until(poll.unwrap_or(now)), if poll.is_some() => self.look_for_remote_answers(),
            }
        }
    }

    fn on_message(&mut self, message: ActorMessage) {
        match message {
            ActorMessage::Items { locale, asins, context, reply } => {
                for asin in asins {
                    let waiter = Waiter { context: context.clone(), reply: ReplyTo::Item(reply.clone()) };
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

    fn join(&mut self, key: FetchKey, waiter: Waiter) {
        let now = Instant::now();
        match self.refusal(&key, &waiter.context, now) {
            Some(error) => waiter.fail(&key, &error, &super::Calls::default()),
            None => {
                // What another replica was fetching when this was asked for will do, unless it is known here.
                let known_at = self.options.answers.fetched_at(&key).unwrap_or(SystemTime::UNIX_EPOCH);
                let asked_at = self.options.clock.now() - FETCH_LOCK_TIME;
                self.queue.join(key, waiter, now, known_at.max(asked_at));
            }
        }
    }

    /// Why waiting is useless; `None` where it is not.
    fn refusal(&mut self, key: &FetchKey, context: &RequestContext, now: Instant) -> Option<Error> {
        let before = self.queue.calls_before(key, context)?;
        let wait = self.predicted_wait(before, now);
        if !self.queue.contains(key) {
            let operation = key.operation();
            if let Some(error) = self.refusals.pause(self.options.upstream.credentials_version(), now) {
                return Some(Error::Upstream(error));
            }
            if let Some(retry_after) = self.breakers.get(&operation).and_then(|breaker| breaker.open_for(now)) {
                return Some(Error::BreakerOpen { operation, retry_after });
            }
            if let Some(resets_in) = self.budget.spent_for(now) {
                return Some(self.day_spent(resets_in));
            }
            if context.priority == Priority::Bulk
                && let Some(resets_in) = self.budget.background_spent_for(now)
            {
                return Some(Error::KeptForOthers { resets_in });
            }
            if let Some(resets_in) = self.budget.caller_spent_for(&context.caller, context.daily_quota, now) {
                return Some(caller_spent(&context.caller, context.daily_quota, resets_in));
            }
            if self.queue.len() >= self.options.queue_capacity {
                return Some(Error::QueueFull { capacity: self.options.queue_capacity, wait });
            }
        }
        // One whose deadline has passed is not refused for a wait; it is never asked for.
        (context.deadline > now && now + wait > context.deadline).then_some(Error::WaitExceedsDeadline { wait })
    }

    /// How long a call with so many before it waits at most, by the rate and by what is left of the day.
    fn predicted_wait(&self, calls_before: usize, now: Instant) -> Duration {
        let before = u32::try_from(calls_before).unwrap_or(u32::MAX);
        let by_rate =
            self.budget.next(now).saturating_duration_since(now) + self.budget.own_interval().saturating_mul(before);
        by_rate.max(self.bucket.min_wait_with_overdraft(calls_before, now))
    }

    fn day_spent(&self, resets_in: Duration) -> Error {
        Error::DayBudgetSpent { account: Arc::clone(&self.name), limit: self.budget.limit(), resets_in }
    }

    /// When something may be sent: what somebody waits for, or else a refresh.
    fn next_send(&self, now: Instant) -> Option<Instant> {
        let ready = self.queue.next_ready(&self.bucket, now, |operation| self.admits(operation, now));
        let refresh = self.next_refresh(now).map(|(_, at)| at.max(self.refresh_not_before));
        [ready, refresh].into_iter().flatten().min().map(|at| {
            at.max(self.budget.next(now)).max(self.connecting.map_or(at, |(_, since)| since + MAX_CONNECTING))
        })
    }

    /// A request was written. Amazon counts it from now on.
    async fn on_written(&mut self, call: u64, written: Instant) {
        let connecting = self.connecting.take_if(|(connecting, _)| *connecting == call);
        if connecting.is_some_and(|(_, since)| written.saturating_duration_since(since) > MAX_WRITE_DELAY) {
            self.budget.written(written).await;
        }
    }

    fn admits(&self, operation: Operation, now: Instant) -> bool {
        self.breakers.get(&operation).is_none_or(|breaker| breaker.open_for(now).is_none())
    }

    async fn send_next(&mut self) {
        let now = Instant::now();
        self.queue.drop_gone(now);
        if let Some(resets_in) = self.budget.spent_for(now) {
            let error = self.day_spent(resets_in);
            self.refresh_not_before = now + resets_in.min(RETRY_INTERVAL);
            return self.queue.fail_all(&error, |_, _| true);
        }
        if let Some(resets_in) = self.budget.background_spent_for(now) {
            self.queue.fail_all(&Error::KeptForOthers { resets_in }, |_, priority| priority == Priority::Bulk);
        }
        let breakers = &self.breakers;
        let admits = |operation| breakers.get(&operation).is_none_or(|breaker| breaker.open_for(now).is_none());
        let Some((first, request)) = self.queue.next_permit(&self.bucket, now, admits) else {
            return self.send_refresh(now).await;
        };
        match self.budget.try_acquire(&request).await {
            Permit::Granted(booking) => {
                // At the same time as before, so it is the batch for which the permit was given.
                let mut batch = self.queue.take(&first, now);
                let fillers = self.add_fillers(&mut batch, &request.caller);
                self.send(batch, fillers, booking).await;
            }
            Permit::NotYet => self.refuse_hurried(),
            Permit::CallerQuotaSpent(resets_in) => {
                let error = caller_spent(&request.caller, request.daily_quota, resets_in);
                self.queue.fail_caller(&request.caller, &error);
            }
        }
    }

    /// Fails those whose deadline comes before the next call may be sent.
    fn refuse_hurried(&mut self) {
        let now = Instant::now();
        let next = self.budget.next(now);
        if next > now {
            self.queue.fail_hurried(next, &Error::WaitExceedsDeadline { wait: next - now });
        }
    }

    /// The stale keys that are worth a batch of their own, and when it may be sent.
    fn next_refresh(&self, now: Instant) -> Option<(RefreshGroup, Instant)> {
        let serves = |marketplace| self.options.marketplaces.contains(&marketplace);
        let (half_full, has_tokens_at) = (self.bucket.half_full(now), self.bucket.has_tokens_at(now));
        let groups = self.options.refresh_queue.stale(IDS_PER_CALL, serves).into_iter();
        let at = |(group, since, count): (RefreshGroup, Instant, usize)| {
            let linger = match group {
                RefreshGroup::Items(_) if count >= IDS_PER_CALL => Duration::ZERO,
                RefreshGroup::Items(_) if half_full => REFRESH_LINGER,
                RefreshGroup::Items(_) => MAX_REFRESH_LINGER,
                RefreshGroup::Requests(_) if half_full => Duration::ZERO,
                RefreshGroup::Requests(_) => REFRESH_LINGER,
            };
            (group, (since + linger).max(has_tokens_at))
        };
        groups.map(at).min_by_key(|(_, at)| *at)
    }

    /// Sends a batch that nobody waits for.
    async fn send_refresh(&mut self, now: Instant) {
        let due = self.next_refresh(now).filter(|(_, at)| *at <= now && self.refresh_not_before <= now);
        let Some((group, _)) = due else { return };
        if self.budget.background_spent_for(now).is_some()
            || self.refusals.pause(self.options.upstream.credentials_version(), now).is_some()
        {
            self.refresh_not_before = now + RETRY_INTERVAL;
            return;
        }
        let size = if matches!(group, RefreshGroup::Items(_)) { IDS_PER_CALL } else { 1 };
        let mut due = self.take_due(group, size);
        due.retain(|due| self.admits(due.key.operation(), now));
        if due.is_empty() {
            return;
        }
        let caller: Arc<str> = REFRESH_CALLER.into();
        let request =
            PermitRequest { caller: Arc::clone(&caller), daily_quota: None, is_refresh: true, has_more: false };
        let Permit::Granted(booking) = self.budget.try_acquire(&request).await else {
            self.refresh_not_before = Instant::now() + self.budget.own_interval();
            due.iter().for_each(|due| self.options.refresh_queue.mark_stale(&due.key, due.fetched_at));
            return;
        };
        let mut batch = Batch { keys: Vec::new(), attempts: 1, max_batch: IDS_PER_CALL };
        let queue = &mut self.queue;
        let added = due.into_iter().filter(|due| queue.add_filler(&mut batch, &due.key, &caller, due.fetched_at));
        let fillers = added.collect();
        self.send(batch, fillers, booking).await;
    }

    /// Gives the free places of a batch to products that are due for a refresh. A batch that was split after Amazon rejected
    /// it takes none: one of them may be what Amazon objects to.
    fn add_fillers(&mut self, batch: &mut Batch, caller: &Arc<str>) -> Vec<DueKey> {
        let Some(FetchKey::Item(locale, _)) = batch.keys.first() else { return Vec::new() };
        let free = IDS_PER_CALL.saturating_sub(batch.keys.len());
        if free == 0 || batch.max_batch < IDS_PER_CALL {
            return Vec::new();
        }
        let due = self.take_due(RefreshGroup::Items(*locale), free).into_iter();
        let queue = &mut self.queue;
        due.filter(|due| queue.add_filler(batch, &due.key, caller, due.fetched_at)).collect()
    }

    /// Takes keys that are due and have not been fetched again since they were marked.
    fn take_due(&self, group: RefreshGroup, count: usize) -> Vec<DueKey> {
        let mut due = Vec::new();
        while due.len() < count {
            let taken = self.options.refresh_queue.take(group, count - due.len());
            if taken.is_empty() {
                break;
            }
            due.extend(taken.into_iter().filter(|taken| {
                let fetched_at = self.options.answers.fetched_at(&taken.key);
                !self.queue.contains(&taken.key) && fetched_at.map_or(taken.is_stale, |at| at == taken.fetched_at)
            }));
        }
        due
    }

    /// Sends a batch that has a permit, without the keys that another replica has answered or is fetching.
    async fn send(&mut self, mut batch: Batch, fillers: Vec<DueKey>, booking: Booking) {
        let known_at = |key: &FetchKey| self.queue.known_at(key).unwrap_or(SystemTime::UNIX_EPOCH);
        let keys: Vec<(FetchKey, SystemTime)> = batch.keys.iter().map(|key| (key.clone(), known_at(key))).collect();
        let states = self.options.answers.look_up(&keys).await;
        for ((key, _), state) in keys.iter().zip(&states) {
            if *state == FetchState::Remote {
                self.queue.mark_remote(key, Instant::now() + FETCH_LOCK_TIME);
            } else if let FetchState::Answered(snapshot) = state {
                self.answer_remote(key, snapshot.as_ref());
            }
        }
        batch.keys = keys
            .into_iter()
            .zip(states)
            .filter(|(_, state)| *state == FetchState::Free)
            .map(|((key, _), _)| key)
            .collect();
        let Some(request) = batch.request() else { return self.budget.give_back(&booking).await };

        let call = NEXT_CALL.fetch_add(1, Ordering::Relaxed);
        batch.keys.iter().for_each(|key| self.queue.record_call(key, call));
        self.bucket.spend(Instant::now());
        self.counts.retries += u64::from(batch.attempts > 1);
        self.breakers.entry(request.operation()).or_default().on_send();
        let (upstream, timeout, clock) = (Arc::clone(&self.options.upstream), self.options.timeout, self.options.clock);
        let written_tx = self.written_tx.clone();
        self.connecting = Some((call, Instant::now()));
        self.in_flight.spawn(async move {
            let (sent_at, sent) = (clock.now(), SentNotice::default());
            let answer = AssertUnwindSafe(upstream.call_with_notice(&request, timeout, &sent)).catch_unwind();
            tokio::pin!(answer);
            // Cancel-safe: the call goes on where it was, and the notice is kept.
            let answer = tokio::select! {
                biased;
                answer = &mut answer => answer,
                written = sent.written() => {
                    // Without a receiver nothing more is sent.
                    let _ = written_tx.send((call, written));
                    answer.await
                }
            };
            let result = answer.unwrap_or_else(|_| {
                Err(amazon_catalog::Error::Malformed { what: "reading it panicked".to_owned(), request_id: None })
            });
            let written = sent.at();
            Completed { batch, fillers, booking, call, result, sent_at, written }
        });
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

    fn look_for_remote_answers(&mut self) {
        let now = Instant::now();
        self.poll_at = now + POLL_INTERVAL;
        self.queue.drop_gone(now);
        let mut keys = Vec::new();
        for (key, known_at, is_over) in self.queue.remote(now) {
            if is_over {
                // Whoever has the lock takes too long.
                self.queue.put_back(&key);
            } else {
                keys.push((key, known_at));
            }
        }
        if !keys.is_empty() {
            let answers = Arc::clone(&self.options.answers);
            self.poll.spawn(async move {
                let states = answers.look_up(&keys).await;
                keys.into_iter().map(|(key, _)| key).zip(states).collect()
            });
        }
    }

    fn on_poll(&mut self, found: Vec<(FetchKey, FetchState)>) {
        for (key, state) in found {
            match state {
                FetchState::Answered(snapshot) => self.answer_remote(&key, snapshot.as_ref()),
                FetchState::Free => self.queue.put_back(&key),
                FetchState::Remote => {}
            }
        }
    }

    /// Answers all who wait for a key with what another replica fetched.
    fn answer_remote(&mut self, key: &FetchKey, snapshot: Option<&Snapshot>) {
        let (waiters, calls) = self.queue.remove(key);
        for waiter in waiters {
            match snapshot {
                Some(snapshot) => waiter.answer_item(key, snapshot, &calls),
                None => waiter.answer_request(&Response::Cached),
            }
        }
    }

    async fn on_response(&mut self, completed: Completed, may_retry: bool) {
        match completed.written {
            Some(written) => self.on_written(completed.call, written).await,
            None => self.connecting = self.connecting.filter(|(call, _)| *call != completed.call),
        }
        self.account_for(&completed).await;
        let Completed { batch, fillers, result, sent_at, .. } = completed;
        let protocol = self.options.upstream.protocol();
        // An answer is as old as its call: a purge while the call was in flight is stronger, in every replica.
        let stamp = Snapshot { fetched_at: sent_at, protocol, content: Ok(bytes::Bytes::new()) };
        let locale = batch.keys.first().and_then(FetchKey::batch_locale);
        match result {
            Ok(answer) => {
                if let Some(locale) = locale {
                    self.items_answered_at.insert(locale, Instant::now());
                }
                self.answer(&batch, answer, &stamp);
            }
            Err(error) => {
                self.options.answers.release(&batch.keys);
                let pause = match &error {
                    amazon_catalog::Error::Rejected { .. } if batch.keys.len() == 1 => REJECTED_INTERVAL,
                    _ => RETRY_INTERVAL,
                };
                fillers.iter().for_each(|due| self.options.refresh_queue.defer(due, pause));
                self.retry_or_fail(&batch, error, may_retry);
            }
        }
        if let Some(locale) = locale {
            self.judge_suspects(locale, &stamp);
        }
    }

    /// Decides about the ids of a locale that Amazon rejected alone, as soon as what was rejected with them has an outcome.
    fn judge_suspects(&mut self, locale: Locale, stamp: &Snapshot) {
        let answered_at = self.items_answered_at.get(&locale).copied();
        for (key, error) in self.queue.suspects(locale) {
            let FetchKey::Item(_, asin) = key else { continue };
            if answered_at.is_some() && answered_at >= self.queue.rejected_at(&key) {
                let snapshot = Snapshot { content: Err(Missing::NotFound), ..stamp.clone() };
                self.options.answers.store_item(locale, asin, &snapshot);
                let (waiters, calls) = self.queue.remove(&key);
                waiters.into_iter().for_each(|waiter| waiter.answer_item(&key, &snapshot, &calls));
            } else if !self.queue.has_rejected_company(locale) {
                self.queue.fail(&key, &error);
            }
        }
    }

    /// Accounts for how a call ended.
    async fn account_for(&mut self, completed: &Completed) {
        let now = Instant::now();
        let Completed { batch, booking, call, result, written, .. } = completed;
        let Some(operation) = batch.keys.first().map(FetchKey::operation) else { return };
        let breaker = self.breakers.entry(operation).or_default();
        if written.is_none() {
            self.budget.give_back(booking).await;
            batch.keys.iter().for_each(|key| self.queue.forget_call(key, *call));
        }
        self.refusals.note(result.as_ref().err(), self.options.upstream.credentials_version(), now);
        match result {
            Ok(_) => {
                breaker.on_answer(now);
                self.counts.answered += 1;
            }
            Err(amazon_catalog::Error::Throttled { retry_after, .. }) => {
                breaker.on_answer(now);
                self.budget.throttled(booking, *retry_after).await;
                self.counts.throttled += 1;
                self.refuse_hurried();
            }
            Err(
                amazon_catalog::Error::Refused { .. }
                | amazon_catalog::Error::Rejected { .. }
                | amazon_catalog::Error::TokenExpired { .. },
            ) => {
                breaker.on_answer(now);
                self.counts.refused += 1;
            }
            Err(
                amazon_catalog::Error::Failed { .. }
                | amazon_catalog::Error::TimedOut { .. }
                | amazon_catalog::Error::Unreachable { .. }
                | amazon_catalog::Error::Malformed { .. },
            ) => {
                breaker.on_failure(now);
                self.counts.failed += 1;
            }
        }
        if let Err(error) = result {
            let request_id = error.request_id().unwrap_or("none");
            let operation = operation.name();
            let error = with_causes(error);
            tracing::warn!(account = &*self.name, operation, request_id, attempt = batch.attempts, %error, "call to Amazon failed");
            self.last_error = Some(format!("{operation}: {error} (request id {request_id})"));
        }
    }

    fn retry_or_fail(&mut self, batch: &Batch, error: amazon_catalog::Error, may_retry: bool) {
        let Some(operation) = batch.keys.first().map(FetchKey::operation) else { return };
        let now = Instant::now();
        let rejected_together = matches!(error, amazon_catalog::Error::Rejected { .. }) && batch.keys.len() > 1;
        let breaker = self.breakers.get(&operation);
        let pause = breaker.filter(|breaker| matches!(breaker.state(), BreakerState::Open { .. }));
        let pause = pause.and_then(|breaker| breaker.open_for(now));
        let cause = Error::Upstream(Arc::new(error.clone()));
        for key in &batch.keys {
            let attempts = self.queue.attempts(key).unwrap_or(batch.attempts);
            if may_retry && rejected_together {
                let (waiters, calls) = self.queue.split(key, batch.keys.len() / 2, &cause);
                waiters.into_iter().for_each(|waiter| waiter.fail(key, &cause, &calls));
            } else if may_retry && error.may_be_about_an_item_id() && self.queue.rejected_at(key).is_some() {
                self.queue.mark_suspect(key, &cause);
            } else if may_retry && retry::is_worthwhile(&error, attempts) && pause.is_none() {
                let not_before = (now + retry::backoff(attempts)).max(self.budget.next(now));
                let (waiters, calls) = self.queue.requeue(key, not_before, &cause);
                waiters.into_iter().for_each(|waiter| waiter.fail(key, &cause, &calls));
            } else {
                self.queue.fail(key, &cause);
            }
        }
        if let Some(retry_after) = pause {
            self.queue.fail_all(&Error::BreakerOpen { operation, retry_after }, |key, _| key.operation() == operation);
        }
    }

    /// Stores an answer, then answers all who wait for it.
    fn answer(&mut self, batch: &Batch, answer: CatalogResponse, stamp: &Snapshot) {
        let answers = Arc::clone(&self.options.answers);
        match (batch.request(), answer) {
            (Some(CatalogRequest::Items(asked)), CatalogResponse::Items(items)) => {
                let mut outcomes = item_outcomes(items);
                for asin in asked.asins {
                    let key = FetchKey::Item(asked.locale, asin);
                    match outcomes.remove(&asin) {
                        Some(ItemOutcome::Known(content)) => {
                            let snapshot = Snapshot { content, ..stamp.clone() };
                            answers.store_item(asked.locale, asin, &snapshot);
                            let (waiters, calls) = self.queue.remove(&key);
                            waiters.into_iter().for_each(|waiter| waiter.answer_item(&key, &snapshot, &calls));
                        }
                        Some(ItemOutcome::Unprocessed) => {
                            answers.release(std::slice::from_ref(&key));
                            let (waiters, calls) = self.queue.split(&key, batch.keys.len(), &unanswered());
                            waiters.into_iter().for_each(|waiter| waiter.fail(&key, &unanswered(), &calls));
                        }
                        // A failure is no absence, so it is not stored.
                        Some(ItemOutcome::Failed(error)) => {
                            answers.release(std::slice::from_ref(&key));
                            self.queue.fail(&key, &Error::Upstream(Arc::new(error)));
                        }
                        None => self.queue.fail(&key, &unanswered()),
                    }
                }
            }
            (Some(request), answer) => {
                answers.store_response(&request, &answer, stamp);
                let (waiters, calls) = self.queue.remove(&FetchKey::Request(request));
                let fetched = Fetched { answer: Arc::new(answer), stamp: stamp.clone(), calls };
                waiters.into_iter().for_each(|waiter| waiter.answer_request(&Response::Fetched(fetched.clone())));
            }
            (None, _) => {}
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
            next_release_in: self.budget.next_release_in(now),
            callers: self.budget.by_caller(now),
            queue_length: self.queue.len(),
            queue_capacity: self.options.queue_capacity,
            predicted_wait: self.predicted_wait(self.queue.calls(), now),
            breakers,
            counts: self.counts,
            last_error: self.last_error.clone(),
        }
    }
}

/// What became of one id of a call.
enum ItemOutcome {
    /// A product, or an absence by Amazon's word.
    Known(Result<bytes::Bytes, Missing>),
    /// Amazon failed to answer this id.
    Failed(amazon_catalog::Error),
    /// Amazon rejected the call because of another id.
    Unprocessed,
}

fn item_outcomes(items: Items) -> HashMap<Asin, ItemOutcome> {
    let known = |product: &pb::Product| {
        Some((Items::asin_of(product)?, ItemOutcome::Known(Ok(product.encode_to_vec().into()))))
    };
    let found = items.products.iter().filter_map(known);
    let missing = items.missing.into_iter().map(|(asin, why)| (asin, ItemOutcome::Known(Err(why))));
    let failed = items.failed.into_iter().map(|(asin, error)| (asin, ItemOutcome::Failed(error)));
    let unprocessed = items.unprocessed.into_iter().map(|asin| (asin, ItemOutcome::Unprocessed));
    missing.chain(failed).chain(unprocessed).chain(found).collect()
}

fn unanswered() -> Error {
    let what = "neither a product nor an error for this id".to_owned();
    Error::Upstream(Arc::new(amazon_catalog::Error::Malformed { what, request_id: None }))
}

impl Refusals {
    /// The refusal for which the account pauses; `None` where it does not.
    fn pause(&self, credentials: u64, now: Instant) -> Option<Arc<amazon_catalog::Error>> {
        let is_paused = self.credentials == credentials && self.until.is_some_and(|until| until > now);
        self.last.clone().filter(|_| is_paused)
    }

    /// Takes note of how a call ended.
    fn note(&mut self, error: Option<&amazon_catalog::Error>, credentials: u64, now: Instant) {
        match error {
            // A partner tag is one marketplace's, and the account serves others.
            Some(amazon_catalog::Error::Refused { refusal: Refusal::BadPartnerTag, .. }) => {}
            Some(error @ amazon_catalog::Error::Refused { refusal, .. }) => {
                let is_same = |last: &amazon_catalog::Error| matches!(last, amazon_catalog::Error::Refused { refusal: before, .. } if before == refusal);
                let is_next = self.credentials == credentials && self.last.as_deref().is_some_and(is_same);
                self.in_a_row = if is_next { self.in_a_row + 1 } else { 1 };
                self.credentials = credentials;
                self.last = Some(Arc::new(error.clone()));
                let doublings = self.in_a_row.checked_sub(MAX_REFUSALS);
                let pause =
                    doublings.map(|n| FIRST_REFUSAL_PAUSE.saturating_mul(1 << n.min(10)).min(MAX_REFUSAL_PAUSE));
                self.until = pause.map(|pause| now + pause);
            }
            Some(_) => {}
            None => *self = Self::default(),
        }
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}

fn caller_spent(caller: &Arc<str>, quota: Option<u32>, resets_in: Duration) -> Error {
    Error::CallerShareSpent { caller: Arc::clone(caller), share: quota.unwrap_or_default(), resets_in }
}

/// An error with all its causes.
fn with_causes(error: &amazon_catalog::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
