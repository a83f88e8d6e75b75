//! What a reload changes.

use super::*;

#[test]
fn a_change_is_found_in_files_too_and_says_when_it_takes_effect() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let effective = |token: &str, toml: String| {
        std::fs::write(&file, token).unwrap();
        let callers = format!("[callers.web]\ntoken_file = {:?}\n", file.display().to_string());
        Config::with_effective(&settings(&(toml + &callers))).unwrap().1
    };
    let running = effective("before", ACCOUNT.to_owned());
    let changes = |newer: &Effective| {
        let changes = running.changes(newer).into_iter();
        changes.map(|change| format!("{} {:?}", change.key, change.takes_effect)).collect::<Vec<_>>()
    };
    assert_eq!(changes(&effective("before", ACCOUNT.to_owned())), [""; 0]);
    assert_eq!(changes(&effective("after", ACCOUNT.to_owned())), ["callers.web.token_file OnReload"]);
    let other_keys = ACCOUNT.replace("hush-hush", "other");
    assert_eq!(changes(&effective("before", other_keys)), ["accounts.main.secret_key OnReload"]);
    let other_tag = ACCOUNT.replace("demo-21", "other-21");
    assert_eq!(changes(&effective("before", other_tag)), ["accounts.main.partner_tags.UK OnRestart"]);
    let more = format!("listen = \"127.0.0.1:7\"\nreplicas = 2\n{ACCOUNT}");
    assert_eq!(changes(&effective("before", more)), ["listen OnRestart", "replicas OnRestart"]);
}

#[test]
fn what_needs_a_restart_stays_reported_after_a_reload() {
    let effective = |more: &str| Config::with_effective(&settings(&format!("{more}{ACCOUNT}"))).unwrap().1;
    let mut running = effective("");
    let newer = || effective("replicas = 2\nlog.filter = \"debug\"\n");
    running.adopt_live(newer());
    let changes: Vec<String> = running.changes(&newer()).into_iter().map(|change| change.key).collect();
    assert_eq!(changes, ["replicas"]);
}

#[test]
fn the_keys_of_an_account_that_does_not_run_wait_for_the_restart() {
    let effective = |toml: &str| Config::with_effective(&settings(toml)).unwrap().1;
    let added = "[accounts.new]\nprotocol = \"paapi5\"\naccess_key = \"A\"\nsecret_key = \"s\"\npartner_tags = { DE = \"demo-22\" }\n";
    let other_protocol = ACCOUNT
        .replace("access_key = \"AKEXAMPLE\"", "credential_id = \"id\"\ncredential_version = \"2.1\"")
        .replace("secret_key", "credential_secret")
        .replace("\"paapi5\"", "\"creators\"")
        .replace(", UK = \"demo-21\"", "");
    for newer in [format!("{ACCOUNT}{added}"), other_protocol] {
        let mut running = effective(ACCOUNT);
        let before = running.to_toml();
        let changes = running.changes(&effective(&newer));
        assert!(
            !changes.is_empty() && changes.iter().all(|it| it.takes_effect == TakesEffect::OnRestart),
            "{changes:?}"
        );
        running.adopt_live(effective(&newer));
        assert_eq!(running.to_toml(), before, "no mixture of two accounts");
    }
}

#[test]
fn a_credential_of_another_version_waits_for_the_restart_as_a_whole() {
    let effective = |id: &str, version: &str| {
        let toml = format!(
            "[accounts.main]\ncredential_id = \"{id}\"\ncredential_secret = \"hush-hush\"\n\
             credential_version = \"{version}\"\npartner_tags = {{ US = \"demo-20\" }}\n"
        );
        Config::with_effective(&settings(&toml)).unwrap().1
    };
    let live = |newer: &Effective| {
        let changes = effective("one", "2.1").changes(newer).into_iter();
        changes.map(|change| (change.key, change.takes_effect == TakesEffect::OnReload)).collect::<Vec<_>>()
    };
    let (id, version) = ("accounts.main.credential_id".to_owned(), "accounts.main.credential_version".to_owned());
    assert_eq!(live(&effective("other", "2.1")), [(id.clone(), true)]);
    assert_eq!(live(&effective("other", "3.1")), [(id, false), (version, false)]);
}
