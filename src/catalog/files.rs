//! Feeds and reports: asked of Amazon as anything else is, in their turn and on the account's day, and never kept.

use tokio::time::timeout_at;

use super::{Catalog, CostCounter, Error, ReadContext};
use crate::dispatch::Response;
use amazon_catalog::{CatalogRequest, CatalogResponse, FileLink, GetFileLink, ListFiles};
use stockroom_proto::pb;

impl Catalog {
    /// The files that Amazon keeps ready.
    pub async fn files(
        &self,
        read: &ReadContext,
        list: ListFiles,
    ) -> Result<(Vec<pb::AccountFile>, CostCounter), Error> {
        match self.ask_now(read, CatalogRequest::Files(list)).await? {
            (CatalogResponse::Files(files), cost_counter) => Ok((files, cost_counter)),
            _ => Err(Error::Undecodable),
        }
    }

    /// A link to one of them; `None` where there is no such file.
    pub async fn file_link(
        &self,
        read: &ReadContext,
        link: GetFileLink,
    ) -> Result<(Option<FileLink>, CostCounter), Error> {
        match self.ask_now(read, CatalogRequest::FileLink(link)).await? {
            (CatalogResponse::FileLink(link), cost_counter) => Ok((link, cost_counter)),
            _ => Err(Error::Undecodable),
        }
    }

    async fn ask_now(
        &self,
        read: &ReadContext,
        question: CatalogRequest,
    ) -> Result<(CatalogResponse, CostCounter), Error> {
        let fetching = self.dispatch.fetch(question, read.terms.clone());
        let response = timeout_at(read.give_up, fetching).await.map_err(|_| Error::DeadlineExceeded)?;
        let Response::Fetched(fetched) = response.map_err(|failure| failure.error)? else {
            return Err(Error::Undecodable);
        };
        let mut cost_counter = CostCounter::default();
        cost_counter.calls(&fetched.calls);
        Ok(((*fetched.answer).clone(), cost_counter))
    }
}
