//! The servers: a gateway in front of a sandbox of its own, and how they end.

use std::{fs, process::Command};

use crate::support::{Gateway, Server};

#[test]
fn what_the_sandbox_prints_puts_a_gateway_in_front_of_it() {
    for flags in [&[][..], &["--tls", "--ca-out", "ca.pem"]] {
        let folder = tempfile::tempdir().unwrap();
        let arguments = [&["sandbox", "--listen", "127.0.0.1:0"], flags].concat();
        let mut sandbox = Server::start(folder, &arguments, &[]);
        let greeting = sandbox.greeting("partner_tags");
        let (_, toml) = greeting.split_once("\n[accounts").unwrap();
        let config = sandbox.folder().join("stockroom.toml");
        fs::write(&config, format!("[accounts{toml}")).unwrap();

        let gateway = Gateway::with(&["--config", config.to_str().unwrap()], &[]);
        let found = gateway.run(&["search", "lamp", "--page-size", "2"]);
        assert_eq!(found.code, 0, "{flags:?}: {found:?}");
        drop(sandbox);
        let not_found = gateway.run(&["search", "kettle", "--timeout", "5s"]);
        assert_eq!(not_found.code, 69, "{flags:?}: {not_found:?}");
    }
}

#[test]
fn a_gateway_told_to_stop_ends_well() {
    let mut gateway = Gateway::start();
    assert_eq!(gateway.run(&["search", "lamp"]).code, 0);
    let process = &mut gateway.server.process;
    assert!(Command::new("kill").args(["-TERM", &process.id().to_string()]).status().unwrap().success());
    assert!(process.wait().unwrap().success());
}
