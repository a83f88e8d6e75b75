//! The JSON body of a successful response. Both APIs use the same envelopes and differ in the spelling of names only.

use serde_json::value::RawValue;

use crate::{
    Asin, CatalogRequest, CatalogResponse, Error, FileKind, FileLink, GetItems, Items, Missing, SearchPage,
    http_response::HttpResponse,
    json::{FromJson, Object, json_struct},
    schema::{
        browse_nodes::BrowseNode,
        files,
        item::{Item, products},
        search::SearchResult,
        variations::VariationsResult,
    },
};

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

json_struct! {
    /// One error that Amazon lists in a body.
    struct Fault {
        code: String,
        message: String,
    }
}

/// The errors listed in a body. They may accompany a result.
pub(super) fn listed(body: &Object<'_>) -> Vec<Fault> {
    let mut faults: Vec<Fault> = body.field("errors");
    faults.retain(|fault| !fault.code.is_empty());
    faults
}

/// Decodes a response with a status of success and these errors. `error` converts an error that came instead of a result.
pub(super) fn decode(
    request: &CatalogRequest,
    response: &HttpResponse,
    faults: &[Fault],
    error: impl FnOnce(&Fault) -> Error,
) -> Result<CatalogResponse, Error> {
    let body = response.object().ok_or_else(|| match response.body {
        Some(_) => response.malformed("not one whole JSON object"),
        None => response.malformed("longer than max_body_bytes"),
    })?;
    if let Some(result) = body.get(result_name(request)).filter(|json| json.get() != "null") {
        return decode_result(request, result, faults)
            .ok_or_else(|| response.malformed("a result that cannot be read"));
    }
    // Amazon says with errors alone that nothing was found.
    match faults.iter().find(|fault| !says_nothing_found(request, fault)) {
        Some(fault) => Err(error(fault)),
        // Amazon may leave out an empty list of files.
        None if faults.is_empty() && !matches!(request, CatalogRequest::Files(_)) => {
            Err(response.malformed("neither a result nor an error"))
        }
        None => Ok(empty_response(request, faults)),
    }
}

/// The response that nothing was found.
pub(super) fn empty_response(request: &CatalogRequest, faults: &[Fault]) -> CatalogResponse {
    match request {
        CatalogRequest::Items(asked) => {
            CatalogResponse::Items(Items { missing: missing(asked, faults), ..Items::default() })
        }
        CatalogRequest::Search(_) => CatalogResponse::Search(SearchPage::default()),
        CatalogRequest::Variations(_) => CatalogResponse::Variations(None),
        CatalogRequest::BrowseNodes(_) => CatalogResponse::BrowseNodes(Vec::new()),
        CatalogRequest::Files(_) => CatalogResponse::Files(Vec::new()),
        CatalogRequest::FileLink(_) => CatalogResponse::FileLink(None),
    }
}

/// A code that may be shown: at most 64 letters and nothing else.
pub(super) fn printable_code(code: &str) -> String {
    code.chars().filter(char::is_ascii_alphabetic).take(64).collect()
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

/// Decodes a result; `None` where it does not have the shape of one.
fn decode_result(request: &CatalogRequest, result: &RawValue, faults: &[Fault]) -> Option<CatalogResponse> {
    let marketplace = request.locale().marketplace;
    Some(match request {
        CatalogRequest::Items(asked) => {
            let products = products(ItemsResult::read(result)?.items?, marketplace)?;
            CatalogResponse::Items(Items { products, missing: missing(asked, faults) })
        }
        CatalogRequest::Search(_) => CatalogResponse::Search(SearchResult::read(result)?.page(marketplace)?),
        CatalogRequest::Variations(_) => {
            CatalogResponse::Variations(Some(VariationsResult::read(result)?.page(marketplace)?))
        }
        CatalogRequest::BrowseNodes(_) => {
            let nodes = BrowseNodesResult::read(result)?.browse_nodes?;
            CatalogResponse::BrowseNodes(nodes.into_iter().filter_map(BrowseNode::message).collect())
        }
        CatalogRequest::Files(_) => {
            let entries = Vec::<files::Entry>::read(result)?;
            CatalogResponse::Files(entries.into_iter().filter_map(files::Entry::message).collect())
        }
        CatalogRequest::FileLink(_) => {
            let url = String::read(result).filter(|url| !url.is_empty())?;
            CatalogResponse::FileLink(Some(FileLink::new(url)))
        }
    })
}

/// Whether an error only says that nothing was found, for all or for one of the requested ids. The id is found in the text
/// of the message only.
fn says_nothing_found(request: &CatalogRequest, fault: &Fault) -> bool {
    let names = |id: &str| fault.message.contains(id);
    ["NoResults", "ItemNotFound"].contains(&fault.code.as_str())
        || match request {
            CatalogRequest::Items(asked) => asked.asins.iter().any(|asin| names(asin.as_str())),
            CatalogRequest::Search(_) | CatalogRequest::Files(_) | CatalogRequest::FileLink(_) => false,
            CatalogRequest::Variations(asked) => names(asked.asin.as_str()),
            CatalogRequest::BrowseNodes(asked) => asked.ids.iter().any(|id| names(&id.to_string())),
        }
}

/// The ids that errors name.
fn missing(asked: &GetItems, faults: &[Fault]) -> Vec<(Asin, Missing)> {
    let named = |fault: &Fault| asked.asins.iter().copied().find(|asin| fault.message.contains(asin.as_str()));
    let why = |fault: &Fault| match fault.code.as_str() {
        "ItemNotAccessible" => Missing::NotAccessible,
        _ => Missing::NotFound,
    };
    faults.iter().filter_map(|fault| Some((named(fault)?, why(fault)))).collect()
}
