//! The departments of the shop: browse nodes three levels deep, and what kinds of product the leaves hold.
//!
//! Both come from `data/kinds.txt`, five lines a kind: its path, its attributes (search indices, naming style, price range in
//! dollars, variation dimensions, longest side and weight), its nouns, its title extras, and its features.

use std::{collections::BTreeMap, sync::LazyLock};

static TREE: LazyLock<Departments> = LazyLock::new(|| Departments::read(include_str!("../../data/kinds.txt")));

/// All departments.
#[derive(Debug, Default)]
pub(crate) struct Departments {
    nodes: BTreeMap<u64, DepartmentNode>,
    kinds: Vec<ProductKind>,
}

/// A browse node.
#[derive(Debug)]
pub(crate) struct DepartmentNode {
    pub(crate) id: u64,
    /// Its name below its parent.
    pub(crate) name: &'static str,
    /// Its name without its parent's name as context.
    pub(crate) context_free_name: &'static str,
    pub(crate) parent: Option<u64>,
    pub(crate) children: Vec<u64>,
}

/// What the products of one leaf have in common.
#[derive(Debug)]
pub(crate) struct ProductKind {
    /// Its nodes, from the root to the leaf.
    pub(crate) path: [u64; 3],
    /// The names of those nodes.
    pub(crate) names: [&'static str; 3],
    /// The search indices that contain it, under every marketplace's name for them, the best match first.
    pub(crate) indices: Vec<&'static str>,
    pub(crate) style: NamingStyle,
    /// The lowest and the highest price, in dollars.
    pub(crate) dollars: (u64, u64),
    /// The names of the dimensions it varies in.
    pub(crate) dimensions: Vec<&'static str>,
    /// The largest size of one; `None` for a product without a body.
    pub(crate) largest: Option<Largest>,
    pub(crate) nouns: Vec<&'static str>,
    pub(crate) extras: Vec<&'static str>,
    pub(crate) features: Vec<&'static str>,
}

/// The longest side in tenths of an inch, and the weight in tenths of a pound.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Largest {
    pub(crate) tenths_of_inches: u16,
    pub(crate) tenths_of_pounds: u16,
}

/// How the title of a product is composed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NamingStyle {
    /// By its brand and model.
    Device,
    /// By its brand.
    Plain,
    /// By its own title.
    Title,
    Book,
    Ebook,
    Movie,
    Music,
}

impl Departments {
    pub(crate) fn get() -> &'static Self {
        &TREE
    }

    pub(crate) fn kinds(&self) -> &[ProductKind] {
        &self.kinds
    }

    pub(crate) fn node(&self, id: u64) -> Option<&DepartmentNode> {
        self.nodes.get(&id)
    }

    fn read(text: &'static str) -> Self {
        let mut tree = Self::default();
        for entry in text.split("\n\n") {
            if let Some(kind) = tree.read_kind(entry) {
                tree.kinds.push(kind);
            }
        }
        tree
    }

    fn read_kind(&mut self, entry: &'static str) -> Option<ProductKind> {
        let mut lines = entry.trim().lines();
        let mut place = lines.next()?.split(" > ");
        let mut trade = lines.next()?.split(" | ");
        let root = self.enter(None, place.next()?);
        let middle = self.enter(Some(root), place.next()?);
        let leaf = self.enter(Some(middle), place.next()?);
        let path = [root, middle, leaf];
        let indices = trade.next()?.split(", ").collect();
        let style = NamingStyle::parse(trade.next()?)?;
        let (low, high) = trade.next()?.split_once('-')?;
        let dimensions = trade.next()?.split(',').filter(|name| *name != "-").collect();
        let largest = Largest::parse(trade.next()?);
        let mut phrases = || lines.next().map(|line| line.split(" / ").filter(|phrase| *phrase != "-").collect());
        Some(ProductKind {
            path,
            names: path.map(|id| self.nodes.get(&id).map_or("", |node| node.context_free_name)),
            indices,
            style,
            dollars: (low.parse().ok()?, high.parse().ok()?),
            dimensions,
            largest,
            nouns: phrases()?,
            extras: phrases()?,
            features: phrases()?,
        })
    }

    /// Finds or creates the node of this name below `parent`. Ids count up, so that entries appended to the file change no id.
    fn enter(&mut self, parent: Option<u64>, name: &'static str) -> u64 {
        let (name, context_free_name) = name.split_once('=').unwrap_or((name, name));
        if let Some(node) = self.nodes.values().find(|node| node.parent == parent && node.name == name) {
            return node.id;
        }
        let siblings = self.nodes.values().filter(|node| node.parent == parent).count() as u64;
        let id = match parent.and_then(|id| self.nodes.get(&id)) {
            None => 9_000_000_000 + (siblings + 1) * 10_000,
            Some(DepartmentNode { id, parent: None, .. }) => id + (siblings + 1) * 100,
            Some(DepartmentNode { id, .. }) => id + siblings + 1,
        };
        if let Some(parent) = parent.and_then(|id| self.nodes.get_mut(&id)) {
            parent.children.push(id);
        }
        self.nodes.insert(id, DepartmentNode { id, name, context_free_name, parent, children: Vec::new() });
        id
    }
}

impl Largest {
    /// Reads `8 in, 0.9 lb`.
    fn parse(text: &str) -> Option<Self> {
        let (side, weight) = text.strip_suffix(" lb")?.split_once(" in, ")?;
        let (pounds, tenths) = weight.split_once('.').unwrap_or((weight, "0"));
        Some(Self {
            tenths_of_inches: side.parse::<u16>().ok()? * 10,
            tenths_of_pounds: pounds.parse::<u16>().ok()? * 10 + tenths.parse::<u16>().ok()?,
        })
    }
}

impl NamingStyle {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "device" => Self::Device,
            "plain" => Self::Plain,
            "title" => Self::Title,
            "book" => Self::Book,
            "ebook" => Self::Ebook,
            "movie" => Self::Movie,
            "music" => Self::Music,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use amazon_catalog::Marketplace;

    #[test]
    fn every_kind_is_read_and_stands_on_the_third_level() {
        let tree = Departments::get();
        let written = include_str!("../../data/kinds.txt").split("\n\n").count();
        assert_eq!(tree.kinds().len(), written);
        for kind in tree.kinds() {
            let [root, middle, leaf] = kind.path;
            assert_eq!(tree.node(leaf).unwrap().parent, Some(middle));
            assert_eq!(tree.node(middle).unwrap().parent, Some(root));
            assert!(kind.dollars.0 <= kind.dollars.1 && !kind.features.is_empty(), "{kind:?}");
            assert_eq!(
                kind.largest.is_some(),
                matches!(kind.style, NamingStyle::Device | NamingStyle::Plain),
                "{kind:?}"
            );
        }
    }

    #[test]
    fn every_index_named_is_one_of_amazon_s_and_every_marketplace_has_many_with_products() {
        let named: BTreeSet<_> =
            Departments::get().kinds().iter().flat_map(|kind| kind.indices.iter().copied()).collect();
        for id in &named {
            assert!(Marketplace::all().any(|marketplace| marketplace.search_index(id).is_some()), "{id}");
        }
        for marketplace in Marketplace::all() {
            let empty = marketplace.search_indices().iter().filter(|index| !named.contains(index.id())).count();
            assert!(marketplace.search_indices().len() - empty >= 9, "{marketplace}");
        }
    }
}
