//! The gRPC surface: what a call passes before a service sees it, and the four services. Knows no business rule.
//!
//! tonic's types stay in this folder and in the client: tonic is frozen upstream, and moving off it is meant to replace
//! one folder.

use std::{future::Future, io, net::SocketAddr, sync::Arc};

use tokio::net::TcpListener;
use tonic::service::RoutesBuilder;

use crate::{
    catalog::Catalog,
    config::{self, Config},
    metrics::Metrics,
    telemetry::Tracer,
};
use stockroom_proto::pb;

pub use self::operations::{Operations, ReloadRequests};
use self::{
    auth::Callers, edge::Edge, health::HealthState, listener::Port, service_state::ServiceState, services::Services,
    tls::PortTls, web::Web,
};

mod admin;
mod auth;
mod browse;
mod coalesced_io;
mod completion;
mod compression;
mod connections;
mod context;
mod deadline;
mod edge;
mod error;
mod file_descriptors;
mod files;
mod frame;
mod framed_message;
#[doc(hidden)]
pub mod fuzzing;
mod health;
mod http_connection;
mod identity;
mod inline_executor;
pub(crate) mod limits;
mod listener;
mod operations;
mod outcomes;
mod page_token;
mod preface;
mod product;
mod query;
mod request;
mod search;
mod service_state;
mod services;
mod stream_watchdog;
mod tls;
mod tracked_body;
mod violations;
mod web;

/// Why the server could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The contract could not be read back for reflection.
    #[error("the contract cannot be served for reflection")]
    Reflection(#[source] tonic_reflection::server::Error),
    /// The certificate of the port is not usable.
    #[error("the certificate of the port cannot be used: {0}")]
    Tls(String),
    /// The port is not usable.
    #[error("the port cannot be used")]
    Port(#[source] io::Error),
}

/// A server that is ready to run.
#[derive(Debug)]
pub struct Server {
    web: Arc<Web>,
    operations: Operations,
    limits: config::ServerConfig,
}

impl Server {
    /// Prepares the services of a configuration for a port that is open at `address`.
    pub async fn new(
        config: &Config,
        address: SocketAddr,
        catalog: Catalog,
        metrics: &'static Metrics,
        tracer: Tracer,
    ) -> Result<Self, Error> {
        let state = ServiceState::new(config, catalog);
        let (health, health_service) = HealthState::starting().await;
        let mut public_services = public_services(config)?;
        public_services.add_service(health_service);
        let callers = Arc::new(Callers::new(config, is_admin_open(config, address), metrics));
        let tls = config.tls.clone().map(|tls| PortTls::new(tls, metrics)).transpose().map_err(Error::Tls)?;
        let services = Services::new(&state);
        let edge = Edge::new(services, public_services.routes(), config, Arc::clone(&callers), metrics, tracer);
        let web = Arc::new(Web::new(edge, &config.web.allowed_origins));
        let operations = Operations { state, health, callers, metrics, tls: tls.map(Arc::new) };
        let max_connections = file_descriptors::fit(config.server.max_connections);
        Ok(Self { web, operations, limits: config::ServerConfig { max_connections, ..config.server } })
    }

    /// A handle for the admin port.
    pub fn operations(&self) -> Operations {
        self.operations.clone()
    }

    /// Serves until the shutdown comes and the drain has ended.
    pub async fn run(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), Error> {
        let address = listener.local_addr().map_err(Error::Port)?;
        let Operations { state, health, tls, .. } = self.operations;
        health.serving().await;
        tracing::info!(%address, tls = tls.is_some(), sandbox = state.is_sandbox, "serving");
        let port = Port { web: self.web, tls, bounds: self.limits };
        let drained = listener::run(listener, port, health, state.catalog.account_health(), shutdown).await;
        state.catalog.stop().await;
        tracing::info!(cut_connections = drained.cut, "stopped");
        Ok(())
    }
}

/// Serves a configuration until the shutdown comes and the drain has ended.
pub async fn serve(
    config: Config,
    catalog: Catalog,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Error> {
    let address = listener.local_addr().map_err(Error::Port)?;
    Server::new(&config, address, catalog, Metrics::new(), Tracer::default()).await?.run(listener, shutdown).await
}

/// Reflection, where the configuration has it.
fn public_services(config: &Config) -> Result<RoutesBuilder, Error> {
    let mut routes = RoutesBuilder::default();
    if config.server.reflection {
        let contract = || {
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(pb::FILE_DESCRIPTOR_SET)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
                // For tools that show the details of an error.
                .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
        };
        // Older tools ask by the older name only.
        routes
            .add_service(contract().build_v1().map_err(Error::Reflection)?)
            .add_service(contract().build_v1alpha().map_err(Error::Reflection)?);
    }
    Ok(routes)
}

/// Whether callers without identity may use AdminService while no callers are configured: on loopback, or by the configuration. Off loopback without
/// callers, everybody who reaches the port may spend the account's calls; that is worth a warning.
fn is_admin_open(config: &Config, address: SocketAddr) -> bool {
    // Callers do not count: a reload may remove the last.
    let is_open = config.server.admin_open || address.ip().is_loopback();
    if config.callers.is_empty() && !address.ip().is_loopback() {
        tracing::warn!(
            %address,
            admin_open = is_open,
            "the port is not on loopback and no callers are configured: whoever reaches it may spend the account's calls"
        );
    }
    is_open
}
