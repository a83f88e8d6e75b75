//! Health by service name, for probes and load balancers.
//!
//! Readiness follows what makes this process useless, which is not listening or draining. It does not follow Amazon or
//! Redis: with either gone the cache still answers, and all replicas would turn unready at once.

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
pub(crate) struct Health(HealthReporter);

impl Health {
    /// Not serving yet, but alive.
    pub(crate) async fn starting() -> (Self, health_server::HealthServer<impl health_server::Health>) {
        let (reporter, service) = tonic_health::server::health_reporter();
        let health = Self(reporter);
        health.set(ServingStatus::NotServing).await;
        health.0.set_service_status(LIVENESS, ServingStatus::Serving).await;
        (health, service)
    }

    /// The port is open and every service behind it ready.
    pub(crate) async fn serving(&self) {
        self.set(ServingStatus::Serving).await;
    }

    /// Draining: alive, and not to be called any more.
    pub(crate) async fn stop_serving(&self) {
        self.set(ServingStatus::NotServing).await;
        self.0.set_service_status(LIVENESS, ServingStatus::Serving).await;
    }

    /// Ends every watch, which would otherwise hold its connection open.
    pub(crate) async fn end_watches(&self) {
        let mut reporter = self.0.clone();
        for name in NAMES {
            reporter.clear_service_status(name).await;
        }
    }

    async fn set(&self, status: ServingStatus) {
        for name in NAMES {
            self.0.set_service_status(name, status).await;
        }
    }
}
