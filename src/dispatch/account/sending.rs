//! What is sent next, and when.
//!
//! A permit first, then one look into Redis for all keys of the batch: what another replica has answered meanwhile or is
//! fetching is taken out, and locks on the rest keep other replicas from fetching it too. A permit that is not needed is
//! given back. Refreshes are sent where nobody waits for a call.

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use futures_util::FutureExt;
use tokio::time::Instant;

use super::{AccountActor, Completed, FETCH_LOCK_TIME, admission::caller_spent};
use crate::dispatch::{
    Error, FetchKey, FetchState, Priority, RequestContext,
    batch::Batch,
    budget::{Booking, Permit, PermitRequest},
    queue::Patience,
    refresh_queue::{DueKey, RETRY_INTERVAL, RefreshGroup},
};
use amazon_catalog::{IDS_PER_CALL, Operation, SentNotice};

static NEXT_CALL: AtomicU64 = AtomicU64::new(1);
/// To whom calls are booked that nobody waits for.
const REFRESH_CALLER: &str = "(refresh)";
/// How long stale products wait for company while at least half of the burst is in hand, and otherwise.
const REFRESH_LINGER: Duration = Duration::from_secs(60);
const MAX_REFRESH_LINGER: Duration = Duration::from_secs(300);
/// How long a call may connect before the next one is sent all the same: a TLS connection over an ocean. A call that waits
/// for a token takes longer, and holds nobody up.
const MAX_CONNECTING: Duration = Duration::from_millis(200);

impl AccountActor {
    /// When something may be sent: what somebody waits for, or else a refresh.
    pub(super) fn next_send(&self, now: Instant) -> Option<Instant> {
        let ready = self.queue.next_ready(&self.patience(now), |operation| self.admits(operation, now));
        let refresh = self.next_refresh(now).map(|(_, at)| at.max(self.refresh_not_before));
        [ready, refresh].into_iter().flatten().min().map(|at| {
            at.max(self.budget.next(now)).max(self.connecting.map_or(at, |(_, since)| since + MAX_CONNECTING))
        })
    }

    pub(super) async fn send_next(&mut self) {
        let now = Instant::now();
        self.queue.end_overdue(now);
        if let Some(error) = self.refusals.pause(self.options.upstream.credentials_version(), now) {
            self.refresh_not_before = now + RETRY_INTERVAL;
            return self.queue.fail_waiting(&Error::Upstream(error), |_, _| true);
        }
        if let Some(resets_in) = self.budget.spent_for(now) {
            let error = self.day_spent(resets_in);
            self.refresh_not_before = now + resets_in.min(RETRY_INTERVAL);
            return self.queue.fail_waiting(&error, |_, _| true);
        }
        if let Some(resets_in) = self.budget.background_spent_for(now) {
            self.queue.fail_waiting(&Error::KeptForOthers { resets_in }, |_, priority| priority == Priority::Bulk);
        }
        let next = self.queue.next_permit(&self.patience(now), |operation| self.admits(operation, now));
        let Some((first, request)) = next else { return self.send_refresh(now).await };
        self.state_log.watch_caller(&request);
        match self.budget.try_acquire(&request).await {
            Permit::Granted(booking) => {
                let permitted = Instant::now();
                // At the same time as before, so it is the batch for which the permit was given.
                let mut batch = self.queue.take(&first, now);
                let fillers = self.add_fillers(&mut batch);
                self.send(batch, fillers, booking, permitted).await;
            }
            Permit::NotYet => self.refuse_hurried(),
            Permit::CallerQuotaSpent(resets_in) => {
                let PermitRequest { caller, daily_quota, .. } = request;
                let error = caller_spent(&caller, daily_quota, resets_in);
                self.queue.fail_charged(&caller, &error);
            }
        }
    }

    pub(super) fn admits(&self, operation: Operation, now: Instant) -> bool {
        self.breakers.get(&operation).is_none_or(|breaker| breaker.open_for(now).is_none())
    }

    /// How long a batch may wait for company: until its own call, and those that wait and one more, are in time all the same.
    fn patience(&self, now: Instant) -> Patience<'_> {
        let calls = u32::try_from(self.queue.calls()).unwrap_or(u32::MAX);
        let lead = self.call_time.expected() + self.budget.interval().saturating_mul(calls);
        Patience { bucket: &self.bucket, now, lead }
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
        if self.budget.background_spent_for(now).is_some() {
            self.refresh_not_before = now + RETRY_INTERVAL;
            return;
        }
        let size = if matches!(group, RefreshGroup::Items(_)) { IDS_PER_CALL } else { 1 };
        let (due, paused): (Vec<_>, Vec<_>) =
            self.take_due(group, size).into_iter().partition(|due| self.admits(due.key.operation(), now));
        paused.iter().for_each(|due| self.options.refresh_queue.defer(due, RETRY_INTERVAL));
        if due.is_empty() {
            return;
        }
        let request =
            PermitRequest { caller: REFRESH_CALLER.into(), daily_quota: None, is_refresh: true, has_more: false };
        let Permit::Granted(booking) = self.budget.try_acquire(&request).await else {
            self.refresh_not_before = Instant::now() + self.budget.own_interval();
            due.iter().for_each(|due| self.options.refresh_queue.mark_stale(&due.key, due.fetched_at));
            return;
        };
        let permitted = Instant::now();
        let mut batch = Batch::empty();
        let fillers = self.fill(&mut batch, due);
        self.send(batch, fillers, booking, permitted).await;
    }

    /// Gives the free places of a batch to products that are due for a refresh. A batch that was split after Amazon rejected
    /// it takes none: one of them may be what Amazon objects to.
    fn add_fillers(&mut self, batch: &mut Batch) -> Vec<DueKey> {
        let free = IDS_PER_CALL.saturating_sub(batch.keys.len());
        match batch.locale() {
            Some(locale) if free > 0 && batch.max_batch >= IDS_PER_CALL => {
                let due = self.take_due(RefreshGroup::Items(locale), free);
                self.fill(batch, due)
            }
            _ => Vec::new(),
        }
    }

    /// Adds keys that nobody waits for to a batch. Returns those that were added.
    fn fill(&mut self, batch: &mut Batch, mut due: Vec<DueKey>) -> Vec<DueKey> {
        let nobody = RequestContext::new(REFRESH_CALLER, Instant::now());
        let context = RequestContext { priority: Priority::Bulk, ..nobody };
        due.retain(|due| self.queue.add_filler(batch, &due.key, &context, due.fetched_at));
        due
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

    /// Sends a batch that has had a permit since then, without the keys that another replica has answered or is fetching.
    async fn send(&mut self, mut batch: Batch, fillers: Vec<DueKey>, booking: Booking, permitted: Instant) {
        let known_at = |key: &FetchKey| self.queue.known_at(key).unwrap_or(SystemTime::UNIX_EPOCH);
        let keys = std::mem::take(&mut batch.keys).into_iter();
        let keys: Vec<_> = keys.map(|key| (known_at(&key), key)).map(|(known_at, key)| (key, known_at)).collect();
        let states = self.options.answers.look_up(&keys).await;
        for ((key, _), state) in keys.into_iter().zip(states) {
            match state {
                FetchState::Free => batch.keys.push(key),
                FetchState::Remote => self.queue.mark_remote(&key, Instant::now() + FETCH_LOCK_TIME),
                FetchState::Answered(snapshot) => self.answer_remote(&key, snapshot),
            }
        }
        let Some(request) = batch.request() else { return self.budget.give_back(&booking).await };

        let call = NEXT_CALL.fetch_add(1, Ordering::Relaxed);
        batch.keys.iter().for_each(|key| self.queue.record_call(key, call));
        self.bucket.spend(Instant::now());
        self.counts.retries += u64::from(batch.attempts > 1);
        self.breakers.entry(request.operation()).or_default().on_send();
        let (upstream, timeout, clock) = (Arc::clone(&self.options.upstream), self.options.timeout, self.options.clock);
        let written_tx = self.written_tx.clone();
        let (started, credentials) = (Instant::now(), self.options.upstream.credentials_version());
        self.connecting = Some((call, permitted));
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
            let (written, took) = (sent.at(), started.elapsed());
            Completed { batch, fillers, booking, call, credentials, result, sent_at, took, written }
        });
    }
}
