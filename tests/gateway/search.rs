//! Searching: what is asked of Amazon, what is done here, and how pages follow one another.

use std::collections::HashSet;

use stockroom_proto::pb;
use tokio_stream::StreamExt;

use crate::support::{
    Protocol, TestGateway, asked, failure, keywords, money, options, price, search, stars, stars_pass, title, within,
};

both_protocols!(
    a_filter_that_the_api_does_not_have_is_refused_by_its_field,
    filters_hold_over_the_whole_result_and_are_listed_in_the_answer,
    pages_follow_without_gap_or_overlap_and_end,
    a_large_page_is_collected_from_amazon_s_small_ones,
    a_finer_rating_than_amazon_has_is_filtered_here_and_the_dropped_are_counted,
    a_bound_in_yen_is_not_multiplied_and_one_in_dollars_is,
    a_missing_price_sorts_last_both_ways,
    the_same_search_is_asked_once_however_it_is_written,
    nothing_found_is_an_empty_page_and_is_cached,
    a_stream_sends_amazon_s_pages_until_the_limit,
    a_page_that_the_deadline_cuts_short_says_so_and_can_be_continued,
);

async fn filters_hold_over_the_whole_result_and_are_listed_in_the_answer(protocol: Protocol) {
    let gateway = TestGateway::speaking(protocol).await;
    let query = pb::SearchQuery {
        category: "HeadPhones".to_owned(),
        max_price: money(150),
        min_rating: Some(4.0),
        ..keywords("  wireless   headphones ")
    };
    let answer = gateway.search().search_products(search(query)).await.unwrap().into_inner();
    assert_eq!(answer.products.len(), 10);
    for entry in &answer.products {
        assert!(price(entry).is_some_and(|price| price <= 150.0));
        assert!(stars_pass(protocol, entry, |stars| stars >= 4.0));
        assert!(title(entry).to_lowercase().contains("headphone"), "{}", title(entry));
    }
    let understood = answer.understood.unwrap();
    assert_eq!((understood.search_index.as_str(), understood.marketplace.as_str()), ("Electronics", "www.amazon.com"));
    assert_eq!(understood.query.unwrap().keywords, "wireless headphones");
    assert_eq!(understood.filters, ["price up to 150.00 USD (by Amazon)", "4 stars and up (by Amazon)"]);
    assert!(answer.search_url.contains("tag=sandbox-20"));
    assert_eq!(answer.cost.unwrap().amazon_calls, 1);
}

async fn pages_follow_without_gap_or_overlap_and_end(protocol: Protocol) {
    let gateway = TestGateway::speaking(protocol).await;
    let mut request = pb::SearchProductsRequest { page_size: 7, ..search(keywords("headphones")) };
    let mut seen = Vec::new();
    loop {
        let page = gateway.search().search_products(request.clone()).await.unwrap().into_inner();
        seen.extend(page.products.iter().map(|entry| entry.product.as_ref().unwrap().asin.clone()));
        if page.next_page_token.is_empty() {
            assert_eq!(seen.len() as i64, page.total_results.min(100));
            break;
        }
        assert_eq!(page.products.len(), 7);
        request.page_token = page.next_page_token;
    }
    assert_eq!(seen.iter().collect::<HashSet<_>>().len(), seen.len());
    assert!(gateway.calls() <= 10, "each of Amazon's pages was asked once");
}

async fn a_large_page_is_collected_from_amazon_s_small_ones(protocol: Protocol) {
    let gateway = TestGateway::speaking(protocol).await;
    let request = pb::SearchProductsRequest { page_size: 35, ..search(keywords("headphones")) };
    let page = gateway.search().search_products(request).await.unwrap().into_inner();
    assert_eq!((page.products.len(), page.cost.unwrap().amazon_calls, gateway.calls()), (35, 4, 4));
}

async fn a_finer_rating_than_amazon_has_is_filtered_here_and_the_dropped_are_counted(protocol: Protocol) {
    // As documented, the Creators API tells no ratings to filter by; as in Amazon's SDK, it does.
    let gateway = TestGateway::speaking_with(protocol, |options| options.sandbox.creators_reviews = true).await;
    let fine = pb::SearchQuery { min_rating: Some(4.5), ..keywords("headphones") };
    let page = gateway.search().search_products(search(fine)).await.unwrap().into_inner();
    assert!(!page.products.is_empty() && page.products.iter().all(|entry| stars(entry).is_some_and(|s| s >= 4.5)));
    assert!(page.dropped_count > 0);
    assert_eq!(asked(&gateway.sandbox.calls()[0], protocol, "MinReviewsRating"), 4);
}

async fn a_bound_in_yen_is_not_multiplied_and_one_in_dollars_is(protocol: Protocol) {
    let gateway = TestGateway::speaking(protocol).await;
    for (marketplace, expected) in [("JP", 5000), ("US", 500_000)] {
        let query = pb::SearchQuery { max_price: money(5000), ..keywords("headphones") };
        let request = pb::SearchProductsRequest { options: options(marketplace), ..search(query) };
        let page = gateway.search().search_products(request).await.unwrap().into_inner();
        assert!(!page.products.is_empty() && page.products.iter().all(|entry| price(entry).unwrap() <= 5000.0));
        assert_eq!(asked(gateway.sandbox.calls().last().unwrap(), protocol, "MaxPrice"), expected, "{marketplace}");
    }
}

async fn a_missing_price_sorts_last_both_ways(protocol: Protocol) {
    let gateway = TestGateway::speaking(protocol).await;
    for sort in [pb::SortOrder::PriceLowToHigh, pb::SortOrder::PriceHighToLow] {
        let query = pb::SearchQuery {
            sort: sort.into(),
            availability: pb::AvailabilityFilter::IncludeOutOfStock.into(),
            ..keywords("headphones")
        };
        let request = pb::SearchProductsRequest { page_size: 100, ..search(query) };
        let page = gateway.search().search_products(request).await.unwrap().into_inner();
        let prices: Vec<_> = page.products.iter().map(price).collect();
        let priced = prices.iter().take_while(|price| price.is_some()).count();
        assert!(prices[priced..].iter().all(Option::is_none), "{prices:?}");
    }
}

async fn the_same_search_is_asked_once_however_it_is_written(protocol: Protocol) {
    let gateway = TestGateway::speaking(protocol).await;
    let flags = |flags: &[pb::DeliveryFlag]| pb::SearchQuery {
        delivery_flags: flags.iter().map(|flag| (*flag).into()).collect(),
        ..keywords("USB  charger")
    };
    let (prime, free) = (pb::DeliveryFlag::Prime, pb::DeliveryFlag::FreeShipping);
    let first = gateway.search().search_products(search(flags(&[prime, free]))).await.unwrap().into_inner();
    let again = pb::SearchQuery { keywords: "usb charger".to_owned(), ..flags(&[free, prime, free]) };
    let again = gateway.search().search_products(search(again)).await.unwrap().into_inner();
    assert_eq!(gateway.calls(), 1);
    let asins = |page: &pb::SearchProductsResponse| {
        page.products.iter().map(|entry| entry.product.as_ref().unwrap().asin.clone()).collect::<Vec<_>>()
    };
    assert_eq!(asins(&first), asins(&again));
    assert_eq!(again.cost.unwrap().amazon_calls, 0);
}

async fn nothing_found_is_an_empty_page_and_is_cached(protocol: Protocol) {
    let gateway = TestGateway::speaking(protocol).await;
    for _ in 0..2 {
        let page = gateway.search().search_products(search(keywords("zzqx"))).await.unwrap().into_inner();
        assert_eq!((page.products.len(), page.total_results, page.next_page_token.as_str()), (0, 0, ""));
    }
    assert_eq!(gateway.calls(), 1);
}

async fn a_stream_sends_amazon_s_pages_until_the_limit(protocol: Protocol) {
    let gateway = TestGateway::speaking(protocol).await;
    let request = pb::StreamSearchRequest {
        query: Some(keywords("headphones")),
        limit: 25,
        include_facets: true,
        ..Default::default()
    };
    let stream = gateway.search().stream_search(request).await.unwrap().into_inner();
    let pages: Vec<_> = stream.map(Result::unwrap).collect().await;
    assert_eq!(pages.iter().map(|page| page.products.len()).collect::<Vec<_>>(), [10, 10, 5]);
    assert!(pages[0].understood.is_some() && pages[0].facets.iter().any(|facet| facet.id == "Brand"));
    assert!(pages[1].understood.is_none() && pages[1].facets.is_empty());
}

async fn a_page_that_the_deadline_cuts_short_says_so_and_can_be_continued(protocol: Protocol) {
    let gateway =
        TestGateway::speaking_with(protocol, |options| options.config.accounts[0].calls_per_second = 1.0).await;
    let request = pb::SearchProductsRequest { page_size: 100, ..search(keywords("headphones")) };
    let page = gateway.search().search_products(within(1500, request.clone())).await.unwrap().into_inner();
    assert!((10..100).contains(&page.products.len()));
    let incomplete = page.incomplete.unwrap();
    assert_eq!(incomplete.reason, "WAIT_EXCEEDS_DEADLINE");
    assert!(incomplete.retry_after.is_some() && !page.next_page_token.is_empty());
}

#[tokio::test]
async fn a_finer_rating_finds_nothing_where_amazon_tells_no_ratings_and_the_dropped_are_counted() {
    let gateway = TestGateway::speaking(Protocol::Creators).await;
    let fine = pb::SearchQuery { min_rating: Some(4.5), ..keywords("headphones") };
    let page = gateway.search().search_products(search(fine)).await.unwrap().into_inner();
    assert!(page.products.is_empty() && page.dropped_count > 0, "{page:?}");
}

async fn a_filter_that_the_api_does_not_have_is_refused_by_its_field(protocol: Protocol) {
    let gateway = TestGateway::speaking(protocol).await;
    let query = pb::SearchQuery {
        condition: pb::Condition::Used.into(),
        merchant: pb::MerchantFilter::Amazon.into(),
        ..keywords("headphones")
    };
    let answer = gateway.search().search_products(search(query)).await;
    if protocol == Protocol::Creators {
        let (code, reason, details) = failure(answer);
        assert_eq!((code, reason.as_str()), (tonic::Code::InvalidArgument, "INVALID_REQUEST"));
        let violations = &details.bad_request().unwrap().field_violations;
        let fields: Vec<_> = violations.iter().map(|violation| violation.field.as_str()).collect();
        assert_eq!((fields, gateway.calls()), (vec!["query.condition", "query.merchant"], 0));
    } else {
        answer.unwrap();
        let call = &gateway.sandbox.calls()[0];
        assert_eq!((&call.body["Condition"], &call.body["Merchant"]), (&"Used".into(), &"Amazon".into()));
    }
    let new = pb::SearchQuery { condition: pb::Condition::New.into(), ..keywords("headphones") };
    gateway.search().search_products(search(new)).await.expect("both know new items");
}
