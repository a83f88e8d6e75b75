//! How long an answer may be told, to whom, and as what.
//!
//! Two policy, both counted from when Amazon gave the answer: offers an hour (50 minutes, so that an answer is not told
//! to be an hour old by the time it is read), everything else half a day. Past its horizon an answer is stale: it may be
//! told while a refresh is under way, and for longer if Amazon fails. Nothing is told after 24 hours, which is in Amazon's
//! terms (Associates Program Policies, IP License), nor is anything here able to lift that.

use std::time::{Duration, SystemTime};

use crate::config;
use amazon_catalog::Missing;

/// Amazon's bound on keeping any content but ids.
pub(super) const TERMS_CEILING: Duration = Duration::from_secs(24 * 3600);
/// How long "not found" and "not accessible" hold: an item can come back, but not every minute.
const MISSING_HOLDS: Duration = Duration::from_secs(3600);
/// Prices this old must be shown with their time (Associates Program Policies: "less frequently than hourly").
pub(crate) const STAMP_AFTER: Duration = Duration::from_secs(3600);

/// How long answers may be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FreshnessPolicy {
    offers_fresh: Duration,
    catalog_fresh: Duration,
    offers_stale: Duration,
    ceiling: Duration,
}

/// What somebody wants of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FreshnessRequirement {
    /// Whether offers are wanted, which age fast.
    pub offers: bool,
    /// The oldest answer that will do, where they said so.
    pub max_age: Option<Duration>,
    /// Whether anything that may be told at all will do, and Amazon must not be asked.
    pub cache_only: bool,
}

/// How an answer stands with a requirement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Freshness {
    /// Tell it.
    Fresh,
    /// Tell it, and refresh it.
    StaleWhileRevalidate,
    /// Tell it only if Amazon fails.
    StaleIfError,
    /// Do not tell it.
    Expired,
}

impl From<&config::Cache> for FreshnessPolicy {
    fn from(options: &config::Cache) -> Self {
        let ceiling = options.ceiling.min(TERMS_CEILING);
        Self {
            offers_fresh: options.offers_fresh.min(ceiling),
            catalog_fresh: options.catalog_fresh.min(ceiling),
            offers_stale: options.offers_stale.min(ceiling),
            ceiling,
        }
    }
}

impl FreshnessPolicy {
    /// How an answer of this age stands with a requirement; `missing` says that the answer was that there is none.
    pub fn classify(&self, age: Duration, missing: Option<Missing>, requirement: &FreshnessRequirement) -> Freshness {
        if age >= self.keep(missing) {
            return Freshness::Expired;
        }
        let fresh = self.fresh(missing, requirement);
        if age <= fresh && !(fresh.is_zero() && requirement.max_age.is_some()) {
            return Freshness::Fresh;
        }
        if requirement.cache_only {
            return Freshness::StaleWhileRevalidate;
        }
        match requirement.max_age {
            // They said how old is too old.
            Some(_) => Freshness::Expired,
            None if !requirement.offers || age <= self.offers_stale => Freshness::StaleWhileRevalidate,
            None => Freshness::StaleIfError,
        }
    }

    /// How long an answer is fresh for a requirement.
    pub fn fresh(&self, missing: Option<Missing>, requirement: &FreshnessRequirement) -> Duration {
        let horizon = match (missing, requirement.offers) {
            (Some(_), _) => MISSING_HOLDS,
            (None, true) => self.offers_fresh,
            (None, false) => self.catalog_fresh,
        };
        requirement.max_age.unwrap_or(horizon).min(self.keep(missing))
    }

    /// How long an answer is worth keeping at all.
    pub(crate) fn keep(&self, missing: Option<Missing>) -> Duration {
        match missing {
            Some(_) => MISSING_HOLDS.min(self.ceiling),
            None => self.ceiling,
        }
    }

    /// How much longer an answer is worth keeping.
    pub(crate) fn keep_from(&self, fetched_at: SystemTime, missing: Option<Missing>, now: SystemTime) -> Duration {
        self.keep(missing).saturating_sub(now.duration_since(fetched_at).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const HOUR: Duration = Duration::from_secs(3600);

    fn policy() -> FreshnessPolicy {
        FreshnessPolicy::from(&config::Cache::default())
    }

    fn requirement(offers: bool) -> FreshnessRequirement {
        FreshnessRequirement { offers, ..FreshnessRequirement::default() }
    }

    #[test]
    fn each_age_stands_as_the_terms_and_the_wish_say() {
        use Freshness::{Expired, Fresh, StaleIfError, StaleWhileRevalidate};
        let only_cached = FreshnessRequirement { cache_only: true, ..requirement(true) };
        let within = |max_age| FreshnessRequirement { max_age: Some(max_age), ..requirement(true) };
        let cases = [
            (50 * MINUTE, requirement(true), Fresh),
            (51 * MINUTE, requirement(true), StaleWhileRevalidate),
            (6 * HOUR, requirement(true), StaleWhileRevalidate),
            (7 * HOUR, requirement(true), StaleIfError),
            (12 * HOUR, requirement(false), Fresh),
            (13 * HOUR, requirement(false), StaleWhileRevalidate),
            (24 * HOUR, requirement(false), Expired),
            (24 * HOUR, only_cached, Expired),
            (23 * HOUR, only_cached, StaleWhileRevalidate),
            (10 * MINUTE, only_cached, Fresh),
            (10 * MINUTE, within(5 * MINUTE), Expired),
            (2 * HOUR, within(3 * HOUR), Fresh),
            (24 * HOUR, within(1000 * HOUR), Expired),
            (Duration::ZERO, within(Duration::ZERO), Expired),
        ];
        for (age, requirement, freshness) in cases {
            assert_eq!(policy().classify(age, None, &requirement), freshness, "{age:?} {requirement:?}");
        }
    }

    #[test]
    fn absence_holds_for_an_hour_and_is_then_forgotten() {
        let absent = Some(Missing::NotFound);
        assert_eq!(policy().classify(59 * MINUTE, absent, &requirement(true)), Freshness::Fresh);
        assert_eq!(policy().classify(HOUR, absent, &requirement(false)), Freshness::Expired);
    }

    #[test]
    fn no_configuration_lifts_the_ceiling() {
        let forever = Duration::from_secs(u64::MAX);
        let options =
            config::Cache { catalog_fresh: forever, offers_stale: forever, ceiling: forever, ..Default::default() };
        let policy = FreshnessPolicy::from(&options);
        assert_eq!(policy.classify(TERMS_CEILING, None, &requirement(false)), Freshness::Expired);
    }
}
