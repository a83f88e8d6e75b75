//! Reads settings as typed values, by the table of keys, and collects everything that is wrong with them.
//!
//! The reader records each value that it reads. The record is the effective configuration.

use std::{fs, os::unix::fs::PermissionsExt as _, time::Duration};

use super::{
    Effective,
    effective::Entry,
    error::{ConfigError, ConfigErrors},
    keys::{self, Key},
    raw::Settings,
    units::show_duration,
    value::{FromValue, Value},
};

/// Reads the settings. A value that cannot be used adds an error and reads as `None`.
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

    /// The outcome, once everything is read.
    pub(super) fn finish<T>(self, value: Option<T>) -> Result<(T, Effective), ConfigErrors> {
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

    /// Adds an error about a key, with its value as written.
    pub(super) fn error(&mut self, path: &str, problem: impl Into<String>) {
        let mut error = ConfigError::new(path, problem);
        if let Some(setting) = self.settings.get(path) {
            error.origin = Some(setting.origin.clone());
            error.value = key_at(path).and_then(|key| key.kind.redacted(&setting.text));
        }
        self.errors.push(error);
    }

    /// The value of a key, or its default. `None` without either, which is no error, and for a value that is wrong.
    pub(super) fn get<T: FromValue>(&mut self, path: &str) -> Option<T> {
        let key = key_at(path)?;
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
                self.record(path, key, Some(value.clone()));
                T::from_value(value)
            }
            Err(problem) => {
                self.error(path, problem);
                None
            }
        }
    }

    /// The value of a key with a default.
    pub(super) fn get_or_zero<T: FromValue + Default>(&mut self, path: &str) -> T {
        // Without a value there is an error, so the zero is never used.
        self.get(path).unwrap_or_default()
    }

    /// A duration that may not exceed that of another key. A default is lowered to it; a longer value that is set is an error.
    pub(super) fn duration_within(&mut self, path: &str, most: Duration, other: &str) -> Duration {
        let duration: Duration = self.get_or_zero(path);
        if duration <= most {
            return duration;
        }
        if self.is_set(path) {
            self.error(path, format!("it may not be longer than {other}, which is {}", show_duration(most)));
        }
        self.replace(path, Value::Duration(most));
        most
    }

    /// The value of a key that may instead be in the file that `{path}_file` names. `None` if neither is set.
    pub(super) fn get_or_file<T: FromValue>(&mut self, path: &str) -> Option<T> {
        let in_file = format!("{path}_file");
        match (self.settings.get(path), self.settings.get(&in_file)) {
            (None, Some(_)) => T::from_value(self.in_file(path, &in_file)?),
            (Some(_), Some(file)) => {
                let problem = format!("{in_file} is set as well ({}); keep one of the two", file.origin);
                self.error(path, problem);
                None
            }
            (_, None) => self.get(path),
        }
    }

    /// As [`Self::get_or_file`], with an error if neither is set.
    pub(super) fn required<T: FromValue>(&mut self, path: &str) -> Option<T> {
        let in_file = format!("{path}_file");
        if !self.is_set(path) && !self.is_set(&in_file) {
            self.error(path, format!("it is not set; set it or {in_file}"));
            return None;
        }
        self.get_or_file(path)
    }

    fn in_file(&mut self, path: &str, file_path: &str) -> Option<Value> {
        let (key, file_key) = (key_at(path)?, key_at(file_path)?);
        let file = self.settings.get(file_path)?.text.clone();
        let read = fs::read_to_string(&file).map_err(|error| format!("the file cannot be read: {error}"));
        let content = read.and_then(|text| {
            key.kind.parse(text.trim_end()).map_err(|problem| format!("the content of the file is wrong: {problem}"))
        });
        match content {
            Ok(content) => {
                if is_readable_by_everybody(&file) {
                    self.warnings.push(format!(
                        "{file_path}: every user of this machine can read {file}; change its mode to 0400"
                    ));
                }
                let value = Value::InFile { path: file, content: Box::new(content) };
                self.record(file_path, file_key, Some(value.clone()));
                Some(value)
            }
            Err(problem) => {
                self.error(file_path, problem);
                None
            }
        }
    }

    /// Records a value that follows from others, for a key that is not set.
    pub(super) fn replace(&mut self, path: &str, value: Value) {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.path == path) {
            entry.value = Some(value);
        }
    }

    fn record(&mut self, path: &str, key: &'static Key, value: Option<Value>) {
        let origin = self.settings.get(path).map(|setting| setting.origin.clone());
        self.entries.push(Entry { path: path.to_owned(), key, value, origin });
    }
}

/// Whether the mode of a file lets every user of the machine read it.
fn is_readable_by_everybody(file: &str) -> bool {
    fs::metadata(file).is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0)
}

fn key_at(path: &str) -> Option<&'static Key> {
    keys::find(&path.split('.').collect::<Vec<_>>())
}
