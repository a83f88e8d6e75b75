//! What is shown of a configuration.

use super::*;

#[test]
fn what_the_effective_configuration_hides_is_no_value() {
    let copied = format!("{ACCOUNT}[callers.web]\ntoken = \"(hidden)\"\n[redis]\nurl = \"redis://(hidden)@h\"\n");
    let found = errors(&settings(&copied));
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|error| error.contains("prints in place of a secret")), "{found:#?}");
}

#[test]
fn no_secret_is_ever_shown() {
    let good =
        format!("{ACCOUNT}proxy = \"http://me:hush-hush@proxy.example\"\n[callers.web]\ntoken = \"hush-hush\"\n");
    let settings_of = |toml: &str| settings(toml).environment(variables(&[]));
    let bad = good.replace("hush-hush", "hush-hush and more") + "tokn = \"hush-hush\"\n";
    let unfinished = "[callers.web]\ntoken = \"hush-hush\n";
    let (config, effective) = Config::with_effective(&settings_of(&good)).unwrap();
    // A Redis URL without its `@`, and URLs at keys of other kinds.
    let misplaced = "listen = \"redis://:hush@h\"\n[redis]\nurl = \"redis://:hush/1\"\nurl_file = \"hush@h\"\n\
                     [callers.a]\ntoken_file = \"hush\"\n";
    let pasted = "'''-----BEGIN PRIVATE KEY-----\nhush'''";
    let misplaced = format!(
        "{misplaced}[accounts.main]\nendpoint = \"me:hush@h\"\nca_file = {pasted}\n[tls]\ncertificate = {pasted}\n\
         key = {pasted}\nclient_ca = {pasted}\n"
    );
    let shown = [
        format!("{config:?}"),
        format!("{effective:?}"),
        Config::from_settings(&settings_of(&misplaced)).unwrap_err().to_string(),
        Config::with_effective(&settings_of(&good)).unwrap().1.to_toml(),
        format!("{:?}", settings_of(&good)),
        Config::from_settings(&settings_of(&bad)).unwrap_err().to_string(),
        Config::from_settings(&settings_of(unfinished)).unwrap_err().to_string(),
    ];
    for text in shown {
        assert!(!text.contains("hush") && !text.contains("AKEXAMPLE"), "{text}");
    }
}

#[test]
fn the_effective_configuration_is_toml_with_the_origin_of_each_value() {
    let settings =
        settings(&format!("{ACCOUNT}[cache]\nceiling = \"1h\"\n")).flag("listen", "--listen", Some("127.0.0.1:0"));
    let effective = Config::with_effective(&settings).unwrap().1;
    let text = effective.to_toml();
    assert!(text.parse::<toml::Table>().is_ok(), "{text}");
    for line in [
        "listen = \"127.0.0.1:0\" # flag --listen",
        "secret_key = \"(hidden)\" # stockroom.toml:4",
        "partner_tags.UK = \"demo-21\" # stockroom.toml:6",
        "# proxy = (not set)",
        "offers_fresh = \"50m\" # default",
        "offers_stale = \"1h\" # derived from cache.ceiling",
        "default_marketplace = \"US\" # derived from accounts",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
}

#[test]
fn the_effective_configuration_as_json_nests_settings_and_names_origins() {
    let settings = settings(ACCOUNT).flag("listen", "--listen", Some("127.0.0.1:0"));
    let json = Config::with_effective(&settings).unwrap().1.to_json();
    assert_eq!(json["settings"]["listen"], "127.0.0.1:0");
    assert_eq!(json["settings"]["accounts"]["main"]["partner_tags"]["UK"], "demo-21");
    assert_eq!(json["settings"]["accounts"]["main"]["secret_key"], "(hidden)");
    assert_eq!(json["settings"]["replicas"], 1);
    assert_eq!(json["origins"]["accounts.main.secret_key"], "stockroom.toml:4");
    assert_eq!(json["origins"]["listen"], "flag --listen");
    assert_eq!(json["origins"]["cache.memory"], "default");
}
