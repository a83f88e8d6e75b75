//! The sandbox's Creators API: its checks, its answers, and a small client that asks.

use std::time::Duration;

use amazon_catalog::{Marketplace, Operation};
use amazon_sandbox::{FaultKind, InjectedFault, Options, Sandbox, credential, examples, partner_tag, token_path};
use serde_json::{Value, json};

use crate::client::{self, generous_sandbox, sandbox};

/// What a request is made of. Tests spoil one part of a good one.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) http: reqwest::Client,
    pub(crate) url: String,
    pub(crate) authorization: Option<String>,
    pub(crate) marketplace: Option<&'static str>,
    pub(crate) tag: String,
}

pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

impl Client {
    /// A client with a token of the version that serves the marketplace: of 2.x or 3.x.
    pub(crate) async fn of(sandbox: &Sandbox, family: u8, marketplace: &str) -> Self {
        let marketplace = Marketplace::parse(marketplace).unwrap();
        let group = ["NA", "EU", "FE"].iter().position(|group| *group == marketplace.region_group()).unwrap() + 1;
        let version = format!("{family}.{group}");
        let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
        let reply = read(token_request(&http, sandbox, &version)).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        let token = reply.body["access_token"].as_str().unwrap();
        let authorization =
            if family == 2 { format!("Bearer {token}, Version {version}") } else { format!("Bearer {token}") };
        Self {
            http,
            url: sandbox.url(),
            authorization: Some(authorization),
            marketplace: Some(marketplace.name()),
            tag: partner_tag(marketplace),
        }
    }

    /// Asks with these fields beside the partner tag.
    pub(crate) async fn ask(&self, path: &str, mut fields: Value) -> Reply {
        fields.as_object_mut().unwrap().entry("partnerTag").or_insert(json!(self.tag));
        read(self.request(path, fields.to_string())).await
    }

    pub(crate) async fn ok(&self, path: &str, fields: Value) -> Value {
        let reply = self.ask(path, fields).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.body
    }

    pub(crate) fn request(&self, path: &str, body: String) -> reqwest::RequestBuilder {
        let url = format!("{}{path}", self.url);
        let mut request = self.http.post(url).header("content-type", "application/json").body(body);
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        if let Some(marketplace) = self.marketplace {
            request = request.header("x-marketplace", marketplace);
        }
        request
    }
}

impl Reply {
    /// The reason, or the type where there is none.
    pub(crate) fn reason(&self) -> &str {
        self.body["reason"].as_str().or(self.body["type"].as_str()).unwrap_or_default()
    }
}

/// A request for a token, as Amazon's SDK sends it.
pub(crate) fn token_request(http: &reqwest::Client, sandbox: &Sandbox, version: &str) -> reqwest::RequestBuilder {
    let (id, secret) = credential(version).unwrap();
    let request = http.post(format!("{}{}", sandbox.url(), token_path(version).unwrap()));
    if version.starts_with("2.") {
        let form =
            format!("grant_type=client_credentials&client_id={id}&client_secret={secret}&scope=creatorsapi%2Fdefault");
        return request.header("content-type", "application/x-www-form-urlencoded").body(form);
    }
    let body = json!({
        "grant_type": "client_credentials", "client_id": id, "client_secret": secret, "scope": "creatorsapi::default",
    });
    request.header("content-type", "application/json").body(body.to_string())
}

pub(crate) async fn read(request: reqwest::RequestBuilder) -> Reply {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or(Value::Null);
    Reply { status, headers, body }
}

const GET_ITEMS: &str = "/catalog/v1/getItems";
const SEARCH: &str = "/catalog/v1/searchItems";

fn one_item() -> Value {
    json!({ "itemIds": [examples::HEADPHONES[0]] })
}

#[tokio::test]
async fn a_call_with_a_token_of_either_family_is_answered_in_every_marketplace() {
    let sandbox = generous_sandbox().await;
    for (marketplace, family) in Marketplace::all().flat_map(|marketplace| [(marketplace, 2), (marketplace, 3)]) {
        let client = Client::of(&sandbox, family, marketplace.code()).await;
        let fields = json!({ "itemIds": [examples::HEADPHONES[0]], "resources": ["offersV2.listings.price"] });
        let body = client.ok(GET_ITEMS, fields).await;
        let item = &body["itemsResult"]["items"][0];
        assert_eq!(item["offersV2"]["listings"][0]["price"]["money"]["currency"], marketplace.currency().code());
        let page = item["detailPageURL"].as_str().unwrap();
        assert!(page.starts_with(&format!("https://{}/dp/B0SBHEAD01?tag=sandbox-2", marketplace.name())), "{page}");
    }
    assert!(sandbox.calls().iter().all(|call| call.operation == Some(Operation::GetItems) && call.path == GET_ITEMS));
    assert_eq!(sandbox.calls()[0].item_ids, [examples::HEADPHONES[0]]);
}

#[tokio::test]
async fn each_check_comes_before_the_next() {
    let sandbox = generous_sandbox().await;
    let good = Client::of(&sandbox, 2, "US").await;
    let newer = Client::of(&sandbox, 3, "US").await;
    let with = |authorization: &str| Client { authorization: Some(authorization.into()), ..good.clone() };
    let respelled = |client: &Client, from: &str, to: &str| Client {
        authorization: client.authorization.as_ref().map(|header| header.replace(from, to)),
        ..client.clone()
    };
    let nothing = "{";
    // Everything after the part that is spoilt is spoilt as well.
    let cases = [
        ("/catalog/v1/getitems", Client { authorization: None, ..good.clone() }, nothing, 400, "UnknownOperation"),
        ("/reports/v1/getItems", good.clone(), nothing, 400, "UnknownOperation"),
        (
            GET_ITEMS,
            Client { authorization: None, marketplace: None, ..good.clone() },
            nothing,
            401,
            "MissingCredential",
        ),
        (GET_ITEMS, with("Basic eA=="), nothing, 401, "MissingCredential"),
        (GET_ITEMS, respelled(&good, ", Version 2.1", ""), nothing, 401, "MissingCredential"),
        (GET_ITEMS, with("Bearer eyJ.x.y, Version 2.1"), nothing, 401, "InvalidToken"),
        (GET_ITEMS, with("Bearer Atc|nobody"), nothing, 401, "InvalidToken"),
        (GET_ITEMS, respelled(&good, "2.1", "2.2"), nothing, 401, "InvalidIssuer"),
        (GET_ITEMS, respelled(&newer, "Bearer", "Bearer "), nothing, 400, "CannotParse"),
        (GET_ITEMS, Client { marketplace: None, ..good.clone() }, nothing, 400, "FieldValidationFailed"),
        (GET_ITEMS, Client { marketplace: Some("amazon.test"), ..good.clone() }, nothing, 400, "FieldValidationFailed"),
        (GET_ITEMS, Client { marketplace: Some("www.amazon.de"), ..good.clone() }, nothing, 400, "InvalidAssociate"),
        (GET_ITEMS, good.clone(), nothing, 400, "CannotParse"),
        (GET_ITEMS, good.clone(), "[]", 400, "CannotParse"),
        (GET_ITEMS, good.clone(), r#"{"partnerTag": "x-20"}"#, 400, "FieldValidationFailed"),
        (GET_ITEMS, good.clone(), r#"{"partnerTag": "x-20", "itemIds": ["x"]}"#, 400, "InvalidPartnerTag"),
        (GET_ITEMS, good.clone(), r#"{"partnerTag": "sandbox-20", "itemIds": ["x"]}"#, 403, "AssociateNotEligible"),
    ];
    sandbox.lose_eligibility(true);
    for (path, client, body, status, reason) in cases {
        let reply = read(client.request(path, body.to_owned())).await;
        assert_eq!((reply.status, reply.reason()), (status, reason), "{:?} {body}", client.authorization);
        assert_eq!(reply.headers["x-amzn-requestid"].len(), 36);
    }
    let old = client::Client::of(&sandbox, "US");
    let reply = old.ask(Operation::GetItems, json!({ "ItemIds": ["x"] })).await;
    assert_eq!((reply.status, reply.code()), (403, "AssociateNotEligible"), "PA-API knows of it too");
    sandbox.lose_eligibility(false);
    assert_eq!(good.ask(GET_ITEMS, one_item()).await.status, 200);
    let named = Client { authorization: newer.authorization.map(|header| format!("{header}, Version 3.1")), ..good };
    assert_eq!(named.ask(GET_ITEMS, one_item()).await.status, 200, "the version may be named as well");
}

#[tokio::test]
async fn both_apis_use_up_the_same_calls() {
    let sandbox = sandbox(Options { calls_per_second: 1.0 / 60.0, ..Options::default() }).await;
    let client = Client::of(&sandbox, 3, "US").await;
    let signed = client::Client::of(&sandbox, "US");
    assert_eq!(signed.ask(Operation::GetItems, json!({ "ItemIds": [examples::DEAL] })).await.status, 200);
    let reply = client.ask(GET_ITEMS, json!({})).await;
    assert_eq!((reply.status, reply.reason()), (429, "ThrottleException"), "before its body is looked at");
    assert_eq!(sandbox.calls().len(), 2, "the token is no call");
}

#[tokio::test]
async fn every_field_that_is_wrong_is_named() {
    let sandbox = generous_sandbox().await;
    let client = Client::of(&sandbox, 3, "US").await;
    let search = |name: &str, value: Value| {
        let mut fields = json!({ "keywords": "lamp" });
        fields[name] = value;
        (SEARCH, fields)
    };
    let cases = [
        (search("itemCount", json!(101)), "itemCount"),
        (search("itemPage", json!(11)), "itemPage"),
        (search("itemPage", json!("1")), "itemPage"),
        (search("minPrice", json!(0)), "minPrice"),
        (search("minReviewsRating", json!(5)), "minReviewsRating"),
        (search("minSavingPercent", json!(100)), "minSavingPercent"),
        (search("condition", json!("Used")), "condition"),
        (search("sortBy", json!("price")), "sortBy"),
        (search("deliveryFlags", json!(["Drone"])), "deliveryFlags"),
        (search("browseNodeId", json!("0123")), "browseNodeId"),
        (search("searchIndex", json!("Spoons")), "searchIndex"),
        (search("keywords", json!(" ")), "keywords"),
        (search("partnerTag", json!("x".repeat(65))), "partnerTag"),
        (search("languagesOfPreference", json!(["en_US", "es_US"])), "languagesOfPreference"),
        (search("resources", json!(["offers.listings.price"])), "resources"),
        (search("resources", json!(["ItemInfo.Title"])), "resources"),
        (search("MinPrice", json!(100)), "MinPrice"),
        ((SEARCH, json!({})), "keywords"),
        ((GET_ITEMS, json!({ "ItemIds": ["B0SBDEAL01"] })), "itemIds"),
        ((GET_ITEMS, json!({ "itemIds": [] })), "itemIds"),
        ((GET_ITEMS, json!({ "itemIds": vec!["B0SBDEAL01"; 11] })), "itemIds"),
        (("/catalog/v1/getVariations", json!({ "asin": "spoon" })), "asin"),
        (("/catalog/v1/getVariations", json!({ "asin": "B0SBDEAL01", "variationCount": 11 })), "variationCount"),
        (("/catalog/v1/getBrowseNodes", json!({ "browseNodeIds": "1" })), "browseNodeIds"),
        (("/catalog/v1/getFeed", json!({})), "feedName"),
        (("/reports/v1/getReport", json!({ "filename": "x", "reportType": "DEALS_FEEDS" })), "reportType"),
    ];
    for ((path, fields), name) in cases {
        let reply = client.ask(path, fields.clone()).await;
        assert_eq!((reply.status, reply.reason()), (400, "FieldValidationFailed"), "{fields}: {}", reply.body);
        assert_eq!(reply.body["type"], "ValidationException");
        let first = &reply.body["fieldList"][0];
        assert!(first["name"] == name && first["message"].is_string(), "{fields}: {}", reply.body);
    }
    let two = client.ask(SEARCH, json!({ "itemPage": 0, "condition": "Used" })).await;
    assert_eq!(two.body["fieldList"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn an_item_is_returned_as_asked_in_the_api_s_own_names() {
    let sandbox = generous_sandbox().await;
    let client = Client::of(&sandbox, 2, "US").await;
    let resources = [
        "itemInfo.title",
        "itemInfo.externalIds",
        "parentASIN",
        "images.primary.highRes",
        "images.primary.small",
        "offersV2.listings.price",
        "offersV2.listings.condition",
        "customerReviews.count",
        "customerReviews.starRating",
    ];
    let fields = json!({ "itemIds": [examples::VARIATION_CHILD], "itemIdType": "ASIN", "resources": resources });
    let body = client.ok(GET_ITEMS, fields).await;
    let item = &body["itemsResult"]["items"][0];
    assert_eq!(item["asin"], examples::VARIATION_CHILD);
    assert_eq!(item["parentASIN"], examples::VARIATION_PARENT);
    assert!(item["itemInfo"]["externalIds"]["eans"]["displayValues"][0].is_string());
    let primary = &item["images"]["primary"];
    assert!(primary["hiRes"]["url"].is_string() && primary["small"]["url"].is_string() && primary["large"].is_null());
    assert_eq!(primary["hiRes"]["height"], 1500);
    let listing = &item["offersV2"]["listings"][0];
    assert!(listing["price"]["money"]["displayAmount"].is_string() && listing["violatesMAP"].is_boolean());
    assert_eq!(listing["condition"]["value"], "New");
    assert!(item["customerReviews"].is_null(), "ratings are absent");
    assert!(!body.to_string().contains("__type"));
}

#[tokio::test]
async fn ratings_are_returned_where_that_is_switched_on_and_narrow_a_search_anyway() {
    let options = Options { creators_reviews: true, calls_per_second: 1000.0, ..Options::default() };
    let (with_reviews_sandbox, silent) = (sandbox(options).await, generous_sandbox().await);
    let search =
        json!({ "keywords": "headphones", "minReviewsRating": 4, "resources": ["customerReviews.starRating"] });
    let with_reviews = Client::of(&with_reviews_sandbox, 3, "US").await.ok(SEARCH, search.clone()).await;
    let items = with_reviews["searchResult"]["items"].as_array().unwrap();
    assert!(items.iter().all(|item| item["customerReviews"]["starRating"]["value"].as_f64().unwrap() >= 4.0));

    let client = Client::of(&silent, 3, "US").await;
    let without_reviews = client.ok(SEARCH, search).await;
    assert_eq!(without_reviews["searchResult"]["totalResultCount"], with_reviews["searchResult"]["totalResultCount"]);
    let items = without_reviews["searchResult"]["items"].as_array().unwrap();
    assert!(items.iter().all(|item| item["customerReviews"].is_null() && item["itemInfo"].is_null()));
    let all = client.ok(SEARCH, json!({ "keywords": "headphones" })).await;
    assert_ne!(without_reviews["searchResult"]["totalResultCount"], all["searchResult"]["totalResultCount"]);
}

#[tokio::test]
async fn some_items_state_what_was_not_asked_for_as_null() {
    let sandbox = generous_sandbox().await;
    let client = Client::of(&sandbox, 3, "US").await;
    let search = json!({ "keywords": "headphones", "itemCount": 100 });
    let first = client.ok(SEARCH, search.clone()).await;
    let items = first["searchResult"]["items"].as_array().unwrap();
    assert_eq!(items.len(), 10, "a page has ten, whatever was asked for");
    let with_nulls = items.iter().filter(|item| item.get("score").is_some_and(Value::is_null)).count();
    assert!((1..10).contains(&with_nulls), "{with_nulls}");
    assert!(items.iter().all(|item| item["itemInfo"]["title"]["displayValue"].is_string()));
    assert_eq!(client.ok(SEARCH, search).await, first, "the same ones each time");
}

#[tokio::test]
async fn a_search_a_family_and_browse_nodes_are_answered() {
    let sandbox = generous_sandbox().await;
    let client = Client::of(&sandbox, 3, "JP").await;
    let search = json!({ "browseNodeId": examples::ROOT_NODE, "resources": ["searchRefinements"], "itemPage": 2 });
    let found = client.ok(SEARCH, search).await;
    let refinements = &found["searchResult"]["searchRefinements"];
    assert_eq!(refinements["otherRefinements"][0]["id"], "Brand");
    assert!(refinements["searchIndex"]["bins"][0]["displayName"].is_string());
    assert!(found["searchResult"]["searchURL"].as_str().unwrap().starts_with("https://www.amazon.co.jp/"));

    let resources = ["variationSummary.price.lowestPrice", "variationSummary.variationDimension"];
    let family = json!({ "asin": examples::VARIATION_CHILD, "variationPage": 2, "resources": resources });
    let family = client.ok("/catalog/v1/getVariations", family).await;
    let summary = &family["variationsResult"]["variationSummary"];
    assert_eq!((&summary["pageCount"], &summary["variationCount"]), (&json!(2), &json!(15)));
    assert_eq!(summary["price"]["lowestPrice"]["currency"], "JPY");
    assert_eq!(summary["variationDimensions"].as_array().unwrap().len(), 2);
    assert_eq!(family["variationsResult"]["items"][0]["variationAttributes"][0]["name"], "color_name");

    let nodes = json!({ "browseNodeIds": [examples::LEAF_NODE, "7"], "resources": ["browseNodes.ancestor"] });
    let nodes = client.ok("/catalog/v1/getBrowseNodes", nodes).await;
    let node = &nodes["browseNodesResult"]["browseNodes"][0];
    assert_eq!((&node["isRoot"], &node["ancestor"]["ancestor"]["id"]), (&json!(false), &json!(examples::ROOT_NODE)));
    assert_eq!(nodes["errors"][0]["code"], "InvalidParameterValue");
}

#[tokio::test]
async fn what_is_found_in_part_comes_with_errors_and_nothing_at_all_is_not_found() {
    let sandbox = generous_sandbox().await;
    let client = Client::of(&sandbox, 3, "US").await;
    let ids = json!({ "itemIds": [examples::DEAL, examples::NOT_ACCESSIBLE, examples::UNKNOWN] });
    let body = client.ok(GET_ITEMS, ids).await;
    assert_eq!(body["itemsResult"]["items"].as_array().unwrap().len(), 1);
    let expected = json!([
        { "code": "ItemNotAccessible", "message": "The ItemId B0SBHIDDEN is not accessible through the Creators API." },
        { "code": "InvalidParameterValue", "message": "The ItemId B0SBNOBODY provided in the request is invalid." },
    ]);
    assert_eq!(body["errors"], expected);

    let cases = [
        (GET_ITEMS, json!({ "itemIds": [examples::UNKNOWN, "x"] }), "Item", examples::UNKNOWN),
        (SEARCH, json!({ "keywords": "xyzzy spoon" }), "SearchResult", "xyzzy spoon"),
        ("/catalog/v1/getVariations", json!({ "asin": examples::DEAL }), "Item", examples::DEAL),
        ("/catalog/v1/getBrowseNodes", json!({ "browseNodeIds": ["7"] }), "BrowseNode", "7"),
        ("/catalog/v1/getFeed", json!({ "feedName": "x" }), "Feed", "x"),
    ];
    for (path, fields, kind, id) in cases {
        let reply = client.ask(path, fields).await;
        assert_eq!((reply.status, reply.reason()), (404, "ResourceNotFoundException"));
        assert_eq!((&reply.body["resourceType"], &reply.body["resourceId"]), (&json!(kind), &json!(id)));
    }
}

#[tokio::test]
async fn faults_hit_calls_of_this_api_in_its_own_form() {
    let sandbox = generous_sandbox().await;
    let client = Client::of(&sandbox, 3, "US").await;
    let cases = [
        ("AssociateNotEligible", 403, "AssociateNotEligible"),
        ("TokenExpired", 401, "TokenExpired"),
        ("InternalFailure", 500, "InternalServerException"),
        ("TooManyRequests", 429, "ThrottleException"),
        ("Retired", 403, "AuthorizationFailed"),
        ("SomethingNew", 400, "SomethingNew"),
    ];
    for (name, status, reason) in cases {
        sandbox.inject(InjectedFault::new(1, FaultKind::Error(name)));
        let reply = client.ask(GET_ITEMS, one_item()).await;
        assert_eq!((reply.status, reply.reason()), (status, reason));
    }
    sandbox.inject(InjectedFault::new(1, FaultKind::RetryAfter(Duration::from_secs(7))));
    let reply = client.ask("/catalog/v1/listFeeds", json!({})).await;
    assert_eq!((reply.status, reply.headers["retry-after"].to_str().unwrap()), (429, "7"));
    sandbox.inject(InjectedFault {
        operation: Some(Operation::SearchItems),
        ..InjectedFault::new(1, FaultKind::Malformed)
    });
    assert_eq!(client.ask("/catalog/v1/listFeeds", json!({})).await.status, 200, "not meant for it");
    assert!(client.ok(SEARCH, json!({ "keywords": "lamp" })).await.is_null());
    sandbox.inject(InjectedFault::new(1, FaultKind::PartialErrors));
    let body = client.ok(GET_ITEMS, json!({ "itemIds": [examples::DEAL, examples::BOOK] })).await;
    assert_eq!(body["errors"][0]["code"], "ItemNotAccessible");
}
