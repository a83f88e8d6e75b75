//! Tolerant reading of JSON: a value that cannot be read is absent, and its neighbours are unaffected.
//!
//! # Why
//!
//! Amazon leaves out what it does not know, and sometimes sends `null`, a number as a string, or a list with an element of
//! another type. A strict deserializer loses ten products over one such field.
//!
//! # Rule
//!
//! Every field is kept as unparsed JSON ([`RawValue`]) and read on its own, through [`FromJson`]. A field that is missing,
//! or whose value does not fit, is the type's default. A list drops the elements that do not fit, but a list of `Option`
//! keeps their places as `None`, because an `Option` fits every value.
//!
//! Field names are compared without case and without `_`. The two APIs use one schema in two spellings: `DetailPageURL` and
//! `detailPageURL` both fill the field `detail_page_url` of a [`json_struct!`].
//!
//! # Edge cases
//!
//! Numbers and booleans are also read from strings, and a string field accepts a number's digits, because Amazon sends ids both ways.
//! A list of one element may be the element itself.
//! A string of white space is absent. A number is rounded to what its field holds; it is absent only where it is no number,
//! or larger than the field. Of several fields with one name the first counts that is not null, also where it does not fit.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::money::parse_amount;

/// The most elements of a list that are read. Amazon's longest lists, the children of a browse node, have some hundreds; the
/// bound keeps a hostile body of a million empty objects from becoming a gigabyte of items.
const MAX_ELEMENTS: usize = 1000;

/// A type that can be read from a JSON value.
pub(crate) trait FromJson: Sized {
    /// Reads the value; `None` where the JSON does not fit the type.
    fn read(json: &RawValue) -> Option<Self>;
}

/// A JSON object whose fields are not parsed yet, in their order.
pub(crate) struct Object<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Object<'a> {
    /// `None` where the JSON is no object.
    pub(crate) fn read(json: &'a RawValue) -> Option<Self> {
        serde_json::from_str(json.get()).ok()
    }

    /// The JSON of a field, by its name in snake case. Of several with this name the first that is not null.
    pub(crate) fn get(&self, name: &str) -> Option<&'a RawValue> {
        let mut values = self.0.iter().filter(|(key, _)| is_same_name(key, name)).map(|(_, json)| *json);
        values.find(|json| json.get() != "null")
    }

    /// A field, by its name in snake case; the default where it is absent or does not fit.
    pub(crate) fn field<T: FromJson + Default>(&self, name: &str) -> T {
        self.get(name).and_then(T::read).unwrap_or_default()
    }
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor;

        impl<'de> Visitor<'de> for ObjectVisitor {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Object(fields))
            }
        }

        deserializer.deserialize_map(ObjectVisitor)
    }
}

/// Declares a struct that is read from a JSON object, field by field. The name of a field is the key in the JSON, apart from
/// case and `_`. The struct and its fields are `pub(crate)`.
///
/// `struct Condition or value { … }` is also read from its field `value` alone, without the object around it.
macro_rules! json_struct {
    ($(#[$attribute:meta])* struct $name:ident $(or $main:ident)? { $($(#[$note:meta])* $field:ident: $type:ty,)+ }) => {
        $(#[$attribute])*
        #[derive(Clone, Debug, Default, PartialEq)]
        pub(crate) struct $name {
            $($(#[$note])* pub(crate) $field: $type,)+
        }

        impl $crate::json::FromJson for $name {
            #[allow(clippy::needless_update, reason = "a struct may have one field")]
            fn read(json: &serde_json::value::RawValue) -> Option<Self> {
                let object = $crate::json::Object::read(json);
                $(if object.is_none() {
                    return Some(Self { $main: $crate::json::FromJson::read(json)?, ..Self::default() });
                })?
                let object = object?;
                Some(Self { $($field: object.field(stringify!($field)),)+ })
            }
        }
    };
}
pub(crate) use json_struct;

/// The message, or `None` where every field has its default: an empty message carries no information.
pub(crate) fn unless_empty<T: Default + PartialEq>(message: T) -> Option<T> {
    (message != T::default()).then_some(message)
}

/// The content of a string, or a number as it is written.
pub(crate) fn text(json: &RawValue) -> Option<Cow<'_, str>> {
    match json.get().as_bytes().first()? {
        b'"' => serde_json::from_str(json.get()).ok().map(Cow::Owned),
        b'-' | b'0'..=b'9' => Some(Cow::Borrowed(json.get())),
        _ => None,
    }
}

/// Whether a key names the field, which may be a raw identifier.
fn is_same_name(key: &str, field: &str) -> bool {
    let key = key.bytes().filter(|byte| *byte != b'_').map(|byte| byte.to_ascii_lowercase());
    key.eq(field.trim_start_matches("r#").bytes().filter(|byte| *byte != b'_'))
}

impl FromJson for String {
    /// A string that is not blank, unchanged; or a number as it is written.
    fn read(json: &RawValue) -> Option<Self> {
        text(json).map(Cow::into_owned).filter(|text| !text.trim().is_empty())
    }
}

impl FromJson for bool {
    fn read(json: &RawValue) -> Option<Self> {
        match json.get().trim_matches('"').trim().to_ascii_lowercase().as_str() {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        }
    }
}

impl FromJson for i64 {
    /// A number, also as a string or with a percent sign, rounded to a whole one. `None` where it is no number or does not fit.
    fn read(json: &RawValue) -> Option<Self> {
        let (units, nanos) = parse_amount(text(json)?.trim().trim_end_matches('%'))?;
        units.checked_add((nanos / 500_000_000).into())
    }
}

impl FromJson for i32 {
    fn read(json: &RawValue) -> Option<Self> {
        i64::read(json)?.try_into().ok()
    }
}

impl FromJson for f64 {
    fn read(json: &RawValue) -> Option<Self> {
        text(json)?.trim().parse().ok().filter(|number: &Self| number.is_finite())
    }
}

impl<T: FromJson> FromJson for Option<T> {
    /// Never fails: a value that does not fit is `Some(None)`.
    fn read(json: &RawValue) -> Option<Self> {
        Some(T::read(json))
    }
}

impl<T: FromJson> FromJson for Vec<T> {
    /// The elements that fit, in their order, of the first [`MAX_ELEMENTS`]; or what is no list as its only element, but for
    /// an object without fields.
    fn read(json: &RawValue) -> Option<Self> {
        let Ok(elements) = serde_json::from_str::<Vec<&RawValue>>(json.get()) else {
            let is_nothing = Object::read(json).is_some_and(|object| object.0.is_empty());
            return T::read(json).filter(|_| !is_nothing).map(|element| vec![element]);
        };
        Some(elements.into_iter().take(MAX_ELEMENTS).filter_map(T::read).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    json_struct! {
        struct Inner {
            url: String,
        }
    }

    json_struct! {
        struct Outer {
            display_value: String,
            r#type: String,
            count: Option<i32>,
            share: Option<f64>,
            flag: Option<bool>,
            list: Vec<Inner>,
            inner: Inner,
        }
    }

    fn read<T: FromJson>(json: &str) -> Option<T> {
        T::read(serde_json::from_str(json).unwrap())
    }

    #[test]
    fn names_are_read_in_both_spellings() {
        for json in [
            r#"{"DisplayValue": "a", "Type": "b", "Inner": {"URL": "c"}}"#,
            r#"{"displayValue": "a", "type": "b", "inner": {"url": "c"}}"#,
        ] {
            let outer: Outer = read(json).unwrap();
            assert_eq!((outer.display_value.as_str(), outer.r#type.as_str()), ("a", "b"));
            assert_eq!(outer.inner.url, "c");
        }
    }

    #[test]
    fn a_field_of_the_wrong_shape_is_absent_and_its_neighbours_stay() {
        let outer: Outer = read(
            r#"{"DisplayValue": {"odd": 1}, "Type": null, "Count": "twelve", "Share": [1], "Flag": "yes",
                "List": [7, {"URL": "kept"}, null], "Inner": "not a group", "Unknown": {}}"#,
        )
        .unwrap();
        assert_eq!(outer, Outer { list: vec![Inner { url: "kept".to_owned() }], ..Default::default() });
        assert_eq!(read::<Outer>("[]"), None);
    }

    #[test]
    fn a_list_of_one_may_be_the_element() {
        assert_eq!(read::<Vec<Inner>>(r#"{"URL": "kept"}"#), Some(vec![Inner { url: "kept".to_owned() }]));
        assert_eq!((read::<Vec<Inner>>("7"), read::<Vec<Inner>>("{ }")), (None, None));
    }

    #[test]
    fn a_list_without_end_is_read_up_to_its_bound() {
        let json = format!("[{}{{}}]", "{},".repeat(100_000));
        assert_eq!(read::<Vec<Inner>>(&json).map(|list| list.len()), Some(MAX_ELEMENTS));
    }

    #[test]
    fn numbers_are_read_from_numbers_and_from_strings() {
        for (json, number) in [
            ("12", Some(12)),
            ("\"12\"", Some(12)),
            ("12.0", Some(12)),
            ("\" 12.00 \"", Some(12)),
            ("-3", Some(-3)),
            ("12.5", Some(13)),
            ("-12.5", Some(-13)),
            ("12.4", Some(12)),
            ("1.2e1", Some(12)),
            ("\"12.\"", Some(12)),
            ("3000000000", None),
            ("\"23%\"", Some(23)),
            ("true", None),
            ("\"\"", None),
        ] {
            assert_eq!(read::<i32>(json), number, "{json}");
        }
        assert_eq!(read::<f64>("\"4.5\""), Some(4.5));
        assert_eq!(read::<f64>("\"NaN\""), None);
        assert_eq!(read::<String>("9000000001").as_deref(), Some("9000000001"), "an id sent as a number");
        assert_eq!(read::<String>("\"  \""), None, "white space says nothing");
        assert_eq!(read::<bool>("\"true\""), Some(true));
        assert_eq!((read::<bool>("\" False\""), read::<bool>("1"), read::<bool>("2")), (Some(false), Some(true), None));
    }
}
