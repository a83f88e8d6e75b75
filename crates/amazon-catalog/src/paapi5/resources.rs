//! What to ask Amazon for: everything, as it costs the same call. Only rentals are left out; nobody has them any more.

use crate::Operation;

/// The names of all resources that an operation has (PA-API 5.0, `resources`).
pub(super) fn all(operation: Operation) -> Vec<&'static str> {
    match operation {
        Operation::GetItems => ITEM.to_vec(),
        Operation::SearchItems => [ITEM, &["SearchRefinements"]].concat(),
        Operation::GetVariations => [ITEM, FAMILY].concat(),
        Operation::GetBrowseNodes => BROWSE_NODE.to_vec(),
        Operation::Files => Vec::new(),
    }
}

const BROWSE_NODE: &[&str] = &["BrowseNodes.Ancestor", "BrowseNodes.Children"];

const FAMILY: &[&str] = &[
    "VariationSummary.Price.HighestPrice",
    "VariationSummary.Price.LowestPrice",
    // In the answer it is called VariationDimensions.
    "VariationSummary.VariationDimension",
];

const ITEM: &[&str] = &[
    "BrowseNodeInfo.BrowseNodes",
    "BrowseNodeInfo.BrowseNodes.Ancestor",
    "BrowseNodeInfo.BrowseNodes.SalesRank",
    "BrowseNodeInfo.WebsiteSalesRank",
    "CustomerReviews.Count",
    "CustomerReviews.StarRating",
    "Images.Primary.Small",
    "Images.Primary.Medium",
    "Images.Primary.Large",
    "Images.Variants.Small",
    "Images.Variants.Medium",
    "Images.Variants.Large",
    "ItemInfo.ByLineInfo",
    "ItemInfo.ContentInfo",
    "ItemInfo.ContentRating",
    "ItemInfo.Classifications",
    "ItemInfo.ExternalIds",
    "ItemInfo.Features",
    "ItemInfo.ManufactureInfo",
    "ItemInfo.ProductInfo",
    "ItemInfo.TechnicalInfo",
    "ItemInfo.Title",
    "ItemInfo.TradeInInfo",
    "OffersV2.Listings.Availability",
    "OffersV2.Listings.Condition",
    "OffersV2.Listings.DealDetails",
    "OffersV2.Listings.IsBuyBoxWinner",
    "OffersV2.Listings.LoyaltyPoints",
    "OffersV2.Listings.MerchantInfo",
    "OffersV2.Listings.Price",
    "OffersV2.Listings.Type",
    "ParentASIN",
    "Offers.Listings.Availability.MaxOrderQuantity",
    "Offers.Listings.Availability.Message",
    "Offers.Listings.Availability.MinOrderQuantity",
    "Offers.Listings.Availability.Type",
    "Offers.Listings.Condition",
    "Offers.Listings.Condition.ConditionNote",
    "Offers.Listings.Condition.SubCondition",
    "Offers.Listings.DeliveryInfo.IsAmazonFulfilled",
    "Offers.Listings.DeliveryInfo.IsFreeShippingEligible",
    "Offers.Listings.DeliveryInfo.IsPrimeEligible",
    "Offers.Listings.DeliveryInfo.ShippingCharges",
    "Offers.Listings.IsBuyBoxWinner",
    "Offers.Listings.LoyaltyPoints.Points",
    "Offers.Listings.MerchantInfo",
    "Offers.Listings.Price",
    "Offers.Listings.ProgramEligibility.IsPrimeExclusive",
    "Offers.Listings.ProgramEligibility.IsPrimePantry",
    "Offers.Listings.Promotions",
    "Offers.Listings.SavingBasis",
    "Offers.Summaries.HighestPrice",
    "Offers.Summaries.LowestPrice",
    "Offers.Summaries.OfferCount",
];
