//! Collects settings from a file, the environment and flags: texts by path, each with its origin.
//!
//! This module checks that keys are known, that names and marketplaces in paths are valid, and that lists and tables are where
//! they may be. It does not check values otherwise.
//!
//! A setting of a later source overrides that of an earlier one, so the sources are added in the order file, environment,
//! flags. Two settings of one key from the same source are an error: a file can name a marketplace in two ways, and a
//! variable can be written in two cases.

use std::{collections::BTreeMap, ffi::OsString, fmt, mem, net::SocketAddr};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    error::ConfigError,
    keys::{self, MARKETPLACE, NAME},
    kind::LIST_SEPARATOR,
};
use amazon_catalog::Marketplace;

const PREFIX: &str = "STOCKROOM_";
/// Variables that the commands of `stockroom` read. They belong to no key.
const COMMAND_VARIABLES: [&str; 9] = [
    "STOCKROOM_CONFIG",
    "STOCKROOM_SERVER",
    "STOCKROOM_TOKEN",
    "STOCKROOM_TOKEN_FILE",
    "STOCKROOM_CA_FILE",
    "STOCKROOM_CERT_FILE",
    "STOCKROOM_KEY_FILE",
    "STOCKROOM_SERVER_NAME",
    "STOCKROOM_MARKETPLACE",
];

/// The merged settings.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    by_path: BTreeMap<Vec<String>, Setting>,
    errors: Vec<ConfigError>,
    warnings: Vec<String>,
}

/// A text as written.
#[derive(Clone)]
pub(super) struct Setting {
    pub(super) text: String,
    pub(super) origin: Origin,
}

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// In a file.
    File {
        /// Its path.
        path: String,
        /// The line, counted from 1.
        line: usize,
    },
    /// In an environment variable of this name.
    Environment(String),
    /// In a flag, as `--listen`.
    Flag(String),
}

impl fmt::Debug for Setting {
    /// Leaves the text out: it may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Setting({})", self.origin)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line } => write!(f, "{path}:{line}"),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

impl Settings {
    /// Adds the content of a TOML file. `path` names it in errors and is not opened.
    pub fn file(mut self, path: &str, toml: &str) -> Self {
        let line_at = |offset: usize| toml.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1;
        let origin = |offset| Origin::File { path: path.to_owned(), line: line_at(offset) };
        match DeTable::parse(toml) {
            Ok(table) => self.put_table(&[], table.get_ref(), &origin),
            Err(error) => {
                // Only the message: the error's own display quotes the line, which may hold a secret.
                let at = origin(error.span().map_or(0, |span| span.start));
                self.errors.push(ConfigError::new("", format!("this is not valid TOML: {}", error.message())).at(&at));
            }
        }
        self
    }

    /// Adds the variables of the environment whose names are `STOCKROOM_` and a path in upper case, with `__` for each dot.
    ///
    /// A part that the operator chose is found without case, and `_` in a variable is also `-` in the file, which is therefore
    /// added before. A marketplace is written by its code. The variables of the commands and those that Kubernetes sets for a Service are ignored. An unknown name is an error if it is inside a
    /// known table or resembles a key, and a warning otherwise: another program may own it.
    pub fn environment(mut self, variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        for (name, value) in variables {
            let Some(name) = name.to_str() else { continue };
            let Some(key) = name.strip_prefix(PREFIX) else { continue };
            if COMMAND_VARIABLES.contains(&name) || is_service_link(name) {
                continue;
            }
            let origin = Origin::Environment(name.to_owned());
            let path: Vec<String> = key.split("__").map(str::to_ascii_lowercase).collect();
            let path = match self.with_known_name(path) {
                Ok(path) => path,
                Err(error) => {
                    self.errors.push(error.at(&origin));
                    continue;
                }
            };
            let parts: Vec<&str> = path.iter().map(String::as_str).collect();
            if keys::find(&parts).is_none() && !keys::is_in_known_table(&parts) && keys::nearest(&parts).is_none() {
                self.warnings.push(format!("{name} is not the variable of any key; it has no effect"));
                continue;
            }
            match value.into_string() {
                Ok(text) => self.put(&path, text, origin),
                Err(_) => self.errors.push(ConfigError::new(path.join("."), "the value is not UTF-8").at(&origin)),
            }
        }
        self
    }

    /// Adds the value of a command line flag, if it was given, as the setting at `path`.
    pub fn flag(mut self, path: &str, flag: &str, value: Option<&str>) -> Self {
        if let Some(value) = value {
            let path: Vec<String> = path.split('.').map(str::to_owned).collect();
            self.put(&path, value.to_owned(), Origin::Flag(flag.to_owned()));
        }
        self
    }

    /// The address of the gRPC port, if it is set and valid: where the commands look for a gateway on this machine.
    pub fn listen(&self) -> Option<SocketAddr> {
        self.get("listen")?.text.parse().ok()
    }

    /// Whether the gRPC port speaks TLS.
    pub fn has_tls(&self) -> bool {
        self.get("tls.certificate").is_some()
    }

    /// Things that are no errors but probably mistakes.
    pub(super) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The setting at a path.
    pub(super) fn get(&self, path: &str) -> Option<&Setting> {
        let path: Vec<String> = path.split('.').map(str::to_owned).collect();
        self.by_path.get(&path)
    }

    /// The names directly below a path, in order.
    pub(super) fn names_below(&self, path: &str) -> Vec<&str> {
        let path: Vec<&str> = path.split('.').collect();
        let below = self.by_path.keys().filter(|written| written.iter().zip(&path).all(|(a, b)| a == b));
        let mut names: Vec<&str> = below.filter_map(|written| written.get(path.len())).map(String::as_str).collect();
        names.dedup();
        names
    }

    /// The errors that were found while the settings were collected.
    pub(super) fn errors(&self) -> &[ConfigError] {
        &self.errors
    }

    /// Adds everything in a table of the file, whose path is `above`.
    fn put_table(&mut self, above: &[String], table: &DeTable<'_>, origin: &impl Fn(usize) -> Origin) {
        for (key, value) in table {
            let path: Vec<String> = above.iter().cloned().chain([key.get_ref().clone().into_owned()]).collect();
            self.put_value(&path, value, origin);
        }
    }

    fn put_value(&mut self, path: &[String], value: &Spanned<DeValue<'_>>, origin: &impl Fn(usize) -> Origin) {
        let at = origin(value.span().start);
        let text = match value.get_ref() {
            DeValue::Table(table) => match table_problem(path, table) {
                Some(problem) => return self.errors.push(ConfigError::new(path.join("."), problem).at(&at)),
                None => return self.put_table(path, table, origin),
            },
            DeValue::Array(elements) if is_list(path) && elements.iter().all(|one| one.get_ref().is_str()) => {
                let texts: Vec<&str> = elements.iter().filter_map(|one| one.get_ref().as_str()).collect();
                // Joined and split again it would be another element, or two.
                if let Some(text) = texts.iter().find(|text| text.contains(LIST_SEPARATOR) || text.trim() != **text) {
                    let problem = format!("the element {text:?} has a comma or spaces around it");
                    return self.errors.push(ConfigError::new(path.join("."), problem).at(&at));
                }
                texts.join(&LIST_SEPARATOR.to_string())
            }
            DeValue::Array(_) => {
                let problem = "a list is not accepted here";
                return self.errors.push(ConfigError::new(path.join("."), problem).at(&at));
            }
            DeValue::String(text) => text.clone().into_owned(),
            DeValue::Integer(number) => number.to_string(),
            DeValue::Float(number) => number.to_string(),
            DeValue::Boolean(flag) => flag.to_string(),
            DeValue::Datetime(time) => time.to_string(),
        };
        self.put(path, text, at);
    }

    fn put(&mut self, path: &[String], text: String, origin: Origin) {
        let parts: Vec<&str> = path.iter().map(String::as_str).collect();
        let Some(key) = keys::find(&parts) else {
            // The value is omitted: a misspelled key may be that of a secret.
            return self.errors.push(ConfigError::new(parts.join("."), unknown_key(&parts)).at(&origin));
        };
        let mut canonical = Vec::new();
        for (part, known) in parts.iter().zip(key.path.split('.')) {
            let checked = match known {
                NAME => is_name(part).then(|| (*part).to_owned()).ok_or("a name consists of letters, digits, - and _"),
                MARKETPLACE => Marketplace::parse(part)
                    .map(|marketplace| marketplace.code().to_owned())
                    .ok_or("there is no such marketplace; write it as US or www.amazon.com"),
                _ => Ok((*part).to_owned()),
            };
            match checked {
                Ok(part) => canonical.push(part),
                Err(problem) => return self.errors.push(ConfigError::new(parts.join("."), problem).at(&origin)),
            }
        }
        match self.by_path.get(&canonical) {
            Some(earlier) if mem::discriminant(&earlier.origin) == mem::discriminant(&origin) => {
                let problem = format!("it is already set ({})", earlier.origin);
                self.errors.push(ConfigError::new(parts.join("."), problem).at(&origin));
            }
            _ => {
                self.by_path.insert(canonical, Setting { text, origin });
            }
        }
    }

    /// A path from the environment, with the operator's name as the file spells it: shells accept no `-` in a variable,
    /// and all variables are in upper case. An error where the variable may mean two names.
    fn with_known_name(&self, mut path: Vec<String>) -> Result<Vec<String>, ConfigError> {
        if let [table, name, _, ..] = path.as_mut_slice() {
            let plain = |name: &str| name.to_ascii_lowercase().replace('-', "_");
            let known: Vec<&str> =
                self.names_below(table).into_iter().filter(|known| plain(known) == plain(name)).collect();
            match *known.as_slice() {
                [] => {}
                [known] => *name = known.to_owned(),
                [one, other, ..] => {
                    let problem = format!("it may mean {table}.{one} or {table}.{other}; set the key in the file");
                    return Err(ConfigError::new(path.join("."), problem));
                }
            }
        }
        Ok(path)
    }
}

/// What is wrong with a table of the file, apart from its keys. Without this check an empty table would vanish: `listen = {}`
/// would mean the default, an empty `[tls]` a port without TLS, and an empty `[callers.web]` no caller, and with it no need
/// for a token. Where each key has a default, as in `[cache]`, an empty table means these.
fn table_problem(path: &[String], table: &DeTable<'_>) -> Option<String> {
    let parts: Vec<&str> = path.iter().map(String::as_str).collect();
    if let Some(key) = keys::find(&parts) {
        return Some(format!("a table is not accepted here; expected {}", key.kind));
    }
    if !table.is_empty() {
        return None;
    }
    if !keys::is_table(&parts) {
        return Some(unknown_key(&parts));
    }
    (!keys::has_all_defaults(&parts)).then(|| "the table is empty; set its keys or remove it".to_owned())
}

fn unknown_key(path: &[&str]) -> String {
    let advice = keys::nearest(path).map_or(String::new(), |known| format!("; did you mean {known}?"));
    format!("there is no such key{advice}")
}

/// Whether the key at a path accepts a list.
fn is_list(path: &[String]) -> bool {
    let parts: Vec<&str> = path.iter().map(String::as_str).collect();
    keys::find(&parts).is_some_and(|key| key.kind.is_list())
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// Whether Kubernetes set the variable for a Service named `stockroom`, as `STOCKROOM_PORT_50051_TCP`
/// (<https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables>).
fn is_service_link(name: &str) -> bool {
    !name.contains("__") && (name.contains("_PORT") || name.ends_with("_SERVICE_HOST"))
}
