//! What all services share: the catalog, and what the configuration says of marketplaces.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{context::CallContext, query, violations::Violations};
use crate::{
    catalog::{Catalog, ProductMask, ReadContext, SearchPlan},
    config::{CallerConfig, Config, Credentials},
    dispatch::RequestContext,
};
use amazon_catalog::{CatalogRequest, Locale, Marketplace, SearchItems};
use stockroom_proto::pb;

/// A part of the time a call has left is kept for sending what there is.
const RESERVE_SHARE: u32 = 20;
const MAX_RESERVE: Duration = Duration::from_millis(100);
/// By how much the dispatcher's deadline is before the time at which a read gives up.
const FAILURE_RESERVE: Duration = Duration::from_millis(20);
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
    quotas: Arc<RwLock<HashMap<String, u32>>>,
    /// Where requests to reload go, if somebody serves them.
    pub(crate) reload: Arc<OnceLock<mpsc::Sender<oneshot::Sender<pb::ReloadResponse>>>>,
}

/// A marketplace that an account serves.
#[derive(Clone, Debug)]
pub(crate) struct Served {
    pub(crate) marketplace: Marketplace,
    pub(crate) account: String,
    pub(crate) protocol: pb::Protocol,
    pub(crate) content_notice_entity: Option<String>,
}

fn quotas(callers: &[CallerConfig]) -> HashMap<String, u32> {
    callers.iter().filter_map(|caller| Some((caller.name.clone(), caller.calls_per_day?))).collect()
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
        Self {
            catalog,
            started: SystemTime::now(),
            is_sandbox: config.sandbox,
            default_marketplace: config.default_marketplace,
            served: Arc::new(served),
            quotas: Arc::new(RwLock::new(quotas(&config.callers))),
            reload: Arc::default(),
        }
    }

    /// The daily quota of a caller.
    pub(crate) fn quota(&self, caller: &str) -> Option<u32> {
        self.quotas.read().unwrap_or_else(PoisonError::into_inner).get(caller).copied()
    }

    /// Takes the daily quotas of other callers.
    pub(crate) fn replace_quotas(&self, callers: &[CallerConfig]) {
        *self.quotas.write().unwrap_or_else(PoisonError::into_inner) = quotas(callers);
    }

    /// The marketplaces that are served, the default first.
    pub(crate) fn served(&self) -> &[Served] {
        &self.served
    }

    /// The marketplace that a request names, or the default where it names none. `None` where it is not served.
    pub(crate) fn marketplace(&self, field: &str, name: &str, violations: &mut Violations) -> Option<Marketplace> {
        let name = name.trim();
        if name.is_empty() {
            return Some(self.default_marketplace);
        }
        let served = || {
            let codes: Vec<_> = self.served.iter().map(|served| served.marketplace.code()).collect();
            codes.join(", ")
        };
        match Marketplace::parse(name) {
            Some(found) if self.served.iter().any(|served| served.marketplace == found) => return Some(found),
            Some(found) => {
                let description = format!("{name:?} is not served here; served are {}", served());
                violations.add_unserved_marketplace(field, found.code(), description);
            }
            None => {
                violations.add(field, format!("{name:?} is not a marketplace of Amazon's; served are {}", served()));
            }
        }
        violations.marketplace_is_unknown = true;
        None
    }

    /// A search as the marketplace's account can ask it, and what was understood of it. With faults the result is of no
    /// use, and the request is refused.
    pub(crate) fn plan(
        &self,
        query: Option<pb::SearchQuery>,
        read: &ReadContext,
        violations: &mut Violations,
    ) -> (SearchPlan, pb::UnderstoodQuery) {
        let unsupported =
            |search: &SearchItems| self.catalog.unsupported(&CatalogRequest::Search(Box::new(search.clone())));
        query::parse(query, read.locale, unsupported, violations)
    }

    /// How a request may be answered. With violations the result must not be used: the request is refused.
    pub(crate) fn read_context(
        &self,
        options: Option<pb::ReadOptions>,
        context: &CallContext,
        violations: &mut Violations,
    ) -> ReadContext {
        let options = options.unwrap_or_default();
        let marketplace = self.marketplace("options.marketplace", &options.marketplace, violations);
        let mut read = self.read_context_in(marketplace.unwrap_or(self.default_marketplace), context);
        if let Some(marketplace) = marketplace {
            read.locale = locale(marketplace, &options, violations);
        }
        let mut parts = Vec::new();
        for (n, part) in options.parts.iter().enumerate() {
            let field = format!("options.parts[{n}]");
            match violations.enum_value(field.clone(), *part) {
                Some(pb::ProductPart::Unspecified) => violations.add(field, "names no part"),
                part => parts.extend(part),
            }
        }
        read.parts = ProductMask::from_parts(parts);
        read.max_age = options.max_age.and_then(|age| max_age(age, violations));
        if options.cache_only && read.max_age == Some(Duration::ZERO) {
            violations.add("options.max_age", "zero requests a call to Amazon, which cache_only forbids");
        }
        read.cache_only = options.cache_only;
        read.estimate = options.estimate;
        read
    }

    /// How a request without read options may be answered.
    pub(crate) fn read_context_in(&self, marketplace: Marketplace, context: &CallContext) -> ReadContext {
        let left = context.deadline.saturating_duration_since(Instant::now());
        let give_up = context.deadline - (left / RESERVE_SHARE).min(MAX_RESERVE);
        let terms = RequestContext {
            caller: Arc::clone(&context.principal.name),
            daily_quota: context.principal.share,
            weight: context.principal.weight,
            priority: context.principal.class,
            // A known failure is reported before the read gives up without one.
            deadline: give_up - (left / RESERVE_SHARE).min(FAILURE_RESERVE),
            abandoned: context.ended.clone(),
            trace: context.trace,
        };
        ReadContext::new(Locale::of(marketplace), terms, give_up)
    }
}

/// The marketplace with the language and the currency that the request names, or its own.
pub(super) fn locale(marketplace: Marketplace, options: &pb::ReadOptions, violations: &mut Violations) -> Locale {
    let mut locale = Locale::of(marketplace);
    if !options.language.is_empty() {
        let codes = || marketplace.languages().iter().map(|l| l.code()).collect::<Vec<_>>().join(", ");
        let found = marketplace.find_language(&options.language);
        let found = found.ok_or_else(|| format!("{marketplace} has {}, not {:?}", codes(), options.language));
        locale.language = violations.parsed("options.language", found).unwrap_or(locale.language);
    }
    if !options.currency.is_empty() {
        let found = marketplace.find_currency(&options.currency);
        let found = found.ok_or_else(|| format!("{marketplace} has no prices in {:?}", options.currency));
        locale.currency = violations.parsed("options.currency", found).unwrap_or(locale.currency);
    }
    locale
}

/// The oldest acceptable answer: a valid protobuf duration that is not negative, a day at most.
pub(super) fn max_age(age: prost_types::Duration, violations: &mut Violations) -> Option<Duration> {
    let seconds = u64::try_from(age.seconds).ok();
    let nanos = u32::try_from(age.nanos).ok().filter(|nanos| *nanos < 1_000_000_000);
    let age = seconds.zip(nanos).map(|(seconds, nanos)| Duration::new(seconds, nanos));
    let age = age.ok_or("must not be negative, with nanos from 0 to 999999999");
    violations.parsed("options.max_age", age).map(|age| age.min(DAY))
}
