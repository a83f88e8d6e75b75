//! What AdminService tells of feeds and reports. Links are answered, never fetched.

use tonic::{Code, Status};

use super::{context::Context, faults::Faults, gateway::Gateway, status};
use crate::catalog::Reading;
use amazon_catalog::{FileKind, FileLink, GetFileLink, ListFiles};
use stockroom_proto::pb;

/// The longest name of a file; Amazon names none.
const MOST_CHARACTERS: usize = 1000;

impl Gateway {
    /// The files on a shelf, and what it cost to know.
    pub(crate) async fn files(
        &self,
        shelf: FileKind,
        marketplace: String,
        context: &Context,
    ) -> Result<(Vec<pb::AccountFile>, pb::Cost), Status> {
        let mut faults = Faults::default();
        let reading = self.of_marketplace(marketplace, context, &mut faults);
        faults.renamed("options.", "").check()?;
        self.has_files(&reading)?;
        let list = ListFiles { marketplace: reading.locale.marketplace, shelf };
        let (files, tally) = self.catalog.files(&reading, list).await.map_err(|error| status::of(&error))?;
        context.notes.cost(tally.cost());
        Ok((files, tally.cost()))
    }

    /// A link to a file on a shelf, and what it cost to know.
    pub(crate) async fn file_link(
        &self,
        shelf: FileKind,
        marketplace: String,
        (name, kind): (String, String),
        context: &Context,
    ) -> Result<(FileLink, pb::Cost), Status> {
        let mut faults = Faults::default();
        let reading = self.of_marketplace(marketplace, context, &mut faults);
        for (field, text, needed) in [("name", &name, true), ("type", &kind, false)] {
            if needed && text.is_empty() {
                faults.add(field, "must be given");
            }
            if text.chars().count() > MOST_CHARACTERS || text.chars().any(char::is_control) {
                faults.add(field, format!("must be at most {MOST_CHARACTERS} characters, none a control character"));
            }
        }
        faults.renamed("options.", "").check()?;
        self.has_files(&reading)?;
        let kind = Some(kind).filter(|kind| !kind.is_empty());
        let link = GetFileLink { marketplace: reading.locale.marketplace, shelf, name: name.clone(), kind };
        let (link, tally) = self.catalog.file_link(&reading, link).await.map_err(|error| status::of(&error))?;
        context.notes.cost(tally.cost());
        match link {
            Some(link) => Ok((link, tally.cost())),
            None => Err(status::with(Code::NotFound, "FILE_NOT_FOUND", "Amazon has no such file", [], |details| {
                details.set_resource_info("stockroom.v1.AccountFile", name, "", "Amazon has no such file");
            })),
        }
    }

    fn of_marketplace(&self, marketplace: String, context: &Context, faults: &mut Faults) -> Reading {
        self.reading(Some(pb::ReadOptions { marketplace, ..Default::default() }), context, faults)
    }

    /// Refuses what the account's API does not have, before anybody waits for it.
    fn has_files(&self, reading: &Reading) -> Result<(), Status> {
        let marketplace = reading.locale.marketplace;
        if self.protocol(marketplace) == pb::Protocol::Creators {
            return Ok(());
        }
        let message =
            format!("the account of {marketplace} speaks PA-API 5.0; only the Creators API has feeds and reports");
        let facts = [("marketplace", marketplace.to_string())];
        Err(status::with(Code::FailedPrecondition, "PROTOCOL_HAS_NO_FILES", message, facts, |_| {}))
    }
}
