//! The bearer token of a credential: one for all who call with it, fetched before the old one ends.
//!
//! A fetch is a task of its own, so a caller that hangs up does not end it for the others. A fetch that fails is
//! remembered for a while, so that a token service in trouble is not asked for every call.

use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

use super::grant::{Grant, Source};
use crate::Error;

/// A token is used no longer than this before its end (Amazon's SDK 1.3.0 does the same).
const MARGIN: Duration = Duration::from_secs(30);

/// How long a failed fetch is remembered: at first, doubled with each further failure, up to the most.
const FIRST_HOLD: Duration = Duration::from_secs(5);
const LONGEST_HOLD: Duration = Duration::from_secs(60);

/// A wait that the token service asks for is honoured up to this, which is Amazon's own.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// All that anybody in this process holds.
static SHARED: Mutex<Vec<Weak<Tokens>>> = Mutex::new(Vec::new());

/// A bearer token. It is never shown.
#[derive(Clone, Debug)]
pub(super) struct Token(Arc<SecretString>);

/// The tokens of one credential.
pub(super) struct Tokens {
    source: Source,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    held: Option<Held>,
    failure: Option<Failure>,
    fetch: Option<Fetch>,
}

struct Held {
    token: Token,
    renew_at: Instant,
    ends_at: Instant,
}

struct Failure {
    error: Error,
    hold: Duration,
    over_at: Instant,
}

type Fetch = Shared<BoxFuture<'static, Result<Token, Error>>>;

impl Tokens {
    /// The tokens of a credential, which are those of everybody else who has the same one: accounts of one region group
    /// may share it. They are fetched on the way out of whoever came first.
    pub(super) fn of(source: Source) -> Arc<Self> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.retain(|tokens| tokens.strong_count() > 0);
        if let Some(known) = shared.iter().filter_map(Weak::upgrade).find(|tokens| tokens.source.is_same(&source)) {
            return known;
        }
        let tokens = Arc::new(Self { source, state: Mutex::default() });
        shared.push(Arc::downgrade(&tokens));
        tokens
    }

    /// A token that is good: the one held, or a new one. Dropping the future does not end a fetch.
    pub(super) async fn get(self: &Arc<Self>) -> Result<Token, Error> {
        let fetch = {
            let (mut state, now) = (self.state(), Instant::now());
            let failure = state.failure.as_ref().filter(|failure| now < failure.over_at).map(|f| f.error.clone());
            match (&state.held, failure) {
                (Some(held), _) if now < held.renew_at => return Ok(held.token.clone()),
                (Some(held), failure) if now < held.ends_at => {
                    let token = held.token.clone();
                    if failure.is_none() {
                        // It goes on without anybody waiting for it.
                        drop(self.fetch(&mut state));
                    }
                    return Ok(token);
                }
                (_, Some(error)) => return Err(error),
                (_, None) => self.fetch(&mut state),
            }
        };
        fetch.await
    }

    /// A token in place of one that Amazon did not take. Of many who ask so at once, the first alone causes a fetch.
    pub(super) async fn renew(self: &Arc<Self>, refused: &Token) -> Result<Token, Error> {
        self.state().drop_token(refused);
        self.get().await
    }

    /// Books that Amazon does not take a new token either, so that for a while nobody spends a call on finding it out.
    pub(super) fn give_up(&self, refused: &Token, error: &Error) {
        let mut state = self.state();
        if state.drop_token(refused) {
            state.fail(error, Instant::now());
        }
    }

    /// The fetch under way, or a new one.
    fn fetch(self: &Arc<Self>, state: &mut State) -> Fetch {
        if let Some(fetch) = &state.fetch {
            return fetch.clone();
        }
        let tokens = Arc::clone(self);
        // Nobody's own: it ends by itself, as the fetch is bounded in time.
        let task = tokio::spawn(async move {
            // Counted from before the fetch, so that a slow one does not lengthen the token's life.
            let asked_at = Instant::now();
            let fetched = AssertUnwindSafe(tokens.source.fetch()).catch_unwind().await;
            let panicked = |_| Err(Error::Malformed { what: "reading a token panicked".to_owned(), request_id: None });
            tokens.settle(fetched.unwrap_or_else(panicked), asked_at)
        });
        let stopped = |source| Err(Error::Unreachable { source: Arc::new(source) });
        let fetch = task.map(move |ended| ended.unwrap_or_else(stopped)).boxed().shared();
        state.fetch = Some(fetch.clone());
        fetch
    }

    fn settle(&self, fetched: Result<Grant, Error>, asked_at: Instant) -> Result<Token, Error> {
        let mut state = self.state();
        state.fetch = None;
        match fetched {
            Ok(Grant { token, life }) => {
                let token = Token(Arc::new(token));
                let ends_at = asked_at + life.saturating_sub(MARGIN);
                let renew_at = ends_at.min(asked_at + life.mul_f64(0.8));
                state.held = Some(Held { token: token.clone(), renew_at, ends_at });
                state.failure = None;
                Ok(token)
            }
            Err(error) => {
                let now = Instant::now();
                state.fail(&error, now);
                if state.held.as_ref().is_some_and(|held| now < held.ends_at) {
                    tracing::warn!(%error, "a new token could not be fetched; the old one is still good");
                }
                Err(error)
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether it was still held.
    fn drop_token(&mut self, token: &Token) -> bool {
        self.held.take_if(|held| held.token.is_same(token)).is_some()
    }

    fn fail(&mut self, error: &Error, now: Instant) {
        let hold = self.failure.as_ref().map_or(FIRST_HOLD, |last| (last.hold * 2).min(LONGEST_HOLD));
        let wait = match error {
            Error::Throttled { retry_after: Some(wait), .. } => hold.max((*wait).min(LONGEST_WAIT)),
            _ => hold,
        };
        self.failure = Some(Failure { error: error.clone(), hold, over_at: now + wait });
    }
}

impl Token {
    /// The text, for a header.
    pub(super) fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
