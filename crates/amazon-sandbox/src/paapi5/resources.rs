//! The resources that a request asks for.

use crate::paapi5::{errors::Paapi5Error, fields::Fields};
use amazon_catalog::Operation;

/// The resources of a request.
#[derive(Debug)]
pub(crate) struct Resources<'a>(Vec<&'a str>);

impl<'a> Resources<'a> {
    /// Reads `Resources`; an item's title where there are none.
    pub(crate) fn read(fields: &Fields<'a>, operation: Operation) -> Result<Self, Paapi5Error> {
        let asked = fields.texts("Resources")?;
        if let Some(unknown) = asked.iter().find(|name| !known(operation).any(|known| known == **name)) {
            return Err(Paapi5Error::invalid("Resources", unknown));
        }
        Ok(Self(if asked.is_empty() { vec!["ItemInfo.Title"] } else { asked }))
    }

    /// Takes the names as they are.
    pub(crate) fn of(names: Vec<&'a str>) -> Self {
        Self(names)
    }

    /// Whether the request names exactly this resource.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains(&name)
    }

    /// Whether the request names this resource or one below it: a child resource includes its parent.
    pub(crate) fn has_within(&self, name: &str) -> bool {
        self.0.iter().any(|asked| asked.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
    }
}

/// Every resource that an operation has.
pub(crate) fn known(operation: Operation) -> impl Iterator<Item = &'static str> {
    let (common, own) = match operation {
        Operation::GetItems => (OF_ITEMS, [].as_slice()),
        Operation::SearchItems => (OF_ITEMS, ["SearchRefinements"].as_slice()),
        Operation::GetVariations => (OF_ITEMS, OF_VARIATIONS),
        Operation::GetBrowseNodes => ([].as_slice(), ["BrowseNodes.Ancestor", "BrowseNodes.Children"].as_slice()),
        Operation::Files => ([].as_slice(), [].as_slice()),
    };
    common.iter().chain(own).copied()
}

const OF_VARIATIONS: &[&str] = &[
    "VariationSummary.Price.HighestPrice",
    "VariationSummary.Price.LowestPrice",
    "VariationSummary.VariationDimension",
];

const OF_ITEMS: &[&str] = &[
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
    "RentalOffers.Listings.Availability.MaxOrderQuantity",
    "RentalOffers.Listings.Availability.Message",
    "RentalOffers.Listings.Availability.MinOrderQuantity",
    "RentalOffers.Listings.Availability.Type",
    "RentalOffers.Listings.BasePrice",
    "RentalOffers.Listings.Condition",
    "RentalOffers.Listings.Condition.ConditionNote",
    "RentalOffers.Listings.Condition.SubCondition",
    "RentalOffers.Listings.DeliveryInfo.IsAmazonFulfilled",
    "RentalOffers.Listings.DeliveryInfo.IsFreeShippingEligible",
    "RentalOffers.Listings.DeliveryInfo.IsPrimeEligible",
    "RentalOffers.Listings.DeliveryInfo.ShippingCharges",
    "RentalOffers.Listings.MerchantInfo",
];
