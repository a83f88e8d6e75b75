//! What has been purged and when, by all replicas.
//!
//! # Rule
//!
//! The log holds the time of the last purge of each target for as long as an answer may be cached. An answer that is not
//! younger than a purge that covers it is gone, wherever it is found. The age of an answer counts from when its call was
//! sent, so a purge also reaches calls that are in flight.
//!
//! With Redis every replica follows a journal of purges. The journal is read whole after each connecting, so a replica that
//! was cut off misses nothing; until it reads, it may still return what was purged elsewhere.
//!
//! # Edge cases
//!
//! - The time of a purge is by the clock of the replica that was asked for it. One in the future counts as now.
//! - An entry that cannot be read, or that names what only a later version knows, is skipped.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{Key, Namespace, Purge, freshness::TERMS_CEILING, memory::Memory};
use crate::store::Store;
use amazon_catalog::{Asin, Marketplace, Snapshot};

const EVERYTHING: &str = "everything";
/// How often targets are dropped that no answer can predate.
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);

/// One thing that can be purged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum PurgeTarget {
    Everything,
    Namespace(Namespace),
    Product(Marketplace, Asin),
}

/// When each target was last purged.
#[derive(Debug, Default)]
pub(super) struct PurgeLog(RwLock<Purges>);

#[derive(Debug, Default)]
struct Purges {
    last: HashMap<PurgeTarget, SystemTime>,
    swept_at: Option<SystemTime>,
}

impl PurgeLog {
    /// Adds a purge; `false` where it says nothing new.
    pub(super) fn add(&self, targets: impl IntoIterator<Item = PurgeTarget>, at: SystemTime) -> bool {
        let mut purges = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let mut is_new = false;
        for target in targets {
            let last = purges.last.entry(target).or_insert(UNIX_EPOCH);
            is_new |= *last < at;
            *last = at.max(*last);
        }
        let now = SystemTime::now();
        let is_due = |swept_at: SystemTime| now.duration_since(swept_at).is_ok_and(|since| since >= SWEEP_INTERVAL);
        if purges.swept_at.is_none_or(is_due) {
            purges.swept_at = Some(now);
        } else {
            return is_new;
        }
        purges.last.retain(|_, at| at.elapsed().unwrap_or_default() <= TERMS_CEILING);
        is_new
    }

    /// Whether an answer is gone.
    pub(super) fn covers(&self, key: &Key, snapshot: &Snapshot) -> bool {
        self.unless_covered(key, snapshot, || ()).is_none()
    }

    /// Stores an answer, or returns `None` where it is gone. No purge is added while `store` runs, which therefore must not
    /// use the log.
    pub(super) fn unless_covered<T>(&self, key: &Key, snapshot: &Snapshot, store: impl FnOnce() -> T) -> Option<T> {
        let purges = self.0.read().unwrap_or_else(PoisonError::into_inner);
        (!purges.cover(key, snapshot)).then(store)
    }
}

impl Purges {
    fn cover(&self, key: &Key, snapshot: &Snapshot) -> bool {
        let is_purged = |target| self.last.get(&target).is_some_and(|at| snapshot.fetched_at <= *at);
        is_purged(PurgeTarget::Everything)
            || is_purged(PurgeTarget::Namespace(key.namespace()))
            || matches!(key, Key::Product(locale, asin) if is_purged(PurgeTarget::Product(locale.marketplace, *asin)))
    }
}

/// Follows the journal of purges, and sweeps memory.
pub(super) async fn follow(store: Store, journal: String, log: Arc<PurgeLog>, memory: Arc<Memory>) {
    let on_entries = |entries: Vec<String>| {
        let now = SystemTime::now();
        let mut is_broad = false;
        for (at, targets) in entries.iter().filter_map(|entry| parse(entry)) {
            if !log.add(targets.iter().copied(), now.min(at)) {
                continue;
            }
            for target in targets {
                match target {
                    PurgeTarget::Product(marketplace, asin) => {
                        let covers = |key: &Key, snapshot: &Snapshot| log.covers(key, snapshot);
                        memory.purge_product(marketplace, asin, covers);
                    }
                    PurgeTarget::Everything | PurgeTarget::Namespace(_) => is_broad = true,
                }
            }
        }
        if is_broad {
            memory.purge_where(|key, snapshot| log.covers(key, snapshot));
        }
    };
    store.follow(&journal, on_entries).await;
}

/// The targets of a purge.
pub(super) fn targets(purge: &Purge) -> Vec<PurgeTarget> {
    match purge {
        Purge::Everything => vec![PurgeTarget::Everything],
        Purge::Namespace(namespace) => vec![PurgeTarget::Namespace(*namespace)],
        Purge::Products(marketplace, asins) => {
            asins.iter().map(|asin| PurgeTarget::Product(*marketplace, *asin)).collect()
        }
    }
}

/// A purge as an entry of the journal: its time in nanoseconds since 1970, then its targets, as
/// `1700000000123456789 US/B000000001 US/B000000002` or `1700000000123456789 searches`.
pub(super) fn text(purge: &Purge, at: SystemTime) -> String {
    let at = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    targets(purge).into_iter().fold(at.to_string(), |text, target| match target {
        PurgeTarget::Everything => text + " " + EVERYTHING,
        PurgeTarget::Namespace(namespace) => text + " " + namespace.code(),
        PurgeTarget::Product(marketplace, asin) => format!("{text} {}/{asin}", marketplace.code()),
    })
}

/// Reads an entry; targets that only a later version knows are skipped.
pub(super) fn parse(text: &str) -> Option<(SystemTime, Vec<PurgeTarget>)> {
    let mut words = text.split(' ');
    let at = UNIX_EPOCH.checked_add(Duration::from_nanos(words.next()?.parse().ok()?))?;
    Some((at, words.filter_map(target).collect()))
}

fn target(word: &str) -> Option<PurgeTarget> {
    match word.split_once('/') {
        Some((marketplace, asin)) => {
            Some(PurgeTarget::Product(Marketplace::parse(marketplace)?, Asin::parse(asin).ok()?))
        }
        None if word == EVERYTHING => Some(PurgeTarget::Everything),
        None => Namespace::ALL.into_iter().find(|namespace| namespace.code() == word).map(PurgeTarget::Namespace),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use amazon_catalog::Locale;
    use stockroom_proto::pb;

    fn us() -> Locale {
        Locale::of(Marketplace::parse("US").unwrap())
    }

    fn asin(n: u32) -> Asin {
        Asin::parse(&format!("B{n:09}")).unwrap()
    }

    #[test]
    fn a_purge_is_read_as_it_was_written() {
        let purges = [
            (Purge::Everything, "1700000000123456789 everything"),
            (Purge::Namespace(Namespace::BrowseNodes), "1700000000123456789 browse-nodes"),
            (
                Purge::Products(us().marketplace, vec![asin(1), asin(2)]),
                "1700000000123456789 US/B000000001 US/B000000002",
            ),
        ];
        let at = UNIX_EPOCH + Duration::from_nanos(1_700_000_000_123_456_789);
        for (purge, words) in purges {
            assert_eq!(text(&purge, at), words);
            assert_eq!(parse(words), Some((at, targets(&purge))));
        }
    }

    #[test]
    fn what_a_later_version_writes_is_passed_over() {
        let one = vec![PurgeTarget::Namespace(Namespace::Searches)];
        assert_eq!(parse("0 sellers XX/B000000001 US/short searches"), Some((UNIX_EPOCH, one)));
        assert_eq!(parse("everything"), None);
    }

    #[test]
    fn what_is_older_than_a_purge_that_covers_it_is_gone_and_nothing_else() {
        let now = SystemTime::now();
        let minute = Duration::from_secs(60);
        let (product, other) = (Key::Product(us(), asin(1)), Key::Product(us(), asin(2)));
        let page = Key::Page { namespace: Namespace::Searches, locale: us(), request: "lamp".into() };
        let cases = [
            (Purge::Products(us().marketplace, vec![asin(1)]), [true, false, false]),
            (Purge::Namespace(Namespace::Products), [true, true, false]),
            (Purge::Namespace(Namespace::Searches), [false, false, true]),
            (Purge::Everything, [true, true, true]),
        ];
        for (purge, expected) in cases {
            let log = PurgeLog::default();
            assert!(log.add(targets(&purge), now));
            assert!(!log.add(targets(&purge), now - minute), "nothing new");
            let fetched = |fetched_at| {
                let snapshot = Snapshot { fetched_at, protocol: pb::Protocol::Paapi5, content: Ok("m".into()) };
                [&product, &other, &page].map(|key| log.covers(key, &snapshot))
            };
            assert_eq!(fetched(now), expected, "{purge:?}");
            assert_eq!(fetched(now + Duration::from_millis(1)), [false; 3], "{purge:?}");
        }
    }

    #[test]
    fn the_log_grows_with_the_targets_and_not_with_the_purges() {
        let (log, start) = (PurgeLog::default(), SystemTime::now());
        for purge in 0..2000 {
            log.add([PurgeTarget::Product(us().marketplace, asin(purge % 3))], start + Duration::from_secs(1) * purge);
        }
        assert_eq!(log.0.read().unwrap().last.len(), 3);
    }

    #[test]
    fn a_purge_that_no_answer_can_predate_is_forgotten() {
        let log = PurgeLog::default();
        log.add([PurgeTarget::Everything], SystemTime::now() - TERMS_CEILING - Duration::from_secs(1));
        log.add([PurgeTarget::Namespace(Namespace::Searches)], SystemTime::now());
        assert!(!log.0.read().unwrap().last.contains_key(&PurgeTarget::Everything));
    }
}
