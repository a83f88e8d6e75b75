//! `stockroom product`: all that is known of products.

use std::time::SystemTime;

use clap::Args;

use super::{
    exit::{Failure, Outcome},
    format,
    page::{Column, Page},
    product_table::{PRODUCTS, product_rows},
    remote::{ReadArgs, Remote},
};
use crate::server::limits::MAX_ASINS;
use stockroom_proto::pb::{self, product_outcome};

const EXAMPLES: &str = "\
Examples:
  stockroom product B0SBHEAD01
  stockroom product B0SBHEAD01 B0SBHEAD02 --json
  stockroom product B0SBPARENT --variations
  stockroom product B0SBHEAD01 --max-age 0s";

/// Show products with all details
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Product {
    /// Up to 100 ASINs
    #[arg(required = true, num_args = 1..=MAX_ASINS, value_name = "ASIN")]
    asins: Vec<String>,
    /// Show the variations of the family that the product belongs to
    #[arg(long)]
    variations: bool,
    /// With --variations: the token that the previous page printed
    #[arg(long, value_name = "TOKEN", requires = "variations", default_value = "", hide_default_value = true)]
    page_token: String,
    #[command(flatten)]
    read: ReadArgs,
    #[command(flatten)]
    remote: Remote,
}

impl Product {
    pub(super) async fn run(self) -> Result<Outcome, Failure> {
        match self.asins.as_slice() {
            [asin] if self.variations => self.family(asin).await,
            _ if self.variations => Err(Failure::Usage("--variations takes one ASIN".to_owned())),
            _ => self.products().await,
        }
    }

    async fn products(&self) -> Result<Outcome, Failure> {
        let request = pb::GetProductsRequest { asins: self.asins.clone(), options: Some(self.read.options(&[])) };
        let answer = self.remote.client()?.get_products(request).await?;
        if self.read.estimate {
            return self.remote.out().estimate(&answer, answer.cost.as_ref());
        }
        self.remote.out().answer(&answer, |answer| products_page(answer, SystemTime::now()))?;
        let found =
            answer.outcomes.iter().any(|outcome| matches!(outcome.result, Some(product_outcome::Result::Entry(_))));
        Ok(if found { Outcome::Done } else { Outcome::Nothing })
    }

    async fn family(&self, asin: &str) -> Result<Outcome, Failure> {
        let request = pb::GetVariationsRequest {
            asin: asin.to_owned(),
            page_size: 0,
            page_token: self.page_token.clone(),
            options: Some(self.read.options(&[])),
            include_parent: false,
        };
        let answer = self.remote.client()?.get_variations(request).await?;
        if self.read.estimate {
            return self.remote.out().estimate(&answer, answer.cost.as_ref());
        }
        self.remote.out().answer(&answer, family_page)?;
        Ok(if answer.variations.is_empty() { Outcome::Nothing } else { Outcome::Done })
    }
}

pub(super) fn products_page(answer: &pb::GetProductsResponse, now: SystemTime) -> Page {
    let mut page = Page::default();
    for outcome in &answer.outcomes {
        match &outcome.result {
            Some(product_outcome::Result::Entry(entry)) => product_part(&mut page, entry, now),
            Some(product_outcome::Result::Absence(absence)) => {
                page.heading(outcome.asin.clone()).line(format::absence(absence));
            }
            None => {
                page.heading(outcome.asin.clone()).line("missing");
            }
        }
    }
    page.line(format::cost(answer.cost.as_ref()));
    page
}

fn product_part(page: &mut Page, entry: &pb::ProductEntry, now: SystemTime) {
    let Some(product) = &entry.product else { return };
    let info = product.info.clone().unwrap_or_default();
    let title = if info.title.is_empty() { product.asin.clone() } else { info.title.clone() };
    page.heading(title);
    let mut facts = vec![("ASIN", product.asin.clone()), ("parent", product.parent_asin.clone())];
    facts.extend(offer_facts(format::best_offer(product)));
    facts.push(("rating", product.reviews.as_ref().map(|reviews| reviews.in_words.clone()).unwrap_or_default()));
    facts.extend(info_facts(&info));
    let variation = product.variation.iter().flat_map(|variation| &variation.attributes);
    let variation: Vec<String> = variation.map(|a| format!("{}: {}", a.name, a.value)).collect();
    facts.push(("variation", variation.join(", ")));
    facts.extend(category_facts(product.categories.as_ref()));
    let images = product.images.as_ref();
    let picture = images.and_then(|images| images.primary.as_ref());
    let picture = picture.and_then(|set| set.hi_res.as_ref().or(set.large.as_ref()).or(set.medium.as_ref()));
    facts.push(("picture", picture.map(|image| image.url.clone()).unwrap_or_default()));
    facts.push(("page", product.detail_page_url.clone()));
    facts.push(("answer", format::freshness(entry.freshness.as_ref(), now)));
    page.facts(facts);
    if !info.features.is_empty() {
        page.line("Features:").items(info.features);
    }
    let listings = product.offers.as_ref().map(|offers| offers.listings.as_slice()).unwrap_or_default();
    if listings.len() > 1 {
        page.table(&OFFERS, listings.iter().map(offer_row).collect());
    }
    let summaries = product.offers.as_ref().map(|offers| offers.summaries.as_slice()).unwrap_or_default();
    page.table(&SUMMARIES, summaries.iter().map(summary_row).collect());
}

fn offer_facts(offer: Option<&pb::Offer>) -> Vec<(&'static str, String)> {
    let mut price = format::price(offer);
    let Some(offer) = offer else { return vec![("price", price)] };
    if let Some(unit) = &offer.price_per_unit {
        price.push_str(&format!(" ({})", format::money(unit)));
    }
    let basis = offer.saving_basis.as_ref().and_then(|basis| {
        let label = if basis.label.is_empty() { "instead of" } else { &basis.label };
        Some(format!("{label} {}", format::money(basis.price.as_ref()?)))
    });
    let saved = [format::saving(Some(offer)), basis.unwrap_or_default()];
    let delivery = offer.delivery.as_ref();
    let message = offer.availability.as_ref().map(|availability| availability.message.clone());
    let merchant = offer.merchant.as_ref();
    vec![
        ("price", price),
        ("saving", saved.iter().filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>().join(", ")),
        ("deal", offer.deal.as_ref().map(deal).unwrap_or_default()),
        ("availability", message.filter(|m| !m.is_empty()).unwrap_or_else(|| format::availability(Some(offer)))),
        ("Prime", format::yes_no(delivery.and_then(|delivery| delivery.is_prime_eligible))),
        ("delivery", delivery.map(|delivery| delivery.message.clone()).unwrap_or_default()),
        ("condition", crate::format::offer_condition(offer).to_owned()),
        ("sold by", merchant.map(|merchant| merchant.name.clone()).unwrap_or_default()),
    ]
}

fn info_facts(info: &pb::ProductInfo) -> Vec<(&'static str, String)> {
    let people = info.contributors.iter().map(|person| format!("{} ({})", person.name, person.role));
    let size = info.dimensions.as_ref().map(|dimensions| {
        let sides = [&dimensions.length, &dimensions.width, &dimensions.height];
        let sides = format::measures(&sides.into_iter().flatten().collect::<Vec<_>>());
        let weight = format::measures(&dimensions.weight.iter().collect::<Vec<_>>());
        [sides, weight].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
    });
    let languages = info.languages.iter().map(|language| format!("{} ({})", language.name, language.r#type));
    vec![
        ("brand", info.brand.clone()),
        ("maker", info.manufacturer.clone()),
        ("by", people.collect::<Vec<_>>().join(", ")),
        ("group", info.product_group.clone()),
        ("binding", info.binding.clone()),
        ("edition", info.edition.clone()),
        ("pages", info.page_count.map(format::number).unwrap_or_default()),
        ("published", info.publication_date.as_ref().map(date).unwrap_or_default()),
        ("released", info.release_date.as_ref().map(date).unwrap_or_default()),
        ("languages", languages.collect::<Vec<_>>().join(", ")),
        ("audience", info.audience_rating.clone()),
        ("model", info.model.clone()),
        ("part number", info.part_number.clone()),
        ("color", info.color.clone()),
        ("size", info.size.clone()),
        ("measures", size.unwrap_or_default()),
        ("units", info.unit_count.map(format::number).unwrap_or_default()),
        ("energy class", info.energy_efficiency_class.clone()),
        ("warranty", info.warranty.clone()),
        ("EAN", info.eans.join(", ")),
        ("ISBN", info.isbns.join(", ")),
        ("UPC", info.upcs.join(", ")),
    ]
}

fn category_facts(categories: Option<&pb::ProductCategories>) -> Vec<(&'static str, String)> {
    let Some(categories) = categories else { return Vec::new() };
    let rank = categories.website_sales_rank.as_ref();
    let rank = rank.map(|rank| format!("#{} in {}", format::number(rank.rank), rank.display_name));
    let mut facts = vec![("sales rank", rank.unwrap_or_default())];
    facts.extend(categories.nodes.iter().map(|node| {
        let path = node.ancestors.iter().rev().map(|above| above.display_name.as_str());
        let path: Vec<&str> = path.chain([node.display_name.as_str()]).collect();
        let rank = node.sales_rank.map_or(String::new(), |rank| format!(" (#{})", format::number(rank)));
        ("category", format!("{}{rank}", path.join(" > ")))
    }));
    facts
}

const OFFERS: [Column; 5] = [
    Column::number("Price"),
    Column::number("Saving"),
    Column::new("Condition"),
    Column::cut("Seller"),
    Column::new("Stock"),
];

fn offer_row(offer: &pb::Offer) -> Vec<String> {
    let seller = offer.merchant.as_ref().map(|merchant| merchant.name.clone()).unwrap_or_default();
    let (price, saving) = (format::price(Some(offer)), format::saving(Some(offer)));
    vec![price, saving, crate::format::offer_condition(offer).to_owned(), seller, format::availability(Some(offer))]
}

const SUMMARIES: [Column; 4] = [
    Column::new("All sellers"),
    Column::number("Offers"),
    Column::number("Lowest price"),
    Column::number("Highest price"),
];

fn summary_row(summary: &pb::OfferSummary) -> Vec<String> {
    let price = |price: &Option<pb::Money>| price.as_ref().map(format::money).unwrap_or_default();
    let count = summary.offer_count.map(format::number).unwrap_or_default();
    vec![
        match summary.condition() {
            pb::Condition::Unspecified => summary.condition_text.clone(),
            condition => format::condition(condition).to_owned(),
        },
        count,
        price(&summary.lowest_price),
        price(&summary.highest_price),
    ]
}

fn deal(deal: &pb::Deal) -> String {
    let end = deal.end_time.and_then(|time| SystemTime::try_from(time).ok());
    let end = end.map_or(String::new(), |end| format!(" until {}", format::timestamp(end)));
    let badge = if deal.badge.is_empty() { "on now" } else { &deal.badge };
    format!("{badge}{end}")
}

/// As much of a date as is known.
fn date(date: &pb::PartialDate) -> String {
    match (date.year, date.month, date.day) {
        (0, ..) => date.text.clone(),
        (year, 0, _) => year.to_string(),
        (year, month, 0) => format!("{year}-{month:02}"),
        (year, month, day) => format!("{year}-{month:02}-{day:02}"),
    }
}

pub(super) fn family_page(answer: &pb::GetVariationsResponse) -> Page {
    let mut page = Page::default();
    let summary = answer.summary.clone().unwrap_or_default();
    let spread = [&summary.lowest_price, &summary.highest_price].map(|price| price.as_ref().map(format::money));
    let mut facts = vec![
        ("parent", answer.parent_asin.clone()),
        (
            "children",
            if summary.variation_count_unknown { String::new() } else { format::number(summary.variation_count) },
        ),
        ("prices", spread.into_iter().flatten().collect::<Vec<_>>().join(" to ")),
    ];
    facts.extend(summary.dimensions.iter().map(|dimension| {
        let name = if dimension.display_name.is_empty() { &dimension.name } else { &dimension.display_name };
        ("differ in", format!("{name}: {}", dimension.values.join(", ")))
    }));
    if answer.variations.is_empty() {
        page.line("It has no variations.").line(format::cost(answer.cost.as_ref()));
        return page;
    }
    page.facts(facts).table(&PRODUCTS, product_rows(&answer.variations, 0)).line(format::cost(answer.cost.as_ref()));
    if !answer.next_page_token.is_empty() {
        page.line(format!("next page: --page-token {}", answer.next_page_token));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::page::Style;

    #[test]
    fn a_product_is_described_by_what_is_known_of_it_and_no_more() {
        let product = pb::Product {
            asin: "B000000001".to_owned(),
            info: Some(pb::ProductInfo {
                title: "Example Lamp".to_owned(),
                brand: "Examplia".to_owned(),
                features: vec!["Shines".to_owned()],
                publication_date: Some(pb::PartialDate { year: 2019, month: 7, ..Default::default() }),
                ..Default::default()
            }),
            ..Default::default()
        };
        let entry = pb::ProductEntry { product: Some(product), freshness: None };
        let missing = pb::Absence { reason: pb::AbsenceReason::NotFound.into(), ..Default::default() };
        let outcome = |asin: &str, result| pb::ProductOutcome { asin: asin.to_owned(), result: Some(result) };
        let answer = pb::GetProductsResponse {
            outcomes: vec![
                outcome("B000000001", product_outcome::Result::Entry(entry)),
                outcome("B000000009", product_outcome::Result::Absence(missing)),
            ],
            cost: None,
        };
        let expected = "\
Example Lamp
  ASIN       B000000001
  price      No price
  brand      Examplia
  published  2019-07
Features:
  Shines

B000000009
not found
";
        let page = products_page(&answer, SystemTime::UNIX_EPOCH);
        assert_eq!(page.render(Style::Text(Some(100))), expected);
    }
}
