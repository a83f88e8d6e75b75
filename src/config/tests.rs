//! The configuration as its users meet it.

use std::ffi::OsString;

use super::*;

mod effective;
mod errors;
mod reload;
mod sources;

const ACCOUNT: &str = r#"
[accounts.main]
access_key = "AKEXAMPLE"
secret_key = "hush-hush"
protocol = "paapi5"
partner_tags = { US = "demo-20", UK = "demo-21" }
"#;

fn settings(toml: &str) -> Settings {
    Settings::default().file("stockroom.toml", toml)
}

fn variables(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    pairs.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))).collect()
}

fn errors(settings: &Settings) -> Vec<String> {
    Config::from_settings(settings).unwrap_err().0.iter().map(ToString::to_string).collect()
}

fn account_in_variables() -> Vec<(OsString, OsString)> {
    variables(&[
        ("STOCKROOM_ACCOUNTS__MAIN__ACCESS_KEY", "AKEXAMPLE"),
        ("STOCKROOM_ACCOUNTS__MAIN__PROTOCOL", "paapi5"),
        ("STOCKROOM_ACCOUNTS__MAIN__SECRET_KEY", "hush-hush"),
        ("STOCKROOM_ACCOUNTS__MAIN__PARTNER_TAGS__US", "demo-20"),
        ("STOCKROOM_ACCOUNTS__MAIN__PARTNER_TAGS__UK", "demo-21"),
    ])
}
