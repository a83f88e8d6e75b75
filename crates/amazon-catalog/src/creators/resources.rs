//! What to ask Amazon for: everything, as it costs the same call.

use crate::Operation;

/// The names of all resources that an operation has (Amazon's SDK 1.3.0, `models/*_resource.py`).
pub(super) fn all(operation: Operation) -> Vec<&'static str> {
    match operation {
        Operation::GetItems => ITEM.to_vec(),
        Operation::SearchItems => [ITEM, &["searchRefinements"]].concat(),
        Operation::GetVariations => [ITEM, FAMILY].concat(),
        Operation::GetBrowseNodes => BROWSE_NODE.to_vec(),
        Operation::Files => Vec::new(),
    }
}

const BROWSE_NODE: &[&str] = &["browseNodes.ancestor", "browseNodes.children"];

const FAMILY: &[&str] = &[
    "variationSummary.price.highestPrice",
    "variationSummary.price.lowestPrice",
    // In the answer it is called variationDimensions.
    "variationSummary.variationDimension",
];

const ITEM: &[&str] = &[
    "browseNodeInfo.browseNodes",
    "browseNodeInfo.browseNodes.ancestor",
    "browseNodeInfo.browseNodes.salesRank",
    "browseNodeInfo.websiteSalesRank",
    // The SDK alone has these two and highRes; the documentation does not list them.
    "customerReviews.count",
    "customerReviews.starRating",
    "images.primary.small",
    "images.primary.medium",
    "images.primary.large",
    // In the answer it is called hiRes.
    "images.primary.highRes",
    "images.variants.small",
    "images.variants.medium",
    "images.variants.large",
    "images.variants.highRes",
    "itemInfo.byLineInfo",
    "itemInfo.contentInfo",
    "itemInfo.contentRating",
    "itemInfo.classifications",
    "itemInfo.externalIds",
    "itemInfo.features",
    "itemInfo.manufactureInfo",
    "itemInfo.productInfo",
    "itemInfo.technicalInfo",
    "itemInfo.title",
    "itemInfo.tradeInInfo",
    "offersV2.listings.availability",
    "offersV2.listings.condition",
    "offersV2.listings.dealDetails",
    "offersV2.listings.isBuyBoxWinner",
    "offersV2.listings.loyaltyPoints",
    "offersV2.listings.merchantInfo",
    "offersV2.listings.price",
    "offersV2.listings.type",
    "parentASIN",
];
