//! A parsed value of a key: typed access, comparison, and its form in the effective configuration.

use std::{net::SocketAddr, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value as Json, json};

use super::{
    ca_file::CaFile,
    redis_url::{RedisUrl, without_credentials},
    units::{show_duration, show_size},
};
use amazon_catalog::{Marketplace, creators::Version};

/// A parsed value. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Address(SocketAddr),
    AddressOrOff(Option<SocketAddr>),
    Marketplace(Marketplace),
    Text(String),
    Secret(SecretString),
    CaFile(CaFile),
    HttpUrl(String),
    RedisUrl(RedisUrl),
    CredentialVersion(Version),
    Flag(bool),
    Count(u64),
    Rate(f64),
    Size(u64),
    Duration(Duration),
    /// A value that was read from a file.
    InFile {
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
            Self::Secret(_) => json!("(hidden)"),
            Self::CaFile(file) => json!(file.path().display().to_string()),
            Self::HttpUrl(url) => json!(without_credentials(url)),
            Self::RedisUrl(url) => json!(url.to_string()),
            Self::CredentialVersion(version) => json!(version.name()),
            Self::Flag(flag) => json!(flag),
            Self::Count(count) => json!(count),
            Self::Rate(rate) if rate.fract() == 0.0 => json!(*rate as u64),
            Self::Rate(rate) => json!(rate),
            Self::Size(bytes) => json!(show_size(*bytes)),
            Self::Duration(duration) => json!(show_duration(*duration)),
            Self::InFile { path, .. } => json!(path),
        }
    }

    /// Whether both mean the same to a running gateway, including the content of files.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::InFile { content, .. }, other) | (other, Self::InFile { content, .. }) => other.is_same(content),
            (Self::Secret(one), Self::Secret(other)) => one.expose_secret() == other.expose_secret(),
            (Self::RedisUrl(one), Self::RedisUrl(other)) => one == other,
            (Self::HttpUrl(one), Self::HttpUrl(other)) => one == other,
            (Self::CaFile(one), Self::CaFile(other)) => one == other,
            _ => self.shown() == other.shown(),
        }
    }
}

/// A type that a [`Value`] can be read as.
pub(super) trait FromValue: Sized {
    /// The value; `None` where the key's kind has another type.
    fn from_value(value: Value) -> Option<Self>;
}

macro_rules! from_value {
    ($($type:ty: $($variant:ident)|+),* $(,)?) => {
        $(impl FromValue for $type {
            fn from_value(value: Value) -> Option<Self> {
                match value {
                    Value::InFile { content, .. } => Self::from_value(*content),
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
    String: Text | HttpUrl,
    SecretString: Secret,
    CaFile: CaFile,
    RedisUrl: RedisUrl,
    Version: CredentialVersion,
    bool: Flag,
    u64: Count | Size,
    u32: Count,
    usize: Count | Size,
    f64: Rate,
    Duration: Duration,
);
