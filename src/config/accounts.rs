//! Reads the accounts and the callers.

use secrecy::{ExposeSecret, SecretString};

use super::{Account, Caller, Credentials, reader::Reader};
use amazon_catalog::{Marketplace, creators::Version};

/// All accounts, and no marketplace served by two.
pub(super) fn read_accounts(read: &mut Reader<'_>) -> Vec<Account> {
    let names = read.names_below("accounts");
    if names.is_empty() {
        read.fault("accounts", "no Amazon account is set; add [accounts.main] with its keys and partner tags, or try invented products with `stockroom serve --sandbox`");
    }
    let accounts: Vec<Account> = names.into_iter().filter_map(|name| read_account(read, name)).collect();
    let mut served: Vec<(Marketplace, &str)> = Vec::new();
    for account in &accounts {
        for (marketplace, _) in &account.partner_tags {
            match served.iter().find(|(other, _)| other == marketplace) {
                Some((_, first)) => read.fault(
                    &format!("accounts.{}.partner_tags.{}", account.name, marketplace.code()),
                    format!("account {first} serves this marketplace already; a marketplace has one account"),
                ),
                None => served.push((*marketplace, &account.name)),
            }
        }
    }
    accounts
}

fn read_account(read: &mut Reader<'_>, name: &str) -> Option<Account> {
    let at = |key: &str| format!("accounts.{name}.{key}");
    let partner_tags = by_marketplace(read, &at("partner_tags"));
    if partner_tags.is_empty() && read.names_below(&at("partner_tags")).is_empty() {
        read.fault(
            &at("partner_tags"),
            "none is set; give one for each marketplace to serve, as { US = \"mytag-20\" }",
        );
    }
    let credentials = read_credentials(read, name, &partner_tags);
    Some(Account {
        name: name.to_owned(),
        partner_tags,
        calls_per_second: read.rate(&at("calls_per_second")),
        calls_per_day: read.count(&at("calls_per_day")).unwrap_or_default(),
        endpoint: read.url(&at("endpoint")),
        ca_file: read.file(&at("ca_file")),
        proxy: read.url(&at("proxy")),
        connect_timeout: read.duration(&at("connect_timeout")),
        timeout: read.duration(&at("timeout")),
        max_body_bytes: read.count(&at("max_body")).unwrap_or_default(),
        queue_capacity: read.count(&at("queue_capacity")).unwrap_or_default(),
        content_notice_entities: by_marketplace(read, &at("content_notice_entities")),
        credentials: credentials?,
    })
}

/// The keys that one protocol has and the other has not.
const CREATORS_KEYS: [&str; 6] = [
    "credential_id",
    "credential_id_file",
    "credential_secret",
    "credential_secret_file",
    "credential_version",
    "token_endpoint",
];
const PAAPI5_KEYS: [&str; 4] = ["access_key", "access_key_file", "secret_key", "secret_key_file"];

fn read_credentials(read: &mut Reader<'_>, name: &str, served: &[(Marketplace, String)]) -> Option<Credentials> {
    let at = |key: &str| format!("accounts.{name}.{key}");
    let protocol = read.text(&at("protocol"))?;
    let (other, foreign): (_, &[&str]) =
        if protocol == "creators" { ("paapi5", &PAAPI5_KEYS) } else { ("creators", &CREATORS_KEYS) };
    let written: Vec<_> = foreign.iter().filter(|key| read.written(&at(key)).is_some()).collect();
    if !written.is_empty() {
        for key in written {
            let fault =
                format!("is for protocol = \"{other}\", and this account's is \"{protocol}\"; change one of the two");
            read.fault(&at(key), fault);
        }
        return None;
    }
    if protocol == "creators" {
        return read_creators(read, name, served);
    }
    let (access_key, secret_key) = (read.secret(&at("access_key")), read.secret(&at("secret_key")));
    Some(Credentials::Paapi5 { access_key: access_key?.expose_secret().to_owned(), secret_key: secret_key? })
}

fn read_creators(read: &mut Reader<'_>, name: &str, served: &[(Marketplace, String)]) -> Option<Credentials> {
    let at = |key: &str| format!("accounts.{name}.{key}");
    let (id, secret) = (read.secret(&at("credential_id")), read.secret(&at("credential_secret")));
    let version = read.text(&at("credential_version"));
    if version.is_none() && read.written(&at("credential_version")).is_none() {
        read.fault(&at("credential_version"), "is not set; it stands beside the credential, as 2.1 or 3.2");
    }
    let version = Version::parse(&version?).ok()?;
    for (marketplace, _) in served.iter().filter(|(served, _)| served.region_group() != version.region_group()) {
        let (code, group) = (marketplace.code(), marketplace.region_group());
        let fault =
            format!("a credential of version {version} is for {}, and {code} is in {group}", version.region_group());
        read.fault(&at("credential_version"), fault);
    }
    let token_endpoint = read.url(&at("token_endpoint"));
    Some(Credentials::Creators {
        credential_id: id?.expose_secret().to_owned(),
        credential_secret: secret?,
        version,
        token_endpoint,
    })
}

/// The texts below a path, whose keys are marketplaces.
fn by_marketplace(read: &mut Reader<'_>, path: &str) -> Vec<(Marketplace, String)> {
    let codes = read.names_below(path);
    let pairs = codes.into_iter().filter_map(|code| {
        let text = read.text(&format!("{path}.{code}"))?;
        Some((Marketplace::parse(code)?, text))
    });
    pairs.collect()
}

/// All callers, no two of which have the same token.
pub(super) fn read_callers(read: &mut Reader<'_>) -> Vec<Caller> {
    let mut callers: Vec<Caller> = Vec::new();
    for name in read.names_below("callers") {
        let at = |key: &str| format!("callers.{name}.{key}");
        let token = read.secret(&at("token"));
        let same =
            |token: &SecretString| callers.iter().find(|caller| caller.token.expose_secret() == token.expose_secret());
        if let Some(first) = token.as_ref().and_then(same) {
            read.fault(&at("token"), format!("caller {} has the same token; each needs its own", first.name));
        }
        let (admin, calls_per_day) = (read.flag(&at("admin")), read.count(&at("calls_per_day")));
        let weight = read.rate(&at("weight"));
        callers.extend(token.map(|token| Caller { name: name.to_owned(), token, admin, calls_per_day, weight }));
    }
    callers
}
