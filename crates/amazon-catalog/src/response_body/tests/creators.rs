//! Whole answers, from Amazon's JSON to the contract's messages. All products are invented.

use serde_json::json;

use super::*;
use crate::{
    FileKind, GetFileLink, Items, ListFiles, Missing, Refusal, SearchPage, pb,
    test_fixtures::{asin, browse_nodes, image, items, locale, s, search, usd, variations},
};

#[test]
fn a_product_has_what_the_api_states_and_nothing_else() {
    let json = include_str!("../../../tests/data/creators/items-full.json");
    let answer = read(&items(&["B0FAKELMP1"]), 200, json).unwrap();
    let CatalogResponse::Items(Items { mut products, missing, .. }) = answer else { panic!("{answer:?}") };
    assert_eq!((products.len(), missing.len()), (1, 0));
    let expected = pb::Product {
        asin: s("B0FAKELMP1"),
        marketplace: s("www.amazon.com"),
        detail_page_url: s(
            "https://www.amazon.com/dp/B0FAKELMP1?tag=example-20&linkCode=ogi&language=en_US&th=1&psc=1",
        ),
        parent_asin: s("B0FAKELMP0"),
        info: Some(pb::ProductInfo {
            title: s("Quillmere DL-07 Clamp Desk Lamp"),
            brand: s("Quillmere"),
            eans: vec![s("0000000000017")],
            ..Default::default()
        }),
        images: Some(pb::ProductImages {
            primary: Some(pb::ImageSet {
                small: image("https://images.example/lamp._SL75_.jpg", 75, 67),
                hi_res: image("https://images.example/lamp.jpg", 1500, 1350),
                ..Default::default()
            }),
            variants: vec![pb::ImageSet {
                hi_res: image("https://images.example/lamp-2.jpg", 1500, 1500),
                ..Default::default()
            }],
        }),
        offers: Some(pb::ProductOffers { listings: vec![new_offer(), used_offer()], summaries: Vec::new() }),
        ..Default::default()
    };
    assert_eq!(products.remove(0), expected);
}

fn new_offer() -> pb::Offer {
    pb::Offer {
        condition: pb::Condition::New.into(),
        price: usd(33, 990_000_000, "$33.99"),
        saving: Some(pb::Saving { amount: usd(6, 0, "$6.00"), percent: Some(15) }),
        saving_basis: Some(pb::SavingBasis {
            price: usd(39, 990_000_000, "$39.99"),
            r#type: s("LIST_PRICE"),
            label: s("List Price"),
        }),
        availability: Some(pb::Availability {
            r#type: pb::AvailabilityType::InStockScarce.into(),
            type_text: s("IN_STOCK_SCARCE"),
            message: s("Only 3 left in stock."),
            min_order_quantity: Some(1),
            max_order_quantity: Some(3),
        }),
        deal: Some(pb::Deal {
            access_type: s("ALL"),
            badge: s("Limited time deal"),
            start_time: Some(prost_types::Timestamp { seconds: 1_771_228_800, nanos: 0 }),
            percent_claimed: Some(38),
            ..Default::default()
        }),
        is_buy_box_winner: Some(true),
        merchant: Some(pb::Merchant { id: s("AFAKEMERCH001"), name: s("Quillmere Direct"), ..Default::default() }),
        ..Default::default()
    }
}

fn used_offer() -> pb::Offer {
    pb::Offer {
        r#type: s("HAUL"),
        condition: pb::Condition::Used.into(),
        sub_condition: s("LikeNew"),
        condition_note: s("Box opened."),
        price: usd(21, 500_000_000, "$21.50"),
        availability: Some(pb::Availability {
            r#type: pb::AvailabilityType::InStock.into(),
            type_text: s("IN_STOCK"),
            ..Default::default()
        }),
        is_buy_box_winner: Some(false),
        merchant: Some(pb::Merchant { name: s("Second Pour"), ..Default::default() }),
        ..Default::default()
    }
}

#[test]
fn what_amazon_says_of_missing_items_stands_beside_the_found() {
    let request = items(&["B0FAKEKTL3", "B0FAKEBAD0", "B0FAKEHID9", "B0FAKENOT5"]);
    let answer = read(&request, 200, include_str!("../../../tests/data/creators/items-partial.json")).unwrap();
    let CatalogResponse::Items(Items { products, missing, failed, .. }) = answer else { panic!("{answer:?}") };
    assert_eq!(products.iter().map(|product| product.asin.as_str()).collect::<Vec<_>>(), ["B0FAKEKTL3"]);
    let expected = [(asin("B0FAKEBAD0"), Missing::NotFound), (asin("B0FAKEHID9"), Missing::NotAccessible)];
    assert_eq!(missing, expected);
    assert!(matches!(failed.as_slice(), [(id, Error::Failed { .. })] if *id == asin("B0FAKENOT5")), "{failed:?}");
}

#[test]
fn a_search_keeps_amazon_s_order_count_and_facets() {
    let answer = read(&search(), 200, include_str!("../../../tests/data/creators/search.json")).unwrap();
    let CatalogResponse::Search(page) = answer else { panic!("{answer:?}") };
    let asins: Vec<_> = page.places.iter().flatten().map(|product| product.asin.as_str()).collect();
    assert_eq!(asins, ["B0FAKESHF2", "B0FAKELMP1"]);
    assert_eq!(page.total_results, Some(412));
    assert_eq!(page.search_url, "https://www.amazon.com/s?k=desk+lamp&tag=example-20");
    assert_eq!(page.facets.iter().map(|facet| facet.id.as_str()).collect::<Vec<_>>(), ["SearchIndex", "Brand"]);
}

#[test]
fn a_family_has_its_children_and_a_summary() {
    let json = include_str!("../../../tests/data/creators/variations.json");
    let CatalogResponse::Variations(Some(page)) = read(&variations(), 200, json).unwrap() else { panic!() };
    assert_eq!((page.page_count, page.summary.variation_count), (Some(2), 13));
    assert_eq!(page.summary.lowest_price, usd(27, 500_000_000, "$27.50"));
    assert_eq!(page.summary.highest_price, usd(36, 0, "$36.00"));
    assert_eq!(page.summary.dimensions[0].values, ["Moss", "Rust"]);
    let attribute = pb::VariationAttribute { name: s("color_name"), value: s("Moss") };
    assert_eq!(page.places[0].as_ref().unwrap().variation, Some(pb::ProductVariation { attributes: vec![attribute] }));
}

#[test]
fn a_node_has_ancestors_and_children() {
    let json = include_str!("../../../tests/data/creators/browse-nodes.json");
    let CatalogResponse::BrowseNodes(nodes) = read(&browse_nodes(), 200, json).unwrap() else { panic!() };
    let [node] = nodes.nodes.as_slice() else { panic!("{nodes:?}") };
    assert_eq!((node.id.as_str(), node.is_root, node.ancestors.len()), ("9000000002", Some(false), 1));
    assert_eq!((node.ancestors[0].id.as_str(), node.children[0].id.as_str()), ("9000000001", "9000000003"));
}

#[test]
fn that_there_is_nothing_is_an_answer_in_each_of_its_forms() {
    let exceptions = [
        json!({ "type": "ResourceNotFoundException", "message": "No items found.", "resourceType": "Item" }),
        json!({ "__type": "com.amazon.creators#ResourceNotFoundException", "resourceId": "x" }),
    ];
    let all_missing = Items { missing: vec![(asin("B0FAKEBAD0"), Missing::NotFound)], ..Items::default() };
    let ids = ["9000000002", "12"].map(|id| crate::BrowseNodeId::parse(id).unwrap());
    let no_nodes = BrowseNodes { missing: ids.to_vec(), ..BrowseNodes::default() };
    let empty = [
        (items(&["B0FAKEBAD0"]), CatalogResponse::Items(all_missing)),
        (search(), CatalogResponse::Search(SearchPage { total_results: Some(0), ..SearchPage::default() })),
        (variations(), CatalogResponse::Variations(None)),
        (browse_nodes(), CatalogResponse::BrowseNodes(no_nodes)),
    ];
    for (request, expected) in &empty {
        for body in &exceptions {
            assert_eq!(read(request, 404, &body.to_string()).unwrap(), *expected, "{body}");
        }
        let faults = json!({ "errors": [{ "code": "NoResults", "message": "No results found." }] });
        assert_eq!(read(request, 200, &faults.to_string()).unwrap(), *expected);
    }
    let faults = json!({ "itemsResult": null, "errors": [
        { "code": "InvalidParameterValue", "message": "The ItemId B0FAKEBAD0 provided in the request is invalid." },
        { "code": "ItemNotAccessible", "message": "The ItemId B0FAKEHID9 is not accessible." },
    ] });
    let missing = vec![(asin("B0FAKEBAD0"), Missing::NotFound), (asin("B0FAKEHID9"), Missing::NotAccessible)];
    let answer = read(&items(&["B0FAKEBAD0", "B0FAKEHID9"]), 200, &faults.to_string()).unwrap();
    assert_eq!(answer, CatalogResponse::Items(Items { missing, ..Items::default() }));
}

#[test]
fn a_fault_in_place_of_a_result_is_an_error() {
    let body = |code: &str| json!({ "errors": [{ "code": code, "message": "No id stands here." }] }).to_string();
    for request in [items(&["B0FAKEBAD0"]), search(), variations(), browse_nodes()] {
        let error = read(&request, 200, &body("InvalidParameterValue")).unwrap_err();
        assert!(matches!(&error, Error::Rejected { code, .. } if code == "InvalidParameterValue"), "{error:?}");
        let error = read(&request, 200, &body("AssociateNotEligible")).unwrap_err();
        assert!(matches!(error, Error::Refused { refusal: Refusal::NotEligible, .. }), "{error:?}");
    }
}

#[test]
fn json_that_says_nothing_is_malformed_and_what_is_no_json_is_a_failure() {
    let malformed = [
        "{}",
        r#"{"errors": []}"#,
        r#"{"itemsResult": null}"#,
        r#"{"itemsResult": []}"#,
        r#"{"itemsResult": {}}"#,
        r#"{"itemsResult": {"items": {}}}"#,
        r#"{"searchResult": {"items": []}}"#,
    ];
    for body in malformed {
        let answer = read(&items(&["B0FAKEKTL3"]), 200, body);
        assert!(matches!(answer, Err(Error::Malformed { .. })), "{body}: {answer:?}");
    }
    for body in ["", "<html></html>", "[]", "null", r#"{"itemsResult": {"items": [{"asin": "B0FAKEKTL3"}]}"#] {
        let answer = read(&items(&["B0FAKEKTL3"]), 200, body);
        assert!(matches!(answer, Err(Error::Failed { status: 200, .. })), "{body}: {answer:?}");
    }
}

#[test]
fn an_id_that_is_neither_answered_nor_named_fails_alone() {
    for body in [r#"{"itemsResult": {"items": []}}"#, r#"{"itemsResult": {"items": [null, {"asin": "short"}]}}"#] {
        let CatalogResponse::Items(answer) = read(&items(&["B0FAKEKTL3"]), 200, body).unwrap() else { panic!() };
        assert!(answer.missing.is_empty() && answer.products.is_empty(), "{answer:?}");
        assert!(matches!(answer.failed.as_slice(), [(_, Error::Failed { .. })]), "{answer:?}");
    }
}

fn list(kind: FileKind) -> CatalogRequest {
    CatalogRequest::Files(ListFiles { marketplace: locale("US").marketplace, kind })
}

fn link() -> CatalogRequest {
    let link =
        GetFileLink { marketplace: locale("US").marketplace, kind: FileKind::Feeds, name: s("a.gz"), file_type: None };
    CatalogRequest::FileLink(link)
}

#[test]
fn feeds_and_reports_are_files_of_one_shape() {
    let feeds = r#"{"feeds": [
        {"feedName": "us-home.json.gz", "size": 1048576, "md5": "0a", "lastUpdated": "2026-06-01T04:00:00Z",
         "feedType": "PRODUCT_FEEDS"},
        {"size": 7}]}"#;
    let reports = r#"{"reports": [{"filename": "earnings.csv", "size": -1, "lastModified": "in June"}]}"#;
    let feed = pb::AccountFile {
        name: s("us-home.json.gz"),
        r#type: s("PRODUCT_FEEDS"),
        size_bytes: Some(1_048_576),
        md5: s("0a"),
        update_time: Some(prost_types::Timestamp { seconds: 1_780_286_400, nanos: 0 }),
        update_time_text: s("2026-06-01T04:00:00Z"),
    };
    let report =
        pb::AccountFile { name: s("earnings.csv"), update_time_text: s("in June"), ..pb::AccountFile::default() };
    assert_eq!(read(&list(FileKind::Feeds), 200, feeds).unwrap(), CatalogResponse::Files(vec![feed]));
    assert_eq!(read(&list(FileKind::Reports), 200, reports).unwrap(), CatalogResponse::Files(vec![report]));
    let none = read(&list(FileKind::Feeds), 200, "{}").unwrap();
    assert_eq!(none, CatalogResponse::Files(Vec::new()), "the list of feeds may be left out");
}

#[test]
fn a_link_is_given_and_not_shown_or_there_is_no_such_file() {
    let answer = read(&link(), 200, r#"{"url": "https://files.example/x?signature=0"}"#).unwrap();
    assert!(!format!("{answer:?}").contains("signature"), "{answer:?}");
    let CatalogResponse::FileLink(Some(found)) = answer else { panic!("{answer:?}") };
    assert_eq!(found.expose(), "https://files.example/x?signature=0");
    let missing = r#"{"type": "ResourceNotFoundException", "resourceType": "Feed", "resourceId": "x"}"#;
    assert_eq!(read(&link(), 404, missing).unwrap(), CatalogResponse::FileLink(None));
}

#[test]
fn what_is_neither_list_nor_link_is_an_error() {
    for (request, body) in [(list(FileKind::Feeds), r#"{"feeds": 7}"#), (link(), "{}"), (link(), r#"{"url": ""}"#)] {
        assert!(matches!(read(&request, 200, body), Err(Error::Malformed { .. })), "{body}");
    }
    let refused = r#"{"type": "AccessDeniedException", "reason": "AssociateNotEligible"}"#;
    for request in [list(FileKind::Reports), link()] {
        let error = read(&request, 403, refused).unwrap_err();
        assert!(matches!(error, Error::Refused { refusal: Refusal::NotEligible, .. }), "{error:?}");
    }
}
