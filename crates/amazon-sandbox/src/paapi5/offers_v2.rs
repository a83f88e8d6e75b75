//! `OffersV2`: the listings of a product in the form that replaced Offers V1.

use serde_json::{Value, json};
use time::{Duration, OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

use crate::{
    catalogue::{
        money::MarketPrice,
        product::{Basis, Deal, InventedListing, InventedPrice, InventedProduct, OfferCondition, Stock},
    },
    paapi5::{item::ItemRenderer, json_object::JsonObject},
    search::percent_saved,
};

const MINUTES: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]T[hour]:[minute]Z");
const SECONDS: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");

/// The listings that match the request; `None` where none match or no resource of theirs was requested.
pub(crate) fn offers(product: &InventedProduct, renderer: &ItemRenderer<'_>) -> Option<Value> {
    if !renderer.resources.has_within("OffersV2.Listings") {
        return None;
    }
    let listings: Vec<Value> = renderer.listings(product).map(|listing| one(listing, product, renderer)).collect();
    (!listings.is_empty()).then(|| json!({ "Listings": listings }))
}

impl ItemRenderer<'_> {
    /// The listings in the condition and by the seller asked for.
    pub(crate) fn listings<'p>(&self, product: &'p InventedProduct) -> impl Iterator<Item = &'p InventedListing> {
        let (condition, from_amazon) = (self.condition, self.from_amazon);
        product
            .listings
            .iter()
            .filter(move |listing| condition.holds_for(listing.condition) && (!from_amazon || listing.seller.is_none()))
    }

    /// An amount of money.
    pub(crate) fn money(&self, amount: MarketPrice) -> Value {
        json!({
            "Amount": amount.in_units(),
            "Currency": amount.currency.code(),
            "DisplayAmount": self.price_list.display(amount),
        })
    }

    /// Id and name of a listing's seller.
    pub(crate) fn seller(&self, listing: &InventedListing) -> (&'static str, String) {
        match listing.seller {
            Some(seller) => (seller.id, seller.name.to_owned()),
            None => ("A0SANDBOXAMAZN", self.marketplace.domain().replacen("amazon", "Amazon", 1)),
        }
    }

    /// A price in the answer's currency, and the higher price it is compared with.
    pub(crate) fn amounts(&self, price: InventedPrice) -> (MarketPrice, Option<(MarketPrice, Basis)>) {
        let paid = self.price_list.price(price.us_cents);
        let basis = price.basis.map(|(us_cents, basis)| (self.price_list.price(us_cents), basis));
        (paid, basis.filter(|(basis, _)| basis.minor_units > paid.minor_units))
    }
}

impl Basis {
    /// Amazon's name of it and the label beside it.
    pub(crate) fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::ListPrice => ("LIST_PRICE", "List Price"),
            Self::WasPrice => ("WAS_PRICE", "Was Price"),
        }
    }
}

fn one(listing: &InventedListing, product: &InventedProduct, renderer: &ItemRenderer<'_>) -> Value {
    let asked = |name: &str| renderer.resources.has(&format!("OffersV2.Listings.{name}"));
    let (id, name) = renderer.seller(listing);
    let points = (renderer.marketplace.code() == "JP").then_some(listing.price).flatten();
    JsonObject::new()
        .with_asked(asked("Availability"), "Availability", || Some(availability(listing.stock)))
        .with_asked(asked("Condition"), "Condition", || Some(condition(listing)))
        .with_asked(asked("DealDetails"), "DealDetails", || listing.deal.map(|deal| details(deal, renderer.now)))
        .with_asked(asked("IsBuyBoxWinner"), "IsBuyBoxWinner", || Some(listing.buy_box))
        .with_asked(asked("LoyaltyPoints"), "LoyaltyPoints", || {
            points.map(|price| json!({ "Points": renderer.price_list.price(price.us_cents).minor_units / 100 }))
        })
        .with_asked(asked("MerchantInfo"), "MerchantInfo", || Some(json!({ "Id": id, "Name": name })))
        .with_asked(asked("Price"), "Price", || listing.price.map(|paid| price(paid, product.unit_count, renderer)))
        .with_asked(asked("Type"), "Type", || listing.deal.filter(|deal| deal.lightning).map(|_| "LIGHTNING_DEAL"))
        .with("ViolatesMAP", listing.violates_map)
        .into()
}

fn availability(stock: Stock) -> Value {
    let (kind, message, most) = match stock {
        Stock::Plenty => ("IN_STOCK", Some("In Stock".to_owned()), 30),
        Stock::Scarce(1) => ("IN_STOCK_SCARCE", None, 1),
        Stock::Scarce(left) => ("IN_STOCK_SCARCE", Some(format!("Only {left} left in stock - order soon.")), left),
        Stock::PreOrder => ("PREORDER", Some("This item will be released soon.".to_owned()), 5),
        Stock::Gone => ("OUT_OF_STOCK", Some("Temporarily out of stock.".to_owned()), 0),
    };
    JsonObject::new()
        .with_some("MaxOrderQuantity", (most > 0).then_some(most))
        .with_some("Message", message)
        .with_some("MinOrderQuantity", (most > 0).then_some(1))
        .with("Type", kind)
        .into()
}

fn condition(listing: &InventedListing) -> Value {
    let (value, sub_condition) = match listing.condition {
        OfferCondition::New => ("New", "Unknown"),
        OfferCondition::Used(sub_condition) => ("Used", sub_condition),
        OfferCondition::Refurbished => ("Refurbished", "Refurbished"),
    };
    json!({ "ConditionNote": listing.note, "SubCondition": sub_condition, "Value": value })
}

/// The start of a deal without seconds: Amazon sometimes omits them.
fn details(deal: Deal, now: OffsetDateTime) -> Value {
    let midnight = now.replace_time(time::Time::MIDNIGHT);
    let times = deal.ends_in_days.map(|days| {
        let begins = midnight - Duration::days(i64::from(deal.began_days_ago));
        let ends = midnight + Duration::days(i64::from(days)) - Duration::SECOND;
        (begins.format(MINUTES).unwrap_or_default(), ends.format(SECONDS).unwrap_or_default())
    });
    let (begins, ends) = times.unzip();
    let early = (deal.access == "PRIME_EARLY_ACCESS").then_some(1_800_000);
    JsonObject::new()
        .with("AccessType", deal.access)
        .with("Badge", deal.badge)
        .with_some("EarlyAccessDurationInMilliseconds", early)
        .with_some("StartTime", begins)
        .with_some("EndTime", ends)
        .with_some("PercentClaimed", deal.percent_claimed)
        .into()
}

fn price(price: InventedPrice, units: u32, renderer: &ItemRenderer<'_>) -> Value {
    let (paid, basis) = renderer.amounts(price);
    let per_unit = (units > 1).then(|| {
        let share = paid.over(units);
        let display = format!("{} / Count", renderer.price_list.display(share));
        json!({ "Amount": share.in_units(), "Currency": share.currency.code(), "DisplayAmount": display })
    });
    let saving = basis.map(|(basis, _)| {
        let percent = percent_saved(paid.minor_units, basis.minor_units);
        json!({ "Money": renderer.money(basis.minus(paid)), "Percentage": percent })
    });
    let compared = basis.map(|(basis, kind)| {
        let (kind, label) = kind.names();
        json!({ "Money": renderer.money(basis), "SavingBasisType": kind, "SavingBasisTypeLabel": label })
    });
    JsonObject::new()
        .with("Money", renderer.money(paid))
        .with_some("PricePerUnit", per_unit)
        .with_some("SavingBasis", compared)
        .with_some("Savings", saving)
        .into()
}
