//! Builds the floors below the server from the configuration: each account's way to Amazon, the dispatcher, the cache and
//! the catalog over them.

use std::sync::Arc;

use crate::{
    cache::Cache,
    catalog::{AnswerStore, Catalog},
    clock::Clock,
    config::{AccountConfig, Config, Credentials},
    dispatch::{AnswerSink, Dispatch, Options, Sharing},
    store::{self, Store},
    telemetry::Tracer,
};
use amazon_catalog::{BuildError, TransportOptions, Upstream, creators, paapi5};

pub use self::credential_rotator::CredentialRotator;
use self::credential_rotator::{RunningAccount, UpstreamClient};

mod credential_rotator;
pub mod preflight;

/// Why the floors could not be built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The HTTP client of an account could not be built.
    #[error("accounts.{account}: the way to Amazon cannot be built")]
    Upstream {
        /// The account.
        account: String,
        /// Why not.
        #[source]
        source: BuildError,
    },
    /// The client of the shared Redis could not be built.
    #[error(transparent)]
    Redis(#[from] store::OpenError),
}

/// Builds the catalog that a configuration describes. Starts a task for each account, so it needs a runtime.
pub fn build(config: &Config) -> Result<Catalog, Error> {
    rotatable(config, Tracer::default()).map(|(catalog, _)| catalog)
}

/// Builds the catalog, and the handle by which the accounts' credentials can be rotated.
pub fn rotatable(config: &Config, tracer: Tracer) -> Result<(Catalog, CredentialRotator), Error> {
    let store = config.redis.as_ref().map(Store::open).transpose()?;
    let cache = Arc::new(cache(config, store.clone()));
    let (mut accounts, mut running) = (Vec::new(), Vec::new());
    for account in &config.accounts {
        let way = way(account)?;
        let options = options(account, way.upstream(), &cache, sharing(config, store.clone()));
        accounts.push(Options { tracer, ..options });
        running.push(RunningAccount { name: account.name.clone(), credentials: account.credentials.clone(), way });
    }
    Ok((Catalog::new(cache, Dispatch::start(accounts)), CredentialRotator(running)))
}

fn cache(config: &Config, store: Option<Store>) -> Cache {
    let Some(store) = store else { return Cache::new(&config.cache) };
    let tags = config.accounts.iter().flat_map(|account| account.partner_tags.iter().cloned());
    Cache::shared(&config.cache, store, tags)
}

fn sharing(config: &Config, store: Option<Store>) -> Sharing {
    Sharing { store, replicas: config.replicas, replica_index: config.replica_index }
}

fn options(account: &AccountConfig, upstream: Arc<dyn Upstream>, cache: &Arc<Cache>, sharing: Sharing) -> Options {
    Options {
        name: account.name.clone(),
        marketplaces: account.partner_tags.iter().map(|(marketplace, _)| *marketplace).collect(),
        calls_per_second: account.calls_per_second,
        calls_per_day: account.calls_per_day,
        timeout: account.timeout,
        queue_capacity: account.queue_capacity,
        upstream,
        answers: Arc::new(AnswerStore::new(Arc::clone(cache))) as Arc<dyn AnswerSink>,
        refresh_queue: cache.refresh_queue(),
        clock: Clock::System,
        sharing,
        tracer: <_>::default(),
    }
}

fn way(account: &AccountConfig) -> Result<UpstreamClient, Error> {
    let ca_pem = account.ca_file.as_ref().map(|file| file.pem().to_vec());
    let partner_tags = account.partner_tags.iter().cloned().collect();
    let transport = TransportOptions {
        endpoint: account.endpoint.as_ref().map(|url| url.expose().to_owned()),
        ca_pem,
        proxy: account.proxy.as_ref().map(|url| url.expose().to_owned()),
        connect_timeout: account.connect_timeout,
        max_body_bytes: account.max_body_bytes,
    };
    let way = match account.credentials.clone() {
        Credentials::Paapi5 { access_key, secret_key } => {
            paapi5::Paapi5Client::new(paapi5::Options { access_key, secret_key, partner_tags, transport })
                .map(|client| UpstreamClient::Paapi5(Arc::new(client)))
        }
        Credentials::Creators { credential_id, credential_secret, version, token_endpoint } => {
            creators::CreatorsClient::new(creators::Options {
                credential_id,
                credential_secret,
                version,
                partner_tags,
                token_endpoint: token_endpoint.map(|url| url.expose().to_owned()),
                transport,
            })
            .map(|client| UpstreamClient::Creators(Arc::new(client)))
        }
    };
    way.map_err(|source| Error::Upstream { account: account.name.clone(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    const PAAPI5: &str = "protocol = \"paapi5\"\naccess_key = \"key\"\nsecret_key = \"secret\"\n";
    const CREATORS: &str = "credential_id = \"id\"\ncredential_secret = \"s\"\ncredential_version = \"v3.1\"\n";

    /// Values that the configuration accepts and that a client of HTTP or Redis could refuse.
    const ACCEPTED: &[(&str, &str)] = &[
        ("proxy = \"http://me:a%20word@proxy.example:3128/\"\n", "url = \"redis://user:p%40ss@[::1]:7000/3\""),
        ("proxy = \"https://[::1]:3128\"\n", "url = \"rediss://h\""),
        ("proxy = \"http://a%zz:b%zz@h\"\n", "url = \"rediss-cluster://:word@a,b:7000\""),
        ("proxy = \"http://@h\"\n", "url = \"redis-sentinel://u:w@a,b/primary/2\""),
        ("proxy = \"http://a_b.example\"\n", "url = \"redis://under_score.example\""),
        ("endpoint = \"http://me:word@h:1/a//b/\"\n", "url = \"redis://:word@h/9223372036854775807\""),
        ("endpoint = \"https://bücher.example/%zz\"\n", "url = \"redis://bücher.example\""),
    ];

    #[tokio::test]
    async fn a_gateway_is_built_from_whatever_the_configuration_accepts() {
        for (account, redis) in ACCEPTED {
            for credentials in [PAAPI5, CREATORS] {
                let tag = "partner_tags.US = \"ä tag\"\n";
                let toml = format!("[accounts.main]\n{credentials}{account}{tag}[redis]\n{redis}\n");
                let config = Config::from_settings(&Settings::default().file("f", &toml)).expect(&toml);
                assert!(build(&config).is_ok(), "{toml}: {:?}", build(&config).err());
            }
        }
    }
}
