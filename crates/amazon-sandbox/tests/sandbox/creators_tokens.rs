//! How tokens of the sandbox's Creators API are asked for, and what becomes of them.

use std::time::Duration;

use amazon_sandbox::{FaultKind, InjectedFault, Options, Sandbox, credential, credential_versions, examples};
use base64::{Engine, prelude::BASE64_STANDARD};
use futures_util::future::join_all;
use serde_json::json;

use crate::{
    client::{generous_sandbox, sandbox},
    creators::{Client, Reply, read, token_request},
};

fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap()
}

async fn post(sandbox: &Sandbox, path: &str, content_type: &str, body: String) -> Reply {
    let request = http().post(format!("{}{path}", sandbox.url())).header("content-type", content_type);
    read(request.body(body)).await
}

const FORM: &str = "application/x-www-form-urlencoded";

#[tokio::test]
async fn each_family_gives_tokens_in_its_own_form() {
    let sandbox = sandbox(Options { token_lifetime: Duration::from_secs(90), ..Options::default() }).await;
    for version in credential_versions() {
        let body = read(token_request(&http(), &sandbox, version)).await.body;
        let token = body["access_token"].as_str().unwrap();
        if version.starts_with("2.") {
            assert!(token.starts_with("eyJ") && token.split('.').count() == 3, "{token}");
            assert_eq!((&body["token_type"], body.get("scope")), (&json!("Bearer"), None));
        } else {
            assert!(token.starts_with("Atc|"), "{token}");
            assert_eq!((&body["token_type"], &body["scope"]), (&json!("bearer"), &json!("creatorsapi::default")));
        }
        assert_eq!(body["expires_in"], 90);
    }
    assert_eq!((sandbox.token_requests(), sandbox.calls().len()), (6, 0));
}

#[tokio::test]
async fn other_clients_ways_of_asking_will_do() {
    let sandbox = generous_sandbox().await;
    let basic = |version| {
        let (id, secret) = credential(version).unwrap();
        format!("Basic {}", BASE64_STANDARD.encode(format!("{id}:{secret}")))
    };
    for (path, version, scope) in
        [("/oauth2/token", "2.3", "creatorsapi/default"), ("/auth/o2/token", "3.3", "creatorsapi::default")]
    {
        let request = http().post(format!("{}{path}", sandbox.url())).header("content-type", FORM);
        let request = request.header("authorization", basic(version));
        let reply = read(request.body(format!("grant_type=client_credentials&scope={scope}"))).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
    }
}

#[tokio::test]
async fn each_family_refuses_in_its_own_form() {
    let sandbox = generous_sandbox().await;
    let form = |grant: &str, version: &str, spoil: &str, scope: &str| {
        let (id, secret) = credential(version).unwrap();
        format!("grant_type={grant}&client_id={id}&client_secret={secret}{spoil}&scope={scope}")
    };
    let (grant, v2, v3) = ("client_credentials", "creatorsapi/default", "creatorsapi::default");
    let cases = [
        ("/oauth2/token", form(grant, "2.1", "x", v2), 400, "invalid_client"),
        ("/oauth2/token", form(grant, "3.1", "", v2), 400, "invalid_client"),
        ("/oauth2/token", form(grant, "2.1", "", v3), 400, "invalid_scope"),
        ("/oauth2/token", form("password", "2.1", "", v2), 400, "unsupported_grant_type"),
        ("/oauth2/token", String::new(), 400, "invalid_request"),
        ("/auth/o2/token", form(grant, "3.2", "x", v3), 401, "invalid_client"),
        ("/auth/o2/token", form(grant, "2.2", "", v3), 401, "invalid_client"),
        ("/auth/o2/token", form(grant, "3.2", "", v2), 400, "invalid_scope"),
    ];
    for (path, body, status, error) in cases {
        let reply = post(&sandbox, path, FORM, body.clone()).await;
        assert_eq!((reply.status, reply.body["error"].as_str()), (status, Some(error)), "{path} {body}");
        assert_eq!(reply.body["error_description"].is_string(), path == "/auth/o2/token");
    }
    let json = post(&sandbox, "/oauth2/token", "application/json", "{}".to_owned()).await;
    assert_eq!(json.body, json!({ "error": "invalid_request" }));
}

#[tokio::test]
async fn a_token_ends_by_its_time_by_revocation_and_by_command() {
    let sandbox = generous_sandbox().await;
    let reason = async |client: &Client| {
        let reply = client.ask("/catalog/v1/getItems", json!({ "itemIds": [examples::DEAL] })).await;
        (reply.status, reply.reason().to_owned())
    };
    let client = Client::of(&sandbox, 2, "US").await;
    sandbox.expire_tokens();
    assert_eq!(reason(&client).await, (401, "TokenExpired".to_owned()));
    let client = Client::of(&sandbox, 2, "US").await;
    assert_eq!(reason(&client).await.0, 200, "a new one is good");
    sandbox.revoke_tokens();
    assert_eq!(reason(&client).await, (401, "InvalidToken".to_owned()));

    let brief = crate::client::sandbox(Options { token_lifetime: Duration::ZERO, ..Options::default() }).await;
    assert_eq!(reason(&Client::of(&brief, 3, "US").await).await, (401, "TokenExpired".to_owned()));
}

#[tokio::test]
async fn faults_hit_requests_for_tokens_and_not_calls() {
    let throttled = InjectedFault::new(1, FaultKind::RetryAfter(Duration::from_secs(300)));
    let sandbox = sandbox(Options { token_faults: vec![throttled], ..Options::default() }).await;
    let ask = || token_request(&http(), &sandbox, "3.1");
    let reply = read(ask()).await;
    assert_eq!((reply.status, reply.headers["retry-after"].to_str().unwrap()), (429, "300"));
    assert_eq!(reply.body["error"], "too_many_requests");

    sandbox.inject_for_tokens(InjectedFault::new(1, FaultKind::Error("server_error")));
    assert_eq!(read(ask()).await.status, 500);
    sandbox.inject_for_tokens(InjectedFault::new(1, FaultKind::Error("invalid_scope")));
    assert_eq!(read(ask()).await.body["error"], "invalid_scope");
    sandbox.inject_for_tokens(InjectedFault::new(1, FaultKind::Reset));
    assert!(ask().send().await.is_err());

    sandbox.inject(InjectedFault::new(1, FaultKind::Error("InternalFailure")));
    let client = Client::of(&sandbox, 3, "US").await;
    assert_eq!(client.ask("/catalog/v1/listFeeds", json!({})).await.status, 500, "calls have faults of their own");
}

#[tokio::test]
async fn held_tokens_are_given_together_when_released() {
    let sandbox = generous_sandbox().await;
    let hold = sandbox.hold_tokens();
    let asking = join_all((0..3).map(|_| Client::of(&sandbox, 2, "FR")));
    let releasing = async {
        sandbox.tokens_asked(3).await;
        hold.release();
    };
    let (clients, ()) = tokio::join!(asking, releasing);
    assert_eq!((clients.len(), sandbox.token_requests()), (3, 3));
}
