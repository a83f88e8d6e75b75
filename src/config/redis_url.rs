//! The address of a Redis: a single server, Sentinels or a cluster, parsed when the configuration is read.
//!
//! A URL has one of three forms. `rediss` in place of `redis` means TLS, and a host without a port means port 6379:
//!
//! - `redis://[user:password@]host[:port][/database]`: a single server
//! - `redis-sentinel://[user:password@]host[:port][,host[:port] ...]/service[/database]`: the primary that the Sentinels
//!   name. User and password are those of the servers; a Sentinel that refuses a client without them gets them too
//! - `redis-cluster://[user:password@]host[:port][,host[:port] ...]`: a cluster, by some of its nodes
//!
//! User and password are percent-encoded. A [`RedisUrlError`] contains no part of the URL, which may be a password.

use std::fmt;

use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};
use url::Host;

use super::redaction::without_credentials;

const DEFAULT_PORT: u16 = 6379;

/// The address of a Redis. Its `Debug` and `Display` hide the password.
#[derive(Clone)]
pub struct RedisUrl {
    /// Whether connections use TLS.
    pub tls: bool,
    /// The user; `None`: Redis' default user.
    pub user: Option<String>,
    /// The password.
    pub password: Option<SecretString>,
    /// Hosts and ports: the server, the Sentinels, or some nodes of the cluster. At least one.
    pub hosts: Vec<(String, u16)>,
    /// What the hosts are.
    pub deployment: RedisDeployment,
    text: SecretString,
}

/// What the hosts of a [`RedisUrl`] are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedisDeployment {
    /// A single server.
    Server {
        /// The number of the database.
        database: i64,
    },
    /// Sentinels.
    Sentinel {
        /// The service whose primary they name.
        service: String,
        /// The number of the database.
        database: i64,
    },
    /// Nodes of a cluster.
    Cluster,
}

/// Why a text is not the address of a Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedisUrlError {
    /// Another scheme, or none.
    #[error("it must begin with `redis://`, `redis-sentinel://` or `redis-cluster://`, or with `rediss` for TLS")]
    Scheme,
    /// A user or password that is not percent-encoded.
    #[error("write `/`, `#`, `?` and `%` of a user or password as `%2F`, `%23`, `%3F` and `%25`")]
    Encoding,
    /// Sentinels without the service that they watch.
    #[error("an address of Sentinels ends with the service, as `redis-sentinel://host:26379/primary`")]
    Service,
    /// The database is not a number, or given to a cluster.
    #[error("the database must be a whole number, and a cluster has none")]
    Database,
    /// A host or port that is missing or malformed.
    #[error("expected `host` or `host:port`, and for several a `,` between them")]
    Host,
}

impl RedisUrl {
    /// Parses a URL.
    pub fn parse(text: &str) -> Result<Self, RedisUrlError> {
        let (scheme, rest) = text.split_once("://").ok_or(RedisUrlError::Scheme)?;
        let (tls, topology) = match scheme {
            "redis" => (false, Topology::Server),
            "rediss" => (true, Topology::Server),
            "redis-sentinel" => (false, Topology::Sentinel),
            "rediss-sentinel" => (true, Topology::Sentinel),
            "redis-cluster" => (false, Topology::Cluster),
            "rediss-cluster" => (true, Topology::Cluster),
            _ => return Err(RedisUrlError::Scheme),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        // An `@` after the first `/` belongs to a password with a `/` in it.
        if path.contains('@') || rest.contains(['#', '?']) {
            return Err(RedisUrlError::Encoding);
        }
        let (credentials, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
        let hosts: Vec<(String, u16)> = match topology {
            Topology::Server => vec![host_and_port(hosts)?],
            Topology::Sentinel | Topology::Cluster => hosts.split(',').map(host_and_port).collect::<Result<_, _>>()?,
        };
        let mut path = path.split('/').filter(|part| !part.is_empty());
        let deployment = match topology {
            Topology::Cluster => RedisDeployment::Cluster,
            Topology::Sentinel => {
                let service = path.next().ok_or(RedisUrlError::Service)?.to_owned();
                RedisDeployment::Sentinel { service, database: database(path.next())? }
            }
            Topology::Server => RedisDeployment::Server { database: database(path.next())? },
        };
        if path.next().is_some() {
            return Err(RedisUrlError::Database);
        }
        Ok(Self {
            tls,
            user: decoded(user)?,
            password: decoded(password)?.map(SecretString::from),
            hosts,
            deployment,
            text: SecretString::from(text),
        })
    }
}

impl PartialEq for RedisUrl {
    fn eq(&self, other: &Self) -> bool {
        self.text.expose_secret() == other.text.expose_secret()
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&without_credentials(self.text.expose_secret()))
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisUrl({self})")
    }
}

/// What the scheme says about the hosts.
#[derive(Clone, Copy)]
enum Topology {
    Server,
    Sentinel,
    Cluster,
}

fn database(text: Option<&str>) -> Result<i64, RedisUrlError> {
    let number = text.map_or(Ok(0), |text| text.parse().map_err(|_| RedisUrlError::Database))?;
    if number < 0 { Err(RedisUrlError::Database) } else { Ok(number) }
}

fn host_and_port(text: &str) -> Result<(String, u16), RedisUrlError> {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, "")) => (format!("[{address}]"), None),
        Some((address, port)) => (format!("[{address}]"), Some(port.strip_prefix(':').ok_or(RedisUrlError::Host)?)),
        None => match text.split_once(':') {
            Some((host, port)) => (host.to_owned(), Some(port)),
            None => (text.to_owned(), None),
        },
    };
    let host = match Host::parse(&host).map_err(|_| RedisUrlError::Host)? {
        Host::Domain(name) if name.is_empty() || name.contains(',') => return Err(RedisUrlError::Host),
        Host::Domain(name) => name,
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
    };
    let port = port.map_or(Ok(DEFAULT_PORT), |text| text.parse().map_err(|_| RedisUrlError::Host))?;
    Ok((host, port))
}

fn decoded(text: &str) -> Result<Option<String>, RedisUrlError> {
    let hex = |part: &str| part.as_bytes().get(..2).is_some_and(|pair| pair.iter().all(u8::is_ascii_hexdigit));
    if !text.split('%').skip(1).all(hex) {
        return Err(RedisUrlError::Encoding);
    }
    let text = percent_decode_str(text).decode_utf8().map_err(|_| RedisUrlError::Encoding)?;
    Ok(Some(text.into_owned()).filter(|text| !text.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The parts of an address, as one text.
    fn parts(text: &str) -> String {
        let url = match RedisUrl::parse(text) {
            Ok(url) => url,
            Err(error) => return format!("{error:?}"),
        };
        let user = url.user.as_deref().unwrap_or("-");
        let password = url.password.as_ref().map_or("-", |password| password.expose_secret());
        let hosts: Vec<String> = url.hosts.iter().map(|(host, port)| format!("{host} {port}")).collect();
        let tls = if url.tls { "TLS " } else { "" };
        format!("{tls}{user} {password} {} {:?}", hosts.join(", "), url.deployment)
    }

    #[test]
    fn each_form_of_address_is_parsed() {
        let cases = [
            ("redis://cache", "- - cache 6379 Server { database: 0 }"),
            ("redis://127.0.0.1:7000/", "- - 127.0.0.1 7000 Server { database: 0 }"),
            ("redis://[::1]:7000/2", "- - ::1 7000 Server { database: 2 }"),
            ("redis://:p:a@ss@cache", "- p:a@ss cache 6379 Server { database: 0 }"),
            ("rediss://app:p%40ss%23%2f@cache:7000/3", "TLS app p@ss#/ cache 7000 Server { database: 3 }"),
            ("redis-cluster://:word@a:7000,b", "- word a 7000, b 6379 Cluster"),
            (
                "redis-sentinel://a:26379,b:26379/primary",
                "- - a 26379, b 26379 Sentinel { service: \"primary\", database: 0 }",
            ),
            (
                "rediss-sentinel://u:w@a:26379/primary/2",
                "TLS u w a 26379 Sentinel { service: \"primary\", database: 2 }",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(parts(text), expected, "{text}");
        }
    }

    #[test]
    fn any_other_text_is_refused() {
        let cases = [
            ("", "Scheme"),
            ("cache:6379", "Scheme"),
            ("http://word@cache", "Scheme"),
            ("redsi://host", "Scheme"),
            ("redis-ring://word@cache", "Scheme"),
            ("redis-://cache", "Scheme"),
            ("rediss-sentinel-://cache/primary", "Scheme"),
            ("redis://", "Host"),
            ("redis://word@cache:port", "Host"),
            ("redis://a,b", "Host"),
            ("redis://:pa#ss@h", "Encoding"),
            ("redis://:pa/ss@h", "Encoding"),
            ("redis://:pa?ss@h", "Encoding"),
            ("redis://:pa%ss@h", "Encoding"),
            ("redis://:word@cache/name", "Database"),
            ("redis://:word@cache/-1", "Database"),
            ("redis-sentinel://:word@cache:26379", "Service"),
            ("redis-sentinel://:word@cache:26379/primary/name", "Database"),
            ("redis-cluster://:word@cache/1", "Database"),
        ];
        for (text, expected) in cases {
            assert_eq!(parts(text), expected, "{text}");
        }
    }

    #[test]
    fn no_form_of_a_url_shows_its_password() {
        let url = RedisUrl::parse("redis://u:hush@h:7000/1").unwrap();
        assert_eq!(
            (url.to_string(), format!("{url:?}").contains("hush")),
            ("redis://(hidden)@h:7000/1".to_owned(), false)
        );
    }
}
