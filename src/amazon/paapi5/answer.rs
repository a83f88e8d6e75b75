//! Amazon's answer to a question, read from a reply.

use serde_json::value::RawValue;
use time::OffsetDateTime;

use super::failure::{self, Fault};
use crate::amazon::{
    Answer, Asin, Error, GetItems, Items, Missing, Question, SearchPage,
    lenient::{Lenient, group},
    reply::Reply,
    tree::{
        browse_nodes::BrowseNode,
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

/// Reads the answer; `now` is what a date in the reply is counted from.
pub(super) fn read(question: &Question, reply: &Reply, now: OffsetDateTime) -> Result<Answer, Error> {
    let body = reply.object();
    let faults = body.as_ref().map(failure::faults).unwrap_or_default();
    if !reply.status.is_success() {
        return Err(failure::error(reply, faults.first(), now));
    }
    let body = body.ok_or_else(|| match reply.body {
        Some(_) => reply.malformed("not one whole JSON object"),
        None => reply.malformed("longer than max_body_bytes"),
    })?;
    if let Some(result) = body.get(result_name(question)).filter(|json| json.get() != "null") {
        return found(question, result, &faults).ok_or_else(|| reply.malformed("a result without a readable list"));
    }
    // Amazon answers that there is nothing with faults alone.
    match faults.iter().find(|fault| !says_nothing_found(question, fault)) {
        Some(fault) => Err(failure::error(reply, Some(fault), now)),
        None if faults.is_empty() => Err(reply.malformed("neither a result nor an error")),
        None => Ok(nothing(question, &faults)),
    }
}

fn result_name(question: &Question) -> &'static str {
    match question {
        Question::Items(_) => "items_result",
        Question::Search(_) => "search_result",
        Question::Variations(_) => "variations_result",
        Question::BrowseNodes(_) => "browse_nodes_result",
    }
}

/// The answer in a result; `None` where it is not a result's shape.
fn found(question: &Question, result: &RawValue, faults: &[Fault]) -> Option<Answer> {
    let marketplace = question.locale().marketplace;
    Some(match question {
        Question::Items(asked) => {
            let products = products(ItemsResult::read(result)?.items?, marketplace)?;
            Answer::Items(Items { products, missing: missing(asked, faults) })
        }
        Question::Search(_) => Answer::Search(SearchResult::read(result)?.page(marketplace)?),
        Question::Variations(_) => Answer::Variations(Some(VariationsResult::read(result)?.page(marketplace)?)),
        Question::BrowseNodes(_) => {
            let nodes = BrowseNodesResult::read(result)?.browse_nodes?;
            Answer::BrowseNodes(nodes.into_iter().filter_map(BrowseNode::message).collect())
        }
    })
}

/// The answer that there is nothing.
fn nothing(question: &Question, faults: &[Fault]) -> Answer {
    match question {
        Question::Items(asked) => Answer::Items(Items { missing: missing(asked, faults), ..Items::default() }),
        Question::Search(_) => Answer::Search(SearchPage::default()),
        Question::Variations(_) => Answer::Variations(None),
        Question::BrowseNodes(_) => Answer::BrowseNodes(Vec::new()),
    }
}

/// Whether a fault only says that nothing was found, for all or for one of the ids asked for. The id stands nowhere but
/// in the words of the message.
fn says_nothing_found(question: &Question, fault: &Fault) -> bool {
    let names = |id: &str| fault.message.contains(id);
    fault.code == "NoResults"
        || match question {
            Question::Items(asked) => asked.asins.iter().any(|asin| names(asin.as_str())),
            Question::Search(_) => false,
            Question::Variations(asked) => names(asked.asin.as_str()),
            Question::BrowseNodes(asked) => asked.ids.iter().any(|id| names(&id.to_string())),
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

#[cfg(test)]
mod tests;
