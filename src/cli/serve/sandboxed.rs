//! The accounts of a gateway whose Amazon is the built-in sandbox.

use clap::ValueEnum;

use crate::config::{Credentials, SandboxAccount};
use amazon_catalog::{Marketplace, creators::Version};

/// What each account may call: Amazon's largest rate, and the day that goes with it.
const CALLS_PER_SECOND: f64 = 10.0;
const CALLS_PER_DAY: u32 = 864_000;

/// The accounts that speak the Creators API: a credential is good for one group of marketplaces.
const CREATORS: [(&str, &str); 3] = [("sandbox-na", "3.1"), ("sandbox-eu", "3.2"), ("sandbox-fe", "3.3")];

/// Which of Amazon's APIs is spoken with the sandbox.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Protocol {
    /// The Product Advertising API 5.0: one account; reviews and Prime among the rest
    Paapi5,
    /// The Creators API: an account for each group of marketplaces; no reviews, no Prime flag
    Creators,
}

impl Protocol {
    /// The accounts, which together serve every marketplace. Where the sandbox is, is not known yet.
    pub(super) fn accounts(self) -> Vec<SandboxAccount> {
        match self {
            Self::Paapi5 => {
                let credentials = Credentials::Paapi5 {
                    access_key: amazon_sandbox::ACCESS_KEY.to_owned(),
                    secret_key: amazon_sandbox::SECRET_KEY.into(),
                };
                vec![account("sandbox", credentials, |_| true)]
            }
            Self::Creators => CREATORS.into_iter().filter_map(|(name, version)| creators(name, version)).collect(),
        }
    }
}

/// A sandbox for so many accounts: it is the Amazon of all of them, and counts them as one.
pub(super) fn options(accounts: usize) -> amazon_sandbox::Options {
    let accounts = u32::try_from(accounts).unwrap_or(1);
    amazon_sandbox::Options {
        calls_per_second: CALLS_PER_SECOND * f64::from(accounts),
        calls_per_day: CALLS_PER_DAY.saturating_mul(accounts),
        ..amazon_sandbox::Options::default()
    }
}

/// The account of a version that both sides know.
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
        endpoint: String::new(),
        credentials,
        partner_tags: served.map(|marketplace| (marketplace, amazon_sandbox::partner_tag(marketplace))).collect(),
        calls_per_second: CALLS_PER_SECOND,
        calls_per_day: CALLS_PER_DAY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_protocol_serves_every_marketplace_once() {
        for (protocol, names) in
            [(Protocol::Paapi5, vec!["sandbox"]), (Protocol::Creators, vec!["sandbox-na", "sandbox-eu", "sandbox-fe"])]
        {
            let accounts = protocol.accounts();
            assert_eq!(accounts.iter().map(|account| account.name.as_str()).collect::<Vec<_>>(), names);
            let tags = accounts.iter().flat_map(|account| &account.partner_tags);
            let mut served: Vec<_> = tags.map(|(marketplace, _)| marketplace.code()).collect();
            served.sort_unstable();
            let mut all: Vec<_> = Marketplace::all().map(Marketplace::code).collect();
            all.sort_unstable();
            assert_eq!(served, all);
        }
    }
}
