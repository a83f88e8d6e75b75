//! Feeds and reports: asked of Amazon as anything else is, in their turn and on the account's day, and never kept.

use std::sync::Arc;

use tokio::time::timeout_at;

use super::{Catalog, CostCounter, Error, ReadContext};
use crate::dispatch::Response;
use amazon_catalog::{CatalogRequest, CatalogResponse, FileLink, GetFileLink, ListFiles};
use stockroom_proto::pb;

impl Catalog {
    /// Lists the files that Amazon holds.
    pub async fn files(
        &self,
        read: &ReadContext,
        list: ListFiles,
        cost: &mut CostCounter,
    ) -> Result<Vec<pb::AccountFile>, Error> {
        match &*self.ask_now(read, CatalogRequest::Files(list), cost).await? {
            CatalogResponse::Files(files) => Ok(files.clone()),
            _ => Err(Error::Undecodable),
        }
    }

    /// Fetches a link to one of them; `None` where there is no such file.
    pub async fn file_link(
        &self,
        read: &ReadContext,
        link: GetFileLink,
        cost: &mut CostCounter,
    ) -> Result<Option<FileLink>, Error> {
        match &*self.ask_now(read, CatalogRequest::FileLink(link), cost).await? {
            CatalogResponse::FileLink(link) => Ok(link.clone()),
            _ => Err(Error::Undecodable),
        }
    }

    async fn ask_now(
        &self,
        read: &ReadContext,
        request: CatalogRequest,
        cost: &mut CostCounter,
    ) -> Result<Arc<CatalogResponse>, Error> {
        let fetching = self.dispatch.fetch(request, read.terms.clone());
        let response = timeout_at(read.give_up, fetching).await.map_err(|_| Error::DeadlineExceeded)?;
        match response {
            Ok(Response::Fetched(fetched)) => {
                cost.calls(&fetched.calls);
                Ok(fetched.answer)
            }
            Ok(Response::Cached) => Err(Error::Undecodable),
            Err(failure) => {
                cost.calls(&failure.calls);
                Err(failure.error.into())
            }
        }
    }
}
