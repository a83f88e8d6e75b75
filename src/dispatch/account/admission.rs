//! Whether a request may wait for a call: what refuses it at once, and what it would wait at most.
//!
//! A request is admitted where its answer can be there before its deadline, by the predicted wait for its turn and the time
//! that calls take. One whose turn is now is admitted whatever calls take: its answer is cached, and serves the next request.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

use super::{super::Calls, AccountActor, FETCH_LOCK_TIME};
use crate::dispatch::{Error, FetchKey, Priority, RequestContext, waiter::Waiter};

impl AccountActor {
    /// Queues a waiter, or fails it where waiting is useless.
    pub(super) fn join(&mut self, key: FetchKey, waiter: Waiter) {
        let now = Instant::now();
        match self.refusal(&key, &waiter.context, now) {
            Some(error) => waiter.answer(Err(&error), &Calls::default()),
            None => {
                // What another replica was fetching when this was asked for will do, unless it is known here.
                let known_at = self.options.answers.fetched_at(&key).unwrap_or(SystemTime::UNIX_EPOCH);
                let asked_at = self.options.clock.now() - FETCH_LOCK_TIME;
                self.counts.coalesced += u64::from(self.queue.contains(&key));
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
        let answered_in = wait + self.call_time.expected();
        // One whose deadline has passed is not refused for a wait; it is never asked for.
        let is_late = context.deadline > now && !wait.is_zero() && now + answered_in > context.deadline;
        is_late.then_some(Error::WaitExceedsDeadline { wait: answered_in })
    }

    /// How long a call with so many before it waits at most, by the rate and by the pace of the day.
    pub(super) fn predicted_wait(&self, calls_before: usize, now: Instant) -> Duration {
        let before = u32::try_from(calls_before).unwrap_or(u32::MAX);
        let by_rate =
            self.budget.next(now).saturating_duration_since(now) + self.budget.own_interval().saturating_mul(before);
        by_rate.max(self.bucket.min_wait_with_overdraft(calls_before, now))
    }

    pub(super) fn day_spent(&self, resets_in: Duration) -> Error {
        Error::DayBudgetSpent { account: Arc::clone(&self.name), limit: self.budget.limit(), resets_in }
    }

    /// Fails those whose deadline comes before the next call may be sent.
    pub(super) fn refuse_hurried(&mut self) {
        let now = Instant::now();
        let next = self.budget.next(now);
        if next > now {
            let error = Error::WaitExceedsDeadline { wait: next - now };
            self.queue.fail_waiters(&error, |waiter| waiter.context.deadline < next);
        }
    }
}

pub(super) fn caller_spent(caller: &Arc<str>, quota: Option<u32>, resets_in: Duration) -> Error {
    Error::CallerShareSpent { caller: Arc::clone(caller), share: quota.unwrap_or_default(), resets_in }
}
