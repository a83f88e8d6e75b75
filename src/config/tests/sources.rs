//! Files, variables and flags, and what follows from them.

use super::*;

#[test]
fn an_account_is_all_that_must_be_written() {
    let config = Config::from_settings(&settings(ACCOUNT)).unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:50051");
    assert_eq!(config.default_marketplace.code(), "US");
    assert_eq!((config.cache, config.server), (CacheConfig::default(), ServerConfig::default()));
    assert_eq!((config.log, config.replicas), (LogConfig::default(), 1));
    let with_redis = Config::from_settings(&settings(&format!("{ACCOUNT}[redis]\nurl = \"redis://h\"\n"))).unwrap();
    assert_eq!(format!("{:?}", with_redis.redis.unwrap()), format!("{:?}", RedisConfig::at("redis://h").unwrap()));
    let account = &config.accounts[0];
    assert_eq!((account.calls_per_second, account.calls_per_day), (1.0, 8640));
    assert_eq!((account.max_body_bytes, account.queue_capacity), (4 << 20, 1000));
    assert_eq!((account.connect_timeout, account.timeout), (Duration::from_secs(2), Duration::from_secs(5)));
    assert_eq!(account.partner_tags.len(), 2);
}

#[test]
fn a_replica_s_index_is_below_their_number() {
    let index = |lines: &str| Config::from_settings(&settings(&format!("{lines}\n{ACCOUNT}"))).map(|c| c.replica_index);
    assert_eq!(index("replicas = 2").unwrap(), None);
    assert_eq!(index("replicas = 2\nreplica_index = 1").unwrap(), Some(1));
    let wrong = errors(&settings(&format!("replica_index = 1\n{ACCOUNT}")));
    assert!(wrong.len() == 1 && wrong[0].contains("less than `replicas`"), "{wrong:?}");
}

#[test]
fn a_flag_beats_the_environment_and_the_environment_beats_a_file() {
    let toml = format!("listen = \"127.0.0.1:1\"\n{ACCOUNT}[cache]\nmemory = \"1MiB\"\n[log]\nfilter = \"warn\"\n");
    let environment = [
        ("STOCKROOM_LISTEN", "127.0.0.1:2"),
        ("STOCKROOM_CACHE__MEMORY", "2MiB"),
        ("STOCKROOM_ACCOUNTS__MAIN__PARTNER_TAGS__DE", "demo-22"),
        ("STOCKROOM_CALLERS__WEB__TOKEN", "open-sesame"),
        ("HOME", "/"),
    ];
    let settings = settings(&toml).environment(variables(&environment)).flag("listen", "--listen", Some("127.0.0.1:3"));
    let config = Config::from_settings(&settings).unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:3");
    assert_eq!(config.cache.memory_bytes, 2 << 20);
    assert_eq!(config.log.filter, "warn");
    assert_eq!(config.accounts[0].partner_tags.len(), 3);
    assert_eq!(config.callers[0].name, "web");
}

#[test]
fn a_variable_finds_the_name_that_the_file_spelled_otherwise() {
    let toml = ACCOUNT.replace("accounts.main", "accounts.North-America");
    for name in ["STOCKROOM_ACCOUNTS__NORTH_AMERICA__", "STOCKROOM_ACCOUNTS__NORTH-AMERICA__"] {
        let environment = variables(&[(&format!("{name}CALLS_PER_SECOND"), "2.5")]);
        let config = Config::from_settings(&settings(&toml).environment(environment)).unwrap();
        assert_eq!(config.accounts.len(), 1, "{name}");
        assert_eq!(config.accounts[0].calls_per_second, 2.5);
    }
}

#[test]
fn a_variable_that_may_mean_two_names_is_an_error() {
    let toml = format!("{ACCOUNT}[callers.a-b]\ntoken = \"one\"\n[callers.a_b]\ntoken = \"two\"\n");
    let environment = variables(&[("STOCKROOM_CALLERS__A_B__ADMIN", "true")]);
    assert_eq!(
        errors(&settings(&toml).environment(environment)),
        ["callers.a_b.admin: it may mean callers.a-b or callers.a_b; set the key in the file (environment variable \
          STOCKROOM_CALLERS__A_B__ADMIN)"]
    );
}

#[test]
fn variables_of_the_command_line_and_of_kubernetes_are_no_keys() {
    let names = [
        "STOCKROOM_CONFIG",
        "STOCKROOM_SERVER",
        "STOCKROOM_TOKEN",
        "STOCKROOM_SERVICE_HOST",
        "STOCKROOM_SERVICE_PORT",
        "STOCKROOM_PORT",
        "STOCKROOM_PORT_50051_TCP_ADDR",
        "STOCKROOM_REDIS_SERVICE_HOST",
    ];
    let settings = settings(ACCOUNT).environment(variables(&names.map(|name| (name, "x"))));
    assert!(Config::from_settings(&settings).is_ok());
}

#[test]
fn a_default_gives_way_to_a_shorter_bound() {
    let config = Config::from_settings(&settings(&format!("{ACCOUNT}[cache]\nceiling = \"30m\"\n"))).unwrap();
    let half_an_hour = Duration::from_secs(1800);
    let expected = CacheConfig {
        offers_fresh: half_an_hour,
        catalog_fresh: half_an_hour,
        offers_stale: half_an_hour,
        ceiling: half_an_hour,
        ..CacheConfig::default()
    };
    assert_eq!(config.cache, expected);
}

#[test]
fn a_secret_is_read_from_its_file_without_the_line_end() {
    use secrecy::ExposeSecret;

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, "from-a-file\n").unwrap();
    let written = format!("secret_key_file = {:?}", file.display().to_string());
    let config = Config::from_settings(&settings(&ACCOUNT.replace("secret_key = \"hush-hush\"", &written))).unwrap();
    let Credentials::Paapi5 { secret_key, .. } = &config.accounts[0].credentials else { panic!("not PA-API") };
    assert_eq!(secret_key.expose_secret(), "from-a-file");
}

#[test]
fn a_sandbox_is_the_only_account_and_contradicts_others() {
    let sandbox = || {
        let credentials = Credentials::Paapi5 { access_key: "key".to_owned(), secret_key: "secret".into() };
        vec![SandboxAccount {
            name: "sandbox".to_owned(),
            credentials,
            partner_tags: Marketplace::all().map(|marketplace| (marketplace, "sandbox-20".to_owned())).collect(),
            calls_per_second: 10.0,
            calls_per_day: 86_400,
        }]
    };
    let (config, _) = Config::for_sandbox(&settings("listen = \"127.0.0.1:7\""), sandbox()).unwrap();
    assert_eq!((config.accounts.len(), config.accounts[0].partner_tags.len()), (1, 22));
    assert_eq!((config.listen.port(), config.default_marketplace.code()), (7, "US"));
    assert!(Config::for_sandbox(&settings(ACCOUNT), sandbox()).is_err());
    let (sandbox, configured) = (&config.accounts[0], &Config::from_settings(&settings(ACCOUNT)).unwrap().accounts[0]);
    let transport = |account: &AccountConfig| {
        (account.connect_timeout, account.timeout, account.max_body_bytes, account.queue_capacity)
    };
    assert_eq!(transport(sandbox), transport(configured), "the defaults of the table");
    assert!(!Config::for_sandbox(&settings(""), Vec::new()).unwrap_err().0.is_empty());
}

#[test]
fn every_row_of_the_table_is_read() {
    let creators = r#"
        [accounts.other]
        credential_id = "id"
        credential_secret = "secret"
        credential_version = "2.2"
        partner_tags = { DE = "demo-22" }
        content_notice_entities = { DE = "Amazon EU" }
        [callers.web]
        token = "open-sesame"
    "#;
    let effective = Config::with_effective(&settings(&format!("{ACCOUNT}{creators}"))).unwrap().1;
    let json = effective.to_toml();
    for key in keys::KEYS.iter().filter(|key| !matches!(key.kind, kind::Kind::ValueFile)) {
        assert!(effective.has_read(key), "{} is not read:\n{json}", key.path);
    }
}

#[test]
fn an_account_with_wrong_credentials_still_serves_its_marketplaces() {
    let wrong = ACCOUNT.replace("hush-hush", "hush and hush");
    let found = errors(&settings(&format!("default_marketplace = \"UK\"\n{wrong}")));
    assert_eq!(found, ["accounts.main.secret_key: expected printable ASCII without spaces (stockroom.toml:5)"]);
    let twice = format!("{wrong}[accounts.other]\ncredential_id = \"id\"\npartner_tags = {{ UK = \"demo-22\" }}\n");
    let found = errors(&settings(&twice));
    assert!(found.iter().any(|error| error.contains("account main already serves this marketplace")), "{found:#?}");
}

#[test]
fn a_creators_version_must_fit_the_marketplaces() {
    let account = |tags: &str| {
        format!(
            "[accounts.eu]\ncredential_id = \"id-1\"\ncredential_secret = \"hush-hush\"\ncredential_version = \"3.2\"\n\
             partner_tags = {{ {tags} }}\n[redis]\nurl = \"redis://user:hush-hush@host\"\n"
        )
    };
    let settings_of = |tags: &str| settings(&account(tags));
    let effective = Config::with_effective(&settings_of("DE = \"x-21\"")).unwrap().1.to_toml();
    assert!(effective.contains("protocol = \"creators\" # default\ncredential_id = \"(hidden)\""), "{effective}");
    assert!(
        effective.contains("[redis]\nurl = \"redis://(hidden)@host\"") && !effective.contains("hush"),
        "{effective}"
    );
    let found = errors(&settings_of("DE = \"x-21\", US = \"x-20\""));
    assert_eq!(
        found,
        [
            "accounts.eu.credential_version = \"3.2\": a credential of version 3.2 is for EU, and US is in NA (stockroom.toml:4)"
        ]
    );
}

#[test]
fn the_example_starts_with_one_secret_and_everybody_is_an_admin() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "from-a-file\n").unwrap();
    let example = include_str!("../../../stockroom.example.toml");
    let example = example.replace("/run/secrets/amazon_credential_secret", secret.to_str().unwrap());
    let config = Config::from_settings(&settings(&example)).unwrap();
    assert!(config.callers.is_empty() || config.callers.iter().any(|caller| caller.admin));
}

#[test]
fn the_admin_port_can_be_turned_off_and_must_open_where_its_address_is_set() {
    let admin = |line: &str| Config::from_settings(&settings(&format!("{ACCOUNT}{line}"))).unwrap().admin;
    assert_eq!(admin(""), AdminConfig { listen: Some(([127, 0, 0, 1], 9464).into()), required: false });
    assert_eq!(admin("[admin]\nlisten = \"off\"\n").listen, None);
    assert_eq!(
        admin("[admin]\nlisten = \"0.0.0.0:9464\"\n"),
        AdminConfig { listen: Some(([0, 0, 0, 0], 9464).into()), required: true }
    );
}

#[test]
fn a_second_token_is_a_caller_s_own_too() {
    let callers = |zoo: &str| {
        format!("{ACCOUNT}[callers.web]\ntoken = \"new\"\nprevious_token = \"old\"\n[callers.zoo]\ntoken = \"{zoo}\"\n")
    };
    assert!(Config::from_settings(&settings(&callers("other"))).unwrap().callers[0].previous_token.is_some());
    assert_eq!(
        errors(&settings(&callers("old"))),
        ["callers.zoo.token: caller web has the same token; each needs its own (stockroom.toml:11)"]
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "old").unwrap();
    let in_a_file = callers("").replace("token = \"\"", &format!("token_file = {file:?}"));
    assert_eq!(
        errors(&settings(&in_a_file)),
        [format!(
            "callers.zoo.token_file = {file:?}: caller web has the same token; each needs its own (stockroom.toml:11)"
        )]
    );
}

#[test]
fn traces_need_a_collector() {
    let traces = |lines: &str| settings(&format!("{ACCOUNT}[telemetry]\n{lines}"));
    assert!(Config::from_settings(&settings(ACCOUNT)).unwrap().traces.is_none());
    let config = Config::from_settings(&traces("otlp_endpoint = \"http://collector:4317\"\n")).unwrap();
    assert_eq!(config.traces.unwrap().ratio, 0.01);
    assert_eq!(
        errors(&traces("trace_ratio = 0.5\n")),
        ["telemetry.otlp_endpoint: it is not set; traces need a collector"]
    );
}
