//! Amounts of money: from Amazon's digits, and into a currency's smallest unit.
//!
//! No amount ever passes through a float.

use crate::Currency;
use stockroom_proto::pb;

/// How many decimals an amount holds.
const MAX_DECIMALS: i64 = 9;
/// The most digits that an amount can have: 19 for the units, 9 for the billionths.
const MAX_DIGITS: usize = 28;
/// Billionths in a unit.
const NANOS: i128 = 1_000_000_000;

/// Parses a decimal number as whole units and billionths of a unit, without a float in between.
///
/// Reads every number of JSON, with or without an exponent (`33.99`, `1500`, `1.5E3`), and `12.` and `007`. Digits beyond the ninth decimal
/// are rounded, half away from zero. `None` where the text is no number, or has more units than an `i64`.
///
/// ```
/// use amazon_catalog::money::parse_amount;
///
/// assert_eq!(parse_amount("121.50999999999999"), Some((121, 510_000_000)));
/// assert_eq!(parse_amount("1,249.00"), None);
/// ```
pub fn parse_amount(text: &str) -> Option<(i64, i32)> {
    let text = text.trim();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = digits.split_once(['e', 'E']).unwrap_or((digits, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_number = |s: &str| s.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let exponent: i64 = exponent.parse().ok()?;
    // The number is 0.DIGITS times ten to the power of `point`.
    let digits = format!("{whole}{fraction}");
    let leading = digits.bytes().take_while(|byte| *byte == b'0').count();
    let digits = digits.get(leading..)?;
    let point = i64::try_from(whole.len()).ok()?.checked_sub(i64::try_from(leading).ok()?)?.checked_add(exponent)?;
    if digits.is_empty() || point < -MAX_DECIMALS {
        return Some((0, 0));
    }
    // Units and billionths together, as an integer: the digits up to the ninth decimal.
    let kept = usize::try_from(point.checked_add(MAX_DECIMALS)?).ok().filter(|kept| *kept <= MAX_DIGITS)?;
    let integer = digits.get(..kept).map_or_else(|| format!("{digits:0<kept$}"), str::to_owned);
    let rounds_up = digits.as_bytes().get(kept).is_some_and(|digit| *digit >= b'5');
    let total: i128 = if integer.is_empty() { 0 } else { integer.parse().ok()? };
    let total = (total + i128::from(rounds_up)) * if negative { -1 } else { 1 };
    Some((i64::try_from(total / NANOS).ok()?, i32::try_from(total % NANOS).ok()?))
}

/// An amount in the smallest unit of its currency: cents for USD, yen for JPY. `None` where it is negative, too large, or
/// finer than that unit.
pub fn minor_units(money: &pb::Money, currency: Currency) -> Option<u64> {
    let scale = 10_u64.pow(currency.decimals());
    // No currency has more than nine decimals.
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
            ("1e3", Some((1000, 0))),
            ("1.0000000001", Some((1, 0))),
            ("121.50999999999999", Some((121, 510_000_000))),
            ("6.663333333333333", Some((6, 663_333_333))),
            ("0.9999999996", Some((1, 0))),
            ("0.0000000005", Some((0, 1))),
            ("1e-20", Some((0, 0))),
            ("1e400", None),
            ("9223372036854775808", None),
            ("1,249.00", None),
            ("0x10", None),
            (".5", None),
            ("1e", None),
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
