//! What Amazon answered, as the messages of the contract.

use crate::{Asin, BrowseNodeId, Error, FileLink, pb};

/// The response to a [`CatalogRequest`](crate::CatalogRequest), variant by variant.
///
/// A response may be empty: that a search matches nothing is not an error.
#[derive(Clone, Debug)]
#[cfg_attr(test, derive(PartialEq))]
pub enum CatalogResponse {
    /// The response to [`CatalogRequest::Items`](crate::CatalogRequest::Items).
    Items(Items),
    /// The response to [`CatalogRequest::Search`](crate::CatalogRequest::Search).
    Search(SearchPage),
    /// The response to [`CatalogRequest::Variations`](crate::CatalogRequest::Variations); `None` where the item has no
    /// variations.
    Variations(Option<VariationsPage>),
    /// The response to [`CatalogRequest::BrowseNodes`](crate::CatalogRequest::BrowseNodes).
    BrowseNodes(BrowseNodes),
    /// The response to [`CatalogRequest::Files`](crate::CatalogRequest::Files).
    Files(Vec<pb::AccountFile>),
    /// The response to [`CatalogRequest::FileLink`](crate::CatalogRequest::FileLink); `None` where there is no such file.
    FileLink(Option<FileLink>),
}

/// The outcome of each id of a [`GetItems`](crate::GetItems) request. Every requested id is in exactly one list.
#[derive(Clone, Debug, Default)]
pub struct Items {
    /// The products that Amazon returned, in any order. A product that Amazon returned under another ASIN has the requested
    /// one in `requested_asin`; [`Items::asin_of`] returns the id that a product answers.
    pub products: Vec<pb::Product>,
    /// The ids for which no product exists, by Amazon's word.
    pub missing: Vec<(Asin, Missing)>,
    /// The ids that Amazon failed to answer. This is not an absence: ask for them again later.
    pub failed: Vec<(Asin, Error)>,
    /// The ids that Amazon did not look at, because it rejected another id of the call. Ask for them again now.
    pub unprocessed: Vec<Asin>,
}

impl Items {
    /// The requested id that a product answers; `None` where its ids cannot be read.
    pub fn asin_of(product: &pb::Product) -> Option<Asin> {
        let text = if product.requested_asin.is_empty() { &product.asin } else { &product.requested_asin };
        Asin::parse(text).ok()
    }
}

/// The outcome of each id of a [`GetBrowseNodes`](crate::GetBrowseNodes) request. Every requested id is in exactly one list.
#[derive(Clone, Debug, Default)]
pub struct BrowseNodes {
    /// The nodes that Amazon returned.
    pub nodes: Vec<pb::BrowseNode>,
    /// The ids for which no node exists, by Amazon's word.
    pub missing: Vec<BrowseNodeId>,
    /// The ids that Amazon failed to answer. This is not an absence: ask for them again later.
    pub failed: Vec<(BrowseNodeId, Error)>,
}

#[cfg(test)]
mod equality {
    //! Errors have no equality; their text stands for them.

    use super::{BrowseNodes, Items};

    impl PartialEq for Items {
        fn eq(&self, other: &Self) -> bool {
            format!("{self:?}") == format!("{other:?}")
        }
    }

    impl PartialEq for BrowseNodes {
        fn eq(&self, other: &Self) -> bool {
            format!("{self:?}") == format!("{other:?}")
        }
    }
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
    /// The products in Amazon's places, at most ten. `None` is a place whose item cannot be read.
    pub places: Vec<Option<pb::Product>>,
    /// How many products match over all pages, by Amazon's count; `None` where Amazon gave no count.
    pub total_results: Option<i64>,
    /// The address of the same search on Amazon's site; empty where Amazon gave none.
    pub search_url: String,
    /// Filters that Amazon suggests, with their values.
    pub facets: Vec<pb::Facet>,
}

/// One page of a variation family.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VariationsPage {
    /// The children on the page in Amazon's places, at most ten. `None` is a place whose item cannot be read.
    pub places: Vec<Option<pb::Product>>,
    /// The family as a whole.
    pub summary: pb::VariationSummary,
    /// How many pages of ten the family has; `None` where Amazon gave no count.
    pub page_count: Option<u32>,
}
