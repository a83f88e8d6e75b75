//! What has been answered before: one tier today, this process's memory.
//!
//! What is kept is a [`Snapshot`]: an encoded message with the moment Amazon gave it. A hit goes to the wire without being
//! decoded. Whether it may still be told is [`freshness`]'s to say, each time it is asked for; the cache itself only
//! forgets what nobody may be told any more. An answer replaces the one before it: there is no history.

use crate::{
    amazon::{Asin, Locale, Marketplace, Snapshot},
    config,
    dispatch::Shelf,
    pb,
};

pub(crate) use self::freshness::STAMP_AFTER;
use self::memory::Memory;
pub use self::{
    freshness::{Horizons, Standing, Wish},
    memory::Stats,
};

mod freshness;
mod memory;

/// The cache, for everybody in this process.
#[derive(Debug)]
pub struct Cache {
    memory: Memory,
    horizons: Horizons,
}

/// What an answer is kept under. The partner tag is not in it, since a process has one tag a marketplace.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// A product.
    Product(Locale, Asin),
    /// Anything else, by the normalised request.
    Page {
        /// The kind.
        namespace: Namespace,
        /// Where.
        locale: Locale,
        /// The request, in a form that is equal for equal requests.
        request: Box<str>,
    },
}

/// The kinds of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Namespace {
    /// Products.
    Products,
    /// Pages of searches.
    Searches,
    /// Pages of variation families.
    Variations,
    /// Browse nodes.
    BrowseNodes,
}

/// What to drop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purge {
    /// Some products of a marketplace, in every language and currency.
    Products(Marketplace, Vec<Asin>),
    /// All of one kind.
    Namespace(Namespace),
    /// Everything.
    Everything,
}

/// An answer that may be told, and how.
#[derive(Clone, Debug)]
pub struct Hit {
    /// The answer.
    pub snapshot: Snapshot,
    /// Which tier had it.
    pub source: pb::Source,
    /// Whether it is fresh.
    pub standing: Standing,
}

impl Cache {
    /// An empty cache.
    pub fn new(options: &config::Cache) -> Self {
        let horizons = Horizons::from(options);
        Self { memory: Memory::new(options.memory_bytes, horizons), horizons }
    }

    /// Looks an answer up for somebody with a wish. What may not be told to them is not found.
    pub fn get(&self, key: &Key, wish: &Wish, now: std::time::SystemTime) -> Option<Hit> {
        let snapshot = self.memory.get(key);
        let hit = snapshot.and_then(|snapshot| {
            let standing = self.horizons.standing(snapshot.age(now), snapshot.content.as_ref().err().copied(), wish);
            (standing != Standing::Gone).then_some(Hit { snapshot, source: pb::Source::Memory, standing })
        });
        self.memory.count(hit.as_ref().map(|hit| hit.standing));
        hit
    }

    /// Keeps an answer in place of an older one.
    pub fn put(&self, key: Key, snapshot: Snapshot) {
        self.memory.put(key, snapshot);
    }

    /// How long answers of different kinds stay fresh.
    pub fn horizons(&self) -> &Horizons {
        &self.horizons
    }

    /// Drops answers and tells how many.
    pub fn purge(&self, what: &Purge) -> u64 {
        self.memory.purge(what)
    }

    /// How each tier does, nearest first.
    pub fn stats(&self) -> Vec<Stats> {
        vec![self.memory.stats()]
    }
}

impl Key {
    /// The kind of what is kept under it.
    pub fn namespace(&self) -> Namespace {
        match self {
            Self::Product(..) => Namespace::Products,
            Self::Page { namespace, .. } => *namespace,
        }
    }
}

impl Purge {
    /// Whether it drops what is kept under the key.
    pub fn covers(&self, key: &Key) -> bool {
        match (self, key) {
            (Self::Everything, _) => true,
            (Self::Namespace(namespace), key) => key.namespace() == *namespace,
            (Self::Products(marketplace, asins), Key::Product(locale, asin)) => {
                locale.marketplace == *marketplace && asins.contains(asin)
            }
            (Self::Products(..), Key::Page { .. }) => false,
        }
    }
}

impl Shelf for Cache {
    fn keep(&self, locale: Locale, asin: Asin, snapshot: &Snapshot) {
        self.put(Key::Product(locale, asin), snapshot.clone());
    }

    fn due(&self, _: Locale, _: usize) -> Vec<Asin> {
        Vec::new()
    }
}
