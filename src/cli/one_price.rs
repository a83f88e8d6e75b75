//! One product has one price in one style, whichever command prints it: over every product of the sandbox.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    time::{Duration, SystemTime},
};

use tokio::net::TcpListener;

use super::{
    browse_lists, compare,
    page::{Page, Style},
    product, product_table,
};
use crate::{
    config::{Config, Settings},
    gateway, server,
};
use amazon_sandbox::{Sandbox, examples};
use stockroom_client::{Client, Options};
use stockroom_proto::pb;

/// Categories with products enough for pages of a hundred.
const CATEGORIES: [&str; 6] = ["headphones", "books", "kitchen", "toys", "clothing", "laptops"];

/// A gateway over a sandbox, both of which end with the test, and a client of it.
async fn start() -> (Sandbox, Client) {
    let local = || TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)));
    let fast = amazon_sandbox::Options { calls_per_second: 1000.0, calls_per_day: 1_000_000, ..Default::default() };
    let sandbox = Sandbox::start(local().await.unwrap(), fast).await.unwrap();
    let toml = format!(
        "[accounts.test]\nprotocol = \"paapi5\"\naccess_key = \"{}\"\nsecret_key = \"{}\"\nendpoint = \"{}\"\n\
         partner_tags = {{ US = \"sandbox-20\" }}\n[admin]\nlisten = \"off\"\n",
        amazon_sandbox::ACCESS_KEY,
        amazon_sandbox::SECRET_KEY,
        sandbox.url(),
    );
    let mut config = Config::from_settings(&Settings::default().file("stockroom.toml", &toml)).unwrap();
    // No test waits for the account's pace, or for the day's.
    (config.accounts[0].calls_per_second, config.accounts[0].calls_per_day) = (1000.0, 1_000_000);
    let listener = local().await.unwrap();
    let address = listener.local_addr().unwrap();
    let catalog = gateway::build(&config).unwrap();
    tokio::spawn(server::serve(config, catalog, listener, std::future::pending()));
    let options = Options { deadline: Duration::from_secs(60), ..Options::default() };
    (sandbox, Client::new(&format!("http://{address}"), options).unwrap())
}

/// The cells of a row of a Markdown table.
fn cells(line: &str) -> Option<Vec<&str>> {
    let inside = line.strip_prefix('|')?.strip_suffix('|')?;
    Some(inside.split(" | ").map(str::trim).collect())
}

/// The price in each row of a table with the columns ASIN and Price.
fn prices_in_table(text: &str) -> Vec<(String, String)> {
    let (mut columns, mut prices) = (None, Vec::new());
    for row in text.lines().filter_map(cells) {
        let position = |name: &str| row.iter().position(|cell| *cell == name);
        if let (Some(asin), Some(price)) = (position("ASIN"), position("Price")) {
            columns = Some((asin, price));
        } else if let Some((asin, price)) = columns
            && amazon_catalog::Asin::parse(row[asin]).is_ok()
        {
            prices.push((row[asin].to_owned(), row[price].to_owned()));
        }
    }
    prices
}

/// The price of each product on the page of `stockroom product`, whose facts are as `- **price**: $12.50`.
fn prices_of_products(text: &str) -> Vec<(String, String)> {
    let (mut asin, mut prices) = (None, Vec::new());
    for line in text.lines() {
        match line.strip_prefix("- **").and_then(|line| line.split_once("**: ")) {
            Some(("ASIN", value)) => asin = Some(value.to_owned()),
            Some(("price", value)) => prices.extend(asin.take().map(|asin| (asin, value.to_owned()))),
            _ => {}
        }
    }
    prices
}

fn markdown(page: &Page) -> String {
    page.render(Style::Markdown)
}

#[tokio::test]
async fn every_command_prints_one_price_for_a_product_in_one_style() {
    let (_sandbox, client) = start().await;
    let now = SystemTime::now();
    let asins: Vec<String> = examples::all().collect();
    assert!(asins.len() > 5000, "{}", asins.len());

    let mut prices: BTreeMap<String, String> = BTreeMap::new();
    for asins in asins.chunks(100) {
        let request = pb::GetProductsRequest { asins: asins.to_vec(), options: None };
        let answer = client.get_products(request).await.unwrap();
        prices.extend(prices_of_products(&markdown(&product::products_page(&answer, now))));
    }
    assert_eq!(prices.len(), asins.len());

    let mut printed: Vec<(&str, String)> = Vec::new();
    for asins in asins.chunks(10).filter(|asins| asins.len() > 1) {
        let request = pb::CompareProductsRequest { asins: asins.to_vec(), options: None };
        let mut events = client.compare_products(request).await.unwrap();
        let mut text = compare::table(Vec::new()).layout(Style::Markdown).head(false);
        while let Some(message) = events.message().await.unwrap() {
            text.push_str(&compare::event_text(&message.event.unwrap(), &[], Style::Markdown));
        }
        printed.push(("compare", text));
    }
    for category in CATEGORIES.map(str::to_owned) {
        let query = pb::SearchQuery { category: category.clone(), ..Default::default() };
        let request = pb::SearchProductsRequest { query: Some(query), page_size: 100, ..Default::default() };
        let found = client.search_products(request).await.unwrap();
        printed.push(("search", markdown(&product_table::found(&found, now))));
        let list = |products: &[pb::ProductEntry]| markdown(&browse_lists::list("All", "", products, None, None));
        let deals = pb::ListDealsRequest { category: category.clone(), limit: 50, ..Default::default() };
        printed.push(("deals", list(&client.list_deals(deals).await.unwrap().products)));
        let trending = pb::ListTrendingRequest { category, limit: 50, ..Default::default() };
        printed.push(("trending", list(&client.list_trending(trending).await.unwrap().products)));
    }

    let mut counts = HashMap::new();
    for (command, text) in printed {
        for (asin, price) in prices_in_table(&text) {
            let alone = &prices[&asin];
            // `product` prints the price of a unit beside the price.
            let is_same = *alone == price || alone.strip_prefix(&price).is_some_and(|unit| unit.starts_with(" ("));
            assert!(is_same, "{command} prints {price:?} for {asin}, and product {alone:?}");
            *counts.entry(command).or_insert(0) += 1;
        }
    }
    assert!(counts["compare"] >= asins.len() - 1, "{counts:?}");
    assert!(["search", "deals", "trending"].iter().all(|command| counts[command] >= 100), "{counts:?}");
}
