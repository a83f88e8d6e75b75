//! `SearchResult`: one page of a search, with the refinements that narrow it.

use crate::{
    Marketplace, SearchPage,
    json::{json_struct, unless_empty},
    schema::{
        item::{Item, places},
        numbers::count,
    },
};
use stockroom_proto::pb;

json_struct! {
    struct SearchResult {
        items: Option<Vec<Option<Item>>>,
        total_result_count: Option<i64>,
        search_url: String,
        search_refinements: SearchRefinements,
    }
}

json_struct! {
    struct SearchRefinements {
        search_index: Option<Refinement>,
        browse_node: Option<Refinement>,
        other_refinements: Vec<Refinement>,
    }
}

json_struct! {
    struct Refinement {
        id: String,
        display_name: String,
        bins: Vec<Bin>,
    }
}

json_struct! {
    struct Bin {
        id: String,
        display_name: String,
    }
}

impl SearchResult {
    /// The page. `None` where the result cannot be read: its items are no list, or a list of which no item can be read. That
    /// nothing was found is an empty list, or a count of zero without a list.
    pub(crate) fn page(self, marketplace: Marketplace) -> Option<SearchPage> {
        let total_results = count(self.total_result_count);
        let items = match self.items {
            Some(items) => items,
            None if total_results == Some(0) => Vec::new(),
            None => return None,
        };
        let SearchRefinements { search_index, browse_node, other_refinements } = self.search_refinements;
        let refinements = search_index.into_iter().chain(browse_node).chain(other_refinements);
        let places = places(items, marketplace)?;
        Some(SearchPage {
            // Nothing found beside something found: one of the two is wrong, and it is not what was found.
            total_results: total_results.filter(|total| *total > 0 || places.is_empty()),
            places,
            search_url: self.search_url,
            facets: refinements.filter_map(unless_empty).map(Into::into).collect(),
        })
    }
}

impl From<Refinement> for pb::Facet {
    fn from(Refinement { id, display_name, bins }: Refinement) -> Self {
        let values = bins.into_iter().map(|Bin { id, display_name }| pb::FacetValue { id, display_name });
        Self { id, display_name, values: values.collect() }
    }
}
