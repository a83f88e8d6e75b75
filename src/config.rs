//! The one typed configuration: everything that a running gateway must know, checked.
//!
//! `raw` collects what was written, in files, the environment and flags; it becomes a [`Config`] in one conversion that
//! reports every fault at once, and nothing later sees anything else.

use std::{fmt, net::SocketAddr, path::PathBuf, time::Duration};

use secrecy::SecretString;

use amazon_catalog::{Marketplace, creators::Version};

pub use self::{
    changes::needing_restart,
    convert::SandboxAccount,
    fault::{Fault, Faults},
    keys::reference,
    raw::{Origin, Settings},
    value::parse_duration,
};

mod accounts;
mod changes;
mod convert;
mod effective;
mod fault;
mod keys;
mod raw;
mod reader;
mod value;

#[cfg(test)]
mod tests;

/// Everything that a running gateway must know.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the gRPC port is opened.
    pub listen: SocketAddr,
    /// The marketplace of a request that names none; one of those that the accounts serve.
    pub default_marketplace: Marketplace,
    /// The Amazon accounts; at least one. No marketplace is served by two.
    pub accounts: Vec<Account>,
    /// Who may call. Empty: everybody, and everybody is an admin.
    pub callers: Vec<Caller>,
    /// How long answers are kept.
    pub cache: Cache,
    /// The Redis that all replicas share; `None`: this replica stands alone.
    pub redis: Option<Redis>,
    /// How many replicas may run at once, those of a rolling update included; the same for all of them. Default 1; 1 to
    /// 1,000. Without Redis each keeps to its share.
    pub replicas: u32,
    /// What bounds the gRPC port.
    pub server: Server,
    /// How to write the log.
    pub log: Log,
    /// Whether the accounts are the sandbox's, and every product is invented.
    pub sandbox: bool,
}

/// One Amazon account, which is one allowance of calls.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its name, for status and errors.
    pub name: String,
    /// Its credentials, and with them the API it speaks.
    pub credentials: Credentials,
    /// The marketplaces it serves, each with its partner tag; at least one.
    pub partner_tags: Vec<(Marketplace, String)>,
    /// The calls a second it may make. Default 1 (Amazon's, for a new account); 0.01 to 10.
    pub calls_per_second: f64,
    /// The calls it may make in any 24 hours. Default 8,640 (Amazon's, for a new account).
    pub calls_per_day: u32,
    /// Another address to send calls to, as a sandbox's; signatures still name Amazon's host.
    pub endpoint: Option<String>,
    /// A certificate authority to trust beside the system's, for such an address.
    pub ca_file: Option<PathBuf>,
    /// A proxy for the way out. Default: none; the environment's proxy settings are not read.
    pub proxy: Option<String>,
    /// How long to wait for a connection. Default 2 s.
    pub connect_timeout: Duration,
    /// How long to wait for a whole answer. Default 5 s.
    pub timeout: Duration,
    /// The largest answer that is read. Default 4 MiB; ten full products are about 150 KiB.
    pub max_body_bytes: usize,
    /// How many ids and other calls may wait for their turn. Default 1,000.
    pub queue_capacity: usize,
    /// The Amazon entity that the content notice names, per marketplace; none is guessed.
    pub content_notice_entities: Vec<(Marketplace, String)>,
}

/// What an account proves itself with.
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
        /// Its id.
        credential_id: String,
        /// Its secret.
        credential_secret: SecretString,
        /// Its version, which names its family and its group of marketplaces.
        version: Version,
        /// Another address to fetch tokens from.
        token_endpoint: Option<String>,
    },
}

/// Somebody who may call.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The name, for status, logs and errors.
    pub name: String,
    /// The bearer token it proves itself with.
    pub token: SecretString,
    /// Whether it may call AdminService.
    pub admin: bool,
    /// The calls to Amazon it may cause in any 24 hours; `None`: no share of its own.
    pub calls_per_day: Option<u32>,
    /// Its weight where callers compete for calls. Default 1; 0.01 to 100.
    pub weight: f64,
}

/// How long answers are kept. Nothing can lift the ceiling of 24 hours, which is in Amazon's terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cache {
    /// What the memory tier may hold, keys included. Default 256 MiB.
    pub memory_bytes: u64,
    /// How long an answer is fresh for a request that wants offers. Default and most 50 min.
    pub offers_fresh: Duration,
    /// How long it is fresh for any other request. Default and most 12 h.
    pub catalog_fresh: Duration,
    /// How old an answer with offers may be while a refresh is under way. Default 6 h, most 24 h.
    pub offers_stale: Duration,
    /// How old any answer may be, also when Amazon fails. Default and most 24 h.
    pub ceiling: Duration,
}

/// The Redis that all replicas share: 6.2 or later, or Valkey.
#[derive(Clone, Debug)]
pub struct Redis {
    /// Where it is. One of, with `rediss` in place of `redis` for TLS, and port 6379 where none is named:
    ///
    /// - `redis://[user:password@]host[:port][/database]`, a single server
    /// - `redis-sentinel://[user:password@]host:port[,host:port ...]/service[/database]`, the primary that the Sentinels
    ///   name. User and password are the servers' own; Sentinels are asked without
    /// - `redis-cluster://[user:password@]host[:port][,host[:port] ...]`, a cluster; some of its nodes are enough
    pub url: SecretString,
    /// What every key begins with. Letters, digits, `-`, `_`, `.` and `:`. Default `stockroom`.
    pub prefix: String,
    /// How long to wait for it in all, once, before going on without it. Default 50 ms.
    pub timeout: Duration,
    /// A certificate authority to trust in place of the system's.
    pub ca_file: Option<PathBuf>,
}

/// What bounds the gRPC port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Server {
    /// The deadline of a call that brings none. Default 10 s.
    pub default_deadline: Duration,
    /// The longest deadline of a call. Default 60 s.
    pub max_deadline: Duration,
    /// How many calls may be under way at once. Default 1,024.
    pub max_concurrent_calls: usize,
    /// How many connections may be open at once. Default 1,024.
    pub max_connections: usize,
    /// How long calls may go on after SIGTERM. Default 20 s.
    pub drain: Duration,
    /// How long to stay open but not ready after SIGTERM, so that load balancers notice. Default 0 s.
    pub lame_duck: Duration,
    /// Whether the contract can be read over the port. Default true.
    pub reflection: bool,
}

/// How to write the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// The form of a line.
    pub format: LogFormat,
    /// What to write, as `info` or `stockroom=debug,warn`.
    pub filter: String,
}

/// The form of a line of the log.
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
    /// Tells the API only: an access key is nobody's business either.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Paapi5 { .. } => f.write_str("Paapi5"),
            Self::Creators { .. } => f.write_str("Creators"),
        }
    }
}

impl Default for Cache {
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

impl Redis {
    /// A Redis by its URL, with the defaults.
    pub fn at(url: impl Into<String>) -> Self {
        Self {
            url: SecretString::from(url.into()),
            prefix: "stockroom".to_owned(),
            timeout: Duration::from_millis(50),
            ca_file: None,
        }
    }
}

impl Default for Server {
    fn default() -> Self {
        Self {
            default_deadline: Duration::from_secs(10),
            max_deadline: Duration::from_secs(60),
            max_concurrent_calls: 1024,
            max_connections: 1024,
            drain: Duration::from_secs(20),
            lame_duck: Duration::ZERO,
            reflection: true,
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Auto, filter: "info".to_owned() }
    }
}
