//! Odd answers, what Amazon demands of a request, and the control of faults over HTTP.

use amazon_catalog::Operation;
use amazon_sandbox::{ErrorForm, FaultKind, InjectedFault, ListedPage, ODD_ANSWERS, OddAnswer, examples};
use serde_json::{Value, json};

use crate::client::{Client, generous_sandbox};

/// What each operation is asked in these tests.
fn question(operation: Operation) -> Value {
    match operation {
        Operation::GetItems => json!({
            "ItemIds": [examples::DEAL, examples::HEADPHONES[0]],
            "Resources": [
                "ItemInfo.Title", "OffersV2.Listings.Price", "OffersV2.Listings.Condition",
                "OffersV2.Listings.IsBuyBoxWinner", "Offers.Listings.Price",
            ],
        }),
        Operation::SearchItems => json!({ "Keywords": "headphones", "ItemPage": 2 }),
        Operation::GetVariations => json!({ "ASIN": examples::VARIATION_PARENT, "VariationPage": 2 }),
        Operation::GetBrowseNodes => json!({
            "BrowseNodeIds": [examples::LEAF_NODE, examples::ROOT_NODE],
            "Resources": ["BrowseNodes.Children", "BrowseNodes.Ancestor"],
        }),
        Operation::Files => Value::Null,
    }
}

#[tokio::test]
async fn each_odd_answer_differs_from_the_right_one_once_and_has_status_200() {
    let sandbox = generous_sandbox().await;
    let client = Client::of(&sandbox, "US");
    for (odd, name, operations, _) in ODD_ANSWERS {
        let mut changed = 0;
        for operation in operations {
            let right = client.ask(*operation, question(*operation)).await;
            sandbox.inject(InjectedFault::new(1, FaultKind::Odd(odd)));
            let reply = client.ask(*operation, question(*operation)).await;
            let again = client.ask(*operation, question(*operation)).await;
            assert_eq!((reply.status, again.body == right.body), (200, true), "{name} {operation:?}");
            changed += usize::from(reply.body != right.body);
        }
        assert!(changed > 0, "{name}");
    }
}

#[tokio::test]
async fn an_odd_answer_is_not_used_up_by_operations_that_cannot_be_odd_in_this_way() {
    let sandbox = generous_sandbox().await;
    let client = Client::of(&sandbox, "US");
    sandbox.inject(InjectedFault::new(1, FaultKind::Odd(OddAnswer::NoCounts)));
    client.ok(Operation::GetItems, question(Operation::GetItems)).await;
    let page = client.ok(Operation::SearchItems, question(Operation::SearchItems)).await;
    assert_eq!(page["SearchResult"]["TotalResultCount"], Value::Null);

    sandbox.inject(InjectedFault::new(1, FaultKind::RejectedId { id: examples::DEAL.to_owned(), is_named: true }));
    client.ok(Operation::GetItems, json!({ "ItemIds": [examples::HEADPHONES[0]] })).await;
    let reply = client.ask(Operation::GetItems, question(Operation::GetItems)).await;
    assert_eq!((reply.status, reply.code()), (400, "InvalidParameterValue"));
}

#[tokio::test]
async fn a_scripted_list_has_its_pages_and_repeats_the_last() {
    let sandbox = generous_sandbox().await;
    let client = Client::of(&sandbox, "US");
    let first = ListedPage { places: vec![Some(0), None, Some(1)], total: Some(8), ..ListedPage::default() };
    let failing = ListedPage { error: Some("InternalFailure"), ..ListedPage::default() };
    sandbox.inject(InjectedFault::new(3, FaultKind::Pages(vec![first, failing])));
    let page = |number: u32| client.ask(Operation::SearchItems, json!({ "Keywords": "a", "ItemPage": number }));
    let body = page(1).await.body;
    let items = body["SearchResult"]["Items"].as_array().unwrap();
    assert_eq!((items.len(), items[1].is_null(), &body["SearchResult"]["TotalResultCount"]), (3, true, &json!(8)));
    assert_eq!((page(2).await.status, page(9).await.status), (500, 500));
}

#[tokio::test]
async fn an_error_comes_in_each_form_that_amazon_s_services_use() {
    let sandbox = generous_sandbox().await;
    let client = Client::of(&sandbox, "US");
    let cases = [
        (ErrorForm::List, "/Errors/0/Code"),
        (ErrorForm::Code, "/Code"),
        (ErrorForm::Type, "/type"),
        (ErrorForm::Coral, "/__type"),
        (ErrorForm::Envelope, "/Output/__type"),
        (ErrorForm::Message, "/Message"),
    ];
    for (form, place) in cases {
        let code = "RequestThrottled".to_owned();
        sandbox.inject(InjectedFault::new(1, FaultKind::ErrorForm { status: 503, code, form }));
        let reply = client.ask(Operation::SearchItems, question(Operation::SearchItems)).await;
        let code = reply.body.pointer(place).and_then(Value::as_str).unwrap_or_default();
        assert_eq!((reply.status, code.ends_with("RequestThrottled")), (503, true), "{form:?}: {}", reply.body);
    }
}

#[tokio::test]
async fn a_request_that_does_not_say_that_it_is_amazon_s_json_is_refused() {
    let sandbox = generous_sandbox().await;
    let client = Client::of(&sandbox, "US");
    for (name, value) in
        [("content-encoding", None), ("content-encoding", Some("gzip")), ("content-type", Some("text/plain"))]
    {
        let mut request = client.request(Operation::GetItems, question(Operation::GetItems));
        request.headers_mut().remove(name);
        if let Some(value) = value {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        let response = client.send(request).await.unwrap();
        assert_eq!(response.status(), 404, "{name} {value:?}");
        let body: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
        assert_eq!(body["Output"]["__type"], "com.amazon.coral.service#UnknownOperationException");
    }
}

#[tokio::test]
async fn a_whole_amount_has_no_point() {
    let sandbox = generous_sandbox().await;
    let body = Client::of(&sandbox, "JP").ok(Operation::GetItems, question(Operation::GetItems)).await;
    let amount = &body["ItemsResult"]["Items"][0]["OffersV2"]["Listings"][0]["Price"]["Money"]["Amount"];
    assert!(amount.is_u64(), "{amount}");
}

#[tokio::test]
async fn faults_are_queued_listed_and_removed_over_http() {
    let sandbox = generous_sandbox().await;
    let client = Client::of(&sandbox, "US");
    let url = format!("{}/sandbox/faults", sandbox.url());
    let send = async |method: &str, body: &str| {
        let request = http::Request::builder().method(method).uri(&url).body(body.as_bytes().to_vec()).unwrap();
        let response = client.send(request).await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    let script = "[[fault]]\nkind = \"no-counts\"\noperation = \"SearchItems\"\ntimes = 5\n";
    let pending = r#"{"faults":[{"kind":"no-counts","operation":"SearchItems","times":5}]}"#.to_owned();
    assert_eq!(send("POST", script).await, (200, pending.clone()));
    assert_eq!(send("GET", "").await, (200, pending));
    let (status, text) = send("POST", "[[fault]]\nkind = \"boom\"\n").await;
    assert!(status == 400 && text.contains("kind is boom; it must be one of error, "), "{text}");
    let page = client.ok(Operation::SearchItems, question(Operation::SearchItems)).await;
    assert_eq!(page["SearchResult"]["TotalResultCount"], Value::Null);
    assert_eq!(send("DELETE", "").await, (200, r#"{"faults":[]}"#.to_owned()));
    assert_eq!(send("PUT", "").await.0, 405);
    assert!(sandbox.calls().iter().all(|call| call.operation == Some(Operation::SearchItems)), "control is no call");
}
