//! `stockroom feeds` and `reports`: the files that Amazon keeps ready for an account, and links to them.

use clap::Args;

use super::{
    exit::{Failure, Outcome},
    format,
    page::{Column, Page},
    remote::Remote,
};
use stockroom_proto::pb;

/// Lists an account's feeds of products and deals, or prints a link to one
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  stockroom feeds -m UK\n  curl --output feed.gz \"$(stockroom feeds --link NAME)\""
)]
pub(super) struct Feeds {
    #[command(flatten)]
    which: Which,
}

/// Lists an account's reports of what it has earned, or prints a link to one
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  stockroom reports -m UK\n  curl --output report.csv \"$(stockroom reports --link NAME)\""
)]
pub(super) struct Reports {
    #[command(flatten)]
    which: Which,
}

#[derive(Args, Debug)]
struct Which {
    /// Print a link to the file of this name; it works for a while and for whoever has it
    #[arg(long, value_name = "NAME")]
    link: Option<String>,
    /// The marketplace of the account [default: the gateway's own]
    #[arg(long, short, env = "STOCKROOM_MARKETPLACE", default_value = "", hide_default_value = true)]
    marketplace: String,
    #[command(flatten)]
    remote: Remote,
}

impl Feeds {
    pub(super) async fn run(self) -> Result<Outcome, Failure> {
        let Which { link, marketplace, remote } = self.which;
        let client = remote.client()?;
        if let Some(name) = link {
            let request = pb::GetFeedLinkRequest { marketplace, name, ..Default::default() };
            let answer = client.get_feed_link(request).await?;
            remote.out().answer(&answer, |answer| link_page(&answer.url))?;
            return Ok(Outcome::Done);
        }
        let answer = client.list_feeds(pb::ListFeedsRequest { marketplace }).await?;
        remote.out().answer(&answer, |answer| list_page(&answer.feeds, answer.cost.as_ref()))?;
        Ok(outcome(&answer.feeds))
    }
}

impl Reports {
    pub(super) async fn run(self) -> Result<Outcome, Failure> {
        let Which { link, marketplace, remote } = self.which;
        let client = remote.client()?;
        if let Some(name) = link {
            let request = pb::GetReportLinkRequest { marketplace, name, ..Default::default() };
            let answer = client.get_report_link(request).await?;
            remote.out().answer(&answer, |answer| link_page(&answer.url))?;
            return Ok(Outcome::Done);
        }
        let answer = client.list_reports(pb::ListReportsRequest { marketplace }).await?;
        remote.out().answer(&answer, |answer| list_page(&answer.reports, answer.cost.as_ref()))?;
        Ok(outcome(&answer.reports))
    }
}

fn outcome(files: &[pb::AccountFile]) -> Outcome {
    if files.is_empty() { Outcome::Nothing } else { Outcome::Done }
}

/// The link alone, so that a shell can hand it on.
fn link_page(url: &str) -> Page {
    let mut page = Page::default();
    page.line(url);
    page
}

fn list_page(files: &[pb::AccountFile], cost: Option<&pb::Cost>) -> Page {
    let columns = [
        Column::new("Name"),
        Column::new("Type"),
        Column::number("Bytes"),
        Column::new("Last changed"),
        Column::new("MD5"),
    ];
    let row = |file: &pb::AccountFile| {
        let size = file.size_bytes.map(format::number).unwrap_or_default();
        vec![file.name.clone(), file.r#type.clone(), size, file.update_time_text.clone(), file.md5.clone()]
    };
    let mut page = Page::default();
    page.table(&columns, files.iter().map(row).collect());
    if files.is_empty() {
        page.line("Amazon keeps no file ready.");
    }
    page.line(format::cost(cost));
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::page::Style;

    #[test]
    fn a_list_leaves_out_what_no_file_states_and_a_link_stands_alone() {
        let file = |name: &str, size| pb::AccountFile { name: name.to_owned(), size_bytes: size, ..Default::default() };
        let expected = "\
Name   Bytes
----   -----
a.gz   1,234
b.csv
";
        let files = [file("a.gz", Some(1234)), file("b.csv", None)];
        assert_eq!(list_page(&files, None).render(Style::Text(None)), expected);
        let link = "https://files.example/a.gz?expires=1&signature=0_a";
        assert_eq!(link_page(link).render(Style::Text(Some(20))), format!("{link}\n"));
    }
}
