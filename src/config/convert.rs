//! Converts settings into a [`Config`], or into every error that they contain.

use std::{net::SocketAddr, time::Duration};

use super::{
    AccountConfig, AdminConfig, CaFile, CacheConfig, CertificateFile, ClientAuth, Config, ConfigErrors, Credentials,
    Effective, HttpUrl, IdentityHeader, KeyFile, LogConfig, LogFormat, RedisConfig, RedisUrl, ServerConfig, Settings,
    TlsConfig, TracesConfig, WebConfig,
    accounts::{read_accounts, read_callers},
    reader::Reader,
    value::Value,
};
use amazon_catalog::Marketplace;

/// An account whose Amazon is a sandbox. Its endpoint is set in the [`Config`] once the sandbox has a port.
#[derive(Clone, Debug)]
pub struct SandboxAccount {
    /// The account's name.
    pub name: String,
    /// The credentials that the sandbox accepts; their kind says which API the account uses.
    pub credentials: Credentials,
    /// The partner tags that the sandbox accepts.
    pub partner_tags: Vec<(Marketplace, String)>,
    /// The calls a second that the sandbox allows.
    pub calls_per_second: f64,
    /// The calls in any 24 hours that the sandbox allows.
    pub calls_per_day: u32,
}

impl Config {
    /// Checks the settings. Returns the configuration, or every error in the settings.
    ///
    /// Reads the files that hold secrets, certificates and certificate authorities, and no other.
    pub fn from_settings(settings: &Settings) -> Result<Self, ConfigErrors> {
        Self::with_effective(settings).map(|(config, _)| config)
    }

    /// As [`Self::from_settings`], with the effective value and the origin of each key.
    pub fn with_effective(settings: &Settings) -> Result<(Self, Effective), ConfigErrors> {
        let mut read = Reader::new(settings);
        let accounts = read_accounts(&mut read);
        let config = read_config(&mut read, accounts);
        read.finish(config)
    }

    /// The configuration of a gateway whose accounts are a sandbox's: at least one, each with a partner tag, and no two for
    /// one marketplace. Settings that contain other accounts are refused.
    pub fn for_sandbox(settings: &Settings, accounts: Vec<SandboxAccount>) -> Result<(Self, Effective), ConfigErrors> {
        let mut read = Reader::new(settings);
        if !read.names_below("accounts").is_empty() {
            read.add_error(
                "accounts",
                "accounts are configured, and --sandbox would serve invented products; remove one of the two",
            );
        }
        let config = read_config(&mut read, accounts.into_iter().map(AccountConfig::from).collect());
        read.finish(config.map(|config| Self { sandbox: true, ..config }))
    }
}

impl From<SandboxAccount> for AccountConfig {
    fn from(account: SandboxAccount) -> Self {
        Self {
            name: account.name,
            credentials: account.credentials,
            partner_tags: account.partner_tags,
            calls_per_second: account.calls_per_second,
            calls_per_day: account.calls_per_day,
            endpoint: None,
            ca_file: None,
            proxy: None,
            connect_timeout: Duration::from_secs(2),
            timeout: Duration::from_secs(5),
            max_body_bytes: 4 << 20,
            queue_capacity: 1000,
            content_notice_entities: Vec::new(),
        }
    }
}

/// Reads everything but the accounts. `None` only if an error was added. Every key is read before a wrong one ends the
/// conversion, so that all errors are reported together.
fn read_config(read: &mut Reader<'_>, accounts: Vec<AccountConfig>) -> Option<Config> {
    let default_marketplace = read_default_marketplace(read, &accounts);
    let listen = read.get("listen");
    let (redis, replicas, replica_index) = (read_redis(read), read.get::<u32>("replicas"), read.get("replica_index"));
    // An index that is not set is less than any number.
    if replicas.is_some() && replica_index >= replicas {
        read.add_error("replica_index", "it must be less than `replicas`");
    }
    let (callers, cache, server, log) = (read_callers(read), read_cache(read), read_server(read), read_log(read));
    let (tls, traces) = (read_tls(read), read_traces(read));
    let can_prove_identity = server.identity_header.is_some() || read.is_set("tls.client_ca");
    for caller in callers.iter().filter(|caller| !can_prove_identity && !caller.identities.is_empty()) {
        let problem = "nothing can prove it; set tls.client_ca or server.identity_header";
        read.add_error(&format!("callers.{}.identities", caller.name), problem);
    }
    let admin_listen: Option<SocketAddr> = read.get("admin.listen").flatten();
    let admin = AdminConfig { listen: admin_listen, required: admin_listen.is_some() && read.is_set("admin.listen") };
    let web = WebConfig { allowed_origins: read.get("web.allowed_origins").unwrap_or_default() };
    Some(Config {
        listen: listen?,
        default_marketplace: default_marketplace?,
        accounts,
        callers,
        cache,
        server,
        tls,
        web,
        admin,
        traces,
        log,
        redis,
        replicas: replicas?,
        replica_index,
        sandbox: false,
    })
}

fn read_default_marketplace(read: &mut Reader<'_>, accounts: &[AccountConfig]) -> Option<Marketplace> {
    let served: Vec<Marketplace> =
        accounts.iter().flat_map(|account| &account.partner_tags).map(|(marketplace, _)| *marketplace).collect();
    let named: Option<Marketplace> = read.get("default_marketplace");
    let Some(named) = named else {
        let chosen = served.iter().find(|marketplace| marketplace.code() == "US").or(served.first()).copied()?;
        read.set_derived("default_marketplace", Value::Marketplace(chosen), "accounts");
        return Some(chosen);
    };
    if !served.is_empty() && !served.contains(&named) {
        let codes: Vec<&str> = served.iter().map(|marketplace| marketplace.code()).collect();
        read.add_error("default_marketplace", format!("no account serves it; served are {}", codes.join(", ")));
    }
    Some(named)
}

fn read_cache(read: &mut Reader<'_>) -> CacheConfig {
    let memory_bytes = read.get_or_zero("cache.memory");
    let ceiling = read.get("cache.ceiling");
    let offers_stale = read.duration_up_to("cache.offers_stale", "cache.ceiling", ceiling);
    let offers_fresh = read.duration_up_to("cache.offers_fresh", "cache.offers_stale", offers_stale);
    let catalog_fresh = read.duration_up_to("cache.catalog_fresh", "cache.ceiling", ceiling);
    CacheConfig {
        memory_bytes,
        offers_fresh: offers_fresh.unwrap_or_default(),
        catalog_fresh: catalog_fresh.unwrap_or_default(),
        offers_stale: offers_stale.unwrap_or_default(),
        ceiling: ceiling.unwrap_or_default(),
    }
}

/// `None` where no Redis is set, or an error was added.
fn read_redis(read: &mut Reader<'_>) -> Option<RedisConfig> {
    let url: Option<RedisUrl> =
        if read.names_below("redis").is_empty() { read.get("redis.url") } else { read.required_or_file("redis.url") };
    let (prefix, timeout) = (read.get("redis.prefix"), read.get_or_zero("redis.timeout"));
    let ca_file = read.get("redis.ca_file");
    if read.is_set("redis.ca_file") && url.as_ref().is_some_and(|url| !url.tls) {
        read.add_error("redis.ca_file", "the URL of the Redis is one without TLS; begin it with `rediss`");
    }
    Some(RedisConfig { url: url?, prefix: prefix?, timeout, ca_file })
}

fn read_server(read: &mut Reader<'_>) -> ServerConfig {
    let max_deadline = read.get("server.max_deadline");
    let default_deadline = read.duration_up_to("server.default_deadline", "server.max_deadline", max_deadline);
    ServerConfig {
        default_deadline: default_deadline.unwrap_or_default(),
        max_deadline: max_deadline.unwrap_or_default(),
        max_concurrent_calls: read.get_or_zero("server.max_concurrent_calls"),
        max_connections: read.get_or_zero("server.max_connections"),
        drain: read.get_or_zero("server.drain"),
        lame_duck: read.get_or_zero("server.lame_duck"),
        reflection: read.get_or_zero("server.reflection"),
        admin_open: read.get_or_zero("server.admin_open"),
        max_connection_age: read.get_or_zero("server.max_connection_age"),
        max_connection_idle: read.get_or_zero("server.max_connection_idle"),
        identity_header: match read.get::<String>("server.identity_header").as_deref() {
            Some("l5d-client-id") => Some(IdentityHeader::Linkerd),
            Some("x-forwarded-client-cert") => Some(IdentityHeader::Envoy),
            _ => None,
        },
    }
}

/// TLS, if a key of it is set.
fn read_tls(read: &mut Reader<'_>) -> Option<TlsConfig> {
    let (certificate, key): (Option<CertificateFile>, Option<KeyFile>) =
        (read.get("tls.certificate"), read.get("tls.key"));
    let client_ca: Option<CaFile> = read.get("tls.client_ca");
    let client_auth = match read.get::<String>("tls.client_auth").as_deref() {
        Some("optional") => ClientAuth::Optional,
        _ => ClientAuth::Required,
    };
    // The default says what `client_ca` means. One who writes it expects that clients are asked for a certificate.
    if read.is_set("tls.client_auth") && client_auth == ClientAuth::Required && !read.is_set("tls.client_ca") {
        read.add_error("tls.client_auth", "no client is asked for a certificate without `tls.client_ca`; set it too");
    }
    if !read.names_below("tls").is_empty() {
        for path in ["tls.certificate", "tls.key"].into_iter().filter(|path| !read.is_set(path)).collect::<Vec<_>>() {
            read.add_error(path, "it is not set; TLS needs a certificate and its key");
        }
    }
    let tls = TlsConfig::new(certificate?, key?, client_ca, client_auth)
        .inspect_err(|problem| read.add_error("tls.key", problem));
    let tls = tls.ok()?;
    if tls.expires() <= std::time::SystemTime::now() {
        read.add_warning("tls.certificate: the certificate has expired; clients refuse it".to_owned());
    }
    Some(tls)
}

/// `None` where no collector is set, or an error was added.
fn read_traces(read: &mut Reader<'_>) -> Option<TracesConfig> {
    let endpoint: Option<HttpUrl> = read.get("telemetry.otlp_endpoint");
    if !read.names_below("telemetry").is_empty() && !read.is_set("telemetry.otlp_endpoint") {
        read.add_error("telemetry.otlp_endpoint", "it is not set; traces need a collector");
    }
    if read.is_set("telemetry.otlp_ca_file")
        && endpoint.as_ref().is_some_and(|url| !url.expose().starts_with("https://"))
    {
        read.add_error("telemetry.otlp_ca_file", "the URL of the collector is one without TLS; begin it with `https`");
    }
    let (ca_file, ratio) = (read.get("telemetry.otlp_ca_file"), read.get("telemetry.trace_ratio"));
    Some(TracesConfig { endpoint: endpoint?, ca_file, ratio: ratio? })
}

fn read_log(read: &mut Reader<'_>) -> LogConfig {
    let format: Option<String> = read.get("log.format");
    let format = match format.as_deref() {
        Some("pretty") => LogFormat::Pretty,
        Some("json") => LogFormat::Json,
        _ => LogFormat::Auto,
    };
    LogConfig { format, filter: read.get_or_zero("log.filter") }
}
