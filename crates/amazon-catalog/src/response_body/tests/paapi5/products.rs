//! Whole products: one that states everything, and one in which nothing has the documented shape.

use super::*;
use crate::test_fixtures::{image, s, usd};

fn product(json: &str) -> pb::Product {
    let CatalogResponse::Items(Items { mut products, .. }) = read(&items(&["B0FAKELMP1"]), json).unwrap() else {
        panic!()
    };
    assert_eq!(products.len(), 1);
    products.remove(0)
}

fn measure(value: f64, unit: &str) -> Option<pb::Measure> {
    Some(pb::Measure { value, unit: s(unit) })
}

fn date(text: &str, year: i32, month: i32, day: i32) -> Option<pb::PartialDate> {
    Some(pb::PartialDate { text: s(text), year, month, day })
}

fn name(id: &str, display_name: &str, context_free_name: &str) -> pb::BrowseNodeName {
    pb::BrowseNodeName { id: s(id), display_name: s(display_name), context_free_name: s(context_free_name) }
}

#[test]
fn every_field_of_a_product_is_filled() {
    let product = product(include_str!("../../../../tests/data/paapi5/items-full.json"));
    assert_eq!(product.asin, "B0FAKELMP1");
    assert_eq!(product.marketplace, "www.amazon.com");
    let url = "https://www.amazon.com/dp/B0FAKELMP1?tag=example-20&linkCode=ogi&language=en_US&th=1&psc=1";
    assert_eq!(product.detail_page_url, url);
    assert_eq!(product.parent_asin, "B0FAKELMP0");
    assert_eq!(product.score, Some(0.93));
    assert_eq!(product.info, Some(full_info()));
    let images = pb::ProductImages {
        primary: Some(pb::ImageSet {
            small: image("https://images.example/lamp._SL75_.jpg", 75, 67),
            large: image("https://images.example/lamp.jpg", 500, 450),
            ..Default::default()
        }),
        variants: vec![pb::ImageSet {
            medium: image("https://images.example/lamp-2._SL160_.jpg", 160, 128),
            ..Default::default()
        }],
    };
    assert_eq!(product.images, Some(images));
    assert_eq!(product.offers, Some(full_offers()));
    let reviews = pb::ProductReviews {
        star_rating: Some(4.6),
        count: Some(230),
        in_words: s("Excellent (4.6/5.0 from 230 reviews) - High credibility"),
    };
    assert_eq!(product.reviews, Some(reviews));
    let categories = pb::ProductCategories {
        nodes: vec![pb::BrowseNode {
            id: s("9000000003"),
            display_name: s("Desk Lamps"),
            context_free_name: s("Desk Lamps"),
            is_root: Some(false),
            sales_rank: Some(41),
            ancestors: vec![
                name("9000000002", "Lighting", "Lighting & Ceiling Fans"),
                name("9000000001", "Home & Kitchen", "Home & Kitchen"),
            ],
            children: Vec::new(),
        }],
        website_sales_rank: Some(pb::SalesRank {
            id: String::new(),
            display_name: s("Home & Kitchen"),
            context_free_name: s("Home & Kitchen"),
            rank: 1287,
        }),
    };
    assert_eq!(product.categories, Some(categories));
    let attributes = vec![pb::VariationAttribute { name: s("color_name"), value: s("Graphite") }];
    assert_eq!(product.variation, Some(pb::ProductVariation { attributes }));
}

fn full_info() -> pb::ProductInfo {
    pb::ProductInfo {
        title: s("Quillmere DL-07 Clamp Desk Lamp"),
        brand: s("Quillmere"),
        manufacturer: s("Quillmere Works"),
        contributors: vec![pb::Contributor { name: s("Ferro, Ilse"), role: s("Designer"), role_type: s("designer") }],
        binding: s("Tools & Home Improvement"),
        product_group: s("Home Improvement"),
        edition: s("2nd"),
        page_count: Some(12),
        publication_date: date("1997T", 1997, 0, 0),
        languages: vec![pb::ContentLanguage { name: s("English"), r#type: s("Manual") }],
        audience_rating: s("Grades 3-7"),
        eans: vec![s("0000000000017")],
        isbns: vec![s("0000000175")],
        upcs: vec![s("000000000017")],
        features: vec![s("Clamp opens to 6 cm"), s("Warm light, 2700 K")],
        part_number: s("QM-DL-07"),
        model: s("DL-07"),
        warranty: s("2 years"),
        color: s("Graphite"),
        size: s("Single"),
        is_adult_product: Some(false),
        release_date: date("2025-03-11T00:00:01Z", 2025, 3, 11),
        unit_count: Some(1),
        dimensions: Some(pb::Dimensions {
            height: measure(17.5, "Inches"),
            length: measure(6.1, "Inches"),
            width: measure(5.9, "Inches"),
            weight: measure(1.76, "Pounds"),
        }),
        energy_efficiency_class: s("E"),
        formats: vec![s("Illustrated")],
        trade_in: Some(pb::TradeIn { is_eligible: Some(true), price: usd(1, 350_000_000, "$1.35") }),
    }
}

/// What the second version of offers states, with what only the first knows of the same offer.
fn full_offers() -> pb::ProductOffers {
    let offer = pb::Offer {
        id: s("FAKEofferListingId0001"),
        r#type: s("LIGHTNING_DEAL"),
        condition: pb::Condition::New.into(),
        condition_text: String::new(),
        sub_condition: String::new(),
        condition_note: String::new(),
        price: usd(33, 990_000_000, "$33.99"),
        price_per_unit: usd(33, 990_000_000, "$33.99 / Count"),
        saving: Some(pb::Saving { amount: usd(6, 0, "$6.00"), percent: Some(15) }),
        saving_basis: Some(pb::SavingBasis {
            price: usd(39, 990_000_000, "$39.99"),
            r#type: s("LIST_PRICE"),
            label: s("List Price"),
        }),
        price_withheld: false,
        availability: Some(pb::Availability {
            r#type: pb::AvailabilityType::InStockScarce.into(),
            type_text: s("IN_STOCK_SCARCE"),
            message: s("Only 3 left in stock - order soon."),
            min_order_quantity: Some(1),
            max_order_quantity: Some(3),
        }),
        deal: Some(pb::Deal {
            access_type: s("PRIME_EARLY_ACCESS"),
            badge: s("Limited time deal"),
            start_time: Some(prost_types::Timestamp { seconds: 1_771_228_800, nanos: 0 }),
            end_time: Some(prost_types::Timestamp { seconds: 1_772_438_399, nanos: 0 }),
            percent_claimed: Some(38),
            early_access: Some(prost_types::Duration { seconds: 1800, nanos: 0 }),
        }),
        is_buy_box_winner: Some(true),
        merchant: Some(pb::Merchant {
            id: s("AFAKEMERCH001"),
            name: s("Quillmere Direct"),
            default_shipping_country: s("US"),
            feedback_count: Some(371),
            feedback_rating: Some(4.6),
        }),
        delivery: Some(pb::Delivery {
            is_prime_eligible: Some(true),
            is_amazon_fulfilled: Some(true),
            is_free_shipping_eligible: Some(true),
            shipping_charges: vec![pb::ShippingCharge {
                amount: usd(0, 0, "$0.00"),
                r#type: s("FREE"),
                is_tax_inclusive: Some(false),
            }],
            message: s("Prime, free shipping, fulfilled by Amazon"),
        }),
        loyalty_points: Some(34),
        promotions: vec![pb::Promotion { r#type: s("SNS"), amount: usd(1, 700_000_000, "$1.70"), percent: Some(5) }],
        program_eligibility: Some(pb::ProgramEligibility {
            is_prime_exclusive: Some(false),
            is_prime_pantry: Some(false),
        }),
    };
    let summary = pb::OfferSummary {
        condition: pb::Condition::New.into(),
        condition_text: String::new(),
        lowest_price: usd(33, 990_000_000, "$33.99"),
        highest_price: usd(45, 0, "$45.00"),
        offer_count: Some(9),
    };
    pb::ProductOffers { listings: vec![offer], summaries: vec![summary] }
}

#[test]
fn a_product_of_odd_shapes_keeps_all_that_can_be_read() {
    let product = product(include_str!("../../../../tests/data/paapi5/items-odd.json"));
    let info = pb::ProductInfo {
        title: s("Brindlefold Kettle"),
        page_count: Some(288),
        publication_date: date("some day", 0, 0, 0),
        eans: vec![s("0000000000017"), s("42")],
        features: vec![s("one feature, not in a list")],
        unit_count: Some(12),
        dimensions: Some(pb::Dimensions { height: measure(0.8, "Litres"), ..Default::default() }),
        ..Default::default()
    };
    let images = pb::ProductImages {
        primary: Some(pb::ImageSet { large: image("https://images.example/odd.jpg", 500, 0), ..Default::default() }),
        variants: Vec::new(),
    };
    let offer = pb::Offer {
        price: usd(1234, 500_000_000, ""),
        availability: Some(pb::Availability { type_text: s("BY_PIGEON"), ..Default::default() }),
        deal: Some(pb::Deal { percent_claimed: Some(38), ..Default::default() }),
        ..Default::default()
    };
    let node = pb::BrowseNode {
        id: s("9000000003"),
        display_name: s("Desk Lamps"),
        sales_rank: Some(41),
        ..Default::default()
    };
    let expected = pb::Product {
        asin: s("B0FAKEODD1"),
        requested_asin: s("B0FAKELMP1"),
        marketplace: s("www.amazon.com"),
        detail_page_url: s("https://www.amazon.com/dp/B0FAKEODD1?tag=example-20"),
        score: Some(0.5),
        info: Some(info),
        images: Some(images),
        offers: Some(pb::ProductOffers { listings: vec![offer], summaries: Vec::new() }),
        reviews: Some(pb::ProductReviews { in_words: s("No ratings yet"), ..Default::default() }),
        categories: Some(pb::ProductCategories { nodes: vec![node], website_sales_rank: None }),
        ..Default::default()
    };
    assert_eq!(product, expected);
}

#[test]
fn what_amazon_does_not_state_is_unset() {
    let bare = r#"{"ItemsResult": {"Items": [{"ASIN": "B0FAKELMP1", "ItemInfo": {}, "Images": null}]}}"#;
    let expected = pb::Product { asin: s("B0FAKELMP1"), marketplace: s("www.amazon.com"), ..Default::default() };
    assert_eq!(product(bare), expected);
}
