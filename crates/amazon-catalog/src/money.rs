//! Amounts of money: from Amazon's digits, and into a currency's smallest unit.
//!
//! No amount ever passes through a float.

use crate::Currency;
use stockroom_proto::pb;

/// Reads a decimal amount as `units` and `nanos`; `None` where the text is no amount or has more than nine decimals that count.
pub fn parse_amount(text: &str) -> Option<(i64, i32)> {
    let text = text.trim();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let fraction = fraction.trim_end_matches('0');
    let is_number = |s: &str| s.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || fraction.len() > 9 || !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let units: i64 = whole.parse().ok()?;
    let nanos: i32 = format!("{fraction:0<9}").parse().ok()?;
    Some(if negative { (-units, -nanos) } else { (units, nanos) })
}

/// An amount in the smallest unit of its currency: cents for USD, yen for JPY. `None` where it is negative, too large, or
/// finer than that unit.
pub fn minor_units(money: &pb::Money, currency: Currency) -> Option<u64> {
    let scale = 10_u64.pow(currency.decimals());
    let nanos_per_minor_unit = 1_000_000_000 / scale;
    let (units, nanos) = (u64::try_from(money.units).ok()?, u64::try_from(money.nanos).ok()?);
    if nanos >= 1_000_000_000 || nanos % nanos_per_minor_unit != 0 {
        return None;
    }
    units.checked_mul(scale)?.checked_add(nanos / nanos_per_minor_unit)
}

/// An amount as billionths of a unit, for comparing amounts of one currency.
pub fn total_nanos(money: &pb::Money) -> i128 {
    i128::from(money.units) * 1_000_000_000 + i128::from(money.nanos)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Marketplace;

    fn money(units: i64, nanos: i32) -> pb::Money {
        pb::Money { units, nanos, ..Default::default() }
    }

    #[test]
    fn amounts_keep_every_digit() {
        let cases = [
            ("33.99", Some((33, 990_000_000))),
            ("48.0", Some((48, 0))),
            ("1500", Some((1500, 0))),
            ("0", Some((0, 0))),
            ("-3.5", Some((-3, -500_000_000))),
            ("0.1", Some((0, 100_000_000))),
            ("", None),
            ("$3", None),
            ("1e3", None),
            ("1.0000000001", None),
        ];
        for (text, amount) in cases {
            assert_eq!(parse_amount(text), amount, "{text}");
        }
    }

    #[test]
    fn the_smallest_unit_is_the_currency_s_own() {
        let currency = |code| Marketplace::parse(code).unwrap().currency();
        assert_eq!(minor_units(&money(32, 410_000_000), currency("US")), Some(3241));
        assert_eq!(minor_units(&money(3241, 0), currency("JP")), Some(3241));
        assert_eq!(minor_units(&money(0, 500_000_000), currency("JP")), None, "half a yen does not exist");
        assert_eq!(minor_units(&money(-1, 0), currency("US")), None);
        assert_eq!(minor_units(&money(i64::MAX, 0), currency("US")), None);
    }
}
