//! Amazon's answer to a question, read from a reply: the envelopes are the same in both APIs, but for their spelling.

use serde_json::value::RawValue;

use crate::{
    Asin, CatalogRequest, CatalogResponse, Error, FileKind, FileLink, GetItems, Items, Missing, SearchPage,
    lenient::{Lenient, Object, group},
    reply::Reply,
    schema::{
        browse_nodes::BrowseNode,
        files,
        item::{Item, products},
        search::SearchResult,
        variations::VariationsResult,
    },
};

group! {
    struct ItemsResult {
        items: Option<Vec<Option<Item>>>,
    }
}

group! {
    struct BrowseNodesResult {
        browse_nodes: Option<Vec<BrowseNode>>,
    }
}

group! {
    /// One fault that Amazon names.
    struct Fault {
        code: String,
        message: String,
    }
}

/// The faults listed in a body, which may stand beside a result.
pub(super) fn listed(body: &Object<'_>) -> Vec<Fault> {
    let mut faults: Vec<Fault> = body.field("errors");
    faults.retain(|fault| !fault.code.is_empty());
    faults
}

/// Reads the answer in a reply of success with these faults; `error` is what a fault is that stands there instead of one.
pub(super) fn read(
    question: &CatalogRequest,
    reply: &Reply,
    faults: &[Fault],
    error: impl FnOnce(&Fault) -> Error,
) -> Result<CatalogResponse, Error> {
    let body = reply.object().ok_or_else(|| match reply.body {
        Some(_) => reply.malformed("not one whole JSON object"),
        None => reply.malformed("longer than max_body_bytes"),
    })?;
    if let Some(result) = body.get(result_name(question)).filter(|json| json.get() != "null") {
        return found(question, result, faults).ok_or_else(|| reply.malformed("a result that cannot be read"));
    }
    // Amazon answers that there is nothing with faults alone.
    match faults.iter().find(|fault| !says_nothing_found(question, fault)) {
        Some(fault) => Err(error(fault)),
        // A list of files may be left out where it would be empty.
        None if faults.is_empty() && !matches!(question, CatalogRequest::Files(_)) => {
            Err(reply.malformed("neither a result nor an error"))
        }
        None => Ok(nothing(question, faults)),
    }
}

/// The answer that there is nothing.
pub(super) fn nothing(question: &CatalogRequest, faults: &[Fault]) -> CatalogResponse {
    match question {
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

/// A code as it may be shown: letters only, not too many.
pub(super) fn plain(code: &str) -> String {
    code.chars().filter(char::is_ascii_alphabetic).take(64).collect()
}

fn result_name(question: &CatalogRequest) -> &'static str {
    match question {
        CatalogRequest::Items(_) => "items_result",
        CatalogRequest::Search(_) => "search_result",
        CatalogRequest::Variations(_) => "variations_result",
        CatalogRequest::BrowseNodes(_) => "browse_nodes_result",
        CatalogRequest::Files(asked) => match asked.shelf {
            FileKind::Feeds => "feeds",
            FileKind::Reports => "reports",
        },
        CatalogRequest::FileLink(_) => "url",
    }
}

/// The answer in a result; `None` where it is not a result's shape.
fn found(question: &CatalogRequest, result: &RawValue, faults: &[Fault]) -> Option<CatalogResponse> {
    let marketplace = question.locale().marketplace;
    Some(match question {
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

/// Whether a fault only says that nothing was found, for all or for one of the ids asked for. The id stands nowhere but
/// in the words of the message.
fn says_nothing_found(question: &CatalogRequest, fault: &Fault) -> bool {
    let names = |id: &str| fault.message.contains(id);
    ["NoResults", "ItemNotFound"].contains(&fault.code.as_str())
        || match question {
            CatalogRequest::Items(asked) => asked.asins.iter().any(|asin| names(asin.as_str())),
            CatalogRequest::Search(_) | CatalogRequest::Files(_) | CatalogRequest::FileLink(_) => false,
            CatalogRequest::Variations(asked) => names(asked.asin.as_str()),
            CatalogRequest::BrowseNodes(asked) => asked.ids.iter().any(|id| names(&id.to_string())),
        }
}

/// The ids that faults speak of.
fn missing(asked: &GetItems, faults: &[Fault]) -> Vec<(Asin, Missing)> {
    let named = |fault: &Fault| asked.asins.iter().copied().find(|asin| fault.message.contains(asin.as_str()));
    let why = |fault: &Fault| match fault.code.as_str() {
        "ItemNotAccessible" => Missing::NotAccessible,
        _ => Missing::NotFound,
    };
    faults.iter().filter_map(|fault| Some((named(fault)?, why(fault)))).collect()
}
