//! Health by service name, for probes and load balancers.
//!
//! Readiness follows what makes this process useless, which is not listening or draining. It does not follow Amazon or
//! Redis: with either gone the cache still answers, and all replicas would turn unready at once.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use tonic_health::{ServingStatus, pb::health_server, server::HealthReporter};

use crate::served::{admin_service_server, browse_service_server, product_service_server, search_service_server};

/// Every name that can be asked about; a watch on any other would be refused.
const NAMES: [&str; 7] = [
    "",
    "liveness",
    "readiness",
    search_service_server::SERVICE_NAME,
    product_service_server::SERVICE_NAME,
    browse_service_server::SERVICE_NAME,
    admin_service_server::SERVICE_NAME,
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
        for name in NAMES {
            reporter.clear_service_status(name).await;
        }
    }

    async fn set(&self, status: ServingStatus) {
        for name in NAMES {
            self.reporter.set_service_status(name, status).await;
        }
    }
}
