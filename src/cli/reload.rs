//! `stockroom reload`: has a gateway read its configuration again.

use clap::Args;

use super::{
    exit::{Failure, Outcome},
    page::Page,
    remote::Remote,
};
use crate::config::{ConfigError, ConfigErrors};
use stockroom_proto::pb;

/// Have the gateway read its configuration again, and print what changed
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  stockroom reload\n  stockroom reload --json")]
pub(super) struct ReloadArgs {
    #[command(flatten)]
    remote: Remote,
}

impl ReloadArgs {
    pub(super) async fn run(self) -> Result<Outcome, Failure> {
        let answer = self.remote.client()?.reload(pb::ReloadRequest {}).await?;
        self.remote.out().answer(&answer, reload_page)?;
        if answer.errors.is_empty() {
            return Ok(Outcome::Done);
        }
        let errors = answer.errors.into_iter().map(|error| ConfigError::new("", error)).collect();
        Err(Failure::Config(ConfigErrors(errors)))
    }
}

fn reload_page(answer: &pb::ReloadResponse) -> Page {
    let mut page = Page::default();
    let mut list = |title: &str, keys: &[String]| {
        if !keys.is_empty() {
            page.line(title).items(keys.to_vec());
        }
    };
    list("In effect now:", &answer.applied);
    list("In effect after a restart:", &answer.restart_required);
    if answer.applied.is_empty() && answer.restart_required.is_empty() && answer.errors.is_empty() {
        page.line("Nothing changed.");
    }
    page
}
