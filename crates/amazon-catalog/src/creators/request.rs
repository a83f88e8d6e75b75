//! A question in Amazon's JSON.

use serde_json::{Map, Value, json};

use super::resources;
use crate::{
    Asin, CatalogRequest, Error, FileKind, IDS_PER_CALL, SearchItems,
    words::{self, stated},
};
use stockroom_proto::pb;

/// The body that asks a question. The marketplace is not in it; it is a header.
///
/// A wish that the API has no words for is an error: leaving it out would answer another question.
pub(super) fn body(question: &CatalogRequest, partner_tag: &str) -> Result<Vec<u8>, Error> {
    let locale = question.locale();
    let common = json!({
        "partnerTag": partner_tag,
        "languagesOfPreference": [locale.language.code()],
        "resources": resources::all(question.operation()),
    });
    let prices = json!({ "currencyOfPreference": locale.currency.code() });
    let body = match question {
        CatalogRequest::Items(items) => {
            let ids: Vec<_> = items.asins.iter().map(Asin::as_str).collect();
            stated([common, prices, json!({ "itemIds": ids })])
        }
        CatalogRequest::Search(search) => stated([common, prices, search_fields(search)?]),
        CatalogRequest::Variations(family) => stated([
            common,
            prices,
            json!({
                "asin": family.asin.as_str(),
                "variationCount": IDS_PER_CALL,
                "variationPage": family.page,
            }),
        ]),
        // Nodes have no prices, and the operation knows no currency.
        CatalogRequest::BrowseNodes(nodes) => {
            let ids: Vec<_> = nodes.ids.iter().map(ToString::to_string).collect();
            stated([common, json!({ "browseNodeIds": ids })])
        }
        CatalogRequest::Files(_) => Map::new(),
        CatalogRequest::FileLink(link) => {
            let (name, kind) = match link.shelf {
                FileKind::Feeds => ("feedName", "feedType"),
                FileKind::Reports => ("filename", "reportType"),
            };
            stated([json!({ name: link.name, kind: link.kind })])
        }
    };
    Ok(Value::Object(body).to_string().into_bytes())
}

/// The wishes of a search that the API has no words for, by the names of their fields: it sells new items only, and knows
/// no filter for sellers.
pub fn unaskable(search: &SearchItems) -> impl Iterator<Item = &'static str> {
    let condition = !matches!(search.condition, pb::Condition::Unspecified | pb::Condition::New);
    let merchant = search.merchant != pb::MerchantFilter::Unspecified;
    [(condition, "condition"), (merchant, "merchant")].into_iter().filter_map(|(asked, name)| asked.then_some(name))
}

fn search_fields(search: &SearchItems) -> Result<Value, Error> {
    if let Some(parameter) = unaskable(search).next() {
        return Err(unsupported(parameter));
    }
    Ok(json!({
        "keywords": search.keywords,
        "title": search.title,
        "author": search.author,
        "brand": search.brand,
        "actor": search.actor,
        "artist": search.artist,
        "searchIndex": search.search_index.id(),
        "browseNodeId": search.browse_node.map(|id| id.to_string()),
        "minPrice": search.min_price_minor_units,
        "maxPrice": search.max_price_minor_units,
        "minReviewsRating": search.min_rating,
        "minSavingPercent": search.min_saving_percent,
        "deliveryFlags": words::delivery_flags(&search.delivery_flags),
        "condition": words::condition(search.condition),
        "availability": words::availability(search.availability),
        "sortBy": words::sort_by(search.sort),
        // The SDK lets 100 through; the documentation says 10.
        "itemCount": IDS_PER_CALL,
        "itemPage": search.page,
    }))
}

fn unsupported(parameter: &str) -> Error {
    Error::Rejected { code: "Unsupported".to_owned(), parameter: Some(parameter.to_owned()), request_id: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BrowseNodeId, GetBrowseNodes, GetFileLink, GetItems, GetVariations, Locale, Marketplace};

    fn locale(code: &str) -> Locale {
        Locale::of(Marketplace::parse(code).unwrap())
    }

    /// The body but for its resources, which it must have.
    fn asked(question: &CatalogRequest) -> Value {
        let mut body: Value = serde_json::from_slice(&body(question, "example-21").unwrap()).unwrap();
        let resources = body.as_object_mut().and_then(|fields| fields.remove("resources")).unwrap();
        assert_eq!(resources, json!(resources::all(question.operation())));
        body
    }

    fn search() -> SearchItems {
        let locale = locale("UK");
        SearchItems {
            locale,
            keywords: None,
            title: None,
            author: None,
            brand: None,
            actor: None,
            artist: None,
            search_index: locale.marketplace.search_index("Books").unwrap(),
            browse_node: None,
            min_price_minor_units: None,
            max_price_minor_units: None,
            min_rating: None,
            min_saving_percent: None,
            delivery_flags: Vec::new(),
            condition: pb::Condition::Unspecified,
            availability: pb::AvailabilityFilter::Unspecified,
            merchant: pb::MerchantFilter::Unspecified,
            sort: pb::SortOrder::Unspecified,
            page: 1,
        }
    }

    #[test]
    fn a_search_states_all_that_is_asked_and_nothing_else() {
        let everything = SearchItems {
            keywords: Some("tide \"clock\"".to_owned()),
            title: Some("almanac".to_owned()),
            author: Some("Ferro".to_owned()),
            brand: Some("Quillmere".to_owned()),
            actor: Some("Okoye".to_owned()),
            artist: Some("Tarn".to_owned()),
            browse_node: BrowseNodeId::parse("9000000003").ok(),
            min_price_minor_units: Some(1000),
            max_price_minor_units: Some(3241),
            min_rating: Some(4),
            min_saving_percent: Some(20),
            delivery_flags: vec![pb::DeliveryFlag::FreeShipping, pb::DeliveryFlag::Prime],
            condition: pb::Condition::New,
            availability: pb::AvailabilityFilter::IncludeOutOfStock,
            sort: pb::SortOrder::PriceLowToHigh,
            page: 3,
            ..search()
        };
        let common = json!({
            "partnerTag": "example-21", "languagesOfPreference": ["en_GB"], "currencyOfPreference": "GBP",
            "searchIndex": "Books", "itemCount": 10, "itemPage": 1,
        });
        assert_eq!(asked(&CatalogRequest::Search(Box::new(search()))), common);
        let full = json!({
            "keywords": "tide \"clock\"", "title": "almanac", "author": "Ferro", "brand": "Quillmere",
            "actor": "Okoye", "artist": "Tarn", "browseNodeId": "9000000003",
            "minPrice": 1000, "maxPrice": 3241, "minReviewsRating": 4, "minSavingPercent": 20,
            "deliveryFlags": ["FreeShipping", "Prime"], "condition": "New", "availability": "IncludeOutOfStock",
            "sortBy": "Price:LowToHigh", "itemPage": 3,
        });
        let expected = Value::Object(stated([common, full]));
        assert_eq!(asked(&CatalogRequest::Search(Box::new(everything))), expected);
    }

    #[test]
    fn a_wish_that_the_api_has_no_words_for_is_refused_by_name() {
        let condition = |condition| SearchItems { condition, ..search() };
        let cases = [
            (condition(pb::Condition::Used), "condition"),
            (condition(pb::Condition::Refurbished), "condition"),
            (condition(pb::Condition::Collectible), "condition"),
            (SearchItems { merchant: pb::MerchantFilter::Amazon, ..search() }, "merchant"),
        ];
        for (search, name) in cases {
            let error = body(&CatalogRequest::Search(Box::new(search)), "example-21").unwrap_err();
            assert!(
                matches!(&error, Error::Rejected { code, parameter: Some(p), .. } if code == "Unsupported" && p == name),
                "{error:?}"
            );
        }
    }

    #[test]
    fn the_other_operations_ask_by_id() {
        let asin = Asin::parse("B0FAKEKTL3").unwrap();
        let items = CatalogRequest::Items(GetItems { locale: locale("JP"), asins: vec![asin] });
        let expected = json!({
            "partnerTag": "example-21", "languagesOfPreference": ["ja_JP"], "currencyOfPreference": "JPY",
            "itemIds": ["B0FAKEKTL3"],
        });
        assert_eq!(asked(&items), expected);

        let family = CatalogRequest::Variations(GetVariations { locale: locale("US"), asin, page: 12 });
        let expected = json!({
            "partnerTag": "example-21", "languagesOfPreference": ["en_US"], "currencyOfPreference": "USD",
            "asin": "B0FAKEKTL3", "variationCount": 10, "variationPage": 12,
        });
        assert_eq!(asked(&family), expected);

        let ids = vec![BrowseNodeId::parse("9000000002").unwrap()];
        let nodes = CatalogRequest::BrowseNodes(GetBrowseNodes { locale: locale("US"), ids });
        let expected = json!({
            "partnerTag": "example-21", "languagesOfPreference": ["en_US"], "browseNodeIds": ["9000000002"],
        });
        assert_eq!(asked(&nodes), expected);
    }

    #[test]
    fn a_type_of_file_is_asked_for_only_where_it_is_known() {
        let body = |shelf, kind: Option<&str>| {
            let kind = kind.map(str::to_owned);
            let link = GetFileLink { marketplace: locale("US").marketplace, shelf, name: "x".to_owned(), kind };
            String::from_utf8(body(&CatalogRequest::FileLink(link), "example-20").unwrap()).unwrap()
        };
        assert_eq!(body(FileKind::Feeds, Some("DEALS_FEEDS")), r#"{"feedName":"x","feedType":"DEALS_FEEDS"}"#);
        assert_eq!(body(FileKind::Reports, None), r#"{"filename":"x"}"#);
    }
}
