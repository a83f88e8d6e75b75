//! The configuration as its users meet it.

use std::ffi::OsString;

use super::*;

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
fn a_wrong_value_hides_no_other_error() {
    let toml = "listen = \"x\"\nreplicas = 0\n[cache]\nceiling = \"x\"\n[server]\nmax_deadline = \"9\"\n\
                default_deadline = \"8\"\ndrain = \"x\"\n[web]\nallowed_origins = [\"bad\"]\n";
    let mut found =
        Config::from_settings(&settings(toml)).unwrap_err().0.into_iter().map(|it| it.key).collect::<Vec<_>>();
    found.sort();
    let expected = [
        "accounts",
        "cache.ceiling",
        "listen",
        "replicas",
        "server.default_deadline",
        "server.drain",
        "server.max_deadline",
        "web.allowed_origins",
    ];
    assert_eq!(found, expected);
}

#[test]
fn an_element_of_a_list_is_never_another_one_or_two() {
    for element in ["a,b", "a ", " a"] {
        let toml = format!(
            "{ACCOUNT}[callers.web]\nidentities = [{element:?}]\n[server]\nidentity_header = \"l5d-client-id\"\n"
        );
        assert!(errors(&settings(&toml))[0].starts_with("callers.web.identities: the element"), "{element:?}");
    }
}

#[test]
fn what_the_effective_configuration_hides_is_no_value() {
    let copied = format!("{ACCOUNT}[callers.web]\ntoken = \"(hidden)\"\n[redis]\nurl = \"redis://(hidden)@h\"\n");
    let found = errors(&settings(&copied));
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|error| error.contains("prints in place of a secret")), "{found:#?}");
}

#[test]
fn what_tls_would_ignore_is_an_error() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (folder.path().join("tls.pem"), folder.path().join("tls.key"));
    std::fs::write(&certificate, certified.cert.pem()).unwrap();
    std::fs::write(&key, certified.signing_key.serialize_pem()).unwrap();
    let tls = |more: &str| settings(&format!("{ACCOUNT}[tls]\ncertificate = {certificate:?}\nkey = {key:?}\n{more}"));
    assert_eq!(
        errors(&tls("client_auth = \"required\"\n")),
        ["tls.client_auth = \"required\": no client is asked for a certificate without `tls.client_ca`; set it too \
          (stockroom.toml:10)"]
    );
    for more in [
        String::new(),
        "client_auth = \"optional\"\n".to_owned(),
        format!("client_auth = \"required\"\nclient_ca = {certificate:?}\n"),
    ] {
        assert!(Config::from_settings(&tls(&more)).is_ok(), "{more}");
    }
    let redis =
        |scheme: &str| settings(&format!("{ACCOUNT}[redis]\nurl = \"{scheme}://h\"\nca_file = {certificate:?}\n"));
    assert!(Config::from_settings(&redis("rediss")).is_ok());
    assert!(errors(&redis("redis"))[0].contains("one without TLS; begin it with `rediss`"));

    let without_key = format!("{ACCOUNT}[tls]\ncertificate = {certificate:?}\nclient_ca = {certificate:?}\n");
    let identities = format!("{without_key}[callers.web]\nidentities = [\"web\"]\n");
    assert_eq!(errors(&settings(&identities)), errors(&settings(&without_key)), "the authority is there to prove it");

    let warnings = |mode| {
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
        Config::with_effective(&tls("")).unwrap().1.warnings().join("; ")
    };
    assert!(warnings(0o644).starts_with("tls.key: every user of this machine can read"), "{}", warnings(0o644));
    assert_eq!(warnings(0o600), "");
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
fn each_error_names_its_key_its_value_what_is_accepted_and_its_place() {
    let cases: &[(&str, &[&str])] = &[
        (
            "",
            &[
                "accounts: no Amazon account is configured; add [accounts.main] with its keys and partner tags, or try invented products with `stockroom serve --sandbox`",
            ],
        ),
        (
            "listen = \"here\"\nlisten_adress = 1\n",
            &[
                "listen_adress: there is no such key (stockroom.toml:2)",
                "listen = \"here\": expected an IP address and a port, such as `127.0.0.1:50051` (stockroom.toml:1)",
            ],
        ),
        (
            "[cache]\nmemmory = \"1MiB\"\noffers_fresh = \"2h\"\ncatalog_fresh = 5\n",
            &[
                "cache.memmory: there is no such key; did you mean cache.memory? (stockroom.toml:2)",
                "cache.offers_fresh = \"2h\": expected a duration with its unit, from `1s` to `50m` (stockroom.toml:3)",
                "cache.catalog_fresh = \"5\": expected a duration with its unit, from `1s` to `12h` (stockroom.toml:4)",
            ],
        ),
        (
            "[cache]\nceiling = \"1h\"\noffers_stale = \"2h\"\n",
            &["cache.offers_stale = \"2h\": it may not be longer than cache.ceiling, which is 1h (stockroom.toml:3)"],
        ),
        (
            "[server]\nmax_connections = 0\nreflection = \"yes\"\n[log]\nformat = \"xml\"\nfilter = \"a=b=c\"\n",
            &[
                "server.max_connections = \"0\": expected a whole number from 1 to 1000000 (stockroom.toml:2)",
                "server.reflection = \"yes\": expected `true` or `false` (stockroom.toml:3)",
                "log.format = \"xml\": expected `auto` or `pretty` or `json` (stockroom.toml:5)",
                "log.filter = \"a=b=c\": expected levels, and levels of targets, with commas between (stockroom.toml:6)",
            ],
        ),
        (
            "default_marketplace = \"JP\"\n",
            &["default_marketplace = \"JP\": no account serves it; served are UK, US (stockroom.toml:1)"],
        ),
        (
            "[accounts.two]\nprotocol = \"creators\"\npartner_tags = { GB = \" \", XX = \"x\", US = \"x\", \"amazon.com\" = \"x\" }\n",
            &[
                "accounts.two.partner_tags.XX: there is no such marketplace; write it as US or www.amazon.com (stockroom.toml:3)",
                "accounts.two.partner_tags.amazon.com: it is already set (stockroom.toml:3) (stockroom.toml:3)",
                "accounts.two.partner_tags.UK = \" \": expected plain text without spaces around it (stockroom.toml:3)",
                "accounts.two.credential_id: it is not set; set it or accounts.two.credential_id_file",
                "accounts.two.credential_secret: it is not set; set it or accounts.two.credential_secret_file",
                "accounts.two.credential_version: it is not set; Amazon prints it beside the credential, as 2.1 or 3.2",
                "accounts.two.partner_tags.US = \"x\": account main already serves this marketplace; only one account may \
                 (stockroom.toml:3)",
            ],
        ),
        (
            "[accounts.two]\naccess_key = \"other\"\nsecret_key_file = \"/nowhere/secret\"\nendpoint = \"ftp://host\"\nprotocol = \"paapi5\"\n",
            &[
                "accounts.two.partner_tags: it is not set; give one tag for each marketplace to serve, as { US = \"mytag-20\" }",
                "accounts.two.secret_key_file = \"/nowhere/secret\": the file cannot be read: No such file or directory \
                 (os error 2) (stockroom.toml:3)",
                "accounts.two.endpoint = \"ftp://host\": expected a URL that starts with `http://` or `https://`, \
                 without a query (stockroom.toml:4)",
            ],
        ),
        (
            "[accounts.two]\naccess_key = \"a\"\nsecret_key = \"b\"\nsecret_key_file = \"c\"\nprotocol = \"paapi5\"\npartner_tags.DE = \"x\"\n",
            &["accounts.two.secret_key: accounts.two.secret_key_file is set as well (stockroom.toml:4); keep one of \
               the two (stockroom.toml:3)"],
        ),
        (
            "[accounts.two]\naccess_key = \"a\"\nsecret_key = \"b\"\nprotocol = \"paapi5\"\npartner_tags.UK = \"x\"\n",
            &["accounts.two.partner_tags.UK = \"x\": account main already serves this marketplace; only one \
               account may (stockroom.toml:5)"],
        ),
        (
            "[callers.web]\ntoken = \"same\"\n[callers.zoo]\ntoken = \"same\"\n[callers.x]\nadmin = true\n",
            &[
                "callers.x.token: it is not set; set it or callers.x.token_file",
                "callers.zoo.token: caller web has the same token; each needs its own (stockroom.toml:4)",
            ],
        ),
        (
            "listen = \"unfinished\n",
            &["this is not valid TOML: invalid basic string, expected `\"` (stockroom.toml:1)"],
        ),
        ("listen = [1]\n", &["listen: a list is not accepted here (stockroom.toml:1)"]),
        (
            "listen = {}\n[server.drain]\n[weather]\n[redis]\nur = {}\nurl = { host = \"h\" }\n",
            &[
                "listen: a table is not accepted here; expected an IP address and a port, such as `127.0.0.1:50051` \
                 (stockroom.toml:1)",
                "redis.ur: there is no such key; did you mean redis.url? (stockroom.toml:5)",
                "redis.url: a table is not accepted here; expected the URL of a Redis (stockroom.toml:6)",
                "server.drain: a table is not accepted here; expected a duration with its unit, from `0s` to `1h` \
                 (stockroom.toml:2)",
                "weather: there is no such key (stockroom.toml:3)",
            ],
        ),
        (
            "[cache]\nceiling = \"25h\"\noffers_stale = \"2h\"\n[redis]\nurl_file = \"\"\n[log]\nfilter = \"\"\n",
            &[
                "redis.url_file = \"\": expected the path of a file (stockroom.toml:5)",
                "cache.ceiling = \"25h\": expected a duration with its unit, from `1s` to `24h` (stockroom.toml:2)",
                "log.filter = \"\": expected levels, and levels of targets, with commas between (stockroom.toml:7)",
            ],
        ),
    ];
    for (toml, expected) in cases {
        let alone = toml.is_empty();
        let settings = if alone { settings("") } else { settings(toml).environment(account_in_variables()) };
        assert_eq!(&errors(&settings), expected, "{toml}");
    }
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

#[test]
fn an_error_in_the_environment_names_the_variable() {
    let settings = settings(ACCOUNT)
        .environment(variables(&[("STOCKROOM_SERVER__DRAIN", "20"), ("STOCKROOM_LISTN", "x")]))
        .flag("log.format", "--log-format", Some("loud"));
    assert_eq!(
        errors(&settings),
        [
            "listn: there is no such key; did you mean listen? (environment variable STOCKROOM_LISTN)",
            "server.drain = \"20\": expected a duration with its unit, from `0s` to `1h` (environment variable \
             STOCKROOM_SERVER__DRAIN)",
            "log.format = \"loud\": expected `auto` or `pretty` or `json` (flag --log-format)",
        ]
    );
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
fn every_error_of_files_and_addresses_is_reported_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let not_pem = folder.path().join("ca.pem");
    std::fs::write(&not_pem, "no certificate").unwrap();
    let toml = format!(
        "{ACCOUNT}ca_file = \"/nonexistent.pem\"\nproxy = \"http://me:hush@\"\n[redis]\nurl = \"redis://:hush#hush@h\"\nca_file = {:?}\n\
         prefix = \"{{x}}\"\n",
        not_pem.display().to_string()
    );
    let found = errors(&settings(&toml));
    let expected = [
        "accounts.main.ca_file = \"/nonexistent.pem\": the file cannot be read: No such file or directory (os error 2) \
         (stockroom.toml:7)",
        "accounts.main.proxy = \"http://(hidden)\": expected a URL that starts with `http://` or `https://`, without a query \
         (stockroom.toml:8)",
        "redis.url = \"redis://(hidden)@h\": expected the URL of a Redis: write `/`, `#`, `?` and `%` of a user or password as \
         `%2F`, `%23`, `%3F` and `%25` (stockroom.toml:10)",
        "redis.prefix = \"{x}\": expected letters, digits, `-`, `_`, `.` and `:` (stockroom.toml:12)",
    ];
    for error in expected {
        assert!(found.iter().any(|line| line == error), "{error} is not in {found:#?}");
    }
    assert!(
        found.iter().any(|line| line.starts_with("redis.ca_file = ") && line.contains("holds no certificate")),
        "{found:#?}"
    );
    assert_eq!(found.len(), 5);
}

#[test]
fn a_table_without_keys_is_an_error_so_that_no_caller_vanishes() {
    assert_eq!(
        errors(&settings(&format!("{ACCOUNT}[callers.web]\n[cache]\n[tls]\n[redis]\n[accounts.eu.partner_tags]\n"))),
        [("accounts.eu.partner_tags", 11), ("callers.web", 7), ("redis", 10), ("tls", 9)]
            .map(|(key, line)| format!("{key}: the table is empty; set its keys or remove it (stockroom.toml:{line})"))
    );
}

#[test]
fn a_variable_that_resembles_no_key_is_a_warning() {
    let settings_of = |name: &str| settings(ACCOUNT).environment(variables(&[(name, "1")]));
    for name in ["STOCKROOM_VERSION", "STOCKROOM_HOME", "STOCKROOM_IMAGE_TAG"] {
        let settings = settings_of(name);
        assert!(Config::from_settings(&settings).is_ok(), "{name}");
        let effective = Config::with_effective(&settings).unwrap().1;
        assert!(effective.warnings()[0].starts_with(name), "{name}");
    }
    for name in ["STOCKROOM_LISTN", "STOCKROOM_REPLICA", "STOCKROOM_CACHE__ANYTHING", "STOCKROOM_LOG_FILTER"] {
        assert!(Config::from_settings(&settings_of(name)).is_err(), "{name}");
    }
}

#[test]
fn two_variables_of_one_key_are_an_error() {
    let both = variables(&[("STOCKROOM_LISTEN", "127.0.0.1:1"), ("STOCKROOM_Listen", "127.0.0.1:2")]);
    assert_eq!(
        errors(&settings(ACCOUNT).environment(both)),
        ["listen: it is already set (environment variable STOCKROOM_LISTEN) (environment variable STOCKROOM_Listen)"]
    );
}

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

#[test]
fn the_example_starts_with_one_secret_and_everybody_is_an_admin() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "from-a-file\n").unwrap();
    let example = include_str!("../../stockroom.example.toml");
    let example = example.replace("/run/secrets/amazon_credential_secret", secret.to_str().unwrap());
    let config = Config::from_settings(&settings(&example)).unwrap();
    assert!(config.callers.is_empty() || config.callers.iter().any(|caller| caller.admin));
}

#[test]
fn a_secret_file_that_everybody_can_read_is_a_warning() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, "from-a-file").unwrap();
    let written = format!("secret_key_file = {:?}", file.display().to_string());
    let toml = ACCOUNT.replace("secret_key = \"hush-hush\"", &written);
    let warnings = |mode| {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        Config::with_effective(&settings(&toml)).unwrap().1.warnings().join("; ")
    };
    assert!(warnings(0o644).contains("accounts.main.secret_key_file"), "{}", warnings(0o644));
    assert_eq!(warnings(0o600), "");
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
