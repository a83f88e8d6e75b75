//! What differs between the configuration that runs and one that was read again.

use std::collections::{BTreeMap, BTreeSet};

use secrecy::ExposeSecret;

use super::{Config, Credentials, Settings};

/// The keys of an account that a running gateway takes over.
const ROTATED: [&str; 8] = [
    "access_key",
    "access_key_file",
    "secret_key",
    "secret_key_file",
    "credential_id",
    "credential_id_file",
    "credential_secret",
    "credential_secret_file",
];

/// The keys that a newer configuration sets otherwise and that take effect after a restart only, in order.
///
/// Settings are compared as they were written, and the secrets beside accounts' also as they were read from their files.
pub fn needing_restart(running: (&Settings, &Config), newer: (&Settings, &Config)) -> Vec<String> {
    let mut keys = differing(&running.0.texts(), &newer.0.texts());
    keys.retain(|key| !is_rotated(key));
    keys.extend(differing(&secrets(running.1), &secrets(newer.1)));
    keys.into_iter().collect()
}

impl Credentials {
    /// Whether both prove the same to the same API, secrets and all.
    pub fn is_same(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }

    fn parts(&self) -> (Option<&str>, &str, &str) {
        match self {
            Self::Paapi5 { access_key, secret_key } => (None, access_key, secret_key.expose_secret()),
            Self::Creators { credential_id, credential_secret, version, .. } => {
                (Some(version.name()), credential_id, credential_secret.expose_secret())
            }
        }
    }
}

fn is_rotated(key: &str) -> bool {
    let parts: Vec<&str> = key.split('.').collect();
    matches!(parts.as_slice(), ["accounts", _, last] if ROTATED.contains(last))
}

fn secrets(config: &Config) -> BTreeMap<String, String> {
    let tokens = config.callers.iter().map(|caller| (format!("callers.{}.token", caller.name), &caller.token));
    let url = config.redis.iter().map(|redis| ("redis.url".to_owned(), &redis.url));
    tokens.chain(url).map(|(key, secret)| (key, secret.expose_secret().to_owned())).collect()
}

fn differing(one: &BTreeMap<String, String>, other: &BTreeMap<String, String>) -> BTreeSet<String> {
    one.keys().chain(other.keys()).filter(|key| one.get(*key) != other.get(*key)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: &str = "[accounts.main]\nprotocol = \"paapi5\"\naccess_key = \"a\"\nsecret_key = \"b\"\npartner_tags.US = \"demo-20\"\n";

    fn read(text: &str) -> (Settings, Config) {
        let settings = Settings::default().file("stockroom.toml", text);
        let config = Config::from_settings(&settings).unwrap();
        (settings, config)
    }

    fn keys(newer: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        let text = |account: &str, more: &str| {
            format!("{more}{account}[callers.web]\ntoken_file = {:?}\n", file.display().to_string())
        };
        std::fs::write(&file, "before").unwrap();
        let running = read(&text(ACCOUNT, ""));
        if newer == "another token" {
            std::fs::write(&file, "after").unwrap();
        }
        let newer = match newer {
            "another token" => read(&text(ACCOUNT, "")),
            "other keys" => read(&text(&ACCOUNT.replace("\"a\"", "\"x\"").replace("\"b\"", "\"y\""), "")),
            "another tag" => read(&text(&ACCOUNT.replace("demo-20", "other-20"), "")),
            more => read(&text(ACCOUNT, more)),
        };
        needing_restart((&running.0, &running.1), (&newer.0, &newer.1))
    }

    #[test]
    fn everything_but_an_account_s_credentials_needs_a_restart() {
        assert_eq!(keys(""), [""; 0]);
        assert_eq!(keys("other keys"), [""; 0]);
        assert_eq!(keys("another tag"), ["accounts.main.partner_tags.US"]);
        assert_eq!(keys("another token"), ["callers.web.token"]);
        assert_eq!(keys("listen = \"127.0.0.1:7\"\nlog.filter = \"debug\"\n"), ["listen", "log.filter"]);
    }
}
