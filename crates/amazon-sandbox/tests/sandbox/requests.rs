//! Which requests the sandbox refuses, and how.

use std::time::Duration;

use amazon_catalog::Operation::{GetBrowseNodes, GetItems, GetVariations, SearchItems};
use amazon_sandbox::{FaultKind, InjectedFault, Options, examples};
use serde_json::{Value, json};

use crate::client::{Client, generous_sandbox, sandbox};

#[tokio::test]
async fn values_out_of_range_are_named_in_amazon_s_words() {
    let sandbox = generous_sandbox().await;
    let client = Client::of(&sandbox, "US");
    let search = |name: &str, value: Value| (SearchItems, json!({ "Keywords": "lamp", name: value }));
    let eleven: Vec<_> = (0..11).map(|n| format!("B0SBNUMB{n:02}")).collect();
    let cases = [
        (search("ItemCount", json!(11)), "The value [11] provided in the request for [ItemCount] is invalid."),
        (search("ItemCount", json!(0)), "[0] provided in the request for [ItemCount]"),
        (search("ItemPage", json!(11)), "[ItemPage]"),
        (search("SortBy", json!("Price")), "The value [Price] provided in the request for [SortBy] is invalid."),
        (search("Condition", json!("Broken")), "[Condition]"),
        (search("Availability", json!("Soon")), "[Availability]"),
        (search("Merchant", json!("Me")), "[Merchant]"),
        (search("DeliveryFlags", json!(["Prime", "Pigeon"])), "The value [Pigeon]"),
        (search("MinPrice", json!(0)), "[MinPrice]"),
        (search("MaxPrice", json!(-5)), "The value [-5]"),
        (search("MinReviewsRating", json!(5)), "[MinReviewsRating]"),
        (search("MinSavingPercent", json!(100)), "[MinSavingPercent]"),
        (search("OfferCount", json!(0)), "[OfferCount]"),
        (search("SearchIndex", json!("Furniture")), "The value [Furniture]"),
        (search("BrowseNodeId", json!("12a")), "[BrowseNodeId]"),
        (search("Keywords", json!("")), "[Keywords]"),
        (search("Resources", json!(["ItemInfo.Smell"])), "The value [ItemInfo.Smell]"),
        (search("Marketplace", json!("www.amazon.test")), "[Marketplace]"),
        (search("LanguagesOfPreference", json!(["en_US", "de_DE"])), "[LanguagesOfPreference]"),
        (search("PartnerType", json!("Friends")), "[PartnerType]"),
        ((GetItems, json!({ "ItemIds": eleven })), "[ItemIds]"),
        ((GetItems, json!({ "ItemIds": ["B0SBDEAL01"], "ItemIdType": "EAN" })), "[ItemIdType]"),
        ((GetItems, json!({ "ItemIds": ["B0SBDEAL01"], "Resources": ["SearchRefinements"] })), "[Resources]"),
        ((GetVariations, json!({ "ASIN": examples::VARIATION_PARENT, "VariationPage": 0 })), "[VariationPage]"),
        ((GetBrowseNodes, json!({ "BrowseNodeIds": ["1"], "Resources": ["ItemInfo.Title"] })), "[Resources]"),
    ];
    for ((operation, fields), message) in cases {
        let reply = client.ask(operation, fields.clone()).await;
        assert_eq!((reply.status, reply.code()), (400, "InvalidParameterValue"), "{fields}");
        assert!(reply.message().contains(message), "{fields}: {}", reply.message());
    }
}

#[tokio::test]
async fn absent_parameters_are_named() {
    let sandbox = generous_sandbox().await;
    let client = Client::of(&sandbox, "US");
    let cases = [
        (SearchItems, json!({}), "Keywords"),
        (SearchItems, json!({ "Keywords": "lamp", "PartnerTag": "" }), "PartnerTag"),
        (SearchItems, json!({ "Keywords": "lamp", "PartnerType": null }), "PartnerType"),
        (GetItems, json!({}), "ItemIds"),
        (GetItems, json!({ "ItemIds": [] }), "ItemIds"),
        (GetVariations, json!({}), "ASIN"),
        (GetBrowseNodes, json!({}), "BrowseNodeIds"),
    ];
    for (operation, fields, parameter) in cases {
        let reply = client.ask(operation, fields).await;
        let message = format!("The request must contain the parameter {parameter}.");
        assert_eq!((reply.status, reply.code(), reply.message()), (400, "MissingParameter", message.as_str()));
    }
}

#[tokio::test]
async fn a_value_of_another_type_is_an_internal_failure() {
    let sandbox = generous_sandbox().await;
    let client = Client::of(&sandbox, "US");
    let cases = [
        (SearchItems, json!({ "Keywords": ["lamp"] })),
        (SearchItems, json!({ "Keywords": "lamp", "ItemPage": "2" })),
        (GetItems, json!({ "ItemIds": "B0SBDEAL01" })),
        (GetItems, json!({ "ItemIds": [7] })),
    ];
    for (operation, fields) in cases {
        let reply = client.ask(operation, fields).await;
        assert_eq!((reply.status, reply.code()), (500, "InternalFailure"));
    }
}

#[tokio::test]
async fn the_sandbox_tells_what_it_has_counted() {
    let fault = InjectedFault { operation: None, times: 1, kind: FaultKind::RetryAfter(Duration::from_secs(1)) };
    let options = Options { calls_per_second: 1000.0, calls_per_day: 2, faults: vec![fault], ..Options::default() };
    let sandbox = sandbox(options).await;
    let client = Client::of(&sandbox, "US");
    for expected in [429, 200, 429] {
        assert_eq!(client.ask(GetItems, json!({ "ItemIds": [examples::DEAL] })).await.status, expected);
    }
    let counted = client.http.get(format!("{}/sandbox/calls", sandbox.url())).send().await.unwrap();
    let counted: Value = serde_json::from_slice(&counted.bytes().await.unwrap()).unwrap();
    assert_eq!(counted, json!({ "calls": 3, "by_status": { "200": 1, "429": 2 }, "over_the_limits": 1 }));
}
