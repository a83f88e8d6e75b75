//! Searches the catalogue as Amazon does, independent of either API's field names: matches, order and facets.

use std::{cmp::Reverse, collections::HashSet};

use crate::catalogue::{
    Catalogue,
    index::{holds_all, words_of},
    money::PriceList,
    product::{Delivery, InventedListing, InventedProduct, OfferCondition, Role, Stock},
};
use amazon_catalog::Marketplace;

/// The conditions of a search. A product must meet all that are set.
#[derive(Debug)]
pub(crate) struct Query<'a> {
    pub(crate) marketplace: Marketplace,
    /// Words of the title, brand, people, features or category names.
    pub(crate) keywords: Option<&'a str>,
    pub(crate) title: Option<&'a str>,
    pub(crate) author: Option<&'a str>,
    pub(crate) artist: Option<&'a str>,
    pub(crate) actor: Option<&'a str>,
    pub(crate) brand: Option<&'a str>,
    /// The id of a search index; `None`: all of them.
    pub(crate) index: Option<&'a str>,
    /// A browse node, with everything below it.
    pub(crate) node: Option<u64>,
    /// In the smallest unit of the marketplace's own currency.
    pub(crate) min_price: Option<u64>,
    pub(crate) max_price: Option<u64>,
    /// In stars.
    pub(crate) min_rating: Option<u8>,
    /// In percent of the price it is compared with.
    pub(crate) min_saving: Option<u8>,
    pub(crate) delivery: Delivery,
    pub(crate) condition: ConditionFilter,
    pub(crate) from_amazon: bool,
    pub(crate) include_out_of_stock: bool,
    pub(crate) sort: SortOrder,
}

/// The offer condition that a search asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ConditionFilter {
    #[default]
    Any,
    New,
    Used,
    /// The catalogue has no offer in this condition.
    Collectible,
    Refurbished,
}

/// The order of what is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum SortOrder {
    /// Products with more of the words in their title first, then by popularity.
    #[default]
    Relevance,
    Rating,
    Newest,
    PriceRising,
    PriceFalling,
}

/// The refinements of a result, each list ordered by frequency.
#[derive(Debug, Default)]
pub(crate) struct Facets {
    /// Ids of search indices of the marketplace.
    pub(crate) indices: Vec<&'static str>,
    /// Ids of leaf nodes.
    pub(crate) nodes: Vec<u64>,
    pub(crate) brands: Vec<&'static str>,
}

/// How many bins a facet has at most; Amazon's documentation shows about as many.
const BINS: usize = 10;

/// The products that match, in order. Of a variation family only the first matching child is returned, as on Amazon's pages.
pub(crate) fn search(catalogue: &'static Catalogue, query: &Query<'_>) -> Vec<SearchHit> {
    let products = catalogue.products();
    let places = query.keywords.and_then(|keywords| catalogue.words().holding_all(keywords));
    let candidates: Box<dyn Iterator<Item = &'static InventedProduct>> = match &places {
        Some(places) => Box::new(places.iter().filter_map(|place| products.get(*place))),
        None => Box::new(products.iter()),
    };
    let mut found: Vec<SearchHit> = candidates.filter_map(|product| query.examine(product)).collect();
    query.put_in_order(&mut found);
    let mut families = HashSet::new();
    found.retain(|hit| hit.product.parent().is_none_or(|parent| families.insert(parent)));
    found
}

/// The facets of a result.
pub(crate) fn facets(marketplace: Marketplace, found: &[SearchHit]) -> Facets {
    let kinds = || found.iter().map(|hit| hit.product.kind);
    let known = |id: &&'static str| marketplace.search_index(id).is_some();
    Facets {
        indices: most_frequent(kinds().filter_map(|kind| kind.indices.iter().copied().find(known))),
        nodes: most_frequent(kinds().map(|kind| kind.path[2])),
        brands: most_frequent(found.iter().map(|hit| hit.product.brand)),
    }
}

/// A product that matches.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SearchHit {
    pub(crate) product: &'static InventedProduct,
    price: Option<u64>,
    in_title: usize,
}

impl Query<'_> {
    fn examine(&self, product: &'static InventedProduct) -> Option<SearchHit> {
        let listing = self.listing(product);
        let matches = product.accessible
            && !matches!(product.role, Role::Parent { .. })
            && self.matches_texts(product)
            && self.index.is_none_or(|id| product.kind.indices.contains(&id))
            && self.node.is_none_or(|node| product.kind.path.contains(&node))
            && self.min_rating.is_none_or(|stars| stars_of(product) >= u32::from(stars) * 10)
            && (self.include_out_of_stock || listing.is_some_and(|listing| listing.stock != Stock::Gone))
            && (listing.is_some() || self.condition == ConditionFilter::Any && !self.from_amazon)
            && listing.map_or(Delivery::default(), |listing| listing.delivery).has(self.delivery);
        if !matches {
            return None;
        }
        let price = listing.and_then(|listing| listing.price);
        let price_list = PriceList::of(self.marketplace);
        let (paid, basis) = match price {
            Some(price) => {
                let basis = price.basis.map(|(cents, _)| price_list.price(cents).minor_units);
                (Some(price_list.price(price.us_cents).minor_units), basis)
            }
            None => (None, None),
        };
        let saving = paid.zip(basis).map_or(0, |(paid, basis)| percent_saved(paid, basis));
        let affordable = self.min_price.is_none_or(|least| paid.is_some_and(|paid| paid >= least))
            && self.max_price.is_none_or(|most| paid.is_some_and(|paid| paid <= most))
            && self.min_saving.is_none_or(|least| saving >= u64::from(least));
        affordable.then(|| SearchHit { product, price: paid, in_title: self.words_in_title(product) })
    }

    /// The listing whose price counts: the buy box, or the first listing with the requested condition and seller.
    fn listing<'p>(&self, product: &'p InventedProduct) -> Option<&'p InventedListing> {
        let fits = |listing: &&InventedListing| {
            self.condition.holds_for(listing.condition) && (!self.from_amazon || listing.seller.is_none())
        };
        product.buy_box().filter(fits).or_else(|| product.listings.iter().find(fits))
    }

    fn matches_texts(&self, product: &InventedProduct) -> bool {
        let by = |role: &str, wanted: Option<&str>| {
            wanted.is_none_or(|wanted| {
                product.contributors.iter().any(|person| person.role == role && holds_all(&person.name, wanted))
            })
        };
        self.title.is_none_or(|wanted| holds_all(&product.title, wanted))
            && self.brand.is_none_or(|wanted| holds_all(product.brand, wanted))
            && by("Author", self.author)
            && by("Artist", self.artist)
            && by("Actor", self.actor)
    }

    fn words_in_title(&self, product: &InventedProduct) -> usize {
        let Some(keywords) = self.keywords.filter(|_| self.sort == SortOrder::Relevance) else { return 0 };
        let title: HashSet<String> = words_of(&product.title).collect();
        words_of(keywords).filter(|word| title.contains(word)).count()
    }

    fn put_in_order(&self, found: &mut [SearchHit]) {
        // The catalogue is ordered by popularity and these sorts are stable, so products with equal keys keep that order.
        match self.sort {
            SortOrder::Relevance => found.sort_by_key(|hit| Reverse(hit.in_title)),
            SortOrder::Rating => found.sort_by_key(|hit| Reverse(hit.product.rating)),
            SortOrder::Newest => found.sort_by(|a, b| b.product.released.cmp(&a.product.released)),
            SortOrder::PriceRising => found.sort_by_key(|hit| (hit.price.is_none(), hit.price)),
            SortOrder::PriceFalling => found.sort_by_key(|hit| Reverse(hit.price)),
        }
    }
}

impl ConditionFilter {
    /// Whether the filter accepts an offer in this condition.
    pub(crate) fn holds_for(self, condition: OfferCondition) -> bool {
        match self {
            Self::Any => true,
            Self::New => condition == OfferCondition::New,
            Self::Used => matches!(condition, OfferCondition::Used(_)),
            Self::Collectible => false,
            Self::Refurbished => condition == OfferCondition::Refurbished,
        }
    }
}

/// How much lower `paid` is than `basis`, in whole percent.
pub(crate) fn percent_saved(paid: u64, basis: u64) -> u64 {
    (basis.saturating_sub(paid) * 100 + basis / 2).checked_div(basis).unwrap_or(0)
}

fn stars_of(product: &InventedProduct) -> u32 {
    product.rating.map_or(0, |rating| u32::from(rating.tenths_of_stars))
}

fn most_frequent<T: Copy + Ord + std::hash::Hash>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut counts = std::collections::BTreeMap::<T, usize>::new();
    for value in values {
        *counts.entry(value).or_default() += 1;
    }
    let mut values: Vec<_> = counts.into_iter().collect();
    values.sort_by_key(|(_, count)| Reverse(*count));
    values.into_iter().take(BINS).map(|(value, _)| value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples;
    use amazon_catalog::Asin;

    fn query(code: &str) -> Query<'static> {
        Query {
            marketplace: Marketplace::parse(code).unwrap(),
            keywords: None,
            title: None,
            author: None,
            artist: None,
            actor: None,
            brand: None,
            index: None,
            node: None,
            min_price: None,
            max_price: None,
            min_rating: None,
            min_saving: None,
            delivery: Delivery::default(),
            condition: ConditionFilter::Any,
            from_amazon: false,
            include_out_of_stock: false,
            sort: SortOrder::Relevance,
        }
    }

    fn found(query: &Query<'_>) -> Vec<SearchHit> {
        search(Catalogue::get(), query)
    }

    fn holds(found: &[SearchHit], asin: &str) -> bool {
        found.iter().any(|hit| hit.product.asin == Asin::parse(asin).unwrap())
    }

    #[test]
    fn well_rated_wireless_headphones_under_150_dollars_fill_pages() {
        let hits = found(&Query {
            keywords: Some("wireless headphones"),
            index: Some("Electronics"),
            max_price: Some(15_000),
            min_rating: Some(4),
            ..query("US")
        });
        assert!(hits.len() >= 20, "{}", hits.len());
        for asin in examples::HEADPHONES {
            assert!(
                hits.iter().take(10).any(|hit| hit.product.asin.as_str() == asin),
                "{asin} is not on the first page"
            );
        }
    }

    #[test]
    fn every_word_must_stand_somewhere() {
        assert!(holds(
            &found(&Query { keywords: Some("MARLOWE headphone battery"), ..query("US") }),
            examples::HEADPHONES[0]
        ));
        assert!(found(&Query { keywords: Some("headphones xyzzy"), ..query("US") }).is_empty());
        assert!(holds(&found(&Query { keywords: Some("抹茶"), ..query("JP") }), examples::UNICODE));
        let by = found(&Query { author: Some("ilse ferro"), title: Some("salt clock"), ..query("US") });
        assert!(holds(&by, examples::BOOK));
    }

    #[test]
    fn price_bounds_are_in_the_marketplace_s_own_smallest_unit() {
        for (code, min, max) in [("US", 5_000, 9_000), ("JP", 5_000, 9_000), ("IN", 500_000, 900_000)] {
            let hits = found(&Query { min_price: Some(min), max_price: Some(max), ..query(code) });
            assert!(hits.len() > 20 && hits.iter().all(|hit| (min..=max).contains(&hit.price.unwrap())), "{code}");
        }
    }

    #[test]
    fn what_is_out_of_stock_or_has_no_price_comes_last_and_only_when_asked_for() {
        assert!(found(&query("US")).iter().all(|hit| !hit.product.listings.is_empty()));
        for sort in [SortOrder::PriceRising, SortOrder::PriceFalling] {
            let hits = found(&Query { include_out_of_stock: true, sort, ..query("US") });
            assert!(holds(&hits, examples::NO_PRICE) && holds(&hits, examples::OUT_OF_STOCK));
            let priced = hits.iter().take_while(|hit| hit.price.is_some()).count();
            assert!(priced > 0 && priced < hits.len());
            assert!(hits.iter().skip(priced).all(|hit| hit.price.is_none()), "{sort:?}");
            let prices: Vec<_> = hits.iter().filter_map(|hit| hit.price).collect();
            assert!(if sort == SortOrder::PriceRising {
                prices.is_sorted()
            } else {
                prices.is_sorted_by(|a, b| a >= b)
            });
        }
    }

    #[test]
    fn conditions_savings_sellers_and_delivery_narrow_the_search() {
        let all = found(&query("US")).len();
        let narrowed = [
            Query { condition: ConditionFilter::Used, ..query("US") },
            Query { min_saving: Some(30), ..query("US") },
            Query { from_amazon: true, ..query("US") },
            Query { delivery: Delivery { prime: true, ..Delivery::default() }, ..query("US") },
            Query { min_rating: Some(4), ..query("US") },
            Query { node: Some(examples::ROOT_NODE.parse().unwrap()), ..query("US") },
        ];
        for query in narrowed {
            let hits = found(&query).len();
            assert!(hits > 10 && hits < all, "{query:?}: {hits} of {all}");
        }
        assert!(found(&Query { condition: ConditionFilter::Collectible, ..query("US") }).is_empty());
    }

    #[test]
    fn a_family_is_listed_once() {
        let hits = found(&Query { keywords: Some("Tarnholm Merino T-Shirt"), ..query("US") });
        assert_eq!(hits.iter().filter(|hit| hit.product.asin.as_str().starts_with("B0SBCHLD")).count(), 1);
    }
}
