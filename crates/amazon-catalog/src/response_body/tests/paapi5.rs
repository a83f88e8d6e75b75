//! Whole answers, from Amazon's JSON to the contract's messages. All products are invented.

use super::*;
use crate::{
    Items, Missing, Refusal, SearchPage, pb,
    test_fixtures::{asin, browse_nodes, items, search, variations},
};

mod products;

fn read(request: &CatalogRequest, body: &str) -> Result<CatalogResponse, Error> {
    super::read(request, 200, body)
}

fn fault(code: &str, message: &str) -> String {
    serde_json::json!({ "Errors": [{ "Code": code, "Message": message }] }).to_string()
}

#[test]
fn what_amazon_says_of_missing_items_stands_beside_the_found() {
    let request = items(&["B0FAKEKTL3", "B0FAKEBAD0", "B0FAKEHID9", "B0FAKENOT5"]);
    let answer = read(&request, include_str!("../../../tests/data/paapi5/items-partial.json")).unwrap();
    let CatalogResponse::Items(Items { products, missing, failed, .. }) = answer else { panic!("{answer:?}") };
    assert_eq!(products.iter().map(|product| product.asin.as_str()).collect::<Vec<_>>(), ["B0FAKEKTL3"]);
    let expected = [(asin("B0FAKEBAD0"), Missing::NotFound), (asin("B0FAKEHID9"), Missing::NotAccessible)];
    assert_eq!(missing, expected);
    assert!(matches!(failed.as_slice(), [(id, Error::Failed { .. })] if *id == asin("B0FAKENOT5")), "{failed:?}");
}

#[test]
fn a_search_keeps_amazon_s_order_and_count() {
    let answer = read(&search(), include_str!("../../../tests/data/paapi5/search.json")).unwrap();
    let CatalogResponse::Search(page) = answer else { panic!("{answer:?}") };
    assert_eq!(
        page.places.iter().flatten().map(|product| product.asin.as_str()).collect::<Vec<_>>(),
        ["B0FAKESHF2", "B0FAKELMP1"]
    );
    assert_eq!(page.total_results, Some(412));
    let url = "https://www.amazon.com/s/?field-keywords=desk+lamp&search-alias=aps&tag=example-20&linkCode=osi";
    assert_eq!(page.search_url, url);
    let facet = |id: &str, name: &str, value: &str, words: &str| pb::Facet {
        id: id.to_owned(),
        display_name: name.to_owned(),
        values: vec![pb::FacetValue { id: value.to_owned(), display_name: words.to_owned() }],
    };
    let expected = [
        facet("SearchIndex", "Department", "HomeAndKitchen", "Home & Kitchen"),
        facet("BrowseNodeId", "Category", "9000000003", "Desk Lamps"),
        facet("Brand", "Brand", "Quillmere", "Quillmere"),
    ];
    assert_eq!(page.facets, expected);
}

#[test]
fn a_family_has_its_children_and_a_summary() {
    let json = include_str!("../../../tests/data/paapi5/variations.json");
    let CatalogResponse::Variations(Some(page)) = read(&variations(), json).unwrap() else { panic!() };
    assert_eq!((page.page_count, page.summary.variation_count), (Some(2), 13));
    assert_eq!(page.summary.lowest_price.unwrap().display, "$27.50");
    assert_eq!(page.summary.highest_price.unwrap().units, 36);
    let dimension = pb::VariationDimension {
        name: "color_name".to_owned(),
        display_name: "Color".to_owned(),
        values: ["Moss", "Rust", "Slate"].map(str::to_owned).to_vec(),
    };
    assert_eq!(page.summary.dimensions, [dimension]);
    let attribute = pb::VariationAttribute { name: "color_name".to_owned(), value: "Moss".to_owned() };
    assert_eq!(page.places[0].as_ref().unwrap().variation, Some(pb::ProductVariation { attributes: vec![attribute] }));
}

#[test]
fn the_family_s_span_shows_no_price_that_a_child_may_withhold() {
    let child = |amount: u32, flag: &str| {
        format!(
            r#"{{"ASIN": "B0FAKESCF{amount}", "OffersV2": {{"Listings": [{{"ViolatesMAP": {flag}, "Price": {{"Money": {{"Amount": {amount}, "Currency": "USD"}}}}}}]}}}}"#
        )
    };
    let price =
        r#"{"LowestPrice": {"Amount": 1, "Currency": "USD"}, "HighestPrice": {"Amount": 3, "Currency": "USD"}}"#;
    let whole = |count: u32| format!(r#""VariationCount": {count}, "#);
    let cases = [
        (vec![child(1, "true"), child(3, "false")], whole(2), (None, Some(3))),
        (vec![child(1, "false"), child(2, "\"?\""), child(3, "false")], whole(3), (Some(1), Some(3))),
        (vec![child(2, "false")], whole(1), (Some(1), Some(3))),
        (vec![child(2, "false")], whole(13), (None, None)),
        (vec![child(2, "false")], String::new(), (None, None)),
        (vec![child(3, "false"), "null".to_owned()], whole(2), (None, Some(3))),
    ];
    for (children, count, span) in cases {
        let items = children.join(", ");
        let json = format!(
            r#"{{"VariationsResult": {{"Items": [{items}], "VariationSummary": {{{count}"Price": {price}}}}}}}"#
        );
        let CatalogResponse::Variations(Some(page)) = read(&variations(), &json).unwrap() else { panic!() };
        let units = |price: Option<pb::Money>| price.map(|price| price.units);
        assert_eq!((units(page.summary.lowest_price), units(page.summary.highest_price)), span, "{json}");
    }
}

#[test]
fn a_node_has_ancestors_and_children() {
    let json = include_str!("../../../tests/data/paapi5/browse-nodes.json");
    let names = |id: &str, name: &str, free: &str| (id.to_owned(), name.to_owned(), free.to_owned());
    let (id, display_name, context_free_name) = names("9000000001", "Home & Kitchen", "Home & Kitchen");
    let parent = pb::BrowseNodeName { id, display_name, context_free_name };
    let (id, display_name, context_free_name) = names("9000000003", "Desk Lamps", "Desk Lamps");
    let child = pb::BrowseNode { id, display_name, context_free_name, ..Default::default() };
    let (id, display_name, context_free_name) = names("9000000002", "Lighting", "Lighting & Ceiling Fans");
    let node = pb::BrowseNode {
        id,
        display_name,
        context_free_name,
        is_root: Some(false),
        sales_rank: None,
        ancestors: vec![parent],
        children: vec![child],
    };
    let CatalogResponse::BrowseNodes(answer) = read(&browse_nodes(), json).unwrap() else { panic!() };
    assert_eq!(answer.nodes, [node]);
    assert_eq!(answer.missing.iter().map(ToString::to_string).collect::<Vec<_>>(), ["12"]);
}

#[test]
fn that_there_is_nothing_is_an_answer() {
    let none = fault("NoResults", "No results found for your request.");
    let bad_item = fault("InvalidParameterValue", "The ItemId B0FAKEBAD0 provided in the request is invalid.");
    let bad_parent = fault("InvalidParameterValue", "The ItemId B0FAKESCF0 provided in the request is invalid.");
    let bad_node = fault("InvalidParameterValue", "The BrowseNodeId 12 provided in the request is invalid.");
    let missing = Items { missing: vec![(asin("B0FAKEBAD0"), Missing::NotFound)], ..Items::default() };
    let no_results = SearchPage { total_results: Some(0), ..SearchPage::default() };
    let cases = [
        (search(), &none, CatalogResponse::Search(no_results)),
        (items(&["B0FAKEBAD0"]), &none, CatalogResponse::Items(missing.clone())),
        (items(&["B0FAKEBAD0"]), &bad_item, CatalogResponse::Items(missing)),
        (variations(), &none, CatalogResponse::Variations(None)),
        (variations(), &bad_parent, CatalogResponse::Variations(None)),
    ];
    for (request, body, answer) in cases {
        assert_eq!(read(&request, body).unwrap(), answer, "{request:?}");
    }
    let CatalogResponse::BrowseNodes(nodes) = read(&browse_nodes(), &bad_node).unwrap() else { panic!() };
    assert_eq!(nodes.missing.iter().map(ToString::to_string).collect::<Vec<_>>(), ["12"]);
    assert_eq!(nodes.failed.len(), 1, "nothing is said of the other");
}

#[test]
fn a_fault_in_an_answer_without_a_result_is_an_error() {
    let rejected = fault("InvalidParameterValue", "The value [X] provided in the request for [Resources] is invalid.");
    for request in [search(), items(&["B0FAKEBAD0"]), variations(), browse_nodes()] {
        let error = read(&request, &rejected).unwrap_err();
        assert!(matches!(&error, Error::Rejected { parameter: Some(p), .. } if p == "Resources"), "{error:?}");
    }
    let enveloped = r#"{"Output": {"__type": "com.amazon.paapi5#UnrecognizedClientException"}, "Version": "1.0"}"#;
    let error = read(&search(), enveloped).unwrap_err();
    assert!(matches!(error, Error::Refused { refusal: Refusal::UnknownKey, .. }), "{error:?}");
}

#[test]
fn json_that_says_nothing_is_malformed_and_what_is_no_json_is_a_failure() {
    let malformed = [
        "{}",
        r#"{"Errors": []}"#,
        r#"{"ItemsResult": null}"#,
        r#"{"ItemsResult": []}"#,
        r#"{"ItemsResult": {}}"#,
        r#"{"ItemsResult": {"Items": {}}}"#,
        r#"{"SearchResult": {"Items": []}}"#,
    ];
    for body in malformed {
        let answer = read(&items(&["B0FAKEKTL3"]), body);
        assert!(matches!(answer, Err(Error::Malformed { .. })), "{body}: {answer:?}");
    }
    for body in ["", "<html></html>", "[]", "null", r#"{"ItemsResult": {"Items": [{"ASIN": "B0FAKEKTL3"}]}"#] {
        let answer = read(&items(&["B0FAKEKTL3"]), body);
        assert!(matches!(answer, Err(Error::Failed { status: 200, .. })), "{body}: {answer:?}");
    }
}

#[test]
fn an_id_that_is_neither_answered_nor_named_fails_alone() {
    for body in [r#"{"ItemsResult": {"Items": []}}"#, r#"{"ItemsResult": {"Items": [null, {"ASIN": "short"}]}}"#] {
        let CatalogResponse::Items(answer) = read(&items(&["B0FAKEKTL3"]), body).unwrap() else { panic!() };
        assert!(answer.missing.is_empty() && answer.products.is_empty(), "{answer:?}");
        assert!(matches!(answer.failed.as_slice(), [(_, Error::Failed { .. })]), "{answer:?}");
    }
}
