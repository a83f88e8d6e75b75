//! What other replicas fetch: the actor looks for their answers, once for all keys.

use std::time::Duration;

use tokio::time::Instant;

use super::AccountActor;
use crate::dispatch::{FetchKey, FetchState, waiter::Answer};
use amazon_catalog::Snapshot;

/// How often answers of other replicas are looked for. Amazon takes a second.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// How long another replica's lock is waited for. The lock itself holds as long.
pub(crate) const FETCH_LOCK_TIME: Duration = Duration::from_secs(3);

impl AccountActor {
    pub(super) fn look_for_remote_answers(&mut self) {
        let now = Instant::now();
        self.poll_at = now + POLL_INTERVAL;
        self.queue.end_overdue(now);
        let mut keys = Vec::new();
        for (key, known_at, is_over) in self.queue.remote(now) {
            if is_over {
                // Whoever has the lock takes too long.
                self.queue.end_remote(&key);
            } else {
                keys.push((key, known_at));
            }
        }
        if !keys.is_empty() {
            let answers = self.options.answers.clone();
            self.poll.spawn(async move {
                let states = answers.look_up(&keys).await;
                keys.into_iter().map(|(key, _)| key).zip(states).collect()
            });
        }
    }

    pub(super) fn on_poll(&mut self, found: Vec<(FetchKey, FetchState)>) {
        for (key, state) in found {
            match state {
                FetchState::Answered(snapshot) => self.answer_remote(&key, snapshot),
                FetchState::Free => self.queue.end_remote(&key),
                FetchState::Remote => {}
            }
        }
    }

    /// Answers all who wait for a key with what another replica fetched.
    pub(super) fn answer_remote(&mut self, key: &FetchKey, snapshot: Option<Snapshot>) {
        let answer = snapshot.map_or(Answer::Cached, Answer::Item);
        self.queue.answer(key, Ok(&answer));
    }
}
