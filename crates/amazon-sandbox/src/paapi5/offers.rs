//! `Offers`: the listings in the form of V1. Only V1 contains delivery and summaries.

use serde_json::{Value, json};

use crate::{
    catalogue::product::{InventedListing, InventedPrice, InventedProduct, OfferCondition, Stock},
    paapi5::{item::ItemRenderer, json_object::JsonObject},
    search::percent_saved,
};

/// The requested listings and summaries; `None` where there are none.
pub(crate) fn offers(product: &InventedProduct, renderer: &ItemRenderer<'_>) -> Option<Value> {
    let mut listings = Vec::new();
    if renderer.resources.has_within("Offers.Listings") {
        let mut fitting: Vec<_> = renderer.listings(product).filter(|listing| listing.price.is_some()).collect();
        // V1 returns as many listings as the request asks for, the buy box first.
        fitting.sort_by_key(|listing| !listing.buy_box);
        listings.extend(fitting.into_iter().take(renderer.offer_count).map(|listing| one(listing, product, renderer)));
    }
    let summaries = summaries(product, renderer);
    JsonObject::new()
        .with_some("Listings", (!listings.is_empty()).then_some(listings))
        .with_some("Summaries", (!summaries.is_empty()).then_some(summaries))
        .unless_empty()
}

/// A price in the form of V1: flat.
pub(crate) fn plain_price(us_cents: u64, renderer: &ItemRenderer<'_>) -> Value {
    renderer.money(renderer.price_list.price(us_cents))
}

fn one(listing: &InventedListing, product: &InventedProduct, renderer: &ItemRenderer<'_>) -> Value {
    let asked = |name: &str| renderer.resources.has(&format!("Offers.Listings.{name}"));
    let within = |name: &str| renderer.resources.has_within(&format!("Offers.Listings.{name}"));
    let points = (renderer.marketplace.code() == "JP").then_some(listing.price).flatten();
    JsonObject::new()
        .with("Id", format!("sandbox{}{}", product.asin, condition_name(listing.condition)))
        .with_some("Availability", availability(listing, renderer))
        .with_asked(within("Condition"), "Condition", || Some(condition(listing, renderer)))
        .with_some("DeliveryInfo", delivery(listing, renderer))
        .with_asked(asked("IsBuyBoxWinner"), "IsBuyBoxWinner", || Some(listing.buy_box))
        .with_asked(asked("LoyaltyPoints.Points"), "LoyaltyPoints", || {
            points.map(|price| json!({ "Points": renderer.price_list.price(price.us_cents).minor_units / 100 }))
        })
        .with_asked(asked("MerchantInfo"), "MerchantInfo", || Some(merchant(listing, renderer)))
        .with_asked(asked("Price"), "Price", || listing.price.map(|paid| price(paid, renderer)))
        .with_some("ProgramEligibility", eligibility(listing, renderer))
        .with_asked(asked("SavingBasis"), "SavingBasis", || saving_basis(listing.price?, renderer))
        .with("ViolatesMAP", listing.violates_map)
        .into()
}

fn availability(listing: &InventedListing, renderer: &ItemRenderer<'_>) -> Option<Value> {
    let asked = |name: &str| renderer.resources.has(&format!("Offers.Listings.Availability.{name}"));
    let (kind, message, most) = match listing.stock {
        Stock::Plenty => ("Now", "In Stock.".to_owned(), 30),
        Stock::Scarce(left) => ("Now", format!("Only {left} left in stock - order soon."), left),
        Stock::PreOrder => ("Preorderable", "This item will be released soon.".to_owned(), 5),
        Stock::Gone => ("Backorderable", "Temporarily out of stock.".to_owned(), 1),
    };
    JsonObject::new()
        .with_asked(asked("MaxOrderQuantity"), "MaxOrderQuantity", || Some(most))
        .with_asked(asked("Message"), "Message", || Some(message))
        .with_asked(asked("MinOrderQuantity"), "MinOrderQuantity", || Some(1))
        .with_asked(asked("Type"), "Type", || Some(kind))
        .unless_empty()
}

fn condition(listing: &InventedListing, renderer: &ItemRenderer<'_>) -> Value {
    let asked = |name: &str| renderer.resources.has(&format!("Offers.Listings.Condition.{name}"));
    let name = condition_name(listing.condition);
    let sub_condition = match listing.condition {
        OfferCondition::Used(sub_condition) => sub_condition,
        OfferCondition::New | OfferCondition::Refurbished => name,
    };
    JsonObject::new()
        .with("Value", name)
        .with("DisplayValue", name)
        .with("Label", "Condition")
        .with("Locale", renderer.locale)
        .with_asked(asked("ConditionNote"), "ConditionNote", || {
            Some(json!({ "Locale": renderer.locale, "Value": listing.note }))
        })
        .with_asked(asked("SubCondition"), "SubCondition", || Some(json!({ "Value": sub_condition })))
        .into()
}

fn delivery(listing: &InventedListing, renderer: &ItemRenderer<'_>) -> Option<Value> {
    let asked = |name: &str| renderer.resources.has(&format!("Offers.Listings.DeliveryInfo.{name}"));
    let delivery = listing.delivery;
    JsonObject::new()
        .with_asked(asked("IsAmazonFulfilled"), "IsAmazonFulfilled", || Some(delivery.fulfilled_by_amazon))
        .with_asked(asked("IsFreeShippingEligible"), "IsFreeShippingEligible", || Some(delivery.free_shipping))
        .with_asked(asked("IsPrimeEligible"), "IsPrimeEligible", || Some(delivery.prime))
        .unless_empty()
}

fn merchant(listing: &InventedListing, renderer: &ItemRenderer<'_>) -> Value {
    let (id, name) = renderer.seller(listing);
    let feedback = listing.seller.map(|seller| (seller.feedback_count, f64::from(seller.tenths_of_feedback) / 10.0));
    let (count, rating) = feedback.unzip();
    JsonObject::new()
        .with("DefaultShippingCountry", renderer.marketplace.code())
        .with_some("FeedbackCount", count)
        .with_some("FeedbackRating", rating)
        .with("Id", id)
        .with("Name", name)
        .into()
}

fn price(price: InventedPrice, renderer: &ItemRenderer<'_>) -> Value {
    let (paid, basis) = renderer.amounts(price);
    let mut price = renderer.money(paid);
    if let (Some((basis, _)), Some(price)) = (basis, price.as_object_mut()) {
        let percent = percent_saved(paid.minor_units, basis.minor_units);
        let saved = basis.minus(paid);
        let savings = json!({
            "Amount": saved.in_units(),
            "Currency": saved.currency.code(),
            "DisplayAmount": format!("{} ({percent}%)", renderer.price_list.display(saved)),
            "Percentage": percent,
        });
        price.insert("Savings".to_owned(), savings);
    }
    price
}

fn saving_basis(price: InventedPrice, renderer: &ItemRenderer<'_>) -> Option<Value> {
    let (basis, kind) = renderer.amounts(price).1?;
    let (kind, label) = kind.names();
    let mut price = renderer.money(basis);
    let fields = price.as_object_mut()?;
    fields.insert("PriceType".to_owned(), kind.into());
    fields.insert("PriceTypeLabel".to_owned(), label.into());
    Some(price)
}

fn eligibility(listing: &InventedListing, renderer: &ItemRenderer<'_>) -> Option<Value> {
    let asked = |name: &str| renderer.resources.has(&format!("Offers.Listings.ProgramEligibility.{name}"));
    let exclusive = listing.deal.is_some_and(|deal| deal.access == "PRIME_EXCLUSIVE");
    JsonObject::new()
        .with_asked(asked("IsPrimeExclusive"), "IsPrimeExclusive", || Some(exclusive))
        .with_asked(asked("IsPrimePantry"), "IsPrimePantry", || Some(false))
        .unless_empty()
}

/// One summary for each condition, in the order in which the conditions appear.
fn summaries(product: &InventedProduct, renderer: &ItemRenderer<'_>) -> Vec<Value> {
    if !renderer.resources.has_within("Offers.Summaries") {
        return Vec::new();
    }
    let asked = |name: &str| renderer.resources.has(&format!("Offers.Summaries.{name}"));
    let summary = |name: &str| {
        let of_this = renderer.listings(product).filter(|listing| condition_name(listing.condition) == name);
        let prices: Vec<u64> = of_this.filter_map(|listing| listing.price).map(|price| price.us_cents).collect();
        let (lowest, highest) = (prices.iter().min()?, prices.iter().max()?);
        let tree = JsonObject::new()
            .with("Condition", json!({ "Value": name }))
            .with_asked(asked("HighestPrice"), "HighestPrice", || Some(plain_price(*highest, renderer)))
            .with_asked(asked("LowestPrice"), "LowestPrice", || Some(plain_price(*lowest, renderer)))
            .with_asked(asked("OfferCount"), "OfferCount", || Some(prices.len()));
        Some(Value::from(tree))
    };
    ["New", "Used", "Refurbished"].into_iter().filter_map(summary).collect()
}

fn condition_name(condition: OfferCondition) -> &'static str {
    match condition {
        OfferCondition::New => "New",
        OfferCondition::Used(_) => "Used",
        OfferCondition::Refurbished => "Refurbished",
    }
}
