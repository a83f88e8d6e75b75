//! `stockroom search`: one page of a search, or all of it as it arrives.

use std::time::SystemTime;

use clap::{Args, ValueEnum};

use super::{
    exit::{Failure, Outcome},
    json::Layout,
    output::Output,
    parse,
    product_table::{arrived, ended, found, sum},
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

    async fn page(&self, client: &Client, out: &mut Output) -> Result<Outcome, Failure> {
        let request = pb::SearchProductsRequest {
            query: Some(self.query()),
            page_size: self.page_size,
            page_token: self.page_token.clone(),
            options: Some(self.read.options(&[])),
            include_facets: self.facets,
        };
        let answer = client.search_products(request).await?;
        out.answer(&answer, |answer| found(answer, SystemTime::now()))?;
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
        while let Some(answer) = pages.message().await? {
            match out.style() {
                Some(style) => out.text(&arrived(&answer, count).render(style))?,
                None => out.json(&answer, Layout::Line)?,
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
