//! What the admin port and the command line do with a running server, beside its gRPC services.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use prost::Message;
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use tonic::Request;

use super::{
    admin::AdminService,
    auth::{Callers, Principal},
    context::{CallContext, CallStatsHandle},
    health::HealthState,
    search::SearchService,
    service_state::ServiceState,
    tls::PortTls,
};
use crate::{
    config,
    dispatch::{CancelFlag, Priority},
    metrics::{Metrics, MetricsSnapshot},
    served::search_service_server::SearchService as _,
};
use stockroom_proto::pb;

/// The caller's name in status and logs of a search that the status page makes.
const CALLER: &str = "status-page";
/// The longest wait for a search of the status page.
const SEARCH_TIMEOUT: Duration = Duration::from_secs(10);

/// Requests to reload, each with the way to answer it.
pub type ReloadRequests = mpsc::Receiver<oneshot::Sender<pb::ReloadResponse>>;

/// A handle on a running server; cheap to clone.
#[derive(Clone, Debug)]
pub struct Operations {
    pub(super) state: ServiceState,
    pub(super) health: HealthState,
    pub(super) callers: Arc<Callers>,
    pub(super) metrics: &'static Metrics,
    pub(super) tls: Option<Arc<PortTls>>,
}

impl Operations {
    /// The server's metrics.
    pub fn metrics(&self) -> &'static Metrics {
        self.metrics
    }

    /// Whether callers are configured; without any, everybody may call.
    pub fn has_callers(&self) -> bool {
        self.callers.are_configured()
    }

    /// Admits these callers and no others from now on. Calls in progress keep the quota and weight that they began with.
    pub fn replace_callers(&self, callers: &[config::CallerConfig]) {
        self.callers.replace(callers);
        self.state.replace_quotas(callers);
    }

    /// Uses the certificates of a newer configuration for new connections. The error says why they cannot be used; the old
    /// ones stay then.
    pub fn replace_certificates(&self, newer: &config::TlsConfig) -> Result<(), String> {
        self.tls.as_ref().map_or(Ok(()), |tls| tls.replace(newer, SystemTime::now()))
    }

    /// Warns once an hour while the end of the port's certificate is close.
    pub fn warn_of_expiry(&self) {
        if let Some(tls) = &self.tls {
            tls.warn_of_expiry(SystemTime::now());
        }
    }

    /// The requests of `AdminService.Reload`. Whoever calls this answers them; without it the method is unimplemented.
    pub fn reload_requests(&self) -> ReloadRequests {
        let (sender, requests) = mpsc::channel(1);
        // Only the first call counts: one owner reloads.
        let _ = self.state.reload.set(sender);
        requests
    }

    /// Why the server is not ready; empty if it is. Does not depend on Amazon or Redis, as health does not.
    pub fn not_ready(&self) -> Vec<String> {
        let phase = self.health.not_ready().map(str::to_owned);
        let is_down = self.state.catalog.account_health().borrow().is_down();
        let accounts = if is_down { self.paused_accounts() } else { Vec::new() };
        phase.into_iter().chain(accounts).collect()
    }

    /// The accounts that refuse everything for a moment, in words. The server is ready while one account does not.
    pub fn paused_accounts(&self) -> Vec<String> {
        let health = self.state.catalog.account_health();
        let words = |name| format!("account {name}: restarting after a defect of the gateway");
        health.borrow().pausing().map(words).collect()
    }

    /// The state of the server now.
    pub async fn snapshot(&self) -> MetricsSnapshot {
        let status = AdminService(self.state.clone()).status().await;
        let redis_answers =
            self.state.catalog.caches().iter().find(|tier| tier.tier == "redis").map(|tier| tier.answers);
        MetricsSnapshot { status, redis_answers, not_ready: self.not_ready() }
    }

    /// Makes a search as a call of an RPC would. The error is for people.
    pub async fn search(&self, request: pb::SearchProductsRequest) -> Result<pb::SearchProductsResponse, String> {
        let ended = CancelFlag::default();
        let _ends = ended.clone().drop_guard();
        let principal = Principal { name: CALLER.into(), share: None, weight: 1.0, class: Priority::Interactive };
        let deadline = Instant::now() + SEARCH_TIMEOUT;
        let mut call = Request::new(request);
        let stats = CallStatsHandle::default();
        call.extensions_mut().insert(CallContext { principal, deadline, ended, trace: None, stats });
        let service = SearchService(self.state.clone());
        let answer = tokio::time::timeout_at(deadline, service.search_products(call))
            .await
            .map_err(|_| "no answer in time".to_owned())?;
        let answer = answer.map_err(|status| status.message().to_owned())?.into_inner();
        pb::SearchProductsResponse::decode(answer.encode_to_vec().as_slice()).map_err(|error| error.to_string())
    }
}
