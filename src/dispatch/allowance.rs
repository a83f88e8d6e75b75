//! What leaves has leave: an account's pace and day, kept alone or with all other replicas.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::time::Instant;
use uuid::Uuid;

use super::{
    Options,
    account_clock::AccountClock,
    budget::{Day, Pace},
    shared::{LocalBudget, Shared},
};

/// An account's allowance.
#[derive(Debug)]
pub(crate) struct Allowance {
    known: LocalBudget,
    shared: Option<Shared>,
    replica: Uuid,
    asked: u64,
}

/// Whether a call may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Permit {
    /// It may, and has been counted.
    Granted,
    /// Not before [`Allowance::next`].
    NotYet,
}

impl Allowance {
    pub(crate) fn new(options: &Options, now: Instant) -> Self {
        let replica = Uuid::new_v4();
        let shared = options.store.clone().map(|store| Shared::new(store, replica, options, now));
        // Without Redis nobody says who else is there, so each replica keeps to an even part.
        let parts = if shared.is_some() { 1 } else { options.replicas.max(1) };
        let known = LocalBudget {
            pace: Pace::new(options.calls_per_second / f64::from(parts), now),
            day: Day::new(options.calls_per_day / parts),
            clock: AccountClock::new(now),
        };
        Self { known, shared, replica, asked: 0 }
    }

    /// When leave may be asked for; may be in the past.
    pub(crate) fn next(&self, now: Instant) -> Instant {
        match &self.shared {
            None => self.known.pace.next(),
            Some(shared) => shared.next(&self.known, now),
        }
    }

    /// Asks for leave for one call, and counts it where it is given. Takes no longer than the store's bound. Must not be
    /// dropped: a call may have been counted.
    pub(crate) async fn take(&mut self, caller: &str) -> Permit {
        let now = Instant::now();
        if self.next(now) > now {
            return Permit::NotYet;
        }
        self.asked += 1;
        let call: Arc<str> = format!("{}-{} {caller}", self.replica.simple(), self.asked).into();
        match &mut self.shared {
            Some(shared) => shared.take(&mut self.known, call).await,
            None => {
                self.known.pace.spend(now);
                self.known.day.spend(call, self.known.clock.ms(now));
                Permit::Granted
            }
        }
    }

    /// Amazon throttled. Takes no longer than the store's bound.
    pub(crate) async fn throttled(&mut self, retry_after: Option<Duration>) {
        match &mut self.shared {
            None => self.known.pace.throttled(Instant::now(), retry_after),
            Some(shared) => shared.throttled(&mut self.known, retry_after).await,
        }
    }

    /// When [`tick`](Self::tick) is due; `None` where it never is.
    pub(crate) fn tick_at(&self) -> Option<Instant> {
        self.shared.as_ref().map(Shared::tick_at)
    }

    /// Tells and hears what was spent, within the store's bound; gives back how many calls others made just now.
    pub(crate) async fn tick(&mut self) -> usize {
        match &mut self.shared {
            Some(shared) => shared.tick(&mut self.known).await,
            None => 0,
        }
    }

    /// No call will be made any more.
    pub(crate) async fn leave(&mut self) {
        if let Some(shared) = &mut self.shared {
            shared.leave(&mut self.known).await;
        }
    }

    /// Since when it keeps to its own share because Redis is away.
    pub(crate) fn alone_since(&self) -> Option<SystemTime> {
        self.shared.as_ref().and_then(Shared::alone_since)
    }

    /// The time between two calls of the account.
    pub(crate) fn interval(&self) -> Duration {
        self.known.pace.interval()
    }

    /// The calls a second right now.
    pub(crate) fn rate(&self) -> f64 {
        self.known.pace.rate()
    }

    /// The calls that may be made in a day.
    pub(crate) fn limit(&self) -> u32 {
        self.known.day.limit()
    }

    /// The calls made in the past day.
    pub(crate) fn spent(&mut self, now: Instant) -> u32 {
        self.known.day.spent(self.known.clock.ms(now))
    }

    /// What each caller spent in the past day.
    pub(crate) fn by_caller(&mut self, now: Instant) -> &HashMap<Arc<str>, u32> {
        self.known.day.by_caller(self.known.clock.ms(now))
    }

    /// How long until the oldest call leaves the window.
    pub(crate) fn next_release_in(&self, now: Instant) -> Option<Duration> {
        self.known.day.next_release_in(self.known.clock.ms(now))
    }

    /// See [`Day::spent_for`].
    pub(crate) fn spent_for(&mut self, now: Instant) -> Option<Duration> {
        self.known.day.spent_for(self.known.clock.ms(now))
    }

    /// See [`Day::share_spent_for`].
    pub(crate) fn share_spent_for(&mut self, caller: &str, share: u32, now: Instant) -> Option<Duration> {
        self.known.day.share_spent_for(caller, share, self.known.clock.ms(now))
    }

    /// See [`Day::background_spent_for`].
    pub(crate) fn background_spent_for(&mut self, now: Instant) -> Option<Duration> {
        self.known.day.background_spent_for(self.known.clock.ms(now))
    }
}
