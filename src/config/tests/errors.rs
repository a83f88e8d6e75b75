//! What is refused or warned of, and how it is said.

use super::*;

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
