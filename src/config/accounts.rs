//! Reads the accounts and the callers.

use secrecy::{ExposeSecret, SecretString};

use super::{AccountConfig, CallerConfig, Credentials, reader::Reader};
use amazon_catalog::{Marketplace, creators::Version};

/// Reads all accounts. A marketplace that two accounts serve is an error.
pub(super) fn read_accounts(read: &mut Reader<'_>) -> Vec<AccountConfig> {
    let names = read.names_below("accounts");
    if names.is_empty() {
        read.add_error("accounts", "no Amazon account is configured; add [accounts.main] with its keys and partner tags, or try invented products with `stockroom serve --sandbox`");
    }
    let accounts: Vec<AccountConfig> = names.into_iter().map(|name| read_account(read, name)).collect();
    let mut served: Vec<(Marketplace, &str)> = Vec::new();
    for account in &accounts {
        for (marketplace, _) in &account.partner_tags {
            match served.iter().find(|(other, _)| other == marketplace) {
                Some((_, first)) => read.add_error(
                    &format!("accounts.{}.partner_tags.{}", account.name, marketplace.code()),
                    format!("account {first} already serves this marketplace; only one account may"),
                ),
                None => served.push((*marketplace, &account.name)),
            }
        }
    }
    accounts
}

/// With wrong credentials the account has empty ones, which nobody uses: a configuration with errors is refused. Its
/// marketplaces are then known to the checks of other keys.
fn read_account(read: &mut Reader<'_>, name: &str) -> AccountConfig {
    let at = |key: &str| format!("accounts.{name}.{key}");
    let partner_tags = by_marketplace(read, &at("partner_tags"));
    if partner_tags.is_empty() && read.names_below(&at("partner_tags")).is_empty() {
        read.add_error(
            &at("partner_tags"),
            "it is not set; give one tag for each marketplace to serve, as { US = \"mytag-20\" }",
        );
    }
    let credentials = read_credentials(read, name, &partner_tags);
    let none = || Credentials::Paapi5 { access_key: String::new(), secret_key: SecretString::default() };
    AccountConfig {
        name: name.to_owned(),
        partner_tags,
        calls_per_second: read.get_or_zero(&at("calls_per_second")),
        calls_per_day: read.get_or_zero(&at("calls_per_day")),
        endpoint: read.get(&at("endpoint")),
        ca_file: read.get(&at("ca_file")),
        proxy: read.get(&at("proxy")),
        connect_timeout: read.get_or_zero(&at("connect_timeout")),
        timeout: read.get_or_zero(&at("timeout")),
        max_body_bytes: read.get_or_zero(&at("max_body")),
        queue_capacity: read.get_or_zero(&at("queue_capacity")),
        content_notice_entities: by_marketplace(read, &at("content_notice_entities")),
        credentials: credentials.unwrap_or_else(none),
    }
}

/// The keys that only one of the protocols has.
const CREATORS_KEYS: [&str; 6] = [
    "credential_id",
    "credential_id_file",
    "credential_secret",
    "credential_secret_file",
    "credential_version",
    "token_endpoint",
];
const PAAPI5_KEYS: [&str; 4] = ["access_key", "access_key_file", "secret_key", "secret_key_file"];

/// `None` only if an error was added. Keys of the other protocol are the only errors then: which ones to keep is not known.
fn read_credentials(read: &mut Reader<'_>, name: &str, served: &[(Marketplace, String)]) -> Option<Credentials> {
    let at = |key: &str| format!("accounts.{name}.{key}");
    let protocol: String = read.get(&at("protocol"))?;
    let (other, foreign): (_, &[&str]) =
        if protocol == "creators" { ("paapi5", &PAAPI5_KEYS) } else { ("creators", &CREATORS_KEYS) };
    let written: Vec<_> = foreign.iter().filter(|key| read.is_set(&at(key))).collect();
    if !written.is_empty() {
        for key in written {
            let problem = format!(
                "it belongs to protocol = \"{other}\", and this account has \"{protocol}\"; change one of the two"
            );
            read.add_error(&at(key), problem);
        }
        return None;
    }
    if protocol == "creators" {
        return read_creators(read, name, served);
    }
    let access_key: Option<SecretString> = read.required_or_file(&at("access_key"));
    let secret_key = read.required_or_file(&at("secret_key"));
    Some(Credentials::Paapi5 { access_key: access_key?.expose_secret().to_owned(), secret_key: secret_key? })
}

fn read_creators(read: &mut Reader<'_>, name: &str, served: &[(Marketplace, String)]) -> Option<Credentials> {
    let at = |key: &str| format!("accounts.{name}.{key}");
    let id: Option<SecretString> = read.required_or_file(&at("credential_id"));
    let secret = read.required_or_file(&at("credential_secret"));
    let token_endpoint = read.get(&at("token_endpoint"));
    let version: Option<Version> = read.get(&at("credential_version"));
    if version.is_none() && !read.is_set(&at("credential_version")) {
        read.add_error(
            &at("credential_version"),
            "it is not set; Amazon prints it beside the credential, as 2.1 or 3.2",
        );
    }
    let version = version?;
    for (marketplace, _) in served.iter().filter(|(served, _)| served.region_group() != version.region_group()) {
        let (code, group) = (marketplace.code(), marketplace.region_group());
        let problem =
            format!("a credential of version {version} is for {}, and {code} is in {group}", version.region_group());
        read.add_error(&at("credential_version"), problem);
    }
    Some(Credentials::Creators {
        credential_id: id?.expose_secret().to_owned(),
        credential_secret: secret?,
        version,
        token_endpoint,
    })
}

/// Reads the texts below a path whose last part is a marketplace.
fn by_marketplace(read: &mut Reader<'_>, path: &str) -> Vec<(Marketplace, String)> {
    let codes = read.names_below(path);
    let pairs = codes.into_iter().filter_map(|code| {
        let text = read.get(&format!("{path}.{code}"))?;
        Some((Marketplace::parse(code)?, text))
    });
    pairs.collect()
}

/// Reads all callers. Two callers with the same token are an error.
pub(super) fn read_callers(read: &mut Reader<'_>) -> Vec<CallerConfig> {
    let mut callers: Vec<CallerConfig> = Vec::new();
    for name in read.names_below("callers") {
        let at = |key: &str| format!("callers.{name}.{key}");
        let identities: Vec<String> = read.get(&at("identities")).unwrap_or_default();
        let token: Option<SecretString> = match read.is_set(&at("identities")) {
            true => read.get_or_file(&at("token")),
            false => read.required_or_file(&at("token")),
        };
        for identity in &identities {
            if let Some(first) = callers.iter().find(|caller| caller.identities.contains(identity)) {
                let problem = format!("caller {} has {identity} as well; each needs its own", first.name);
                read.add_error(&at("identities"), problem);
            }
        }
        let previous_token: Option<SecretString> = read.get_or_file(&at("previous_token"));
        for (key, token) in [("token", &token), ("previous_token", &previous_token)] {
            let Some(token) = token else { continue };
            let has = |caller: &&CallerConfig| {
                let theirs = [&caller.token, &caller.previous_token];
                theirs.into_iter().flatten().any(|other| other.expose_secret() == token.expose_secret())
            };
            if let Some(first) = callers.iter().find(has) {
                let written_at = read.written_at(&at(key));
                read.add_error(&written_at, format!("caller {} has the same token; each needs its own", first.name));
            }
        }
        let (admin, calls_per_day) = (read.get_or_zero(&at("admin")), read.get(&at("calls_per_day")));
        let weight = read.get_or_zero(&at("weight"));
        // Without a token and identities there is an error, so the caller is never used.
        callers.push(CallerConfig {
            name: name.to_owned(),
            token,
            previous_token,
            identities,
            admin,
            calls_per_day,
            weight,
        });
    }
    callers
}
