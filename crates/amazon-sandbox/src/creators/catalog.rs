//! The catalog's four operations: PA-API's answers, asked for and told in the words of the Creators API.

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

/// The most items of a page. Amazon's SDK lets clients ask for a hundred.
const ITEMS_PER_PAGE: u64 = 10;

/// What an item of the model has at its top, besides its id and link.
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

/// Answers a request; `reviews` says whether ratings are told to those who ask for them.
pub(crate) fn answer(
    operation: Operation,
    marketplace: Marketplace,
    body: &Map<String, Value>,
    context: AnswerContext,
    reviews: bool,
) -> Result<Value, CreatorsError> {
    let wrong = rules::broken(rules::fields(operation), body);
    if !wrong.is_empty() {
        return Err(CreatorsError::fields(wrong));
    }
    let fields = in_paapi5(operation, body);
    let resources = resources(body, reviews);
    let resources = Resources::of(resources.iter().map(String::as_str).collect());
    let told = paapi5::tell(operation, marketplace, &Fields::of(&fields)?, &resources, context)?;
    let mut told = spelling::lowered(told);
    let (result, kind, named_by) = match operation {
        Operation::GetItems => ("itemsResult", "Item", "itemIds"),
        Operation::SearchItems => ("searchResult", "SearchResult", "keywords"),
        Operation::GetVariations => ("variationsResult", "Item", "asin"),
        Operation::GetBrowseNodes => ("browseNodesResult", "BrowseNode", "browseNodeIds"),
        Operation::Files => return Err(CreatorsError::named("UnknownOperation")),
    };
    if told.get(result).is_none() {
        let id = given(body, named_by).map(|named| named.get(0).unwrap_or(named));
        return Err(CreatorsError::not_found(kind, id.and_then(Value::as_str).unwrap_or_default()));
    }
    for error in list(&mut told, "/errors") {
        if let Some(Value::String(message)) = error.get_mut("message") {
            *message = message.replace("Product Advertising API", "Creators API");
        }
    }
    for item in list(&mut told, &format!("/{result}/items")) {
        tell_absent(item);
    }
    Ok(told)
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

/// The resources that were asked for and are told, as PA-API names them; an item's title where none were.
fn resources(body: &Map<String, Value>, reviews: bool) -> Vec<String> {
    let asked = given(body, "resources").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let asked: Vec<_> = asked.map(spelling::upper).collect();
    if asked.is_empty() {
        return vec!["ItemInfo.Title".to_owned()];
    }
    asked.into_iter().filter(|name| reviews || !name.starts_with("CustomerReviews.")).collect()
}

/// Tells of one item in three what it does not have, as a null. Amazon does so in some answers and not in others.
fn tell_absent(item: &mut Value) {
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
