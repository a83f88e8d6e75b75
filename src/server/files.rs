//! What AdminService tells of feeds and reports. Links are answered, never fetched.

use tonic::Status;

use super::{context::CallContext, error::ErrorDescriptor, service_state::ServiceState, violations::Violations};
use crate::catalog::{CostCounter, Error};
use amazon_catalog::{CatalogRequest, FileKind, FileLink, GetFileLink, ListFiles};
use stockroom_proto::pb::{self, ErrorReason};

/// The longest name of a file; Amazon names none.
const MAX_CHARACTERS: usize = 1000;

impl ServiceState {
    /// The files on a shelf, and what it cost to know.
    pub(crate) async fn files(
        &self,
        kind: FileKind,
        marketplace: String,
        context: &CallContext,
    ) -> Result<(Vec<pb::AccountFile>, pb::Cost), Status> {
        let mut violations = Violations::default();
        let marketplace = self.marketplace("marketplace", &marketplace, &mut violations);
        violations.into_result()?;
        let read = self.read_context_in(marketplace.ok_or(Error::Undecodable)?, context);
        let list = ListFiles { marketplace: read.locale.marketplace, kind };
        self.has_files(&CatalogRequest::Files(list.clone()))?;
        let mut cost = CostCounter::default();
        let files = self.catalog.files(&read, list, &mut cost).await;
        let (cost, files) = (context.stats.record_cost(&cost), files?);
        Ok((files, cost))
    }

    /// A link to a file on a shelf, and what it cost to know.
    pub(crate) async fn file_link(
        &self,
        kind: FileKind,
        marketplace: String,
        (name, file_type): (String, String),
        context: &CallContext,
    ) -> Result<(FileLink, pb::Cost), Status> {
        let mut violations = Violations::default();
        let marketplace = self.marketplace("marketplace", &marketplace, &mut violations);
        for (field, text, needed) in [("name", &name, true), ("type", &file_type, false)] {
            if needed && text.is_empty() {
                violations.add(field, "must be given");
            }
            if text.chars().count() > MAX_CHARACTERS || text.chars().any(char::is_control) {
                violations.add(field, format!("must be at most {MAX_CHARACTERS} characters, none a control character"));
            }
        }
        violations.into_result()?;
        let read = self.read_context_in(marketplace.ok_or(Error::Undecodable)?, context);
        let file_type = Some(file_type).filter(|file_type| !file_type.is_empty());
        let link = GetFileLink { marketplace: read.locale.marketplace, kind, name: name.clone(), file_type };
        self.has_files(&CatalogRequest::FileLink(link.clone()))?;
        let mut cost = CostCounter::default();
        let link = self.catalog.file_link(&read, link, &mut cost).await;
        let (cost, link) = (context.stats.record_cost(&cost), link?);
        match link {
            Some(link) => Ok((link, cost)),
            None => {
                let message = "Amazon has no such file";
                let error = ErrorDescriptor::new(ErrorReason::FileNotFound, message);
                Err(error.resource("stockroom.v1.AccountFile", name, message).into())
            }
        }
    }

    /// Refuses what the account's API does not have, before anybody waits for it.
    fn has_files(&self, request: &CatalogRequest) -> Result<(), ErrorDescriptor> {
        let marketplace = request.locale().marketplace;
        if self.catalog.unsupported(request).is_none() {
            return Ok(());
        }
        let message =
            format!("the account of {marketplace} speaks PA-API 5.0; only the Creators API has feeds and reports");
        Err(ErrorDescriptor::new(ErrorReason::ProtocolHasNoFiles, message).fact("marketplace", marketplace))
    }
}
