//! The effective configuration: every value that the gateway uses and where it comes from, as TOML and as JSON. No secret is shown.

use std::path::PathBuf;

use serde_json::{Map, Value as Json, json};

use super::{
    keys::{ConfigKey, KEYS, TakesEffect},
    raw::Origin,
    value::Value,
};

/// The effective configuration.
#[derive(Clone, Debug)]
pub struct Effective {
    entries: Vec<Entry>,
    warnings: Vec<String>,
}

/// A key that the gateway has read, with the value that it uses.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) path: String,
    pub(super) key: &'static ConfigKey,
    /// `None`: the key is not set and has no default.
    pub(super) value: Option<Value>,
    /// Where the value was written. `None` for a default, for a value that follows from other keys, and without a value.
    pub(super) origin: Option<Origin>,
    /// The key or table that the value of an unset key follows from.
    pub(super) derived_from: Option<String>,
}

/// A key whose effective value differs in two configurations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The key, as `accounts.main.timeout`.
    pub key: String,
    /// When the new value takes effect; never [`TakesEffect::OnReloadOfFile`], which has become one of the others.
    pub takes_effect: TakesEffect,
}

impl Effective {
    pub(super) fn new(mut entries: Vec<Entry>, warnings: Vec<String>) -> Self {
        // Groups of tables in the order of the reference, in each group the tables by name (`accounts.eu`, `accounts.us`), in
        // each table the keys in the order of the reference.
        entries.sort_by_cached_key(|entry| {
            let first_part = entry.path.split('.').next();
            let group = KEYS.iter().position(|key| key.path.split('.').next() == first_part);
            let row = KEYS.iter().position(|key| key.path == entry.key.path);
            (group, entry.table(), row, entry.path.clone())
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
            let key = entry.path.strip_prefix(&table).unwrap_or(&entry.path).trim_start_matches('.');
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
            insert_at(&mut settings, &entry.path, value.shown());
            origins.insert(entry.path.clone(), json!(entry.origin_text()));
        }
        json!({ "settings": settings, "origins": origins })
    }

    /// The keys whose value differs in a newer configuration, in alphabetical order. Values are compared with the content of
    /// the files that they name.
    pub fn changes(&self, newer: &Self) -> Vec<Change> {
        let differs = |entry: &Entry, others: &Self| match (&entry.value, others.value(&entry.path)) {
            (Some(value), Some(other)) => !value.is_same(other),
            (None, None) => false,
            (Some(_), None) | (None, Some(_)) => true,
        };
        let changed = self.entries.iter().filter(|entry| differs(entry, newer));
        let added = newer.entries.iter().filter(|entry| self.entry(&entry.path).is_none() && entry.value.is_some());
        let change = |entry: &Entry| {
            let is_live = self.is_live(entry, newer);
            let takes_effect = if is_live { TakesEffect::OnReload } else { TakesEffect::OnRestart };
            Change { key: entry.path.clone(), takes_effect }
        };
        let mut changes: Vec<Change> = changed.chain(added).map(change).collect();
        changes.sort_by(|one, other| one.key.cmp(&other.key));
        changes
    }

    /// Takes the values of a newer configuration that take effect at a reload, and keeps all others.
    pub fn adopt_live(&mut self, newer: Self) {
        let kept = self.entries.iter().filter(|entry| !self.is_live(entry, &newer));
        let taken = newer.entries.iter().filter(|entry| self.is_live(entry, &newer));
        *self = Self::new(kept.chain(taken).cloned().collect(), newer.warnings);
    }

    /// Whether a change of a key takes effect at a reload, from this configuration to a newer one. The credentials of an
    /// account are replaced only if both configurations have the account, with one protocol and credential version.
    fn is_live(&self, entry: &Entry, newer: &Self) -> bool {
        if let Some((name, _)) = entry.path.strip_prefix("accounts.").and_then(|rest| rest.split_once('.')) {
            let kind_of = |effective: &Self| {
                ["protocol", "credential_version"]
                    .map(|key| effective.value(&format!("accounts.{name}.{key}")).map(Value::shown))
            };
            if kind_of(self) != kind_of(newer) {
                return false;
            }
        }
        match entry.key.takes_effect {
            TakesEffect::OnReload => true,
            TakesEffect::OnReloadOfFile => self.value(&entry.path).is_some() && newer.value(&entry.path).is_some(),
            TakesEffect::OnRestart => false,
        }
    }

    /// Whether a key of this row was read.
    #[cfg(test)]
    pub(super) fn has_read(&self, row: &ConfigKey) -> bool {
        self.entries.iter().any(|entry| entry.key.path == row.path)
    }

    /// The files that values were read from.
    pub fn files(&self) -> Vec<PathBuf> {
        self.entries.iter().filter_map(|entry| entry.value.as_ref()?.file()).collect()
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
        self.path.split('.').take(self.key.table_depth()).collect::<Vec<_>>().join(".")
    }

    fn origin_text(&self) -> String {
        match (&self.origin, &self.derived_from) {
            (Some(origin), _) => origin.to_string(),
            (None, Some(from)) => format!("derived from {from}"),
            (None, None) => "default".to_owned(),
        }
    }
}

/// A JSON scalar as TOML.
fn toml_text(value: &Json) -> String {
    match value {
        Json::String(text) => toml::Value::String(text.clone()).to_string(),
        other => other.to_string(),
    }
}

/// Puts a value at a path of a JSON object, and the objects on the way to it.
fn insert_at(object: &mut Json, path: &str, value: Json) {
    let Json::Object(fields) = object else { return };
    match path.split_once('.') {
        Some((first, rest)) => insert_at(fields.entry(first).or_insert_with(|| json!({})), rest, value),
        None => {
            fields.insert(path.to_owned(), value);
        }
    }
}
