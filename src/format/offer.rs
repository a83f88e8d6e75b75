//! Offers as text: which one counts, its price, saving, availability and condition.

use super::number::number;
use amazon_catalog::money::total_nanos;
use stockroom_proto::pb;

/// The currencies whose smallest unit is the unit itself (ISO 4217, of those that Amazon lists).
const WITHOUT_DECIMALS: [&str; 5] = ["CLP", "JPY", "KRW", "PYG", "VND"];

/// The offer that stands for a product: the buy box winner, otherwise the cheapest offer with a price of the best condition. A
/// winner without a price is one only if no offer has one.
///
/// New is before an unknown condition, refurbished, used and collectible. A price that is shown only in Amazon's cart counts
/// as one that is not known: after a known price of its condition, and before any other condition. An offer without a price
/// is last.
pub fn best_offer(product: &pb::Product) -> Option<&pb::Offer> {
    // Of equals the first, in Amazon's order.
    product.offers.as_ref()?.listings.iter().min_by_key(|offer| rank(offer))
}

/// Lower is better: has a price at all, wins the buy box, condition, has a known price, amount. Offers of one product have one
/// currency.
fn rank(offer: &pb::Offer) -> (bool, bool, u8, bool, i128) {
    let is_priced = offer.price.is_some();
    let condition = match offer.condition() {
        pb::Condition::New => 0,
        pb::Condition::Unspecified => 1,
        pb::Condition::Refurbished => 2,
        pb::Condition::Used => 3,
        pb::Condition::Collectible => 4,
    };
    let amount = offer.price.as_ref().map_or(i128::MAX, total_nanos);
    (!is_priced && !offer.price_withheld, offer.is_buy_box_winner != Some(true), condition, !is_priced, amount)
}

/// An amount as Amazon displays it, otherwise its digits and currency, as `1,249.50 USD`.
pub fn money(money: &pb::Money) -> String {
    if !money.display.is_empty() {
        return money.display.clone();
    }
    let (sign, nanos) = (if money.units < 0 || money.nanos < 0 { "-" } else { "" }, money.nanos.unsigned_abs());
    let decimals = format!("{nanos:09}");
    let decimals = decimals.trim_end_matches('0');
    let whole = number(i64::try_from(money.units.unsigned_abs()).unwrap_or(i64::MAX));
    let amount = match decimals {
        "" if WITHOUT_DECIMALS.contains(&money.currency_code.as_str()) => format!("{sign}{whole}"),
        _ => format!("{sign}{whole}.{decimals:0<2}"),
    };
    format!("{amount} {}", money.currency_code).trim_end().to_owned()
}

/// The price of an offer, with the condition of one that is not new, as `$12.50 (Used)`. An unknown price differs from a price
/// of zero.
pub fn price(offer: Option<&pb::Offer>) -> String {
    let Some(offer) = offer else { return "No price".to_owned() };
    match &offer.price {
        _ if offer.price_withheld => "See price in cart".to_owned(),
        None => "No price".to_owned(),
        Some(price) => match offer_condition(offer) {
            "" | "New" => money(price),
            condition => format!("{} ({condition})", money(price)),
        },
    }
}

/// The condition of an offer: the contract's value, or Amazon's name where the contract has none; empty if unknown.
pub fn offer_condition(offer: &pb::Offer) -> &str {
    match offer.condition() {
        pb::Condition::Unspecified => &offer.condition_text,
        known => condition(known),
    }
}

/// A saving, as `-23%`; empty if unknown.
pub fn percent_off(percent: Option<i32>) -> String {
    percent.map_or(String::new(), |percent| format!("-{percent}%"))
}

/// Stars and reviews, as `★ 4.6 (1,230)`; empty without stars.
pub fn rating(stars: Option<f64>, reviews: Option<i32>) -> String {
    match (stars, reviews) {
        (Some(stars), Some(reviews)) => format!("★ {stars:.1} ({})", number(reviews)),
        (Some(stars), None) => format!("★ {stars:.1}"),
        (None, _) => String::new(),
    }
}

/// The kind of an availability in a few words, otherwise Amazon's own text.
pub fn availability(availability: &pb::Availability) -> String {
    let words = match availability.r#type() {
        pb::AvailabilityType::InStock => "In stock",
        pb::AvailabilityType::InStockScarce => "Few left in stock",
        pb::AvailabilityType::AvailableDate => "Available from a date",
        pb::AvailabilityType::Leadtime => "Ships after a lead time",
        pb::AvailabilityType::Preorder => "Pre-order",
        pb::AvailabilityType::OutOfStock => "Out of stock",
        pb::AvailabilityType::Unavailable => "Not available",
        pb::AvailabilityType::Unspecified if availability.message.is_empty() => &availability.type_text,
        pb::AvailabilityType::Unspecified => &availability.message,
    };
    words.to_owned()
}

/// A condition; empty if unknown.
pub fn condition(condition: pb::Condition) -> &'static str {
    match condition {
        pb::Condition::Unspecified => "",
        pb::Condition::New => "New",
        pb::Condition::Used => "Used",
        pb::Condition::Refurbished => "Refurbished",
        pb::Condition::Collectible => "Collectible",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_price_a_price_of_zero_and_a_withheld_price_differ() {
        let free = pb::Money { currency_code: "USD".to_owned(), display: "$0.00".to_owned(), ..Default::default() };
        let offer = |price, price_withheld| pb::Offer { price, price_withheld, ..Default::default() };
        assert_eq!(price(None), "No price");
        assert_eq!(price(Some(&offer(None, false))), "No price");
        assert_eq!(price(Some(&offer(Some(free), false))), "$0.00");
        assert_eq!(price(Some(&offer(None, true))), "See price in cart");
    }

    #[test]
    fn an_amount_without_amazons_text_shows_its_digits() {
        let amount = |units, nanos, code: &str| {
            money(&pb::Money { currency_code: code.to_owned(), units, nanos, display: String::new() })
        };
        assert_eq!(amount(33, 990_000_000, "EUR"), "33.99 EUR");
        assert_eq!(amount(1249, 500_000_000, "USD"), "1,249.50 USD");
        assert_eq!(amount(0, 0, "EUR"), "0.00 EUR");
        assert_eq!(amount(0, -500_000_000, "EUR"), "-0.50 EUR");
        assert_eq!(amount(1, 5_000_000, "EUR"), "1.005 EUR");
        assert_eq!(amount(3200, 0, "JPY"), "3,200 JPY");
    }

    #[test]
    fn an_unknown_rating_or_saving_is_empty() {
        assert_eq!(rating(None, Some(3)), "");
        assert_eq!(rating(Some(4.56), Some(1230)), "★ 4.6 (1,230)");
        assert_eq!((percent_off(None), percent_off(Some(15))), (String::new(), "-15%".to_owned()));
    }

    #[test]
    fn the_winner_counts_then_new_before_used_and_the_cheapest_of_a_condition() {
        use pb::Condition::{Collectible, New, Refurbished, Unspecified, Used};

        let offer = |condition: pb::Condition, units: Option<i64>| {
            let price = units.map(|units| pb::Money { units, currency_code: "USD".to_owned(), ..Default::default() });
            pb::Offer { condition: condition.into(), price, ..Default::default() }
        };
        let text = |listings: Vec<pb::Offer>| {
            let offers = Some(pb::ProductOffers { listings, ..Default::default() });
            price(best_offer(&pb::Product { offers, ..Default::default() }))
        };
        let winner = pb::Offer { is_buy_box_winner: Some(true), ..offer(Used, Some(60)) };
        let in_cart = pb::Offer { price_withheld: true, ..offer(New, None) };
        let salvaged = pb::Offer { condition_text: "Salvaged".to_owned(), ..offer(Unspecified, Some(2)) };
        let cases = [
            (vec![offer(Used, Some(40)), offer(New, Some(120))], "120.00 USD"),
            (vec![offer(New, Some(120)), winner.clone()], "60.00 USD (Used)"),
            (vec![pb::Offer { price: None, ..winner }, offer(New, Some(120))], "120.00 USD"),
            (vec![offer(New, Some(9)), offer(New, Some(7))], "7.00 USD"),
            (
                vec![offer(Collectible, Some(1)), offer(Used, Some(3)), offer(Refurbished, Some(5))],
                "5.00 USD (Refurbished)",
            ),
            (vec![offer(Used, Some(3)), offer(Unspecified, Some(8))], "8.00 USD"),
            (vec![salvaged], "2.00 USD (Salvaged)"),
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
