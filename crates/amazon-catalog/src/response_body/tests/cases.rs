//! Odd responses that users of Amazon's APIs have met, in the spelling of both APIs.

use serde_json::{Value, json};

use super::*;
use crate::{
    Missing, Refusal,
    test_fixtures::{asin, browse_nodes, items, search, variations},
};

const GOOD: &str = "B0GOODGOOD";
const BAD: &str = "B0BADBAD01";

/// The JSON in the spelling of the Creators API, and in that of PA-API 5.0.
fn spellings(body: &Value) -> [String; 2] {
    [body.to_string(), pascal_case(body).to_string()]
}

fn pascal_case(value: &Value) -> Value {
    let capitalized = |key: &str| match key {
        "asin" => "ASIN".to_owned(),
        key if key.starts_with("__") => key.to_owned(),
        key => key[..1].to_ascii_uppercase() + &key[1..],
    };
    match value {
        Value::Object(fields) => fields.iter().map(|(key, value)| (capitalized(key), pascal_case(value))).collect(),
        Value::Array(values) => values.iter().map(pascal_case).collect(),
        other => other.clone(),
    }
}

/// What each spelling of a body is decoded to.
fn answers(request: &CatalogRequest, status: u16, body: &Value) -> [Result<CatalogResponse, Error>; 2] {
    spellings(body).map(|body| read(request, status, body))
}

fn item_answers(asins: &[&str], status: u16, body: &Value) -> [Items; 2] {
    answers(&items(asins), status, body).map(|answer| match answer {
        Ok(CatalogResponse::Items(items)) => items,
        other => panic!("{body}: {other:?}"),
    })
}

fn error(code: &str, message: &str) -> Value {
    json!({ "code": code, "message": message })
}

fn invalid(id: &str) -> Value {
    error("InvalidParameterValue", &format!("The ItemId {id} provided in the request is invalid."))
}

#[test]
fn a_passing_fault_is_no_absence() {
    let about_bad = format!("The request for ItemId {BAD} could not be processed due to an internal error.");
    let body = json!({ "errors": [error("InternalFailure", &about_bad)] });
    for answer in answers(&items(&[BAD]), 200, &body) {
        assert!(matches!(answer, Err(Error::Failed { .. })), "{answer:?}");
    }
    let good = json!({ "items": [{ "asin": GOOD }] });
    let cases = [
        (error("InternalFailure", ""), false),
        (error("InternalFailure", &about_bad), false),
        (error("SomethingNew", &about_bad), false),
        (error("TooManyRequests", ""), true),
        (error("ThrottlingException", &about_bad), true),
    ];
    for (fault, is_throttled) in cases {
        let body = json!({ "itemsResult": good, "errors": [fault] });
        for answer in item_answers(&[GOOD, BAD], 200, &body) {
            assert_eq!((answer.products.len(), answer.missing.len()), (1, 0), "{body}");
            let [(id, error)] = answer.failed.as_slice() else { panic!("{body}: {answer:?}") };
            assert_eq!(*id, asin(BAD));
            assert_eq!(matches!(error, Error::Throttled { .. }), is_throttled, "{body}: {error:?}");
        }
    }
}

#[test]
fn what_amazon_says_of_an_id_is_an_absence() {
    let cases = [
        (invalid(BAD), Missing::NotFound),
        (error("ItemNotFound", ""), Missing::NotFound),
        (error("InvalidItemId", &format!("{BAD} is no item")), Missing::NotFound),
        (error("ItemNotAccessible", &format!("The ItemId {BAD} is not accessible.")), Missing::NotAccessible),
    ];
    for (fault, expected) in cases {
        let body = json!({ "itemsResult": { "items": [{ "asin": GOOD }] }, "errors": [fault] });
        for answer in item_answers(&[GOOD, BAD], 200, &body) {
            assert_eq!(answer.missing, [(asin(BAD), expected)], "{body}");
            assert!(answer.failed.is_empty());
        }
    }
}

#[test]
fn an_anonymous_absence_is_that_of_the_ids_it_can_only_mean() {
    let (found, not_found) = (json!({ "items": [{ "asin": GOOD }] }), error("ItemNotFound", ""));
    let body = json!({ "itemsResult": found, "errors": [not_found] });
    for answer in item_answers(&[GOOD, BAD, "B0BADBAD02"], 200, &body) {
        assert_eq!((answer.missing.len(), answer.failed.len()), (0, 2), "one of two: which is not said");
    }
    let body = json!({ "itemsResult": found, "errors": [not_found, not_found] });
    for answer in item_answers(&[GOOD, BAD, "B0BADBAD02"], 200, &body) {
        assert_eq!((answer.missing.len(), answer.failed.len()), (2, 0));
    }
}

#[test]
fn the_meaning_of_a_name_goes_before_the_status() {
    type IsExpected = fn(&Error) -> bool;
    let throttled: IsExpected = |error| matches!(error, Error::Throttled { .. });
    let failed: IsExpected = |error| matches!(error, Error::Failed { .. });
    let rejected: IsExpected = |error| matches!(error, Error::Rejected { .. });
    let not_eligible: IsExpected = |error| matches!(error, Error::Refused { refusal: Refusal::NotEligible, .. });
    let bad_tag: IsExpected = |error| matches!(error, Error::Refused { refusal: Refusal::BadPartnerTag, .. });
    let listed = |code: &str| json!({ "errors": [error(code, "")] });
    let cases = [
        (
            400,
            json!({ "__type": "com.amazon.coral.availability#ThrottlingException", "message": "Rate exceeded" }),
            throttled,
        ),
        (400, json!({ "message": "Rate exceeded" }), throttled),
        (200, listed("TooManyRequests"), throttled),
        (200, json!({ "type": "ThrottleException", "message": "slow down" }), throttled),
        (503, listed("RequestThrottled"), throttled),
        (500, json!({ "code": "RequestLimitExceeded" }), throttled),
        (429, listed("SomethingNew"), throttled),
        (400, listed("InternalServerError"), failed),
        (400, json!({ "__type": "ServiceUnavailableException" }), failed),
        (500, listed("SomethingNew"), failed),
        (502, json!({}), failed),
        (400, listed("SomethingNew"), rejected),
        (404, listed("UnknownOperation"), rejected),
        (403, listed("AssociateNotEligible"), not_eligible),
        (403, json!({ "type": "AccessDeniedException", "reason": "AssociateNotEligible" }), not_eligible),
        (503, listed("AssociateNotEligible"), not_eligible),
        (400, listed("InvalidPartnerTag"), bad_tag),
        (400, json!({ "type": "ValidationException", "reason": "InvalidPartnerTag" }), bad_tag),
    ];
    for request in [items(&[BAD]), search(), variations(), browse_nodes()] {
        for (status, body, is_expected) in &cases {
            for answer in answers(&request, *status, body) {
                let error = answer.unwrap_err();
                assert!(is_expected(&error), "{status} {body}: {error:?}");
            }
        }
    }
}

#[test]
fn nothing_found_is_read_in_each_envelope_under_each_status() {
    for body in [json!({ "errors": [error("ItemNotFound", "")] }), json!({ "type": "ResourceNotFoundException" })] {
        for status in [200, 404] {
            for answer in item_answers(&[GOOD, BAD], status, &body) {
                assert_eq!(answer.missing.len(), 2, "{status} {body}");
            }
            for answer in answers(&search(), status, &body) {
                let Ok(CatalogResponse::Search(page)) = answer else { panic!("{status} {body}: {answer:?}") };
                assert_eq!((page.places.len(), page.total_results), (0, Some(0)));
            }
        }
    }
}

#[test]
fn an_empty_result_beside_errors_is_what_the_errors_say() {
    let fault = error("ItemNotAccessible", &format!("The ItemId {BAD} is not accessible through the API."));
    for result in [json!({ "items": null }), json!({}), json!({ "items": [null] }), json!(null), json!({ "items": 7 })]
    {
        let body = json!({ "itemsResult": result, "errors": [fault] });
        for answer in item_answers(&[BAD], 200, &body) {
            assert_eq!(answer.missing, [(asin(BAD), Missing::NotAccessible)], "{body}");
        }
    }
    let node = error("InvalidParameterValue", "The BrowseNodeId 12 provided in the request is invalid.");
    for result in [json!({ "browseNodes": null }), json!({})] {
        let body = json!({ "browseNodesResult": result, "errors": [node] });
        for answer in answers(&browse_nodes(), 200, &body) {
            let Ok(CatalogResponse::BrowseNodes(nodes)) = answer else { panic!("{body}: {answer:?}") };
            assert_eq!((nodes.missing.len(), nodes.failed.len()), (1, 1), "{body}");
        }
    }
    for name in ["searchResult", "variationsResult"] {
        let body = json!({ name: { "items": null }, "errors": [error("NoResults", "")] });
        for request in [search(), variations()] {
            for answer in answers(&request, 200, &body) {
                let is_nothing = match &answer {
                    Ok(CatalogResponse::Search(page)) => page.places.is_empty(),
                    Ok(CatalogResponse::Variations(family)) => family.is_none(),
                    _ => false,
                };
                assert!(is_nothing, "{body}: {answer:?}");
            }
        }
    }
}

#[test]
fn a_rejection_that_names_ids_takes_those_out_and_says_that_the_others_were_not_looked_at() {
    let asins = [GOOD, BAD, "B0GOODGOO2"];
    let listed = json!({ "errors": [invalid(BAD)] });
    let field = json!({ "name": "itemIds", "message": format!("{BAD} is not an ASIN") });
    let fields = json!({ "type": "ValidationException", "reason": "FieldValidationFailed", "fieldList": [field] });
    for body in [listed, fields] {
        for answer in item_answers(&asins, 400, &body) {
            assert_eq!(answer.missing, [(asin(BAD), Missing::NotFound)], "{body}");
            assert_eq!(answer.unprocessed, [asin(GOOD), asin("B0GOODGOO2")], "{body}");
            assert!(answer.failed.is_empty());
        }
    }
    let nameless = json!({ "errors": [error("InvalidParameterValue", "An ItemId is invalid.")] });
    for answer in answers(&items(&asins), 400, &nameless) {
        assert!(matches!(answer, Err(Error::Rejected { .. })), "{answer:?}");
    }
    for answer in answers(&items(&[GOOD]), 400, &json!({ "errors": [invalid("XB0GOODGOOD")] })) {
        assert!(matches!(answer, Err(Error::Rejected { .. })), "an id is a word of its own: {answer:?}");
    }
}

#[test]
fn a_product_under_another_asin_answers_the_one_id_that_is_left() {
    let body = json!({ "itemsResult": { "items": [{ "asin": "B0OTHEROTH" }, { "asin": GOOD }] } });
    for answer in item_answers(&[GOOD, BAD], 200, &body) {
        assert_eq!(answer.products.len(), 2);
        let other = answer.products.iter().find(|product| product.asin == "B0OTHEROTH").unwrap();
        assert_eq!(Items::asin_of(other), Some(asin(BAD)));
    }
    for answer in item_answers(&[GOOD, BAD, "B0BADBAD02"], 200, &body) {
        assert_eq!((answer.products.len(), answer.failed.len()), (1, 2), "its id is unknown");
    }
}

#[test]
fn a_character_is_lost_before_a_text() {
    let body = b"{\"itemsResult\": {\"items\": [{\"asin\": \"B0GOODGOOD\", \"itemInfo\": {\"title\": {\"displayValue\": \"Pok\xAEmon \\ud83d!\"}}}, \
        {\"asin\": \"B0BADBAD01\"}]}}";
    let Ok(CatalogResponse::Items(answer)) = read(&items(&[GOOD, BAD]), 200, body) else { panic!() };
    assert_eq!(answer.products.len(), 2);
    assert_eq!(answer.products[0].info.as_ref().unwrap().title, "Pok\u{FFFD}mon \u{FFFD}!");
}

fn offer(listing: &Value) -> pb::Offer {
    // A listing that states nothing would be none.
    let mut listing = listing.clone();
    listing["merchantInfo"] = json!({ "id": "M1" });
    let body = json!({ "itemsResult": { "items": [{ "asin": GOOD, "offersV2": { "listings": [listing] } }] } });
    let [first, second] = item_answers(&[GOOD], 200, &body)
        .map(|answer| answer.products.into_iter().next().unwrap().offers.unwrap().listings.remove(0));
    assert_eq!(first, second);
    first
}

#[test]
fn a_number_is_rounded_before_it_is_dropped() {
    let money = |amount: &str| -> Value {
        serde_json::from_str(&format!(r#"{{"amount": {amount}, "currency": "USD"}}"#)).unwrap()
    };
    let offer = offer(
        &json!({ "price": { "money": money("121.50999999999999"), "pricePerUnit": money("6.663333333333333") } }),
    );
    let amount = |money: Option<pb::Money>| money.map(|money| (money.units, money.nanos));
    assert_eq!(amount(offer.price), Some((121, 510_000_000)));
    assert_eq!(amount(offer.price_per_unit), Some((6, 663_333_333)));
}

#[test]
fn a_saving_that_is_none_is_absent() {
    let saving = |percentage: Value, amount: f64| {
        let money = json!({ "amount": amount, "currency": "USD" });
        offer(&json!({ "price": { "savings": { "percentage": percentage, "money": money } } })).saving
    };
    assert_eq!(saving(json!(0), 0.0), None);
    assert_eq!(saving(json!(-50), -3.0), None);
    assert_eq!(saving(json!(15), 6.0).unwrap().percent, Some(15));
    assert_eq!(saving(json!(14.6), 6.0).unwrap().percent, Some(15));
    assert_eq!(saving(json!(150), 6.0).unwrap().percent, None);
}

#[test]
fn a_condition_without_a_value_keeps_amazon_s_word() {
    let condition = |word: &str| {
        let offer = offer(&json!({ "condition": { "value": word } }));
        (offer.condition(), offer.condition_text)
    };
    assert_eq!(condition("Salvaged"), (pb::Condition::Unspecified, "Salvaged".to_owned()));
    assert_eq!(condition("Unknown"), (pb::Condition::Unspecified, String::new()));
    assert_eq!(condition("Used"), (pb::Condition::Used, String::new()));
}

#[test]
fn a_list_keeps_amazon_s_places_and_does_not_take_an_unknown_count_for_zero() {
    let listed: Vec<Value> = (0..12)
        .map(|n| match n {
            3 => json!(null),
            5 => json!({ "asin": "short" }),
            n => json!({ "asin": format!("B0PLACE{n:03}") }),
        })
        .collect();
    let shape = |places: &[Option<pb::Product>]| places.iter().map(Option::is_some).collect::<Vec<_>>();
    let expected: Vec<bool> = (0..10).map(|n| n != 3 && n != 5).collect();
    for answer in answers(&search(), 200, &json!({ "searchResult": { "items": listed } })) {
        let Ok(CatalogResponse::Search(page)) = answer else { panic!("{answer:?}") };
        assert_eq!((shape(&page.places), page.total_results), (expected.clone(), None));
    }
    let summary = json!({ "variationCount": 23 });
    for answer in
        answers(&variations(), 200, &json!({ "variationsResult": { "items": listed, "variationSummary": summary } }))
    {
        let Ok(CatalogResponse::Variations(Some(page))) = answer else { panic!("{answer:?}") };
        assert_eq!(shape(&page.places), expected);
        assert_eq!((page.page_count, page.summary.variation_count), (None, 23));
    }
}

#[test]
fn a_passing_fault_beside_an_empty_list_is_not_that_nothing_was_found() {
    let faults = [error("InternalFailure", ""), error("TooManyRequests", ""), json!({ "message": "Something failed" })];
    for fault in faults {
        for errors in [json!([fault]), fault] {
            for (name, request) in [("searchResult", search()), ("variationsResult", variations())] {
                let body = json!({ name: { "items": [], "totalResultCount": 0 }, "errors": errors });
                for answer in answers(&request, 200, &body) {
                    assert!(answer.is_err(), "{body}: {answer:?}");
                }
            }
        }
    }
}

#[test]
fn an_error_is_read_without_its_list_and_by_its_text_or_its_number() {
    let throttled = [
        json!({ "errors": error("TooManyRequests", "") }),
        json!({ "error": error("TooManyRequests", "") }),
        json!({ "errors": [{ "message": "Rate exceeded" }] }),
        json!({ "errors": [error("429", "")] }),
        json!({ "code": 429, "message": "Slow down" }),
    ];
    for body in throttled {
        for request in [items(&[BAD]), search()] {
            for answer in answers(&request, 200, &body) {
                assert!(matches!(answer, Err(Error::Throttled { .. })), "{body}: {answer:?}");
            }
        }
    }
    for answer in answers(&search(), 200, &json!({ "code": "503" })) {
        assert!(matches!(answer, Err(Error::Failed { .. })), "{answer:?}");
    }
}

#[test]
fn an_absence_is_of_what_was_asked_for() {
    for code in ["PartnerTagNotFound", "AccountNotFoundException", "OperationNotFoundException", "NoSuchBucket"] {
        for request in [items(&[GOOD, BAD]), search(), variations(), browse_nodes()] {
            for answer in answers(&request, 404, &json!({ "errors": [error(code, "")] })) {
                assert!(matches!(answer, Err(Error::Rejected { .. })), "{code}: {answer:?}");
            }
        }
    }
    // One absence and something else say nothing of either id.
    let body = json!({ "errors": [error("ItemNotFound", ""), error("SomethingNew", "")] });
    for answer in answers(&items(&[GOOD, BAD]), 404, &body) {
        assert!(matches!(answer, Err(Error::Rejected { .. })), "{answer:?}");
    }
    for status in [403, 404] {
        for answer in item_answers(&[BAD], status, &json!({ "errors": [error("ItemNotAccessible", "")] })) {
            assert_eq!(answer.missing, [(asin(BAD), Missing::NotAccessible)], "{status}");
        }
    }
    // An unknown code that names an id is about this id, and does not say that it does not exist.
    let about_bad = error("SomethingNew", &format!("The request for {BAD} could not be completed."));
    for answer in item_answers(&[GOOD, BAD], 400, &json!({ "errors": [about_bad] })) {
        assert_eq!((answer.missing.len(), answer.unprocessed), (0, vec![asin(GOOD)]));
        assert!(matches!(answer.failed.as_slice(), [(id, Error::Failed { .. })] if *id == asin(BAD)));
    }
}

#[test]
fn a_product_under_another_asin_does_not_answer_an_id_of_which_amazon_said_that_it_does_not_exist() {
    let other = json!({ "asin": "B0OTHEROTH" });
    let body = json!({ "itemsResult": { "items": [{ "asin": GOOD }, other] }, "errors": [invalid(BAD)] });
    for answer in item_answers(&[GOOD, BAD], 200, &body) {
        assert_eq!((answer.products.len(), answer.missing.len()), (1, 1), "{answer:?}");
    }
    let body = json!({ "itemsResult": { "items": [other] }, "errors": [invalid(BAD)] });
    for answer in item_answers(&[GOOD, BAD], 200, &body) {
        assert_eq!(answer.missing, [(asin(BAD), Missing::NotFound)]);
        assert_eq!(answer.products.iter().filter_map(Items::asin_of).collect::<Vec<_>>(), [asin(GOOD)]);
    }
}

fn product(item: &Value) -> pb::Product {
    let body = json!({ "itemsResult": { "items": [with_asin(item)] } });
    let [first, second] = item_answers(&[GOOD], 200, &body).map(|answer| answer.products.into_iter().next().unwrap());
    assert_eq!(first, second);
    first
}

fn with_asin(item: &Value) -> Value {
    let mut item = item.clone();
    item["asin"] = json!(GOOD);
    item
}

#[test]
fn a_value_is_read_without_the_object_or_the_list_around_it() {
    let usd = json!({ "amount": 5, "currency": "USD" });
    let listing = json!({ "price": { "money": usd }, "condition": "Used", "availability": "IN_STOCK" });
    let info = json!({ "title": "A lamp", "features": { "displayValues": "Bright" } });
    let product = product(&json!({
        "itemInfo": info,
        "offersV2": { "listings": listing },
        "customerReviews": { "count": 12, "starRating": 4.5 },
    }));
    let info = product.info.unwrap();
    assert_eq!((info.title.as_str(), info.features.as_slice()), ("A lamp", ["Bright".to_owned()].as_slice()));
    let offer = &product.offers.unwrap().listings[0];
    assert_eq!((offer.condition(), offer.price.as_ref().unwrap().units), (pb::Condition::Used, 5));
    assert_eq!(offer.availability.as_ref().unwrap().r#type(), pb::AvailabilityType::InStock);
    assert_eq!(product.reviews.unwrap().star_rating, Some(4.5));
}

#[test]
fn a_word_is_read_in_any_case() {
    for (condition, winner, restricted) in [("USED", json!("True"), json!("False")), ("used", json!(1), json!("FALSE"))]
    {
        let offer = offer(&json!({
            "condition": { "value": condition, "subCondition": "UNKNOWN" },
            "availability": { "type": "inStock" },
            "isBuyBoxWinner": winner,
            "violatesMAP": restricted,
        }));
        assert_eq!((offer.condition(), offer.condition_text.as_str()), (pb::Condition::Used, ""), "{condition}");
        assert_eq!((offer.sub_condition.as_str(), offer.price_withheld), ("", false));
        assert_eq!(offer.availability.unwrap().r#type(), pb::AvailabilityType::InStock);
        assert_eq!(offer.is_buy_box_winner, Some(true));
    }
}

#[test]
fn a_number_that_cannot_be_is_unknown() {
    for none in [json!(0), json!(-1)] {
        let value = json!({ "displayValue": none });
        let product = product(&json!({
            "itemInfo": {
                "contentInfo": { "pagesCount": value },
                "productInfo": { "unitCount": value, "itemDimensions": { "weight": value } },
            },
            "browseNodeInfo": { "browseNodes": [{ "id": "1", "salesRank": none }], "websiteSalesRank": { "salesRank": none } },
            "customerReviews": { "count": none, "starRating": { "value": 4.5 } },
        }));
        assert_eq!(product.info, None, "{none}");
        let categories = product.categories.unwrap();
        assert_eq!((categories.website_sales_rank, categories.nodes[0].sales_rank), (None, None), "{none}");
        // A rating is from somebody.
        assert_eq!(product.reviews.unwrap().in_words, "Excellent (4.5/5.0)", "{none}");
        let quantities = json!({ "minOrderQuantity": none, "maxOrderQuantity": none });
        assert_eq!(offer(&json!({ "availability": quantities })).availability, None, "{none}");
    }
    let deal = offer(
        &json!({ "dealDetails": { "badge": "Deal", "percentClaimed": -1 }, "price": { "money": { "amount": -1, "currency": "USD" } } }),
    );
    assert_eq!((deal.deal.unwrap().percent_claimed, deal.price), (None, None));
}

#[test]
fn a_stub_of_an_item_does_not_replace_the_item() {
    let full = json!({ "asin": GOOD, "itemInfo": { "title": { "displayValue": "Full" } } });
    let stub = json!({ "asin": GOOD });
    for list in [json!([stub, full]), json!([full, stub])] {
        for answer in item_answers(&[GOOD], 200, &json!({ "itemsResult": { "items": list } })) {
            assert_eq!(answer.products.len(), 1);
            assert_eq!(answer.products[0].info.as_ref().unwrap().title, "Full", "{list}");
        }
    }
}

#[test]
fn a_family_without_a_count_has_an_unknown_one_and_a_node_names_each_child_once() {
    let listed = json!([{ "asin": GOOD }]);
    for answer in answers(&variations(), 200, &json!({ "variationsResult": { "items": listed } })) {
        let Ok(CatalogResponse::Variations(Some(page))) = answer else { panic!("{answer:?}") };
        assert!(page.summary.variation_count_unknown);
    }
    let CatalogRequest::BrowseNodes(asked) = browse_nodes() else { panic!() };
    let child = json!({ "id": "77", "displayName": "Lamps" });
    let node = json!({ "id": asked.ids[0].to_string(), "children": [child, child] });
    for answer in answers(&browse_nodes(), 200, &json!({ "browseNodesResult": { "browseNodes": [node] } })) {
        let Ok(CatalogResponse::BrowseNodes(nodes)) = answer else { panic!("{answer:?}") };
        assert_eq!(nodes.nodes[0].children.len(), 1);
    }
}
