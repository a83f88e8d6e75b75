//! One key that somebody waits for.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

use super::Patience;
use crate::{
    dispatch::{
        Calls, Error, FetchKey, Priority, RequestContext,
        waiter::{Answer, Waiter},
    },
    telemetry::TraceContext,
};
use amazon_catalog::IDS_PER_CALL;

/// How long a batch with free places waits for company when it could be sent at once.
const LINGER: Duration = Duration::from_millis(25);
/// After this wait a bulk request is ordered as an interactive one, so that nothing waits for ever.
const MAX_BULK_WAIT: Duration = Duration::from_secs(240);
/// The links of a span at most, as the OpenTelemetry specification has it.
pub(super) const MAX_TRACES: usize = 128;

/// A key that waits or is in flight, and who waits for it.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) waiters: Vec<Waiter>,
    pub(super) state: State,
    pub(super) priority: Priority,
    pub(super) caller: Arc<str>,
    pub(super) daily_quota: Option<u32>,
    pub(super) weight: f64,
    /// Since when it waits with this priority.
    pub(super) since: Instant,
    /// An answer that another replica fetched after that time will do.
    pub(super) known_at: SystemTime,
    pub(super) arrival: u64,
    /// The pause after a failed call ends then.
    pub(super) not_before: Instant,
    pub(super) attempts: u32,
    /// The largest batch that may carry it: smaller after Amazon rejected a batch it was in.
    pub(super) max_batch: usize,
    /// When Amazon first rejected a batch that it was in.
    pub(super) rejected_at: Option<Instant>,
    /// The calls that were made for it.
    pub(super) calls: Vec<u64>,
    /// The traced calls that have waited for it since its last call to Amazon was sent, or since it is waiting.
    pub(super) traces: Vec<TraceContext>,
    /// Why the last attempt failed.
    pub(super) last_error: Option<Error>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Waiting,
    InFlight,
    /// Another replica fetches it; its lock ends then.
    Remote {
        until: Instant,
    },
    /// Amazon rejected it alone, after a batch with it, by a call that was sent then.
    Suspect {
        sent_at: SystemTime,
    },
}

impl Pending {
    /// A key that nobody waits for yet.
    pub(super) fn new(context: &RequestContext, now: Instant, known_at: SystemTime, arrival: u64) -> Self {
        Self {
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
            traces: Vec::new(),
            last_error: None,
        }
    }

    /// Adds a waiter. A more urgent one makes the key more urgent.
    pub(super) fn join(&mut self, waiter: Waiter, now: Instant) {
        if waiter.context.priority < self.priority {
            (self.priority, self.since) = (waiter.context.priority, now);
            self.charge_to(&waiter.context);
        }
        self.note_trace(waiter.context.trace);
        self.waiters.push(waiter);
    }

    /// Notes a call that is made for it. Those who wait now and those who join are the ones who wait for this call.
    pub(super) fn record_call(&mut self, call: u64) {
        self.calls.push(call);
        if !self.traces.is_empty() {
            self.traces.clear();
            let waiting: Vec<_> = self.waiters.iter().map(|waiter| waiter.context.trace).collect();
            waiting.into_iter().for_each(|trace| self.note_trace(trace));
        }
    }

    fn note_trace(&mut self, trace: Option<TraceContext>) {
        let has_room = self.traces.len() < MAX_TRACES;
        self.traces.extend(trace.filter(|trace| has_room && trace.is_sampled()));
    }

    /// Whether somebody waits for it, or its outcome is of use all the same.
    pub(super) fn is_wanted(&self) -> bool {
        !self.waiters.is_empty() || matches!(self.state, State::InFlight | State::Suspect { .. })
    }

    /// Its place in the order of what waits.
    pub(super) fn order_priority(&self, now: Instant) -> Priority {
        if now.saturating_duration_since(self.since) >= MAX_BULK_WAIT { Priority::Interactive } else { self.priority }
    }

    /// When it may be sent without company. One that fills a batch by itself has nothing to wait for, unless it is bulk work.
    pub(super) fn ready_at(&self, key: &FetchKey, patience: &Patience<'_>) -> Instant {
        let Patience { bucket, now, lead } = *patience;
        let is_full = key.places() >= IDS_PER_CALL;
        let lingered = if is_full { self.since } else { self.since + LINGER };
        let ready = if bucket.has_tokens(now) || (is_full && self.priority == Priority::Interactive) {
            lingered
        } else {
            let earliest = self.waiters.iter().map(|waiter| waiter.context.deadline).min();
            let latest = earliest.and_then(|deadline| deadline.checked_sub(lead));
            let has_tokens_at = bucket.has_tokens_at(now);
            latest.map_or(has_tokens_at, |latest| latest.min(has_tokens_at)).max(lingered)
        };
        ready.max(self.not_before)
    }

    /// Answers all who wait for it.
    pub(super) fn answer(self, outcome: Result<&Answer, &Error>) {
        let calls = Calls::from_ids(&self.calls);
        self.waiters.into_iter().for_each(|waiter| waiter.answer(outcome, &calls));
    }

    /// Fails the waiters that pass. Where the caller that is charged for the key is gone with them, another one is charged.
    pub(super) fn fail(&mut self, error: &Error, passes: impl Fn(&Waiter) -> bool) {
        let calls = Calls::from_ids(&self.calls);
        for waiter in self.waiters.extract_if(.., |waiter| passes(waiter)) {
            waiter.answer(Err(error), &calls);
        }
        // Interactive no longer than somebody interactive waits. The wait so far counts.
        if let Some(priority) = self.waiters.iter().map(|waiter| waiter.context.priority).min() {
            self.priority = priority;
        }
        if self.waiters.iter().all(|waiter| waiter.context.caller != self.caller)
            && let Some(context) = self.waiters.first().map(|waiter| waiter.context.clone())
        {
            self.charge_to(&context);
        }
    }

    /// Answers the waiters whose deadline has passed, and drops those that have gone.
    pub(super) fn end_overdue(&mut self, now: Instant) {
        let error = self.last_error.clone().unwrap_or(Error::DeadlineExceeded);
        self.fail(&error, |waiter| !waiter.still_waits(now));
    }

    fn charge_to(&mut self, context: &RequestContext) {
        self.caller = Arc::clone(&context.caller);
        (self.daily_quota, self.weight) = (context.daily_quota, context.weight);
    }
}
