//! A fake Amazon over real HTTP: an invented shop that answers PA-API 5.0 and the Creators API, checks signatures and tokens,
//! keeps an account's limits, and fails on purpose when told to.
//!
//! The command line starts it for demonstrations and tests start it for themselves. One address serves both APIs, and both
//! use up the same limits. It shares no code with the client side of the APIs, so that each checks the other.

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
    faults::{FaultKind, InjectedFault, ScriptError},
    hold::ResponseHold,
    tls::{Tls, TlsError},
};

mod call_log;
mod catalogue;
mod creators;
pub mod examples;
mod faults;
mod hold;
mod limits;
mod outcome;
mod paapi5;
mod search;
mod server;
mod signature;
mod state;
mod tls;

/// The one access key for PA-API that the sandbox knows.
pub const ACCESS_KEY: &str = "SANDBOXACCESSKEY0001";

/// The secret that belongs to it.
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

/// What kind of account and network to play.
#[derive(Clone, Debug)]
pub struct Options {
    /// The calls a second that the account may make. Default 10, which is Amazon's ceiling.
    pub calls_per_second: f64,
    /// The calls it may make in any 24 hours. Default 8,640, which is Amazon's for a new account.
    pub calls_per_day: u32,
    /// How much later each answer comes. Default zero.
    pub latency: Duration,
    /// Faults that befall the first calls.
    pub faults: Vec<InjectedFault>,
    /// Faults that befall the first requests for tokens; those of one operation never do.
    pub token_faults: Vec<InjectedFault>,
    /// How long a token of the Creators API is good for. Default an hour, which is Amazon's.
    pub token_lifetime: Duration,
    /// Whether the Creators API tells ratings to those who ask for them. Amazon's documentation lists no such resource, while its SDK
    /// has them. Default no. A search by the least rating works either way.
    pub creators_reviews: bool,
    /// Speak TLS with this certificate. Default: plain HTTP.
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
    /// Starts answering on `listener`. The shop is invented first, once a process, so that no call ever waits for it.
    pub async fn start(listener: TcpListener, options: Options) -> io::Result<Self> {
        let address = listener.local_addr()?;
        tokio::task::spawn_blocking(|| catalogue::Catalogue::get().words()).await?;
        let stop = CancellationToken::new();
        let tls = options.tls.clone();
        let state = Arc::new(SandboxState::new(url(address, tls.is_some()), options));
        let server = tokio::spawn(server::serve(listener, tls, Arc::clone(&state), stop.clone()));
        Ok(Self { state, server, _stop_on_drop: stop.clone().drop_guard(), stop })
    }

    /// Where it is: `http://127.0.0.1:PORT`, or `https`.
    pub fn url(&self) -> String {
        self.state.url.clone()
    }

    /// Adds a fault, after those that are still to come.
    pub fn inject(&self, fault: InjectedFault) {
        locked(&self.state.faults).push(fault);
    }

    /// Forgets the faults that are still to come, of tokens too.
    pub fn clear_faults(&self) {
        locked(&self.state.faults).clear();
        locked(&self.state.token_faults).clear();
    }

    /// Adds a fault of the requests for tokens, after those that are still to come.
    pub fn inject_for_tokens(&self, fault: InjectedFault) {
        locked(&self.state.token_faults).push(fault);
    }

    /// Keeps the answers to calls that arrive from now on, until the hold is released or dropped. The calls count against the
    /// limits when they arrive.
    pub fn hold(&self) -> ResponseHold {
        self.state.gate.close()
    }

    /// Waits until so many calls in total have arrived since the start, whether answered or not.
    pub async fn arrived(&self, calls: usize) {
        self.state.call_log.arrived(calls).await;
    }

    /// Every call that has arrived, in order.
    pub fn calls(&self) -> Vec<RecordedCall> {
        self.state.call_log.calls()
    }

    /// Keeps the answers to requests for tokens that arrive from now on, until the hold is released or dropped.
    pub fn hold_tokens(&self) -> ResponseHold {
        self.state.token_gate.close()
    }

    /// How many tokens have been asked for since the start, whether given or not. They are no calls.
    pub fn token_requests(&self) -> usize {
        self.state.tokens.requests()
    }

    /// Waits until so many tokens in total have been asked for since the start.
    pub async fn tokens_asked(&self, requests: usize) {
        self.state.tokens.asked(requests).await;
    }

    /// Forgets every token, so that calls with them are answered with `InvalidToken`.
    pub fn revoke_tokens(&self) {
        self.state.tokens.revoke();
    }

    /// Ends the life of every token, so that calls with them are answered with `TokenExpired`.
    pub fn expire_tokens(&self) {
        self.state.tokens.expire(Instant::now());
    }

    /// Whether the account has lost the sales that Amazon asks for: if so, both APIs answer `AssociateNotEligible`.
    pub fn lose_eligibility(&self, lost: bool) {
        self.state.eligible.store(!lost, Ordering::Relaxed);
    }

    /// Changes the calls a second; earlier calls still count.
    pub fn set_rate(&self, per_second: f64) {
        locked(&self.state.limits).set_rate(per_second);
    }

    /// Changes the calls a day; earlier calls still count.
    pub fn set_calls_per_day(&self, calls: u32) {
        locked(&self.state.limits).set_per_day(calls);
    }

    /// Closes the port and every connection at once, answered or not. When it returns, both are closed.
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

/// Locks, also after a panic elsewhere: what these locks keep is whole after every statement.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
