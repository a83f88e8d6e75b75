//! Products as tables, and the lines of a search around them.

use std::time::SystemTime;

use super::{
    format,
    page::{Column, Page},
};
use stockroom_proto::pb;

/// The columns of a list of products.
pub(super) const PRODUCTS: [Column; 8] = [
    Column::number("#"),
    Column::new("ASIN"),
    Column::cut("Title"),
    Column::number("Price"),
    Column::number("Saving").spare(),
    Column::new("Rating").spare(),
    Column::new("Prime").spare(),
    Column::new("Stock").spare(),
];

/// The rows of a list of products, counted on from `before`.
pub(super) fn product_rows(entries: &[pb::ProductEntry], before: usize) -> Vec<Vec<String>> {
    let products = entries.iter().filter_map(|entry| entry.product.as_ref());
    let row = |(i, product): (usize, &pb::Product)| {
        let offer = format::best_offer(product);
        let reviews = product.reviews.as_ref();
        let prime = offer.and_then(|offer| offer.delivery.as_ref()).and_then(|delivery| delivery.is_prime_eligible);
        vec![
            (before + i + 1).to_string(),
            product.asin.clone(),
            product.info.as_ref().map(|info| info.title.clone()).unwrap_or_default(),
            format::price(offer),
            format::saving(offer),
            format::rating(reviews.and_then(|r| r.star_rating), reviews.and_then(|r| r.count)),
            format::yes_no(prime),
            format::availability(offer),
        ]
    };
    products.enumerate().map(row).collect()
}

/// A page of a search.
pub(super) fn found(answer: &pb::SearchProductsResponse, now: SystemTime) -> Page {
    let mut page = Page::default();
    understood(&mut page, answer.understood.as_ref(), (!answer.total_results_unknown).then_some(answer.total_results));
    page.table(&PRODUCTS, product_rows(&answer.products, 0));
    facets(&mut page, &answer.facets);
    page.line(format::incomplete(answer.incomplete.as_ref()));
    page.line(dropped(answer.dropped_count));
    page.line(format::cost_and_age(answer.cost.as_ref(), &answer.products, now));
    page
}

/// What is above the rows of a streamed search.
pub(super) fn stream_head(answer: &pb::StreamSearchResponse) -> Page {
    let mut page = Page::default();
    let total = (!answer.total_results_unknown).then_some(answer.total_results);
    understood(&mut page, answer.understood.as_ref(), total);
    page
}

/// What follows the rows of one message of a streamed search.
pub(super) fn stream_notes(answer: &pb::StreamSearchResponse) -> Page {
    let mut page = Page::default();
    facets(&mut page, &answer.facets);
    page.line(format::incomplete(answer.incomplete.as_ref()));
    page
}

/// The end of a streamed search.
pub(super) fn ended(count: usize, dropped_count: i32, cost: pb::Cost) -> Page {
    let mut page = Page::default();
    page.line(if count == 0 { "No product matches.".to_owned() } else { format!("{count} products") });
    page.line(dropped(dropped_count)).line(format::cost(Some(&cost)));
    page
}

/// The cost of two answers.
pub(super) fn sum(one: pb::Cost, other: pb::Cost) -> pb::Cost {
    pb::Cost {
        amazon_calls: one.amazon_calls.saturating_add(other.amazon_calls),
        from_memory: one.from_memory.saturating_add(other.from_memory),
        from_redis: one.from_redis.saturating_add(other.from_redis),
        from_amazon: one.from_amazon.saturating_add(other.from_amazon),
        stale: one.stale.saturating_add(other.stale),
    }
}

/// The line that says what was asked of Amazon.
fn understood(page: &mut Page, understood: Option<&pb::UnderstoodQuery>, total: Option<i64>) {
    let Some(understood) = understood else { return };
    let place = match understood.search_index.as_str() {
        "All" => format!("on {}", understood.marketplace),
        index => format!("in {index} on {}", understood.marketplace),
    };
    let count = match total {
        Some(1) => "1 product".to_owned(),
        Some(total) => format!("{} products", format::number(total)),
        None => "an unknown number of products".to_owned(),
    };
    page.line(format!("{count} {place}"));
    if !understood.filters.is_empty() {
        page.line(format!("filters: {}", understood.filters.join("; ")));
    }
}

fn facets(page: &mut Page, facets: &[pb::Facet]) {
    for facet in facets {
        let values = facet.values.iter().map(|value| format!("{} ({})", value.display_name, value.id));
        page.heading(facet.display_name.clone()).items(values.collect());
    }
}

fn dropped(count: i32) -> String {
    if count > 0 { format!("{count} of Amazon's results were left out by filters") } else { String::new() }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cli::page::Style;

    fn entry(asin: &str, title: &str, offer: pb::Offer) -> pb::ProductEntry {
        let product = pb::Product {
            asin: asin.to_owned(),
            info: Some(pb::ProductInfo { title: title.to_owned(), ..Default::default() }),
            offers: Some(pb::ProductOffers { listings: vec![offer], ..Default::default() }),
            ..Default::default()
        };
        let fetch_time = Some(prost_types::Timestamp { seconds: 300, nanos: 0 });
        let freshness = Some(pb::Freshness { fetch_time, ..Default::default() });
        pb::ProductEntry { product: Some(product), freshness }
    }

    #[test]
    fn a_page_shows_what_was_understood_what_was_found_and_what_it_cost() {
        let free = pb::Money { display: "$0.00".to_owned(), ..Default::default() };
        let answer = pb::SearchProductsResponse {
            products: vec![
                entry("B000000001", "Lamp", pb::Offer { price: Some(free), ..Default::default() }),
                entry("B000000002", "Shade", pb::Offer::default()),
            ],
            total_results: 1204,
            understood: Some(pb::UnderstoodQuery {
                marketplace: "www.amazon.com".to_owned(),
                search_index: "HomeAndKitchen".to_owned(),
                filters: vec!["price up to 20.00 USD (by Amazon)".to_owned()],
                ..Default::default()
            }),
            cost: Some(pb::Cost { amazon_calls: 1, from_memory: 2, ..Default::default() }),
            ..Default::default()
        };
        let expected = "\
1,204 products in HomeAndKitchen on www.amazon.com
filters: price up to 20.00 USD (by Amazon)

#  ASIN        Title     Price
-  ----        -----     -----
1  B000000001  Lamp      $0.00
2  B000000002  Shade  No price
1 call to Amazon, 2 from cache; fetched 5m ago
";
        assert_eq!(
            found(&answer, SystemTime::UNIX_EPOCH + Duration::from_secs(600)).render(Style::Text(Some(100))),
            expected
        );
    }
}
