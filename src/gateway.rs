//! Builds the floors below the server from the configuration: each account's way to Amazon, the dispatcher, the cache and
//! the catalog over them.

use std::{fs, io, path::PathBuf, sync::Arc};

use crate::{
    amazon::{BuildError, Upstream, paapi5},
    cache::Cache,
    catalog::Catalog,
    config::{Account, Config, Credentials},
    dispatch::{Dispatch, Options, Shelf},
};

/// Why the floors could not be built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A certificate authority's file could not be read.
    #[error("accounts.{account}.ca_file: {path} cannot be read")]
    CaFile {
        /// The account.
        account: String,
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The HTTP client of an account could not be built.
    #[error("accounts.{account}: the way to Amazon cannot be built")]
    Upstream {
        /// The account.
        account: String,
        /// Why not.
        #[source]
        source: BuildError,
    },
}

/// Builds the catalog that a configuration describes. Starts a task for each account, so it needs a runtime.
pub fn build(config: &Config) -> Result<Catalog, Error> {
    let cache = Arc::new(Cache::new(&config.cache));
    let accounts = config.accounts.iter().map(|account| options(account, &cache)).collect::<Result<_, _>>()?;
    Ok(Catalog::new(cache, Dispatch::start(accounts)))
}

fn options(account: &Account, cache: &Arc<Cache>) -> Result<Options, Error> {
    Ok(Options {
        name: account.name.clone(),
        marketplaces: account.partner_tags.iter().map(|(marketplace, _)| *marketplace).collect(),
        calls_per_second: account.calls_per_second,
        calls_per_day: account.calls_per_day,
        timeout: account.timeout,
        queue_capacity: account.queue_capacity,
        upstream: upstream(account)?,
        shelf: Arc::clone(cache) as Arc<dyn Shelf>,
    })
}

fn upstream(account: &Account) -> Result<Arc<dyn Upstream>, Error> {
    let ca_pem = match &account.ca_file {
        Some(path) => Some(fs::read(path).map_err(|source| Error::CaFile {
            account: account.name.clone(),
            path: path.clone(),
            source,
        })?),
        None => None,
    };
    match &account.credentials {
        Credentials::Paapi5 { access_key, secret_key } => {
            let client = paapi5::Client::new(paapi5::Options {
                access_key: access_key.clone(),
                secret_key: secret_key.clone(),
                partner_tags: account.partner_tags.iter().cloned().collect(),
                endpoint: account.endpoint.clone(),
                ca_pem,
                proxy: account.proxy.clone(),
                connect_timeout: account.connect_timeout,
                max_body_bytes: account.max_body_bytes,
            });
            let client = client.map_err(|source| Error::Upstream { account: account.name.clone(), source })?;
            Ok(Arc::new(client))
        }
    }
}
