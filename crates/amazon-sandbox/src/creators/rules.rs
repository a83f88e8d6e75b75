//! The fields of the catalog's requests, and what each must be.
//!
//! The rules are those of Amazon's SDK 1.3.0 (`models/*_request_content.py`); the messages are invented. The sandbox ignores fields
//! that Amazon does not have, unless they are in PA-API's spelling.

use serde_json::{Map, Value};

use crate::{
    creators::{errors::InvalidField, spelling},
    paapi5,
};
use amazon_catalog::{Asin, Operation};

/// A field, whether it must be given, and its rule.
pub(crate) type Field = (&'static str, bool, Rule);

/// What a field must be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rule {
    /// A text that is not blank, at most so long.
    Text(usize),
    OneOf(&'static [&'static str]),
    /// A whole number, at least and at most.
    Whole(u64, u64),
    Asin,
    BrowseNode,
    /// One to ten texts, each at most so long.
    Ids(usize),
    /// At most one text.
    Language,
    /// Any of these.
    Flags(&'static [&'static str]),
    Resources(Operation),
}

const TAG: Field = ("partnerTag", true, Rule::Text(64));
const CONDITION: Field = ("condition", false, Rule::OneOf(&["Any", "New"]));
const CURRENCY: Field = ("currencyOfPreference", false, Rule::Text(100));
const LANGUAGE: Field = ("languagesOfPreference", false, Rule::Language);

const OF_ITEMS: &[Field] = &[
    TAG,
    ("itemIds", true, Rule::Ids(1000)),
    CONDITION,
    CURRENCY,
    LANGUAGE,
    ("resources", false, Rule::Resources(Operation::GetItems)),
];

const OF_SEARCH: &[Field] = &[
    TAG,
    ("keywords", false, Rule::Text(1000)),
    ("title", false, Rule::Text(1000)),
    ("author", false, Rule::Text(1000)),
    ("artist", false, Rule::Text(1000)),
    ("actor", false, Rule::Text(1000)),
    ("brand", false, Rule::Text(1000)),
    ("searchIndex", false, Rule::Text(1000)),
    ("browseNodeId", false, Rule::BrowseNode),
    ("itemCount", false, Rule::Whole(1, 100)),
    ("itemPage", false, Rule::Whole(1, 10)),
    (
        "sortBy",
        false,
        Rule::OneOf(&[
            "AvgCustomerReviews",
            "Featured",
            "NewestArrivals",
            "Price:HighToLow",
            "Price:LowToHigh",
            "Relevance",
        ]),
    ),
    CONDITION,
    ("availability", false, Rule::OneOf(&["Available", "IncludeOutOfStock"])),
    ("deliveryFlags", false, Rule::Flags(&["AmazonGlobal", "FreeShipping", "FulfilledByAmazon", "Prime"])),
    ("minPrice", false, Rule::Whole(1, u64::MAX)),
    ("maxPrice", false, Rule::Whole(1, u64::MAX)),
    ("minReviewsRating", false, Rule::Whole(1, 4)),
    ("minSavingPercent", false, Rule::Whole(1, 99)),
    CURRENCY,
    LANGUAGE,
    ("resources", false, Rule::Resources(Operation::SearchItems)),
];

const OF_VARIATIONS: &[Field] = &[
    TAG,
    ("asin", true, Rule::Asin),
    ("variationCount", false, Rule::Whole(1, 10)),
    ("variationPage", false, Rule::Whole(1, 1_000_000)),
    CONDITION,
    CURRENCY,
    LANGUAGE,
    ("resources", false, Rule::Resources(Operation::GetVariations)),
];

const OF_BROWSE_NODES: &[Field] = &[
    TAG,
    ("browseNodeIds", true, Rule::Ids(19)),
    LANGUAGE,
    ("resources", false, Rule::Resources(Operation::GetBrowseNodes)),
];

/// The fields that an operation reads.
pub(crate) fn fields(operation: Operation) -> &'static [Field] {
    match operation {
        Operation::GetItems => OF_ITEMS,
        Operation::SearchItems => OF_SEARCH,
        Operation::GetVariations => OF_VARIATIONS,
        Operation::GetBrowseNodes => OF_BROWSE_NODES,
        Operation::Files => &[],
    }
}

/// Everything that is wrong with a request, in the order of the fields.
pub(crate) fn broken(fields: &[Field], body: &Map<String, Value>) -> Vec<InvalidField> {
    let known = fields.iter().filter_map(|(name, required, rule)| match given(body, name) {
        Some(value) => rule.broken(value).map(|message| InvalidField::new(*name, message)),
        None => required.then(|| InvalidField::new(*name, "must be given")),
    });
    let capital = |name: &&String| name.starts_with(|first: char| first.is_ascii_uppercase());
    let foreign = body.keys().filter(capital).map(|name| InvalidField::new(name, "must be spelled in lowerCamelCase"));
    known.chain(foreign).collect()
}

/// The value of a field; a JSON null is none.
pub(crate) fn given<'a>(body: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    body.get(name).filter(|value| !value.is_null())
}

/// The resources of an operation: PA-API's without the first form of its offers, and the largest pictures.
fn resources(operation: Operation) -> impl Iterator<Item = String> {
    let kept = |name: &&str| !name.starts_with("Offers.") && !name.starts_with("RentalOffers.");
    let common = paapi5::known_resources(operation).filter(kept);
    let pictures =
        (operation != Operation::GetBrowseNodes).then_some(["Images.Primary.HighRes", "Images.Variants.HighRes"]);
    common.chain(pictures.into_iter().flatten()).map(spelling::lower)
}

impl Rule {
    /// The message for a value that violates the rule; `None` where it does not.
    fn broken(self, value: &Value) -> Option<String> {
        let (holds, wanted) = match self {
            Self::Text(most) => {
                (is_text(value, most), format!("must be a text of at most {most} characters, not blank"))
            }
            Self::OneOf(known) => (is_one_of(value, known), format!("must be one of {}", known.join(", "))),
            Self::Whole(least, most) => {
                let holds = value.as_u64().is_some_and(|number| (least..=most).contains(&number));
                (holds, format!("must be a whole number from {least} to {most}"))
            }
            Self::Asin => {
                let parsed = value.as_str().and_then(|text| Some((text, Asin::parse(text).ok()?)));
                (parsed.is_some_and(|(text, asin)| asin.as_str() == text), "must be an ASIN".to_owned())
            }
            Self::BrowseNode => {
                let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
                let holds = is_text(value, 19) && value.as_str().is_some_and(digits);
                (holds, "must be a browse node's number".to_owned())
            }
            Self::Ids(most) => {
                let holds = |ids: &Vec<Value>| (1..=10).contains(&ids.len()) && ids.iter().all(|id| is_text(id, most));
                (value.as_array().is_some_and(holds), "must contain at least 1 and at most 10 entries".to_owned())
            }
            Self::Language => {
                let holds = |codes: &Vec<Value>| codes.len() <= 1 && codes.iter().all(Value::is_string);
                (value.as_array().is_some_and(holds), "must contain at most 1 entry".to_owned())
            }
            Self::Flags(known) => {
                let holds = |flags: &Vec<Value>| flags.len() <= 100 && flags.iter().all(|flag| is_one_of(flag, known));
                (value.as_array().is_some_and(holds), format!("must contain only {}", known.join(", ")))
            }
            Self::Resources(operation) => {
                let known: Vec<String> = resources(operation).collect();
                let known: Vec<&str> = known.iter().map(String::as_str).collect();
                let holds = |names: &Vec<Value>| names.len() <= 100 && names.iter().all(|name| is_one_of(name, &known));
                (value.as_array().is_some_and(holds), "must contain only resources of the operation".to_owned())
            }
        };
        (!holds).then_some(wanted)
    }
}

fn is_text(value: &Value, most: usize) -> bool {
    value.as_str().is_some_and(|text| !text.trim().is_empty() && text.chars().count() <= most)
}

fn is_one_of(value: &Value, known: &[&str]) -> bool {
    value.as_str().is_some_and(|text| known.contains(&text))
}
