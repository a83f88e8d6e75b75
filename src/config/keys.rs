//! The table of known keys. A row says what its key accepts, its default, when a change takes effect, and its text in the
//! reference. What several keys must fulfil together is in `convert` and `accounts`.
//!
//! `raw` (is the key known?), `reader` (its value), `effective` (its place in the output, and what a reload changes) and
//! `reference` (documentation and JSON Schema) read this table. A new key is a row here, a field of a struct in
//! `config.rs`, and a line in `convert.rs` or `accounts.rs` that reads the key into the field. Tests find a row that nobody
//! reads, and a `Default` in `config.rs` that differs from the table. A key that turns something on (`redis.url`,
//! `admin.listen`) has no `Default` there.
//!
//! Terms: a *path* is the parts of a key, with dots between them. In this table a part may be a *placeholder*: [`NAME`], for
//! a name that the operator chooses, or [`MARKETPLACE`]. The *table* of a key is its path without the last parts, as
//! `accounts.NAME` or `cache`; at the top level it is empty.

use std::time::Duration;

use super::kind::Kind;

/// The placeholder in a path for a name that the operator chooses.
pub(super) const NAME: &str = "NAME";
/// The placeholder in a path for a marketplace.
pub(super) const MARKETPLACE: &str = "MARKETPLACE";

/// One known key.
#[derive(Debug)]
pub(super) struct ConfigKey {
    /// The path, as `accounts.NAME.timeout`.
    pub(super) path: &'static str,
    /// What the key accepts.
    pub(super) kind: Kind,
    /// The text that is parsed where the key is not set. Empty where there is no default, or where code computes it;
    /// `meaning` then describes it.
    pub(super) default: &'static str,
    /// When a changed value takes effect.
    pub(super) takes_effect: TakesEffect,
    /// What the key is for, in Markdown.
    pub(super) meaning: &'static str,
}

/// When a changed value takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakesEffect {
    /// When the running gateway reads its configuration again.
    OnReload,
    /// The path and the content of the file as [`Self::OnReload`]; whether the key is set, as [`Self::OnRestart`].
    OnReloadOfFile,
    /// When the gateway starts again.
    OnRestart,
}

/// All known keys, in the order of the reference.
#[rustfmt::skip]
pub(super) static KEYS: &[ConfigKey] = &[
    on_restart("listen", Kind::Address, "127.0.0.1:50051", "The address of the gRPC port."),
    on_restart("default_marketplace", Kind::Marketplace, "", "The marketplace of a request that names none. Default: `US` if an account serves it, otherwise the first marketplace that is served, by the account's name and then by the code."),
    on_restart("replicas", Kind::Count(1..=1000), "1", "The number of replicas that may run at once, including those of a rolling update; the same for all of them. With Redis the replicas share the budget of each account as they need it. Without Redis each replica uses an equal part of it."),
    on_restart("replica_index", Kind::Count(0..=999), "", "Which of the `replicas` this one is, from 0; different for each of them. Used without Redis only: calls that do not divide evenly belong to the replicas with the smallest indexes. A replica without an index rounds its part down, so a caller with fewer calls a day than there are `replicas` gets none."),
    on_restart("accounts.NAME.protocol", Kind::Choice(&["creators", "paapi5"]), "creators", "The Amazon API that the account uses."),
    on_reload("accounts.NAME.credential_id", Kind::Secret, "", "Creators: the credential's id. This or its file is required."),
    on_reload("accounts.NAME.credential_id_file", Kind::ValueFile, "", "Creators: a file that holds the credential's id."),
    on_reload("accounts.NAME.credential_secret", Kind::Secret, "", "Creators: the credential's secret. This or its file is required."),
    on_reload("accounts.NAME.credential_secret_file", Kind::ValueFile, "", "Creators: a file that holds the secret."),
    on_restart("accounts.NAME.credential_version", Kind::CredentialVersion, "", "Creators: the credential's version, which Amazon prints beside it. Each version is for the marketplaces of one region group (NA, EU or FE); `partner_tags` may name only those. Required."),
    on_restart("accounts.NAME.token_endpoint", Kind::HttpUrl, "", "Creators: the address to fetch tokens from. Default: with `endpoint` a path below it, otherwise Amazon's."),
    on_reload("accounts.NAME.access_key", Kind::Secret, "", "PA-API 5.0: the access key. This or its file is required."),
    on_reload("accounts.NAME.access_key_file", Kind::ValueFile, "", "PA-API 5.0: a file that holds the access key."),
    on_reload("accounts.NAME.secret_key", Kind::Secret, "", "PA-API 5.0: the secret key. This or its file is required."),
    on_reload("accounts.NAME.secret_key_file", Kind::ValueFile, "", "PA-API 5.0: a file that holds the secret key."),
    on_restart("accounts.NAME.partner_tags.MARKETPLACE", Kind::Text, "", "The partner tag for a marketplace. It also says that the account serves this marketplace. At least one is required."),
    on_restart("accounts.NAME.calls_per_second", Kind::Decimal(0.01..=10.0), "1", "The number of calls a second that Amazon allows; its value for a new account is the default."),
    on_restart("accounts.NAME.calls_per_day", Kind::Count(1..=10_000_000), "8640", "The number of calls in any 24 hours that Amazon allows; its value for a new account is the default."),
    on_restart("accounts.NAME.endpoint", Kind::HttpUrl, "", "The address to send calls to in place of Amazon's, for example that of a sandbox."),
    on_restart("accounts.NAME.ca_file", Kind::CaFile, "", "Certificate authorities to trust for the account's connections, in addition to the system's, in PEM."),
    on_restart("accounts.NAME.proxy", Kind::HttpUrl, "", "A proxy for calls to Amazon."),
    on_restart("accounts.NAME.connect_timeout", Kind::Duration(millis(10)..=secs(60)), "2s", "The longest wait for a connection to Amazon."),
    on_restart("accounts.NAME.timeout", Kind::Duration(millis(100)..=secs(60)), "5s", "The longest wait for a whole answer."),
    on_restart("accounts.NAME.max_body", Kind::Size(64 << 10..=64 << 20), "4MiB", "The largest response body that is read."),
    on_restart("accounts.NAME.queue_capacity", Kind::Count(1..=1_000_000), "1000", "The number of entries that may wait in the account's queue: ASINs, and requests of other kinds."),
    on_restart("accounts.NAME.content_notice_entities.MARKETPLACE", Kind::Text, "", "The Amazon company that the content notice of a marketplace names, as the operating agreement states it. ListMarketplaces returns the notice. Default: no notice."),
    on_reload("callers.NAME.token", Kind::Secret, "", "The caller's bearer token. This, `token_file` or `identities` is required."),
    on_reload("callers.NAME.token_file", Kind::ValueFile, "", "A file that holds the token."),
    on_reload("callers.NAME.previous_token", Kind::Secret, "", "A second token that is accepted too, while the caller changes from it to `token`."),
    on_reload("callers.NAME.previous_token_file", Kind::ValueFile, "", "A file that holds the second token."),
    on_reload("callers.NAME.identities", Kind::Identities, "", "Names of the caller that a client certificate or a mesh proves: a SPIFFE id such as `spiffe://example.org/ns/shop/sa/web`, a DNS name, or Linkerd's name of a service account. A caller with identities needs no token."),
    on_reload("callers.NAME.admin", Kind::Boolean, "false", "Whether the caller may use AdminService."),
    on_reload("callers.NAME.calls_per_day", Kind::Count(1..=10_000_000), "", "The calls to Amazon that the caller may cause in any 24 hours. Default: no quota of its own."),
    on_reload("callers.NAME.weight", Kind::Decimal(0.01..=100.0), "1", "The caller's weight when callers compete for calls: weight 2 gets twice as many calls as weight 1."),
    on_restart("cache.memory", Kind::Size(1 << 20..=1 << 40), "256MiB", "The capacity of the memory tier, including keys."),
    on_restart("cache.offers_fresh", Kind::Duration(secs(1)..=mins(50)), "50m", "The age up to which an answer is fresh for a request that wants offers. It may not exceed `offers_stale`; the default is lowered to it."),
    on_restart("cache.catalog_fresh", Kind::Duration(secs(1)..=hours(12)), "12h", "The age up to which an answer is fresh for any other request. Above it the answer is returned while the gateway refreshes it. It may not exceed `ceiling`; the default is lowered to it."),
    on_restart("cache.offers_stale", Kind::Duration(secs(1)..=hours(24)), "6h", "The age up to which an answer is returned to a request that wants offers while the gateway refreshes it. Above it the answer is returned only if Amazon fails. It may not exceed `ceiling`; the default is lowered to it."),
    on_restart("cache.ceiling", Kind::Duration(secs(1)..=hours(24)), "24h", "The age from which no answer is returned, also when Amazon fails. Amazon's terms set the maximum."),
    on_restart("redis.url", Kind::RedisUrl, "", "The Redis that all replicas share: `redis://[user:password@]host[:port][/database]`, `redis-sentinel://…/service` or `redis-cluster://…`; with `rediss` for TLS. Default: none, unless `url_file` names one; each replica then works alone. Required where another key of this table is set."),
    on_restart("redis.url_file", Kind::ValueFile, "", "A file that holds the URL."),
    on_restart("redis.prefix", Kind::KeyPrefix, "stockroom", "The prefix of every key in Redis."),
    on_restart("redis.timeout", Kind::Duration(millis(5)..=secs(1)), "50ms", "The longest wait for an answer of Redis. No command is repeated."),
    on_restart("redis.ca_file", Kind::CaFile, "", "Certificate authorities to trust for Redis, in place of the system's, in PEM. The URL must be one with TLS."),
    on_restart("server.default_deadline", Kind::Duration(millis(10)..=secs(600)), "10s", "The deadline of a call that has none. It may not exceed `max_deadline`; the default is lowered to it."),
    on_restart("server.max_deadline", Kind::Duration(millis(10)..=secs(600)), "60s", "The longest deadline of a call."),
    on_restart("server.max_concurrent_calls", Kind::Count(1..=1_000_000), "1024", "The number of calls that may be in progress at once."),
    on_restart("server.max_connections", Kind::Count(1..=1_000_000), "1024", "The number of connections that may be open at once."),
    on_restart("server.drain", Kind::Duration(secs(0)..=secs(3600)), "20s", "How long calls in progress may continue once the port is closed after SIGTERM."),
    on_restart("server.lame_duck", Kind::Duration(secs(0)..=secs(600)), "0s", "How long the port stays open after SIGTERM while health reports NOT_SERVING, so that load balancers notice. `drain` begins after it."),
    on_restart("server.reflection", Kind::Boolean, "true", "Whether gRPC reflection is served."),
    on_restart("server.admin_open", Kind::Boolean, "false", "Whether AdminService answers anonymous callers. It matters only where no callers are configured and `listen` is not a loopback address."),
    on_restart("server.max_connection_age", Kind::Duration(secs(1)..=hours(24 * 365)), "30m", "The age at which a connection is closed, more or less by up to a tenth, so that load spreads over replicas. Calls in progress end first, by `max_deadline` at the latest."),
    on_restart("server.max_connection_idle", Kind::Duration(secs(1)..=hours(24)), "5m", "How long a connection may be open without a call; over HTTP/1.1 30 s at most."),
    on_restart("server.identity_header", Kind::Choice(&["none", "l5d-client-id", "x-forwarded-client-cert"]), "none", "The header in which the sidecar of a mesh names the caller: `l5d-client-id` of Linkerd, or `x-forwarded-client-cert` of Envoy and Istio. It is believed from this machine only, and a peer elsewhere that sends it is refused. With `none` no header is believed."),
    on_file_reload("tls.certificate", Kind::CertificateFile, "", "The certificate of the gRPC port with its intermediate ones, in PEM. With it the port speaks TLS only."),
    on_file_reload("tls.key", Kind::KeyFile, "", "The key of the certificate, in PEM."),
    on_file_reload("tls.client_ca", Kind::CaFile, "", "Certificate authorities of clients, in PEM. With it a certificate proves who a client is (mTLS)."),
    on_restart("tls.client_auth", Kind::Choice(&["required", "optional"]), "required", "Whether a client must have a certificate of `client_ca`. With `optional` a client without one needs a token. `required` is refused without `client_ca`."),
    on_restart("web.allowed_origins", Kind::Origins, "", "The origins whose pages may call the gRPC port through gRPC-Web or Connect (CORS). Default: none; a request with the header `Origin` is then refused."),
    on_restart("admin.listen", Kind::AddressOrOff, "127.0.0.1:9464", "The address of the admin port: HTTP with `/livez`, `/readyz`, `/metrics` and a status page. It has no authentication. If the default address is in use, the gateway starts without the port."),
    on_restart("telemetry.otlp_endpoint", Kind::HttpUrl, "", "The collector of traces: a URL that speaks OTLP over gRPC, such as `http://127.0.0.1:4317`. Default: none; nothing is traced. Required where another key of this table is set."),
    on_restart("telemetry.otlp_ca_file", Kind::CaFile, "", "Certificate authorities to trust for the collector, in place of the system's, in PEM."),
    on_restart("telemetry.trace_ratio", Kind::Decimal(0.0..=1.0), "0.01", "The part of the calls that begin a trace, where the caller sent no `traceparent`. Otherwise the caller's decision holds."),
    on_restart("log.format", Kind::Choice(&["auto", "pretty", "json"]), "auto", "The format of log lines; `auto` is `pretty` on a terminal and `json` otherwise."),
    on_reload("log.filter", Kind::LogFilter, "info", "Which lines to log, for example `info` or `stockroom=debug,warn`."),
];

/// A row whose changes take effect at the next reload.
const fn on_reload(path: &'static str, kind: Kind, default: &'static str, meaning: &'static str) -> ConfigKey {
    ConfigKey { path, kind, default, takes_effect: TakesEffect::OnReload, meaning }
}

/// A row of a file whose content may change while the gateway runs.
const fn on_file_reload(path: &'static str, kind: Kind, default: &'static str, meaning: &'static str) -> ConfigKey {
    ConfigKey { path, kind, default, takes_effect: TakesEffect::OnReloadOfFile, meaning }
}

/// A row whose changes take effect at the next start.
const fn on_restart(path: &'static str, kind: Kind, default: &'static str, meaning: &'static str) -> ConfigKey {
    ConfigKey { path, kind, default, takes_effect: TakesEffect::OnRestart, meaning }
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

impl ConfigKey {
    /// The environment variable that sets it, as `STOCKROOM_ACCOUNTS__NAME__TIMEOUT`.
    pub(super) fn variable(&self) -> String {
        format!("STOCKROOM_{}", self.path.to_ascii_uppercase().replace('.', "__"))
    }

    /// The number of parts that the TOML table of the key has: two for `accounts.NAME.timeout`, none for `listen`.
    pub(super) fn table_depth(&self) -> usize {
        match self.path.split('.').collect::<Vec<_>>().as_slice() {
            [_, NAME, ..] => 2,
            [_, _, ..] => 1,
            _ => 0,
        }
    }
}

/// The row of a written path. A placeholder accepts any text; `raw` checks names and marketplaces.
pub(super) fn find(path: &[&str]) -> Option<&'static ConfigKey> {
    KEYS.iter().find(|key| key.path.split('.').count() == path.len() && has_prefix(key, path))
}

/// Whether keys can be inside a written path: `cache` and `accounts.main`, but not `listen`.
pub(super) fn is_table(path: &[&str]) -> bool {
    KEYS.iter().any(|key| key.path.split('.').count() > path.len() && has_prefix(key, path))
}

/// Whether a written path names something inside a known top-level table.
pub(super) fn is_in_known_table(path: &[&str]) -> bool {
    path.len() > 1 && path.first().is_some_and(|table| is_table(&[table]))
}

/// Whether every key inside a written path has a default: `cache`, but not `tls`.
pub(super) fn has_all_defaults(path: &[&str]) -> bool {
    KEYS.iter().filter(|key| has_prefix(key, path)).all(|key| !key.default.is_empty())
}

/// Whether the first parts of a row's path accept the written ones.
fn has_prefix(key: &ConfigKey, path: &[&str]) -> bool {
    let mut parts = key.path.split('.');
    path.iter().all(|written| parts.next().is_some_and(|part| is_placeholder(part) || part == *written))
}

/// The known path that an unknown one is probably a misspelling of: the one with the fewest edits, if there are at most 1 +
/// a quarter of the number of written characters.
pub(super) fn nearest(path: &[&str]) -> Option<String> {
    let written = path.join(".");
    // The operator's own names are no misspellings, so they replace the placeholders before the comparison.
    let with_written_names = KEYS.iter().map(|key| {
        let parts = key.path.split('.').enumerate();
        let parts = parts.map(|(i, part)| if is_placeholder(part) { path.get(i).unwrap_or(&part) } else { part });
        parts.collect::<Vec<_>>().join(".")
    });
    let (edits, nearest) =
        with_written_names.map(|known| (strsim::damerau_levenshtein(&written, &known), known)).min()?;
    (edits <= 1 + written.chars().count() / 4).then_some(nearest)
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
    fn a_row_for_a_file_belongs_to_the_row_of_a_value() {
        for key in KEYS.iter().filter(|key| matches!(key.kind, Kind::ValueFile)) {
            let path = key.path.strip_suffix("_file").unwrap();
            let value = KEYS.iter().find(|other| other.path == path).unwrap();
            assert_eq!(value.takes_effect, key.takes_effect, "{path}");
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
