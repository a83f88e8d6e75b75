//! Reads JSON that may not have the promised shape: whatever does not fit is absent, and costs nothing around it.
//!
//! Amazon leaves out what it does not know, and now and then sends `null`, a number as a string, or a list with an odd
//! element. One such field must not lose a product, so every field is read on its own and a failure stays inside it.
//! Names are compared without case and `_`: the two APIs answer with one tree in two spellings, `DetailPageURL` and
//! `detailPageURL`, which are both [`group!`]'s `detail_page_url`.

use std::{borrow::Cow, collections::HashMap};

use serde_json::value::RawValue;

/// A type that can be looked for in any JSON.
pub(crate) trait Lenient: Sized {
    /// Reads it; `None` where the JSON is something else.
    fn read(json: &RawValue) -> Option<Self>;
}

/// A JSON object, its fields still unread.
pub(crate) struct Object<'a>(HashMap<String, &'a RawValue>);

impl<'a> Object<'a> {
    /// `None` where the JSON is no object.
    pub(crate) fn read(json: &'a RawValue) -> Option<Self> {
        serde_json::from_str(json.get()).ok().map(Self)
    }

    /// A field's JSON, by its name in snake case.
    pub(crate) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(key, _)| is_same_name(key, name)).map(|(_, json)| *json)
    }

    /// A field by its name in snake case; its default where it is absent or does not fit.
    pub(crate) fn field<T: Lenient + Default>(&self, name: &str) -> T {
        self.get(name).and_then(T::read).unwrap_or_default()
    }
}

/// Declares a group of fields, each of which may be absent.
macro_rules! group {
    ($(#[$attribute:meta])* struct $name:ident { $($(#[$note:meta])* $field:ident: $type:ty,)+ }) => {
        $(#[$attribute])*
        #[derive(Clone, Debug, Default, PartialEq)]
        pub(crate) struct $name {
            $($(#[$note])* pub(crate) $field: $type,)+
        }

        impl $crate::lenient::Lenient for $name {
            fn read(json: &serde_json::value::RawValue) -> Option<Self> {
                let object = $crate::lenient::Object::read(json)?;
                Some(Self { $($field: object.field(stringify!($field)),)+ })
            }
        }
    };
}
pub(crate) use group;

/// The message, unless nothing is in it: an empty group says no more than an absent one.
pub(crate) fn unless_empty<T: Default + PartialEq>(message: T) -> Option<T> {
    (message != T::default()).then_some(message)
}

/// The text of a string, or the digits of a number.
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

impl Lenient for String {
    /// A string that says something, word for word; a number's digits.
    fn read(json: &RawValue) -> Option<Self> {
        text(json).map(Cow::into_owned).filter(|text| !text.trim().is_empty())
    }
}

impl Lenient for bool {
    fn read(json: &RawValue) -> Option<Self> {
        match json.get().trim_matches('"') {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }
}

impl Lenient for i64 {
    /// A whole number, also as `"12"` or `12.0`.
    fn read(json: &RawValue) -> Option<Self> {
        let text = text(json)?;
        let text = text.trim();
        let whole = text
            .split_once('.')
            .map_or(text, |(whole, zeros)| if zeros.bytes().all(|byte| byte == b'0') { whole } else { text });
        whole.parse().ok()
    }
}

impl Lenient for i32 {
    fn read(json: &RawValue) -> Option<Self> {
        i64::read(json)?.try_into().ok()
    }
}

impl Lenient for f64 {
    fn read(json: &RawValue) -> Option<Self> {
        text(json)?.trim().parse().ok().filter(|number: &Self| number.is_finite())
    }
}

impl<T: Lenient> Lenient for Option<T> {
    fn read(json: &RawValue) -> Option<Self> {
        Some(T::read(json))
    }
}

impl<T: Lenient> Lenient for Vec<T> {
    /// The elements that fit, in their order.
    fn read(json: &RawValue) -> Option<Self> {
        let elements: Vec<&RawValue> = serde_json::from_str(json.get()).ok()?;
        Some(elements.into_iter().filter_map(T::read).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    group! {
        struct Inner {
            url: String,
        }
    }

    group! {
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

    fn read<T: Lenient>(json: &str) -> Option<T> {
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
    fn numbers_are_read_from_numbers_and_from_strings() {
        for (json, number) in [
            ("12", Some(12)),
            ("\"12\"", Some(12)),
            ("12.0", Some(12)),
            ("\" 12.00 \"", Some(12)),
            ("-3", Some(-3)),
            ("12.5", None),
            ("3000000000", None),
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
    }
}
