//! What has been purged and when, by all replicas.
//!
//! Every replica holds the times of all purges that can still matter, and follows a journal to hear of new ones. An answer
//! that is not newer than a purge which covers it is gone. The journal is heard whole after each connecting, so a replica
//! that was cut off misses nothing; until it hears, it may still tell what was purged.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use super::names;
use crate::{
    amazon::{Asin, Marketplace, Snapshot},
    cache::{Key, Namespace, Purge, memory::Memory},
    store::{Entry, Store},
};

const EVERYTHING: &str = "everything";

/// One thing that can be purged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Target {
    Everything,
    Namespace(Namespace),
    Product(Marketplace, Asin),
}

/// When each thing was last purged.
#[derive(Debug)]
pub(super) struct Stamps {
    last: RwLock<HashMap<Target, SystemTime>>,
    /// No answer is kept for longer, so neither need a stamp be.
    keep: Duration,
}

impl Stamps {
    pub(super) fn new(keep: Duration) -> Self {
        Self { last: RwLock::default(), keep }
    }

    /// Takes a purge in; `false` where nothing is new in it.
    pub(super) fn add(&self, targets: impl IntoIterator<Item = Target>, at: SystemTime) -> bool {
        let mut last = self.last.write().unwrap_or_else(PoisonError::into_inner);
        let mut is_news = false;
        for target in targets {
            let stamp = last.entry(target).or_insert(SystemTime::UNIX_EPOCH);
            is_news |= *stamp < at;
            *stamp = at.max(*stamp);
        }
        last.retain(|_, stamp| stamp.elapsed().unwrap_or_default() <= self.keep);
        is_news
    }

    /// Whether an answer is gone.
    pub(super) fn cover(&self, key: &Key, snapshot: &Snapshot) -> bool {
        let last = self.last.read().unwrap_or_else(PoisonError::into_inner);
        let is_after = |target| last.get(&target).is_some_and(|at| snapshot.fetched_at <= *at);
        is_after(Target::Everything)
            || is_after(Target::Namespace(key.namespace()))
            || matches!(key, Key::Product(locale, asin) if is_after(Target::Product(locale.marketplace, *asin)))
    }
}

/// Hears of every purge, and sweeps memory.
pub(super) async fn follow(store: Store, journal: String, stamps: Arc<Stamps>, memory: Arc<Memory>) {
    let hear = |entries: Vec<Entry>| {
        // The time is by Redis's clock, and answers are stamped by ours: a clock that is ahead must not make answers
        // gone that are yet to come.
        let now = SystemTime::now();
        let news = entries.iter().filter(|entry| stamps.add(parse(&entry.text), entry.at.min(now))).count();
        if news > 0 {
            memory.purge(|key, snapshot| stamps.cover(key, snapshot));
        }
    };
    store.follow(&journal, hear).await;
}

/// What a purge is of.
pub(super) fn targets(purge: &Purge) -> Vec<Target> {
    match purge {
        Purge::Everything => vec![Target::Everything],
        Purge::Namespace(namespace) => vec![Target::Namespace(*namespace)],
        Purge::Products(marketplace, asins) => asins.iter().map(|asin| Target::Product(*marketplace, *asin)).collect(),
    }
}

/// A purge as an entry of the journal: its targets in words, as `searches` or `US/B000000001 US/B000000002`.
pub(super) fn text(purge: &Purge) -> String {
    let words = targets(purge).into_iter().map(|target| match target {
        Target::Everything => EVERYTHING.to_owned(),
        Target::Namespace(namespace) => names::code(namespace).to_owned(),
        Target::Product(marketplace, asin) => format!("{}/{asin}", marketplace.code()),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// The targets in an entry; words that a later version may write are passed over.
fn parse(text: &str) -> impl Iterator<Item = Target> {
    text.split(' ').filter_map(|word| match word.split_once('/') {
        Some((marketplace, asin)) => Some(Target::Product(Marketplace::parse(marketplace)?, Asin::parse(asin).ok()?)),
        None if word == EVERYTHING => Some(Target::Everything),
        None => Namespace::ALL.into_iter().find(|namespace| names::code(*namespace) == word).map(Target::Namespace),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{amazon::Locale, pb};

    fn us() -> Locale {
        Locale::of(Marketplace::parse("US").unwrap())
    }

    fn asin(n: u32) -> Asin {
        Asin::parse(&format!("B{n:09}")).unwrap()
    }

    #[test]
    fn a_purge_is_heard_as_it_was_told() {
        let purges = [
            (Purge::Everything, "everything"),
            (Purge::Namespace(Namespace::BrowseNodes), "browse-nodes"),
            (Purge::Products(us().marketplace, vec![asin(1), asin(2)]), "US/B000000001 US/B000000002"),
        ];
        for (purge, words) in purges {
            assert_eq!(text(&purge), words);
            assert_eq!(parse(words).collect::<Vec<_>>(), targets(&purge));
        }
        assert_eq!(parse("sellers XX/B000000001 US/short searches").count(), 1);
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
            let stamps = Stamps::new(60 * minute);
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
        let stamps = Stamps::new(Duration::from_secs(60));
        stamps.add([Target::Everything], SystemTime::now() - Duration::from_secs(61));
        assert!(stamps.last.read().unwrap().is_empty());
    }
}
