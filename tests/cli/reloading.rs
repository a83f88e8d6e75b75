//! Reading the configuration again: by command, by a changed file and by SIGHUP.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use crate::support::{Gateway, ended};

/// Nothing that a test waits for takes this long, unless it is broken.
const BROKEN: Duration = Duration::from_secs(30);

/// A gateway whose configuration is a file of the test, with one admin.
struct Configured {
    gateway: Gateway,
    file: PathBuf,
    _folder: tempfile::TempDir,
}

impl Configured {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("gateway.toml");
        fs::write(&file, caller("first", "")).unwrap();
        let gateway = Gateway::with(&["--sandbox", "--config", file.to_str().unwrap()], &[]);
        Self { gateway, file, _folder: folder }
    }

    fn write(&self, toml: &str) {
        // A new file in place of the old one, as a mounted Secret changes.
        let new = self.file.with_extension("new");
        fs::write(&new, toml).unwrap();
        fs::rename(new, &self.file).unwrap();
    }

    fn code(&self, arguments: &[&str], token: &str) -> i32 {
        ended(self.gateway.command(arguments).env("STOCKROOM_TOKEN", token)).code
    }

    fn eventually(&self, token: &str, code: i32) {
        let until = Instant::now() + BROKEN;
        while self.code(&["search", "lamp"], token) != code {
            assert!(Instant::now() < until, "token {token} does not come to {code}");
        }
    }
}

fn caller(token: &str, more: &str) -> String {
    format!("{more}[callers.ops]\ntoken = \"{token}\"\nadmin = true\n")
}

fn hang_up(gateway: &Gateway) {
    let id = gateway.server.process.id().to_string();
    assert!(Command::new("kill").args(["-HUP", &id]).status().unwrap().success());
}

#[test]
fn the_reload_command_says_what_is_in_effect_and_what_needs_a_restart() {
    let configured = Configured::start();
    configured.write(&caller("second", "replicas = 3\n"));
    let reloaded = ended(configured.gateway.command(&["reload"]).env("STOCKROOM_TOKEN", "first"));
    // The file's change may have been noticed before the command was.
    let token = if reloaded.code == 77 { "second" } else { "first" };
    assert!(token == "second" || reloaded.stdout.contains("callers.ops.token"), "{reloaded:?}");
    configured.eventually("second", 0);
    configured.eventually("first", 77);
    let again = ended(configured.gateway.command(&["reload"]).env("STOCKROOM_TOKEN", "second"));
    assert_eq!(again.code, 0, "{again:?}");
    assert!(again.stdout.contains("In effect after a restart:\n  replicas"), "{again:?}");
}

#[test]
fn a_faulty_file_changes_nothing_and_the_command_says_why() {
    let configured = Configured::start();
    configured.write(&caller("second", "replicas = 0\n"));
    let reloaded = ended(configured.gateway.command(&["reload"]).env("STOCKROOM_TOKEN", "first"));
    assert_eq!(reloaded.code, 64, "{reloaded:?}");
    assert!(reloaded.stderr.contains("replicas = \"0\""), "{reloaded:?}");
    assert_eq!(configured.code(&["search", "lamp"], "first"), 0);
}

#[test]
fn a_changed_file_is_noticed_and_so_is_sighup_and_a_second_token_works_beside_the_first() {
    let configured = Configured::start();
    configured.write(&caller("second\"\nprevious_token = \"first", ""));
    configured.eventually("second", 0);
    assert_eq!(configured.code(&["search", "lamp"], "first"), 0);
    configured.write(&caller("third", ""));
    hang_up(&configured.gateway);
    configured.eventually("third", 0);
    assert_eq!(configured.code(&["search", "lamp"], "first"), 77);
}

#[test]
fn the_filter_of_the_log_changes_while_the_gateway_runs() {
    let configured = Configured::start();
    let lines = |needle: &str| log(&configured.gateway).lines().filter(|line| line.contains(needle)).count();
    assert_eq!(configured.code(&["health"], ""), 0);
    assert_eq!(lines("Health/Check"), 0, "a probe that succeeds is a line at DEBUG");
    configured.write(&caller("first", "log.filter = \"debug\"\n"));
    assert_eq!(configured.code(&["reload"], "first"), 0);
    assert_eq!(configured.code(&["health"], ""), 0);
    let until = Instant::now() + BROKEN;
    while lines("Health/Check") == 0 {
        assert!(Instant::now() < until, "no line at DEBUG");
    }
}

#[test]
fn a_reload_that_removes_the_last_caller_is_refused_because_it_would_open_the_gateway() {
    let configured = Configured::start();
    configured.write("log.filter = \"debug\"\n");
    let reloaded = ended(configured.gateway.command(&["reload"]).env("STOCKROOM_TOKEN", "first"));
    assert!(reloaded.code == 64 && reloaded.stderr.contains("does not remove the last caller"), "{reloaded:?}");
    assert_eq!(configured.code(&["search", "lamp"], ""), 77);
    assert_eq!(configured.code(&["search", "lamp"], "first"), 0);
}

fn log(gateway: &Gateway) -> String {
    fs::read_to_string(Path::new(gateway.server.folder()).join("log")).unwrap()
}
