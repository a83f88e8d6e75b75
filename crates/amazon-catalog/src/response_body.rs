//! From an HTTP response to a catalog response: what was found, what does not exist, and what failed.
//!
//! # Why
//!
//! Amazon answers ten ids in one body, and says of each that it is a product, that it does not exist, or nothing at all. A
//! passing fault that is taken for an absence hides a product from everybody for as long as absences are cached.
//!
//! # Rule
//!
//! - An id is *found* where the body has a product for it, *missing* where an error says so of the id or of the whole call
//!   (`ItemNotFound`, `NoResults`, `InvalidParameterValue` with the id, `ItemNotAccessible`, HTTP 404
//!   `ResourceNotFoundException`), and *failed* otherwise. No id is missing because nothing was said of it.
//! - A result without anything in it beside errors is what the errors say, as if the result were not there.
//! - A status of failure that names ids as invalid rejects those ids; the other ids of the call are *unprocessed*.
//! - Every list is read in Amazon's places: an item that cannot be read leaves its place empty.
//!
//! # Edge cases
//!
//! Errors name ids in their text only. An error about the existence of an item that names no id is that of the ids not
//! answered, if there are no more of them than such errors. A product under an id that nobody asked for is that of the one
//! id not answered and not named by an error, if there is exactly one of each. Of two items with one id the longer counts.
//! Items beyond the size of a page, or of other ids, are ignored.

use prost::Message;
use serde_json::value::RawValue;
use time::OffsetDateTime;

use crate::{
    Asin, BrowseNodes, CatalogRequest, CatalogResponse, Error, FileKind, FileLink, GetBrowseNodes, GetItems, Items,
    SearchPage,
    error_body::{self, ErrorEntry, Meaning},
    http_response::HttpResponse,
    json::{FromJson, Object, json_struct},
    pb,
    schema::{browse_nodes::BrowseNode, files, item::Item, search::SearchResult, variations::VariationsResult},
};

mod outcomes;

use self::outcomes::Outcomes;

json_struct! {
    struct ItemsResult {
        items: Option<Vec<Option<Item>>>,
    }
}

json_struct! {
    struct BrowseNodesResult {
        browse_nodes: Option<Vec<BrowseNode>>,
    }
}

/// A response that is being decoded.
struct Decoding<'a> {
    response: &'a HttpResponse,
    body: Option<&'a Object<'a>>,
    errors: &'a [ErrorEntry],
    now: OffsetDateTime,
}

/// Decodes the response to a request. `now` is the time against which a date in `Retry-After` is counted.
pub(crate) fn decode(
    request: &CatalogRequest,
    response: &HttpResponse,
    now: OffsetDateTime,
) -> Result<CatalogResponse, Error> {
    let text = response.text();
    let json: Option<&RawValue> = text.as_deref().and_then(|text| serde_json::from_str(text).ok());
    let body = json.and_then(Object::read);
    let errors = body.as_ref().map(error_body::read_errors).unwrap_or_default();
    let decoding = Decoding { response, body: body.as_ref(), errors: &errors, now };
    if response.status.is_success() { decoding.success(request) } else { decoding.failure(request) }
}

impl Decoding<'_> {
    fn error(&self) -> Error {
        error_body::to_error(self.response, self.errors, self.body, self.now)
    }

    /// A response with a status of failure.
    fn failure(&self, request: &CatalogRequest) -> Result<CatalogResponse, Error> {
        let is_client_error = self.response.status.is_client_error();
        if !is_client_error || self.errors.iter().any(|error| error.meaning().is_some_and(Meaning::is_about_the_call)) {
            return Err(self.error());
        }
        match request {
            CatalogRequest::Items(asked) => {
                if let Some(outcomes) = Outcomes::rejected(&asked.asins, self.errors) {
                    return Ok(CatalogResponse::Items(self.items(Vec::new(), outcomes)));
                }
            }
            CatalogRequest::BrowseNodes(asked) => {
                if let Some(outcomes) = Outcomes::rejected(&asked.ids, self.errors) {
                    return Ok(CatalogResponse::BrowseNodes(self.browse_nodes(Vec::new(), outcomes)));
                }
            }
            CatalogRequest::Search(_)
            | CatalogRequest::Variations(_)
            | CatalogRequest::Files(_)
            | CatalogRequest::FileLink(_) => {
                if let Some(nothing) = self.nothing_found(request) {
                    return Ok(nothing);
                }
            }
        }
        Err(self.error())
    }

    /// A response with a status of success.
    fn success(&self, request: &CatalogRequest) -> Result<CatalogResponse, Error> {
        let Some(body) = self.body else {
            return Err(match self.response.body {
                // Not a JSON object: something between Amazon and this client answered.
                Some(_) => self.error(),
                None => self.response.malformed("longer than max_body_bytes"),
            });
        };
        let result = body.get(result_name(request));
        match request {
            CatalogRequest::Items(asked) => self.items_of(asked, result),
            CatalogRequest::BrowseNodes(asked) => self.browse_nodes_of(asked, result),
            CatalogRequest::Search(_)
            | CatalogRequest::Variations(_)
            | CatalogRequest::Files(_)
            | CatalogRequest::FileLink(_) => self.list_of(request, result),
        }
    }

    fn items_of(&self, asked: &GetItems, result: Option<&RawValue>) -> Result<CatalogResponse, Error> {
        let marketplace = asked.locale.marketplace;
        let listed = result.and_then(ItemsResult::read).and_then(|result| result.items);
        self.require_list(listed.is_some(), result)?;
        let products: Vec<pb::Product> =
            listed.unwrap_or_default().into_iter().flatten().filter_map(|item| item.product(marketplace)).collect();
        let (products, found) = assign(products, &asked.asins, self.errors);
        let outcomes = Outcomes::beside(&asked.asins, &found, self.errors);
        if outcomes.nothing_is_known(found.len()) && !self.errors.is_empty() {
            return Err(self.error());
        }
        Ok(CatalogResponse::Items(self.items(products, outcomes)))
    }

    fn browse_nodes_of(&self, asked: &GetBrowseNodes, result: Option<&RawValue>) -> Result<CatalogResponse, Error> {
        let listed = result.and_then(BrowseNodesResult::read).and_then(|result| result.browse_nodes);
        self.require_list(listed.is_some(), result)?;
        let mut nodes: Vec<pb::BrowseNode> = Vec::new();
        let mut found = Vec::new();
        for node in listed.unwrap_or_default().into_iter().filter_map(BrowseNode::into_message) {
            if let Some(id) = asked.ids.iter().find(|id| id.to_string() == node.id) {
                add_or_replace(&mut found, &mut nodes, *id, node);
            }
        }
        let outcomes = Outcomes::beside(&asked.ids, &found, self.errors);
        if outcomes.nothing_is_known(found.len()) && !self.errors.is_empty() {
            return Err(self.error());
        }
        Ok(CatalogResponse::BrowseNodes(self.browse_nodes(nodes, outcomes)))
    }

    /// A result without a list and without errors says nothing.
    fn require_list(&self, has_list: bool, result: Option<&RawValue>) -> Result<(), Error> {
        match (has_list, result) {
            (true, _) => Ok(()),
            _ if !self.errors.is_empty() => Ok(()),
            (false, Some(_)) => Err(self.response.malformed("a result that cannot be read")),
            (false, None) => Err(self.response.malformed("neither a result nor an error")),
        }
    }

    /// A search, a variation family, a list of files or a link.
    fn list_of(&self, request: &CatalogRequest, result: Option<&RawValue>) -> Result<CatalogResponse, Error> {
        let found = result.and_then(|result| decode_result(request, result));
        if let Some(found) = found.filter(|found| self.errors.is_empty() || !is_empty(found)) {
            return Ok(found);
        }
        if let Some(nothing) = self.nothing_found(request) {
            return Ok(nothing);
        }
        if !self.errors.is_empty() {
            return Err(self.error());
        }
        match result {
            Some(_) => Err(self.response.malformed("a result that cannot be read")),
            // Amazon may leave out an empty list of files.
            None if matches!(request, CatalogRequest::Files(_)) => Ok(CatalogResponse::Files(Vec::new())),
            None => Err(self.response.malformed("neither a result nor an error")),
        }
    }

    /// The response that nothing was found, where every error says so.
    fn nothing_found(&self, request: &CatalogRequest) -> Option<CatalogResponse> {
        let says_so = |error: &ErrorEntry| match error.meaning() {
            Some(Meaning::NotFound | Meaning::NotAccessible) => true,
            Some(Meaning::InvalidValue) => match request {
                CatalogRequest::Variations(asked) => error.names_id(asked.asin.as_str()),
                _ => false,
            },
            Some(Meaning::Throttled | Meaning::Failed | Meaning::Refused(_)) | None => false,
        };
        if self.errors.is_empty() || !self.errors.iter().all(says_so) {
            return None;
        }
        match request {
            CatalogRequest::Search(_) => {
                Some(CatalogResponse::Search(SearchPage { total_results: Some(0), ..SearchPage::default() }))
            }
            CatalogRequest::Variations(_) => Some(CatalogResponse::Variations(None)),
            CatalogRequest::Files(_) => Some(CatalogResponse::Files(Vec::new())),
            CatalogRequest::FileLink(_) => Some(CatalogResponse::FileLink(None)),
            CatalogRequest::Items(_) | CatalogRequest::BrowseNodes(_) => None,
        }
    }

    fn items(&self, products: Vec<pb::Product>, outcomes: Outcomes<'_, Asin>) -> Items {
        let failed = outcomes.failed.into_iter().map(|(asin, entry)| (asin, self.item_error(entry))).collect();
        Items { products, missing: outcomes.missing, failed, unprocessed: outcomes.unprocessed }
    }

    fn browse_nodes(&self, nodes: Vec<pb::BrowseNode>, outcomes: Outcomes<'_, crate::BrowseNodeId>) -> BrowseNodes {
        let failed = outcomes.failed.into_iter().map(|(id, entry)| (id, self.item_error(entry)));
        // Node ids are asked for again by the caller; a call is not repeated for the sake of some of them.
        let unprocessed = outcomes.unprocessed.into_iter().map(|id| (id, self.item_error(None)));
        let missing = outcomes.missing.into_iter().map(|(id, _)| id).collect();
        BrowseNodes { nodes, missing, failed: failed.chain(unprocessed).collect() }
    }

    fn item_error(&self, entry: Option<&ErrorEntry>) -> Error {
        error_body::to_item_error(self.response, entry, self.now)
    }
}

/// Each requested id's product, at most one. A product of another id is that of the one id without a product and without an
/// error, if there is exactly one of each; its own ASIN stays in it.
fn assign(products: Vec<pb::Product>, asked: &[Asin], errors: &[ErrorEntry]) -> (Vec<pb::Product>, Vec<Asin>) {
    let (mut assigned, mut found, mut strangers) = (Vec::new(), Vec::new(), Vec::new());
    for product in products {
        match Asin::parse(&product.asin) {
            Ok(asin) if !asked.contains(&asin) => strangers.push(product),
            Ok(asin) => add_or_replace(&mut found, &mut assigned, asin, product),
            Err(_) => {}
        }
    }
    let without: Vec<_> = asked
        .iter()
        .filter(|asin| !found.contains(asin) && !errors.iter().any(|error| error.names_id(asin.as_str())))
        .collect();
    if let ([asin], [_]) = (without.as_slice(), strangers.as_slice()) {
        found.push(**asin);
        let requested_asin = asin.to_string();
        assigned.extend(
            strangers.into_iter().map(|product| pb::Product { requested_asin: requested_asin.clone(), ..product }),
        );
    }
    (assigned, found)
}

/// Adds what was found for an id, or puts it into the place of something shorter: Amazon has sent an item as a stub and once
/// more in full.
fn add_or_replace<Id: PartialEq, M: Message>(ids: &mut Vec<Id>, messages: &mut Vec<M>, id: Id, message: M) {
    match ids.iter().position(|known| *known == id).and_then(|place| messages.get_mut(place)) {
        Some(known) if known.encoded_len() < message.encoded_len() => *known = message,
        Some(_) => {}
        None => {
            ids.push(id);
            messages.push(message);
        }
    }
}

/// Whether a list has nothing in it.
fn is_empty(response: &CatalogResponse) -> bool {
    match response {
        CatalogResponse::Search(page) => page.places.is_empty(),
        CatalogResponse::Variations(page) => page.as_ref().is_none_or(|page| page.places.is_empty()),
        CatalogResponse::Files(files) => files.is_empty(),
        CatalogResponse::Items(_) | CatalogResponse::BrowseNodes(_) | CatalogResponse::FileLink(_) => false,
    }
}

fn result_name(request: &CatalogRequest) -> &'static str {
    match request {
        CatalogRequest::Items(_) => "items_result",
        CatalogRequest::Search(_) => "search_result",
        CatalogRequest::Variations(_) => "variations_result",
        CatalogRequest::BrowseNodes(_) => "browse_nodes_result",
        CatalogRequest::Files(asked) => match asked.kind {
            FileKind::Feeds => "feeds",
            FileKind::Reports => "reports",
        },
        CatalogRequest::FileLink(_) => "url",
    }
}

/// The result of a list; `None` where nothing can be read in it.
fn decode_result(request: &CatalogRequest, result: &RawValue) -> Option<CatalogResponse> {
    let marketplace = request.locale().marketplace;
    match request {
        CatalogRequest::Search(_) => Some(CatalogResponse::Search(SearchResult::read(result)?.page(marketplace)?)),
        CatalogRequest::Variations(_) => {
            Some(CatalogResponse::Variations(Some(VariationsResult::read(result)?.page(marketplace)?)))
        }
        CatalogRequest::Files(_) => {
            let entries = Vec::<Option<files::FileEntry>>::read(result)?;
            let is_empty = entries.is_empty();
            let files: Vec<_> = entries.into_iter().flatten().filter_map(files::FileEntry::into_message).collect();
            // A list of which nothing can be read does not say that there are no files.
            (is_empty || !files.is_empty()).then_some(CatalogResponse::Files(files))
        }
        CatalogRequest::FileLink(_) => {
            let url = String::read(result).filter(|url| !url.is_empty())?;
            Some(CatalogResponse::FileLink(Some(FileLink::new(url))))
        }
        CatalogRequest::Items(_) | CatalogRequest::BrowseNodes(_) => None,
    }
}

#[cfg(test)]
mod tests;
