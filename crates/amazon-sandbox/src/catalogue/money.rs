//! Converts catalogue prices to a marketplace's currency, rounds them as shops do and formats them for the marketplace.
//!
//! Catalogue prices are in US cents. The exchange rates are round figures of no particular day.

use std::{collections::HashMap, sync::LazyLock};

use amazon_catalog::{Currency, Marketplace};
use serde_json::Number;

/// How many thousandths of each currency's unit a dollar buys.
static RATES: LazyLock<HashMap<&'static str, u64>> = LazyLock::new(|| {
    let rows = include_str!("../../data/currencies.txt").lines();
    rows.filter_map(|row| row.split_once(' ')).filter_map(|(code, rate)| Some((code, rate.parse().ok()?))).collect()
});

/// The prices of a marketplace in one of its currencies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PriceList {
    marketplace: Marketplace,
    currency: Currency,
}

/// An amount in the smallest unit of its currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MarketPrice {
    pub(crate) minor_units: u64,
    pub(crate) currency: Currency,
}

impl PriceList {
    /// Prices in the marketplace's own currency. Price filters use this currency.
    pub(crate) fn of(marketplace: Marketplace) -> Self {
        Self { marketplace, currency: marketplace.currency() }
    }

    /// Prices in another of its currencies. A currency that the marketplace lacks is replaced by its own.
    pub(crate) fn preferring(marketplace: Marketplace, currency: Option<&str>) -> Self {
        let preferred = currency.and_then(|code| marketplace.find_currency(code));
        Self { marketplace, currency: preferred.unwrap_or(marketplace.currency()) }
    }

    /// The price of a product whose catalogue price is `us_cents`.
    pub(crate) fn price(self, us_cents: u64) -> MarketPrice {
        let own = self.marketplace.currency();
        let rounded = if own.code() == "USD" { us_cents } else { round_as_shops_do(convert(us_cents, own), own) };
        if own == self.currency {
            return MarketPrice { minor_units: rounded, currency: own };
        }
        // Amazon converts the marketplace's own price, so the result has no rounded ending.
        let us_cents = (rounded * 100_000 + rate(own) * scale(own) / 2) / (rate(own) * scale(own)).max(1);
        MarketPrice { minor_units: convert(us_cents, self.currency), currency: self.currency }
    }

    /// The amount as Amazon displays it.
    pub(crate) fn display(self, amount: MarketPrice) -> String {
        let style = if amount.currency == self.marketplace.currency() {
            NumberFormat::of(self.marketplace)
        } else {
            NumberFormat {
                before: amount.currency.code(),
                after: "",
                space: true,
                group: ",",
                point: ".",
                lakhs: false,
            }
        };
        style.write(amount)
    }
}

impl MarketPrice {
    /// The difference to a lower amount of the same currency, zero where it is not lower.
    pub(crate) fn minus(self, other: Self) -> Self {
        Self { minor_units: self.minor_units.saturating_sub(other.minor_units), ..self }
    }

    /// An equal share of it.
    pub(crate) fn over(self, parts: u32) -> Self {
        Self { minor_units: self.minor_units / u64::from(parts.max(1)), ..self }
    }

    /// The amount in units, for JSON. As Amazon does, a whole amount is written without a point.
    #[expect(clippy::cast_precision_loss, reason = "a shop's prices are far below 2^52")]
    pub(crate) fn in_units(self) -> Number {
        let scale = scale(self.currency);
        if self.minor_units.is_multiple_of(scale) {
            return (self.minor_units / scale).into();
        }
        Number::from_f64(self.minor_units as f64 / scale as f64).unwrap_or_else(|| 0.into())
    }
}

fn rate(currency: Currency) -> u64 {
    RATES.get(currency.code()).copied().unwrap_or(1000)
}

fn scale(currency: Currency) -> u64 {
    10_u64.pow(currency.decimals())
}

fn convert(us_cents: u64, to: Currency) -> u64 {
    (us_cents * rate(to) * scale(to) + 50_000) / 100_000
}

/// Rounds to an ending that people expect: 33,99 €, ₹1,499.00, ￥3,480.
fn round_as_shops_do(minor: u64, currency: Currency) -> u64 {
    let scale = scale(currency);
    let (step, less) = match (scale, minor / scale) {
        (_, _) if minor == 0 => return 0,
        (1, units) if units < 10_000 => (10, 0),
        (1, _) => (100, 20),
        (_, units) if units < 5 => (10, 1),
        (_, units) if units < 100 => (scale, 1),
        (_, _) if rate(currency) >= 10_000 => (10 * scale, scale),
        (_, _) => (scale, 1),
    };
    ((minor + step / 2) / step).max(1) * step - less
}

/// How amounts are written.
struct NumberFormat {
    before: &'static str,
    after: &'static str,
    space: bool,
    group: &'static str,
    point: &'static str,
    lakhs: bool,
}

impl NumberFormat {
    fn of(marketplace: Marketplace) -> Self {
        let english = |before| Self { before, after: "", space: false, group: ",", point: ".", lakhs: false };
        let continental = |after| Self { before: "", after, space: true, group: ".", point: ",", lakhs: false };
        match marketplace.code() {
            "UK" => english("£"),
            "IE" => english("€"),
            "IN" => Self { lakhs: true, ..english("₹") },
            "JP" => english("￥"),
            "SG" => english("S$"),
            "AE" | "SA" | "EG" => Self { space: true, ..english(marketplace.currency().code()) },
            "BR" => Self { before: "R$", ..continental("") },
            "NL" => Self { before: "€", ..continental("") },
            "FR" => Self { group: "\u{a0}", ..continental("€") },
            "PL" => Self { group: "\u{a0}", ..continental("zł") },
            "SE" => Self { group: "\u{a0}", ..continental("kr") },
            "TR" => continental("TL"),
            _ if marketplace.currency().code() == "EUR" => continental("€"),
            _ => english("$"),
        }
    }

    fn write(&self, amount: MarketPrice) -> String {
        let scale = scale(amount.currency);
        let whole = grouped(amount.minor_units / scale, self.group, self.lakhs);
        let number = if scale == 1 { whole } else { format!("{whole}{}{:02}", self.point, amount.minor_units % scale) };
        let space = if self.space { "\u{a0}" } else { "" };
        match (self.before, self.after) {
            ("", after) => format!("{number}{space}{after}"),
            (before, _) => format!("{before}{space}{number}"),
        }
    }
}

/// Digits in groups of three; after the first group in twos where lakhs are counted.
fn grouped(number: u64, group: &str, lakhs: bool) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        let left = digits.len() - index;
        let boundary = if lakhs && left > 3 { (left - 3).is_multiple_of(2) } else { left.is_multiple_of(3) };
        if index > 0 && boundary {
            text.push_str(group);
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price_list(code: &str, currency: Option<&str>) -> PriceList {
        PriceList::preferring(Marketplace::parse(code).unwrap(), currency)
    }

    #[test]
    fn each_marketplace_writes_its_prices_its_own_way() {
        let cases = [
            ("US", "$1,249.99"),
            ("UK", "£986.99"),
            ("DE", "1.149,99\u{a0}€"),
            ("FR", "1\u{a0}149,99\u{a0}€"),
            ("NL", "€\u{a0}1.149,99"),
            ("IN", "₹1,04,369.00"),
            ("JP", "￥187,480"),
            ("BR", "R$\u{a0}6.749,99"),
            ("PL", "4\u{a0}936,99\u{a0}zł"),
            ("SE", "13\u{a0}119,00\u{a0}kr"),
            ("AE", "AED\u{a0}4,586.99"),
            ("CA", "$1,711.99"),
        ];
        for (code, text) in cases {
            let price_list = price_list(code, None);
            assert_eq!(price_list.display(price_list.price(124_999)), text, "{code}");
        }
    }

    #[test]
    fn every_currency_that_can_be_preferred_has_a_rate() {
        for marketplace in Marketplace::all() {
            for currency in marketplace.currencies() {
                assert!(RATES.contains_key(currency.code()), "{currency}");
            }
        }
    }

    #[test]
    fn a_preferred_currency_is_converted_and_an_unknown_one_ignored() {
        let euros = price_list("US", Some("EUR"));
        assert_eq!(euros.display(euros.price(10_000)), "EUR\u{a0}92.00");
        assert_eq!(price_list("US", Some("SEK")).price(10_000).currency.code(), "USD");
    }

    #[test]
    fn what_is_free_is_free_everywhere() {
        assert!(Marketplace::all().all(|marketplace| PriceList::of(marketplace).price(0).minor_units == 0));
    }
}
