//! The kinds of value that keys accept: each parses a text, says what it accepts, and describes itself as JSON Schema.

use std::{fmt, ops::RangeInclusive, time::Duration};

use serde_json::{Value as Json, json};
use tracing_subscriber::EnvFilter;
use url::Url;

use super::{
    ca_file::CaFile,
    http_url::HttpUrl,
    redaction::{HIDDEN, without_credentials},
    redis_url::RedisUrl,
    tls::{CertificateFile, KeyFile},
    units::{parse_duration, parse_size, show_duration, show_size},
    value::Value,
};
use amazon_catalog::{Marketplace, creators::Version};

/// The kind of value that a key accepts.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// A socket address.
    Address,
    /// A socket address, or `off`.
    AddressOrOff,
    Marketplace,
    /// Text of one line.
    Text,
    /// A token or key: printable ASCII without spaces. Never shown.
    Secret,
    /// The path of a file that holds the value of another key: `token_file` is the file that holds `token`.
    ValueFile,
    /// The path of a PEM file of certificate authorities, which is read and checked.
    CaFile,
    /// A PEM file with a certificate and its intermediate ones.
    CertificateFile,
    /// A PEM file with a private key.
    KeyFile,
    /// Names that a certificate or a mesh proves: a list.
    Identities,
    /// Origins of pages: a list.
    Origins,
    /// An `http` or `https` URL.
    HttpUrl,
    RedisUrl,
    /// The prefix of all keys in Redis.
    KeyPrefix,
    /// The version of a Creators credential.
    CredentialVersion,
    /// `true` or `false`.
    Boolean,
    /// A filter of log lines.
    LogFilter,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A whole number in a range.
    Count(RangeInclusive<u64>),
    /// A number with decimals in a range.
    Decimal(RangeInclusive<f64>),
    /// A number of bytes in a range.
    Size(RangeInclusive<u64>),
    Duration(RangeInclusive<Duration>),
}

/// What separates the elements of a list in a text.
pub(super) const LIST_SEPARATOR: char = ',';

impl Kind {
    /// Parses a text. A PEM file is read and checked as well. The error says what is accepted, or what is wrong with the
    /// file.
    pub(super) fn parse(&self, text: &str) -> Result<Value, String> {
        // Otherwise a copy of the effective configuration would have a token that everybody knows.
        if matches!(self, Self::Secret | Self::HttpUrl | Self::RedisUrl) && text.contains(HIDDEN) {
            return Err(format!("`{HIDDEN}` is what `stockroom config` prints in place of a secret; write the secret"));
        }
        let parsed = match self {
            Self::Address => text.parse().ok().map(Value::Address),
            Self::AddressOrOff if text == "off" => Some(Value::AddressOrOff(None)),
            Self::AddressOrOff => text.parse().ok().map(|address| Value::AddressOrOff(Some(address))),
            Self::Marketplace => Marketplace::parse(text).map(Value::Marketplace),
            Self::Text => is_plain(text).then(|| Value::Text(text.to_owned())),
            Self::Secret => is_token(text).then(|| Value::Secret(text.into())),
            Self::ValueFile => (!text.is_empty()).then(|| Value::Text(text.to_owned())),
            Self::CaFile | Self::CertificateFile | Self::KeyFile if text.is_empty() => None, // "expected the path", not "the file cannot be read"
            Self::CaFile => return CaFile::read(text).map(Value::CaFile),
            Self::Origins => {
                let origins: Vec<String> = text.split(LIST_SEPARATOR).map(|origin| origin.trim().to_owned()).collect();
                origins.iter().all(|origin| is_origin(origin)).then_some(Value::List(origins))
            }
            Self::HttpUrl => HttpUrl::parse(text).map(Value::HttpUrl),
            Self::CertificateFile => return CertificateFile::read(text).map(Value::CertificateFile),
            Self::KeyFile => return KeyFile::read(text).map(Value::KeyFile),
            Self::Identities => {
                let names: Vec<String> = text.split(LIST_SEPARATOR).map(|name| name.trim().to_owned()).collect();
                names.iter().all(|name| is_token(name)).then_some(Value::List(names))
            }
            Self::RedisUrl => {
                return RedisUrl::parse(text).map(Value::RedisUrl).map_err(|error| format!("expected {self}: {error}"));
            }
            Self::KeyPrefix => is_key_prefix(text).then(|| Value::Text(text.to_owned())),
            Self::CredentialVersion => Version::parse(text).ok().map(Value::CredentialVersion),
            Self::Boolean => text.parse().ok().map(Value::Boolean),
            Self::LogFilter => is_log_filter(text).then(|| Value::Text(text.to_owned())),
            Self::Choice(words) => words.contains(&text).then(|| Value::Text(text.to_owned())),
            Self::Count(range) => text.parse().ok().filter(|count| range.contains(count)).map(Value::Count),
            Self::Decimal(range) => text.parse().ok().filter(|number| range.contains(number)).map(Value::Decimal),
            Self::Size(range) => parse_size(text).filter(|bytes| range.contains(bytes)).map(Value::Size),
            Self::Duration(range) => {
                parse_duration(text).filter(|duration| range.contains(duration)).map(Value::Duration)
            }
        };
        parsed.ok_or_else(|| format!("expected {self}"))
    }

    /// The text as an error may repeat it: without the user and password of a URL. `None` for a secret.
    ///
    /// A text with `@` or `://` may be a URL that was written at the wrong key. A text that should be the path of a file may be
    /// what the file should hold, as a secret or a private key, unless it begins with `/`.
    pub(super) fn redacted(&self, text: &str) -> Option<String> {
        match self {
            Self::Secret => None,
            Self::ValueFile | Self::CaFile | Self::CertificateFile | Self::KeyFile
                if !text.is_empty() && !text.starts_with('/') =>
            {
                None
            }
            Self::HttpUrl | Self::RedisUrl => Some(without_credentials(text)),
            _ if text.contains('@') || text.contains("://") => Some(without_credentials(text)),
            _ => Some(text.to_owned()),
        }
    }

    /// Whether a value in a TOML file may be a list of texts.
    pub(super) fn is_list(&self) -> bool {
        matches!(self, Self::Identities | Self::Origins)
    }

    /// The kind as a JSON Schema of the value in a TOML file.
    pub(super) fn schema(&self) -> Json {
        match self {
            Self::Boolean => json!({ "type": "boolean" }),
            Self::Choice(words) => json!({ "enum": words }),
            Self::Count(range) => json!({ "type": "integer", "minimum": range.start(), "maximum": range.end() }),
            Self::Decimal(range) => json!({ "type": "number", "minimum": range.start(), "maximum": range.end() }),
            Self::Size(_) => json!({ "type": "string", "pattern": "^[0-9]+ ?(TiB|GiB|MiB|KiB|B)$" }),
            Self::Duration(_) => json!({ "type": "string", "pattern": "^[0-9]+ ?(h|m|s|ms)$" }),
            Self::Origins => {
                json!({ "type": "array", "minItems": 1, "items": { "type": "string", "pattern": "^https?://[^/,]+$" } })
            }
            Self::HttpUrl => json!({ "type": "string", "pattern": "^https?://" }),
            Self::RedisUrl => json!({ "type": "string", "pattern": "^rediss?(-sentinel|-cluster)?://" }),
            Self::KeyPrefix => json!({ "type": "string", "pattern": "^[A-Za-z0-9_.:-]+$" }),
            Self::CredentialVersion => json!({ "type": ["string", "number"] }),
            Self::Identities => {
                json!({ "type": "array", "minItems": 1, "items": { "type": "string", "pattern": "^[!-+.-~-]+$" } })
            }
            Self::Secret => json!({ "type": "string", "minLength": 1, "writeOnly": true }),
            Self::Address
            | Self::AddressOrOff
            | Self::Marketplace
            | Self::Text
            | Self::ValueFile
            | Self::CaFile
            | Self::CertificateFile
            | Self::KeyFile
            | Self::LogFilter => {
                json!({ "type": "string", "minLength": 1 })
            }
        }
    }
}

impl fmt::Display for Kind {
    /// Says what is accepted.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address => f.write_str("an IP address and a port, such as `127.0.0.1:50051`"),
            Self::AddressOrOff => f.write_str("an IP address and a port, such as `127.0.0.1:9464`, or `off`"),
            Self::Marketplace => f.write_str("a marketplace, such as `US` or `www.amazon.com`"),
            Self::Text => f.write_str("plain text without spaces around it"),
            Self::Secret => f.write_str("printable ASCII without spaces"),
            Self::ValueFile => f.write_str("the path of a file"),
            Self::CaFile => f.write_str("the path of a PEM file with certificates"),
            Self::CertificateFile => f.write_str("the path of a PEM file with a certificate"),
            Self::KeyFile => f.write_str("the path of a PEM file with a private key"),
            Self::Identities => {
                f.write_str("a list of names without spaces and commas; in a variable, with commas between")
            }
            Self::Origins => f.write_str(
                "a list of origins as browsers write them, such as `https://shop.example`; in a variable, with commas between",
            ),
            Self::HttpUrl => f.write_str("a URL that starts with `http://` or `https://`, without a query"),
            Self::RedisUrl => f.write_str("the URL of a Redis"),
            Self::KeyPrefix => f.write_str("letters, digits, `-`, `_`, `.` and `:`"),
            Self::CredentialVersion => f.write_str("a version from `2.1` to `2.3` or `3.1` to `3.3`, also as `v3.1`"),
            Self::Boolean => f.write_str("`true` or `false`"),
            Self::LogFilter => f.write_str("levels, and levels of targets, with commas between"),
            Self::Choice(words) => {
                let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
                f.write_str(&words.join(" or "))
            }
            Self::Count(range) => write!(f, "a whole number from {} to {}", range.start(), range.end()),
            Self::Decimal(range) => write!(f, "a number from {} to {}", range.start(), range.end()),
            Self::Size(range) => {
                let (least, most) = (show_size(*range.start()), show_size(*range.end()));
                write!(f, "a size with its unit, from `{least}` to `{most}`")
            }
            Self::Duration(range) => {
                let (least, most) = (show_duration(*range.start()), show_duration(*range.end()));
                write!(f, "a duration with its unit, from `{least}` to `{most}`")
            }
        }
    }
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.trim() == text && !text.chars().any(char::is_control)
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_origin(text: &str) -> bool {
    let is_http = text.starts_with("http://") || text.starts_with("https://");
    is_http && Url::parse(text).is_ok_and(|url| url.origin().ascii_serialization() == text)
}

fn is_key_prefix(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
}

fn is_log_filter(text: &str) -> bool {
    !text.is_empty() && EnvFilter::try_new(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redis_prefix_has_no_braces_which_would_move_all_keys_to_one_slot() {
        assert!(Kind::KeyPrefix.parse("team-a:stockroom.v1_").is_ok());
        for text in ["", "{x}", "a b", "ä"] {
            assert!(Kind::KeyPrefix.parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_origin_is_accepted_as_browsers_write_it() {
        for text in ["https://shop.example", "http://localhost:5173, https://[::1]:8443"] {
            assert!(Kind::Origins.parse(text).is_ok(), "{text}");
        }
        let not_written_so =
            ["https://Shop.example", "https://shop.example/", "https://shop.example:443", "https://a.b/c"];
        for text in not_written_so.into_iter().chain(["", "*", "null", "shop.example", "file:///", "https://a.b,"]) {
            assert!(Kind::Origins.parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_credential_version_is_accepted_as_amazon_prints_it() {
        for text in ["3.1", "v3.1", "V2.3"] {
            assert!(Kind::CredentialVersion.parse(text).is_ok(), "{text}");
        }
        assert!(Kind::CredentialVersion.parse("4.1").is_err());
    }
}
