//! The task that keeps one account: it decides what leaves, when, and what a failure means.

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
use prost::Message;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{Instant, sleep_until},
};

use super::{
    Call, Error, ItemResult, Options, Priority, Report, RequestContext, Response,
    allowance::{Allowance, Permit},
    breaker::OperationBreaker,
    pacing::PacingBucket,
    queue::{Batch, PendingKey, Queue, ReplyTo, Waiter},
    report::CallCounts,
    retry,
};
use amazon_catalog::{
    Asin, CatalogRequest, CatalogResponse, IDS_PER_CALL, Items, Locale, Missing, Operation, Snapshot,
};

static NEXT_CALL: AtomicU64 = AtomicU64::new(1);

/// What can be asked of an account's task.
#[derive(Debug)]
pub(crate) enum ActorMessage {
    Items { locale: Locale, asins: Vec<Asin>, terms: RequestContext, tell: mpsc::UnboundedSender<ItemResult> },
    Request { question: CatalogRequest, terms: RequestContext, tell: oneshot::Sender<Result<Response, Error>> },
    Report(oneshot::Sender<Report>),
    Stop(oneshot::Sender<()>),
}

/// Starts the task. It ends when every sender is gone, and lets the calls under way finish first.
pub(crate) fn start(options: Options) -> mpsc::Sender<ActorMessage> {
    // Asks are taken off at once; what may pile up is the queue, and that has its own bound.
    let (asks, inbox) = mpsc::channel(64);
    // Owned by its inbox: it ends with the last handle.
    tokio::spawn(AccountActor::new(options).run(inbox));
    asks
}

struct AccountActor {
    name: Arc<str>,
    options: Options,
    allowance: Allowance,
    bucket: PacingBucket,
    queue: Queue,
    breakers: HashMap<Operation, OperationBreaker>,
    under_way: JoinSet<Completed>,
    /// The calls that other replicas made in the last second.
    others: usize,
    counts: CallCounts,
    last_error: Option<String>,
}

struct Completed {
    job: Batch,
    result: Result<CatalogResponse, amazon_catalog::Error>,
    at: SystemTime,
}

impl AccountActor {
    fn new(options: Options) -> Self {
        Self {
            name: options.name.as_str().into(),
            allowance: Allowance::new(&options, Instant::now()),
            bucket: PacingBucket::new(options.calls_per_day, Instant::now()),
            options,
            queue: Queue::default(),
            breakers: HashMap::new(),
            under_way: JoinSet::new(),
            others: 0,
            counts: CallCounts::default(),
            last_error: None,
        }
    }

    /// Cancel-safe: receiving, joining and sleeping lose nothing when another branch wins. What a branch then does may
    /// ask Redis, for no longer than its bound, and is not cancelled.
    async fn run(mut self, mut inbox: mpsc::Receiver<ActorMessage>) {
        let stopped = loop {
            let now = Instant::now();
            let ready = self.queue.next_ready(&self.bucket, now);
            let next = ready.map(|ready| ready.max(self.allowance.next(now)));
            let tick = self.allowance.tick_at();
            tokio::select! {
                ask = inbox.recv() => match ask {
                    Some(ActorMessage::Stop(tell)) => break Some(tell),
                    Some(ask) => self.accept(ask),
                    None => break None,
                },
                Some(landed) = self.under_way.join_next() => {
                    // A call's task catches its own panics, so it always lands.
                    if let Ok(landed) = landed {
                        self.land(landed).await;
                    }
                }
                () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => self.depart().await,
                () = sleep_until(tick.unwrap_or(now)), if tick.is_some() => self.tick().await,
            }
        };
        drop(inbox);
        while self.under_way.join_next().await.is_some() {}
        self.allowance.leave().await;
        // Whoever asked is told by the end of it.
        drop(stopped);
    }

    fn accept(&mut self, ask: ActorMessage) {
        match ask {
            ActorMessage::Items { locale, asins, terms, tell } => {
                for asin in asins {
                    self.join(
                        PendingKey::Item(locale, asin),
                        Waiter { terms: terms.clone(), tell: ReplyTo::Item(asin, tell.clone()) },
                    );
                }
            }
            ActorMessage::Request { question, terms, tell } => {
                self.join(PendingKey::Request(question), Waiter { terms, tell: ReplyTo::Request(tell) });
            }
            ActorMessage::Report(tell) => {
                let report = self.report();
                // Whoever asked may have gone.
                let _ = tell.send(report);
            }
            // Ends the loop, and is not for here.
            ActorMessage::Stop(_) => {}
        }
    }

    fn join(&mut self, key: PendingKey, waiter: Waiter) {
        let now = Instant::now();
        match self.refusal(&key, &waiter.terms, now) {
            Some(error) => waiter.fail(&error, None),
            None => self.queue.join(key, waiter, now),
        }
    }

    /// Why it is useless to wait; `None` where it is not.
    fn refusal(&mut self, key: &PendingKey, terms: &RequestContext, now: Instant) -> Option<Error> {
        let before = self.queue.calls_before(key, terms)?;
        let wait = self.wait(before, now);
        if !self.queue.knows(key) {
            let operation = key.operation();
            if let Some(retry_after) = self.breakers.get(&operation).and_then(|breaker| breaker.closed_for(now)) {
                return Some(Error::BreakerOpen { operation, retry_after });
            }
            if let Some(resets_in) = self.allowance.spent_for(now) {
                return Some(self.day_spent(resets_in));
            }
            if terms.priority != Priority::Interactive
                && let Some(resets_in) = self.allowance.background_spent_for(now)
            {
                return Some(Error::KeptForOthers { resets_in });
            }
            if let Some(share) = terms.daily_quota
                && let Some(resets_in) = self.allowance.share_spent_for(&terms.caller, share, now)
            {
                return Some(Error::CallerShareSpent { caller: Arc::clone(&terms.caller), share, resets_in });
            }
            if self.queue.len() >= self.options.queue_capacity {
                return Some(Error::QueueFull { capacity: self.options.queue_capacity, wait });
            }
        }
        // One whose time is up already is not refused for a wait; it is never asked for.
        (terms.deadline > now && now + wait > terms.deadline).then_some(Error::WaitExceedsDeadline { wait })
    }

    /// How long a call with so many before it waits at most, by the pace and by what is left of the day.
    fn wait(&self, calls_before: usize, now: Instant) -> Duration {
        let before = u32::try_from(calls_before).unwrap_or(u32::MAX);
        let paced =
            self.allowance.next(now).saturating_duration_since(now) + self.our_interval().saturating_mul(before);
        paced.max(self.bucket.hurried_wait(calls_before, now))
    }

    /// The time between two calls of this replica, as others take their part of the pace: an even one at most.
    fn our_interval(&self) -> Duration {
        let interval = self.allowance.interval();
        let left = 1.0 - self.others as f64 * interval.as_secs_f64();
        interval.div_f64(left.max(1.0 / f64::from(self.options.replicas.max(1))))
    }

    fn day_spent(&self, resets_in: Duration) -> Error {
        Error::DayBudgetSpent { account: Arc::clone(&self.name), limit: self.allowance.limit(), resets_in }
    }

    async fn depart(&mut self) {
        let now = Instant::now();
        if let Some(resets_in) = self.allowance.spent_for(now) {
            let error = self.day_spent(resets_in);
            return self.give_up(&error, |_, _| true);
        }
        if let Some(resets_in) = self.allowance.background_spent_for(now) {
            self.give_up(&Error::KeptForOthers { resets_in }, |_, priority| priority != Priority::Interactive);
        }
        let Some(caller) = self.queue.next_caller(&self.bucket, now) else { return };
        if self.allowance.take(&caller).await == Permit::NotYet {
            return;
        }
        // At the same time as before, so it is the call that leave was given for.
        let Some(mut job) = self.queue.take(&self.bucket, now) else { return };
        self.fill_seats(&mut job, now);
        self.bucket.spend(now);
        self.counts.retries += u64::from(job.attempts > 1);
        self.breakers.entry(job.question.operation()).or_default().leaving();

        let (upstream, timeout, clock) = (Arc::clone(&self.options.upstream), self.options.timeout, self.options.clock);
        self.under_way.spawn(async move {
            let call = AssertUnwindSafe(upstream.call(&job.question, timeout)).catch_unwind().await;
            let result = call.unwrap_or_else(|_| {
                Err(amazon_catalog::Error::Malformed { what: "reading it panicked".to_owned(), request_id: None })
            });
            Completed { job, result, at: clock.now() }
        });
    }

    /// Hears what other replicas spent: the day's patience is the account's.
    async fn tick(&mut self) {
        self.others = self.allowance.tick().await;
        for _ in 0..self.others {
            self.bucket.spend(Instant::now());
        }
    }

    /// Gives seats that are free to what was read and is about to age: they cost nothing, and most later misses.
    fn fill_seats(&mut self, job: &mut Batch, now: Instant) {
        let CatalogRequest::Items(items) = &mut job.question else { return };
        let free = IDS_PER_CALL.saturating_sub(items.asins.len());
        if free > 0 {
            let due = self.options.answers.due(items.locale, free).into_iter();
            items.asins.extend(due.filter(|asin| self.queue.fill(items.locale, *asin, &job.caller, now)).take(free));
        }
    }

    async fn land(&mut self, Completed { job, result, at }: Completed) {
        let call = Call { id: NEXT_CALL.fetch_add(1, Ordering::Relaxed), attempts: job.attempts };
        self.note(&job, &result).await;
        match result {
            Ok(answer) => self.tell_answer(&job, answer, at, call),
            Err(error) => self.retry_or_tell(job, error, call),
        }
    }

    /// Books how the call ended.
    async fn note(&mut self, job: &Batch, result: &Result<CatalogResponse, amazon_catalog::Error>) {
        let now = Instant::now();
        let operation = job.question.operation();
        let breaker = self.breakers.entry(operation).or_default();
        match result {
            Ok(_) => {
                breaker.answered(now);
                self.counts.answered += 1;
            }
            Err(amazon_catalog::Error::Throttled { retry_after, .. }) => {
                breaker.answered(now);
                self.allowance.throttled(*retry_after).await;
                self.counts.throttled += 1;
            }
            Err(amazon_catalog::Error::Refused { .. } | amazon_catalog::Error::Rejected { .. }) => {
                breaker.answered(now);
                self.counts.refused += 1;
            }
            Err(
                amazon_catalog::Error::Failed { .. }
                | amazon_catalog::Error::TimedOut { .. }
                | amazon_catalog::Error::Unreachable { .. }
                | amazon_catalog::Error::Malformed { .. },
            ) => {
                breaker.failed(now);
                self.counts.failed += 1;
            }
        }
        if let Err(error) = result {
            let request_id = error.request_id().unwrap_or("none");
            let operation = operation.name();
            let error = chain(error);
            tracing::warn!(account = &*self.name, operation, request_id, attempt = job.attempts, %error, "call to Amazon failed");
            self.last_error = Some(format!("{operation}: {error} (request id {request_id})"));
        }
    }

    fn retry_or_tell(&mut self, job: Batch, error: amazon_catalog::Error, call: Call) {
        let (now, operation) = (Instant::now(), job.question.operation());
        let is_tried_again = retry::helps(&error, job.attempts);
        let refused_together = matches!(error, amazon_catalog::Error::Rejected { .. }) && job.keys().len() > 1;
        let error = Error::Upstream(Arc::new(error));
        let paused = self.breakers.get(&operation).and_then(|breaker| breaker.closed_for(now));
        let leaves_at = (now + retry::backoff(job.attempts)).max(self.allowance.next(now));
        for key in job.keys() {
            let hurried = if refused_together {
                self.queue.part(&key, job.keys().len() / 2, now)
            } else if is_tried_again && paused.is_none() {
                self.queue.put_back(&key, leaves_at)
            } else {
                self.queue.settle(&key)
            };
            for waiter in hurried {
                waiter.fail(&error, Some(call));
            }
        }
        if let Some(retry_after) = paused {
            self.give_up(&Error::BreakerOpen { operation, retry_after }, |key, _| key.operation() == operation);
        }
    }

    /// Tells everybody who waits for what passes that it is over.
    fn give_up(&mut self, error: &Error, passes: impl Fn(&PendingKey, Priority) -> bool) {
        for waiter in self.queue.drain(passes) {
            waiter.fail(error, None);
        }
    }

    fn tell_answer(&mut self, job: &Batch, answer: CatalogResponse, at: SystemTime, call: Call) {
        let stamp =
            Snapshot { fetched_at: at, protocol: self.options.upstream.protocol(), content: Ok(bytes::Bytes::new()) };
        match (&job.question, answer) {
            (CatalogRequest::Items(asked), CatalogResponse::Items(items)) => {
                let outcomes = outcomes(items);
                for asin in &asked.asins {
                    let key = PendingKey::Item(asked.locale, *asin);
                    match outcomes.get(asin) {
                        Some(Outcome::Known(content)) => {
                            let snapshot = Snapshot { content: content.clone(), ..stamp.clone() };
                            self.options.answers.keep(asked.locale, *asin, &snapshot);
                            for waiter in self.queue.settle(&key) {
                                waiter.tell_item(&snapshot, call);
                            }
                        }
                        Some(Outcome::Unprocessed) => {
                            for waiter in self.queue.part(&key, asked.asins.len(), Instant::now()) {
                                waiter.fail(&unanswered(), Some(call));
                            }
                        }
                        // A passing fault is not an absence, so it is not kept.
                        Some(Outcome::Failed(error)) => {
                            for waiter in self.queue.settle(&key) {
                                waiter.fail(&Error::Upstream(Arc::new(error.clone())), Some(call));
                            }
                        }
                        None => {
                            for waiter in self.queue.settle(&key) {
                                waiter.fail(&unanswered(), Some(call));
                            }
                        }
                    }
                }
            }
            (question, answer) => {
                let key = PendingKey::Request(question.clone());
                let told = Response { answer: Arc::new(answer), stamp, call };
                for waiter in self.queue.settle(&key) {
                    waiter.tell_answer(&told);
                }
            }
        }
    }

    fn report(&mut self) -> Report {
        let now = Instant::now();
        let mut callers: Vec<_> = self.allowance.by_caller(now).iter().map(|(who, n)| (Arc::clone(who), *n)).collect();
        callers.sort();
        let told =
            |(operation, breaker): (&Operation, &OperationBreaker)| (*operation, breaker.state(), breaker.calls());
        let mut breakers: Vec<_> = self.breakers.iter().map(told).collect();
        breakers.sort_by_key(|(operation, ..)| *operation);
        Report {
            name: Arc::clone(&self.name),
            protocol: self.options.upstream.protocol(),
            marketplaces: self.options.marketplaces.clone(),
            calls_per_second: self.options.calls_per_second,
            current_calls_per_second: self.allowance.rate(),
            day_limit: self.allowance.limit(),
            day_spent: self.allowance.spent(now),
            alone_since: self.allowance.alone_since(),
            next_release_in: self.allowance.next_release_in(now),
            callers,
            queue_length: self.queue.len(),
            queue_capacity: self.options.queue_capacity,
            predicted_wait: self.wait(self.queue.calls(), now),
            breakers,
            counts: self.counts,
            last_error: self.last_error.clone(),
        }
    }
}

/// What became of one id of a call.
enum Outcome {
    /// A product, or an absence by Amazon's word.
    Known(Result<bytes::Bytes, Missing>),
    /// A passing fault.
    Failed(amazon_catalog::Error),
    /// Amazon rejected the call because of another id.
    Unprocessed,
}

fn outcomes(items: Items) -> HashMap<Asin, Outcome> {
    let found = items
        .products
        .iter()
        .filter_map(|product| Some((Items::asin_of(product)?, Outcome::Known(Ok(product.encode_to_vec().into())))));
    let missing = items.missing.into_iter().map(|(asin, why)| (asin, Outcome::Known(Err(why))));
    let failed = items.failed.into_iter().map(|(asin, error)| (asin, Outcome::Failed(error)));
    let unprocessed = items.unprocessed.into_iter().map(|asin| (asin, Outcome::Unprocessed));
    missing.chain(failed).chain(unprocessed).chain(found).collect()
}

fn unanswered() -> Error {
    Error::Upstream(Arc::new(amazon_catalog::Error::Malformed {
        what: "neither a product nor an error for this id".to_owned(),
        request_id: None,
    }))
}

/// An error with all its causes, as they are told where they are handled.
fn chain(error: &amazon_catalog::Error) -> String {
    let mut told = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        told.push_str(&format!(": {error}"));
        cause = error.source();
    }
    told
}
