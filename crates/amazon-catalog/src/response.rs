//! What Amazon answered, as the messages of the contract.

use crate::{Asin, FileLink, pb};

/// The response to a [`CatalogRequest`](crate::CatalogRequest), variant by variant.
///
/// A response may be empty: that a search matches nothing is not an error.
#[derive(Clone, Debug, PartialEq)]
pub enum CatalogResponse {
    /// The response to [`CatalogRequest::Items`](crate::CatalogRequest::Items).
    Items(Items),
    /// The response to [`CatalogRequest::Search`](crate::CatalogRequest::Search).
    Search(SearchPage),
    /// The response to [`CatalogRequest::Variations`](crate::CatalogRequest::Variations); `None` where the item has no
    /// variations.
    Variations(Option<VariationsPage>),
    /// The response to [`CatalogRequest::BrowseNodes`](crate::CatalogRequest::BrowseNodes), without the nodes that Amazon
    /// does not know.
    BrowseNodes(Vec<pb::BrowseNode>),
    /// The response to [`CatalogRequest::Files`](crate::CatalogRequest::Files).
    Files(Vec<pb::AccountFile>),
    /// The response to [`CatalogRequest::FileLink`](crate::CatalogRequest::FileLink); `None` where there is no such file.
    FileLink(Option<FileLink>),
}

/// The products of a [`GetItems`](crate::GetItems) request, in any order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Items {
    /// The products that Amazon returned.
    pub products: Vec<pb::Product>,
    /// The ids that Amazon named as missing. An id in neither list was not mentioned, which Amazon means as not found.
    pub missing: Vec<(Asin, Missing)>,
}

/// Why Amazon gave no product for an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Missing {
    /// Amazon knows no such item in the marketplace, or rejects the id as invalid.
    NotFound,
    /// The item exists and is not offered through the API.
    NotAccessible,
}

/// One page of a search.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SearchPage {
    /// The products, in Amazon's order.
    pub products: Vec<pb::Product>,
    /// How many products match over all pages, by Amazon's count.
    pub total_results: i64,
    /// The address of the same search on Amazon's site; empty where Amazon gave none.
    pub search_url: String,
    /// Filters that Amazon suggests, with their values.
    pub facets: Vec<pb::Facet>,
}

/// One page of a variation family.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VariationsPage {
    /// The children on the page, in Amazon's order.
    pub products: Vec<pb::Product>,
    /// The family as a whole.
    pub summary: pb::VariationSummary,
    /// How many pages of ten the family has.
    pub page_count: u32,
}
