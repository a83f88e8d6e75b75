//! `stockroom trending`, `deals`, `categories` and `marketplaces`: what can be found without a query.

use std::time::SystemTime;

use clap::Args;

use super::{
    exit::{Failure, Outcome},
    format,
    page::{Column, Page},
    parse,
    product_table::{PRODUCTS, product_rows},
    remote::{ReadArgs, Remote},
};
use stockroom_proto::pb;

/// List a category's best rated and most reviewed products
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  stockroom trending headphones\n  stockroom trending books --limit 20 -m DE")]
pub(super) struct Trending {
    /// A category of `stockroom categories` [default: everything]
    #[arg(default_value = "", hide_default_value = true)]
    category: String,
    /// The number of products, 1 to 50
    #[arg(long, default_value_t = 10)]
    limit: i32,
    #[command(flatten)]
    read: ReadArgs,
    #[command(flatten)]
    remote: Remote,
}

/// List a category's discounted products, biggest saving first
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  stockroom deals laptops --max-price 800\n  stockroom deals --min-saving 30 --prime"
)]
pub(super) struct Deals {
    /// A category of `stockroom categories` [default: everything]
    #[arg(default_value = "", hide_default_value = true)]
    category: String,
    /// The highest price, as 149.99
    #[arg(long, value_name = "AMOUNT", value_parser = parse::amount)]
    max_price: Option<pb::Money>,
    /// The lowest saving in percent, 1 to 99 [default: 10]
    #[arg(long, value_name = "PERCENT")]
    min_saving: Option<i32>,
    /// Only products with Prime delivery
    #[arg(long)]
    prime: bool,
    /// The number of products, 1 to 50
    #[arg(long, default_value_t = 10)]
    limit: i32,
    #[command(flatten)]
    read: ReadArgs,
    #[command(flatten)]
    remote: Remote,
}

/// List the category names and Amazon's search indices
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  stockroom categories\n  stockroom categories -m JP --format markdown")]
pub(super) struct Categories {
    /// The marketplace, as US or www.amazon.co.uk [default: the gateway's own]
    #[arg(long, short, env = "STOCKROOM_MARKETPLACE", default_value = "", hide_default_value = true)]
    marketplace: String,
    #[command(flatten)]
    remote: Remote,
}

/// List the marketplaces that the gateway serves, and the notices that Amazon's terms require
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  stockroom marketplaces\n  stockroom marketplaces --json | jq '.marketplaces[].notices'"
)]
pub(super) struct Marketplaces {
    #[command(flatten)]
    remote: Remote,
}

impl Trending {
    pub(super) async fn run(self) -> Result<Outcome, Failure> {
        let options = Some(self.read.options(&[]));
        let request = pb::ListTrendingRequest { category: self.category, limit: self.limit, options };
        let answer = self.remote.client()?.list_trending(request).await?;
        if self.read.estimate {
            return self.remote.out().estimate(&answer, answer.cost.as_ref());
        }
        self.remote.out().answer(&answer, |answer| {
            let (incomplete, cost) = (answer.incomplete.as_ref(), answer.cost.as_ref());
            list(&answer.search_index, &answer.basis, &answer.products, incomplete, cost)
        })?;
        Ok(outcome(&answer.products))
    }
}

impl Deals {
    pub(super) async fn run(self) -> Result<Outcome, Failure> {
        let request = pb::ListDealsRequest {
            category: self.category,
            max_price: self.max_price,
            prime_only: self.prime,
            min_saving_percent: self.min_saving,
            limit: self.limit,
            options: Some(self.read.options(&[])),
        };
        let answer = self.remote.client()?.list_deals(request).await?;
        if self.read.estimate {
            return self.remote.out().estimate(&answer, answer.cost.as_ref());
        }
        self.remote.out().answer(&answer, |answer| {
            let (incomplete, cost) = (answer.incomplete.as_ref(), answer.cost.as_ref());
            list(&answer.search_index, &answer.basis, &answer.products, incomplete, cost)
        })?;
        Ok(outcome(&answer.products))
    }
}

impl Categories {
    pub(super) async fn run(self) -> Result<Outcome, Failure> {
        let request = pb::ListCategoriesRequest { marketplace: self.marketplace };
        let answer = self.remote.client()?.list_categories(request).await?;
        self.remote.out().answer(&answer, categories_page)?;
        Ok(Outcome::Done)
    }
}

impl Marketplaces {
    pub(super) async fn run(self) -> Result<Outcome, Failure> {
        let answer = self.remote.client()?.list_marketplaces(pb::ListMarketplacesRequest {}).await?;
        self.remote.out().answer(&answer, marketplaces_page)?;
        Ok(Outcome::Done)
    }
}

fn outcome(products: &[pb::ProductEntry]) -> Outcome {
    if products.is_empty() { Outcome::Nothing } else { Outcome::Done }
}

pub(super) fn list(
    search_index: &str,
    basis: &str,
    products: &[pb::ProductEntry],
    incomplete: Option<&pb::Incomplete>,
    cost: Option<&pb::Cost>,
) -> Page {
    let mut page = Page::default();
    let place = if search_index == "All" { "Everything" } else { search_index };
    page.line(format!("{place}: {basis}")).table(&PRODUCTS, product_rows(products, 0));
    if products.is_empty() {
        page.line("No product matches.");
    }
    page.line(format::incomplete(incomplete)).line(format::cost_and_age(cost, products, SystemTime::now()));
    page
}

fn categories_page(answer: &pb::ListCategoriesResponse) -> Page {
    let columns = [Column::new("Category"), Column::new("Search index"), Column::cut("In Amazon's words")];
    let row = |category: &pb::Category| {
        vec![category.name.clone(), category.search_index.clone(), category.search_index_name.clone()]
    };
    let indices = answer.search_indices.iter().map(|index| vec![index.id.clone(), index.display_name.clone()]);
    let mut page = Page::default();
    page.line(answer.marketplace.clone())
        .table(&columns, answer.categories.iter().map(row).collect())
        .table(&[Column::new("Search index"), Column::cut("In Amazon's words")], indices.collect());
    page
}

fn marketplaces_page(answer: &pb::ListMarketplacesResponse) -> Page {
    let columns = [
        Column::new("Code"),
        Column::new("Marketplace"),
        Column::new("Country"),
        Column::new("Currency"),
        Column::new("Language"),
        Column::new("Account").spare(),
        Column::new("API").spare(),
        Column::cut("Other languages").spare(),
    ];
    let row = |marketplace: &pb::Marketplace| {
        let others = marketplace.supported_languages.iter().filter(|code| **code != marketplace.language);
        vec![
            marketplace.code.clone(),
            marketplace.name.clone(),
            marketplace.country.clone(),
            marketplace.currency.clone(),
            marketplace.language.clone(),
            marketplace.account.clone(),
            format::protocol(marketplace.protocol()).to_owned(),
            others.cloned().collect::<Vec<_>>().join(", "),
        ]
    };
    let mut page = Page::default();
    page.table(&columns, answer.marketplaces.iter().map(row).collect());
    if let Some(notices) = answer.marketplaces.first().and_then(|marketplace| marketplace.notices.as_ref()) {
        page.heading("A page that shows these products must say")
            .items(vec![notices.disclosure.clone(), notices.price_disclaimer.clone()]);
    }
    page
}
