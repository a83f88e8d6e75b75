//! `VariationsResult`: one page of a variation family, and the family as a whole.

use crate::{
    Marketplace, VariationsPage,
    json::json_struct,
    schema::{
        item::{Item, places},
        money::Money,
    },
};
use stockroom_proto::pb;

json_struct! {
    struct VariationsResult {
        items: Option<Vec<Option<Item>>>,
        variation_summary: VariationSummary,
    }
}

json_struct! {
    struct VariationSummary {
        page_count: Option<i32>,
        variation_count: Option<i32>,
        price: Prices,
        variation_dimensions: Vec<VariationDimension>,
    }
}

json_struct! {
    struct Prices {
        lowest_price: Money,
        highest_price: Money,
    }
}

json_struct! {
    struct VariationDimension {
        name: String,
        display_name: String,
        values: Vec<String>,
    }
}

impl VariationsResult {
    /// The page; `None` where nothing can be read in it.
    pub(crate) fn page(self, marketplace: Marketplace) -> Option<VariationsPage> {
        let places = places(self.items?, marketplace)?;
        let page_count = self.variation_summary.page_count.and_then(|count| u32::try_from(count).ok());
        let mut summary = pb::VariationSummary::from(self.variation_summary);
        // An end of the span may be the very price that a child withholds.
        if places
            .iter()
            .flatten()
            .flat_map(|product| &product.offers)
            .flat_map(|offers| &offers.listings)
            .any(|o| o.price_withheld)
        {
            (summary.lowest_price, summary.highest_price) = (None, None);
        }
        Some(VariationsPage { places, summary, page_count })
    }
}

impl From<VariationSummary> for pb::VariationSummary {
    fn from(summary: VariationSummary) -> Self {
        let count = summary.variation_count.filter(|count| *count >= 0);
        Self {
            variation_count: count.unwrap_or_default(),
            variation_count_unknown: count.is_none(),
            lowest_price: summary.price.lowest_price.message(),
            highest_price: summary.price.highest_price.message(),
            dimensions: summary.variation_dimensions.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<VariationDimension> for pb::VariationDimension {
    fn from(VariationDimension { name, display_name, values }: VariationDimension) -> Self {
        Self { name, display_name, values }
    }
}
