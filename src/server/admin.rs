//! AdminService.

use std::time::SystemTime;

use tokio::sync::oneshot;
use tonic::{Request, Response, Status};

use super::{
    context::CallContext, error::ErrorDescriptor, limits::MAX_ASINS, service_state::ServiceState,
    violations::Violations,
};
use crate::{
    cache::{Namespace, Purge},
    dispatch::{BreakerState, Report},
    served,
};
use amazon_catalog::{Asin, FileKind};
use stockroom_proto::pb::{self, ErrorReason};

#[derive(Debug)]
pub(crate) struct AdminService(pub(crate) ServiceState);

#[tonic::async_trait]
impl served::admin_service_server::AdminService for AdminService {
    async fn get_status(&self, _: Request<pb::GetStatusRequest>) -> Result<Response<pb::GetStatusResponse>, Status> {
        Ok(Response::new(self.status().await))
    }

    async fn purge_cache(
        &self,
        request: Request<pb::PurgeCacheRequest>,
    ) -> Result<Response<pb::PurgeCacheResponse>, Status> {
        use pb::purge_cache_request::Target;
        let mut violations = Violations::default();
        let what = match request.into_inner().target {
            Some(Target::Products(products)) => self.products(&products, &mut violations),
            Some(Target::Namespace(namespace)) => {
                let namespace = violations.enum_value("namespace", namespace);
                namespace.and_then(|namespace| {
                    violations.parsed("namespace", namespace_of(namespace).ok_or("names no kind")).map(Purge::Namespace)
                })
            }
            Some(Target::Everything(true)) => Some(Purge::Everything),
            Some(Target::Everything(false)) => {
                violations.add("everything", "must be true");
                None
            }
            None => {
                violations.add("target", "must be one of products, namespace and everything");
                None
            }
        };
        violations.into_result()?;
        // Without a violation there is a target.
        let what = what.ok_or_else(|| Status::internal("a purge without a target"))?;
        let purged = self.0.catalog.purge(&what).await;
        if !purged.everywhere {
            let message = "the purge took effect in this process only: Redis did not accept it; retry";
            return Err(ErrorDescriptor::new(ErrorReason::PurgeNotShared, message).into());
        }
        Ok(Response::new(pb::PurgeCacheResponse { dropped_count: signed(purged.dropped) }))
    }

    async fn reload(&self, _: Request<pb::ReloadRequest>) -> Result<Response<pb::ReloadResponse>, Status> {
        let none = || Status::unimplemented("this gateway cannot read its configuration again");
        let requests = self.0.reload.get().ok_or_else(none)?;
        let (reply, answer) = oneshot::channel();
        requests.send(reply).await.map_err(|_| none())?;
        Ok(Response::new(answer.await.map_err(|_| none())?))
    }

    async fn list_feeds(
        &self,
        request: Request<pb::ListFeedsRequest>,
    ) -> Result<Response<pb::ListFeedsResponse>, Status> {
        let (context, request) = (CallContext::of(&request)?, request.into_inner());
        let (feeds, cost) = self.0.files(FileKind::Feeds, request.marketplace, &context).await?;
        Ok(Response::new(pb::ListFeedsResponse { feeds, cost: Some(cost) }))
    }

    async fn get_feed_link(
        &self,
        request: Request<pb::GetFeedLinkRequest>,
    ) -> Result<Response<pb::GetFeedLinkResponse>, Status> {
        let (context, pb::GetFeedLinkRequest { marketplace, name, r#type }) =
            (CallContext::of(&request)?, request.into_inner());
        let (link, cost) = self.0.file_link(FileKind::Feeds, marketplace, (name, r#type), &context).await?;
        Ok(Response::new(pb::GetFeedLinkResponse { url: link.expose().to_owned(), cost: Some(cost) }))
    }

    async fn list_reports(
        &self,
        request: Request<pb::ListReportsRequest>,
    ) -> Result<Response<pb::ListReportsResponse>, Status> {
        let (context, request) = (CallContext::of(&request)?, request.into_inner());
        let (reports, cost) = self.0.files(FileKind::Reports, request.marketplace, &context).await?;
        Ok(Response::new(pb::ListReportsResponse { reports, cost: Some(cost) }))
    }

    async fn get_report_link(
        &self,
        request: Request<pb::GetReportLinkRequest>,
    ) -> Result<Response<pb::GetReportLinkResponse>, Status> {
        let (context, pb::GetReportLinkRequest { marketplace, name, r#type }) =
            (CallContext::of(&request)?, request.into_inner());
        let (link, cost) = self.0.file_link(FileKind::Reports, marketplace, (name, r#type), &context).await?;
        Ok(Response::new(pb::GetReportLinkResponse { url: link.expose().to_owned(), cost: Some(cost) }))
    }
}

impl AdminService {
    /// What GetStatus answers.
    pub(crate) async fn status(&self) -> pb::GetStatusResponse {
        let accounts = self.0.catalog.accounts().await;
        let caches = self.0.catalog.caches().into_iter().map(|tier| pb::CacheStatus {
            tier: tier.tier.to_owned(),
            entries: signed(tier.entries),
            size_bytes: signed(tier.size_bytes),
            capacity_bytes: signed(tier.capacity_bytes),
            hits: signed(tier.hits),
            misses: signed(tier.misses),
            stale_hits: signed(tier.stale_hits),
        });
        pb::GetStatusResponse {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            start_time: Some(self.0.started.into()),
            is_sandbox: self.0.is_sandbox,
            accounts: accounts.into_iter().map(|report| self.account(report)).collect(),
            caches: caches.collect(),
        }
    }

    fn products(&self, products: &pb::PurgeProducts, violations: &mut Violations) -> Option<Purge> {
        let marketplace = self.0.marketplace("products.marketplace", &products.marketplace, violations);
        if !(1..=MAX_ASINS).contains(&products.asins.len()) {
            violations.add("products.asins", format!("must be 1 to {MAX_ASINS}; there are {}", products.asins.len()));
        }
        let parsed = products.asins.iter().take(MAX_ASINS).enumerate();
        let asins = parsed.filter_map(|(n, text)| violations.parsed(format!("products.asins[{n}]"), Asin::parse(text)));
        let asins = asins.collect();
        Some(Purge::Products(marketplace?, asins))
    }

    fn account(&self, report: Report) -> pb::AccountStatus {
        let callers = report.callers.iter().map(|(caller, spent)| pb::CallerSpending {
            caller: caller.to_string(),
            spent: count(*spent),
            limit: self.0.quota(caller).map(count),
        });
        let now = tokio::time::Instant::now();
        let breakers = report.breakers.iter().map(|(operation, state, calls)| {
            let (state, retry_after) = match state {
                BreakerState::Closed => (pb::BreakerState::Closed, None),
                BreakerState::HalfOpen => (pb::BreakerState::HalfOpen, None),
                BreakerState::Open { until } => (pb::BreakerState::Open, Some(until.saturating_duration_since(now))),
            };
            pb::BreakerStatus {
                operation: operation.name().to_owned(),
                state: state.into(),
                retry_after: retry_after.and_then(|wait| wait.try_into().ok()),
                calls: signed(*calls),
            }
        });
        pb::AccountStatus {
            name: report.name.to_string(),
            protocol: report.protocol.into(),
            marketplaces: report.marketplaces.iter().map(ToString::to_string).collect(),
            calls_per_second: report.calls_per_second,
            current_calls_per_second: report.current_calls_per_second,
            day: Some(pb::Budget {
                limit: count(report.day_limit),
                spent: count(report.day_spent),
                left: count(report.day_limit.saturating_sub(report.day_spent)),
                next_release_time: report.next_release_in.map(|wait| (SystemTime::now() + wait).into()),
            }),
            callers: callers.collect(),
            queue: Some(pb::QueueStatus {
                length: report.queue_length.try_into().unwrap_or(i32::MAX),
                capacity: report.queue_capacity.try_into().unwrap_or(i32::MAX),
                predicted_wait: report.predicted_wait.try_into().ok(),
            }),
            breakers: breakers.collect(),
            calls: Some(pb::CallCounts {
                answered: signed(report.counts.answered),
                throttled: signed(report.counts.throttled),
                failed: signed(report.counts.failed),
                refused: signed(report.counts.refused),
                retries: signed(report.counts.retries),
                coalesced: signed(report.counts.coalesced),
            }),
            last_error: report.last_error.unwrap_or_default(),
            own_share_since_time: report.offline_since.map(Into::into),
            offline_calls_left: report.offline_calls_left.map(count),
            restarts: signed(report.counts.restarts),
            paused_for: report.paused_for.and_then(|wait| wait.try_into().ok()),
        }
    }
}

fn namespace_of(namespace: pb::CacheNamespace) -> Option<Namespace> {
    match namespace {
        pb::CacheNamespace::Unspecified => None,
        pb::CacheNamespace::Products => Some(Namespace::Products),
        pb::CacheNamespace::Searches => Some(Namespace::Searches),
        pb::CacheNamespace::Variations => Some(Namespace::Variations),
        pb::CacheNamespace::BrowseNodes => Some(Namespace::BrowseNodes),
    }
}

fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn count(n: u32) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}
