//! The client's commands: each in every form, and how each kind of failure ends.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
};

use crate::support::{Gateway, ended, stockroom};

/// Every command that asks a gateway, in an order in which each has something to tell.
pub(crate) const COMMANDS: [&[&str]; 14] = [
    &["search", "wireless", "headphones"],
    &["search", "headphones", "--all"],
    &["search", "headphones", "--facets", "--max-price", "100", "--prime"],
    &["product", "B0SBHEAD01", "B0SBNOBODY"],
    &["product", "B0SBPARENT", "--variations"],
    &["compare", "B0SBHEAD01", "B0SBHEAD02", "B0SBNOBODY"],
    &["browse", "9000010000", "--depth", "2"],
    &["categories"],
    &["trending", "headphones"],
    &["deals", "electronics"],
    &["marketplaces"],
    &["status"],
    &["health"],
    &["purge", "--everything", "--yes"],
];

#[test]
fn every_command_answers_in_every_form() {
    let gateway = Gateway::start();
    for command in COMMANDS {
        for form in ["table", "markdown", "json"] {
            let ended = gateway.run(&[command, &["--format", form]].concat());
            assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{command:?} as {form}");
            assert!(!ended.stdout.trim().is_empty(), "{command:?} as {form}");
            if form == "json" {
                let values = serde_json::Deserializer::from_str(&ended.stdout).into_iter::<serde_json::Value>();
                let values: Result<Vec<_>, _> = values.collect();
                assert!(values.is_ok_and(|values| !values.is_empty()), "{command:?}: {}", ended.stdout);
            }
        }
    }
}

#[test]
fn feeds_and_reports_are_listed_where_the_protocol_has_them() {
    let gateway = Gateway::with(&["--sandbox", "--protocol", "creators"], &[]);
    for command in ["feeds", "reports"] {
        for form in ["table", "markdown", "json"] {
            let ended = gateway.run(&[command, "-m", "UK", "--format", form]);
            assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{command} as {form}");
            assert!(ended.stdout.contains("sandbox-uk-"), "{command} as {form}: {}", ended.stdout);
        }
        let listed: serde_json::Value = serde_json::from_str(&gateway.run(&[command, "--json"]).stdout).unwrap();
        let name = listed[command][0]["name"].as_str().unwrap();
        let link = gateway.run(&[command, "--link", name]).stdout;
        assert!(link.starts_with("http://127.0.0.1:") && link.contains(name) && link.lines().count() == 1, "{link}");
        assert_eq!(gateway.run(&[command, "--link", "nothing"]).code, 1, "{command}");
    }
    let ended = Gateway::start().run(&["feeds"]);
    assert!(ended.code == 77 && ended.stderr.contains("PROTOCOL_HAS_NO_FILES"), "{ended:?}");
}

#[test]
fn the_examples_of_the_help_find_something() {
    let gateway = Gateway::start();
    let mut run = 0;
    for name in COMMANDS.map(|command| command[0]) {
        let help = gateway.run(&[name, "--help"]).stdout;
        let examples = help.lines().filter_map(|line| line.strip_prefix("  stockroom "));
        for example in examples {
            // What follows a pipe is for the reader's own tools.
            let arguments = words(example.split(" | ").next().unwrap());
            let ended = gateway.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
            assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "stockroom {example}");
            run += 1;
        }
    }
    assert!(run > COMMANDS.len());
}

#[test]
fn each_kind_of_failure_has_its_exit_code_and_says_what_to_do() {
    let gateway = Gateway::start();
    let cases: [(&[&str], i32, &str); 18] = [
        (&["search", "zzzyzx"], 1, ""),
        (&["product", "B0SBNOBODY"], 1, ""),
        (&["search", "never asked before", "--cache-only"], 1, "NOT_CACHED"),
        (&["health", "stockroom.v1.NoService"], 1, ""),
        (&["search", "lamp", "--max-price", "$5"], 2, "in digits"),
        (&["search", "lamp", "--server", "ftp://127.0.0.1:50051"], 2, "write it as 127.0.0.1:50051"),
        (&["purge", "--everything"], 2, "--yes"),
        (&["purge"], 2, "--everything"),
        (&["config"], 64, "stockroom serve --sandbox"),
        (&["serve", "--config", "missing.toml"], 64, "missing.toml"),
        (&["serve", "--listen", "everywhere"], 64, "listen"),
        (&["search"], 65, "query: needs keywords"),
        (&["search", "lamp", "--min-rating", "7"], 65, "query.min_rating: must be between 1 and 5"),
        (&["compare", "B0SBHEAD01", "B0SBHEAD01"], 65, "asins[1]: B0SBHEAD01 is named twice"),
        (&["search", "lamp", "-m", "XX"], 65, "options.marketplace"),
        (&["health", "--server", "http://127.0.0.1:1"], 69, "no gateway answers at http://127.0.0.1:1"),
        (&["search", "lamp", "--server", "http://127.0.0.1:1"], 69, "stockroom serve --sandbox"),
        (&["search", "lamp", "--max-age", "0s", "--timeout", "1ms"], 75, "in time"),
    ];
    for (arguments, code, words) in cases {
        let ended = gateway.run(arguments);
        assert_eq!(ended.code, code, "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(words), "{arguments:?}: {}", ended.stderr);
    }
}

#[test]
fn a_gateway_that_knows_its_callers_admits_nobody_else() {
    let callers = [("STOCKROOM_CALLERS__WEB__TOKEN", "a-token-of-the-web"), ("STOCKROOM_CALLERS__WEB__ADMIN", "false")];
    let gateway = Gateway::with(&["--sandbox"], &callers);
    let cases: [(&[&str], &str, i32); 5] = [
        (&["search", "lamp"], "", 77),
        (&["search", "lamp"], "another", 77),
        (&["search", "lamp"], "a-token-of-the-web", 0),
        (&["status"], "a-token-of-the-web", 77),
        (&["health"], "", 0),
    ];
    for (arguments, token, code) in cases {
        let ended = ended(gateway.command(arguments).env("STOCKROOM_TOKEN", token));
        assert_eq!(ended.code, code, "{arguments:?} with {token:?}: {}", ended.stderr);
    }
}

#[test]
fn a_reader_that_leaves_is_no_fault() {
    let gateway = Gateway::start();
    for arguments in [&["search", "headphones", "--all"][..], &["compare", "B0SBHEAD01", "B0SBHEAD02"]] {
        let mut command = gateway.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut first = String::new();
        BufReader::new(command.stdout.take().unwrap()).read_line(&mut first).unwrap();
        let output = command.wait_with_output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty() && !first.is_empty(), "{arguments:?}: {output:?}");
    }
}

#[test]
fn help_and_version_need_no_gateway() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, words) in [(["--help"], "Exit codes:"), (["--version"], env!("CARGO_PKG_VERSION"))] {
        let ended = ended(stockroom(folder.path()).args(arguments));
        assert!(ended.code == 0 && ended.stdout.contains(words), "{ended:?}");
    }
}

#[test]
fn an_address_without_a_scheme_is_a_gateway_too_and_the_configuration_here_names_the_default() {
    let gateway = Gateway::start();
    let address = gateway.url.trim_start_matches("http://");
    let mut command = stockroom(gateway.server.folder());
    assert_eq!(ended(command.args(["health", "--server", address])).code, 0);
    let mut command = stockroom(gateway.server.folder());
    assert_eq!(ended(command.arg("health").env("STOCKROOM_LISTEN", address)).code, 0);
    std::fs::write(gateway.server.folder().join("stockroom.toml"), format!("listen = {address:?}\n")).unwrap();
    assert_eq!(ended(stockroom(gateway.server.folder()).arg("health")).code, 0);
}

#[test]
fn the_printed_command_shows_the_next_page() {
    let gateway = Gateway::start();
    let first = gateway.run(&["search", "wireless headphones", "--page-size", "2"]).stdout;
    let next = first.lines().find_map(|line| line.strip_prefix("next page: stockroom ")).unwrap();
    let next = next.replace('\'', "\"");
    let arguments = words(&next);
    let second = gateway.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(second.code, 0, "{second:?}");
    assert!(!second.stdout.contains("B0SBHEAD01") && second.stdout.contains("B0SB"), "{second:?}");
}

#[test]
fn an_estimate_spends_nothing_and_a_count_of_zero_is_written_as_json() {
    let gateway = Gateway::start();
    let estimate = gateway.run(&["search", "lamp", "--estimate"]);
    assert!(estimate.code == 0 && estimate.stdout.contains("1 call to Amazon; nothing was spent"), "{estimate:?}");
    let status: serde_json::Value = serde_json::from_str(&gateway.run(&["status", "--json"]).stdout).unwrap();
    assert_eq!(status["accounts"][0]["calls"]["answered"], "0");
    let purged: serde_json::Value =
        serde_json::from_str(&gateway.run(&["purge", "--everything", "--yes", "--json"]).stdout).unwrap();
    assert_eq!(purged["droppedCount"], "0");
}

#[test]
fn a_watched_status_goes_on_while_the_gateway_is_away() {
    let gateway = Gateway::start();
    let mut command = gateway.command(&["status", "--watch", "20ms", "--timeout", "1s"]);
    let mut watch = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.starts_with("Account sandbox")));
    drop(gateway);
    assert!(lines.any(|line| line.contains("no answer")));
    assert!(watch.try_wait().unwrap().is_none(), "it ended");
    watch.kill().unwrap();
    watch.wait().unwrap();
}

#[test]
fn completions_and_manual_pages_are_made_without_a_gateway() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let script = ended(stockroom(folder.path()).args(["completions", shell]));
        assert!(script.code == 0 && script.stdout.contains("compare"), "{shell}");
    }
    let page = ended(stockroom(folder.path()).arg("man"));
    assert!(page.code == 0 && page.stdout.starts_with(".ie"), "{}", &page.stdout[..200.min(page.stdout.len())]);
    let pages = ended(stockroom(folder.path()).args(["man", "--out", "."]));
    assert!(pages.code == 0 && folder.path().join("stockroom-search.1").exists(), "{pages:?}");
}

/// The words of a command line; double quotes hold several together.
pub(crate) fn words(line: &str) -> Vec<String> {
    let (mut words, mut quoted) = (vec![String::new()], false);
    for c in line.trim().chars() {
        match c {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            c => words.last_mut().unwrap().push(c),
        }
    }
    words.into_iter().filter(|word| !word.is_empty()).collect()
}
