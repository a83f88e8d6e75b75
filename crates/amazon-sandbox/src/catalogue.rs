//! The invented products: about 5,400, identical in every process, generated once per process.
//!
//! The catalogue is independent of both APIs; `paapi5` and `creators` render it. Prices are in US cents;
//! [`PriceList`](money::PriceList) converts them to a marketplace's currency.

use std::{
    collections::HashMap,
    sync::{LazyLock, OnceLock},
};

use crate::catalogue::{
    categories::Departments,
    index::WordIndex,
    invent::Inventor,
    product::{InventedProduct, Role},
};
use amazon_catalog::Asin;

pub(crate) mod categories;
mod dimensions;
pub(crate) mod index;
mod invent;
pub(crate) mod money;
mod offers;
pub(crate) mod product;
mod special;
mod words;

/// Products or families generated for each kind. With 72 kinds this makes about 5,400 products.
const PRODUCTS_PER_KIND: usize = 52;

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(Catalogue::invent);

/// All products.
#[derive(Debug)]
pub(crate) struct Catalogue {
    products: Vec<InventedProduct>,
    places: HashMap<Asin, usize>,
    words: OnceLock<WordIndex>,
}

impl Catalogue {
    pub(crate) fn get() -> &'static Self {
        &CATALOGUE
    }

    /// The product with this id, whether or not an API may show it.
    pub(crate) fn find(&self, asin: Asin) -> Option<&InventedProduct> {
        self.places.get(&asin).and_then(|place| self.products.get(*place))
    }

    /// All products, variation parents included, by popularity.
    pub(crate) fn products(&self) -> &[InventedProduct] {
        &self.products
    }

    /// The product at a place in the order by popularity, of those that an API shows with an offer.
    pub(crate) fn offered(&self, place: usize) -> Option<&InventedProduct> {
        let is_offered = |product: &&InventedProduct| {
            product.accessible && !product.listings.is_empty() && !matches!(product.role, Role::Parent { .. })
        };
        self.products.iter().filter(is_offered).nth(place)
    }

    /// The index of words, built at its first use: building it takes longer than generating the products.
    pub(crate) fn words(&self) -> &WordIndex {
        self.words.get_or_init(|| WordIndex::of(&self.products))
    }

    /// The family of a parent or of one of its children: the parent, and the children in their order.
    pub(crate) fn family(&self, asin: Asin) -> Option<(&InventedProduct, Vec<&InventedProduct>)> {
        let product = self.find(asin)?;
        let parent = product.parent().map_or(Some(product), |parent| self.find(parent))?;
        match &parent.role {
            Role::Parent { children } => {
                Some((parent, children.iter().filter_map(|child| self.find(*child)).collect()))
            }
            Role::Alone | Role::Child { .. } => None,
        }
    }

    fn invent() -> Self {
        let mut inventor = Inventor::new();
        let mut products = special::products(&mut inventor);
        for kind in Departments::get().kinds() {
            for _ in 0..PRODUCTS_PER_KIND {
                products.extend(inventor.product_or_family(kind));
            }
        }
        rank(&mut products);
        let places = products.iter().enumerate().map(|(place, product)| (product.asin, place)).collect();
        Self { products, places, words: OnceLock::new() }
    }
}

/// Sorts by popularity, and gives every product its rank in its department and in its leaf.
fn rank(products: &mut [InventedProduct]) {
    products.sort_by_key(|product| (product.popularity, product.asin));
    let mut ranks: HashMap<u64, u32> = HashMap::new();
    let mut next = |node: u64| {
        let rank = ranks.entry(node).or_default();
        *rank += 1;
        *rank
    };
    for product in products {
        let [root, _, leaf] = product.kind.path;
        product.ranks = (next(root), next(leaf));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::{catalogue::product::Stock, examples};

    fn example(asin: &str) -> &'static InventedProduct {
        Catalogue::get().find(Asin::parse(asin).unwrap()).unwrap_or_else(|| panic!("{asin}"))
    }

    #[test]
    fn there_are_thousands_of_products_and_no_id_twice() {
        let products = Catalogue::get().products();
        assert!((5000..20_000).contains(&products.len()), "{}", products.len());
        assert_eq!(products.iter().map(|product| product.asin).collect::<HashSet<_>>().len(), products.len());
    }

    #[test]
    fn the_same_products_are_invented_every_time() {
        let (once, again) = (Catalogue::invent(), Catalogue::invent());
        assert_eq!(format!("{:?}", once.products), format!("{:?}", again.products));
    }

    #[test]
    fn every_example_has_its_property() {
        for asin in examples::HEADPHONES {
            let product = example(asin);
            let price = product.buy_box().and_then(|listing| listing.price).unwrap();
            assert!(price.us_cents < 15_000 && product.rating.unwrap().tenths_of_stars >= 40, "{asin}");
            assert_eq!(product.kind.path[2].to_string(), examples::LEAF_NODE);
            assert_eq!(product.kind.path[0].to_string(), examples::ROOT_NODE);
        }
        assert!(Catalogue::get().find(Asin::parse(examples::UNKNOWN).unwrap()).is_none());
        assert!(!example(examples::NOT_ACCESSIBLE).accessible);
        assert!(
            example(examples::MAP_RESTRICTED)
                .buy_box()
                .is_some_and(|offer| offer.violates_map && offer.price.is_some())
        );
        assert_eq!(
            example(examples::FREE).buy_box().and_then(|offer| offer.price).map(|price| price.us_cents),
            Some(0)
        );
        assert!(example(examples::NO_PRICE).listings.is_empty());
        assert!(example(examples::UNRATED).rating.is_none());
        assert!(example(examples::OUT_OF_STOCK).listings.iter().all(|offer| offer.stock == Stock::Gone));
        assert!(example(examples::USED_CHEAPER).listings.first().is_some_and(|offer| !offer.buy_box));
        assert_eq!(example(examples::BOOK).contributors.len(), 2);
        assert_eq!(example(examples::MANY_FEATURES).features.len(), 40);
        assert!(example(examples::UNICODE).title.contains('🍵'));
        assert!(example(examples::DEAL).buy_box().is_some_and(|offer| offer.deal.is_some()));
    }

    #[test]
    fn a_family_is_found_from_its_parent_and_from_any_child() {
        for asin in [examples::VARIATION_PARENT, examples::VARIATION_CHILD, "B0SBCHLD15"] {
            let (parent, children) = Catalogue::get().family(Asin::parse(asin).unwrap()).unwrap();
            assert_eq!((parent.asin.as_str(), children.len()), (examples::VARIATION_PARENT, 15));
        }
        assert!(Catalogue::get().family(Asin::parse(examples::DEAL).unwrap()).is_none());
    }
}
