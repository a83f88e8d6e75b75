//! Feeds and reports: asked of Amazon as anything else is, in their turn and on the account's day, and never kept.

use tokio::time::timeout_at;

use super::{Catalog, Error, Reading, Tally};
use amazon_catalog::{CatalogRequest, CatalogResponse, FileLink, GetFileLink, ListFiles};
use stockroom_proto::pb;

impl Catalog {
    /// The files that Amazon keeps ready.
    pub async fn files(&self, reading: &Reading, list: ListFiles) -> Result<(Vec<pb::AccountFile>, Tally), Error> {
        match self.ask_now(reading, CatalogRequest::Files(list)).await? {
            (CatalogResponse::Files(files), tally) => Ok((files, tally)),
            _ => Err(Error::Undecodable),
        }
    }

    /// A link to one of them; `None` where there is no such file.
    pub async fn file_link(&self, reading: &Reading, link: GetFileLink) -> Result<(Option<FileLink>, Tally), Error> {
        match self.ask_now(reading, CatalogRequest::FileLink(link)).await? {
            (CatalogResponse::FileLink(link), tally) => Ok((link, tally)),
            _ => Err(Error::Undecodable),
        }
    }

    async fn ask_now(&self, reading: &Reading, question: CatalogRequest) -> Result<(CatalogResponse, Tally), Error> {
        let told = timeout_at(reading.give_up, self.dispatch.ask(question, reading.terms.clone())).await;
        let told = told.map_err(|_| Error::DeadlineExceeded)??;
        let mut tally = Tally::default();
        tally.call(Some(told.call));
        Ok(((*told.answer).clone(), tally))
    }
}
