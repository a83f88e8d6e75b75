//! `stockroom compare`: products side by side, each row as soon as it is known.

use std::time::SystemTime;

use clap::Args;

use super::{
    exit::{Failure, Outcome},
    format,
    json::JsonLayout,
    output::Output,
    page::{Column, Page, Style, Table},
    remote::{ReadArgs, Remote},
};
use crate::server::limits::{MAX_COMPARED, MIN_COMPARED};
use stockroom_proto::pb::{self, compare_products_response::Event};

const EXAMPLES: &str = "\
Examples:
  stockroom compare B0SBHEAD01 B0SBHEAD02
  stockroom compare B0SBHEAD01 B0SBHEAD02 B0SBHEAD03 --format markdown
  stockroom compare B0SBHEAD01 B0SBHEAD02 --json | jq .row.price";

/// Compare two to ten products; rows appear as they become known
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Compare {
    /// Two to ten different ASINs
    #[arg(required = true, num_args = MIN_COMPARED..=MAX_COMPARED, value_name = "ASIN")]
    asins: Vec<String>,
    #[command(flatten)]
    read: ReadArgs,
    #[command(flatten)]
    remote: Remote,
}

impl Compare {
    pub(super) async fn run(self) -> Result<Outcome, Failure> {
        let (client, mut out) = (self.remote.client()?, self.remote.out());
        let request = pb::CompareProductsRequest { asins: self.asins, options: Some(self.read.options(&[])) };
        let mut events = client.compare_products(request).await?;
        if let Some(style) = out.style() {
            out.text(&table(Vec::new()).layout(style).head(false))?;
        }
        let mut ages = Vec::new();
        while let Some(message) = events.message().await? {
            if let Some(Event::Row(row)) = &message.event {
                ages.push(age_of(row));
            }
            print(&mut out, &message, &ages)?;
        }
        Ok(if ages.is_empty() { Outcome::Nothing } else { Outcome::Done })
    }
}

/// The freshness of a row, as an entry without its product.
pub(super) fn age_of(row: &pb::CompareRow) -> pb::ProductEntry {
    let freshness = row.entry.as_ref().and_then(|entry| entry.freshness);
    pb::ProductEntry { product: None, freshness }
}

fn print(out: &mut Output, message: &pb::CompareProductsResponse, ages: &[pb::ProductEntry]) -> Result<(), Failure> {
    let Some(style) = out.style() else { return out.json(message, JsonLayout::Line) };
    match &message.event {
        Some(event) => out.text(&event_text(event, ages, style)),
        // An event that this version does not know.
        None => Ok(()),
    }
}

/// One event as text. `ages` has the freshness of the rows so far, of which the summary states the oldest.
pub(super) fn event_text(event: &Event, ages: &[pb::ProductEntry], style: Style) -> String {
    match event {
        Event::Row(row) => table(Vec::new()).layout(style).rows(&[cells(row)]),
        Event::Missing(missing) => {
            let why = missing.absence.as_ref().map_or("missing".to_owned(), format::absence);
            match style {
                // Outside the columns, where nothing cuts it.
                Style::Text(_) | Style::Colour(_) => {
                    let mut page = Page::default();
                    page.line(format!("{}  {why}", missing.asin));
                    page.render(style)
                }
                Style::Markdown => {
                    let blank = String::new;
                    let row = vec![missing.asin.clone(), blank(), blank(), blank(), blank(), why];
                    table(Vec::new()).layout(style).rows(&[row])
                }
            }
        }
        Event::Summary(summary) => format!("\n{}", summary_page(summary, ages).render(style)),
    }
}

pub(super) fn table(rows: Vec<Vec<String>>) -> Table {
    let columns = vec![
        Column::new("ASIN").wide(10),
        Column::number("Price").wide(17),
        Column::number("Saving").wide(6).spare(),
        Column::new("Rating").wide(14).spare(),
        Column::new("Prime").wide(5).spare(),
        Column::cut("Title"),
    ];
    Table { columns, rows }
}

fn cells(row: &pb::CompareRow) -> Vec<String> {
    let price = match (&row.price, row.price_text.is_empty()) {
        (_, false) => row.price_text.clone(),
        (Some(price), true) => format::money(price),
        (None, true) => "No price".to_owned(),
    };
    vec![
        row.asin.clone(),
        price,
        format::percent_off(row.saving_percent),
        format::rating(row.star_rating, row.review_count),
        format::yes_no(row.is_prime),
        row.title.clone(),
    ]
}

fn summary_page(summary: &pb::CompareSummary, ages: &[pb::ProductEntry]) -> Page {
    let mut page = Page::default();
    let best = summary.best.iter().map(|best| {
        let field = match best.field() {
            pb::CompareField::LowestPrice => "lowest price",
            pb::CompareField::HighestRating => "highest rating",
            pb::CompareField::MostReviews => "most reviews",
            pb::CompareField::BiggestSaving => "biggest saving",
            pb::CompareField::Unspecified => "best",
        };
        (field, format!("{} ({})", best.value, best.asins.join(", ")))
    });
    page.facts(best.collect());
    if !summary.differing.is_empty() {
        page.line("They differ in:");
        let differing = summary.differing.iter().map(|attribute| {
            let value = |value: &pb::CompareValue| {
                format!("{} {}", value.asin, if value.value.is_empty() { "-" } else { &value.value })
            };
            (attribute.name.as_str(), attribute.values.iter().map(value).collect::<Vec<_>>().join("; "))
        });
        page.facts(differing.collect());
    }
    page.line(format::cost_and_age(summary.cost.as_ref(), ages, SystemTime::now()));
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_come_one_by_one_stand_below_one_another() {
        let style = Style::Text(Some(100));
        let row = pb::CompareRow {
            asin: "B000000001".to_owned(),
            title: "Example Lamp with a long name that goes on".to_owned(),
            price_text: "$33.99".to_owned(),
            saving_percent: Some(15),
            star_rating: Some(4.5),
            review_count: Some(1200),
            is_prime: Some(true),
            ..Default::default()
        };
        let absence = pb::Absence { reason: pb::AbsenceReason::NotFound.into(), ..Default::default() };
        let missing = pb::CompareMissing { asin: "B000000002".to_owned(), absence: Some(absence) };
        let text = table(Vec::new()).layout(style).head(false)
            + &event_text(&Event::Row(row), &[], style)
            + &event_text(&Event::Missing(missing), &[], style);
        let expected = "\
ASIN                    Price  Saving  Rating          Prime  Title
B000000001             $33.99    -15%  ★ 4.5 (1,200)   yes    Example Lamp with a long name that…
B000000002  not found
";
        assert_eq!(text, expected);
    }
}
