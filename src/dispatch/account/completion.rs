//! What the end of a call means: its cost, its answer, its retry.
//!
//! # An id that Amazon rejects without naming it
//!
//! A rejected batch is halved until the id is alone. The calls differ in their ids only, so an id that is rejected alone, while
//! ids of its locale are answered, does not exist for Amazon. It is stored as not found, or each further batch with it
//! would be halved again. Where nothing is answered, the request and not the id may be at fault.

use std::{collections::HashMap, sync::Arc, time::Duration};

use prost::Message;
use tokio::time::Instant;

use super::{AccountActor, Completed};
use crate::dispatch::{
    BreakerState, Error, FetchKey,
    batch::Batch,
    refresh_queue::{DueKey, REJECTED_INTERVAL, RETRY_INTERVAL},
    retry,
    waiter::Answer,
};
use amazon_catalog::{Asin, CatalogRequest, CatalogResponse, Items, Missing, Snapshot};
use stockroom_proto::pb;

/// By how much a request may be written later than its permit was given before the distance to the next call is counted
/// anew: more than a machine takes to run a task, less than a connection.
const MAX_WRITE_DELAY: Duration = Duration::from_millis(10);

impl AccountActor {
    /// A request was written. Amazon counts it from now on.
    pub(super) async fn on_written(&mut self, call: u64, written: Instant) {
        let connecting = self.connecting.take_if(|(connecting, _)| *connecting == call);
        if connecting.is_some_and(|(_, since)| written.saturating_duration_since(since) > MAX_WRITE_DELAY) {
            self.budget.written(written).await;
        }
    }

    pub(super) async fn on_response(&mut self, completed: Completed, may_retry: bool) {
        match completed.written {
            Some(written) => {
                self.call_time.record(completed.took);
                self.on_written(completed.call, written).await;
            }
            None => self.connecting = self.connecting.filter(|(call, _)| *call != completed.call),
        }
        self.account_for(&completed).await;
        let Completed { batch, fillers, result, sent_at, .. } = completed;
        let protocol = self.options.upstream.protocol();
        // An answer is as old as its call: a purge while the call was in flight is stronger, in every replica.
        let stamp = Snapshot { fetched_at: sent_at, protocol, content: Ok(bytes::Bytes::new()) };
        match result {
            Ok(answer) => self.answer(&batch, &fillers, answer, &stamp, may_retry),
            Err(error) => self.fail(&batch, &fillers, error, &stamp, may_retry),
        }
    }

    /// Handles a call that was not answered.
    fn fail(
        &mut self,
        batch: &Batch,
        fillers: &[DueKey],
        error: amazon_catalog::Error,
        stamp: &Snapshot,
        may_retry: bool,
    ) {
        self.options.answers.release(&batch.keys);
        let pause = match &error {
            amazon_catalog::Error::Rejected { .. } if batch.keys.len() == 1 => REJECTED_INTERVAL,
            _ => RETRY_INTERVAL,
        };
        fillers.iter().for_each(|due| self.options.refresh_queue.defer(due, pause));
        self.retry_or_fail(batch, error, stamp, may_retry);
    }

    /// Stores as not found what Amazon rejected alone while it answered other ids, and answers who waits for it.
    pub(super) fn judge_suspects(&mut self) {
        for (key, fetched_at) in self.queue.judge_suspects() {
            let protocol = self.options.upstream.protocol();
            let snapshot = Snapshot { fetched_at, protocol, content: Err(Missing::NotFound) };
            self.store_item(&key, snapshot);
        }
    }

    /// Stores what Amazon said of a product, then answers all who wait for it.
    fn store_item(&mut self, key: &FetchKey, snapshot: Snapshot) {
        if let FetchKey::Item(locale, asin) = key {
            self.options.answers.store_item(*locale, *asin, &snapshot);
        }
        self.queue.answer(key, Ok(&Answer::Item(snapshot)));
    }

    /// Accounts for how a call ended.
    async fn account_for(&mut self, completed: &Completed) {
        let now = Instant::now();
        let Completed { batch, booking, call, credentials, result, written, .. } = completed;
        let Some(operation) = batch.keys.first().map(FetchKey::operation) else { return };
        let breaker = self.breakers.entry(operation).or_default();
        if written.is_none() {
            self.budget.give_back(booking).await;
            batch.keys.iter().for_each(|key| self.queue.forget_call(key, *call));
        }
        self.refusals.note(result.as_ref().err(), *credentials, now);
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
        let trace = self.record_span(completed);
        if let Err(error) = result {
            let trace_id = trace.map(|trace| tracing::field::display(trace.trace_id()));
            let request_id = error.request_id().unwrap_or("none");
            let operation = operation.name();
            let error = with_causes(error);
            tracing::warn!(account = &*self.name, operation, request_id, attempt = batch.attempts, trace_id, %error, "call to Amazon failed");
            self.last_error = Some(format!("{operation}: {error} (request id {request_id})"));
        }
    }

    fn retry_or_fail(&mut self, batch: &Batch, error: amazon_catalog::Error, stamp: &Snapshot, may_retry: bool) {
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
                self.queue.split(key, batch.keys.len() / 2, &cause);
            } else if may_retry && error.may_be_about_an_item_id() && self.queue.was_rejected(key) {
                self.queue.mark_suspect(key, stamp.fetched_at, &cause);
            } else if may_retry && retry::is_worthwhile(&error, attempts) && pause.is_none() {
                let not_before = (now + retry::backoff(attempts)).max(self.budget.next(now));
                self.queue.requeue(key, not_before, &cause);
            } else {
                self.queue.answer(key, Err(&cause));
            }
        }
        if let Some(retry_after) = pause {
            self.queue
                .fail_waiting(&Error::BreakerOpen { operation, retry_after }, |key, _| key.operation() == operation);
        }
    }

    /// Stores an answer, then answers all who wait for it.
    fn answer(
        &mut self,
        batch: &Batch,
        fillers: &[DueKey],
        answer: CatalogResponse,
        stamp: &Snapshot,
        may_retry: bool,
    ) {
        match (batch.request(), answer) {
            (Some(CatalogRequest::Items(asked)), CatalogResponse::Items(items)) => {
                let mut outcomes = item_outcomes(items);
                let is_unprocessed = |asin: &Asin| matches!(outcomes.get(asin), Some(ItemOutcome::Unprocessed));
                if asked.asins.iter().all(is_unprocessed) {
                    // The next call would be the same.
                    return self.fail(batch, fillers, unanswered(), stamp, may_retry);
                }
                self.queue.note_answered_items(asked.locale);
                for asin in asked.asins {
                    let key = FetchKey::Item(asked.locale, asin);
                    let error = match outcomes.remove(&asin) {
                        Some(ItemOutcome::Known(content)) => {
                            self.store_item(&key, Snapshot { content, ..stamp.clone() });
                            continue;
                        }
                        Some(ItemOutcome::Unprocessed) => None,
                        Some(ItemOutcome::Failed(error)) => Some(error),
                        None => Some(unanswered()),
                    };
                    // A failure is no absence, so it is not stored.
                    self.options.answers.release(std::slice::from_ref(&key));
                    let due = fillers.iter().find(|due| due.key == key);
                    due.into_iter().for_each(|due| self.options.refresh_queue.defer(due, RETRY_INTERVAL));
                    let is_repeated = error.is_none() && may_retry;
                    let error = Error::Upstream(Arc::new(error.unwrap_or_else(unanswered)));
                    if is_repeated {
                        self.queue.split(&key, batch.keys.len(), &error);
                    } else {
                        self.queue.answer(&key, Err(&error));
                    }
                }
            }
            (Some(CatalogRequest::Items(_)), _) => self.fail(batch, fillers, unanswered(), stamp, may_retry),
            (Some(request), answer) => {
                self.options.answers.store_response(&request, &answer, stamp);
                let answer = Answer::Fetched { answer: Arc::new(answer), stamp: stamp.clone() };
                self.queue.answer(&FetchKey::Request(request), Ok(&answer));
            }
            (None, _) => {}
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

fn unanswered() -> amazon_catalog::Error {
    let what = "neither a product nor an error for this id".to_owned();
    amazon_catalog::Error::Malformed { what, request_id: None }
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
