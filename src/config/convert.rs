//! Settings become a [`Config`] in one conversion that reports every fault.

use std::time::Duration;

use super::{
    Account, Cache, Config, Credentials, Faults, Log, LogFormat, Redis, Server, Settings,
    accounts::{read_accounts, read_callers},
    reader::Reader,
};
use amazon_catalog::Marketplace;

/// What must be known of a sandbox to use it as an account.
#[derive(Clone, Debug)]
pub struct SandboxAccount {
    /// The account's name.
    pub name: String,
    /// The sandbox's URL.
    pub endpoint: String,
    /// Credentials that it knows, and with them the API that it is to speak.
    pub credentials: Credentials,
    /// The partner tags that it knows.
    pub partner_tags: Vec<(Marketplace, String)>,
    /// The calls a second that it allows.
    pub calls_per_second: f64,
    /// The calls in any 24 hours that it allows.
    pub calls_per_day: u32,
}

impl Config {
    /// Checks the settings and makes them a configuration, or tells everything that is wrong with them.
    ///
    /// Reads the files that hold secrets, and nothing else.
    pub fn from_settings(settings: &Settings) -> Result<Self, Faults> {
        let mut read = Reader::new(settings);
        let accounts = read_accounts(&mut read);
        let config = read_config(&mut read, accounts);
        read.finish(config)
    }

    /// The configuration of a gateway in front of a sandbox, which has all its accounts. Settings that name others are
    /// refused.
    pub fn for_sandbox(settings: &Settings, accounts: Vec<SandboxAccount>) -> Result<Self, Faults> {
        let mut read = Reader::new(settings);
        if !read.names_below("accounts").is_empty() {
            read.fault(
                "accounts",
                "accounts are set, and --sandbox would serve invented products; remove one of the two",
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
            endpoint: Some(account.endpoint),
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

/// Everything but the accounts; `None` only where a fault was noted.
fn read_config(read: &mut Reader<'_>, accounts: Vec<Account>) -> Option<Config> {
    let default_marketplace = read_default_marketplace(read, &accounts);
    let listen = read.address("listen");
    let (redis, replicas) = (read_redis(read), read.count("replicas"));
    let (callers, cache, server, log) = (read_callers(read), read_cache(read), read_server(read), read_log(read));
    Some(Config {
        listen: listen?,
        default_marketplace: default_marketplace?,
        accounts,
        callers,
        cache,
        server,
        log,
        redis,
        replicas: replicas?,
        sandbox: false,
    })
}

fn read_default_marketplace(read: &mut Reader<'_>, accounts: &[Account]) -> Option<Marketplace> {
    let served: Vec<Marketplace> =
        accounts.iter().flat_map(|account| &account.partner_tags).map(|(marketplace, _)| *marketplace).collect();
    let Some(named) = read.marketplace("default_marketplace") else {
        return served.iter().find(|marketplace| marketplace.code() == "US").or(served.first()).copied();
    };
    if !served.is_empty() && !served.contains(&named) {
        let codes: Vec<&str> = served.iter().map(|marketplace| marketplace.code()).collect();
        read.fault("default_marketplace", format!("no account serves it; served are {}", codes.join(", ")));
    }
    Some(named)
}

fn read_cache(read: &mut Reader<'_>) -> Cache {
    let memory_bytes = read.count("cache.memory").unwrap_or_default();
    let ceiling = read.duration("cache.ceiling");
    let offers_stale = read.duration_within("cache.offers_stale", ceiling, "cache.ceiling");
    let offers_fresh = read.duration_within("cache.offers_fresh", offers_stale, "cache.offers_stale");
    let catalog_fresh = read.duration_within("cache.catalog_fresh", ceiling, "cache.ceiling");
    Cache { memory_bytes, offers_fresh, catalog_fresh, offers_stale, ceiling }
}

fn read_redis(read: &mut Reader<'_>) -> Option<Redis> {
    if read.names_below("redis").is_empty() {
        return None;
    }
    let (url, prefix) = (read.secret("redis.url"), read.text("redis.prefix"));
    Some(Redis {
        url: url?,
        prefix: prefix?,
        timeout: read.duration("redis.timeout"),
        ca_file: read.file("redis.ca_file"),
    })
}

fn read_server(read: &mut Reader<'_>) -> Server {
    let max_deadline = read.duration("server.max_deadline");
    Server {
        default_deadline: read.duration_within("server.default_deadline", max_deadline, "server.max_deadline"),
        max_deadline,
        max_concurrent_calls: read.count("server.max_concurrent_calls").unwrap_or_default(),
        max_connections: read.count("server.max_connections").unwrap_or_default(),
        drain: read.duration("server.drain"),
        lame_duck: read.duration("server.lame_duck"),
        reflection: read.flag("server.reflection"),
    }
}

fn read_log(read: &mut Reader<'_>) -> Log {
    let format = match read.text("log.format").as_deref() {
        Some("pretty") => LogFormat::Pretty,
        Some("json") => LogFormat::Json,
        _ => LogFormat::Auto,
    };
    Log { format, filter: read.text("log.filter").unwrap_or_default() }
}
