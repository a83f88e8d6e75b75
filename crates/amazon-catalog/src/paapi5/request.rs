//! A question in Amazon's JSON.

use serde_json::{Value, json};

use super::resources;
use crate::{
    Asin, CatalogRequest, IDS_PER_CALL, SearchItems,
    words::{self, stated},
};
use stockroom_proto::pb;

/// The body that asks a question; exactly these bytes are signed and sent. `None` for what this API does not have.
pub(super) fn body(question: &CatalogRequest, partner_tag: &str) -> Option<Vec<u8>> {
    let locale = question.locale();
    let common = json!({
        "PartnerTag": partner_tag,
        "PartnerType": "Associates",
        "Marketplace": locale.marketplace.name(),
        "LanguagesOfPreference": [locale.language.code()],
        "Resources": resources::all(question.operation()),
    });
    let prices = json!({ "CurrencyOfPreference": locale.currency.code() });
    let body = match question {
        CatalogRequest::Items(items) => {
            let ids: Vec<_> = items.asins.iter().map(Asin::as_str).collect();
            stated([common, prices, json!({ "ItemIds": ids, "ItemIdType": "ASIN" })])
        }
        CatalogRequest::Search(search) => stated([common, prices, search_fields(search)]),
        CatalogRequest::Variations(family) => stated([
            common,
            prices,
            json!({
                "ASIN": family.asin.as_str(),
                "VariationCount": IDS_PER_CALL,
                "VariationPage": family.page,
            }),
        ]),
        // Nodes have no prices, and the operation knows no currency.
        CatalogRequest::BrowseNodes(nodes) => {
            let ids: Vec<_> = nodes.ids.iter().map(ToString::to_string).collect();
            stated([common, json!({ "BrowseNodeIds": ids })])
        }
        CatalogRequest::Files(_) | CatalogRequest::FileLink(_) => return None,
    };
    Some(Value::Object(body).to_string().into_bytes())
}

fn search_fields(search: &SearchItems) -> Value {
    json!({
        "Keywords": search.keywords,
        "Title": search.title,
        "Author": search.author,
        "Brand": search.brand,
        "Actor": search.actor,
        "Artist": search.artist,
        "SearchIndex": search.search_index.id(),
        "BrowseNodeId": search.browse_node.map(|id| id.to_string()),
        "MinPrice": search.min_price_minor_units,
        "MaxPrice": search.max_price_minor_units,
        "MinReviewsRating": search.min_rating,
        "MinSavingPercent": search.min_saving_percent,
        "DeliveryFlags": words::delivery_flags(&search.delivery_flags),
        "Condition": words::condition(search.condition),
        "Availability": words::availability(search.availability),
        "Merchant": merchant(search.merchant),
        "SortBy": words::sort_by(search.sort),
        "ItemCount": IDS_PER_CALL,
        "ItemPage": search.page,
    })
}

fn merchant(filter: pb::MerchantFilter) -> Option<&'static str> {
    match filter {
        pb::MerchantFilter::Unspecified => None,
        pb::MerchantFilter::Amazon => Some("Amazon"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BrowseNodeId, GetBrowseNodes, GetItems, GetVariations, Locale, Marketplace};

    fn locale(code: &str) -> Locale {
        Locale::of(Marketplace::parse(code).unwrap())
    }

    /// The body but for its resources, which it must have.
    fn asked(question: &CatalogRequest) -> Value {
        let mut body: Value = serde_json::from_slice(&body(question, "example-21").unwrap()).unwrap();
        let resources = body.as_object_mut().and_then(|fields| fields.remove("Resources")).unwrap();
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
            condition: pb::Condition::Used,
            availability: pb::AvailabilityFilter::IncludeOutOfStock,
            merchant: pb::MerchantFilter::Amazon,
            sort: pb::SortOrder::PriceLowToHigh,
            page: 3,
            ..search()
        };
        let common = json!({
            "PartnerTag": "example-21", "PartnerType": "Associates", "Marketplace": "www.amazon.co.uk",
            "LanguagesOfPreference": ["en_GB"], "CurrencyOfPreference": "GBP",
            "SearchIndex": "Books", "ItemCount": 10, "ItemPage": 1,
        });
        assert_eq!(asked(&CatalogRequest::Search(Box::new(search()))), common);
        let full = json!({
            "Keywords": "tide \"clock\"", "Title": "almanac", "Author": "Ferro", "Brand": "Quillmere",
            "Actor": "Okoye", "Artist": "Tarn", "BrowseNodeId": "9000000003",
            "MinPrice": 1000, "MaxPrice": 3241, "MinReviewsRating": 4, "MinSavingPercent": 20,
            "DeliveryFlags": ["FreeShipping", "Prime"], "Condition": "Used", "Availability": "IncludeOutOfStock",
            "Merchant": "Amazon", "SortBy": "Price:LowToHigh", "ItemPage": 3,
        });
        let expected = Value::Object(stated([common, full]));
        assert_eq!(asked(&CatalogRequest::Search(Box::new(everything))), expected);
    }

    #[test]
    fn the_other_operations_ask_by_id() {
        let asin = Asin::parse("B0FAKEKTL3").unwrap();
        let items = CatalogRequest::Items(GetItems { locale: locale("JP"), asins: vec![asin] });
        let expected = json!({
            "PartnerTag": "example-21", "PartnerType": "Associates", "Marketplace": "www.amazon.co.jp",
            "LanguagesOfPreference": ["ja_JP"], "CurrencyOfPreference": "JPY",
            "ItemIds": ["B0FAKEKTL3"], "ItemIdType": "ASIN",
        });
        assert_eq!(asked(&items), expected);

        let family = CatalogRequest::Variations(GetVariations { locale: locale("US"), asin, page: 12 });
        let expected = json!({
            "PartnerTag": "example-21", "PartnerType": "Associates", "Marketplace": "www.amazon.com",
            "LanguagesOfPreference": ["en_US"], "CurrencyOfPreference": "USD",
            "ASIN": "B0FAKEKTL3", "VariationCount": 10, "VariationPage": 12,
        });
        assert_eq!(asked(&family), expected);

        let ids = vec![BrowseNodeId::parse("9000000002").unwrap()];
        let nodes = CatalogRequest::BrowseNodes(GetBrowseNodes { locale: locale("US"), ids });
        let expected = json!({
            "PartnerTag": "example-21", "PartnerType": "Associates", "Marketplace": "www.amazon.com",
            "LanguagesOfPreference": ["en_US"], "BrowseNodeIds": ["9000000002"],
        });
        assert_eq!(asked(&nodes), expected);
    }
}
