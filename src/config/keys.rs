//! The table of known keys: what the parser accepts, and the reference that people read.

use std::{fmt, ops::RangeInclusive, time::Duration};

use super::value::{show_duration, show_size};

/// Stands in a path for a name that the operator chooses.
pub(super) const NAME: &str = "NAME";
/// Stands in a path for a marketplace.
pub(super) const MARKETPLACE: &str = "MARKETPLACE";

/// One known key.
#[derive(Debug)]
pub(super) struct Key {
    /// Where it stands, as `accounts.NAME.timeout`.
    pub(super) path: &'static str,
    /// What values it takes.
    pub(super) kind: Kind,
    /// The value where none is written; empty: there is none.
    pub(super) default: &'static str,
    /// What it is for, in Markdown.
    pub(super) meaning: &'static str,
}

/// What values a key takes.
#[derive(Debug)]
pub(super) enum Kind {
    Address,
    Marketplace,
    Text,
    Secret,
    File,
    Url,
    Flag,
    Filter,
    Choice(&'static [&'static str]),
    Count(RangeInclusive<u64>),
    Rate(RangeInclusive<f64>),
    Size(RangeInclusive<u64>),
    Duration(RangeInclusive<Duration>),
    /// A duration that Amazon's terms bound.
    Horizon(Duration),
}

/// All known keys, in the order of the reference.
pub(super) static KEYS: &[Key] = &[
    key("listen", Kind::Address, "127.0.0.1:50051", "Where the gRPC port is opened."),
    key(
        "default_marketplace",
        Kind::Marketplace,
        "",
        "The marketplace of a request that names none. Default: `US` where it is served, or else the first that is.",
    ),
    key(
        "replicas",
        Kind::Count(1..=1000),
        "1",
        "How many replicas may run at once, those of a rolling update included; the same for all. Through Redis they share \
         the budget as they need it, and one too many makes no calls; without Redis each keeps to its share.",
    ),
    key(
        "accounts.NAME.protocol",
        Kind::Choice(&["creators", "paapi5"]),
        "creators",
        "The Amazon API that the account speaks. It is never changed in silence.",
    ),
    key(
        "accounts.NAME.credential_id",
        Kind::Secret,
        "",
        "Creators: the credential's id; this or its file is required.",
    ),
    key("accounts.NAME.credential_id_file", Kind::File, "", "Creators: a file that holds the credential's id."),
    key("accounts.NAME.credential_secret", Kind::Secret, "", "Creators: its secret; this or its file is required."),
    key("accounts.NAME.credential_secret_file", Kind::File, "", "Creators: a file that holds the secret."),
    key(
        "accounts.NAME.credential_version",
        Kind::Choice(&["2.1", "2.2", "2.3", "3.1", "3.2", "3.3"]),
        "",
        "Creators: the credential's version; it must be of the region group of the marketplaces served.",
    ),
    key(
        "accounts.NAME.token_endpoint",
        Kind::Url,
        "",
        "Creators: another address to fetch tokens from. Default: Amazon's, or that of `endpoint`.",
    ),
    key("accounts.NAME.access_key", Kind::Secret, "", "PA-API 5.0: the access key; this or its file is required."),
    key("accounts.NAME.access_key_file", Kind::File, "", "PA-API 5.0: a file that holds the access key."),
    key("accounts.NAME.secret_key", Kind::Secret, "", "PA-API 5.0: the secret key; this or its file is required."),
    key("accounts.NAME.secret_key_file", Kind::File, "", "PA-API 5.0: a file that holds the secret key."),
    key(
        "accounts.NAME.partner_tags.MARKETPLACE",
        Kind::Text,
        "",
        "The partner tag in a marketplace, and with it that the account serves this marketplace; at least one.",
    ),
    key("accounts.NAME.calls_per_second", Kind::Rate(0.01..=10.0), "1", "The calls a second that Amazon allows."),
    key(
        "accounts.NAME.calls_per_day",
        Kind::Count(1..=10_000_000),
        "8640",
        "The calls in any 24 hours that Amazon allows.",
    ),
    key("accounts.NAME.endpoint", Kind::Url, "", "Another address to send calls to, as a sandbox's."),
    key("accounts.NAME.ca_file", Kind::File, "", "A certificate authority to trust for that address, in PEM."),
    key("accounts.NAME.proxy", Kind::Url, "", "A proxy for the way to Amazon."),
    key(
        "accounts.NAME.connect_timeout",
        Kind::Duration(millis(10)..=secs(60)),
        "2s",
        "How long to wait for a connection to Amazon.",
    ),
    key("accounts.NAME.timeout", Kind::Duration(millis(100)..=secs(60)), "5s", "How long to wait for a whole answer."),
    key("accounts.NAME.max_body", Kind::Size(64 << 10..=64 << 20), "4MiB", "The largest answer that is read."),
    key(
        "accounts.NAME.queue_capacity",
        Kind::Count(1..=1_000_000),
        "1000",
        "How many ids and other calls may wait for their turn.",
    ),
    key(
        "accounts.NAME.content_notice_entities.MARKETPLACE",
        Kind::Text,
        "",
        "The Amazon entity that the content notice names in a marketplace.",
    ),
    key("callers.NAME.token", Kind::Secret, "", "The caller's bearer token; this or `token_file` is required."),
    key("callers.NAME.token_file", Kind::File, "", "A file that holds the token."),
    key("callers.NAME.admin", Kind::Flag, "false", "Whether the caller may use AdminService."),
    key(
        "callers.NAME.calls_per_day",
        Kind::Count(1..=10_000_000),
        "",
        "The calls to Amazon that the caller may cause in any 24 hours. Default: no share of its own.",
    ),
    key(
        "callers.NAME.weight",
        Kind::Rate(0.01..=100.0),
        "1",
        "The caller's weight where callers compete for calls: one of weight 2 is served twice as much as one of 1.",
    ),
    key("cache.memory", Kind::Size(1 << 20..=1 << 40), "256MiB", "What the memory tier may hold, keys included."),
    key("cache.offers_fresh", Kind::Horizon(mins(50)), "50m", "How long an answer with offers is fresh."),
    key("cache.catalog_fresh", Kind::Horizon(hours(12)), "12h", "How long any other answer is fresh."),
    key(
        "cache.offers_stale",
        Kind::Horizon(hours(24)),
        "6h",
        "How old an answer with offers may be while a refresh is under way.",
    ),
    key("cache.ceiling", Kind::Horizon(hours(24)), "24h", "How old any answer may be, also when Amazon fails."),
    key(
        "redis.url",
        Kind::Secret,
        "",
        "The Redis that all replicas share: `redis://[user:password@]host[:port][/database]`, `redis-sentinel://…/service` or \
         `redis-cluster://…`; with `rediss` for TLS. This or `url_file`; without either, each replica is on its own.",
    ),
    key("redis.url_file", Kind::File, "", "A file that holds the URL."),
    key("redis.prefix", Kind::Text, "stockroom", "What every key begins with."),
    key(
        "redis.timeout",
        Kind::Duration(millis(5)..=secs(1)),
        "50ms",
        "How long to wait for Redis, once, before going on without it.",
    ),
    key(
        "redis.ca_file",
        Kind::File,
        "",
        "A certificate authority to trust for Redis, in PEM, in place of the system's.",
    ),
    key(
        "server.default_deadline",
        Kind::Duration(millis(10)..=secs(600)),
        "10s",
        "The deadline of a call that brings none.",
    ),
    key("server.max_deadline", Kind::Duration(millis(10)..=secs(600)), "60s", "The longest deadline of a call."),
    key("server.max_concurrent_calls", Kind::Count(1..=1_000_000), "1024", "How many calls may be under way at once."),
    key("server.max_connections", Kind::Count(1..=1_000_000), "1024", "How many connections may be open at once."),
    key("server.drain", Kind::Duration(secs(0)..=secs(3600)), "20s", "How long calls may go on after SIGTERM."),
    key(
        "server.lame_duck",
        Kind::Duration(secs(0)..=secs(600)),
        "0s",
        "How long to stay open but not ready after SIGTERM, so that load balancers notice.",
    ),
    key("server.reflection", Kind::Flag, "true", "Whether the contract can be read over the port."),
    key(
        "log.format",
        Kind::Choice(&["auto", "pretty", "json"]),
        "auto",
        "The form of a line; `auto` is pretty on a terminal and JSON otherwise.",
    ),
    key("log.filter", Kind::Filter, "info", "What to write, as `info` or `stockroom=debug,warn`."),
];

const fn key(path: &'static str, kind: Kind, default: &'static str, meaning: &'static str) -> Key {
    Key { path, kind, default, meaning }
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
    fn variable(&self) -> String {
        format!("STOCKROOM_{}", self.path.to_ascii_uppercase().replace('.', "__"))
    }
}

/// The key at a path, whose second part may be a name and whose last a marketplace.
pub(super) fn find(path: &[&str]) -> Option<&'static Key> {
    KEYS.iter().find(|key| {
        let mut parts = key.path.split('.');
        path.iter().all(|written| parts.next().is_some_and(|part| is_placeholder(part) || part == *written))
            && parts.next().is_none()
    })
}

/// The known path most like an unknown one, where any is like it.
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

fn is_placeholder(part: &str) -> bool {
    part == NAME || part == MARKETPLACE
}

/// The reference of all keys, as a Markdown table.
pub fn reference() -> String {
    let mut table = "| Key | Meaning | Default | Environment variable |\n| --- | --- | --- | --- |\n".to_owned();
    for key in KEYS {
        let default = if key.default.is_empty() { String::new() } else { format!("`{}`", key.default) };
        let (path, meaning, kind, variable) = (key.path, key.meaning, &key.kind, key.variable());
        table.push_str(&format!("| `{path}` | {meaning} Takes {kind}. | {default} | `{variable}` |\n"));
    }
    table
}

impl fmt::Display for Kind {
    /// Tells what is accepted.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address => f.write_str("an address and port, as `127.0.0.1:50051`"),
            Self::Marketplace => f.write_str("a marketplace, as `US` or `www.amazon.com`"),
            Self::Text => f.write_str("plain text without spaces around it"),
            Self::Secret => f.write_str("text without spaces"),
            Self::File => f.write_str("the path of a file"),
            Self::Url => f.write_str("a URL that starts with `http://` or `https://`"),
            Self::Flag => f.write_str("`true` or `false`"),
            Self::Filter => f.write_str("levels, and levels of targets, with commas between"),
            Self::Choice(words) => {
                let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
                f.write_str(&words.join(" or "))
            }
            Self::Count(range) => write!(f, "a whole number from {} to {}", range.start(), range.end()),
            Self::Rate(range) => write!(f, "a number from {} to {}", range.start(), range.end()),
            Self::Size(range) => {
                let (least, most) = (show_size(*range.start()), show_size(*range.end()));
                write!(f, "a size with its unit, from `{least}` to `{most}`")
            }
            Self::Duration(range) => {
                let (least, most) = (show_duration(*range.start()), show_duration(*range.end()));
                write!(f, "a duration with its unit, from `{least}` to `{most}`")
            }
            Self::Horizon(most) => {
                let most = show_duration(*most);
                write!(f, "a duration with its unit, from `1s` to `{most}`; it can only be shortened")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_has_a_row_for_each_key() {
        let reference = reference();
        assert_eq!(reference.lines().count(), KEYS.len() + 2);
        assert!(reference.contains("`STOCKROOM_ACCOUNTS__NAME__PARTNER_TAGS__MARKETPLACE`"));
        assert!(reference.contains("from `1s` to `50m`; it can only be shortened. | `50m` |"));
    }

    #[test]
    fn a_misspelled_key_is_taken_for_the_nearest() {
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
