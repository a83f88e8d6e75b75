//! Keeps an account's actor running over its own defects.
//!
//! # Why
//!
//! A panic in the actor's task would end the account until the process restarts.
//!
//! # Rule
//!
//! A panic while a message or a result is handled ends neither the task nor the account. Whoever waits is refused with a
//! time to try again, and so is whoever asks during the pause that follows: [`FIRST_PAUSE`], doubled with each further panic
//! up to [`MAX_PAUSE`]. The actor goes on with a new queue and the budget as it was counted. [`AccountHealth`] says which
//! accounts pause; the report has the number of restarts and the last panic.
//!
//! # Edge cases
//!
//! Waiters that were lost on the way learn of it by the end of their channel. A run of [`STABLE_AFTER`] without a panic makes
//! the next pause the first one again. A stop ends the pause.

use std::{
    any::Any,
    collections::BTreeSet,
    ops::ControlFlow,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use futures_util::FutureExt;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
    time::{Instant, sleep_until},
};

use super::{AccountActor, ActorMessage};
use crate::dispatch::Error;

/// The pause after a panic, so that one that repeats does not take a core.
pub(in crate::dispatch) const FIRST_PAUSE: Duration = Duration::from_millis(100);
const MAX_PAUSE: Duration = Duration::from_secs(10);
/// How long an actor must run for its earlier panics to be forgotten.
const STABLE_AFTER: Duration = Duration::from_secs(60);

/// Which accounts refuse everything, because their actors panicked a moment ago.
#[derive(Clone, Debug, Default)]
pub struct AccountHealth {
    accounts: usize,
    pausing: BTreeSet<Arc<str>>,
}

impl AccountHealth {
    pub(in crate::dispatch) fn new(accounts: usize) -> Self {
        Self { accounts, pausing: BTreeSet::new() }
    }

    /// The accounts that refuse everything, in alphabetical order.
    pub fn pausing(&self) -> impl Iterator<Item = &str> {
        self.pausing.iter().map(|account| &**account)
    }

    /// Whether no account takes requests.
    pub fn is_down(&self) -> bool {
        self.accounts > 0 && self.pausing.len() == self.accounts
    }
}

/// The pauses of one actor.
#[derive(Debug)]
struct RestartPause {
    next: Duration,
    running_since: Instant,
}

impl RestartPause {
    fn new(now: Instant) -> Self {
        Self { next: FIRST_PAUSE, running_since: now }
    }

    /// Until when the actor pauses that panics now.
    fn begin(&mut self, now: Instant) -> Instant {
        if now >= self.running_since + STABLE_AFTER {
            self.next = FIRST_PAUSE;
        }
        let until = now + self.next;
        self.next = (self.next * 2).min(MAX_PAUSE);
        self.running_since = until;
        until
    }
}

/// Whom to answer when the actor has ended, where somebody asked for its end.
type Stopped = Option<oneshot::Sender<()>>;

impl AccountActor {
    /// Runs the actor until it is stopped, over any panic of its own.
    pub(super) async fn supervise(
        mut self,
        mut inbox: mpsc::Receiver<ActorMessage>,
        health: watch::Sender<AccountHealth>,
    ) {
        let mut pause = RestartPause::new(Instant::now());
        let stopped = loop {
            match AssertUnwindSafe(self.run(&mut inbox)).catch_unwind().await {
                Ok(stopped) => break stopped,
                Err(panic) => {
                    let until = pause.begin(Instant::now());
                    self.set_pausing(&health, true);
                    self.restart(&panic_text(&*panic), until);
                    let paused = self.refuse_until(until, &mut inbox).await;
                    self.set_pausing(&health, false);
                    if let ControlFlow::Break(stopped) = paused {
                        break stopped;
                    }
                }
            }
        };
        self.finish(&mut inbox).await;
        // Whoever stopped it is answered when this is dropped.
        drop(stopped);
    }

    fn set_pausing(&self, health: &watch::Sender<AccountHealth>, is_pausing: bool) {
        health.send_modify(|AccountHealth { pausing, .. }| {
            if is_pausing {
                pausing.insert(Arc::clone(&self.name));
            } else {
                pausing.remove(&self.name);
            }
        });
    }

    /// Fails all waiters, and goes on with a new queue.
    fn restart(&mut self, panic: &str, until: Instant) {
        let account = &*self.name;
        self.counts.restarts += 1;
        self.paused_until = Some(until);
        let retry_after = until.saturating_duration_since(Instant::now());
        let pause_ms = retry_after.as_millis();
        tracing::error!(account, panic, pause_ms, "the account actor panicked and goes on with an empty queue");
        self.last_error = Some(format!("the account actor panicked and was restarted: {panic}"));
        let queue = std::mem::take(&mut self.queue);
        if catch_unwind(AssertUnwindSafe(|| queue.fail_everything(&Error::Restarting { retry_after }))).is_err() {
            tracing::error!(account, "the queue of the panicked actor could not be answered");
        }
        self.poll = JoinSet::new();
    }

    /// Refuses whoever asks before then. Breaks off where the actor is stopped.
    async fn refuse_until(&mut self, until: Instant, inbox: &mut mpsc::Receiver<ActorMessage>) -> ControlFlow<Stopped> {
        loop {
            // Cancel-safe: receiving loses nothing when the pause ends.
            let message = tokio::select! {
                biased;
                () = sleep_until(until) => break,
                message = inbox.recv() => message,
            };
            match message {
                Some(ActorMessage::Stop(reply)) => return ControlFlow::Break(Some(reply)),
                None => return ControlFlow::Break(None),
                Some(ActorMessage::Report(reply)) => {
                    // Without a report, whoever asked learns of it from the end of the channel.
                    if let Ok(report) = catch_unwind(AssertUnwindSafe(|| self.report())) {
                        drop(reply.send(report));
                    }
                }
                Some(message) => {
                    message.refuse(&Error::Restarting { retry_after: until.saturating_duration_since(Instant::now()) });
                }
            }
        }
        self.paused_until = None;
        ControlFlow::Continue(())
    }

    /// Refuses what waits, and finishes the calls in flight.
    async fn finish(&mut self, inbox: &mut mpsc::Receiver<ActorMessage>) {
        self.queue.fail_unsent(&Error::Stopping);
        // No more messages are taken. Those that came before are refused, too.
        inbox.close();
        while let Some(message) = inbox.recv().await {
            message.refuse(&Error::Stopping);
        }
        while let Some(completed) = self.in_flight.join_next().await {
            if let Ok(completed) = completed
                && AssertUnwindSafe(self.on_response(completed, false)).catch_unwind().await.is_err()
            {
                tracing::error!(account = &*self.name, "the last answer of a stopping account could not be handled");
            }
        }
        self.budget.release().await;
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_their_bound_and_begin_anew_after_a_stable_run() {
        let mut now = Instant::now();
        let mut pause = RestartPause::new(now);
        let mut panic_after = |run: Duration| {
            let until = pause.begin(now + run);
            let lasts = until - (now + run);
            now = until;
            lasts
        };
        let at_once = Duration::ZERO;
        let pauses: Vec<u128> = (0..9).map(|_| panic_after(at_once).as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        assert_eq!(panic_after(STABLE_AFTER - Duration::from_millis(1)), MAX_PAUSE);
        assert_eq!(panic_after(STABLE_AFTER), FIRST_PAUSE);
    }
}
