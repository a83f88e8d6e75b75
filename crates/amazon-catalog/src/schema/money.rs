//! `Money`, as the resource groups contain it. `crate::money` parses the amounts.

use serde_json::value::RawValue;

use crate::{
    json::{self, FromJson, json_struct},
    money::parse_amount,
};
use stockroom_proto::pb;

json_struct! {
    /// An amount with its currency.
    struct Money {
        amount: Option<Amount>,
        currency: String,
        display_amount: String,
    }
}

/// A decimal number as whole units and billionths, read from its digits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Amount {
    units: i64,
    nanos: i32,
}

impl Money {
    /// The message; `None` where the amount or its currency is absent or cannot be read.
    pub(crate) fn into_message(self) -> Option<pb::Money> {
        self.amount?.into_message(self.currency, self.display_amount)
    }
}

impl Amount {
    /// The message; `None` without a currency, as a bare number is no price, and below zero.
    pub(crate) fn into_message(self, currency_code: String, display: String) -> Option<pb::Money> {
        let Self { units, nanos } = self;
        let is_negative = units < 0 || nanos < 0;
        (!currency_code.is_empty() && !is_negative).then_some(pb::Money { currency_code, units, nanos, display })
    }
}

impl FromJson for Amount {
    fn read(json: &RawValue) -> Option<Self> {
        parse_amount(&json::text(json)?).map(|(units, nanos)| Self { units, nanos })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_read_from_its_digits() {
        let cases = [
            ("33.99", Some((33, 990_000_000))),
            ("\"33.99\"", Some((33, 990_000_000))),
            ("48.0", Some((48, 0))),
            ("1.5E3", Some((1500, 0))),
            ("1.2345e+2", Some((123, 450_000_000))),
            ("-25e-2", Some((0, -250_000_000))),
            ("1e400", None),
            ("9999999999999999999", None),
            ("\"1,249.00\"", None),
            ("null", None),
            ("{}", None),
        ];
        for (json, amount) in cases {
            let read = Amount::read(serde_json::from_str(json).unwrap());
            assert_eq!(read.map(|amount| (amount.units, amount.nanos)), amount, "{json}");
        }
    }

    #[test]
    fn an_amount_without_a_currency_or_below_zero_is_no_price() {
        let read = |json| Money::read(serde_json::from_str(json).unwrap()).unwrap().into_message();
        assert_eq!(read(r#"{"Amount": 3, "DisplayAmount": "3"}"#), None);
        assert_eq!(read(r#"{"Currency": "EUR", "DisplayAmount": "3 €"}"#), None);
        assert_eq!(read(r#"{"Amount": 3, "Currency": "EUR"}"#).unwrap().units, 3);
        assert_eq!(read(r#"{"Amount": -1, "Currency": "EUR"}"#), None);
        assert_eq!(read(r#"{"Amount": -0.5, "Currency": "EUR"}"#), None);
    }
}
