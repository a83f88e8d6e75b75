//! The names of PA-API in the spelling of the Creators API, and back.
//!
//! Both APIs return the same JSON tree; PA-API writes `DetailPageURL`, the Creators API `detailPageURL`. Values are unchanged.

use serde_json::{Map, Value};

/// Names whose leading capitals are one word, which is lowered whole. `ParentASIN`, `SearchURL`, `OffersV2` and `ViolatesMAP` are
/// regular.
const WORDS: [(&str, &str); 5] =
    [("ASIN", "asin"), ("URL", "url"), ("EANs", "eans"), ("ISBNs", "isbns"), ("UPCs", "upcs")];

/// A name as the Creators API spells it; of a resource, each part of its path.
pub(crate) fn lower(name: &str) -> String {
    respell(name, |part| match WORDS.iter().find(|(upper, _)| *upper == part) {
        Some((_, lower)) => (*lower).to_owned(),
        None => with_first(part, |first| first.to_ascii_lowercase()),
    })
}

/// A name as PA-API spells it; of a resource, each part of its path.
pub(crate) fn upper(name: &str) -> String {
    respell(name, |part| match WORDS.iter().find(|(_, lower)| *lower == part) {
        Some((upper, _)) => (*upper).to_owned(),
        None => with_first(part, |first| first.to_ascii_uppercase()),
    })
}

/// A tree of PA-API with the names of the Creators API. `__type`, which it does not have, is left out.
pub(crate) fn lowered(tree: Value) -> Value {
    match tree {
        Value::Object(fields) => {
            let kept = fields.into_iter().filter(|(name, _)| name != "__type");
            Value::Object(kept.map(|(name, value)| (lower(&name), lowered(value))).collect::<Map<_, _>>())
        }
        Value::Array(values) => values.into_iter().map(lowered).collect(),
        plain => plain,
    }
}

fn respell(name: &str, part: impl Fn(&str) -> String) -> String {
    name.split('.').map(part).collect::<Vec<_>>().join(".")
}

fn with_first(part: &str, change: impl Fn(&char) -> char) -> String {
    let mut letters = part.chars();
    letters.next().iter().map(change).chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_name_is_respelled_in_both_directions() {
        let names = [
            ("ASIN", "asin"),
            ("ParentASIN", "parentASIN"),
            ("DetailPageURL", "detailPageURL"),
            ("SearchURL", "searchURL"),
            ("URL", "url"),
            ("EANs", "eans"),
            ("OffersV2.Listings.IsBuyBoxWinner", "offersV2.listings.isBuyBoxWinner"),
            ("ViolatesMAP", "violatesMAP"),
            ("ItemInfo.Title", "itemInfo.title"),
        ];
        for (paapi5, creators) in names {
            assert_eq!((lower(paapi5).as_str(), upper(creators).as_str()), (creators, paapi5));
        }
    }

    #[test]
    fn a_tree_is_respelled_and_its_values_are_not() {
        let tree = json!({ "Errors": [{ "__type": "X", "Code": "NoResults" }], "Item": { "Type": "IN_STOCK" } });
        let expected = json!({ "errors": [{ "code": "NoResults" }], "item": { "type": "IN_STOCK" } });
        assert_eq!(lowered(tree), expected);
    }
}
