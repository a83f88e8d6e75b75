//! `VariationsResult`: one page of the children of a variation family, and a summary of the whole family.

use std::collections::HashSet;

use crate::{
    Marketplace, VariationsPage,
    json::json_struct,
    schema::{
        item::{Item, places},
        money::Money,
        numbers::{count, from_one},
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
    /// The page. `None` where its items are no list, or a list of which no item can be read. Amazon has no page without a
    /// list here: for a family without children it sends an error.
    pub(crate) fn page(self, marketplace: Marketplace) -> Option<VariationsPage> {
        let places = places(self.items?, marketplace)?;
        let page_count = from_one(self.variation_summary.page_count).and_then(|count| u32::try_from(count).ok());
        let mut summary = pb::VariationSummary::from(self.variation_summary);
        if summary.variation_count == 0 && !places.is_empty() {
            summary.variation_count_unknown = true;
        }
        if !shows_whole_family(&places, &summary) {
            for end in [&mut summary.lowest_price, &mut summary.highest_price] {
                end.take_if(|price| !is_shown(price, &places));
            }
        }
        Some(VariationsPage { places, summary, page_count })
    }
}

/// Whether every child of the family is on the page and shows a price, and none withholds one. Otherwise an end of the
/// family's span may be the price of a child that withholds it, on this page or on another. A child whose offers cannot be
/// read may be one.
fn shows_whole_family(places: &[Option<pb::Product>], summary: &pb::VariationSummary) -> bool {
    let children: HashSet<&str> = places.iter().flatten().map(|child| child.asin.as_str()).collect();
    let is_whole = !summary.variation_count_unknown && usize::try_from(summary.variation_count) == Ok(children.len());
    is_whole
        && places.iter().all(|place| {
            let mut offers =
                place.iter().flat_map(|child| &child.offers).flat_map(|offers| &offers.listings).peekable();
            offers.peek().is_some() && offers.all(|offer| offer.price.is_some())
        })
}

/// Whether a child on the page shows the price.
fn is_shown(price: &pb::Money, places: &[Option<pb::Product>]) -> bool {
    let offers = places.iter().flatten().flat_map(|child| &child.offers).flat_map(|offers| &offers.listings);
    offers.flat_map(|offer| &offer.price).any(|shown| {
        (shown.units, shown.nanos, &shown.currency_code) == (price.units, price.nanos, &price.currency_code)
    })
}

impl From<VariationSummary> for pb::VariationSummary {
    fn from(summary: VariationSummary) -> Self {
        let variation_count = count(summary.variation_count);
        Self {
            variation_count: variation_count.unwrap_or_default(),
            variation_count_unknown: variation_count.is_none(),
            lowest_price: summary.price.lowest_price.into_message(),
            highest_price: summary.price.highest_price.into_message(),
            dimensions: summary.variation_dimensions.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<VariationDimension> for pb::VariationDimension {
    fn from(VariationDimension { name, display_name, values }: VariationDimension) -> Self {
        Self { name, display_name, values }
    }
}
