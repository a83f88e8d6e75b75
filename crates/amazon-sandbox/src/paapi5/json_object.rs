//! JSON objects in which absent data is left out.

use serde_json::{Map, Value};

/// An object under construction.
#[derive(Debug, Default)]
pub(crate) struct JsonObject(Map<String, Value>);

impl JsonObject {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds a value.
    pub(crate) fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0.insert(key.to_owned(), value.into());
        self
    }

    /// Adds a value if there is one.
    pub(crate) fn with_some(self, key: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    /// Adds the result of `value` if the field is requested and the result is present.
    pub(crate) fn with_asked<V: Into<Value>>(self, asked: bool, key: &str, value: impl FnOnce() -> Option<V>) -> Self {
        if asked { self.with_some(key, value()) } else { self }
    }

    /// The object, unless nothing was added.
    pub(crate) fn unless_empty(self) -> Option<Value> {
        (!self.0.is_empty()).then_some(Value::Object(self.0))
    }
}

impl From<JsonObject> for Value {
    fn from(tree: JsonObject) -> Self {
        Self::Object(tree.0)
    }
}
