//! What all services share: the catalog, and what the configuration says of marketplaces.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

use super::{context::CallContext, query, violations::Violations};
use crate::{
    catalog::{Catalog, ProductMask, ReadContext, SearchPlan},
    config::{Config, Credentials},
    dispatch::RequestContext,
};
use amazon_catalog::{Locale, Marketplace};
use stockroom_proto::pb;

/// A part of the time a call has left is kept for sending what there is.
const RESERVE_SHARE: u32 = 20;
const MAX_RESERVE: Duration = Duration::from_millis(100);
/// The longest `max_age`, which is the longest anything is kept.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// What all services share; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct ServiceState {
    pub(crate) catalog: Catalog,
    pub(crate) started: SystemTime,
    pub(crate) is_sandbox: bool,
    default_marketplace: Marketplace,
    served: Arc<Vec<Served>>,
    pub(crate) shares: Arc<HashMap<String, u32>>,
}

/// A marketplace that an account serves.
#[derive(Clone, Debug)]
pub(crate) struct Served {
    pub(crate) marketplace: Marketplace,
    pub(crate) account: String,
    pub(crate) protocol: pb::Protocol,
    pub(crate) content_notice_entity: Option<String>,
}

impl ServiceState {
    pub(crate) fn new(config: &Config, catalog: Catalog) -> Self {
        let mut served: Vec<Served> = config
            .accounts
            .iter()
            .flat_map(|account| {
                let protocol = match account.credentials {
                    Credentials::Paapi5 { .. } => pb::Protocol::Paapi5,
                    Credentials::Creators { .. } => pb::Protocol::Creators,
                };
                account.partner_tags.iter().map(move |(marketplace, _)| Served {
                    marketplace: *marketplace,
                    account: account.name.clone(),
                    protocol,
                    content_notice_entity: account
                        .content_notice_entities
                        .iter()
                        .find(|(named, _)| named == marketplace)
                        .map(|(_, entity)| entity.clone()),
                })
            })
            .collect();
        served.sort_by_key(|served| (served.marketplace != config.default_marketplace, served.marketplace.code()));
        let share = |caller: &crate::config::Caller| Some((caller.name.clone(), caller.calls_per_day?));
        Self {
            catalog,
            started: SystemTime::now(),
            is_sandbox: config.sandbox,
            default_marketplace: config.default_marketplace,
            served: Arc::new(served),
            shares: Arc::new(config.callers.iter().filter_map(share).collect()),
        }
    }

    /// The marketplaces that are served, the default first.
    pub(crate) fn served(&self) -> &[Served] {
        &self.served
    }

    /// The API that a marketplace's account speaks.
    pub(crate) fn protocol(&self, marketplace: Marketplace) -> pb::Protocol {
        let served = self.served.iter().find(|served| served.marketplace == marketplace);
        served.map_or(pb::Protocol::Unspecified, |served| served.protocol)
    }

    /// The marketplace of a request: named and served, or the default.
    pub(crate) fn marketplace(&self, field: &str, name: &str, violations: &mut Violations) -> Marketplace {
        if name.trim().is_empty() {
            return self.default_marketplace;
        }
        let found = Marketplace::parse(name);
        let served = found.filter(|found| self.served.iter().any(|served| served.marketplace == *found));
        served.unwrap_or_else(|| {
            let codes: Vec<_> = self.served.iter().map(|served| served.marketplace.code()).collect();
            let what = if found.is_some() { "is not served here" } else { "is no marketplace of Amazon's" };
            violations.add(field, format!("{:?} {what}; served are {}", name.trim(), codes.join(", ")));
            self.default_marketplace
        })
    }

    /// A search as the marketplace's account can ask it, and what was understood of it. With faults the result is of no
    /// use, and the request is refused.
    pub(crate) fn plan(
        &self,
        query: Option<pb::SearchQuery>,
        read: &ReadContext,
        violations: &mut Violations,
    ) -> (SearchPlan, pb::UnderstoodQuery) {
        query::parse(query, read.locale, self.protocol(read.locale.marketplace), violations)
    }

    /// How a request may be answered. With faults the result is of no use, and the request is refused.
    pub(crate) fn read_context(
        &self,
        options: Option<pb::ReadOptions>,
        context: &CallContext,
        violations: &mut Violations,
    ) -> ReadContext {
        let options = options.unwrap_or_default();
        let marketplace = self.marketplace("options.marketplace", &options.marketplace, violations);
        let mut locale = Locale::of(marketplace);
        if !options.language.is_empty() {
            let codes = || marketplace.languages().iter().map(|l| l.code()).collect::<Vec<_>>().join(", ");
            let found = marketplace.find_language(&options.language);
            let found = found.ok_or_else(|| format!("{marketplace} has {}, not {:?}", codes(), options.language));
            locale.language = violations.take("options.language", found).unwrap_or(locale.language);
        }
        if !options.currency.is_empty() {
            let found = marketplace.find_currency(&options.currency);
            let found = found.ok_or_else(|| format!("{marketplace} has no prices in {:?}", options.currency));
            locale.currency = violations.take("options.currency", found).unwrap_or(locale.currency);
        }
        let parts: Vec<pb::ProductPart> = options
            .parts
            .iter()
            .enumerate()
            .map(|(n, part)| {
                let part = violations.known(format!("options.parts[{n}]"), *part);
                if part == pb::ProductPart::Unspecified {
                    violations.add(format!("options.parts[{n}]"), "names no part");
                }
                part
            })
            .collect();
        let max_age = options.max_age.and_then(|age| {
            let age = Duration::try_from(age).map_err(|_| "must not be negative");
            violations.take("options.max_age", age).map(|age| age.min(DAY))
        });
        if options.cache_only && max_age == Some(Duration::ZERO) {
            violations.add("options.max_age", "zero asks Amazon, which cache_only forbids");
        }
        let left = context.deadline.saturating_duration_since(Instant::now());
        ReadContext {
            locale,
            parts: ProductMask::from_parts(parts),
            max_age,
            cache_only: options.cache_only,
            estimate: options.estimate,
            terms: RequestContext {
                caller: Arc::clone(&context.principal.name),
                daily_quota: context.principal.share,
                weight: context.principal.weight,
                priority: context.principal.class,
                deadline: context.deadline,
                abandoned: context.ended.clone(),
            },
            give_up: context.deadline - (left / RESERVE_SHARE).min(MAX_RESERVE),
        }
    }
}
