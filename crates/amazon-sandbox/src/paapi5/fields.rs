//! Reads the fields of a request and rejects the values that Amazon rejects.
//!
//! The live API answers a value of the wrong JSON type with `InternalFailure` and a value out of range with a client error.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use crate::paapi5::errors::Paapi5Error;

/// The body of a request. Fields that are unknown are ignored.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a>(&'a Map<String, Value>);

impl<'a> Fields<'a> {
    pub(crate) fn of(body: &'a Value) -> Result<Self, Paapi5Error> {
        body.as_object().map(Self).ok_or_else(wrong_type)
    }

    /// A text that is not empty.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&'a str>, Paapi5Error> {
        let Some(value) = self.value(name) else { return Ok(None) };
        let text = value.as_str().ok_or_else(wrong_type)?;
        if text.trim().is_empty() { Err(Paapi5Error::invalid(name, text)) } else { Ok(Some(text)) }
    }

    pub(crate) fn required_text(&self, name: &str) -> Result<&'a str, Paapi5Error> {
        // The live API treats an empty required field as absent.
        match self.value(name).map(|value| value.as_str().ok_or_else(wrong_type)).transpose()? {
            Some(text) if !text.trim().is_empty() => Ok(text),
            Some(_) | None => Err(Paapi5Error::missing(name)),
        }
    }

    /// One of these texts.
    pub(crate) fn one_of(&self, name: &str, known: &[&str]) -> Result<Option<&'a str>, Paapi5Error> {
        let text = self.text(name)?;
        match text.filter(|text| !known.contains(text)) {
            Some(unknown) => Err(Paapi5Error::invalid(name, unknown)),
            None => Ok(text),
        }
    }

    /// A whole number within a range.
    pub(crate) fn number(&self, name: &str, range: RangeInclusive<u64>) -> Result<Option<u64>, Paapi5Error> {
        let Some(value) = self.value(name) else { return Ok(None) };
        if !value.is_i64() && !value.is_u64() {
            return Err(wrong_type());
        }
        match value.as_u64().filter(|number| range.contains(number)) {
            Some(number) => Ok(Some(number)),
            None => Err(Paapi5Error::invalid(name, &value.to_string())),
        }
    }

    /// A list of texts, empty where it is absent.
    pub(crate) fn texts(&self, name: &str) -> Result<Vec<&'a str>, Paapi5Error> {
        let Some(value) = self.value(name) else { return Ok(Vec::new()) };
        let values = value.as_array().ok_or_else(wrong_type)?;
        values.iter().map(|value| value.as_str().ok_or_else(wrong_type)).collect()
    }

    /// One to ten texts.
    pub(crate) fn ids(&self, name: &str) -> Result<Vec<&'a str>, Paapi5Error> {
        let ids = self.texts(name)?;
        match ids.len() {
            0 => Err(Paapi5Error::missing(name)),
            1..=10 => Ok(ids),
            _ => Err(Paapi5Error::invalid(name, &ids.join(", "))),
        }
    }

    /// A JSON null is an absent field.
    fn value(&self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }
}

fn wrong_type() -> Paapi5Error {
    Paapi5Error::named("InternalFailure")
}
