//! Decides whether a call may be sent now: the account's rate limit and daily quota, tracked in this process or shared
//! with other replicas through Redis.
//!
//! Rule: every attempt is booked before it is sent, retries and throttled ones included, because Amazon counts them too.
//! A booking is given back only where the request never left this process.
//!
//! Without Redis each replica keeps to an even part, `1/replicas`, of the rate, of the day and of each caller's quota,
//! since no replica knows of the others. What does not divide evenly belongs to the replicas with the smallest indexes; a
//! replica without an index rounds its part down. With Redis see [`shared`].

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

use self::{account_clock::AccountClock, day_counters::DayCounters, rate_limit::RateLimit, shared::SharedBudget};
use super::Options;

pub(crate) use self::script::replicas_with_lease;

mod account_clock;
mod day_counters;
mod rate_limit;
mod script;
mod shared;
mod time_slots;

/// The longest pause that Amazon can impose with one answer. Retry-After comes from outside, so it is bounded.
pub(crate) const MAX_RETRY_AFTER: Duration = Duration::from_secs(300);

/// One account's budget.
#[derive(Debug)]
pub(crate) struct Budget {
    local: LocalBudget,
    shared: Option<SharedBudget>,
    part: Part,
}

/// The part of a number that one replica has, where nobody coordinates the replicas.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    replicas: u32,
    index: Option<u32>,
}

/// What this replica knows of its account's budget.
#[derive(Debug)]
pub(crate) struct LocalBudget {
    rate_limit: RateLimit,
    day: DayCounters,
    clock: AccountClock,
    /// Identifies this process among the replicas of the account.
    replica: Arc<str>,
}

/// Who asks for a permit.
#[derive(Clone, Debug)]
pub(crate) struct PermitRequest {
    /// The caller to whom the call is booked.
    pub(crate) caller: Arc<str>,
    /// The caller's own calls a day; `None`: no quota.
    pub(crate) daily_quota: Option<u32>,
    /// Whether nobody waits for the answer. Such a request never takes a turn from a replica that waits.
    pub(crate) is_refresh: bool,
    /// Whether this replica has more calls to send, so that its next turn can be reserved.
    pub(crate) has_more: bool,
}

/// Whether a call may be sent now.
#[derive(Clone, Debug)]
pub(crate) enum Permit {
    /// The call may be sent; it is booked.
    Granted(Booking),
    /// Not before [`Budget::next`].
    NotYet,
    /// The caller has spent its own quota, until that time has passed.
    CallerQuotaSpent(Duration),
}

/// A booked call.
#[derive(Clone, Debug)]
pub(crate) struct Booking {
    pub(crate) caller: Arc<str>,
    /// When it was booked, by the account's clock.
    pub(crate) at_ms: u64,
}

impl Budget {
    pub(crate) fn new(options: &Options, now: Instant) -> Self {
        let replica: Arc<str> = uuid::Uuid::new_v4().simple().to_string().into();
        let shared = options.sharing.store.clone().map(|store| SharedBudget::new(store, &replica, options, now));
        let part = Part::new(options);
        let local = LocalBudget {
            rate_limit: RateLimit::new(options.calls_per_second / f64::from(part.replicas), now),
            day: DayCounters::new(part.of(options.calls_per_day)),
            clock: AccountClock::new(options.clock, now),
            replica,
        };
        Self { local, shared, part }
    }

    /// The earliest time at which a permit may be asked for; may be in the past.
    pub(crate) fn next(&self, now: Instant) -> Instant {
        match &self.shared {
            None => self.local.rate_limit.next(),
            Some(shared) => shared.next(&self.local, now),
        }
    }

    /// Asks for a permit, and books the call where it is granted. Takes no longer than two of the store's timeouts.
    ///
    /// Dropping the future can lose a booking: the call counts as made.
    pub(crate) async fn try_acquire(&mut self, request: &PermitRequest) -> Permit {
        let now = Instant::now();
        if self.next(now) > now {
            return Permit::NotYet;
        }
        if let Some(resets_in) = self.caller_spent_for(&request.caller, request.daily_quota, now) {
            return Permit::CallerQuotaSpent(resets_in);
        }
        match &mut self.shared {
            Some(shared) => shared.try_acquire(&mut self.local, request).await,
            None => {
                self.local.rate_limit.spend(now);
                Permit::Granted(self.local.book(&request.caller, now))
            }
        }
    }

    /// Gives back the booking of a call that never left this process.
    pub(crate) async fn give_back(&mut self, booking: &Booking) {
        self.local.day.give_back(&self.local.replica, &booking.caller, booking.at_ms);
        if let Some(shared) = &mut self.shared {
            shared.give_back(&mut self.local, booking).await;
        }
    }

    /// The request of a booked call was written only now, as on a new connection. Amazon counts calls where they arrive,
    /// so the next one keeps its distance from here.
    pub(crate) async fn written(&mut self, at: Instant) {
        self.local.rate_limit.hold(at + self.local.rate_limit.interval());
        if let Some(shared) = &mut self.shared {
            shared.written(&mut self.local, at).await;
        }
    }

    /// Amazon throttled a call that was sent at that time.
    pub(crate) async fn throttled(&mut self, booking: &Booking, retry_after: Option<Duration>) {
        let retry_after = retry_after.unwrap_or_default().min(MAX_RETRY_AFTER);
        match &mut self.shared {
            None => self.local.throttled(booking, retry_after),
            Some(shared) => shared.throttled(&mut self.local, booking, retry_after).await,
        }
    }

    /// When [`sync`](Self::sync) is due; `None` without Redis.
    pub(crate) fn sync_at(&self) -> Option<Instant> {
        self.shared.as_ref().map(SharedBudget::sync_at)
    }

    /// Exchanges counters with the other replicas, within the store's timeout. Returns how many calls the others made in
    /// the last minute that this replica did not know of.
    pub(crate) async fn sync(&mut self) -> u32 {
        match &mut self.shared {
            Some(shared) => shared.sync(&mut self.local).await,
            None => 0,
        }
    }

    /// Leaves the replicas of the account: no call will be made any more.
    pub(crate) async fn release(&mut self) {
        if let Some(shared) = &mut self.shared {
            shared.release(&mut self.local).await;
        }
    }

    /// Since when Redis is unreachable and this replica keeps to its offline quota.
    pub(crate) fn offline_since(&self) -> Option<SystemTime> {
        self.shared.as_ref().and_then(SharedBudget::offline_since)
    }

    /// The calls that this replica may make while Redis is unreachable; `None` without Redis.
    pub(crate) fn offline_calls_left(&self) -> Option<u32> {
        self.shared.as_ref().map(SharedBudget::offline_calls_left)
    }

    /// The time between two calls of this replica, as the others take their turns.
    pub(crate) fn own_interval(&self) -> Duration {
        let interval = self.local.rate_limit.interval();
        self.shared.as_ref().map_or(interval, |shared| shared.own_interval(interval))
    }

    /// The time between two calls of this replica, where no other one takes turns.
    pub(crate) fn interval(&self) -> Duration {
        if self.offline_since().is_some() { self.own_interval() } else { self.local.rate_limit.interval() }
    }

    /// The account's calls a second right now.
    pub(crate) fn rate(&self) -> f64 {
        self.local.rate_limit.rate()
    }

    /// Whether throttling has reduced the rate and it has not recovered.
    pub(crate) fn is_rate_reduced(&self) -> bool {
        self.local.rate_limit.is_reduced()
    }

    /// The calls that may be made in a day.
    pub(crate) fn limit(&self) -> u32 {
        self.local.day.limit()
    }

    /// The calls made in the past day.
    pub(crate) fn spent(&mut self, now: Instant) -> u32 {
        self.local.day.spent(self.local.clock.ms(now))
    }

    /// The calls of the past day by caller, in alphabetical order.
    pub(crate) fn by_caller(&mut self, now: Instant) -> Vec<(Arc<str>, u32)> {
        self.local.day.by_caller(self.local.clock.ms(now))
    }

    /// How long until the oldest calls leave the window of a day.
    pub(crate) fn next_release_in(&self, now: Instant) -> Option<Duration> {
        self.local.day.next_release_in(self.local.clock.ms(now))
    }

    /// How long until the day has a call again; `None` where it has one now.
    pub(crate) fn spent_for(&mut self, now: Instant) -> Option<Duration> {
        let limit = self.limit();
        self.local.day.spent_for(limit, self.local.clock.ms(now))
    }

    /// How long until the caller may cause a call; `None` where it may now.
    pub(crate) fn caller_spent_for(&mut self, caller: &str, quota: Option<u32>, now: Instant) -> Option<Duration> {
        self.local.day.caller_spent_for(caller, self.part.of(quota?), self.local.clock.ms(now))
    }

    /// How long until bulk work and refreshes may cause a call; `None` where they may now. They stop at four fifths of the
    /// day, so that the rest is there for interactive callers.
    pub(crate) fn background_spent_for(&mut self, now: Instant) -> Option<Duration> {
        let limit = (self.limit() / 5 * 4).max(1);
        self.local.day.spent_for(limit, self.local.clock.ms(now))
    }
}

impl Part {
    /// All of it where the replicas share a Redis.
    pub(crate) fn new(options: &Options) -> Self {
        let replicas = if options.sharing.store.is_some() { 1 } else { options.sharing.replicas.max(1) };
        Self { replicas, index: options.sharing.replica_index }
    }

    /// This replica's part of so many calls.
    pub(crate) fn of(self, calls: u32) -> u32 {
        let has_one_more = self.index.is_some_and(|index| index < calls % self.replicas);
        calls / self.replicas + u32::from(has_one_more)
    }
}

impl LocalBudget {
    fn book(&mut self, caller: &Arc<str>, now: Instant) -> Booking {
        let at_ms = self.clock.ms(now);
        self.day.book(&self.replica, caller, at_ms);
        Booking { caller: Arc::clone(caller), at_ms }
    }

    fn throttled(&mut self, booking: &Booking, retry_after: Duration) {
        self.rate_limit.throttled(Instant::now(), self.clock.instant(booking.at_ms), retry_after);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_replicas_with_an_index_add_up_to_the_whole_and_those_without_to_no_more() {
        for replicas in 1..=7 {
            for calls in [0, 1, 2, 3, 5, 8640, 10_000_000] {
                let parts = (0..replicas).map(|index| Part { replicas, index: Some(index) }.of(calls));
                assert_eq!(parts.sum::<u32>(), calls, "{calls} among {replicas}");
                assert!(replicas * Part { replicas, index: None }.of(calls) <= calls, "{calls} among {replicas}");
            }
        }
    }
}
