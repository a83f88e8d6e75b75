//! Reads settings as typed values and collects everything that is wrong with them.
//!
//! The row of a key (`keys`) says how its text is parsed. The reader keeps an [`Entry`] for each key that it has read; the
//! entries are the effective configuration. Each key is read once.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

use super::{
    Effective,
    effective::Entry,
    error::{ConfigError, ConfigErrors},
    keys::{self, ConfigKey},
    raw::Settings,
    units::show_duration,
    value::{FromValue, Value},
};

/// Reads the settings. A value that cannot be used adds an error and is read as `None`.
pub(super) struct Reader<'a> {
    settings: &'a Settings,
    errors: Vec<ConfigError>,
    entries: Vec<Entry>,
    warnings: Vec<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(settings: &'a Settings) -> Self {
        Self {
            settings,
            errors: settings.errors().to_vec(),
            entries: Vec::new(),
            warnings: settings.warnings().to_vec(),
        }
    }

    /// The outcome, once everything is read: the value and the effective configuration, or all errors.
    pub(super) fn finish<T>(mut self, value: Option<T>) -> Result<(T, Effective), ConfigErrors> {
        if value.is_none() && self.errors.is_empty() {
            self.add_error("", "a value is missing, and no check found out why; this is a defect of stockroom");
        }
        match value {
            Some(value) if self.errors.is_empty() => Ok((value, Effective::new(self.entries, self.warnings))),
            _ => Err(ConfigErrors(self.errors)),
        }
    }

    /// The names directly below a path.
    pub(super) fn names_below(&self, path: &str) -> Vec<&'a str> {
        self.settings.names_below(path)
    }

    /// Whether a key is set.
    pub(super) fn is_set(&self, path: &str) -> bool {
        self.settings.get(path).is_some()
    }

    /// Adds an error about a key, with its value as written but for secrets.
    pub(super) fn add_error(&mut self, path: &str, problem: impl Into<String>) {
        let mut error = ConfigError::new(path, problem);
        if let Some(setting) = self.settings.get(path) {
            error.origin = Some(setting.origin.clone());
            error.value = key_at(path).and_then(|key| key.kind.redacted(&setting.text));
        }
        self.errors.push(error);
    }

    /// Adds something that is no error but probably a mistake.
    pub(super) fn add_warning(&mut self, warning: String) {
        self.warnings.push(warning);
    }

    /// The value of a key, or its default.
    ///
    /// `None` has two meanings: the key is not set and has no default, which is no error; or its value is wrong, and an
    /// error has been added. A text that is set to nothing is a value, which no kind accepts.
    pub(super) fn get<T: FromValue>(&mut self, path: &str) -> Option<T> {
        let Some(key) = key_at(path) else {
            self.add_error(path, "the table of keys has no such key; this is a defect of stockroom");
            return None;
        };
        let text = match self.settings.get(path) {
            Some(setting) => setting.text.as_str(),
            None => key.default,
        };
        if text.is_empty() && !self.is_set(path) {
            self.record(path, key, None);
            return None;
        }
        match key.kind.parse(text) {
            Ok(value) => {
                if let Value::KeyFile(file) = &value {
                    self.warn_if_everybody_reads(path, file.path());
                }
                self.record(path, key, Some(value.clone()));
                self.typed(path, value)
            }
            Err(problem) => {
                self.add_error(path, problem);
                None
            }
        }
    }

    /// The value of a key that has a default. If the value is wrong, an error is added and the result is the zero of the
    /// type, which nobody uses: a configuration with errors is refused.
    pub(super) fn get_or_zero<T: FromValue + Default>(&mut self, path: &str) -> T {
        self.get(path).unwrap_or_default()
    }

    /// A duration that may not exceed the value of another key, `limit_path`, which is `limit`. A default is lowered to the
    /// limit; a longer value that is set is an error. `None` if this value or the limit is wrong.
    pub(super) fn duration_up_to(&mut self, path: &str, limit_path: &str, limit: Option<Duration>) -> Option<Duration> {
        let (duration, limit): (Duration, Duration) = (self.get(path)?, limit?);
        if duration <= limit {
            return Some(duration);
        }
        if self.is_set(path) {
            self.add_error(path, format!("it may not be longer than {limit_path}, which is {}", show_duration(limit)));
            return None;
        }
        self.set_derived(path, Value::Duration(limit), limit_path);
        Some(limit)
    }

    /// The value of a key that may instead be in the file that `{path}_file` names. `None` if neither is set.
    pub(super) fn get_or_file<T: FromValue>(&mut self, path: &str) -> Option<T> {
        let file_path = format!("{path}_file");
        match (self.settings.get(path), self.settings.get(&file_path)) {
            (None, Some(_)) => {
                let value = self.read_value_file(path, &file_path)?;
                self.typed(path, value)
            }
            (Some(_), Some(file)) => {
                let problem = format!("{file_path} is set as well ({}); keep one of the two", file.origin);
                self.add_error(path, problem);
                None
            }
            (_, None) => self.get(path),
        }
    }

    /// As [`Self::get_or_file`], with an error if neither is set.
    pub(super) fn required_or_file<T: FromValue>(&mut self, path: &str) -> Option<T> {
        let file_path = format!("{path}_file");
        if !self.is_set(path) && !self.is_set(&file_path) {
            self.add_error(path, format!("it is not set; set it or {file_path}"));
            return None;
        }
        self.get_or_file(path)
    }

    /// The value of the key `path`, from the file that the key `file_path` names. White space at the end of the file is not
    /// part of the value.
    fn read_value_file(&mut self, path: &str, file_path: &str) -> Option<Value> {
        let (key, file_key) = (key_at(path)?, key_at(file_path)?);
        let file = self.settings.get(file_path)?.text.clone();
        let content = file_key.kind.parse(&file).and_then(|_| {
            let text = fs::read_to_string(&file).map_err(|error| format!("the file cannot be read: {error}"))?;
            let content = key.kind.parse(text.trim_end());
            content.map_err(|problem| format!("the content of the file is wrong: {problem}"))
        });
        match content {
            Ok(content) => {
                self.warn_if_everybody_reads(file_path, Path::new(&file));
                let value = Value::FromFile { path: file, content: Box::new(content) };
                self.record(file_path, file_key, Some(value.clone()));
                Some(value)
            }
            Err(problem) => {
                self.add_error(file_path, problem);
                None
            }
        }
    }

    /// Sets the effective value of a key that is not set and whose value follows from another key or table. The key has been
    /// read; one whose value was wrong has no effective value and gets none.
    pub(super) fn set_derived(&mut self, path: &str, value: Value, from: &str) {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.path == path) {
            entry.value = Some(value);
            entry.derived_from = Some(from.to_owned());
        }
    }

    /// The key under which the value of a key was written: itself, or the one of the file that holds it.
    pub(super) fn written_at(&self, path: &str) -> String {
        let file_path = format!("{path}_file");
        if self.is_set(&file_path) { file_path } else { path.to_owned() }
    }

    /// Warns of a file with a secret whose mode lets every user of the machine read it.
    fn warn_if_everybody_reads(&mut self, key: &str, file: &Path) {
        if fs::metadata(file).is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0) {
            let file = file.display();
            self.warnings.push(format!("{key}: every user of this machine can read {file}; change its mode to 0400"));
        }
    }

    fn typed<T: FromValue>(&mut self, path: &str, value: Value) -> Option<T> {
        let typed = T::from_value(value);
        if typed.is_none() {
            self.add_error(path, "the value does not have the type that is read; this is a defect of stockroom");
        }
        typed
    }

    fn record(&mut self, path: &str, key: &'static ConfigKey, value: Option<Value>) {
        let origin = self.settings.get(path).map(|setting| setting.origin.clone());
        self.entries.push(Entry { path: path.to_owned(), key, value, origin, derived_from: None });
    }
}

fn key_at(path: &str) -> Option<&'static ConfigKey> {
    keys::find(&path.split('.').collect::<Vec<_>>())
}
