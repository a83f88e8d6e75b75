//! The pages of a search, one after the other.

use super::{Client, Error, pb};

/// Walks the pages of a search. Each page is a call of its own, with a deadline of its own.
#[derive(Debug)]
pub struct SearchPages<'a> {
    client: &'a Client,
    /// The request of the next page; `None` after the last one.
    following: Option<pb::SearchProductsRequest>,
}

impl<'a> SearchPages<'a> {
    pub(super) fn new(client: &'a Client, request: pb::SearchProductsRequest) -> Self {
        Self { client, following: Some(request) }
    }

    /// The next page; `None` after the last. After an error the same page is requested again.
    ///
    /// Cancel-safe: a page whose future is dropped is requested again by the next call.
    pub async fn next_page(&mut self) -> Result<Option<pb::SearchProductsResponse>, Error> {
        let Some(request) = &mut self.following else { return Ok(None) };
        let page = self.client.search_products(request.clone()).await?;
        if page.next_page_token.is_empty() {
            self.following = None;
        } else {
            request.page_token.clone_from(&page.next_page_token);
        }
        Ok(Some(page))
    }
}
