//! Reads the arguments that are more than text.

use std::time::Duration;

use secrecy::SecretString;

use crate::config;
use amazon_catalog::money;
use stockroom_proto::pb;

/// A duration with its unit.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    config::parse_duration(text).ok_or_else(|| "write it with its unit, as 500ms, 10s, 50m or 12h".to_owned())
}

/// An amount in the currency of the request, kept to the last digit.
pub(super) fn amount(text: &str) -> Result<pb::Money, String> {
    match money::parse_amount(text) {
        Some((units, nanos)) if units >= 0 && nanos >= 0 => Ok(pb::Money { units, nanos, ..Default::default() }),
        Some(_) => Err("it cannot be negative".to_owned()),
        None => Err("write it in digits without a currency sign, as 149.99".to_owned()),
    }
}

/// Text that is kept out of every log.
#[expect(clippy::unnecessary_wraps, reason = "clap's parsers return a Result")]
pub(super) fn secret(text: &str) -> Result<SecretString, String> {
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_never_passes_through_a_float() {
        let cases = [("0.1", Some((0, 100_000_000))), ("149.99", Some((149, 990_000_000))), ("150", Some((150, 0)))];
        for (text, expected) in cases {
            assert_eq!(amount(text).ok().map(|money| (money.units, money.nanos)), expected, "{text}");
        }
        for text in ["-1", "-0.5", "$5", "1,50", ""] {
            assert!(amount(text).is_err(), "{text}");
        }
    }
}
