//! A fake Amazon over real HTTP, for development and tests.
//!
#![doc = include_str!("../README.md")]

use std::{
    fmt, io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
    time::{Duration, Instant},
};

use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::{CancellationToken, DropGuard};

use self::state::SandboxState;
use amazon_catalog::Marketplace;

pub use self::{
    call_log::RecordedCall,
    creators::{credential, credential_versions, token_path},
    faults::{ErrorForm, FaultKind, InjectedFault, ListedPage, ScriptError},
    hold::ResponseHold,
    odd::{ODD_ANSWERS, OddAnswer},
    tls::{Tls, TlsError},
};

mod call_log;
mod catalogue;
mod creators;
pub mod examples;
mod faults;
mod hold;
mod limits;
mod odd;
mod outcome;
mod paapi5;
mod search;
mod server;
mod signature;
mod state;
mod tls;

/// The one PA-API access key that the sandbox accepts.
pub const ACCESS_KEY: &str = "SANDBOXACCESSKEY0001";

/// The secret of [`ACCESS_KEY`].
pub const SECRET_KEY: &str = "sandbox-secret-that-opens-nothing-at-all";

/// The partner tag that the sandbox accepts in a marketplace: `sandbox-20` in the Americas, `sandbox-21` in Europe, the Middle East
/// and India, `sandbox-22` in the Far East.
pub fn partner_tag(marketplace: Marketplace) -> String {
    let suffix = match marketplace.region_group() {
        "NA" => "20",
        "EU" => "21",
        _ => "22",
    };
    format!("sandbox-{suffix}")
}

/// The account and the network that the sandbox simulates.
#[derive(Clone, Debug)]
pub struct Options {
    /// The calls per second that the account may make. Default 10, Amazon's maximum.
    pub calls_per_second: f64,
    /// The calls it may make in any 24 hours. Default 8,640, Amazon's limit for a new account.
    pub calls_per_day: u32,
    /// The delay of each answer. Default zero.
    pub latency: Duration,
    /// Faults of the first calls.
    pub faults: Vec<InjectedFault>,
    /// Faults of the first token requests. A fault that names an operation never matches one.
    pub token_faults: Vec<InjectedFault>,
    /// How long a token of the Creators API is valid. Default an hour, as Amazon's.
    pub token_lifetime: Duration,
    /// Whether the Creators API returns requested ratings. Amazon's documentation lists no such resource, while its SDK
    /// has them. Default no. A search by minimum rating works either way.
    pub creators_reviews: bool,
    /// Serve TLS with this certificate. Default: plain HTTP.
    pub tls: Option<Tls>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            calls_per_second: 10.0,
            calls_per_day: 8640,
            latency: Duration::ZERO,
            faults: Vec::new(),
            token_faults: Vec::new(),
            token_lifetime: Duration::from_secs(3600),
            creators_reviews: false,
            tls: None,
        }
    }
}

/// A running sandbox. Dropping it stops it.
pub struct Sandbox {
    state: Arc<SandboxState>,
    server: JoinHandle<()>,
    stop: CancellationToken,
    _stop_on_drop: DropGuard,
}

impl Sandbox {
    /// Starts the server on `listener`. The products are generated first, once per process, so that no call waits for them.
    pub async fn start(listener: TcpListener, options: Options) -> io::Result<Self> {
        let address = listener.local_addr()?;
        tokio::task::spawn_blocking(|| catalogue::Catalogue::get().words()).await?;
        let stop = CancellationToken::new();
        let tls = options.tls.clone();
        let state = Arc::new(SandboxState::new(url(address, tls.is_some()), options));
        let server = tokio::spawn(server::serve(listener, tls, Arc::clone(&state), stop.clone()));
        Ok(Self { state, server, _stop_on_drop: stop.clone().drop_guard(), stop })
    }

    /// The base URL: `http://127.0.0.1:PORT`, or `https`.
    pub fn url(&self) -> String {
        self.state.url.clone()
    }

    /// Queues a fault behind the pending ones.
    pub fn inject(&self, fault: InjectedFault) {
        locked(&self.state.faults).push(fault);
    }

    /// Removes all pending faults, those of token requests included.
    pub fn clear_faults(&self) {
        locked(&self.state.faults).clear();
        locked(&self.state.token_faults).clear();
    }

    /// Queues a fault of token requests behind the pending ones.
    pub fn inject_for_tokens(&self, fault: InjectedFault) {
        locked(&self.state.token_faults).push(fault);
    }

    /// Holds back the answers to calls that arrive from now on, until the hold is released or dropped. The calls count against the
    /// limits when they arrive.
    pub fn hold(&self) -> ResponseHold {
        self.state.gate.close()
    }

    /// Waits until this many calls in total have arrived since the start, answered or not. Cancel-safe.
    pub async fn arrived(&self, calls: usize) {
        self.state.call_log.arrived(calls).await;
    }

    /// Every call since the start, in order of arrival.
    pub fn calls(&self) -> Vec<RecordedCall> {
        self.state.call_log.calls()
    }

    /// The calls after the first so many.
    pub fn calls_after(&self, count: usize) -> Vec<RecordedCall> {
        self.state.call_log.calls_after(count)
    }

    /// Holds back the answers to token requests that arrive from now on, until the hold is released or dropped.
    pub fn hold_tokens(&self) -> ResponseHold {
        self.state.token_gate.close()
    }

    /// The number of token requests since the start, granted or not. A token request is not a call.
    pub fn token_requests(&self) -> usize {
        self.state.tokens.requests()
    }

    /// Waits until this many token requests in total have arrived since the start. Cancel-safe.
    pub async fn tokens_asked(&self, requests: usize) {
        self.state.tokens.asked(requests).await;
    }

    /// Revokes every token: calls with one are answered with `InvalidToken`.
    pub fn revoke_tokens(&self) {
        self.state.tokens.revoke();
    }

    /// Expires every token: calls with one are answered with `TokenExpired`.
    pub fn expire_tokens(&self) {
        self.state.tokens.expire(Instant::now());
    }

    /// Sets whether the account misses Amazon's sales requirement: if so, both APIs answer `AssociateNotEligible`.
    pub fn lose_eligibility(&self, lost: bool) {
        self.state.eligible.store(!lost, Ordering::Relaxed);
    }

    /// Changes the calls per second. Earlier calls still count.
    pub fn set_rate(&self, per_second: f64) {
        locked(&self.state.limits).set_rate(per_second);
    }

    /// Changes the calls per 24 hours. Earlier calls still count.
    pub fn set_calls_per_day(&self, calls: u32) {
        locked(&self.state.limits).set_per_day(calls);
    }

    /// Closes the port and every connection at once, also those with unanswered calls. Both are closed when it returns.
    pub async fn stop(self) {
        self.stop.cancel();
        if let Err(error) = self.server.await {
            tracing::warn!(%error, "the sandbox's server did not end well");
        }
    }
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox").field("url", &self.url()).finish_non_exhaustive()
    }
}

fn url(address: SocketAddr, secure: bool) -> String {
    format!("{}://{address}", if secure { "https" } else { "http" })
}

/// Locks a mutex and ignores poisoning: the data behind these mutexes is consistent after every statement.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
