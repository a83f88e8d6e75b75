//! A parsed value of a key: typed access, comparison, and its form in the effective configuration.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value as Json, json};

use super::{
    ca_file::CaFile,
    http_url::HttpUrl,
    redaction::HIDDEN,
    redis_url::RedisUrl,
    tls::{CertificateFile, KeyFile},
    units::{show_duration, show_size},
};
use amazon_catalog::{Marketplace, creators::Version};

/// A parsed value. `Debug` shows no secret: each variant that may hold one hides it by its own type.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Address(SocketAddr),
    AddressOrOff(Option<SocketAddr>),
    Marketplace(Marketplace),
    Text(String),
    Secret(SecretString),
    CaFile(CaFile),
    CertificateFile(CertificateFile),
    KeyFile(KeyFile),
    List(Vec<String>),
    HttpUrl(HttpUrl),
    RedisUrl(RedisUrl),
    CredentialVersion(Version),
    Boolean(bool),
    Count(u64),
    Decimal(f64),
    Size(u64),
    Duration(Duration),
    /// The value of a key that a [`Kind::ValueFile`](super::kind::Kind::ValueFile) holds.
    FromFile {
        path: String,
        content: Box<Value>,
    },
}

impl Value {
    /// The value as it appears in the effective configuration. Secrets and passwords are hidden.
    pub(super) fn shown(&self) -> Json {
        match self {
            Self::Address(address) => json!(address.to_string()),
            Self::AddressOrOff(address) => json!(address.map_or("off".to_owned(), |address| address.to_string())),
            Self::Marketplace(marketplace) => json!(marketplace.code()),
            Self::Text(text) => json!(text),
            Self::Secret(_) => json!(HIDDEN),
            Self::CaFile(file) => json!(file.path().display().to_string()),
            Self::CertificateFile(file) => json!(file.path().display().to_string()),
            Self::KeyFile(file) => json!(file.path().display().to_string()),
            Self::List(elements) => json!(elements),
            Self::HttpUrl(url) => json!(url.to_string()),
            Self::RedisUrl(url) => json!(url.to_string()),
            Self::CredentialVersion(version) => json!(version.name()),
            Self::Boolean(boolean) => json!(boolean),
            Self::Count(count) => json!(count),
            // `1`, as in the documentation, and not `1.0`.
            Self::Decimal(number) if number.fract() == 0.0 => json!(*number as u64),
            Self::Decimal(number) => json!(number),
            Self::Size(bytes) => json!(show_size(*bytes)),
            Self::Duration(duration) => json!(show_duration(*duration)),
            Self::FromFile { path, .. } => json!(path),
        }
    }

    /// The file that the value was read from, if it was read from one of its own.
    pub(super) fn file(&self) -> Option<PathBuf> {
        match self {
            Self::FromFile { path, .. } => Some(path.into()),
            Self::CaFile(file) => Some(file.path().to_owned()),
            Self::CertificateFile(file) => Some(file.path().to_owned()),
            Self::KeyFile(file) => Some(file.path().to_owned()),
            _ => None,
        }
    }

    /// Whether both values of one key mean the same to a running gateway. Secrets count by their content, also where
    /// [`Self::shown`] hides it, and wherever the file is that holds one. A PEM file (authorities, certificate, key) counts
    /// by its path and its content.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::FromFile { content: one, .. }, Self::FromFile { content: other, .. }) => one.is_same(other),
            (Self::Secret(one), Self::Secret(other)) => one.expose_secret() == other.expose_secret(),
            (Self::RedisUrl(one), Self::RedisUrl(other)) => one == other,
            (Self::HttpUrl(one), Self::HttpUrl(other)) => one == other,
            (Self::CaFile(one), Self::CaFile(other)) => one == other,
            (Self::CertificateFile(one), Self::CertificateFile(other)) => one == other,
            (Self::KeyFile(one), Self::KeyFile(other)) => one == other,
            _ => self.shown() == other.shown(),
        }
    }
}

/// A type that a [`Value`] can be read as.
pub(super) trait FromValue: Sized {
    /// The value as this type. `None` where the key has a kind of another type, which is a defect of the caller, or where
    /// the number does not fit.
    fn from_value(value: Value) -> Option<Self>;
}

macro_rules! from_value {
    ($($type:ty: $($variant:ident)|+),* $(,)?) => {
        $(impl FromValue for $type {
            fn from_value(value: Value) -> Option<Self> {
                match value {
                    Value::FromFile { content, .. } => Self::from_value(*content),
                    $(Value::$variant(value) => Self::try_from(value).ok(),)+
                    _ => None,
                }
            }
        })*
    };
}

from_value!(
    SocketAddr: Address,
    Option<SocketAddr>: AddressOrOff,
    Marketplace: Marketplace,
    String: Text,
    HttpUrl: HttpUrl,
    SecretString: Secret,
    CaFile: CaFile,
    CertificateFile: CertificateFile,
    KeyFile: KeyFile,
    Vec<String>: List,
    RedisUrl: RedisUrl,
    Version: CredentialVersion,
    bool: Boolean,
    u64: Count | Size,
    u32: Count,
    usize: Count | Size,
    f64: Decimal,
    Duration: Duration,
);
