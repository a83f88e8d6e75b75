//! Traces as operators meet them: ids in the log, and a collector that is away.

use std::{net::TcpListener, process::Command};

use crate::{
    admin_port::{get, sample},
    support::Gateway,
};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const FAILED: &str = "stockroom_trace_spans_total{result=\"failed\"}";
const JSON: &str = "STOCKROOM_LOG__FORMAT";

fn log(gateway: &Gateway) -> String {
    std::fs::read_to_string(gateway.server.folder().join("log")).unwrap()
}

/// Asks for the marketplaces, which costs no call to Amazon, as a browser does.
async fn list_marketplaces(gateway: &Gateway, traceparent: Option<&str>) {
    let url = format!("{}/stockroom.v1.BrowseService/ListMarketplaces", gateway.url);
    let request = reqwest::Client::new().post(url).header("content-type", "application/json").body("{}");
    let request = traceparent.into_iter().fold(request, |request, value| request.header("traceparent", value));
    assert!(request.send().await.unwrap().status().is_success());
}

#[tokio::test]
async fn the_log_has_the_trace_of_a_caller_and_nothing_else_is_needed() {
    let gateway = Gateway::with(&["--sandbox"], &[(JSON, "pretty")]);
    for (traceparent, has_trace) in
        [(None, false), (Some("00-garbage"), false), (Some(&*format!("00-{TRACE}-00f067aa0ba902b7-01")), true)]
    {
        let before = log(&gateway).matches("call ended").count();
        list_marketplaces(&gateway, traceparent).await;
        while log(&gateway).matches("call ended").count() == before {}
        let log = log(&gateway);
        let line = log.lines().rfind(|line| line.contains("call ended")).unwrap();
        assert_eq!(line.contains(&format!("trace_id={TRACE}")), has_trace, "{line}");
        assert_eq!(line.contains("trace_id"), has_trace, "{line}");
    }
    assert_eq!(sample(&get(&gateway, "/metrics"), "stockroom_trace_spans_total{result=\"exported\"}"), 0.0);
}

#[tokio::test]
async fn a_collector_that_is_away_is_reported_once_and_its_spans_are_counted() {
    // A port that nobody listens at.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let endpoint = format!("http://{address}");
    let settings = [
        ("STOCKROOM_TELEMETRY__OTLP_ENDPOINT", &*endpoint),
        ("STOCKROOM_TELEMETRY__TRACE_RATIO", "1"),
        (JSON, "pretty"),
    ];
    let gateway = Gateway::with(&["--sandbox"], &settings);
    let failed = || sample(&get(&gateway, "/metrics"), FAILED);
    for _ in 0..2 {
        let before = failed();
        list_marketplaces(&gateway, None).await;
        while failed() == before {}
    }
    assert_eq!(log(&gateway).matches("traces are lost").count(), 1, "{}", log(&gateway));
}

#[tokio::test]
async fn a_collector_that_does_not_answer_does_not_keep_the_gateway_from_ending() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let settings = [
        ("STOCKROOM_TELEMETRY__OTLP_ENDPOINT", &*endpoint),
        ("STOCKROOM_TELEMETRY__TRACE_RATIO", "1"),
        (JSON, "pretty"),
    ];
    let mut gateway = Gateway::with(&["--sandbox"], &settings);
    list_marketplaces(&gateway, None).await;
    let id = gateway.server.process.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert!(gateway.server.process.wait().unwrap().success());
    assert!(log(&gateway).contains("the last traces were not exported"), "{}", log(&gateway));
}
