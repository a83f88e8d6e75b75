//! `stockroom search`: one page of a search, or all of it as it arrives.

use std::{
    io::{self, IsTerminal, Write},
    time::SystemTime,
};

use clap::{Args, ValueEnum};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    exit::{Failure, Outcome},
    json::JsonLayout,
    next_command::next_command,
    output::Output,
    page::{self, Style, Table},
    parse,
    product_table::{PRODUCTS, ended, found, product_rows, stream_head, stream_notes, sum},
    remote::{ReadArgs, Remote},
};
use stockroom_client::Client;
use stockroom_proto::pb;

const EXAMPLES: &str = "\
Examples:
  stockroom search wireless headphones
  stockroom search headphones --category electronics --max-price 150 --min-rating 4 --prime
  stockroom search --author \"Ilse Ferro\" --sort newest --json
  stockroom search lamp --all --format markdown";

/// Search for products by keywords and filters
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Search {
    /// Keywords
    keywords: Vec<String>,
    #[command(flatten)]
    filters: Filters,
    /// Products on a page, 1 to 100; every ten cost a call to Amazon
    #[arg(long, value_name = "N", default_value_t = 10)]
    page_size: i32,
    /// The token that the previous page printed
    #[arg(long, value_name = "TOKEN", default_value = "", hide_default_value = true)]
    page_token: String,
    /// Print all products that Amazon shows, up to 100, as they arrive
    #[arg(long, conflicts_with_all = ["page_size", "page_token"])]
    all: bool,
    /// Print the values by which the search can be narrowed
    #[arg(long)]
    facets: bool,
    #[command(flatten)]
    read: ReadArgs,
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
    /// Only products below this browse node
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    browse_node: String,
    /// The lowest price, as 49.99
    #[arg(long, value_name = "AMOUNT", value_parser = parse::amount)]
    min_price: Option<pb::Money>,
    /// The highest price, as 149.99
    #[arg(long, value_name = "AMOUNT", value_parser = parse::amount)]
    max_price: Option<pb::Money>,
    /// The lowest rating in stars, 1 to 5
    #[arg(long, value_name = "STARS")]
    min_rating: Option<f64>,
    /// The lowest saving in percent, 1 to 99
    #[arg(long, value_name = "PERCENT")]
    min_saving: Option<i32>,
    /// Only products with Prime delivery
    #[arg(long)]
    prime: bool,
    /// Only products with free shipping
    #[arg(long)]
    free_shipping: bool,
    /// Only products that Amazon ships
    #[arg(long)]
    fulfilled_by_amazon: bool,
    /// Only products that ship to other countries
    #[arg(long)]
    global: bool,
    /// The condition [default: any]
    #[arg(long, value_enum)]
    condition: Option<ConditionArg>,
    /// The order of the results [default: Amazon's for the category]
    #[arg(long, value_enum)]
    sort: Option<Sort>,
    /// Include out-of-stock products
    #[arg(long)]
    include_out_of_stock: bool,
    /// Only products that Amazon sells
    #[arg(long)]
    amazon_only: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ConditionArg {
    New,
    Used,
    Refurbished,
    Collectible,
}

#[derive(Clone, Copy, Debug, ValueEnum, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Sort {
    /// Lowest price first
    PriceLow,
    /// Highest price first
    PriceHigh,
    /// Highest rating first
    Rating,
    /// Newest first
    Newest,
    /// Featured products first
    Featured,
    /// Best match first
    Relevance,
}

impl Search {
    pub(super) async fn run(self) -> Result<Outcome, Failure> {
        let (client, mut out) = (self.remote.client()?, self.remote.out());
        if self.all { self.stream(&client, &mut out).await } else { self.page(&client, &mut out).await }
    }

    async fn page(&self, client: &Client, out: &mut Output) -> Result<Outcome, Failure> {
        let request = pb::SearchProductsRequest {
            query: Some(self.query()),
            page_size: self.page_size,
            page_token: self.page_token.clone(),
            options: Some(self.read.options(&[])),
            include_facets: self.facets,
        };
        let answer = client.search_products(request).await?;
        if self.read.estimate {
            return out.estimate(&answer, answer.cost.as_ref());
        }
        out.answer(&answer, |answer| {
            let mut page = found(answer, SystemTime::now());
            if !answer.next_page_token.is_empty() {
                page.command("next page: ", next_command(&answer.next_page_token));
            }
            page
        })?;
        Ok(if answer.products.is_empty() { Outcome::Nothing } else { Outcome::Done })
    }

    async fn stream(&self, client: &Client, out: &mut Output) -> Result<Outcome, Failure> {
        let request = pb::StreamSearchRequest {
            query: Some(self.query()),
            limit: 0,
            options: Some(self.read.options(&[])),
            include_facets: self.facets,
        };
        let mut pages = client.stream_search(request).await?;
        let (mut count, mut dropped, mut cost) = (0, 0, pb::Cost::default());
        let (mut columns, progress) = (None, Progress::new());
        while let Some(answer) = pages.message().await? {
            match out.style() {
                Some(style) => out.text(&stream_text(&answer, count, style, &mut columns))?,
                None => out.json(&answer, JsonLayout::Line)?,
            }
            count = count.saturating_add(answer.products.len());
            dropped = answer.dropped_count.saturating_add(dropped);
            cost = sum(cost, answer.cost.unwrap_or_default());
            progress.show(count);
        }
        progress.clear();
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

/// One message of a streamed search as text. The head of the table is written once, and its columns keep their widths.
fn stream_text(
    answer: &pb::StreamSearchResponse,
    before: usize,
    style: Style,
    columns: &mut Option<page::Layout>,
) -> String {
    let rows = product_rows(&answer.products, before);
    let mut text = stream_head(answer).render(style);
    if !rows.is_empty() && columns.is_none() {
        let layout = Table { columns: PRODUCTS.to_vec(), rows: rows.clone() }.layout(style);
        text.push_str(&format!("\n{}", layout.head(true)));
        *columns = Some(layout);
    }
    if let Some(columns) = columns {
        text.push_str(&columns.rows(&rows));
    }
    text + &stream_notes(answer).render(style)
}

/// The count of products so far on stderr, while stdout goes elsewhere.
struct Progress(bool);

impl Progress {
    fn new() -> Self {
        Self(io::stderr().is_terminal() && !io::stdout().is_terminal())
    }

    fn show(&self, count: usize) {
        if self.0 {
            // Progress that nobody can read changes nothing.
            let _ = write!(io::stderr(), "\r{count} products \u{2026}");
        }
    }

    fn clear(&self) {
        if self.0 {
            let _ = write!(io::stderr(), "\r\u{1b}[K");
        }
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

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        search: Search,
    }

    #[test]
    fn each_filter_reaches_its_field() {
        let line = "search warm lamp --category home --max-price 149.99 --min-rating 4.5 --prime --global \
                    --condition used --sort price-low --include-out-of-stock --amazon-only --browse-node 1000";
        let query = Line::try_parse_from(line.split(' ').filter(|word| !word.is_empty())).unwrap().search.query();
        let expected = pb::SearchQuery {
            keywords: "warm lamp".to_owned(),
            category: "home".to_owned(),
            browse_node_id: "1000".to_owned(),
            max_price: Some(pb::Money { units: 149, nanos: 990_000_000, ..Default::default() }),
            min_rating: Some(4.5),
            delivery_flags: vec![pb::DeliveryFlag::AmazonGlobal.into(), pb::DeliveryFlag::Prime.into()],
            condition: pb::Condition::Used.into(),
            availability: pb::AvailabilityFilter::IncludeOutOfStock.into(),
            merchant: pb::MerchantFilter::Amazon.into(),
            sort: pb::SortOrder::PriceLowToHigh.into(),
            ..Default::default()
        };
        assert_eq!(query, expected);
    }
}
