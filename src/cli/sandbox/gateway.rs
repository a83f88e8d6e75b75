//! The sandbox as the upstream of `stockroom serve --sandbox`: its accounts, and the sandbox itself.

use std::net::SocketAddr;

use super::Protocol;
use crate::{
    cli::{exit::Failure, serve::bind},
    config::{Config, Credentials, HttpUrl, SandboxAccount},
};
use amazon_catalog::{Marketplace, creators::Version};
use amazon_sandbox::{Sandbox, examples};

/// What each account may call: Amazon's highest rate, and the daily quota that belongs to it.
const CALLS_PER_SECOND: f64 = 10.0;
const CALLS_PER_DAY: u32 = 864_000;

/// The accounts that speak the Creators API: one credential serves one group of marketplaces.
const CREATORS: [(&str, &str); 3] = [("sandbox-na", "3.1"), ("sandbox-eu", "3.2"), ("sandbox-fe", "3.3")];

/// The ASINs that the greeting of `serve --sandbox` names.
pub(in crate::cli) const EXAMPLE_ASINS: Option<[&str; 2]> = {
    let [first, second, ..] = examples::HEADPHONES;
    Some([first, second])
};

/// The accounts, which together serve every marketplace. [`start`] sets their endpoint.
pub(in crate::cli) fn accounts(protocol: Protocol) -> Result<Vec<SandboxAccount>, Failure> {
    Ok(match protocol {
        Protocol::Paapi5 => {
            let credentials = Credentials::Paapi5 {
                access_key: amazon_sandbox::ACCESS_KEY.to_owned(),
                secret_key: amazon_sandbox::SECRET_KEY.into(),
            };
            vec![account("sandbox", credentials, |_| true)]
        }
        Protocol::Creators => CREATORS.into_iter().filter_map(|(name, version)| creators(name, version)).collect(),
    })
}

/// Starts a sandbox on a free port and points every account of the configuration at it.
pub(in crate::cli) async fn start(config: &mut Config) -> Result<Sandbox, Failure> {
    let listener = bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    let options = options(config.accounts.len());
    let sandbox = Sandbox::start(listener, options).await.map_err(Failure::local("the sandbox cannot start"))?;
    // An account without an endpoint would call Amazon.
    let no_url = || Failure::local("the sandbox cannot be called")(format!("{} is not a URL", sandbox.url()));
    let endpoint = HttpUrl::parse(&sandbox.url()).ok_or_else(no_url)?;
    for account in &mut config.accounts {
        account.endpoint = Some(endpoint.clone());
    }
    Ok(sandbox)
}

/// The limits of one sandbox that counts the calls of several accounts together.
fn options(accounts: usize) -> amazon_sandbox::Options {
    let accounts = u32::try_from(accounts).unwrap_or(1);
    amazon_sandbox::Options {
        calls_per_second: CALLS_PER_SECOND * f64::from(accounts),
        calls_per_day: CALLS_PER_DAY.saturating_mul(accounts),
        ..amazon_sandbox::Options::default()
    }
}

/// The account of one credential version; `None` where the sandbox or the client does not know the version.
fn creators(name: &str, version: &str) -> Option<SandboxAccount> {
    let (credential_id, secret) = amazon_sandbox::credential(version)?;
    let version = Version::parse(version).ok()?;
    let credentials =
        Credentials::Creators { credential_id, credential_secret: secret.into(), version, token_endpoint: None };
    Some(account(name, credentials, |marketplace| marketplace.region_group() == version.region_group()))
}

fn account(name: &str, credentials: Credentials, serves: impl Fn(Marketplace) -> bool) -> SandboxAccount {
    let served = Marketplace::all().filter(|marketplace| serves(*marketplace));
    SandboxAccount {
        name: name.to_owned(),
        credentials,
        partner_tags: served.map(|marketplace| (marketplace, amazon_sandbox::partner_tag(marketplace))).collect(),
        calls_per_second: CALLS_PER_SECOND,
        calls_per_day: CALLS_PER_DAY,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, settings::Environment};

    #[test]
    fn either_protocol_serves_every_marketplace_once() {
        for (protocol, names) in
            [(Protocol::Paapi5, vec!["sandbox"]), (Protocol::Creators, vec!["sandbox-na", "sandbox-eu", "sandbox-fe"])]
        {
            let accounts = accounts(protocol).unwrap();
            assert_eq!(accounts.iter().map(|account| account.name.as_str()).collect::<Vec<_>>(), names);
            let tags = accounts.iter().flat_map(|account| &account.partner_tags);
            let mut served: Vec<_> = tags.map(|(marketplace, _)| marketplace.code()).collect();
            served.sort_unstable();
            let mut all: Vec<_> = Marketplace::all().map(Marketplace::code).collect();
            all.sort_unstable();
            assert_eq!(served, all);
        }
    }
    #[tokio::test]
    async fn the_sandbox_beside_accounts_of_amazon_s_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("account.toml");
        let account = "[accounts.main]\naccess_key = \"a\"\nsecret_key = \"b\"\npartner_tags.US = \"demo-20\"\n";
        std::fs::write(&file, account).unwrap();
        let arguments = ["stockroom", "serve", "--sandbox", "--config", file.to_str().unwrap()];
        let command = Cli::try_parse_from(arguments).unwrap().command;
        let failure = Box::pin(command.run(Environment::new())).await.unwrap_err();
        assert_eq!(failure.code(), 64, "{failure}");
    }
}
