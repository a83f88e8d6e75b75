//! A fake Amazon over real HTTP: an invented shop that answers PA-API 5.0 calls, checks their signatures, keeps an account's
//! limits, and fails on purpose when told to.
//!
//! The command line starts it for demonstrations and tests start it for themselves. It shares no code with the client side
//! of the API, so that each checks the other. Only `catalogue`, `search` and `limits` are of no particular API.

use std::{
    fmt, io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::amazon::Marketplace;

pub use self::{
    faults::{Fault, FaultKind, ScriptError},
    hold::Hold,
    record::Call,
    tls::{Tls, TlsError},
};

mod catalogue;
pub mod examples;
mod faults;
mod hold;
mod limits;
mod paapi5;
mod record;
mod search;
mod server;
mod signature;
mod tls;

/// The one access key that the sandbox knows.
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
    pub faults: Vec<Fault>,
    /// Speak TLS with this certificate. Default: plain HTTP.
    pub tls: Option<Tls>,
}

impl Default for Options {
    fn default() -> Self {
        Self { calls_per_second: 10.0, calls_per_day: 8640, latency: Duration::ZERO, faults: Vec::new(), tls: None }
    }
}

/// A running sandbox. Dropping it stops it.
pub struct Sandbox {
    address: SocketAddr,
    secure: bool,
    house: Arc<server::House>,
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
        let house = Arc::new(server::House::new(options));
        let secure = tls.is_some();
        let server = tokio::spawn(server::serve(listener, tls, Arc::clone(&house), stop.clone()));
        Ok(Self { address, secure, house, server, _stop_on_drop: stop.clone().drop_guard(), stop })
    }

    /// Where it is: `http://127.0.0.1:PORT`, or `https`.
    pub fn url(&self) -> String {
        format!("{}://{}", if self.secure { "https" } else { "http" }, self.address)
    }

    /// Adds a fault, after those that are still to come.
    pub fn inject(&self, fault: Fault) {
        locked(&self.house.faults).push(fault);
    }

    /// Forgets the faults that are still to come.
    pub fn clear_faults(&self) {
        locked(&self.house.faults).clear();
    }

    /// Keeps the answers to calls that arrive from now on, until the hold is released or dropped. The calls count against the
    /// limits when they arrive.
    pub fn hold(&self) -> Hold {
        self.house.gate.close()
    }

    /// Waits until so many calls in total have arrived since the start, whether answered or not.
    pub async fn arrived(&self, calls: usize) {
        self.house.record.arrived(calls).await;
    }

    /// Every call that has arrived, in order.
    pub fn calls(&self) -> Vec<Call> {
        self.house.record.calls()
    }

    /// Changes the calls a second; earlier calls still count.
    pub fn set_rate(&self, per_second: f64) {
        locked(&self.house.allowance).set_rate(per_second);
    }

    /// Changes the calls a day; earlier calls still count.
    pub fn set_calls_per_day(&self, calls: u32) {
        locked(&self.house.allowance).set_per_day(calls);
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

/// Locks, also after a panic elsewhere: what these locks keep is whole after every statement.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
