//! `stockroom check` against a sandbox: what it finds, what it costs and how it ends.

use std::{fs, io::Read, io::Write, net::TcpStream};

use crate::support::{Ended, Server, ended, stockroom};

/// A sandbox and the configuration of an account in it.
struct Checked {
    _sandbox: Server,
    url: String,
    toml: String,
    folder: tempfile::TempDir,
}

impl Checked {
    fn start() -> Self {
        let arguments = ["sandbox", "--listen", "127.0.0.1:0"];
        let mut sandbox = Server::start(tempfile::tempdir().unwrap(), &arguments, &[]);
        let greeting = sandbox.greeting("partner_tags");
        let (first, toml) = greeting.split_once("\n[accounts").unwrap();
        let url = first.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
        let url = url.trim_end_matches(';').to_owned();
        Self { _sandbox: sandbox, url, toml: format!("[accounts{toml}"), folder: tempfile::tempdir().unwrap() }
    }

    fn run(&self, toml: &str, flags: &[&str]) -> Ended {
        fs::write(self.folder.path().join("stockroom.toml"), toml).unwrap();
        ended(stockroom(self.folder.path()).arg("check").args(flags))
    }

    /// The calls that the sandbox has answered. A request without credentials is none.
    fn calls(&self) -> u64 {
        let mut stream = TcpStream::connect(self.url.strip_prefix("http://").unwrap()).unwrap();
        stream.write_all(b"GET /sandbox/calls HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str::<serde_json::Value>(body).unwrap()["by_status"]["200"].as_u64().unwrap_or(0)
    }
}

#[test]
fn what_is_well_costs_no_call_and_with_spend_one() {
    let checked = Checked::start();
    let well = checked.run(&checked.toml, &[]);
    assert_eq!(well.code, 0, "{well:?}");
    let subjects: Vec<&str> = well.stdout.lines().map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(subjects, ["✓ configuration", "✓ secrets", "✓ account sandbox", "✓ clock"], "{well:?}");
    assert_eq!(checked.calls(), 0);
    let spent = checked.run(&checked.toml, &["--spend"]);
    assert!(spent.code == 0 && spent.stdout.contains("one call in"), "{spent:?}");
    assert_eq!(checked.calls(), 1);
}

#[test]
fn each_fault_is_a_line_that_says_what_to_do() {
    let checked = Checked::start();
    let wrong_key = checked.toml.replace("secret_key = \"", "secret_key = \"not-");
    let refused = checked.run(&wrong_key, &["--spend"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    let line = refused.stdout.lines().find(|line| line.starts_with("✗ account sandbox: ")).unwrap();
    assert!(line.contains("ACCOUNT_SIGNATURE_REFUSED") && line.contains("Check the account's secret_key"), "{line}");

    let credential = "[accounts.main]\ncredential_id = \"nobody\"\ncredential_secret = \"x\"\ncredential_version = \"3.1\"\n\
        partner_tags.US = \"sandbox-20\"\n";
    let refused = checked.run(&format!("{credential}endpoint = \"{}\"\n", checked.url), &[]);
    assert!(refused.code == 1 && refused.stdout.contains("ACCOUNT_CREDENTIAL_REFUSED"), "{refused:?}");

    let unreachable = checked.run(&format!("{credential}endpoint = \"http://127.0.0.1:1\"\n"), &[]);
    assert!(
        unreachable.stdout.contains("Check DNS, the egress to port 443 and accounts.main.proxy"),
        "{unreachable:?}"
    );

    let more = "[callers.web]\ntoken = \"short\"\n[redis]\nurl = \"redis://127.0.0.1:1\"\n";
    let faulty = checked.run(&format!("{}{more}", checked.toml), &["--json", "--spend"]);
    assert_eq!(faulty.code, 1, "{faulty:?}");
    let json: serde_json::Value = serde_json::from_str(&faulty.stdout).unwrap();
    let wrong = json["checks"].as_array().unwrap().iter().filter(|check| check["ok"] == false);
    let wrong: Vec<_> = wrong.map(|check| check["subject"].as_str().unwrap()).collect();
    assert_eq!((json["ok"].as_bool(), wrong), (Some(false), vec!["secrets", "redis"]));
    assert!(faulty.stdout.contains("no call was made, because Redis does not share its count"), "{faulty:?}");

    let invalid = checked.run("replicas = 0\n", &[]);
    assert!(invalid.code == 64 && invalid.stdout.starts_with("✗ configuration: "), "{invalid:?}");
    assert!(invalid.stderr.contains("replicas"), "{invalid:?}");
}
