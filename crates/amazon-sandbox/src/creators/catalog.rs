//! The four catalog operations: PA-API's answers in the spelling of the Creators API.

use serde_json::{Map, Value, json};

use crate::{
    creators::{
        errors::CreatorsError,
        rules::{self, given},
        spelling,
    },
    paapi5::{self, AnswerContext, Fields, Resources},
};
use amazon_catalog::{Marketplace, Operation};

/// The maximum items of a page. Amazon's SDK lets clients ask for a hundred.
const ITEMS_PER_PAGE: u64 = 10;

/// The top-level parts of an item, besides its id and link.
const CONTAINERS: [&str; 8] = [
    "browseNodeInfo",
    "customerReviews",
    "images",
    "itemInfo",
    "offersV2",
    "parentASIN",
    "score",
    "variationAttributes",
];

/// Answers a request; `reviews` says whether requested ratings are returned.
pub(crate) fn answer(
    operation: Operation,
    marketplace: Marketplace,
    body: &Map<String, Value>,
    context: AnswerContext<'_>,
    reviews: bool,
) -> Result<Value, CreatorsError> {
    let wrong = rules::broken(rules::fields(operation), body);
    if !wrong.is_empty() {
        return Err(CreatorsError::fields(wrong));
    }
    let fields = in_paapi5(operation, body);
    let resources = resources(body, reviews);
    let resources = Resources::of(resources.iter().map(String::as_str).collect());
    let answer = paapi5::respond(operation, marketplace, &Fields::of(&fields)?, &resources, context)?;
    let mut answer = spelling::lowered(answer);
    let (result, kind, named_by) = match operation {
        Operation::GetItems => ("itemsResult", "Item", "itemIds"),
        Operation::SearchItems => ("searchResult", "SearchResult", "keywords"),
        Operation::GetVariations => ("variationsResult", "Item", "asin"),
        Operation::GetBrowseNodes => ("browseNodesResult", "BrowseNode", "browseNodeIds"),
        Operation::Files => return Err(CreatorsError::named("UnknownOperation")),
    };
    if answer.get(result).is_none() {
        let id = given(body, named_by).map(|named| named.get(0).unwrap_or(named));
        return Err(CreatorsError::not_found(kind, id.and_then(Value::as_str).unwrap_or_default()));
    }
    for error in list(&mut answer, "/errors") {
        if let Some(Value::String(message)) = error.get_mut("message") {
            *message = message.replace("Product Advertising API", "Creators API");
        }
    }
    for item in list(&mut answer, &format!("/{result}/items")) {
        add_absent_parts(item);
    }
    Ok(answer)
}

/// The fields that the operation reads, as PA-API names them.
fn in_paapi5(operation: Operation, body: &Map<String, Value>) -> Value {
    let known = rules::fields(operation).iter().filter_map(|(name, ..)| Some((*name, given(body, name)?)));
    let respelled = known.map(|(name, value)| {
        let value = match value.as_u64().filter(|_| name == "itemCount") {
            Some(count) => json!(count.min(ITEMS_PER_PAGE)),
            None => value.clone(),
        };
        (spelling::upper(name), value)
    });
    Value::Object(respelled.collect())
}

/// The requested resources that the answer contains, in PA-API's spelling; an item's title where the request names none.
fn resources(body: &Map<String, Value>, reviews: bool) -> Vec<String> {
    let asked = given(body, "resources").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let asked: Vec<_> = asked.map(spelling::upper).collect();
    if asked.is_empty() {
        return vec!["ItemInfo.Title".to_owned()];
    }
    asked.into_iter().filter(|name| reviews || !name.starts_with("CustomerReviews.")).collect()
}

/// Adds absent parts as nulls to one item in three. Amazon does so in some answers and not in others.
fn add_absent_parts(item: &mut Value) {
    let asin = item["asin"].as_str().unwrap_or_default();
    if asin.bytes().map(u32::from).sum::<u32>() % 3 != 0 {
        return;
    }
    if let Some(fields) = item.as_object_mut() {
        for name in CONTAINERS {
            fields.entry(name).or_insert(Value::Null);
        }
    }
}

fn list<'a>(tree: &'a mut Value, path: &str) -> impl Iterator<Item = &'a mut Value> {
    tree.pointer_mut(path).and_then(Value::as_array_mut).into_iter().flatten()
}
