//! Logs each change of an account's state once: a circuit breaker opens or closes, the day is spent, throttling reduces
//! the rate, a caller reaches its daily quota, and the end of each.
//!
//! The actor shows its state after each event. A line is written where the state differs from the one before.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use tokio::time::Instant;

use super::{
    breaker::{BreakerState, OperationBreaker},
    budget::{Budget, PermitRequest},
};
use amazon_catalog::Operation;

/// The state that was logged last.
#[derive(Debug)]
pub(super) struct StateLog {
    account: Arc<str>,
    breakers: HashMap<Operation, BreakerState>,
    is_day_spent: bool,
    is_rate_reduced: bool,
    rate: f64,
    /// The callers that have a quota and have asked for a permit: the quota, and whether it is spent.
    callers: BTreeMap<Arc<str>, (u32, bool)>,
}

impl StateLog {
    pub(super) fn new(account: &Arc<str>) -> Self {
        Self {
            account: Arc::clone(account),
            breakers: HashMap::new(),
            is_day_spent: false,
            is_rate_reduced: false,
            rate: f64::INFINITY,
            callers: BTreeMap::new(),
        }
    }

    /// From now on a line is written when this caller reaches its quota. Only configured callers have one.
    pub(super) fn watch_caller(&mut self, request: &PermitRequest) {
        if let Some(quota) = request.daily_quota {
            self.callers.entry(Arc::clone(&request.caller)).or_default().0 = quota;
        }
    }

    /// Logs what has changed.
    pub(super) fn observe(
        &mut self,
        breakers: &HashMap<Operation, OperationBreaker>,
        budget: &mut Budget,
        now: Instant,
    ) {
        for (operation, breaker) in breakers {
            self.observe_breaker(*operation, breaker.state(), now);
        }
        self.observe_rate(budget);
        self.observe_day(budget, now);
        self.observe_callers(budget, now);
    }

    fn observe_breaker(&mut self, operation: Operation, state: BreakerState, now: Instant) {
        let before = self.breakers.insert(operation, state).unwrap_or(BreakerState::Closed);
        let (account, operation) = (&*self.account, operation.name());
        match state {
            BreakerState::Open { until } if before != state => {
                let pause_seconds = until.saturating_duration_since(now).as_secs();
                tracing::warn!(account, operation, pause_seconds, "circuit breaker opened");
            }
            BreakerState::Closed if before != state => tracing::info!(account, operation, "circuit breaker closed"),
            BreakerState::Open { .. } | BreakerState::HalfOpen | BreakerState::Closed => {}
        }
    }

    fn observe_rate(&mut self, budget: &Budget) {
        let (account, calls_per_second) = (&*self.account, budget.rate());
        let is_reduced = budget.is_rate_reduced();
        if is_reduced && calls_per_second < self.rate {
            tracing::warn!(account, calls_per_second, "Amazon throttled the account; its rate is reduced");
        } else if self.is_rate_reduced && !is_reduced {
            tracing::info!(account, calls_per_second, "the account's rate is restored");
        }
        (self.is_rate_reduced, self.rate) = (is_reduced, calls_per_second);
    }

    fn observe_day(&mut self, budget: &mut Budget, now: Instant) {
        let spent_for = budget.spent_for(now);
        let (account, calls_per_day) = (&*self.account, budget.limit());
        match (self.is_day_spent, spent_for) {
            (false, Some(next)) => {
                let next_call_seconds = next.as_secs();
                tracing::warn!(account, calls_per_day, next_call_seconds, "the account's calls of the day are spent");
            }
            (true, None) => tracing::info!(account, calls_per_day, "the account has calls again"),
            (true, Some(_)) | (false, None) => {}
        }
        self.is_day_spent = spent_for.is_some();
    }

    fn observe_callers(&mut self, budget: &mut Budget, now: Instant) {
        let account = &*self.account;
        for (caller, (quota, was_spent)) in &mut self.callers {
            let (caller, calls_per_day) = (&**caller, *quota);
            let spent_for = budget.caller_spent_for(caller, Some(calls_per_day), now);
            match (*was_spent, spent_for) {
                (false, Some(next)) => {
                    let next_call_seconds = next.as_secs();
                    tracing::warn!(
                        account,
                        caller,
                        calls_per_day,
                        next_call_seconds,
                        "a caller has spent its daily quota"
                    );
                }
                (true, None) => tracing::info!(account, caller, calls_per_day, "a caller has calls again"),
                (true, Some(_)) | (false, None) => {}
            }
            *was_spent = spent_for.is_some();
        }
    }
}
