//! Rotating credentials: a running account takes others, and nothing else about it changes.

use std::sync::Arc;

use crate::config::{Config, Credentials};
use amazon_catalog::{BuildError, Upstream, creators, paapi5};

/// The running accounts, whose credentials can be rotated.
#[derive(Debug)]
pub struct CredentialRotator(pub(super) Vec<RunningAccount>);

/// A running account.
#[derive(Debug)]
pub(super) struct RunningAccount {
    pub(super) name: String,
    pub(super) credentials: Credentials,
    pub(super) way: UpstreamClient,
}

/// Its way to Amazon.
#[derive(Clone, Debug)]
pub(super) enum UpstreamClient {
    Paapi5(Arc<paapi5::Paapi5Client>),
    Creators(Arc<creators::CreatorsClient>),
}

impl CredentialRotator {
    /// Gives each account the credentials that the configuration has for it, and returns those that differ from those
    /// before, by the account's name. Calls under way keep what they began with.
    ///
    /// An account whose API or credential version has changed stays as it is, and so does one that is gone.
    pub fn rotate(&mut self, config: &Config) -> Vec<(String, Result<(), BuildError>)> {
        let mut rotated = Vec::new();
        for running in &mut self.0 {
            let Some(account) = config.accounts.iter().find(|account| account.name == running.name) else { continue };
            if account.credentials.is_same(&running.credentials) {
                continue;
            }
            if let Some(outcome) = running.way.take(&account.credentials) {
                if outcome.is_ok() {
                    running.credentials = account.credentials.clone();
                }
                rotated.push((running.name.clone(), outcome));
            }
        }
        rotated
    }
}

impl UpstreamClient {
    /// Takes the credentials; `None` where they are for another way.
    fn take(&self, credentials: &Credentials) -> Option<Result<(), BuildError>> {
        match (self, credentials) {
            (Self::Paapi5(client), Credentials::Paapi5 { access_key, secret_key }) => {
                Some(client.rotate(access_key, secret_key))
            }
            (Self::Creators(client), Credentials::Creators { credential_id, credential_secret, version, .. })
                if client.version() == *version =>
            {
                Some(client.rotate(credential_id.clone(), credential_secret.clone()))
            }
            (Self::Paapi5(_) | Self::Creators(_), _) => None,
        }
    }

    pub(super) fn upstream(&self) -> Arc<dyn Upstream> {
        match self {
            Self::Paapi5(client) => Arc::clone(client) as Arc<dyn Upstream>,
            Self::Creators(client) => Arc::clone(client) as Arc<dyn Upstream>,
        }
    }
}
