//! What AdminService tells of feeds and reports. Links are answered, never fetched.

use tonic::{Code, Status};

use super::{context::CallContext, service_state::ServiceState, status, violations::Violations};
use crate::catalog::ReadContext;
use amazon_catalog::{FileKind, FileLink, GetFileLink, ListFiles};
use stockroom_proto::pb;

/// The longest name of a file; Amazon names none.
const MAX_CHARACTERS: usize = 1000;

impl ServiceState {
    /// The files on a shelf, and what it cost to know.
    pub(crate) async fn files(
        &self,
        shelf: FileKind,
        marketplace: String,
        context: &CallContext,
    ) -> Result<(Vec<pb::AccountFile>, pb::Cost), Status> {
        let mut violations = Violations::default();
        let read = self.of_marketplace(marketplace, context, &mut violations);
        violations.renamed("options.", "").check()?;
        self.has_files(&read)?;
        let list = ListFiles { marketplace: read.locale.marketplace, shelf };
        let (files, cost_counter) = self.catalog.files(&read, list).await.map_err(|error| status::of(&error))?;
        context.stats.cost(cost_counter.cost());
        Ok((files, cost_counter.cost()))
    }

    /// A link to a file on a shelf, and what it cost to know.
    pub(crate) async fn file_link(
        &self,
        shelf: FileKind,
        marketplace: String,
        (name, kind): (String, String),
        context: &CallContext,
    ) -> Result<(FileLink, pb::Cost), Status> {
        let mut violations = Violations::default();
        let read = self.of_marketplace(marketplace, context, &mut violations);
        for (field, text, needed) in [("name", &name, true), ("type", &kind, false)] {
            if needed && text.is_empty() {
                violations.add(field, "must be given");
            }
            if text.chars().count() > MAX_CHARACTERS || text.chars().any(char::is_control) {
                violations.add(field, format!("must be at most {MAX_CHARACTERS} characters, none a control character"));
            }
        }
        violations.renamed("options.", "").check()?;
        self.has_files(&read)?;
        let kind = Some(kind).filter(|kind| !kind.is_empty());
        let link = GetFileLink { marketplace: read.locale.marketplace, shelf, name: name.clone(), kind };
        let (link, cost_counter) = self.catalog.file_link(&read, link).await.map_err(|error| status::of(&error))?;
        context.stats.cost(cost_counter.cost());
        match link {
            Some(link) => Ok((link, cost_counter.cost())),
            None => Err(status::with(Code::NotFound, "FILE_NOT_FOUND", "Amazon has no such file", [], |details| {
                details.set_resource_info("stockroom.v1.AccountFile", name, "", "Amazon has no such file");
            })),
        }
    }

    fn of_marketplace(&self, marketplace: String, context: &CallContext, violations: &mut Violations) -> ReadContext {
        self.read_context(Some(pb::ReadOptions { marketplace, ..Default::default() }), context, violations)
    }

    /// Refuses what the account's API does not have, before anybody waits for it.
    fn has_files(&self, read: &ReadContext) -> Result<(), Status> {
        let marketplace = read.locale.marketplace;
        if self.protocol(marketplace) == pb::Protocol::Creators {
            return Ok(());
        }
        let message =
            format!("the account of {marketplace} speaks PA-API 5.0; only the Creators API has feeds and reports");
        let facts = [("marketplace", marketplace.to_string())];
        Err(status::with(Code::FailedPrecondition, "PROTOCOL_HAS_NO_FILES", message, facts, |_| {}))
    }
}
