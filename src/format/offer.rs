//! Offers as text: which one counts, its price, saving, availability and condition.

use super::number::number;
use amazon_catalog::money::total_nanos;
use stockroom_proto::pb;

/// The currencies whose smallest unit is the unit itself (ISO 4217, of those that Amazon lists).
const WITHOUT_DECIMALS: [&str; 5] = ["CLP", "JPY", "KRW", "PYG", "VND"];

/// The offer that stands for a product: the buy box winner, otherwise the cheapest offer with a price, otherwise the first.
pub fn best_offer(product: &pb::Product) -> Option<&pb::Offer> {
    let listings = &product.offers.as_ref()?.listings;
    let cheapest = || {
        let priced = listings.iter().filter(|offer| offer.price.is_some());
        priced.min_by_key(|offer| offer.price.as_ref().map(total_nanos))
    };
    listings.iter().find(|offer| offer.is_buy_box_winner == Some(true)).or_else(cheapest).or_else(|| listings.first())
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

/// The price of an offer. An unknown price differs from a price of zero.
pub fn price(offer: Option<&pb::Offer>) -> String {
    match offer {
        Some(offer) if offer.price_withheld => "See price in cart".to_owned(),
        Some(pb::Offer { price: Some(price), .. }) => money(price),
        Some(_) | None => "No price".to_owned(),
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
    fn without_a_buy_box_winner_the_cheapest_offer_with_a_price_counts() {
        let offer = |units: Option<i64>, is_buy_box_winner| pb::Offer {
            price: units.map(|units| pb::Money { units, ..Default::default() }),
            is_buy_box_winner,
            ..Default::default()
        };
        let best = |listings: Vec<pb::Offer>| {
            let offers = Some(pb::ProductOffers { listings, ..Default::default() });
            let product = pb::Product { offers, ..Default::default() };
            best_offer(&product).and_then(|offer| offer.price.as_ref()).map(|price| price.units)
        };
        assert_eq!(best(vec![offer(Some(9), None), offer(Some(5), None), offer(None, None)]), Some(5));
        assert_eq!(best(vec![offer(Some(5), None), offer(Some(9), Some(true))]), Some(9));
        assert_eq!(best(vec![offer(None, None)]), None);
    }
}
