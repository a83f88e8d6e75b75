//! The one offer that stands for a product, and its facts in words.
//!
//! # Why
//!
//! A product has several offers, and a list shows one price. Every place that shows or compares a price must mean the same
//! offer and write it in the same way.
//!
//! # Rule
//!
//! [`featured`] is the buy box winner. Where there is none it is the cheapest offer with a price of the best condition: new,
//! then of an unknown condition, then refurbished, used and collectible. Offers without a price come last.
//!
//! # Edge cases
//!
//! A price that may be seen only in Amazon's cart counts as a price that is not known: the offer is before a used one, after
//! a priced one of its own condition. Offers of one product have one currency, so amounts are compared as they are.

use crate::{money, pb};

/// The offer that stands for a product; `None` where it has no offers.
pub fn featured(product: &pb::Product) -> Option<&pb::Offer> {
    let listings = &product.offers.as_ref()?.listings;
    let winner = listings.iter().find(|offer| offer.is_buy_box_winner == Some(true));
    // Of equals the first, in Amazon's order.
    winner.or_else(|| listings.iter().min_by_key(|offer| rank(offer)))
}

/// Without a price last; then by condition, a known price first, and the lower one first.
fn rank(offer: &pb::Offer) -> (bool, u8, bool, i128) {
    let is_priced = offer.price.is_some();
    let condition = match offer.condition() {
        pb::Condition::New => 0,
        pb::Condition::Unspecified => 1,
        pb::Condition::Refurbished => 2,
        pb::Condition::Used => 3,
        pb::Condition::Collectible => 4,
    };
    let amount = offer.price.as_ref().map_or(i128::MAX, money::total_nanos);
    (!is_priced && !offer.price_withheld, condition, !is_priced, amount)
}

/// The price of an offer, as `$33.99`, with the condition of an offer that is not new, as `$12.50 (Used)`. `No price` and
/// `See price in cart` where there is none to show.
pub fn price_text(offer: Option<&pb::Offer>) -> String {
    let Some(offer) = offer else { return "No price".to_owned() };
    let price = match &offer.price {
        _ if offer.price_withheld => return "See price in cart".to_owned(),
        None => return "No price".to_owned(),
        Some(price) => money::text(price),
    };
    match (offer.condition(), condition_text(offer)) {
        (pb::Condition::New, _) | (_, "") => price,
        (_, condition) => format!("{price} ({condition})"),
    }
}

/// The condition of an offer: the name of the contract's value, or Amazon's name where it has none. Empty where it is not
/// known.
pub fn condition_text(offer: &pb::Offer) -> &str {
    match offer.condition() {
        pb::Condition::Unspecified => &offer.condition_text,
        condition => condition_name(condition),
    }
}

/// The name of a condition; empty for the unspecified one.
pub fn condition_name(condition: pb::Condition) -> &'static str {
    match condition {
        pb::Condition::Unspecified => "",
        pb::Condition::New => "New",
        pb::Condition::Used => "Used",
        pb::Condition::Refurbished => "Refurbished",
        pb::Condition::Collectible => "Collectible",
    }
}

/// Whether and when an offer can be had, in a few words. Amazon's own words where the contract has no value for them.
pub fn availability_text(offer: Option<&pb::Offer>) -> String {
    let Some(availability) = offer.and_then(|offer| offer.availability.as_ref()) else { return String::new() };
    let text = match availability.r#type() {
        pb::AvailabilityType::InStock => "In stock",
        pb::AvailabilityType::InStockScarce => "Few left",
        pb::AvailabilityType::AvailableDate => "From a date",
        pb::AvailabilityType::Leadtime => "After a wait",
        pb::AvailabilityType::Preorder => "Pre-order",
        pb::AvailabilityType::OutOfStock => "Out of stock",
        pb::AvailabilityType::Unavailable => "Unavailable",
        pb::AvailabilityType::Unspecified if availability.message.is_empty() => &availability.type_text,
        pb::AvailabilityType::Unspecified => &availability.message,
    };
    text.to_owned()
}

/// The saving of an offer in percent, 1 to 100; `None` where there is none.
pub fn saving_percent(offer: Option<&pb::Offer>) -> Option<i32> {
    offer?.saving.as_ref()?.percent
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(condition: pb::Condition, units: Option<i64>) -> pb::Offer {
        let price = units.map(|units| pb::Money { units, currency_code: "USD".to_owned(), ..Default::default() });
        pb::Offer { condition: condition.into(), price, ..Default::default() }
    }

    fn text(listings: Vec<pb::Offer>) -> String {
        let offers = Some(pb::ProductOffers { listings, summaries: Vec::new() });
        price_text(featured(&pb::Product { offers, ..Default::default() }))
    }

    #[test]
    fn the_winner_goes_first_then_new_before_used_and_the_cheapest_of_a_condition() {
        use pb::Condition::{Collectible, New, Refurbished, Unspecified, Used};

        let winner = pb::Offer { is_buy_box_winner: Some(true), ..offer(Used, Some(60)) };
        let in_cart = pb::Offer { price_withheld: true, ..offer(New, None) };
        let cases = [
            (vec![offer(Used, Some(40)), offer(New, Some(120))], "120.00 USD"),
            (vec![offer(New, Some(120)), winner], "60.00 USD (Used)"),
            (vec![offer(New, Some(9)), offer(New, Some(7))], "7.00 USD"),
            (
                vec![offer(Collectible, Some(1)), offer(Used, Some(3)), offer(Refurbished, Some(5))],
                "5.00 USD (Refurbished)",
            ),
            (vec![offer(Used, Some(3)), offer(Unspecified, Some(8))], "8.00 USD"),
            (vec![offer(New, None), offer(Used, Some(3))], "3.00 USD (Used)"),
            (vec![in_cart.clone(), offer(Used, Some(3))], "See price in cart"),
            (vec![in_cart, offer(New, Some(3))], "3.00 USD"),
            (vec![offer(New, None)], "No price"),
            (vec![], "No price"),
        ];
        for (listings, expected) in cases {
            assert_eq!(text(listings.clone()), expected, "{listings:?}");
        }
    }
}
