//! What has been purged and when, by all replicas.
//!
//! Every replica holds the times of all purges that can still matter, and follows a journal to hear of new ones. An answer
//! that is not newer than a purge which covers it is gone. The journal is heard whole after each connecting, so a replica
//! that was cut off misses nothing; until it hears, it may still tell what was purged.
//!
//! The time of a purge is by the clock of the replica that was asked for it, as the times of answers are by the clocks of
//! those that got them.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::key_names;
use crate::{
    cache::{Key, Namespace, Purge, freshness::TERMS_CEILING, memory::Memory},
    store::Store,
};
use amazon_catalog::{Asin, Marketplace, Snapshot};

const EVERYTHING: &str = "everything";

/// One thing that can be purged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum PurgeTarget {
    Everything,
    Namespace(Namespace),
    Product(Marketplace, Asin),
}

/// When each thing was last purged.
#[derive(Debug, Default)]
pub(super) struct PurgeLog(RwLock<HashMap<PurgeTarget, SystemTime>>);

impl PurgeLog {
    /// Takes a purge in; `false` where nothing is new in it.
    pub(super) fn add(&self, targets: impl IntoIterator<Item = PurgeTarget>, at: SystemTime) -> bool {
        let mut last = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let mut is_news = false;
        for target in targets {
            let stamp = last.entry(target).or_insert(UNIX_EPOCH);
            is_news |= *stamp < at;
            *stamp = at.max(*stamp);
        }
        // No answer is kept for longer, so neither need a stamp be.
        last.retain(|_, stamp| stamp.elapsed().unwrap_or_default() <= TERMS_CEILING);
        is_news
    }

    /// Whether an answer is gone.
    pub(super) fn cover(&self, key: &Key, snapshot: &Snapshot) -> bool {
        let last = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let is_after = |target| last.get(&target).is_some_and(|at| snapshot.fetched_at <= *at);
        is_after(PurgeTarget::Everything)
            || is_after(PurgeTarget::Namespace(key.namespace()))
            || matches!(key, Key::Product(locale, asin) if is_after(PurgeTarget::Product(locale.marketplace, *asin)))
    }
}

/// Hears of every purge, and sweeps memory.
pub(super) async fn follow(store: Store, journal: String, stamps: Arc<PurgeLog>, memory: Arc<Memory>) {
    let hear = |entries: Vec<String>| {
        // A clock elsewhere that is ahead must not make answers gone that are yet to come.
        let now = SystemTime::now();
        let purges = entries.iter().filter_map(|entry| parse(entry));
        let news = purges.filter(|(at, targets)| stamps.add(targets.iter().copied(), now.min(*at))).count();
        if news > 0 {
            memory.purge(|key, snapshot| stamps.cover(key, snapshot));
        }
    };
    store.follow(&journal, hear).await;
}

/// What a purge is of.
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
        PurgeTarget::Namespace(namespace) => text + " " + key_names::code(namespace),
        PurgeTarget::Product(marketplace, asin) => format!("{text} {}/{asin}", marketplace.code()),
    })
}

/// Reads an entry; targets that only a later version knows are passed over.
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
        None => {
            Namespace::ALL.into_iter().find(|namespace| key_names::code(*namespace) == word).map(PurgeTarget::Namespace)
        }
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
    fn a_purge_is_heard_as_it_was_told() {
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
            let stamps = PurgeLog::default();
            assert!(stamps.add(targets(&purge), now));
            assert!(!stamps.add(targets(&purge), now - minute), "nothing new");
            let fetched = |fetched_at| {
                let snapshot = Snapshot { fetched_at, protocol: pb::Protocol::Paapi5, content: Ok("m".into()) };
                [&product, &other, &page].map(|key| stamps.cover(key, &snapshot))
            };
            assert_eq!(fetched(now), expected, "{purge:?}");
            assert_eq!(fetched(now + Duration::from_millis(1)), [false; 3], "{purge:?}");
        }
    }

    #[test]
    fn a_purge_that_no_answer_can_predate_is_forgotten() {
        let stamps = PurgeLog::default();
        stamps.add([PurgeTarget::Everything], SystemTime::now() - TERMS_CEILING - Duration::from_secs(1));
        assert!(stamps.0.read().unwrap().is_empty());
    }
}
