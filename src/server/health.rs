//! Health by service name, for probes and load balancers.
//!
//! Readiness follows what makes this process useless: it does not listen, it drains, or no account takes requests because
//! every account actor panicked a moment ago. Then everything but liveness and AdminService is NOT_SERVING, for the length of
//! an actor's pause. While at least one account takes requests, so does the process. It does not follow Amazon or Redis:
//! with either gone the cache still answers, and all replicas would turn unready at once.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use tokio::sync::watch;
use tonic_health::{ServingStatus, pb::health_server, server::HealthReporter};

use crate::{
    dispatch::AccountHealth,
    served::{admin_service_server, browse_service_server, product_service_server, search_service_server},
};

/// The names that are of no use without an account.
const NEED_AN_ACCOUNT: [&str; 5] = [
    "",
    "readiness",
    search_service_server::SERVICE_NAME,
    product_service_server::SERVICE_NAME,
    browse_service_server::SERVICE_NAME,
];
const LIVENESS: &str = "liveness";

/// The health of this process.
#[derive(Clone, Debug)]
pub(crate) struct HealthState {
    reporter: HealthReporter,
    phase: Arc<AtomicU8>,
}

const STARTING: u8 = 0;
const SERVING: u8 = 1;
const DRAINING: u8 = 2;

impl HealthState {
    /// Not serving yet, but alive.
    pub(crate) async fn starting() -> (Self, health_server::HealthServer<impl health_server::Health>) {
        let (reporter, service) = tonic_health::server::health_reporter();
        let health = Self { reporter, phase: Arc::new(AtomicU8::new(STARTING)) };
        health.set(ServingStatus::NotServing).await;
        health.reporter.set_service_status(LIVENESS, ServingStatus::Serving).await;
        (health, service)
    }

    /// The port is open and every service behind it ready.
    pub(crate) async fn serving(&self) {
        self.phase.store(SERVING, Ordering::Relaxed);
        self.set(ServingStatus::Serving).await;
    }

    /// Draining: alive, and not to be called any more.
    pub(crate) async fn stop_serving(&self) {
        self.phase.store(DRAINING, Ordering::Relaxed);
        self.set(ServingStatus::NotServing).await;
        self.reporter.set_service_status(LIVENESS, ServingStatus::Serving).await;
    }

    /// Follows the accounts, for as long as it is polled.
    ///
    /// Cancel-safe: whoever drops it sets the names anew.
    pub(crate) async fn follow(&self, mut accounts: watch::Receiver<AccountHealth>) {
        loop {
            let is_down = accounts.borrow_and_update().is_down();
            let status = if is_down { ServingStatus::NotServing } else { ServingStatus::Serving };
            for name in NEED_AN_ACCOUNT {
                self.reporter.set_service_status(name, status).await;
            }
            if accounts.changed().await.is_err() {
                // The accounts have ended, and nothing changes any more.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Why the process is not ready; `None` if it is.
    pub(crate) fn not_ready(&self) -> Option<&'static str> {
        match self.phase.load(Ordering::Relaxed) {
            SERVING => None,
            DRAINING => Some("draining: the process is about to stop"),
            _ => Some("starting: the gRPC port is not open yet"),
        }
    }

    /// Ends every watch, which would otherwise hold its connection open.
    pub(crate) async fn end_watches(&self) {
        let mut reporter = self.reporter.clone();
        for name in names() {
            reporter.clear_service_status(name).await;
        }
    }

    async fn set(&self, status: ServingStatus) {
        for name in names() {
            self.reporter.set_service_status(name, status).await;
        }
    }
}

/// Every name that can be asked about; a watch on any other would be refused.
fn names() -> impl Iterator<Item = &'static str> {
    NEED_AN_ACCOUNT.into_iter().chain([LIVENESS, admin_service_server::SERVICE_NAME])
}
