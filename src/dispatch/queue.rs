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
//! request that has waited for four minutes is ordered as an interactive one. A batch with free places lingers for a moment
//! while there is budget in hand. Behind pace it waits for company as long as its waiters' deadlines allow ([`Patience`]). A
//! full batch with an interactive id never waits; a full one of bulk work waits until there is budget in hand.
//!
//! The queue answers its own waiters: each of them once, by its deadline at the latest.
//!
//! # Edge cases
//!
//! - Waiters that have gone are dropped before their key costs a call.
//! - A batch that Amazon rejected is split: its ids are requeued with half the maximum batch size, until the id that Amazon
//!   objects to is alone. Such an attempt is not counted. An id that is rejected alone is a suspect until an id of its locale
//!   is answered, or until every other rejected id of its locale is a suspect, too.
//! - A waiter whose deadline passes during a retry is answered with the failure that caused the retry.

use std::{
    cmp::Ordering,
    collections::{HashMap, HashSet},
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

use self::pending::{MAX_TRACES, Pending, State};
use super::{
    Error, FetchKey, Priority, RequestContext,
    batch::Batch,
    budget::PermitRequest,
    fair_queue::FairQueue,
    pacing::PacingBucket,
    waiter::{Answer, Waiter},
};
use crate::telemetry::TraceContext;
use amazon_catalog::{IDS_PER_CALL, Locale, Operation};

mod pending;

/// The requests that wait or are in flight.
#[derive(Debug, Default)]
pub(super) struct Queue {
    pending: HashMap<FetchKey, Pending>,
    fair: FairQueue,
    arrivals: u64,
    /// When Amazon last answered a call for items of each locale.
    items_answered_at: HashMap<Locale, Instant>,
}

/// How long a batch with free places may wait for company.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience<'a> {
    pub(super) bucket: &'a PacingBucket,
    pub(super) now: Instant,
    /// How long before a deadline a batch must be ready: the time of its call, and of those that may be sent before it.
    pub(super) lead: Duration,
}

impl Queue {
    /// How many keys wait for a call.
    pub(super) fn len(&self) -> usize {
        self.waiting().count()
    }

    /// How many calls wait, at least. Ids of different locales share none.
    pub(super) fn calls(&self) -> usize {
        let mut places = HashMap::new();
        self.waiting().for_each(|(key, _)| *places.entry(key.batch_locale()).or_default() += key.places());
        places.into_values().map(|places: usize| places.div_ceil(IDS_PER_CALL)).sum()
    }

    /// Whether the key waits, is in flight or is fetched by another replica.
    pub(super) fn contains(&self, key: &FetchKey) -> bool {
        self.pending.contains_key(key)
    }

    /// How many calls would be sent before one for this key, at most; `None` where it is being fetched.
    ///
    /// Everything more urgent goes before it. Of what is equally urgent, each other caller's requests count only as far as
    /// its fair share goes while this caller's own are served. Each other locale may have a batch that is not full.
    pub(super) fn calls_before(&self, key: &FetchKey, context: &RequestContext) -> Option<usize> {
        if self.pending.get(key).is_some_and(|pending| pending.state != State::Waiting) {
            return None;
        }
        let (mut urgent, mut own, mut others) = (0, 0, HashMap::<&str, (usize, f64)>::new());
        let mut other_locales = HashSet::new();
        for (waiting, pending) in self.waiting().filter(|(waiting, _)| *waiting != key) {
            match pending.priority.cmp(&context.priority) {
                Ordering::Less => urgent += waiting.places(),
                Ordering::Equal if pending.caller == context.caller => own += waiting.places(),
                Ordering::Equal => {
                    others.entry(&*pending.caller).or_insert((0, pending.weight)).0 += waiting.places();
                }
                Ordering::Greater => continue,
            }
            other_locales.extend(waiting.batch_locale().filter(|locale| Some(*locale) != key.batch_locale()));
        }
        let turns = (own + key.places()) as f64 / context.weight.max(f64::EPSILON);
        let before = |(places, weight): (usize, f64)| (places as f64).min((turns * weight).ceil()) as usize;
        let places = urgent + own + others.into_values().map(before).sum::<usize>();
        Some(places / IDS_PER_CALL + other_locales.len())
    }

    /// Adds a waiter for a key. A more urgent waiter makes the key more urgent.
    pub(super) fn join(&mut self, key: FetchKey, waiter: Waiter, now: Instant, known_at: SystemTime) {
        self.arrivals += 1;
        let new = || Pending::new(&waiter.context, now, known_at, self.arrivals);
        self.pending.entry(key).or_insert_with(new).join(waiter, now);
    }

    /// The earliest time at which a batch of operations that pass may be sent, as far as the queue is concerned.
    pub(super) fn next_ready(&self, patience: &Patience<'_>, passes: impl Fn(Operation) -> bool) -> Option<Instant> {
        let alone = self.waiting().filter(|(key, _)| passes(key.operation()));
        let alone = alone.map(|(key, pending)| pending.ready_at(key, patience));
        let full = self.locales().into_iter().filter(|_| passes(Operation::GetItems));
        alone.chain(full.filter_map(|locale| self.full_at(locale, patience))).min()
    }

    /// Whom to charge for the batch that [`take`](Self::take) returns at the same time, and the key that it begins with.
    pub(super) fn next_permit(
        &self,
        patience: &Patience<'_>,
        passes: impl Fn(Operation) -> bool,
    ) -> Option<(FetchKey, PermitRequest)> {
        let now = patience.now;
        let mut full = self.locales();
        full.retain(|locale| self.full_at(*locale, patience).is_some_and(|at| at <= now));
        let first = self.first(now, |key, pending| {
            passes(key.operation())
                && (key.batch_locale().is_some_and(|locale| full.contains(&locale))
                    || pending.ready_at(key, patience) <= now)
        })?;
        let has_more = self.calls() > 1;
        let Pending { caller, daily_quota, .. } = self.pending.get(&first)?;
        let request = PermitRequest { caller: caller.clone(), daily_quota: *daily_quota, is_refresh: false, has_more };
        Some((first, request))
    }

    /// Takes the batch around a key, which is in flight from now on.
    pub(super) fn take(&mut self, first: &FetchKey, now: Instant) -> Batch {
        let mut batch = Batch::empty();
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

    /// Adds a key that nobody waits for to a batch. `false` where it is in the queue already.
    pub(super) fn add_filler(
        &mut self,
        batch: &mut Batch,
        key: &FetchKey,
        context: &RequestContext,
        fetched_at: SystemTime,
    ) -> bool {
        if self.contains(key) {
            return false;
        }
        let pending = Pending::new(context, Instant::now(), fetched_at, self.arrivals);
        self.pending.insert(key.clone(), Pending { state: State::InFlight, attempts: 1, ..pending });
        batch.keys.push(key.clone());
        true
    }

    /// Answers all who wait for a key.
    pub(super) fn answer(&mut self, key: &FetchKey, outcome: Result<&Answer, &Error>) {
        if let Some(pending) = self.pending.remove(key) {
            pending.answer(outcome);
        }
    }

    /// Requeues a key whose call failed, not to be sent before `not_before`. Fails those who cannot wait that long.
    pub(super) fn requeue(&mut self, key: &FetchKey, not_before: Instant, error: &Error) {
        self.update(key, |pending| {
            pending.fail(error, |waiter| !waiter.still_waits(not_before));
            (pending.not_before, pending.state, pending.last_error) = (not_before, State::Waiting, Some(error.clone()));
        });
    }

    /// Requeues a key whose batch Amazon rejected, for a batch of at most that size. The attempt is not counted.
    pub(super) fn split(&mut self, key: &FetchKey, max_batch: usize, error: &Error) {
        let now = Instant::now();
        self.update(key, |pending| {
            (pending.max_batch, pending.attempts) = (max_batch.max(1), pending.attempts.saturating_sub(1));
            pending.rejected_at.get_or_insert(now);
        });
        self.requeue(key, now, error);
    }

    /// Requeues a key that was not sent after all.
    pub(super) fn put_back(&mut self, key: &FetchKey) {
        self.update(key, |pending| {
            pending.attempts = pending.attempts.saturating_sub(1);
            pending.state = State::Waiting;
        });
    }

    /// The other replica does not fetch the key any more. Meanwhile it may have been dropped, asked for again and sent.
    pub(super) fn end_remote(&mut self, key: &FetchKey) {
        self.update(key, |pending| {
            if matches!(pending.state, State::Remote { .. }) {
                pending.state = State::Waiting;
            }
        });
    }

    /// Another replica fetches the key.
    pub(super) fn mark_remote(&mut self, key: &FetchKey, until: Instant) {
        self.put_back(key);
        self.update(key, |pending| pending.state = State::Remote { until });
    }

    /// Whether another replica fetches any key.
    pub(super) fn has_remote(&self) -> bool {
        self.pending.values().any(|pending| matches!(pending.state, State::Remote { .. }))
    }

    /// The keys that another replica fetches, which answer of it is known, and whether the replica's lock has ended.
    pub(super) fn remote(&self, now: Instant) -> Vec<(FetchKey, SystemTime, bool)> {
        let remote = |(key, pending): (&FetchKey, &Pending)| match pending.state {
            State::Remote { until } => Some((key.clone(), pending.known_at, until <= now)),
            State::Waiting | State::InFlight | State::Suspect { .. } => None,
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

    /// Whether Amazon rejected a batch that the key was in.
    pub(super) fn was_rejected(&self, key: &FetchKey) -> bool {
        self.pending.get(key).is_some_and(|pending| pending.rejected_at.is_some())
    }

    /// Keeps a key that Amazon rejected alone, by a call that was sent then, until it is known whether Amazon objects to the
    /// key.
    pub(super) fn mark_suspect(&mut self, key: &FetchKey, sent_at: SystemTime, error: &Error) {
        self.update(key, |pending| {
            (pending.state, pending.last_error) = (State::Suspect { sent_at }, Some(error.clone()));
        });
    }

    /// Amazon answered a call for items of a locale: it does not object to the form of such a call.
    pub(super) fn note_answered_items(&mut self, locale: Locale) {
        self.items_answered_at.insert(locale, Instant::now());
    }

    /// Decides about the suspects of which enough is known by now. Returns those that do not exist for Amazon, since ids of
    /// their locale were answered, each with the time of the call that says so. Fails those whose whole batch was rejected.
    pub(super) fn judge_suspects(&mut self) -> Vec<(FetchKey, SystemTime)> {
        let rejected = |pending: &&Pending| pending.rejected_at.is_some();
        let undecided = |pending: &&Pending| !matches!(pending.state, State::Suspect { .. });
        let (mut absent, mut failed) = (Vec::new(), Vec::new());
        for (key, pending) in &self.pending {
            let State::Suspect { sent_at } = pending.state else { continue };
            let Some(locale) = key.batch_locale() else { continue };
            let of_locale = self.pending.iter().filter(|(other, _)| other.batch_locale() == Some(locale));
            if self.items_answered_at.get(&locale).copied() >= pending.rejected_at {
                absent.push((key.clone(), sent_at));
            } else if !of_locale.map(|(_, other)| other).filter(rejected).any(|other| undecided(&other)) {
                failed.push((key.clone(), pending.last_error.clone()));
            }
        }
        for (key, error) in failed {
            let Some(error) = error else { continue };
            self.answer(&key, Err(&error));
        }
        absent
    }

    /// Records that a call is made for a key.
    pub(super) fn record_call(&mut self, key: &FetchKey, call: u64) {
        self.update(key, |pending| pending.record_call(call));
    }

    /// The traced calls that have waited for the last call of these keys, each once.
    pub(super) fn traces(&self, keys: &[FetchKey]) -> Vec<TraceContext> {
        let mut traces = Vec::new();
        for trace in keys.iter().filter_map(|key| self.pending.get(key)).flat_map(|pending| &pending.traces) {
            if traces.len() < MAX_TRACES && !traces.contains(trace) {
                traces.push(*trace);
            }
        }
        traces
    }

    /// Takes back the record of a call that never left.
    pub(super) fn forget_call(&mut self, key: &FetchKey, call: u64) {
        self.update(key, |pending| pending.calls.retain(|made| *made != call));
    }

    /// Fails all who wait for a key that passes and waits for a call. What another replica fetches needs none.
    pub(super) fn fail_waiting(&mut self, error: &Error, passes: impl Fn(&FetchKey, Priority) -> bool) {
        let failed =
            |key: &FetchKey, pending: &mut Pending| pending.state == State::Waiting && passes(key, pending.priority);
        self.pending.extract_if(failed).for_each(|(_, pending)| pending.answer(Err(error)));
    }

    /// Fails all who wait for a key that is not in flight.
    pub(super) fn fail_unsent(&mut self, error: &Error) {
        let failed = |_: &FetchKey, pending: &mut Pending| pending.state != State::InFlight;
        self.pending.extract_if(failed).for_each(|(_, pending)| pending.answer(Err(error)));
    }

    /// Fails a caller's waiters for the keys that it is charged for. Who else waits for one is charged next.
    pub(super) fn fail_charged(&mut self, caller: &str, error: &Error) {
        self.fail_waiters_of(error, |pending| *pending.caller == *caller, |waiter| *waiter.context.caller == *caller);
    }

    /// Fails all who wait, also for what is in flight.
    pub(super) fn fail_everything(self, error: &Error) {
        self.pending.into_values().for_each(|pending| pending.answer(Err(error)));
    }

    /// Fails the waiters that pass, for keys that wait for a call. The failure of an earlier attempt says more than `error`.
    pub(super) fn fail_waiters(&mut self, error: &Error, passes: impl Fn(&Waiter) -> bool) {
        self.fail_waiters_of(error, |_| true, passes);
    }

    fn fail_waiters_of(
        &mut self,
        error: &Error,
        is_meant: impl Fn(&Pending) -> bool,
        passes: impl Fn(&Waiter) -> bool,
    ) {
        let waiting = self.pending.values_mut().filter(|pending| pending.state == State::Waiting);
        for pending in waiting.filter(|pending| is_meant(pending)) {
            let error = pending.last_error.clone().unwrap_or_else(|| error.clone());
            pending.fail(&error, &passes);
        }
        self.pending.retain(|_, pending| pending.is_wanted());
    }

    /// Answers the waiters whose deadline has passed, and drops the keys that nobody waits for any more.
    pub(super) fn end_overdue(&mut self, now: Instant) {
        self.pending.retain(|_, pending| {
            pending.end_overdue(now);
            pending.is_wanted()
        });
    }

    /// The earliest deadline of a waiter.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.pending.values().flat_map(|pending| &pending.waiters).map(|waiter| waiter.context.deadline).min()
    }

    /// Changes a key, and drops it where nobody wants it any more.
    fn update(&mut self, key: &FetchKey, change: impl FnOnce(&mut Pending)) {
        if let Some(pending) = self.pending.get_mut(key) {
            change(pending);
            if !pending.is_wanted() {
                self.pending.remove(key);
            }
        }
    }

    fn waiting(&self) -> impl Iterator<Item = (&FetchKey, &Pending)> {
        self.pending.iter().filter(|(_, pending)| pending.state == State::Waiting)
    }

    fn locales(&self) -> HashSet<Locale> {
        self.waiting().filter_map(|(key, _)| key.batch_locale()).collect()
    }

    /// When a full batch of a locale may be sent; `None` where there are not enough ids. A batch of bulk requests alone
    /// waits until there is budget in hand.
    fn full_at(&self, locale: Locale, patience: &Patience<'_>) -> Option<Instant> {
        let Patience { bucket, now, .. } = *patience;
        let fits =
            |key: &FetchKey, pending: &Pending| key.batch_locale() == Some(locale) && pending.max_batch == IDS_PER_CALL;
        let fitting = self.waiting().filter(|(key, pending)| fits(key, pending));
        let mut fitting: Vec<_> = fitting.map(|(_, pending)| (pending.not_before.max(now), pending.priority)).collect();
        fitting.sort_unstable();
        let enough = fitting.get(..IDS_PER_CALL)?;
        let at = enough.last().map_or(now, |(not_before, _)| *not_before);
        let is_urgent =
            fitting.iter().any(|(not_before, priority)| *not_before <= at && *priority == Priority::Interactive);
        Some(if is_urgent { at } else { at.max(bucket.has_tokens_at(now)) })
    }

    /// The first in order among those that pass.
    fn first(&self, now: Instant, passes: impl Fn(&FetchKey, &Pending) -> bool) -> Option<FetchKey> {
        let ready = self.waiting().filter(|(key, pending)| pending.not_before <= now && passes(key, pending));
        let order =
            |pending: &Pending| (pending.order_priority(now), self.fair.clock(&pending.caller), pending.arrival);
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
