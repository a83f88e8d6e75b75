//! The configuration: typed, checked and complete before anything starts.
//!
//! # Terms
//!
//! - A *setting* is a text as somebody wrote it, with the path of its key and its origin: a line of a file, an environment
//!   variable, or a command line flag.
//! - The *table of keys* (`keys`) says for each path what it accepts (its `Kind`), its default, and when a change takes
//!   effect.
//! - A *value* is a setting or a default that its kind has parsed.
//! - The *effective configuration* is the value and the origin of every key that the gateway uses.
//!
//! # Rule
//!
//! [`Settings`] collects the settings of all sources. [`Config::from_settings`] converts them once, and reports every error
//! together: it reads on after a wrong value. Only the keys of an account whose `protocol` is wrong stay unread. A gateway can be built from any configuration that passes this conversion. The one exception are the accounts of
//! a sandbox: their endpoint is set once the sandbox has a port. Files with secrets and certificates
//! are read here, and no later code reads the environment or a file.

use std::{fmt, net::SocketAddr, time::Duration};

use secrecy::{ExposeSecret, SecretString};

use amazon_catalog::{Marketplace, creators::Version};

pub use self::{
    ca_file::CaFile,
    convert::SandboxAccount,
    effective::{Change, Effective},
    error::{ConfigError, ConfigErrors},
    http_url::HttpUrl,
    keys::TakesEffect,
    raw::{Origin, Settings},
    redis_url::{RedisDeployment, RedisUrl, RedisUrlError},
    reference::{reference, schema},
    tls::{CertificateFile, ClientAuth, KeyFile, TlsConfig},
    units::parse_duration,
};

mod accounts;
mod ca_file;
mod convert;
mod effective;
mod error;
mod http_url;
mod keys;
mod kind;
mod raw;
mod reader;
mod redaction;
mod redis_url;
mod reference;
mod tls;
mod units;
mod value;

#[cfg(test)]
mod tests;

/// Everything that a gateway needs to start.
#[derive(Clone, Debug)]
pub struct Config {
    /// The address of the gRPC port.
    pub listen: SocketAddr,
    /// The marketplace of a request that names none. One of the accounts serves it.
    pub default_marketplace: Marketplace,
    /// The Amazon accounts; at least one. No two serve the same marketplace.
    pub accounts: Vec<AccountConfig>,
    /// Who may call. Empty: everybody may, and as an admin if the address is a loopback address or `admin_open` is set.
    pub callers: Vec<CallerConfig>,
    /// How long answers are cached.
    pub cache: CacheConfig,
    /// The Redis that all replicas share; `None`: this replica works alone.
    pub redis: Option<RedisConfig>,
    /// The number of replicas that may run at once, including those of a rolling update; the same for all. Default 1; 1 to
    /// 1,000. Without Redis each replica uses its share of the budget.
    pub replicas: u32,
    /// Which of the replicas this is, from 0; used without Redis only.
    pub replica_index: Option<u32>,
    /// Limits of the gRPC port.
    pub server: ServerConfig,
    /// TLS of the gRPC port; `None`: it speaks HTTP/2 without TLS.
    pub tls: Option<TlsConfig>,
    /// Pages that may call.
    pub web: WebConfig,
    /// The admin port.
    pub admin: AdminConfig,
    /// Traces; `None`: nothing is traced.
    pub traces: Option<TracesConfig>,
    /// Format and filter of the log.
    pub log: LogConfig,
    /// Whether the accounts are a sandbox's, so that every product is invented.
    pub sandbox: bool,
}

/// One Amazon account, with one budget of calls.
#[derive(Clone, Debug)]
pub struct AccountConfig {
    /// The name, for status and errors.
    pub name: String,
    /// The credentials; their kind says which API the account uses.
    pub credentials: Credentials,
    /// The marketplaces that the account serves, each with its partner tag; at least one.
    pub partner_tags: Vec<(Marketplace, String)>,
    /// The calls a second that Amazon allows. Default 1 (Amazon's, for a new account); 0.01 to 10.
    pub calls_per_second: f64,
    /// The calls in any 24 hours that Amazon allows. Default 8,640 (Amazon's, for a new account).
    pub calls_per_day: u32,
    /// The address to send calls to in place of Amazon's, for example that of a sandbox. Signatures still name Amazon's host.
    pub endpoint: Option<HttpUrl>,
    /// Certificate authorities to trust for the account's connections, in addition to the system's.
    pub ca_file: Option<CaFile>,
    /// A proxy for calls to Amazon. Default: none; the proxy settings of the environment are not read.
    pub proxy: Option<HttpUrl>,
    /// The longest wait for a connection. Default 2 s.
    pub connect_timeout: Duration,
    /// The longest wait for a whole answer. Default 5 s.
    pub timeout: Duration,
    /// The largest response body that is read. Default 4 MiB; ten full products are about 150 KiB.
    pub max_body_bytes: usize,
    /// The number of entries that may wait in the queue: ASINs, and requests of other kinds. Default 1,000.
    pub queue_capacity: usize,
    /// The Amazon company that the content notice names, by marketplace. There is no default.
    pub content_notice_entities: Vec<(Marketplace, String)>,
}

/// The credentials of an account.
#[derive(Clone)]
pub enum Credentials {
    /// Keys for the Product Advertising API 5.0.
    Paapi5 {
        /// The access key.
        access_key: String,
        /// The secret key.
        secret_key: SecretString,
    },
    /// An OAuth 2 credential for the Creators API.
    Creators {
        /// The id.
        credential_id: String,
        /// The secret.
        credential_secret: SecretString,
        /// The version, which names the kind of token and the group of marketplaces.
        version: Version,
        /// The address to fetch tokens from. `None`: a path below the account's endpoint, or Amazon's.
        token_endpoint: Option<HttpUrl>,
    },
}

/// A caller that may use the gateway.
#[derive(Clone, Debug)]
pub struct CallerConfig {
    /// The name, for status, logs and errors.
    pub name: String,
    /// The bearer token; `None`: it has identities only.
    pub token: Option<SecretString>,
    /// A second token that is accepted too, while the caller changes from it to the other.
    pub previous_token: Option<SecretString>,
    /// Names that a client certificate or a mesh proves.
    pub identities: Vec<String>,
    /// Whether it may call AdminService.
    pub admin: bool,
    /// The calls to Amazon that it may cause in any 24 hours; `None`: no quota of its own.
    pub calls_per_day: Option<u32>,
    /// The weight when callers compete for calls. Default 1; 0.01 to 100.
    pub weight: f64,
}

/// How long answers are cached. The maximum of 24 hours is in Amazon's terms and cannot be raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheConfig {
    /// The capacity of the memory tier, including keys. Default 256 MiB.
    pub memory_bytes: u64,
    /// The age up to which an answer is fresh for a request that wants offers. Default and maximum 50 min.
    pub offers_fresh: Duration,
    /// The age up to which an answer is fresh for any other request. Default and maximum 12 h.
    pub catalog_fresh: Duration,
    /// The age up to which an answer is returned to a request that wants offers while the gateway refreshes it. Default 6 h,
    /// maximum 24 h.
    pub offers_stale: Duration,
    /// The age from which no answer is returned, also when Amazon fails. Default and maximum 24 h.
    pub ceiling: Duration,
}

/// The Redis that all replicas share: 6.2 or later, or Valkey.
#[derive(Clone, Debug)]
pub struct RedisConfig {
    /// Its address.
    pub url: RedisUrl,
    /// The prefix of every key. Letters, digits, `-`, `_`, `.` and `:`. Default `stockroom`.
    pub prefix: String,
    /// The longest wait for an answer of Redis. No command is repeated. Default 50 ms.
    pub timeout: Duration,
    /// Certificate authorities to trust instead of the system's.
    pub ca_file: Option<CaFile>,
}

/// Limits of the gRPC port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// The deadline of a call that has none. Default 10 s.
    pub default_deadline: Duration,
    /// The longest deadline of a call. Default 60 s.
    pub max_deadline: Duration,
    /// The number of calls that may be in progress at once. Default 1,024.
    pub max_concurrent_calls: usize,
    /// The number of connections that may be open at once. Default 1,024.
    pub max_connections: usize,
    /// How long calls in progress may continue once the port is closed after SIGTERM. Default 20 s.
    pub drain: Duration,
    /// How long the port stays open after SIGTERM while health reports NOT_SERVING. Default 0 s.
    pub lame_duck: Duration,
    /// Whether gRPC reflection is served. Default true.
    pub reflection: bool,
    /// Whether AdminService answers anonymous callers. It matters only where no callers are configured and the address is
    /// not a loopback address. Default false.
    pub admin_open: bool,
    /// The age at which a connection is closed, give or take a tenth. Default 30 min.
    pub max_connection_age: Duration,
    /// How long a connection may be open without a call. Default 5 min.
    pub max_connection_idle: Duration,
    /// The header in which the sidecar of a mesh names the caller; `None`: no header is believed. Default none.
    pub identity_header: Option<IdentityHeader>,
}

/// A header in which the sidecar of a mesh names the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityHeader {
    /// `l5d-client-id`.
    Linkerd,
    /// `x-forwarded-client-cert`, of Envoy and Istio.
    Envoy,
}

/// Pages that may call the gRPC port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebConfig {
    /// Their origins. Default none.
    pub allowed_origins: Vec<String>,
}

/// The admin port: HTTP for operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdminConfig {
    /// Its address; `None`: there is no such port. Default 127.0.0.1:9464.
    pub listen: Option<SocketAddr>,
    /// Whether the gateway must not start without the port: an address was set, if only the default one.
    pub required: bool,
}

/// Where traces go, and which calls are traced.
#[derive(Clone, Debug)]
pub struct TracesConfig {
    /// The collector.
    pub endpoint: HttpUrl,
    /// Certificate authorities to trust instead of the system's.
    pub ca_file: Option<CaFile>,
    /// The part of the calls without a caller's span that begin a trace. Default 0.01; 0 to 1.
    pub ratio: f64,
}

/// Format and filter of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// The format of a line.
    pub format: LogFormat,
    /// Which lines to log, for example `info` or `stockroom=debug,warn`.
    pub filter: String,
}

/// The format of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Pretty on a terminal, JSON otherwise.
    #[default]
    Auto,
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}

impl fmt::Debug for Credentials {
    /// Names the API only; an access key is hidden as well.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Paapi5 { .. } => f.write_str("Paapi5"),
            Self::Creators { .. } => f.write_str("Creators"),
        }
    }
}

impl Credentials {
    /// Whether id, secret and version are equal, for the same API. The token endpoint does not count.
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Paapi5 { access_key, secret_key },
                Self::Paapi5 { access_key: other_key, secret_key: other_secret },
            ) => access_key == other_key && secret_key.expose_secret() == other_secret.expose_secret(),
            (
                Self::Creators { credential_id, credential_secret, version, .. },
                Self::Creators {
                    credential_id: other_id, credential_secret: other_secret, version: other_version, ..
                },
            ) => {
                credential_id == other_id
                    && credential_secret.expose_secret() == other_secret.expose_secret()
                    && version == other_version
            }
            (Self::Paapi5 { .. } | Self::Creators { .. }, _) => false,
        }
    }
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self {
            memory_bytes: 256 << 20,
            offers_fresh: Duration::from_secs(50 * 60),
            catalog_fresh: Duration::from_secs(12 * 3600),
            offers_stale: Duration::from_secs(6 * 3600),
            ceiling: Duration::from_secs(24 * 3600),
        }
    }
}

impl RedisConfig {
    /// A Redis by its URL, with the default prefix and timeout.
    pub fn at(url: &str) -> Result<Self, RedisUrlError> {
        Ok(Self {
            url: RedisUrl::parse(url)?,
            prefix: "stockroom".to_owned(),
            timeout: Duration::from_millis(50),
            ca_file: None,
        })
    }
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            default_deadline: Duration::from_secs(10),
            max_deadline: Duration::from_secs(60),
            max_concurrent_calls: 1024,
            max_connections: 1024,
            drain: Duration::from_secs(20),
            lame_duck: Duration::ZERO,
            reflection: true,
            admin_open: false,
            max_connection_age: Duration::from_secs(30 * 60),
            max_connection_idle: Duration::from_secs(5 * 60),
            identity_header: None,
        }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { format: LogFormat::Auto, filter: "info".to_owned() }
    }
}
