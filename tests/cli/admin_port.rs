//! The admin port as probes, scrapers and browsers meet it.

use std::{
    io::{Read, Write},
    net::TcpStream,
    process::Command,
    time::{Duration, Instant},
};

use crate::support::{Gateway, stockroom};

/// Sends one request with these header lines and reads the whole answer.
fn http(address: &str, request: &str, headers: &[&str], body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let length = body.len();
    let text = format!("{request} HTTP/1.1\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}");
    stream.write_all(text.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

pub(crate) fn get(gateway: &Gateway, path: &str) -> String {
    http(&gateway.admin, &format!("GET {path}"), &["Host: localhost"], "")
}

/// Waits until the gateway is ready, which it is right after its greeting.
fn until_ready(gateway: &Gateway) {
    let until = Instant::now() + Duration::from_secs(20);
    while !get(gateway, "/readyz").ends_with("\r\n\r\nready\n") {
        assert!(Instant::now() < until, "the gateway does not become ready");
    }
}

/// The value of a sample.
pub(crate) fn sample(scrape: &str, name: &str) -> f64 {
    let line = scrape.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{name} is not in {scrape}")).parse().unwrap()
}

#[test]
fn probes_metrics_and_the_status_page_follow_what_the_gateway_does() {
    let gateway = Gateway::start();
    assert!(get(&gateway, "/livez").starts_with("HTTP/1.1 200"));
    until_ready(&gateway);
    let before = get(&gateway, "/");
    assert!(before.contains("Account sandbox") && before.contains("0 answered"), "{before}");
    assert_eq!(gateway.run(&["search", "lamp"]).code, 0);
    assert_eq!(gateway.run(&["search", "lamp", "--min-rating", "7"]).code, 65);
    let after = get(&gateway, "/");
    assert!(after.contains("1 answered"), "{after}");
    let scrape = get(&gateway, "/metrics");
    let search = "grpc_method=\"stockroom.v1.SearchService/SearchProducts\"";
    assert_eq!(sample(&scrape, &format!("grpc_server_call_started_total{{{search}}}")), 2.0);
    for (status, count) in [("OK", 1.0), ("INVALID_ARGUMENT", 1.0)] {
        let name = format!("grpc_server_call_duration_seconds_count{{{search},grpc_status=\"{status}\"}}");
        assert_eq!(sample(&scrape, &name), count, "{status}");
    }
    assert_eq!(sample(&scrape, "stockroom_amazon_calls_total{account=\"sandbox\",outcome=\"answered\"}"), 1.0);
    assert_eq!(sample(&scrape, "stockroom_ready"), 1.0);
    assert!(scrape.ends_with("# EOF\n"));
}

#[test]
fn the_form_searches_and_no_other_site_can_use_the_port() {
    let gateway = Gateway::start();
    let own = format!("Origin: http://{}", gateway.admin);
    let host = format!("Host: {}", gateway.admin);
    let search = |headers: &[&str]| http(&gateway.admin, "POST /search", headers, "q=wireless+headphones");
    let found = search(&[&host, &own]);
    assert!(found.contains("B0SBHEAD01") && found.contains("value=\"wireless headphones\""), "{found}");
    assert!(search(&[&host, "Origin: http://evil.example"]).starts_with("HTTP/1.1 403"));
    assert!(http(&gateway.admin, "GET /", &["Host: evil.example"], "").starts_with("HTTP/1.1 403"));
    assert!(http(&gateway.admin, "GET /search", &[&host], "").starts_with("HTTP/1.1 405"));
    assert!(get(&gateway, "/nothing").starts_with("HTTP/1.1 404"));
}

#[test]
fn a_draining_gateway_is_alive_and_not_ready() {
    let lame_duck = [("STOCKROOM_SERVER__LAME_DUCK", "5s")];
    let mut gateway = Gateway::with(&["--sandbox"], &lame_duck);
    until_ready(&gateway);
    let id = gateway.server.process.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    let mut answer = get(&gateway, "/readyz");
    while answer.starts_with("HTTP/1.1 200") {
        answer = get(&gateway, "/readyz");
    }
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("draining"), "{answer}");
    assert!(get(&gateway, "/livez").starts_with("HTTP/1.1 200"));
    let _ = gateway.server.process.kill();
}

#[test]
fn an_admin_address_that_is_in_use_stops_the_start_only_if_it_was_set() {
    let gateway = Gateway::start();
    let folder = tempfile::tempdir().unwrap();
    let mut command = stockroom(folder.path());
    command.args(["serve", "--sandbox", "--listen", "127.0.0.1:0"]).env("STOCKROOM_ADMIN__LISTEN", &gateway.admin);
    let ended = crate::support::ended(&mut command);
    assert!(ended.code == 70 && ended.stderr.contains(&gateway.admin), "{ended:?}");
}

#[test]
fn with_a_json_log_the_greeting_is_one_json_line() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["serve", "--sandbox", "--listen", "127.0.0.1:0", "--log-format", "json"];
    let mut server = crate::support::Server::start(folder, &arguments, &[]);
    let greeting = server.greeting("\"message\":\"listening\"");
    let greeting: serde_json::Value = serde_json::from_str(&greeting).unwrap();
    assert!(greeting["address"].as_str().unwrap().starts_with("127.0.0.1:"), "{greeting}");
    assert_eq!(greeting["accounts"][0]["name"], "sandbox");
}
