//! What Amazon can be asked for: the operations and their requests.
//!
//! A request holds validated types only, so that building one is where mistakes are found. Requests of the catalog always
//! ask for every resource that Amazon has, because it costs the same call.

use crate::{Asin, BrowseNodeId, GetFileLink, ListFiles, Locale, SearchIndex, pb};

/// The most ids that one call may carry (both APIs).
pub const IDS_PER_CALL: usize = 10;

/// The most items that one page of a search or of a variation family has (both APIs). Every request asks for so many.
pub const ITEMS_PER_PAGE: usize = 10;

/// Amazon's operations. Those on files count as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operation {
    /// Up to ten products by their ids.
    GetItems,
    /// One page of a search.
    SearchItems,
    /// One page of a variation family.
    GetVariations,
    /// Up to ten browse nodes.
    GetBrowseNodes,
    /// Lists of feeds and reports, and links to them. Only the Creators API has them.
    Files,
}

impl Operation {
    /// Amazon's name for the operation.
    pub fn name(self) -> &'static str {
        match self {
            Self::GetItems => "GetItems",
            Self::SearchItems => "SearchItems",
            Self::GetVariations => "GetVariations",
            Self::GetBrowseNodes => "GetBrowseNodes",
            Self::Files => "Files",
        }
    }
}

/// One request to Amazon.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CatalogRequest {
    /// Products by their ids.
    Items(GetItems),
    /// One page of a search.
    Search(Box<SearchItems>),
    /// One page of a variation family.
    Variations(GetVariations),
    /// Browse nodes by their ids.
    BrowseNodes(GetBrowseNodes),
    /// The list of the account's feeds or reports.
    Files(ListFiles),
    /// A link to a feed or report.
    FileLink(GetFileLink),
}

impl CatalogRequest {
    /// The operation that serves the request.
    pub fn operation(&self) -> Operation {
        match self {
            Self::Items(_) => Operation::GetItems,
            Self::Search(_) => Operation::SearchItems,
            Self::Variations(_) => Operation::GetVariations,
            Self::BrowseNodes(_) => Operation::GetBrowseNodes,
            Self::Files(_) | Self::FileLink(_) => Operation::Files,
        }
    }

    /// The marketplace, language and currency of the request.
    pub fn locale(&self) -> Locale {
        match self {
            Self::Items(GetItems { locale, .. })
            | Self::Variations(GetVariations { locale, .. })
            | Self::BrowseNodes(GetBrowseNodes { locale, .. }) => *locale,
            Self::Search(search) => search.locale,
            // Files have no language.
            Self::Files(ListFiles { marketplace, .. }) | Self::FileLink(GetFileLink { marketplace, .. }) => {
                Locale::of(*marketplace)
            }
        }
    }
}

/// Asks for products by their ids.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GetItems {
    /// Marketplace, language and currency.
    pub locale: Locale,
    /// One to [`IDS_PER_CALL`] different ids.
    pub asins: Vec<Asin>,
}

/// Asks for one page of a search, ten products at most.
///
/// Amazon wants at least one of the texts, a browse node, or a filter beside the search index; it rejects a request
/// without any of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SearchItems {
    /// Marketplace, language and currency.
    pub locale: Locale,
    /// Words to find anywhere in the product.
    pub keywords: Option<String>,
    /// Words to find in the title.
    pub title: Option<String>,
    /// The name of an author.
    pub author: Option<String>,
    /// The name of a brand.
    pub brand: Option<String>,
    /// The name of an actor.
    pub actor: Option<String>,
    /// The name of an artist.
    pub artist: Option<String>,
    /// The department to search.
    pub search_index: SearchIndex,
    /// Restricts the search to the products below this browse node.
    pub browse_node: Option<BrowseNodeId>,
    /// The lowest price, in the smallest unit of the locale's currency: cents for USD, yen for JPY.
    pub min_price_minor_units: Option<u64>,
    /// The highest price, in the smallest unit of the locale's currency.
    pub max_price_minor_units: Option<u64>,
    /// The lowest star rating, 1 to 4.
    pub min_rating: Option<u8>,
    /// The lowest saving in percent, 1 to 99.
    pub min_saving_percent: Option<u8>,
    /// Delivery programmes of which all must apply; sorted, without repetition.
    pub delivery_flags: Vec<pb::DeliveryFlag>,
    /// The condition of the offers; unspecified means any.
    pub condition: pb::Condition,
    /// Whether products that are out of stock are listed.
    pub availability: pb::AvailabilityFilter,
    /// Whose offers are listed; unspecified means anybody's.
    pub merchant: pb::MerchantFilter,
    /// The order of the results; unspecified means Amazon's default.
    pub sort: pb::SortOrder,
    /// The page, 1 to 10.
    pub page: u8,
}

impl SearchItems {
    /// The first page of everything in the marketplace, without any filter. Set at least one text or filter before sending.
    ///
    /// ```
    /// use amazon_catalog::{Locale, Marketplace, SearchItems};
    ///
    /// let us = Marketplace::parse("US").expect("the United States are in the table");
    /// let search = SearchItems { keywords: Some("desk lamp".to_owned()), ..SearchItems::new(Locale::of(us)) };
    /// assert_eq!((search.page, search.search_index.id()), (1, "All"));
    /// ```
    pub fn new(locale: Locale) -> Self {
        Self {
            locale,
            keywords: None,
            title: None,
            author: None,
            brand: None,
            actor: None,
            artist: None,
            search_index: locale.marketplace.everything(),
            browse_node: None,
            min_price_minor_units: None,
            max_price_minor_units: None,
            min_rating: None,
            min_saving_percent: None,
            delivery_flags: Vec::new(),
            condition: pb::Condition::Unspecified,
            availability: pb::AvailabilityFilter::Unspecified,
            merchant: pb::MerchantFilter::Unspecified,
            sort: pb::SortOrder::Unspecified,
            page: 1,
        }
    }
}

/// Asks for one page of the children of a variation family, ten at most.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GetVariations {
    /// Marketplace, language and currency.
    pub locale: Locale,
    /// The parent, or any child: Amazon answers with the same family.
    pub asin: Asin,
    /// The page, from 1.
    pub page: u32,
}

/// Asks for browse nodes by their ids.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GetBrowseNodes {
    /// Marketplace and language; nodes have no prices, so the currency is not sent.
    pub locale: Locale,
    /// One to [`IDS_PER_CALL`] different ids.
    pub ids: Vec<BrowseNodeId>,
}
