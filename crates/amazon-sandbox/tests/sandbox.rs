//! The sandbox as a client sees it, over real TCP.

use std::time::Duration;

use amazon_catalog::{Marketplace, Operation};
use amazon_sandbox::{FaultKind, InjectedFault, Options, Tls, examples};
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::client::{Client, generous_sandbox, sandbox};

#[cfg(test)]
#[path = "sandbox/client.rs"]
mod client;
#[cfg(test)]
#[path = "sandbox/creators.rs"]
mod creators;
#[cfg(test)]
#[path = "sandbox/creators_files.rs"]
mod creators_files;
#[cfg(test)]
#[path = "sandbox/creators_tokens.rs"]
mod creators_tokens;
#[cfg(test)]
#[path = "sandbox/odd.rs"]
mod odd;
#[cfg(test)]
#[path = "sandbox/requests.rs"]
mod requests;
#[cfg(test)]
#[path = "sandbox/shop.rs"]
mod shop;

fn one_item() -> Value {
    json!({ "ItemIds": [examples::HEADPHONES[0]] })
}

#[tokio::test]
async fn a_signed_call_is_answered_in_every_marketplace() {
    let sandbox = generous_sandbox().await;
    for marketplace in Marketplace::all() {
        let client = Client::of(&sandbox, marketplace.code());
        let fields = json!({ "ItemIds": [examples::HEADPHONES[0]], "Resources": ["OffersV2.Listings.Price"] });
        let reply = client.ask(Operation::GetItems, fields).await;
        assert_eq!(reply.status, 200, "{marketplace}: {}", reply.body);
        let item = &reply.body["ItemsResult"]["Items"][0];
        let money = &item["OffersV2"]["Listings"][0]["Price"]["Money"];
        assert_eq!(money["Currency"], marketplace.currency().code());
        let page = item["DetailPageURL"].as_str().unwrap();
        assert!(page.starts_with(&format!("https://{}/dp/B0SBHEAD01?tag=sandbox-2", marketplace.name())), "{page}");
        assert_eq!(reply.headers["x-amzn-requestid"].len(), 36);
        assert_eq!(reply.headers["x-amz-rid"].len(), 20);
    }
}

#[tokio::test]
async fn another_host_means_the_marketplace_of_the_body_or_the_united_states() {
    let sandbox = generous_sandbox().await;
    let client = Client { host: None, ..Client::of(&sandbox, "US") };
    for (fields, tag, currency) in
        [(json!({}), "sandbox-20", "USD"), (json!({ "Marketplace": "www.amazon.de" }), "sandbox-21", "EUR")]
    {
        let mut fields = fields;
        fields["ItemIds"] = json!([examples::DEAL]);
        fields["PartnerTag"] = json!(tag);
        fields["Resources"] = json!(["OffersV2.Listings.Price"]);
        let body = client.ok(Operation::GetItems, fields).await;
        let listing = &body["ItemsResult"]["Items"][0]["OffersV2"]["Listings"][0];
        assert_eq!(listing["Price"]["Money"]["Currency"], currency);
    }
    let with_port = Client { host: Some("webservices.amazon.co.jp:8443".into()), ..Client::of(&sandbox, "JP") };
    assert_eq!(with_port.ask(Operation::GetItems, one_item()).await.status, 200);
}

#[tokio::test]
async fn what_is_not_signed_by_the_account_is_refused() {
    let sandbox = generous_sandbox().await;
    let good = Client::of(&sandbox, "US");
    let cases = [
        (Client { access_key: "SOMEBODYELSESKEY0001", ..good.clone() }, 401, "UnrecognizedClient"),
        (Client { secret_key: "wrong", ..good.clone() }, 401, "InvalidSignature"),
        (Client { region: "eu-west-1", ..good.clone() }, 401, "InvalidSignature"),
        (Client { ahead: 16 * 60, ..good.clone() }, 401, "RequestExpired"),
        (Client { ahead: -16 * 60, ..good.clone() }, 401, "RequestExpired"),
        (Client { tag: "somebody-20".into(), ..good.clone() }, 400, "InvalidPartnerTag"),
    ];
    for (client, status, code) in cases {
        let reply = client.ask(Operation::GetItems, one_item()).await;
        assert_eq!((reply.status, reply.code()), (status, code));
        assert!(reply.headers.contains_key("x-amzn-requestid"));
    }
}

#[tokio::test]
async fn what_was_changed_after_signing_is_refused() {
    let sandbox = generous_sandbox().await;
    let client = Client::of(&sandbox, "US");
    let spoilt = |spoil: fn(&mut http::Request<Vec<u8>>)| {
        let mut request = client.request(Operation::GetItems, one_item());
        spoil(&mut request);
        request
    };
    let cases = [
        (spoilt(|r| r.body_mut().push(b' ')), 401),
        (spoilt(|r| drop(r.headers_mut().insert("x-amz-target", "nonsense".parse().unwrap()))), 404),
        (spoilt(|r| *r.uri_mut() = r.uri().to_string().replace("getitems", "nothing").parse().unwrap()), 404),
        (spoilt(|r| *r.uri_mut() = r.uri().to_string().replace("getitems", "searchitems").parse().unwrap()), 404),
        (spoilt(|r| *r.method_mut() = http::Method::GET), 404),
        (spoilt(|r| drop(r.headers_mut().remove("authorization"))), 400),
        (spoilt(|r| drop(r.headers_mut().insert("authorization", "AWS4-HMAC-SHA256 x".parse().unwrap()))), 400),
        (spoilt(|r| drop(r.headers_mut().remove("x-amz-date"))), 400),
    ];
    for (request, status) in cases {
        let line = format!("{:?}", request.headers());
        assert_eq!(client.send(request).await.unwrap().status(), status, "{line}");
    }
}

#[tokio::test]
async fn calls_over_the_rate_or_the_day_are_throttled() {
    let one_a_minute = sandbox(Options { calls_per_second: 1.0 / 60.0, ..Options::default() }).await;
    let client = Client::of(&one_a_minute, "US");
    assert_eq!(client.ask(Operation::GetItems, one_item()).await.status, 200);
    let reply = client.ask(Operation::GetItems, one_item()).await;
    assert_eq!((reply.status, reply.code()), (429, "TooManyRequests"));
    one_a_minute.set_rate(1000.0);
    assert_eq!(client.ask(Operation::GetItems, one_item()).await.status, 200);

    one_a_minute.set_calls_per_day(4);
    let stranger = Client { secret_key: "wrong", ..client.clone() };
    assert_eq!(stranger.ask(Operation::GetItems, one_item()).await.status, 401, "and it does not count");
    assert_eq!(client.ask(Operation::GetItems, json!({})).await.status, 400, "but a bad request does");
    assert_eq!(client.ask(Operation::GetItems, one_item()).await.status, 429);
}

#[tokio::test]
async fn a_fault_befalls_the_calls_it_is_meant_for_and_no_more() {
    let faults = vec![
        InjectedFault {
            operation: Some(Operation::SearchItems),
            ..InjectedFault::new(1, FaultKind::Error("InternalFailure"))
        },
        InjectedFault::new(2, FaultKind::Status { status: 503, body: "<html>busy</html>".into() }),
    ];
    let sandbox = sandbox(Options { calls_per_second: 100.0, faults, ..Options::default() }).await;
    let client = Client::of(&sandbox, "US");
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(client.ask(Operation::GetItems, one_item()).await.status);
    }
    assert_eq!(seen, [503, 503, 200]);
    let search = json!({ "Keywords": "kettle" });
    assert_eq!(client.ask(Operation::SearchItems, search.clone()).await.status, 500);
    sandbox.inject(InjectedFault::new(9, FaultKind::Hang));
    sandbox.clear_faults();
    assert_eq!(client.ask(Operation::SearchItems, search).await.status, 200);
}

#[tokio::test]
async fn every_documented_error_can_be_provoked() {
    let sandbox = generous_sandbox().await;
    let client = Client::of(&sandbox, "US");
    let cases = [
        ("AssociateNotEligible", 403, "AssociateEligibilityException"),
        ("InvalidAssociate", 403, "AssociateValidationException"),
        ("AccessDeniedAwsUsers", 403, "AccessDeniedException"),
        ("Retired", 403, "AccessDeniedException"),
        ("RetiredFlat", 403, "AccessDeniedException"),
        ("TooManyRequests", 429, "TooManyRequestsException"),
        ("InvalidSignature", 401, "InvalidSignatureException"),
        ("SomethingNew", 400, "ValidationException"),
    ];
    for (name, status, exception) in cases {
        sandbox.inject(InjectedFault::new(1, FaultKind::Error(name)));
        let reply = client.ask(Operation::GetItems, one_item()).await;
        let kind = reply.body["__type"].as_str().unwrap();
        assert_eq!((reply.status, kind), (status, format!("com.amazon.paapi5#{exception}").as_str()), "{name}");
    }
    sandbox.inject(InjectedFault::new(1, FaultKind::RetryAfter(Duration::from_secs(7))));
    let reply = client.ask(Operation::GetItems, one_item()).await;
    assert_eq!((reply.status, reply.headers["retry-after"].to_str().unwrap()), (429, "7"));
}

#[tokio::test]
async fn broken_answers_are_broken_in_the_way_that_was_asked_for() {
    let sandbox = generous_sandbox().await;
    let client = Client::of(&sandbox, "US");
    let request = || client.request(Operation::GetItems, one_item());

    sandbox.inject(InjectedFault::new(1, FaultKind::Reset));
    assert!(client.send(request()).await.is_err());

    sandbox.inject(InjectedFault::new(1, FaultKind::Truncated));
    let response = client.send(request()).await.expect("its head is sent whole");
    assert_eq!(response.status(), 200);
    assert!(response.content_length().is_some_and(|length| length > 100));
    assert!(response.bytes().await.is_err());

    for kind in [FaultKind::Malformed, FaultKind::WrongShape] {
        sandbox.inject(InjectedFault::new(1, kind.clone()));
        let response = client.send(request()).await.unwrap();
        assert_eq!(response.status(), 200);
        let json: Result<Value, _> = serde_json::from_slice(&response.bytes().await.unwrap());
        assert_eq!(json.is_ok(), kind == FaultKind::WrongShape);
    }

    sandbox.inject(InjectedFault::new(1, FaultKind::PartialErrors));
    let ids = json!({ "ItemIds": [examples::DEAL, examples::BOOK] });
    let body = client.ok(Operation::GetItems, ids).await;
    assert_eq!(body["Errors"][0]["Code"], "ItemNotAccessible");
    assert!(body["Errors"][0]["Message"].as_str().unwrap().contains(examples::DEAL));
    assert_eq!(body["ItemsResult"]["Items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_call_that_hangs_is_recorded_and_given_up_with_its_connection() {
    let sandbox = generous_sandbox().await;
    let client = Client::of(&sandbox, "US");
    sandbox.inject(InjectedFault::new(1, FaultKind::Hang));
    let call = client.send(client.request(Operation::GetItems, one_item()));
    tokio::select! {
        answer = call => panic!("{answer:?}"),
        () = sandbox.arrived(1) => {}
    }
    let calls = sandbox.calls();
    assert_eq!((calls.len(), calls[0].status, calls[0].operation), (1, 0, Some(Operation::GetItems)));
    assert_eq!(calls[0].item_ids, [examples::HEADPHONES[0]]);
    assert_eq!(client.ask(Operation::GetItems, one_item()).await.status, 200, "the next one is answered");
}

#[tokio::test]
async fn held_calls_are_answered_together_when_released() {
    let sandbox = generous_sandbox().await;
    let client = Client::of(&sandbox, "UK");
    let hold = sandbox.hold();
    let asking = join_all((0..3).map(|_| client.ask(Operation::GetItems, one_item())));
    let releasing = async {
        sandbox.arrived(3).await;
        assert!(sandbox.calls().iter().all(|call| call.status == 0 && call.host == "webservices.amazon.co.uk"));
        hold.release();
    };
    let (replies, ()) = tokio::join!(asking, releasing);
    assert!(replies.iter().all(|reply| reply.status == 200));
    assert!(sandbox.calls().iter().all(|call| call.status == 200 && call.body["PartnerTag"] == "sandbox-21"));
    drop(sandbox.hold());
    assert_eq!(client.ask(Operation::GetItems, one_item()).await.status, 200, "a dropped hold holds nothing");
}

#[tokio::test]
async fn stopping_closes_the_port_and_every_connection() {
    let sandbox = generous_sandbox().await;
    let client = Client::of(&sandbox, "US");
    let _held = sandbox.hold();
    let asking = tokio::spawn({
        let client = client.clone();
        async move { client.send(client.request(Operation::GetItems, one_item())).await.is_err() }
    });
    sandbox.arrived(1).await;
    sandbox.stop().await;
    assert!(timeout(Duration::from_secs(5), asking).await.unwrap().unwrap(), "the call under way fails");
    let error = client.send(client.request(Operation::GetItems, one_item())).await.unwrap_err();
    assert!(error.is_connect(), "{error:?}");
}

#[tokio::test]
async fn tls_is_spoken_with_a_certificate_that_its_authority_vouches_for() {
    let tls = Tls::self_signed().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    tls.write_ca(&path).unwrap();
    let authority = reqwest::Certificate::from_pem(&std::fs::read(path).unwrap()).unwrap();

    let sandbox = sandbox(Options { tls: Some(tls), ..Options::default() }).await;
    let address = sandbox.url().strip_prefix("https://").unwrap().parse().unwrap();
    let trusting = reqwest::Client::builder().no_proxy().tls_certs_only([authority]);
    let http = trusting.resolve("webservices.amazon.de", address).build().unwrap();
    let by_address = Client { http, ..Client::of(&sandbox, "DE") };
    assert_eq!(by_address.ask(Operation::GetItems, one_item()).await.status, 200);
    let by_name = Client { url: format!("https://webservices.amazon.de:{}", address.port()), host: None, ..by_address };
    assert_eq!(by_name.ask(Operation::GetItems, one_item()).await.status, 200);
    let distrusting = Client::of(&sandbox, "DE");
    assert!(distrusting.send(distrusting.request(Operation::GetItems, one_item())).await.is_err());
}
