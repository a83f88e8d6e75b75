//! Converts settings into a [`Config`], or into every error that they contain.

use std::time::Duration;

use super::{
    Account, Admin, Cache, Config, ConfigErrors, Credentials, Effective, Log, LogFormat, Redis, RedisUrl, Server,
    Settings,
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
    /// Reads the files that hold secrets and certificate authorities, and no other.
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

    /// The configuration of a gateway whose accounts are a sandbox's. Settings that contain other accounts are refused.
    pub fn for_sandbox(settings: &Settings, accounts: Vec<SandboxAccount>) -> Result<(Self, Effective), ConfigErrors> {
        let mut read = Reader::new(settings);
        if !read.names_below("accounts").is_empty() {
            read.add_error(
                "accounts",
                "accounts are configured, and --sandbox would serve invented products; remove one of the two",
            );
        }
        let config = read_config(&mut read, accounts.into_iter().map(Account::from).collect());
        read.finish(config.map(|config| Self { sandbox: true, ..config }))
    }
}

impl From<SandboxAccount> for Account {
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

/// Reads everything but the accounts. `None` only if an error was added.
fn read_config(read: &mut Reader<'_>, accounts: Vec<Account>) -> Option<Config> {
    let default_marketplace = read_default_marketplace(read, &accounts);
    let listen = read.get("listen");
    let (redis, replicas) = (read_redis(read), read.get("replicas"));
    let (callers, cache, server, log) = (read_callers(read), read_cache(read), read_server(read), read_log(read));
    let admin = Admin { listen: read.get("admin.listen").flatten(), required: read.is_set("admin.listen") };
    Some(Config {
        listen: listen?,
        default_marketplace: default_marketplace?,
        accounts,
        callers,
        cache: cache?,
        server: server?,
        admin,
        log,
        redis,
        replicas: replicas?,
        sandbox: false,
    })
}

fn read_default_marketplace(read: &mut Reader<'_>, accounts: &[Account]) -> Option<Marketplace> {
    let served: Vec<Marketplace> =
        accounts.iter().flat_map(|account| &account.partner_tags).map(|(marketplace, _)| *marketplace).collect();
    let named: Option<Marketplace> = read.get("default_marketplace");
    let Some(named) = named else {
        let chosen = served.iter().find(|marketplace| marketplace.code() == "US").or(served.first()).copied()?;
        read.set_derived("default_marketplace", Value::Marketplace(chosen));
        return Some(chosen);
    };
    if !served.is_empty() && !served.contains(&named) {
        let codes: Vec<&str> = served.iter().map(|marketplace| marketplace.code()).collect();
        read.add_error("default_marketplace", format!("no account serves it; served are {}", codes.join(", ")));
    }
    Some(named)
}

fn read_cache(read: &mut Reader<'_>) -> Option<Cache> {
    let memory_bytes = read.get("cache.memory");
    let ceiling = read.get("cache.ceiling");
    let offers_stale = read.duration_up_to("cache.offers_stale", "cache.ceiling", ceiling);
    let offers_fresh = read.duration_up_to("cache.offers_fresh", "cache.offers_stale", offers_stale);
    let catalog_fresh = read.duration_up_to("cache.catalog_fresh", "cache.ceiling", ceiling);
    Some(Cache {
        memory_bytes: memory_bytes?,
        offers_fresh: offers_fresh?,
        catalog_fresh: catalog_fresh?,
        offers_stale: offers_stale?,
        ceiling: ceiling?,
    })
}

fn read_redis(read: &mut Reader<'_>) -> Option<Redis> {
    let url: Option<RedisUrl> =
        if read.names_below("redis").is_empty() { read.get("redis.url") } else { read.required("redis.url") };
    let (prefix, timeout) = (read.get("redis.prefix"), read.get_or_zero("redis.timeout"));
    let ca_file = read.get("redis.ca_file");
    Some(Redis { url: url?, prefix: prefix?, timeout, ca_file })
}

fn read_server(read: &mut Reader<'_>) -> Option<Server> {
    let max_deadline = read.get("server.max_deadline");
    let default_deadline = read.duration_up_to("server.default_deadline", "server.max_deadline", max_deadline);
    Some(Server {
        default_deadline: default_deadline?,
        max_deadline: max_deadline?,
        max_concurrent_calls: read.get_or_zero("server.max_concurrent_calls"),
        max_connections: read.get_or_zero("server.max_connections"),
        drain: read.get_or_zero("server.drain"),
        lame_duck: read.get_or_zero("server.lame_duck"),
        reflection: read.get_or_zero("server.reflection"),
        admin_open: read.get_or_zero("server.admin_open"),
    })
}

fn read_log(read: &mut Reader<'_>) -> Log {
    let format: Option<String> = read.get("log.format");
    let format = match format.as_deref() {
        Some("pretty") => LogFormat::Pretty,
        Some("json") => LogFormat::Json,
        _ => LogFormat::Auto,
    };
    Log { format, filter: read.get_or_zero("log.filter") }
}
