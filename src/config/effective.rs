//! The effective configuration: every value that the gateway uses and where it comes from, as TOML and as JSON. No secret is shown.

use serde_json::{Map, Value as Json, json};

use super::{
    keys::{KEYS, Key, NAME, Reload},
    raw::Origin,
    value::Value,
};

/// The effective configuration.
#[derive(Clone, Debug)]
pub struct Effective {
    entries: Vec<Entry>,
    warnings: Vec<String>,
}

/// A key whose value the gateway uses.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) path: String,
    pub(super) key: &'static Key,
    /// `None`: the key is not set and has no default.
    pub(super) value: Option<Value>,
    /// `None`: the value is the default.
    pub(super) origin: Option<Origin>,
}

/// A key that two configurations set differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The key, as `accounts.main.timeout`.
    pub key: String,
    /// When the new value takes effect.
    pub reload: Reload,
}

impl Effective {
    pub(super) fn new(mut entries: Vec<Entry>, warnings: Vec<String>) -> Self {
        entries.sort_by_cached_key(|entry| {
            let (table, first_part) = (entry.table(), entry.path.split('.').next());
            let index = KEYS.iter().position(|key| key.path == entry.key.path);
            let start = KEYS.iter().position(|key| key.path.split('.').next() == first_part);
            (if table.is_empty() { index } else { start }, table, index, entry.path.clone())
        });
        Self { entries, warnings }
    }

    /// Things that are no errors but probably mistakes.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// As TOML, with the origin of each value in a comment.
    pub fn to_toml(&self) -> String {
        let (mut text, mut table) = (String::new(), String::new());
        for entry in &self.entries {
            if entry.table() != table {
                table = entry.table();
                text.push_str(&format!("\n[{table}]\n"));
            }
            let key = entry.path.strip_prefix(&table).map_or(entry.path.as_str(), |rest| rest.trim_start_matches('.'));
            text.push_str(&match &entry.value {
                Some(value) => format!("{key} = {} # {}\n", toml_text(&value.shown()), entry.origin_text()),
                None => format!("# {key} = (not set)\n"),
            });
        }
        text
    }

    /// As JSON: `settings`, nested as in a file, and `origins` by key.
    pub fn to_json(&self) -> Json {
        let (mut settings, mut origins) = (Json::Object(Map::new()), Map::new());
        for entry in &self.entries {
            let Some(value) = &entry.value else { continue };
            insert(&mut settings, &entry.path, value.shown());
            origins.insert(entry.path.clone(), json!(entry.origin_text()));
        }
        json!({ "settings": settings, "origins": origins })
    }

    /// What a newer configuration sets differently, in the order of keys. Values are compared with the content of the files
    /// that they name.
    pub fn changes(&self, newer: &Self) -> Vec<Change> {
        let differs = |entry: &Entry, others: &Self| match (&entry.value, others.value(&entry.path)) {
            (Some(value), Some(other)) => !value.is_same(other),
            (None, None) => false,
            (Some(_), None) | (None, Some(_)) => true,
        };
        let changed = self.entries.iter().filter(|entry| differs(entry, newer));
        let added = newer.entries.iter().filter(|entry| self.entry(&entry.path).is_none() && entry.value.is_some());
        let mut changes: Vec<Change> =
            changed.chain(added).map(|entry| Change { key: entry.path.clone(), reload: entry.key.reload }).collect();
        changes.sort_by(|one, other| one.key.cmp(&other.key));
        changes
    }

    fn entry(&self, path: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.path == path)
    }

    fn value(&self, path: &str) -> Option<&Value> {
        self.entry(path)?.value.as_ref()
    }
}

impl Entry {
    /// The TOML table of the key: `accounts.main` for `accounts.main.partner_tags.US`, empty for `listen`.
    fn table(&self) -> String {
        let parts = if self.key.path.split('.').nth(1) == Some(NAME) { 2 } else { 1 };
        match self.path.contains('.') {
            true => self.path.split('.').take(parts).collect::<Vec<_>>().join("."),
            false => String::new(),
        }
    }

    fn origin_text(&self) -> String {
        self.origin.as_ref().map_or("default".to_owned(), ToString::to_string)
    }
}

/// A JSON scalar as TOML.
fn toml_text(value: &Json) -> String {
    match value {
        Json::String(text) => toml::Value::String(text.clone()).to_string(),
        other => other.to_string(),
    }
}

fn insert(object: &mut Json, path: &str, value: Json) {
    let Json::Object(fields) = object else { return };
    match path.split_once('.') {
        Some((first, rest)) => insert(fields.entry(first).or_insert_with(|| json!({})), rest, value),
        None => drop(fields.insert(path.to_owned(), value)),
    }
}
