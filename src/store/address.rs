//! Where a Redis is, from its URL.

use bb8_redis::redis::{ConnectionInfo, IntoConnectionInfo, RedisError};

/// Where a Redis is.
pub(super) enum Address {
    /// A single server.
    Server(ConnectionInfo),
    /// The primary of a service that Sentinels know. User, password and database are the servers'.
    Sentinel { sentinels: Vec<ConnectionInfo>, service: String, database: i64 },
    /// A cluster, by some of its nodes.
    Cluster(Vec<ConnectionInfo>),
}

/// The text is not the address of a Redis. It is not repeated here, since it may hold a password.
#[derive(Debug, thiserror::Error)]
pub enum NotAnAddress {
    /// Another scheme, or none.
    #[error("it must begin with redis://, redis-sentinel:// or redis-cluster://, or with rediss for TLS")]
    Scheme,
    /// No service.
    #[error("a Sentinel's address ends with the service, as redis-sentinel://host:26379/primary")]
    Service,
    /// The database is not a number, or given to a cluster.
    #[error("the database must be a number, and a cluster has none to name")]
    Database,
    /// Host, port or user.
    #[error("its hosts are not understood")]
    Hosts(#[source] RedisError),
}

impl Address {
    pub(super) fn parse(url: &str) -> Result<Self, NotAnAddress> {
        let (scheme, rest) = url.trim().split_once("://").ok_or(NotAnAddress::Scheme)?;
        let (transport, kind) = scheme.split_once('-').unwrap_or((scheme, ""));
        if !matches!(transport, "redis" | "rediss") {
            return Err(NotAnAddress::Scheme);
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let mut path = path.split('/').filter(|part| !part.is_empty());
        match kind {
            "" => node(&format!("{transport}://{rest}")).map(Self::Server),
            "cluster" => match path.next() {
                Some(_) => Err(NotAnAddress::Database),
                None => Ok(Self::Cluster(nodes(transport, authority)?)),
            },
            "sentinel" => Ok(Self::Sentinel {
                sentinels: nodes(transport, authority)?,
                service: path.next().ok_or(NotAnAddress::Service)?.to_owned(),
                database: path.next().map_or(Ok(0), |text| text.parse().map_err(|_| NotAnAddress::Database))?,
            }),
            _ => Err(NotAnAddress::Scheme),
        }
    }
}

/// The hosts of a list, each with the user and password before it.
fn nodes(transport: &str, authority: &str) -> Result<Vec<ConnectionInfo>, NotAnAddress> {
    let (user, hosts) = authority.rsplit_once('@').map_or((String::new(), authority), |(u, h)| (format!("{u}@"), h));
    hosts.split(',').map(|host| node(&format!("{transport}://{user}{host}"))).collect()
}

fn node(url: &str) -> Result<ConnectionInfo, NotAnAddress> {
    url.into_connection_info().map_err(NotAnAddress::Hosts)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What an address is taken for, in words.
    fn read(url: &str) -> String {
        let node = |node: &ConnectionInfo| {
            let redis = node.redis_settings();
            let (user, password) = (redis.username().unwrap_or("-"), redis.password().unwrap_or("-"));
            format!("{} {user} {password} {}", node.addr(), redis.db())
        };
        let list = |nodes: &[ConnectionInfo]| nodes.iter().map(node).collect::<Vec<_>>().join(", ");
        match Address::parse(url) {
            Ok(Address::Server(one)) => format!("server {}", node(&one)),
            Ok(Address::Cluster(nodes)) => format!("cluster {}", list(&nodes)),
            Ok(Address::Sentinel { sentinels, service, database }) => {
                format!("{service}/{database} by {}", list(&sentinels))
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn each_form_of_address_is_read() {
        let cases = [
            ("redis://cache", "server cache:6379 - - 0"),
            ("rediss://app:p%40ss@cache:7000/3", "server cache:7000 app p@ss 3"),
            ("redis-cluster://:word@a:7000,b", "cluster a:7000 - word 0, b:6379 - word 0"),
            ("redis-sentinel://a:26379,b:26379/primary", "primary/0 by a:26379 - - 0, b:26379 - - 0"),
            ("rediss-sentinel://u:w@a:26379/primary/2", "primary/2 by a:26379 u w 0"),
        ];
        for (url, expected) in cases {
            assert_eq!(read(url), expected, "{url}");
        }
    }

    #[test]
    fn anything_else_is_refused_without_repeating_it() {
        let urls = [
            "",
            "cache:6379",
            "http://word@cache",
            "redis-ring://word@cache",
            "redis://word@cache:port",
            "redis://:word@cache/name",
            "redis-sentinel://:word@cache:26379",
            "redis-sentinel://:word@cache:26379/primary/name",
            "redis-cluster://:word@cache/1",
        ];
        for url in urls {
            let error = Address::parse(url).err().map(|error| format!("{error:?}"));
            assert!(error.as_ref().is_some_and(|error| !error.contains("word")), "{url}: {error:?}");
        }
    }
}
