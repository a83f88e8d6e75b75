//! Comparing: rows as they become known, then the summary.

use amazon_sandbox::examples;
use stockroom_proto::pb::{self, compare_products_response::Event};
use tokio_stream::StreamExt;

use crate::support::{Protocol, TestGateway, keywords, product, search, soon};

both_protocols!(
    the_row_of_a_cached_product_arrives_while_another_is_still_waited_for,
    a_comparison_after_a_search_makes_no_call,
    rows_say_what_people_compare_and_the_summary_names_the_best,
);

fn compare(asins: &[&str]) -> pb::CompareProductsRequest {
    pb::CompareProductsRequest { asins: asins.iter().map(|asin| (*asin).to_owned()).collect(), options: None }
}

async fn events(gateway: &TestGateway, asins: &[&str]) -> Vec<Event> {
    let stream = gateway.products().compare_products(compare(asins)).await.unwrap().into_inner();
    soon(stream.map(|message| message.unwrap().event.unwrap()).collect()).await
}

async fn the_row_of_a_cached_product_arrives_while_another_is_still_waited_for(protocol: Protocol) {
    let gateway = TestGateway::speaking(protocol).await;
    let (cached, held) = (examples::HEADPHONES[0], examples::HEADPHONES[1]);
    let get = pb::GetProductRequest { asin: cached.to_owned(), options: None };
    gateway.products().get_product(get).await.unwrap();

    let hold = gateway.sandbox.hold();
    let mut stream = gateway.products().compare_products(compare(&[held, cached])).await.unwrap().into_inner();
    gateway.sandbox.arrived(2).await;
    let first = soon(stream.next()).await.unwrap().unwrap().event.unwrap();
    assert!(matches!(first, Event::Row(row) if row.asin == cached), "returned while Amazon holds the other back");
    hold.release();
    let second = soon(stream.next()).await.unwrap().unwrap().event.unwrap();
    assert!(matches!(second, Event::Row(row) if row.asin == held));
    let last = soon(stream.next()).await.unwrap().unwrap().event.unwrap();
    assert!(matches!(last, Event::Summary(summary) if summary.compared_asins == [held, cached]));
    assert!(soon(stream.next()).await.is_none());
}

async fn a_comparison_after_a_search_makes_no_call(protocol: Protocol) {
    let gateway = TestGateway::speaking(protocol).await;
    let search = search(keywords("headphones"));
    let page = gateway.search().search_products(search).await.unwrap().into_inner();
    let asins: Vec<&str> = page.products.iter().map(|entry| product(entry).asin.as_str()).collect();
    let events = events(&gateway, &asins).await;
    assert_eq!((events.len(), gateway.calls()), (11, 1));
    let Some(Event::Summary(summary)) = events.last() else { panic!("{events:?}") };
    assert_eq!(summary.cost.unwrap().amazon_calls, 0);
    assert_eq!(summary.compared_asins, asins);
}

async fn rows_say_what_people_compare_and_the_summary_names_the_best(protocol: Protocol) {
    let gateway = TestGateway::speaking(protocol).await;
    let asins =
        [examples::HEADPHONES[0], examples::MAP_RESTRICTED, examples::NO_PRICE, examples::UNKNOWN, examples::FREE];
    let events = events(&gateway, &asins).await;
    let row = |asin: &str| {
        events.iter().find_map(|event| match event {
            Event::Row(row) if row.asin == asin => Some(row.clone()),
            _ => None,
        })
    };
    let headphones = row(examples::HEADPHONES[0]).unwrap();
    assert!(headphones.feature_count > 0);
    assert!(headphones.price_text.starts_with('$') && headphones.currency == "USD");
    assert!(!headphones.availability.is_empty());
    if protocol == Protocol::Creators {
        assert_eq!((headphones.rating_in_words.as_str(), headphones.is_prime), ("No ratings yet", None));
    } else {
        assert!(headphones.rating_in_words.contains("credibility") && headphones.is_prime.is_some());
    }
    assert_eq!(row(examples::MAP_RESTRICTED).unwrap().price_text, "See price in cart");
    assert_eq!(row(examples::NO_PRICE).unwrap().price_text, "No price");
    assert_eq!(row(examples::FREE).unwrap().price.unwrap().units, 0);
    let missing = events.iter().find_map(|event| match event {
        Event::Missing(missing) => Some((missing.asin.as_str(), missing.absence.as_ref().unwrap().reason())),
        _ => None,
    });
    assert_eq!(missing, Some((examples::UNKNOWN, pb::AbsenceReason::NotFound)));

    let Some(Event::Summary(summary)) = events.last() else { panic!("the summary is last") };
    assert_eq!(summary.missing_asins, [examples::UNKNOWN]);
    let cheapest = summary.best.iter().find(|best| best.field() == pb::CompareField::LowestPrice).unwrap();
    assert_eq!(cheapest.asins, [examples::FREE], "a price of nothing beats one that is not known");
    assert!(summary.compared_fields.contains(&"price".to_owned()) && !summary.differing.is_empty());
}
