//! The table of known keys. One row holds everything about a key: what it accepts, its default, when a change takes effect, and
//! its text in the reference.
//!
//! The parser, the effective view, the reload, the reference and the JSON Schema all read this table. A new key is a row here,
//! a field of a struct in `config.rs`, and the line that reads the one into the other.

use std::time::Duration;

use super::kind::Kind;

/// The placeholder in a path for a name that the operator chooses.
pub(super) const NAME: &str = "NAME";
/// The placeholder in a path for a marketplace.
pub(super) const MARKETPLACE: &str = "MARKETPLACE";

/// One known key.
#[derive(Debug)]
pub(super) struct Key {
    /// The path, as `accounts.NAME.timeout`.
    pub(super) path: &'static str,
    /// What the key accepts.
    pub(super) kind: Kind,
    /// The value of a key that is not set; empty: none.
    pub(super) default: &'static str,
    /// When a changed value takes effect.
    pub(super) reload: Reload,
    /// What the key is for, in Markdown.
    pub(super) meaning: &'static str,
}

/// When a changed value takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// At the next reload.
    Live,
    /// At the next start.
    Restart,
}

/// All known keys, in the order of the reference.
#[rustfmt::skip]
pub(super) static KEYS: &[Key] = &[
    restart("listen", Kind::Address, "127.0.0.1:50051", "The address of the gRPC port."),
    restart("default_marketplace", Kind::Marketplace, "", "The marketplace of a request that names none. Default: `US` if an account serves it, otherwise the first marketplace that is served."),
    restart("replicas", Kind::Count(1..=1000), "1", "The number of replicas that may run at once, including those of a rolling update; the same for all of them. With Redis they share the budget as needed. Without Redis each replica keeps to its share."),
    restart("accounts.NAME.protocol", Kind::Choice(&["creators", "paapi5"]), "creators", "The Amazon API that the account uses. The gateway never changes it by itself."),
    live("accounts.NAME.credential_id", Kind::Secret, "", "Creators: the credential's id. This or its file is required."),
    live("accounts.NAME.credential_id_file", Kind::ValueFile, "", "Creators: a file that holds the credential's id."),
    live("accounts.NAME.credential_secret", Kind::Secret, "", "Creators: the credential's secret. This or its file is required."),
    live("accounts.NAME.credential_secret_file", Kind::ValueFile, "", "Creators: a file that holds the secret."),
    restart("accounts.NAME.credential_version", Kind::CredentialVersion, "", "Creators: the credential's version. Its region group must be that of the marketplaces served."),
    restart("accounts.NAME.token_endpoint", Kind::HttpUrl, "", "Creators: another address to fetch tokens from. Default: Amazon's, or that of `endpoint`."),
    live("accounts.NAME.access_key", Kind::Secret, "", "PA-API 5.0: the access key. This or its file is required."),
    live("accounts.NAME.access_key_file", Kind::ValueFile, "", "PA-API 5.0: a file that holds the access key."),
    live("accounts.NAME.secret_key", Kind::Secret, "", "PA-API 5.0: the secret key. This or its file is required."),
    live("accounts.NAME.secret_key_file", Kind::ValueFile, "", "PA-API 5.0: a file that holds the secret key."),
    restart("accounts.NAME.partner_tags.MARKETPLACE", Kind::Text, "", "The partner tag for a marketplace. It also says that the account serves this marketplace. At least one is required."),
    restart("accounts.NAME.calls_per_second", Kind::Rate(0.01..=10.0), "1", "The calls a second that Amazon allows."),
    restart("accounts.NAME.calls_per_day", Kind::Count(1..=10_000_000), "8640", "The calls in any 24 hours that Amazon allows."),
    restart("accounts.NAME.endpoint", Kind::HttpUrl, "", "Another address to send calls to, as that of a sandbox."),
    restart("accounts.NAME.ca_file", Kind::CaFile, "", "Certificate authorities to trust for that address in addition to the system's, in PEM."),
    restart("accounts.NAME.proxy", Kind::HttpUrl, "", "A proxy for calls to Amazon."),
    restart("accounts.NAME.connect_timeout", Kind::Duration(millis(10)..=secs(60)), "2s", "The longest wait for a connection to Amazon."),
    restart("accounts.NAME.timeout", Kind::Duration(millis(100)..=secs(60)), "5s", "The longest wait for a whole answer."),
    restart("accounts.NAME.max_body", Kind::Size(64 << 10..=64 << 20), "4MiB", "The largest answer that is read."),
    restart("accounts.NAME.queue_capacity", Kind::Count(1..=1_000_000), "1000", "The number of ids and other calls that may wait in the queue."),
    restart("accounts.NAME.content_notice_entities.MARKETPLACE", Kind::Text, "", "The Amazon entity that the content notice names for a marketplace."),
    restart("callers.NAME.token", Kind::Secret, "", "The caller's bearer token. This or `token_file` is required."),
    restart("callers.NAME.token_file", Kind::ValueFile, "", "A file that holds the token."),
    restart("callers.NAME.admin", Kind::Flag, "false", "Whether the caller may use AdminService."),
    restart("callers.NAME.calls_per_day", Kind::Count(1..=10_000_000), "", "The calls to Amazon that the caller may cause in any 24 hours. Default: no quota of its own."),
    restart("callers.NAME.weight", Kind::Rate(0.01..=100.0), "1", "The caller's weight when callers compete for calls: weight 2 gets twice as many calls as weight 1."),
    restart("cache.memory", Kind::Size(1 << 20..=1 << 40), "256MiB", "The capacity of the memory tier, including keys."),
    restart("cache.offers_fresh", Kind::Horizon(mins(50)), "50m", "How long an answer with offers is fresh."),
    restart("cache.catalog_fresh", Kind::Horizon(hours(12)), "12h", "How long any other answer is fresh."),
    restart("cache.offers_stale", Kind::Horizon(hours(24)), "6h", "The age up to which an answer with offers is returned while the gateway refreshes it."),
    restart("cache.ceiling", Kind::Horizon(hours(24)), "24h", "The age up to which any answer is returned, also when Amazon fails."),
    restart("redis.url", Kind::RedisUrl, "", "The Redis that all replicas share: `redis://[user:password@]host[:port][/database]`, `redis-sentinel://…/service` or `redis-cluster://…`; with `rediss` for TLS. This or `url_file`. Without either each replica works alone."),
    restart("redis.url_file", Kind::ValueFile, "", "A file that holds the URL."),
    restart("redis.prefix", Kind::KeyPrefix, "stockroom", "The prefix of every key in Redis."),
    restart("redis.timeout", Kind::Duration(millis(5)..=secs(1)), "50ms", "The longest wait for Redis. A command is tried once."),
    restart("redis.ca_file", Kind::CaFile, "", "Certificate authorities to trust for Redis instead of the system's, in PEM."),
    restart("server.default_deadline", Kind::Duration(millis(10)..=secs(600)), "10s", "The deadline of a call that has none."),
    restart("server.max_deadline", Kind::Duration(millis(10)..=secs(600)), "60s", "The longest deadline of a call."),
    restart("server.max_concurrent_calls", Kind::Count(1..=1_000_000), "1024", "The number of calls that may be in progress at once."),
    restart("server.max_connections", Kind::Count(1..=1_000_000), "1024", "The number of connections that may be open at once."),
    restart("server.drain", Kind::Duration(secs(0)..=secs(3600)), "20s", "How long calls may continue after SIGTERM."),
    restart("server.lame_duck", Kind::Duration(secs(0)..=secs(600)), "0s", "How long the port stays open but not ready after SIGTERM, so that load balancers notice."),
    restart("server.reflection", Kind::Flag, "true", "Whether gRPC reflection is served."),
    restart("server.admin_open", Kind::Flag, "false", "Whether AdminService answers anonymous callers on a port off loopback where no callers are configured."),
    restart("admin.listen", Kind::AddressOrOff, "127.0.0.1:9464", "The address of the admin port: HTTP with `/livez`, `/readyz`, `/metrics` and a status page. It has no authentication. If the default address is in use, the gateway starts without the port."),
    restart("log.format", Kind::Choice(&["auto", "pretty", "json"]), "auto", "The format of log lines; `auto` is `pretty` on a terminal and `json` otherwise."),
    restart("log.filter", Kind::LogFilter, "info", "Which lines to log, as `info` or `stockroom=debug,warn`."),
];

/// A key whose changes take effect at the next reload.
const fn live(path: &'static str, kind: Kind, default: &'static str, meaning: &'static str) -> Key {
    Key { path, kind, default, reload: Reload::Live, meaning }
}

/// A key whose changes take effect at the next start.
const fn restart(path: &'static str, kind: Kind, default: &'static str, meaning: &'static str) -> Key {
    Key { path, kind, default, reload: Reload::Restart, meaning }
}

const fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

const fn mins(n: u64) -> Duration {
    Duration::from_secs(n * 60)
}

const fn hours(n: u64) -> Duration {
    Duration::from_secs(n * 3600)
}

impl Key {
    /// The environment variable that sets it, as `STOCKROOM_ACCOUNTS__NAME__TIMEOUT`.
    pub(super) fn variable(&self) -> String {
        format!("STOCKROOM_{}", self.path.to_ascii_uppercase().replace('.', "__"))
    }
}

/// The key of a path whose placeholders are filled in.
pub(super) fn find(path: &[&str]) -> Option<&'static Key> {
    KEYS.iter().find(|key| {
        let mut parts = key.path.split('.');
        path.iter().all(|written| parts.next().is_some_and(|part| is_placeholder(part) || part == *written))
            && parts.next().is_none()
    })
}

/// Whether a path is inside one of the tables, so that it cannot be meant for another program.
pub(super) fn is_table(path: &[&str]) -> bool {
    let in_table = |key: &&Key| key.path.contains('.') && key.path.split('.').next() == path.first().copied();
    path.len() > 1 && KEYS.iter().any(|key| in_table(&key))
}

/// The known path that an unknown one is probably a misspelling of.
pub(super) fn nearest(path: &[&str]) -> Option<String> {
    let written = path.join(".");
    let spelled = KEYS.iter().map(|key| {
        let parts = key.path.split('.').enumerate();
        let named = parts.map(|(i, part)| if is_placeholder(part) { path.get(i).unwrap_or(&part) } else { part });
        named.collect::<Vec<_>>().join(".")
    });
    let (distance, nearest) = spelled.map(|known| (strsim::damerau_levenshtein(&written, &known), known)).min()?;
    (distance <= 1 + written.len() / 4).then_some(nearest)
}

/// Whether a part of a path is a placeholder.
pub(super) fn is_placeholder(part: &str) -> bool {
    part == NAME || part == MARKETPLACE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_a_value_that_its_key_accepts() {
        for key in KEYS.iter().filter(|key| !key.default.is_empty()) {
            assert!(key.kind.parse(key.default).is_ok(), "{}", key.path);
        }
    }

    #[test]
    fn a_key_whose_value_may_be_in_a_file_has_a_row_for_the_file() {
        for key in KEYS.iter().filter(|key| matches!(key.kind, Kind::ValueFile)) {
            let path = key.path.strip_suffix("_file").unwrap();
            let value = KEYS.iter().find(|other| other.path == path).unwrap();
            assert_eq!(value.reload, key.reload, "{path}");
        }
    }

    #[test]
    fn a_misspelled_key_is_recognised() {
        let cases = [
            ("accounts.main.secret_kye", Some("accounts.main.secret_key")),
            ("account.main.secret_key", Some("accounts.main.secret_key")),
            ("lisen", Some("listen")),
            ("cache.memmory", Some("cache.memory")),
            ("weather.tomorrow", None),
        ];
        for (written, known) in cases {
            let path: Vec<&str> = written.split('.').collect();
            assert_eq!(nearest(&path).as_deref(), known, "{written}");
        }
    }
}
