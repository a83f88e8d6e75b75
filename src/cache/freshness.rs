//! Freshness policy: classifies a cached answer as fresh, stale-while-revalidate, stale-if-error or expired for one read.
//!
//! # Why
//!
//! Prices age in minutes and titles in days, one answer holds both, and a call to Amazon is scarce. So how fresh an answer
//! is depends on what the reader wants of it (RFC 5861 gives the words). Amazon's terms forbid to keep content for more
//! than 24 hours (Associates Program Policies, IP License).
//!
//! # Rule
//!
//! The age of an answer counts from when its call to Amazon was sent. The ages in brackets are the defaults.
//!
//! | age | a read that wants offers | a read that does not |
//! | --- | --- | --- |
//! | up to `offers_fresh` (50 min) | fresh | fresh |
//! | up to `offers_stale` (6 h) | stale-while-revalidate | fresh |
//! | up to `catalog_fresh` (12 h) | stale-if-error | fresh |
//! | below `ceiling` (24 h) | stale-if-error | stale-while-revalidate |
//! | from `ceiling` on | expired | expired |
//!
//! Offers are fresh for 50 minutes and not for an hour, because a price that is an hour old must be shown with its time. The
//! configuration refuses an `offers_fresh` above `offers_stale`.
//!
//! # Edge cases
//!
//! - Amazon's answer that there is nothing ("not found", "not accessible") is fresh below [`MISSING_RETENTION`] and then
//!   expired.
//! - `max_age` replaces the lifetime, shorter or longer, up to the age at which the answer expires. What is older is expired:
//!   the reader has said what is too old. A `max_age` of zero accepts no cached answer.
//! - `cache_only` accepts every answer that is not expired by the table or the first rule, also with a `max_age` (of zero,
//!   too). An answer past its lifetime is classified as stale-while-revalidate, and the reader does not revalidate it.
//! - A configuration can lower the ceiling of 24 hours and not raise it.
//! - A call of the future was sent now. One further ahead than clocks may differ is not read from Redis (`shared_tier::entry`).

use std::time::{Duration, SystemTime};

use crate::config;
use amazon_catalog::Missing;

/// How long Amazon's terms let content be cached.
pub(super) const TERMS_CEILING: Duration = Duration::from_secs(24 * 3600);
/// How long "not found" and "not accessible" are cached, and fresh: an item can come back, but not every minute.
const MISSING_RETENTION: Duration = Duration::from_secs(3600);
/// Prices of this age and above must be shown with their time (Associates Program Policies: "less frequently than hourly").
pub(crate) const STAMP_AFTER: Duration = Duration::from_secs(3600);

/// The ages at which answers change their freshness; all count from the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FreshnessPolicy {
    /// Offers are fresh up to this age.
    offers_fresh: Duration,
    /// Everything else is fresh up to this age.
    catalog_fresh: Duration,
    /// Offers are stale-while-revalidate up to this age, and then stale-if-error.
    offers_stale: Duration,
    /// From this age on an answer is expired.
    ceiling: Duration,
}

/// What one read requires of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FreshnessRequirement {
    /// Whether the read wants offers, whose prices age fast.
    pub offers: bool,
    /// The freshness lifetime for this read, in place of the policy's. What is older is expired.
    pub max_age: Option<Duration>,
    /// Whether Amazon must not be asked, for this read or for a refresh after it. Every answer that is not expired will do.
    pub cache_only: bool,
    /// Whether the read only estimates what another one would cost.
    pub estimate: bool,
}

impl FreshnessRequirement {
    /// Whether the read may lead to a refresh of what it finds.
    pub fn may_refresh(&self) -> bool {
        !self.cache_only && !self.estimate
    }
}

/// How fresh an answer is for one read; the fresher, the smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Freshness {
    /// The gateway returns it.
    Fresh,
    /// The gateway returns it, and refreshes it afterwards if the read may lead to a refresh.
    StaleWhileRevalidate,
    /// The gateway asks Amazon first, and returns it only if Amazon fails.
    StaleIfError,
    /// The gateway does not return it. The cache reports it as a miss.
    Expired,
}

impl From<&config::CacheConfig> for FreshnessPolicy {
    fn from(options: &config::CacheConfig) -> Self {
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
    /// Classifies an answer of this age for one read. With `missing`, Amazon answered that there is nothing; for which reason
    /// is irrelevant here.
    pub fn classify(&self, age: Duration, missing: Option<Missing>, requirement: &FreshnessRequirement) -> Freshness {
        if age >= self.retention(missing) {
            return Freshness::Expired;
        }
        let is_too_old_at_any_age = requirement.max_age == Some(Duration::ZERO);
        if !is_too_old_at_any_age && age <= self.freshness_lifetime(missing, requirement) {
            return Freshness::Fresh;
        }
        if requirement.cache_only {
            return Freshness::StaleWhileRevalidate;
        }
        match requirement.max_age {
            Some(_) => Freshness::Expired,
            None if !requirement.offers || age <= self.offers_stale => Freshness::StaleWhileRevalidate,
            None => Freshness::StaleIfError,
        }
    }

    /// The age up to which an answer is fresh for one read, with two exceptions: at its retention it is expired, and no
    /// answer is fresh for a `max_age` of zero.
    pub fn freshness_lifetime(&self, missing: Option<Missing>, requirement: &FreshnessRequirement) -> Duration {
        let lifetime = match (missing, requirement.offers) {
            (Some(_), _) => MISSING_RETENTION,
            (None, true) => self.offers_fresh,
            (None, false) => self.catalog_fresh,
        };
        requirement.max_age.unwrap_or(lifetime).min(self.retention(missing))
    }

    /// The age at which an answer is expired for every read.
    pub(crate) fn retention(&self, missing: Option<Missing>) -> Duration {
        match missing {
            Some(_) => MISSING_RETENTION.min(self.ceiling),
            None => self.ceiling,
        }
    }

    /// How long from now until an answer is expired for every read. A time of fetching in the future counts as now.
    pub(crate) fn remaining_retention(
        &self,
        fetched_at: SystemTime,
        missing: Option<Missing>,
        now: SystemTime,
    ) -> Duration {
        self.retention(missing).saturating_sub(now.duration_since(fetched_at).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const HOUR: Duration = Duration::from_secs(3600);

    fn policy() -> FreshnessPolicy {
        FreshnessPolicy::from(&config::CacheConfig::default())
    }

    fn requirement(offers: bool) -> FreshnessRequirement {
        FreshnessRequirement { offers, ..FreshnessRequirement::default() }
    }

    #[test]
    fn an_age_is_classified_by_the_policy_and_the_requirement() {
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
    fn an_absence_is_fresh_for_an_hour_and_then_expired() {
        let absent = Some(Missing::NotFound);
        assert_eq!(policy().classify(59 * MINUTE, absent, &requirement(true)), Freshness::Fresh);
        assert_eq!(policy().classify(HOUR, absent, &requirement(false)), Freshness::Expired);
    }

    #[test]
    fn no_configuration_lifts_the_ceiling() {
        let forever = Duration::from_secs(u64::MAX);
        let options = config::CacheConfig {
            catalog_fresh: forever,
            offers_stale: forever,
            ceiling: forever,
            ..Default::default()
        };
        let policy = FreshnessPolicy::from(&options);
        assert_eq!(policy.classify(TERMS_CEILING, None, &requirement(false)), Freshness::Expired);
    }
}
