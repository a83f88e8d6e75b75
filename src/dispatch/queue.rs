//! The requests that wait for a call, and which batch is sent next.
//!
//! # Why
//!
//! A call carries up to ten ids, so the queue is the batch: until a call is sent ids keep joining it, and the order among
//! priorities and callers is open. An id is asked for once, whoever wants it: more waiters join its entry, in the queue,
//! while its call is in flight, and while another replica fetches it.
//!
//! # Rule
//!
//! Ready requests go in the order of priority, then of the callers' fair shares (`fair_queue`), then of arrival. A bulk
//! request that has waited for [`MAX_BULK_WAIT`] counts as interactive. A batch with free places lingers for
//! [`LINGER`] while there is budget in hand. Behind pace it waits for company as long as its waiters' deadlines allow;
//! a full batch never waits.
//!
//! # Edge cases
//!
//! - Waiters that have gone are dropped before their key costs a call.
//! - A batch that Amazon rejected is split: its ids are requeued with half the maximum batch size, until the id that Amazon
//!   objects to is alone. Such an attempt is not counted. An id that is rejected alone is a suspect until an id that was
//!   rejected with it is answered.
//! - A waiter whose deadline passes during a retry is answered with the failure that caused the retry.

use std::{
    cmp::Ordering,
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{
    Calls, Error, Failure, FetchKey, ItemResult, Priority, RequestContext, Response, budget::PermitRequest,
    fair_queue::FairQueue, pacing::PacingBucket,
};
use amazon_catalog::{CatalogRequest, GetItems, IDS_PER_CALL, Locale, Operation, Snapshot};

/// How long a batch with free places waits for company when it could be sent at once.
const LINGER: Duration = Duration::from_millis(25);
/// After this wait a bulk request counts as interactive, so that nothing waits for ever.
const MAX_BULK_WAIT: Duration = Duration::from_secs(240);
/// What a call takes, for sending it in time for a deadline.
pub(super) const CALL_TIME: Duration = Duration::from_millis(1500);

/// The requests that wait or are in flight.
#[derive(Debug, Default)]
pub(super) struct Queue {
    pending: HashMap<FetchKey, Pending>,
    fair: FairQueue,
    arrivals: u64,
}

/// One call to Amazon.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    pub(super) keys: Vec<FetchKey>,
    /// How often the key that was tried most was tried, this time included.
    pub(super) attempts: u32,
    /// The most keys it may carry.
    pub(super) max_batch: usize,
}

/// Somebody who waits for an answer.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) context: RequestContext,
    pub(super) reply: ReplyTo,
}

/// Where the answer goes. Whoever does not listen any more loses nothing: what was fetched is cached.
#[derive(Debug)]
pub(super) enum ReplyTo {
    Item(mpsc::UnboundedSender<ItemResult>),
    Request(oneshot::Sender<Result<Response, Failure>>),
}

/// A key that somebody waits for.
#[derive(Debug)]
struct Pending {
    waiters: Vec<Waiter>,
    state: State,
    priority: Priority,
    caller: Arc<str>,
    daily_quota: Option<u32>,
    weight: f64,
    since: Instant,
    /// An answer that another replica fetched after that time will do.
    known_at: SystemTime,
    arrival: u64,
    not_before: Instant,
    attempts: u32,
    /// The largest batch that may carry it: smaller after Amazon rejected a batch it was in.
    max_batch: usize,
    /// When Amazon first rejected a batch that it was in.
    rejected_at: Option<Instant>,
    /// The calls that were made for it.
    calls: Vec<u64>,
    /// Why the last attempt failed.
    last_error: Option<Error>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    InFlight,
    /// Another replica fetches it; its lock ends then.
    Remote {
        until: Instant,
    },
    /// Amazon rejected it alone, after a batch with it.
    Suspect,
}

impl Waiter {
    pub(super) fn fail(self, key: &FetchKey, error: &Error, calls: &Calls) {
        match (self.reply, key) {
            (ReplyTo::Item(tx), FetchKey::Item(_, asin)) => {
                drop(tx.send(ItemResult { asin: *asin, result: Err(error.clone()), calls: calls.clone() }));
            }
            (ReplyTo::Request(tx), _) => {
                drop(tx.send(Err(Failure { error: error.clone(), calls: calls.clone() })));
            }
            (ReplyTo::Item(_), FetchKey::Request(_)) => {}
        }
    }

    pub(super) fn answer_item(self, key: &FetchKey, snapshot: &Snapshot, calls: &Calls) {
        if let (ReplyTo::Item(tx), FetchKey::Item(_, asin)) = (self.reply, key) {
            drop(tx.send(ItemResult { asin: *asin, result: Ok(snapshot.clone()), calls: calls.clone() }));
        }
    }

    pub(super) fn answer_request(self, response: &Response) {
        if let ReplyTo::Request(tx) = self.reply {
            drop(tx.send(Ok(response.clone())));
        }
    }

    fn still_waits(&self, now: Instant) -> bool {
        self.context.deadline > now && !self.context.abandoned.is_cancelled()
    }
}

impl FetchKey {
    /// The operation that answers it.
    pub(super) fn operation(&self) -> Operation {
        match self {
            Self::Item(..) => Operation::GetItems,
            Self::Request(request) => request.operation(),
        }
    }

    /// The locale whose ids share its batches; `None` for a request that has a call of its own.
    pub(super) fn batch_locale(&self) -> Option<Locale> {
        match self {
            Self::Item(locale, _) => Some(*locale),
            Self::Request(_) => None,
        }
    }

    /// How many of a batch's ten places it takes.
    fn places(&self) -> usize {
        match self {
            Self::Item(..) => 1,
            Self::Request(_) => IDS_PER_CALL,
        }
    }
}

impl Batch {
    /// What Amazon is asked.
    pub(super) fn request(&self) -> Option<CatalogRequest> {
        match self.keys.first()? {
            FetchKey::Request(request) => Some(request.clone()),
            FetchKey::Item(locale, _) => {
                let asin = |key: &FetchKey| match key {
                    FetchKey::Item(_, asin) => Some(*asin),
                    FetchKey::Request(_) => None,
                };
                Some(CatalogRequest::Items(GetItems {
                    locale: *locale,
                    asins: self.keys.iter().filter_map(asin).collect(),
                }))
            }
        }
    }
}

impl Pending {
    fn priority_at(&self, now: Instant) -> Priority {
        if now.saturating_duration_since(self.since) >= MAX_BULK_WAIT { Priority::Interactive } else { self.priority }
    }

    /// The latest time to send it and still answer all waiters in time.
    fn latest(&self) -> Option<Instant> {
        self.waiters.iter().map(|waiter| waiter.context.deadline).min()?.checked_sub(CALL_TIME)
    }

    /// When it may be sent without company.
    fn ready_at(&self, key: &FetchKey, bucket: &PacingBucket, now: Instant) -> Instant {
        let lingered = if key.places() < IDS_PER_CALL { self.since + LINGER } else { self.since };
        let ready = if bucket.has_tokens(now) {
            lingered
        } else {
            let has_tokens_at = bucket.has_tokens_at(now);
            self.latest().map_or(has_tokens_at, |latest| latest.min(has_tokens_at)).max(lingered)
        };
        ready.max(self.not_before)
    }

    fn made_calls(&self) -> Calls {
        Calls::from_ids(&self.calls)
    }

    fn charge_to(&mut self, context: &RequestContext) {
        self.caller = Arc::clone(&context.caller);
        (self.daily_quota, self.weight) = (context.daily_quota, context.weight);
    }
}

impl Queue {
    /// How many keys wait for a call.
    pub(super) fn len(&self) -> usize {
        self.waiting().count()
    }

    /// How many calls wait, at least.
    pub(super) fn calls(&self) -> usize {
        self.waiting().map(|(key, _)| key.places()).sum::<usize>().div_ceil(IDS_PER_CALL)
    }

    /// Whether the key waits, is in flight or is fetched by another replica.
    pub(super) fn contains(&self, key: &FetchKey) -> bool {
        self.pending.contains_key(key)
    }

    /// How many calls would be sent before one for this key, at most; `None` where it is being fetched.
    ///
    /// Everything more urgent goes before it. Of what is equally urgent, each other caller's requests count only as far as
    /// its fair share goes while this caller's own are served.
    pub(super) fn calls_before(&self, key: &FetchKey, context: &RequestContext) -> Option<usize> {
        if self.pending.get(key).is_some_and(|pending| pending.state != State::Waiting) {
            return None;
        }
        let (mut urgent, mut own, mut others) = (0, 0, HashMap::<&str, (usize, f64)>::new());
        for (waiting, pending) in self.waiting().filter(|(waiting, _)| *waiting != key) {
            match pending.priority.cmp(&context.priority) {
                Ordering::Less => urgent += waiting.places(),
                Ordering::Equal if pending.caller == context.caller => own += waiting.places(),
                Ordering::Equal => {
                    others.entry(&*pending.caller).or_insert((0, pending.weight)).0 += waiting.places();
                }
                Ordering::Greater => {}
            }
        }
        let turns = (own + key.places()) as f64 / context.weight.max(f64::EPSILON);
        let before = |(places, weight): (usize, f64)| (places as f64).min((turns * weight).ceil()) as usize;
        let places = urgent + own + others.into_values().map(before).sum::<usize>();
        Some(places / IDS_PER_CALL)
    }

    /// Adds a waiter for a key. A more urgent waiter makes the key more urgent.
    pub(super) fn join(&mut self, key: FetchKey, waiter: Waiter, now: Instant, known_at: SystemTime) {
        self.arrivals += 1;
        let arrival = self.arrivals;
        let context = &waiter.context;
        let pending = self.pending.entry(key).or_insert_with(|| Pending {
            waiters: Vec::new(),
            state: State::Waiting,
            priority: context.priority,
            caller: Arc::clone(&context.caller),
            daily_quota: context.daily_quota,
            weight: context.weight,
            since: now,
            known_at,
            arrival,
            not_before: now,
            attempts: 0,
            max_batch: IDS_PER_CALL,
            rejected_at: None,
            calls: Vec::new(),
            last_error: None,
        });
        if context.priority < pending.priority {
            (pending.priority, pending.since) = (context.priority, now);
            pending.charge_to(context);
        }
        pending.waiters.push(waiter);
    }

    /// The earliest time at which a batch of operations that pass may be sent, as far as the queue is concerned.
    pub(super) fn next_ready(
        &self,
        bucket: &PacingBucket,
        now: Instant,
        passes: impl Fn(Operation) -> bool,
    ) -> Option<Instant> {
        let alone = self.waiting().filter(|(key, _)| passes(key.operation()));
        let alone = alone.map(|(key, pending)| pending.ready_at(key, bucket, now));
        let full = self.locales().into_iter().filter(|_| passes(Operation::GetItems));
        alone.chain(full.filter_map(|locale| self.full_at(locale, bucket, now))).min()
    }

    /// Whom to charge for the batch that [`take`](Self::take) returns at the same `now`, and the key that it begins with.
    pub(super) fn next_permit(
        &mut self,
        bucket: &PacingBucket,
        now: Instant,
        passes: impl Fn(Operation) -> bool,
    ) -> Option<(FetchKey, PermitRequest)> {
        let mut full = self.locales();
        full.retain(|locale| self.full_at(*locale, bucket, now).is_some_and(|at| at <= now));
        let first = self.first(now, |key, pending| {
            passes(key.operation())
                && (key.batch_locale().is_some_and(|locale| full.contains(&locale))
                    || pending.ready_at(key, bucket, now) <= now)
        })?;
        let has_more = self.calls() > 1;
        let pending = self.pending.get(&first)?;
        let (caller, daily_quota) = (Arc::clone(&pending.caller), pending.daily_quota);
        Some((first, PermitRequest { caller, daily_quota, is_refresh: false, has_more }))
    }

    /// Takes the batch around a key, which is in flight from now on.
    pub(super) fn take(&mut self, first: &FetchKey, now: Instant) -> Batch {
        let mut batch = Batch { keys: Vec::new(), attempts: 0, max_batch: IDS_PER_CALL };
        self.move_into(&mut batch, first);
        while let Some(locale) = first.batch_locale()
            && batch.keys.len() < batch.max_batch
        {
            let size = batch.keys.len();
            let fits =
                |key: &FetchKey, pending: &Pending| key.batch_locale() == Some(locale) && pending.max_batch > size;
            let Some(key) = self.first(now, fits) else { break };
            self.move_into(&mut batch, &key);
        }
        batch
    }

    /// Requeues a key whose call failed, not to be sent before `not_before`, after so many attempts in all. Returns the
    /// waiters whose deadline is too early for it; the caller must fail them.
    pub(super) fn requeue(&mut self, key: &FetchKey, not_before: Instant, error: &Error) -> (Vec<Waiter>, Calls) {
        let Some(pending) = self.pending.get_mut(key) else { return Default::default() };
        let calls = pending.made_calls();
        let waiters = std::mem::take(&mut pending.waiters).into_iter();
        let (patient, hurried): (Vec<_>, Vec<_>) = waiters.partition(|waiter| waiter.still_waits(not_before));
        if patient.is_empty() {
            self.pending.remove(key);
        } else {
            (pending.waiters, pending.not_before, pending.state) = (patient, not_before, State::Waiting);
            pending.last_error = Some(error.clone());
        }
        (hurried, calls)
    }

    /// Requeues a key whose batch Amazon rejected, with a smaller maximum batch size. The attempt is not counted.
    pub(super) fn split(&mut self, key: &FetchKey, max_batch: usize, error: &Error) -> (Vec<Waiter>, Calls) {
        if let Some(pending) = self.pending.get_mut(key) {
            (pending.max_batch, pending.attempts) = (max_batch.max(1), pending.attempts.saturating_sub(1));
            pending.rejected_at.get_or_insert_with(Instant::now);
        }
        self.requeue(key, Instant::now(), error)
    }

    /// When Amazon first rejected a batch that the key was in.
    pub(super) fn rejected_at(&self, key: &FetchKey) -> Option<Instant> {
        self.pending.get(key)?.rejected_at
    }

    /// Keeps a key that Amazon rejected alone until it is known whether Amazon objects to the key.
    pub(super) fn mark_suspect(&mut self, key: &FetchKey, error: &Error) {
        if let Some(pending) = self.pending.get_mut(key) {
            (pending.state, pending.last_error) = (State::Suspect, Some(error.clone()));
        }
    }

    /// The suspects of a locale, and why each was rejected.
    pub(super) fn suspects(&self, locale: Locale) -> Vec<(FetchKey, Error)> {
        let suspects = self
            .pending
            .iter()
            .filter(|(key, pending)| key.batch_locale() == Some(locale) && pending.state == State::Suspect);
        suspects.filter_map(|(key, pending)| Some((key.clone(), pending.last_error.clone()?))).collect()
    }

    /// Whether an id of a locale whose batch was rejected has yet to be answered.
    pub(super) fn has_rejected_company(&self, locale: Locale) -> bool {
        self.pending.iter().any(|(key, pending)| {
            key.batch_locale() == Some(locale) && pending.rejected_at.is_some() && pending.state != State::Suspect
        })
    }

    /// Requeues a key that was not sent after all.
    pub(super) fn put_back(&mut self, key: &FetchKey) {
        if let Some(pending) = self.pending.get_mut(key) {
            pending.attempts = pending.attempts.saturating_sub(u32::from(pending.state == State::InFlight));
            pending.state = State::Waiting;
        }
    }

    /// Another replica fetches the key.
    pub(super) fn mark_remote(&mut self, key: &FetchKey, until: Instant) {
        self.put_back(key);
        match self.pending.get_mut(key) {
            Some(pending) if pending.waiters.is_empty() => drop(self.pending.remove(key)),
            Some(pending) => pending.state = State::Remote { until },
            None => {}
        }
    }

    /// Whether another replica fetches any key.
    pub(super) fn has_remote(&self) -> bool {
        self.pending.values().any(|pending| matches!(pending.state, State::Remote { .. }))
    }

    /// The keys that another replica fetches, which answer of it is known, and whether the replica's lock has ended.
    pub(super) fn remote(&self, now: Instant) -> Vec<(FetchKey, SystemTime, bool)> {
        let remote = |(key, pending): (&FetchKey, &Pending)| match pending.state {
            State::Remote { until } => Some((key.clone(), pending.known_at, until <= now)),
            State::Waiting | State::InFlight | State::Suspect => None,
        };
        self.pending.iter().filter_map(remote).collect()
    }

    /// An answer to the key that is younger than this will do.
    pub(super) fn known_at(&self, key: &FetchKey) -> Option<SystemTime> {
        self.pending.get(key).map(|pending| pending.known_at)
    }

    /// How often a key was tried.
    pub(super) fn attempts(&self, key: &FetchKey) -> Option<u32> {
        self.pending.get(key).map(|pending| pending.attempts)
    }

    /// Removes a key and returns its waiters, with the calls that were made for it.
    pub(super) fn remove(&mut self, key: &FetchKey) -> (Vec<Waiter>, Calls) {
        let removed = self.pending.remove(key).map(|pending| (pending.made_calls(), pending.waiters));
        removed.map(|(calls, waiters)| (waiters, calls)).unwrap_or_default()
    }

    /// Removes a key and fails its waiters.
    pub(super) fn fail(&mut self, key: &FetchKey, error: &Error) {
        let (waiters, calls) = self.remove(key);
        waiters.into_iter().for_each(|waiter| waiter.fail(key, error, &calls));
    }

    /// Adds a key that nobody waits for to a batch. `false` where it is in the queue already.
    pub(super) fn add_filler(
        &mut self,
        batch: &mut Batch,
        key: &FetchKey,
        caller: &Arc<str>,
        fetched_at: SystemTime,
    ) -> bool {
        if self.contains(key) {
            return false;
        }
        let pending = Pending {
            waiters: Vec::new(),
            state: State::InFlight,
            priority: Priority::Bulk,
            caller: Arc::clone(caller),
            daily_quota: None,
            weight: 1.0,
            since: Instant::now(),
            known_at: fetched_at,
            arrival: self.arrivals,
            not_before: Instant::now(),
            attempts: 1,
            max_batch: IDS_PER_CALL,
            rejected_at: None,
            calls: Vec::new(),
            last_error: None,
        };
        self.pending.insert(key.clone(), pending);
        batch.keys.push(key.clone());
        true
    }

    /// Records that a call is made for a key.
    pub(super) fn record_call(&mut self, key: &FetchKey, call: u64) {
        if let Some(pending) = self.pending.get_mut(key) {
            pending.calls.push(call);
        }
    }

    /// Takes back the record of a call that never left.
    pub(super) fn forget_call(&mut self, key: &FetchKey, call: u64) {
        if let Some(pending) = self.pending.get_mut(key) {
            pending.calls.retain(|made| *made != call);
        }
    }

    /// Fails all who wait for a key that passes and is not in flight.
    pub(super) fn fail_all(&mut self, error: &Error, passes: impl Fn(&FetchKey, Priority) -> bool) {
        let passing = self.pending.iter().filter(|(_, pending)| pending.state != State::InFlight);
        let passing = passing.filter(|(key, pending)| passes(key, pending.priority));
        let keys: Vec<FetchKey> = passing.map(|(key, _)| key.clone()).collect();
        for key in keys {
            self.fail(&key, error);
        }
    }

    /// Fails the waiters of one caller for what is not in flight. Keys that others wait for too are charged to them.
    pub(super) fn fail_caller(&mut self, caller: &str, error: &Error) {
        let keys: Vec<FetchKey> = self.waiting().map(|(key, _)| key.clone()).collect();
        for key in keys {
            self.fail_waiters(&key, |waiter| &*waiter.context.caller == caller, error);
        }
    }

    /// Fails the waiters for what is not in flight whose deadline comes before any call can be answered.
    pub(super) fn fail_hurried(&mut self, earliest: Instant, error: &Error) {
        let keys: Vec<FetchKey> = self.waiting().map(|(key, _)| key.clone()).collect();
        for key in keys {
            self.fail_waiters(&key, |waiter| waiter.context.deadline < earliest, error);
        }
    }

    /// Drops the waiters that have gone, and the keys that nobody waits for any more. A waiter whose deadline has passed is
    /// answered with the failure of the last attempt, where there was one.
    pub(super) fn drop_gone(&mut self, now: Instant) {
        self.pending.retain(|key, pending| {
            let waiters = std::mem::take(&mut pending.waiters).into_iter();
            let (waiting, gone): (Vec<_>, Vec<_>) = waiters.partition(|waiter| waiter.still_waits(now));
            pending.waiters = waiting;
            if let Some(error) = &pending.last_error {
                let calls = pending.made_calls();
                gone.into_iter().for_each(|waiter| waiter.fail(key, error, &calls));
            }
            pending.state == State::InFlight || !pending.waiters.is_empty()
        });
    }

    /// The earliest deadline of a waiter that can be answered with a known failure.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let failed = self.pending.values().filter(|pending| pending.last_error.is_some());
        failed.flat_map(|pending| &pending.waiters).map(|waiter| waiter.context.deadline).min()
    }

    fn fail_waiters(&mut self, key: &FetchKey, passes: impl Fn(&Waiter) -> bool, error: &Error) {
        let Some(pending) = self.pending.get_mut(key) else { return };
        let waiters = std::mem::take(&mut pending.waiters).into_iter();
        let (failed, left): (Vec<_>, Vec<_>) = waiters.partition(passes);
        pending.waiters = left;
        let (error, calls) = (pending.last_error.as_ref().unwrap_or(error).clone(), pending.made_calls());
        match pending.waiters.first().map(|waiter| waiter.context.clone()) {
            Some(context) => pending.charge_to(&context),
            None => drop(self.pending.remove(key)),
        }
        failed.into_iter().for_each(|waiter| waiter.fail(key, &error, &calls));
    }

    fn waiting(&self) -> impl Iterator<Item = (&FetchKey, &Pending)> {
        self.pending.iter().filter(|(_, pending)| pending.state == State::Waiting)
    }

    fn locales(&self) -> HashSet<Locale> {
        self.waiting().filter_map(|(key, _)| key.batch_locale()).collect()
    }

    /// When a full batch of a locale may be sent; `None` where there are not enough ids. A batch of bulk requests alone
    /// waits until there is budget in hand.
    fn full_at(&self, locale: Locale, bucket: &PacingBucket, now: Instant) -> Option<Instant> {
        let ready = self.waiting().filter(|(key, pending)| {
            key.batch_locale() == Some(locale) && pending.not_before <= now && pending.max_batch == IDS_PER_CALL
        });
        let (count, urgent) = ready.fold((0, false), |(count, urgent), (_, pending)| {
            (count + 1, urgent || pending.priority == Priority::Interactive)
        });
        (count >= IDS_PER_CALL).then(|| if urgent { now } else { bucket.has_tokens_at(now) })
    }

    /// The first in order among those that pass.
    fn first(&self, now: Instant, passes: impl Fn(&FetchKey, &Pending) -> bool) -> Option<FetchKey> {
        let ready = self.waiting().filter(|(key, pending)| pending.not_before <= now && passes(key, pending));
        let order = |pending: &Pending| (pending.priority_at(now), self.fair.clock(&pending.caller), pending.arrival);
        let by_order = |a: &Pending, b: &Pending| {
            let ((priority, clock, arrival), other) = (order(a), order(b));
            priority.cmp(&other.0).then(clock.total_cmp(&other.1)).then(arrival.cmp(&other.2))
        };
        ready.min_by(|(_, a), (_, b)| by_order(a, b)).map(|(key, _)| key.clone())
    }

    /// Moves a key into a batch, and its places onto its caller's account in the fair queue.
    fn move_into(&mut self, batch: &mut Batch, key: &FetchKey) {
        let Some(pending) = self.pending.get_mut(key) else { return };
        pending.state = State::InFlight;
        pending.attempts += 1;
        batch.attempts = batch.attempts.max(pending.attempts);
        batch.max_batch = batch.max_batch.min(pending.max_batch);
        self.fair.serve(&pending.caller, key.places() as f64, pending.weight);
        batch.keys.push(key.clone());
    }
}
