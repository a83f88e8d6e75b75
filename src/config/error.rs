//! Configuration errors: every problem of a configuration, reported together.

use std::fmt;

use serde::{Serialize, Serializer};

use super::Origin;

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConfigError {
    /// The key, as `accounts.main.timeout`; empty where the problem belongs to no single key.
    pub key: String,
    /// The value as written, without the user and password of a URL. `None` for a secret, for an unknown key, which may be
    /// that of a secret, for the path of a file that does not begin with `/`, which may be the secret itself, and where no
    /// value was written or the value is no text.
    pub value: Option<String>,
    /// Where the value was written; `None` where none was.
    #[serde(serialize_with = "as_text")]
    pub origin: Option<Origin>,
    /// The problem, and what is accepted.
    pub problem: String,
}

/// All problems of a configuration. The checks of this module return it only with at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl ConfigError {
    /// A problem with a key, without its value.
    pub fn new(key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { key: key.into(), value: None, origin: None, problem: problem.into() }
    }

    pub(super) fn at(self, origin: &Origin) -> Self {
        Self { origin: Some(origin.clone()), ..self }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.key.is_empty() {
            f.write_str(&self.key)?;
            if let Some(value) = &self.value {
                write!(f, " = {value:?}")?;
            }
            f.write_str(": ")?;
        }
        f.write_str(&self.problem)?;
        match &self.origin {
            Some(origin) => write!(f, " ({origin})"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration is invalid")?;
        self.0.iter().try_for_each(|error| write!(f, "\n  {error}"))
    }
}

impl std::error::Error for ConfigErrors {}

fn as_text<S: Serializer>(origin: &Option<Origin>, serializer: S) -> Result<S::Ok, S::Error> {
    origin.as_ref().map(ToString::to_string).serialize(serializer)
}
