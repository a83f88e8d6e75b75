//! `stockroom search`: one page of a search, or all of it as it arrives.

use std::time::SystemTime;

use clap::{Args, ValueEnum};

use super::{
    exit::{Failure, Outcome},
    json::Layout,
    out::Out,
    page::{Column, Page},
    parse,
    remote::{Reading, Remote},
    words,
};
use crate::{client::Client, pb};

const EXAMPLES: &str = "\
Examples:
  stockroom search wireless headphones
  stockroom search headphones --category electronics --max-price 150 --min-rating 4 --prime
  stockroom search --author \"Ada Example\" --sort newest --json
  stockroom search lamp --all --format markdown";

/// Finds products by words and filters
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Search {
    /// Words to look for
    keywords: Vec<String>,
    #[command(flatten)]
    filters: Filters,
    /// How many products a page has, 1 to 100; each ten cost a call to Amazon
    #[arg(long, value_name = "N", default_value_t = 10)]
    page_size: i32,
    /// Where the page before ended
    #[arg(long, value_name = "TOKEN", default_value = "", hide_default_value = true)]
    page_token: String,
    /// All that Amazon shows, up to 100 products, as they arrive
    #[arg(long, conflicts_with_all = ["page_size", "page_token"])]
    all: bool,
    /// Tell how the search can be narrowed
    #[arg(long)]
    facets: bool,
    #[command(flatten)]
    reading: Reading,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Filters")]
struct Filters {
    /// A category of `stockroom categories`, or one of Amazon's search indices
    #[arg(long, default_value = "", hide_default_value = true)]
    category: String,
    /// A brand
    #[arg(long, default_value = "", hide_default_value = true)]
    brand: String,
    /// Words of the title
    #[arg(long, default_value = "", hide_default_value = true)]
    title: String,
    /// An author
    #[arg(long, default_value = "", hide_default_value = true)]
    author: String,
    /// An actor
    #[arg(long, default_value = "", hide_default_value = true)]
    actor: String,
    /// An artist
    #[arg(long, default_value = "", hide_default_value = true)]
    artist: String,
    /// Only below this browse node
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    browse_node: String,
    /// The lowest price, as 49.99
    #[arg(long, value_name = "AMOUNT", value_parser = parse::amount)]
    min_price: Option<pb::Money>,
    /// The highest price, as 149.99
    #[arg(long, value_name = "AMOUNT", value_parser = parse::amount)]
    max_price: Option<pb::Money>,
    /// The least stars, 1 to 5
    #[arg(long, value_name = "STARS")]
    min_rating: Option<f64>,
    /// The least saving in percent, 1 to 99
    #[arg(long, value_name = "PERCENT")]
    min_saving: Option<i32>,
    /// Only with Prime delivery
    #[arg(long)]
    prime: bool,
    /// Only what ships free
    #[arg(long)]
    free_shipping: bool,
    /// Only what Amazon ships
    #[arg(long)]
    fulfilled_by_amazon: bool,
    /// Only what ships to other countries
    #[arg(long)]
    global: bool,
    /// The condition [default: any]
    #[arg(long, value_enum)]
    condition: Option<ConditionArg>,
    /// The order of the results [default: Amazon's for the category]
    #[arg(long, value_enum)]
    sort: Option<Sort>,
    /// What is out of stock, too
    #[arg(long)]
    include_out_of_stock: bool,
    /// Only what Amazon itself sells
    #[arg(long)]
    amazon_only: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ConditionArg {
    New,
    Used,
    Refurbished,
    Collectible,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Sort {
    /// Cheapest first
    PriceLow,
    /// Dearest first
    PriceHigh,
    /// Best reviewed first
    Rating,
    /// Newest first
    Newest,
    /// Amazon's featured items first
    Featured,
    /// Best match first
    Relevance,
}

impl Search {
    pub(super) async fn run(self) -> Result<Outcome, Failure> {
        let (client, mut out) = (self.remote.client()?, self.remote.out());
        if self.all { self.stream(&client, &mut out).await } else { self.page(&client, &mut out).await }
    }

    async fn page(&self, client: &Client, out: &mut Out) -> Result<Outcome, Failure> {
        let request = pb::SearchProductsRequest {
            query: Some(self.query()),
            page_size: self.page_size,
            page_token: self.page_token.clone(),
            options: Some(self.reading.options(&[])),
            include_facets: self.facets,
        };
        let answer = client.search_products(request).await?;
        out.answer("SearchProductsResponse", &answer, |answer| found(answer, SystemTime::now()))?;
        Ok(if answer.products.is_empty() { Outcome::Nothing } else { Outcome::Done })
    }

    async fn stream(&self, client: &Client, out: &mut Out) -> Result<Outcome, Failure> {
        let request = pb::StreamSearchRequest {
            query: Some(self.query()),
            limit: 0,
            options: Some(self.reading.options(&[])),
            include_facets: self.facets,
        };
        let mut pages = client.stream_search(request).await?;
        let (mut count, mut dropped, mut cost) = (0, 0, pb::Cost::default());
        while let Some(answer) = pages.message().await? {
            match out.style() {
                Some(style) => out.text(&arrived(&answer, count).render(style))?,
                None => out.json("StreamSearchResponse", &answer, Layout::Line)?,
            }
            count += answer.products.len();
            dropped += answer.dropped_count;
            cost = sum(cost, answer.cost.unwrap_or_default());
        }
        if let Some(style) = out.style() {
            out.text(&ended(count, dropped, cost).render(style))?;
        }
        Ok(if count == 0 { Outcome::Nothing } else { Outcome::Done })
    }

    fn query(&self) -> pb::SearchQuery {
        let filters = &self.filters;
        let flags = [
            (filters.global, pb::DeliveryFlag::AmazonGlobal),
            (filters.free_shipping, pb::DeliveryFlag::FreeShipping),
            (filters.fulfilled_by_amazon, pb::DeliveryFlag::FulfilledByAmazon),
            (filters.prime, pb::DeliveryFlag::Prime),
        ];
        let mut query = pb::SearchQuery {
            keywords: self.keywords.join(" "),
            title: filters.title.clone(),
            author: filters.author.clone(),
            brand: filters.brand.clone(),
            actor: filters.actor.clone(),
            artist: filters.artist.clone(),
            category: filters.category.clone(),
            browse_node_id: filters.browse_node.clone(),
            min_price: filters.min_price.clone(),
            max_price: filters.max_price.clone(),
            min_rating: filters.min_rating,
            delivery_flags: flags.iter().filter(|(wanted, _)| *wanted).map(|(_, flag)| (*flag).into()).collect(),
            min_saving_percent: filters.min_saving,
            ..Default::default()
        };
        query.set_condition(filters.condition.map_or(pb::Condition::Unspecified, Into::into));
        query.set_sort(filters.sort.map_or(pb::SortOrder::Unspecified, Into::into));
        if filters.include_out_of_stock {
            query.set_availability(pb::AvailabilityFilter::IncludeOutOfStock);
        }
        if filters.amazon_only {
            query.set_merchant(pb::MerchantFilter::Amazon);
        }
        query
    }
}

impl From<ConditionArg> for pb::Condition {
    fn from(condition: ConditionArg) -> Self {
        match condition {
            ConditionArg::New => Self::New,
            ConditionArg::Used => Self::Used,
            ConditionArg::Refurbished => Self::Refurbished,
            ConditionArg::Collectible => Self::Collectible,
        }
    }
}

impl From<Sort> for pb::SortOrder {
    fn from(sort: Sort) -> Self {
        match sort {
            Sort::PriceLow => Self::PriceLowToHigh,
            Sort::PriceHigh => Self::PriceHighToLow,
            Sort::Rating => Self::AverageReview,
            Sort::Newest => Self::Newest,
            Sort::Featured => Self::Featured,
            Sort::Relevance => Self::Relevance,
        }
    }
}

/// A page of a search.
fn found(answer: &pb::SearchProductsResponse, now: SystemTime) -> Page {
    let mut page = Page::default();
    let title = understood(&mut page, answer.understood.as_ref(), answer.total_results);
    page.table(&PRODUCTS, product_rows(&answer.products, 0));
    if answer.products.is_empty() {
        page.line(format!("No product matches in {title}."));
    }
    facets(&mut page, &answer.facets);
    page.line(words::incomplete(answer.incomplete.as_ref()));
    page.line(dropped(answer.dropped_count));
    page.line(words::cost_and_age(answer.cost.as_ref(), &answer.products, now));
    if !answer.next_page_token.is_empty() {
        page.line(format!("next page: --page-token {}", answer.next_page_token));
    }
    page
}

/// One message of a streamed search, whose first row follows `before` others.
fn arrived(answer: &pb::StreamSearchResponse, before: usize) -> Page {
    let mut page = Page::default();
    if answer.understood.is_some() {
        understood(&mut page, answer.understood.as_ref(), answer.total_results);
    }
    page.table(&PRODUCTS, product_rows(&answer.products, before));
    facets(&mut page, &answer.facets);
    page.line(words::incomplete(answer.incomplete.as_ref()));
    page
}

/// The end of a streamed search.
fn ended(count: usize, dropped_count: i32, cost: pb::Cost) -> Page {
    let mut page = Page::default();
    page.line(if count == 0 { "No product matches.".to_owned() } else { format!("{count} products") });
    page.line(dropped(dropped_count)).line(words::cost(Some(&cost)));
    page
}

fn sum(one: pb::Cost, other: pb::Cost) -> pb::Cost {
    pb::Cost {
        amazon_calls: one.amazon_calls + other.amazon_calls,
        from_memory: one.from_memory + other.from_memory,
        from_redis: one.from_redis + other.from_redis,
        from_amazon: one.from_amazon + other.from_amazon,
        stale: one.stale + other.stale,
    }
}

/// Tells what was asked of Amazon, and gives its place in words.
fn understood(page: &mut Page, understood: Option<&pb::UnderstoodQuery>, total: i64) -> String {
    let Some(understood) = understood else { return "this marketplace".to_owned() };
    let place = format!("{} on {}", understood.search_index, understood.marketplace);
    page.line(format!("{} products in {place}", words::number(total)));
    if !understood.filters.is_empty() {
        page.line(format!("filters: {}", understood.filters.join("; ")));
    }
    place
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

/// The columns of a list of products.
pub(super) const PRODUCTS: [Column; 8] = [
    Column::number("#"),
    Column::new("ASIN"),
    Column::cut("Title"),
    Column::number("Price"),
    Column::number("Saving"),
    Column::new("Rating"),
    Column::new("Prime"),
    Column::new("Stock"),
];

/// The rows of a list of products, counted on from `before`.
pub(super) fn product_rows(entries: &[pb::ProductEntry], before: usize) -> Vec<Vec<String>> {
    let products = entries.iter().filter_map(|entry| entry.product.as_ref());
    let row = |(i, product): (usize, &pb::Product)| {
        let offer = words::best_offer(product);
        let reviews = product.reviews.as_ref();
        let prime = offer.and_then(|offer| offer.delivery.as_ref()).and_then(|delivery| delivery.is_prime_eligible);
        vec![
            (before + i + 1).to_string(),
            product.asin.clone(),
            product.info.as_ref().map(|info| info.title.clone()).unwrap_or_default(),
            words::price(offer),
            words::saving(offer),
            words::rating(reviews.and_then(|r| r.star_rating), reviews.and_then(|r| r.count)),
            words::yes_no(prime),
            words::availability(offer),
        ]
    };
    products.enumerate().map(row).collect()
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
    fn a_page_tells_what_was_understood_what_was_found_and_what_it_cost() {
        let free = pb::Money { display: "$0.00".to_owned(), ..Default::default() };
        let answer = pb::SearchProductsResponse {
            products: vec![
                entry("B000000001", "Lamp", pb::Offer { price: Some(free), ..Default::default() }),
                entry("B000000002", "Shade", pb::Offer::default()),
            ],
            total_results: 1204,
            next_page_token: "abc".to_owned(),
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
next page: --page-token abc
";
        assert_eq!(
            found(&answer, SystemTime::UNIX_EPOCH + Duration::from_secs(600)).render(Style::Text(Some(100))),
            expected
        );
    }
}
