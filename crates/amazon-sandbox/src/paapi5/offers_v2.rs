//! `OffersV2`: what is on sale, in the form that replaced Offers V1.

use serde_json::{Value, json};
use time::{Duration, OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

use crate::{
    catalogue::{
        money::Amount,
        product::{Basis, Condition, Deal, Listing, Price, Product, Stock},
    },
    paapi5::{item::Showing, tree::Tree},
    search::percent_saved,
};

const MINUTES: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]T[hour]:[minute]Z");
const SECONDS: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");

/// The listings that fit the request; `None` where there are none, or nothing of them was asked for.
pub(crate) fn offers(product: &Product, showing: &Showing<'_>) -> Option<Value> {
    if !showing.resources.has_within("OffersV2.Listings") {
        return None;
    }
    let listings: Vec<Value> = showing.listings(product).map(|listing| one(listing, product, showing)).collect();
    (!listings.is_empty()).then(|| json!({ "Listings": listings }))
}

impl Showing<'_> {
    /// The listings in the condition and by the seller asked for.
    pub(crate) fn listings<'p>(&self, product: &'p Product) -> impl Iterator<Item = &'p Listing> {
        let (condition, from_amazon) = (self.condition, self.from_amazon);
        product
            .listings
            .iter()
            .filter(move |listing| condition.holds_for(listing.condition) && (!from_amazon || listing.seller.is_none()))
    }

    /// An amount of money.
    pub(crate) fn money(&self, amount: Amount) -> Value {
        json!({
            "Amount": amount.in_units(),
            "Currency": amount.currency.code(),
            "DisplayAmount": self.till.display(amount),
        })
    }

    /// Id and name of a listing's seller.
    pub(crate) fn seller(&self, listing: &Listing) -> (&'static str, String) {
        match listing.seller {
            Some(seller) => (seller.id, seller.name.to_owned()),
            None => ("A0SANDBOXAMAZN", self.marketplace.domain().replacen("amazon", "Amazon", 1)),
        }
    }

    /// What a price is in this answer's currency, and the higher one it is compared with.
    pub(crate) fn amounts(&self, price: Price) -> (Amount, Option<(Amount, Basis)>) {
        let paid = self.till.price(price.us_cents);
        let basis = price.basis.map(|(us_cents, basis)| (self.till.price(us_cents), basis));
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

fn one(listing: &Listing, product: &Product, showing: &Showing<'_>) -> Value {
    let asked = |name: &str| showing.resources.has(&format!("OffersV2.Listings.{name}"));
    let (id, name) = showing.seller(listing);
    let points = (showing.marketplace.code() == "JP").then_some(listing.price).flatten();
    Tree::new()
        .with_asked(asked("Availability"), "Availability", || Some(availability(listing.stock)))
        .with_asked(asked("Condition"), "Condition", || Some(condition(listing)))
        .with_asked(asked("DealDetails"), "DealDetails", || listing.deal.map(|deal| details(deal, showing.now)))
        .with_asked(asked("IsBuyBoxWinner"), "IsBuyBoxWinner", || Some(listing.buy_box))
        .with_asked(asked("LoyaltyPoints"), "LoyaltyPoints", || {
            points.map(|price| json!({ "Points": showing.till.price(price.us_cents).minor_units / 100 }))
        })
        .with_asked(asked("MerchantInfo"), "MerchantInfo", || Some(json!({ "Id": id, "Name": name })))
        .with_asked(asked("Price"), "Price", || listing.price.map(|paid| price(paid, product.unit_count, showing)))
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
    Tree::new()
        .with_some("MaxOrderQuantity", (most > 0).then_some(most))
        .with_some("Message", message)
        .with_some("MinOrderQuantity", (most > 0).then_some(1))
        .with("Type", kind)
        .into()
}

fn condition(listing: &Listing) -> Value {
    let (value, sub_condition) = match listing.condition {
        Condition::New => ("New", "Unknown"),
        Condition::Used(sub_condition) => ("Used", sub_condition),
        Condition::Refurbished => ("Refurbished", "Refurbished"),
    };
    json!({ "ConditionNote": listing.note, "SubCondition": sub_condition, "Value": value })
}

/// Seconds are left out of the beginning, as Amazon does now and then.
fn details(deal: Deal, now: OffsetDateTime) -> Value {
    let midnight = now.replace_time(time::Time::MIDNIGHT);
    let times = deal.ends_in_days.map(|days| {
        let begins = midnight - Duration::days(i64::from(deal.began_days_ago));
        let ends = midnight + Duration::days(i64::from(days)) - Duration::SECOND;
        (begins.format(MINUTES).unwrap_or_default(), ends.format(SECONDS).unwrap_or_default())
    });
    let (begins, ends) = times.unzip();
    let early = (deal.access == "PRIME_EARLY_ACCESS").then_some(1_800_000);
    Tree::new()
        .with("AccessType", deal.access)
        .with("Badge", deal.badge)
        .with_some("EarlyAccessDurationInMilliseconds", early)
        .with_some("StartTime", begins)
        .with_some("EndTime", ends)
        .with_some("PercentClaimed", deal.percent_claimed)
        .into()
}

fn price(price: Price, units: u32, showing: &Showing<'_>) -> Value {
    let (paid, basis) = showing.amounts(price);
    let per_unit = (units > 1).then(|| {
        let share = paid.over(units);
        let display = format!("{} / Count", showing.till.display(share));
        json!({ "Amount": share.in_units(), "Currency": share.currency.code(), "DisplayAmount": display })
    });
    let saving = basis.map(|(basis, _)| {
        let percent = percent_saved(paid.minor_units, basis.minor_units);
        json!({ "Money": showing.money(basis.minus(paid)), "Percentage": percent })
    });
    let compared = basis.map(|(basis, kind)| {
        let (kind, label) = kind.names();
        json!({ "Money": showing.money(basis), "SavingBasisType": kind, "SavingBasisTypeLabel": label })
    });
    Tree::new()
        .with("Money", showing.money(paid))
        .with_some("PricePerUnit", per_unit)
        .with_some("SavingBasis", compared)
        .with_some("Savings", saving)
        .into()
}
