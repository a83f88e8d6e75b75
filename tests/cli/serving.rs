//! The servers: a gateway in front of a sandbox of its own, and how they end.

use std::{fs, process::Command};

use crate::support::{Gateway, Server};

#[test]
fn what_the_sandbox_prints_puts_a_gateway_in_front_of_it() {
    for flags in [&[][..], &["--tls", "--ca-out", "ca.pem"]] {
        let (sandbox, toml) = sandbox(flags);
        let gateway = gateway(&toml);
        let found = gateway.run(&["search", "lamp", "--page-size", "2"]);
        assert_eq!(found.code, 0, "{flags:?}: {found:?}");
        drop(sandbox);
        let not_found = gateway.run(&["search", "kettle", "--timeout", "5s"]);
        assert_eq!(not_found.code, 69, "{flags:?}: {not_found:?}");
    }
}

#[test]
fn an_account_that_amazon_refuses_is_reported_with_what_to_do() {
    let (_sandbox, toml) = sandbox(&[]);
    let refused = gateway(&toml.replace("secret_key = \"", "secret_key = \"not-")).run(&["search", "lamp"]);
    assert_eq!(refused.code, 77, "{refused:?}");
    assert!(refused.stderr.contains("check the account's secret_key"), "{refused:?}");
}

#[test]
fn a_gateway_that_is_stopped_ends_well() {
    let mut gateway = Gateway::start();
    assert_eq!(gateway.run(&["search", "lamp"]).code, 0);
    let process = &mut gateway.server.process;
    assert!(Command::new("kill").args(["-TERM", &process.id().to_string()]).status().unwrap().success());
    assert!(process.wait().unwrap().success());
}

/// A sandbox of its own, and the configuration that it prints.
fn sandbox(flags: &[&str]) -> (Server, String) {
    let arguments = [&["sandbox", "--listen", "127.0.0.1:0"], flags].concat();
    let mut sandbox = Server::start(tempfile::tempdir().unwrap(), &arguments, &[]);
    let greeting = sandbox.greeting("partner_tags");
    let (_, toml) = greeting.split_once("\n[accounts").unwrap();
    (sandbox, format!("[accounts{toml}"))
}

fn gateway(toml: &str) -> Gateway {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("stockroom.toml");
    fs::write(&file, toml).unwrap();
    // It has been read by the time the gateway listens.
    Gateway::with(&["--config", file.to_str().unwrap()], &[])
}
