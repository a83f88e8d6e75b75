//! Reads settings as typed values, by the table of known keys, and collects what is wrong with them.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use tracing_subscriber::EnvFilter;

use super::{
    fault::{Fault, Faults},
    keys::{self, Key, Kind},
    raw::Settings,
    value::{parse_duration, parse_size, show_duration},
};
use amazon_catalog::Marketplace;

/// Reads the settings. A value that is wrong becomes a fault, and reads as its type's nothing.
pub(super) struct Reader<'a> {
    settings: &'a Settings,
    faults: Vec<Fault>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(settings: &'a Settings) -> Self {
        Self { settings, faults: settings.faults().to_vec() }
    }

    /// The outcome, once everything is read.
    pub(super) fn finish<T>(self, value: Option<T>) -> Result<T, Faults> {
        match value {
            Some(value) if self.faults.is_empty() => Ok(value),
            _ => Err(Faults(self.faults)),
        }
    }

    pub(super) fn names_below(&self, path: &str) -> Vec<&'a str> {
        self.settings.names_below(path)
    }

    /// What is written at a path, unread.
    pub(super) fn written(&self, path: &str) -> Option<&'a str> {
        self.settings.get(path).map(|setting| setting.text.as_str())
    }

    /// Notes a fault in a key, with what was written there.
    pub(super) fn fault(&mut self, path: &str, problem: impl Into<String>) {
        let mut fault = Fault::new(path, problem);
        if let Some(setting) = self.settings.get(path) {
            fault.origin = Some(setting.origin.clone());
            // A URL may hold a password before its `@`.
            fault.value = (!is_secret(path) && !setting.text.contains('@')).then(|| setting.text.clone());
        }
        self.faults.push(fault);
    }

    pub(super) fn address(&mut self, path: &str) -> Option<SocketAddr> {
        self.read(path, |text, _| text.parse().ok())
    }

    pub(super) fn marketplace(&mut self, path: &str) -> Option<Marketplace> {
        self.read(path, |text, _| Marketplace::parse(text))
    }

    pub(super) fn text(&mut self, path: &str) -> Option<String> {
        self.read(path, |text, kind| match kind {
            Kind::Choice(words) => words.contains(&text).then(|| text.to_owned()),
            Kind::Filter => EnvFilter::try_new(text).is_ok().then(|| text.to_owned()),
            _ => is_plain(text).then(|| text.to_owned()),
        })
    }

    pub(super) fn file(&mut self, path: &str) -> Option<PathBuf> {
        self.read(path, |text, _| (!text.is_empty()).then(|| text.into()))
    }

    pub(super) fn url(&mut self, path: &str) -> Option<String> {
        self.read(path, |text, _| {
            let uri: http::Uri = text.parse().ok()?;
            (matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some()).then(|| text.to_owned())
        })
    }

    pub(super) fn flag(&mut self, path: &str) -> bool {
        self.read(path, |text, _| text.parse().ok()).unwrap_or_default()
    }

    pub(super) fn count<T: TryFrom<u64>>(&mut self, path: &str) -> Option<T> {
        self.read(path, |text, kind| {
            let number = match kind {
                Kind::Size(range) => parse_size(text).filter(|bytes| range.contains(bytes)),
                Kind::Count(range) => text.parse().ok().filter(|number| range.contains(number)),
                _ => None,
            };
            T::try_from(number?).ok()
        })
    }

    pub(super) fn rate(&mut self, path: &str) -> f64 {
        let read = self.read(path, |text, kind| {
            let Kind::Rate(range) = kind else { return None };
            text.parse().ok().filter(|number| range.contains(number))
        });
        read.unwrap_or_default()
    }

    pub(super) fn duration(&mut self, path: &str) -> Duration {
        let read = self.read(path, |text, kind| {
            let duration = parse_duration(text)?;
            let accepted = match kind {
                Kind::Duration(range) => range.contains(&duration),
                Kind::Horizon(most) => (Duration::from_secs(1)..=*most).contains(&duration),
                _ => false,
            };
            accepted.then_some(duration)
        });
        read.unwrap_or_default()
    }

    /// A duration that may not be longer than that of another key. A default gives way; what was written does not.
    pub(super) fn duration_within(&mut self, path: &str, most: Duration, other: &str) -> Duration {
        let duration = self.duration(path);
        if duration > most && self.settings.get(path).is_some() {
            self.fault(path, format!("it may not be longer than {other}, which is {}", show_duration(most)));
        }
        duration.min(most)
    }

    /// A secret that stands in one of `x` and the file named by `x_file`.
    pub(super) fn secret(&mut self, path: &str) -> Option<SecretString> {
        let in_file = format!("{path}_file");
        match (self.settings.get(path), self.settings.get(&in_file)) {
            (Some(setting), None) => {
                let secret = Some(setting.text.clone()).filter(|text| is_token(text));
                if secret.is_none() {
                    self.fault(path, format!("expected {}", Kind::Secret));
                }
                secret.map(Into::into)
            }
            (None, Some(_)) => self.secret_file(&in_file),
            (Some(_), Some(file)) => {
                let problem = format!("{in_file} is set as well ({}); keep one of the two", file.origin);
                self.fault(path, problem);
                None
            }
            (None, None) => {
                self.fault(path, format!("it is not set; set it or {in_file}"));
                None
            }
        }
    }

    fn secret_file(&mut self, path: &str) -> Option<SecretString> {
        let file = self.file(path)?;
        let secret = match std::fs::read_to_string(&file) {
            Ok(text) => SecretString::from(text.trim_end()),
            Err(error) => {
                self.fault(path, format!("the file cannot be read: {error}"));
                return None;
            }
        };
        if !is_token(secret.expose_secret()) {
            self.fault(path, "expected a file that holds text without spaces");
            return None;
        }
        Some(secret)
    }

    /// Reads what is written or else the default. Without either, `None` is no fault.
    fn read<T>(&mut self, path: &str, read: impl FnOnce(&str, &Kind) -> Option<T>) -> Option<T> {
        let key = key_at(path)?;
        let text = match self.settings.get(path) {
            Some(setting) => setting.text.as_str(),
            None if key.default.is_empty() => return None,
            None => key.default,
        };
        let value = read(text, &key.kind);
        if value.is_none() {
            self.fault(path, format!("expected {}", key.kind));
        }
        value
    }
}

fn key_at(path: &str) -> Option<&'static Key> {
    keys::find(&path.split('.').collect::<Vec<_>>())
}

fn is_secret(path: &str) -> bool {
    key_at(path).is_some_and(|key| matches!(key.kind, Kind::Secret))
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.trim() == text && !text.chars().any(char::is_control)
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}
