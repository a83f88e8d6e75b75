//! The bearer token of a credential: shared by all calls, and renewed before it expires.
//!
//! # Why
//!
//! A token is valid for an hour, and the token service limits how often it is asked. One fetch must serve every call that
//! waits for a token, and a token service in trouble must not be asked again by every call.
//!
//! # Rule
//!
//! - [`TokenCache::get`] returns the cached token until four fifths of its lifetime have passed. From then until 30 s
//!   before its end it still returns the cached token, and starts a fetch that nobody waits for. After that, callers wait
//!   for the fetch.
//! - At most one fetch is in flight. The fetch runs in its own task: a caller that is dropped does not end it.
//! - A failed fetch is remembered for 5 s, doubled with each further failure up to 60 s, or for as long as the token service
//!   asks (at most 5 min). Meanwhile callers get the remembered error, unless the cached token is still valid.
//!
//! # Edge cases
//!
//! A lifetime is counted from before the fetch, so a slow token service does not lengthen it. A token that Amazon refuses
//! is dropped only if it is still the cached one: of many callers with the same refused token, the first causes the fetch.
//! If the token that replaces it is refused before it ever worked, that counts as a failed fetch.
//! A panic in the fetch is an error for the waiting callers and leaves the cache usable.

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

use super::token_request::{GrantedToken, TokenEndpoint};
use crate::Error;

/// A token is not used during its last 30 seconds (Amazon's SDK 1.3.0 does the same).
const EXPIRY_MARGIN: Duration = Duration::from_secs(30);

/// How long the first failed fetch is remembered; doubled with each further failure.
const MIN_FAILURE_BACKOFF: Duration = Duration::from_secs(5);
/// The longest that a failed fetch is remembered.
const MAX_FAILURE_BACKOFF: Duration = Duration::from_secs(60);

/// The longest wait of the token service's that is honoured; Amazon asks for 300 s.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(300);

/// The token caches of this process that are in use.
static SHARED: Mutex<Vec<Weak<TokenCache>>> = Mutex::new(Vec::new());

/// A bearer token. `Debug` does not print it.
#[derive(Clone, Debug)]
pub(super) struct Token(Arc<SecretString>);

/// The token of one credential.
pub(super) struct TokenCache {
    endpoint: TokenEndpoint,
    state: Mutex<TokenState>,
}

#[derive(Default)]
struct TokenState {
    cached: Option<CachedToken>,
    failure: Option<FailedFetch>,
    fetch: Option<Fetch>,
    /// Whether Amazon refused a token, and has accepted none since.
    is_refused: bool,
}

/// The cached token with its two times.
struct CachedToken {
    token: Token,
    /// From here on a fetch is started in the background.
    renew_at: Instant,
    /// From here on the token is not used.
    expires_at: Instant,
}

/// A fetch that failed, and until when it is not repeated.
struct FailedFetch {
    error: Error,
    backoff: Duration,
    retry_at: Instant,
}

type Fetch = Shared<BoxFuture<'static, Result<Token, Error>>>;

impl TokenCache {
    /// The token cache of a credential. Clients with the same credential share one cache, because accounts of one region
    /// group may share a credential. The fetch uses the connection settings of the first client.
    pub(super) fn shared(endpoint: TokenEndpoint) -> Arc<Self> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.retain(|tokens| tokens.strong_count() > 0);
        if let Some(known) = shared.iter().filter_map(Weak::upgrade).find(|tokens| tokens.endpoint.is_same(&endpoint)) {
            return known;
        }
        let tokens = Arc::new(Self { endpoint, state: Mutex::default() });
        shared.push(Arc::downgrade(&tokens));
        tokens
    }

    /// A valid token: the cached one, or a new one. Dropping the future does not end a fetch.
    pub(super) async fn get(self: &Arc<Self>) -> Result<Token, Error> {
        let fetch = {
            let (mut state, now) = (self.state(), Instant::now());
            let failure = state.failure.as_ref().filter(|failure| now < failure.retry_at).map(|f| f.error.clone());
            match (&state.cached, failure) {
                (Some(cached), _) if now < cached.renew_at => return Ok(cached.token.clone()),
                (Some(cached), failure) if now < cached.expires_at => {
                    let token = cached.token.clone();
                    if failure.is_none() {
                        // The task continues without anybody waiting for it.
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

    /// Takes note that Amazon accepted a token.
    pub(super) fn on_accepted(&self) {
        self.state().is_refused = false;
    }

    /// Takes note that Amazon refused a token, and returns the error of the call. If the token was to replace a refused one,
    /// that is `error`, which callers then get until the backoff is over; otherwise the next call gets a new token.
    pub(super) fn on_refused(&self, token: &Token, error: Error) -> Error {
        let mut state = self.state();
        let is_current = state.cached.take_if(|cached| cached.token.is_same(token)).is_some();
        if is_current && state.is_refused {
            state.fail(&error, Instant::now());
            return error;
        }
        state.is_refused |= is_current;
        Error::TokenExpired { request_id: error.request_id().map(str::to_owned) }
    }

    /// The fetch under way, or a new one.
    fn fetch(self: &Arc<Self>, state: &mut TokenState) -> Fetch {
        if let Some(fetch) = &state.fetch {
            return fetch.clone();
        }
        let tokens = Arc::clone(self);
        // Not owned by any caller: the task ends by itself, because the fetch is bounded in time.
        let task = tokio::spawn(async move {
            // From before the fetch, so that a slow one does not lengthen the token's lifetime.
            let requested_at = Instant::now();
            let fetched = AssertUnwindSafe(tokens.endpoint.fetch()).catch_unwind().await;
            let panicked = |_| Err(Error::Malformed { what: "reading a token panicked".to_owned(), request_id: None });
            tokens.store(fetched.unwrap_or_else(panicked), requested_at)
        });
        let stopped = |source| Err(Error::Unreachable { source: Arc::new(source) });
        let fetch = task.map(move |ended| ended.unwrap_or_else(stopped)).boxed().shared();
        state.fetch = Some(fetch.clone());
        fetch
    }

    fn store(&self, fetched: Result<GrantedToken, Error>, requested_at: Instant) -> Result<Token, Error> {
        let mut state = self.state();
        state.fetch = None;
        match fetched {
            Ok(GrantedToken { token, lifetime }) => {
                let token = Token(Arc::new(token));
                let expires_at = requested_at + lifetime.saturating_sub(EXPIRY_MARGIN);
                let renew_at = expires_at.min(requested_at + lifetime.mul_f64(0.8));
                state.cached = Some(CachedToken { token: token.clone(), renew_at, expires_at });
                state.failure = None;
                Ok(token)
            }
            Err(error) => {
                let now = Instant::now();
                state.fail(&error, now);
                if state.cached.as_ref().is_some_and(|cached| now < cached.expires_at) {
                    tracing::warn!(%error, "fetching a new token failed; the cached token is still valid");
                }
                Err(error)
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, TokenState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TokenState {
    fn fail(&mut self, error: &Error, now: Instant) {
        let backoff =
            self.failure.as_ref().map_or(MIN_FAILURE_BACKOFF, |last| (last.backoff * 2).min(MAX_FAILURE_BACKOFF));
        let wait = match error {
            Error::Throttled { retry_after: Some(wait), .. } => backoff.max((*wait).min(MAX_RETRY_AFTER)),
            _ => backoff,
        };
        self.failure = Some(FailedFetch { error: error.clone(), backoff, retry_at: now + wait });
    }
}

impl Token {
    /// The token itself, for a header.
    pub(super) fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
