//! Odd answers: what users of Amazon's APIs have met, made from the right answer.
//!
//! An odd answer has status 200. Its JSON is changed in the spelling of the API that answers; what no JSON value can hold, as
//! a byte that is not UTF-8, is written into the text afterwards.

use serde_json::{Map, Value, json};

use crate::creators;
use amazon_catalog::Operation::{self, GetBrowseNodes, GetItems, GetVariations, SearchItems};

/// What is odd about an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OddAnswer {
    /// The first id is left out, and an error `InternalFailure` names it.
    FailedId,
    /// The first id is left out, beside an error `TooManyRequests` that names no id.
    ThrottledId,
    /// The first id is left out, and nothing is said of it.
    SilentId,
    /// The list is empty, without any error.
    EmptyList,
    /// The list is empty, beside an error `InternalFailure`.
    FailedList,
    /// The list is null, beside an error for each id that says that it does not exist, or that nothing was found.
    NullList,
    /// The first item has another ASIN than the one asked for.
    OtherAsin,
    /// Every third item of the list cannot be read: null, or without an ASIN.
    UnreadableItems,
    /// The last three of ten items are left out.
    ShortPages,
    /// Each page is the first page.
    RepeatedPages,
    /// Each page begins with the last four items of the page before.
    OverlappingPages,
    /// The counts of results, children and pages are left out.
    NoCounts,
    /// The counts are 1.
    LowCounts,
    /// The counts are ten times as high.
    HighCounts,
    /// The title of the first item has a Latin-1 byte.
    BadByte,
    /// The title of the first item has half of a surrogate pair.
    HalfPair,
    /// Amounts have more decimals than a price: one unit in the last place of a double below the price.
    FineAmounts,
    /// Amounts are texts.
    TextAmounts,
    /// No offer says that it is the buy box winner.
    NoWinner,
    /// Each saving is 0 percent.
    NoSaving,
    /// Each saving is -50 percent.
    NegativeSaving,
    /// Conditions have a word that no API documents.
    OddCondition,
    /// The flag of a price that may be shown only in the cart is no boolean.
    UnreadableRestriction,
    /// The first version of offers restricts each price to the cart, the second none.
    FirstVersionRestriction,
    /// The second version of offers has one listing that states nothing.
    EmptyListing,
    /// Each browse node has itself and its ancestors among its children, and each child twice.
    CyclicNodes,
}

/// An odd answer: its name in a script, the operations whose answers it changes, and its effect.
type OddRow = (OddAnswer, &'static str, &'static [Operation], &'static str);

const WITH_ITEMS: &[Operation] = &[GetItems, SearchItems, GetVariations];
const LISTS: &[Operation] = &[SearchItems, GetVariations];

/// Every odd answer. `docs/sandbox.md` shows this table.
pub const ODD_ANSWERS: [OddRow; 26] = [
    (
        OddAnswer::FailedId,
        "failed-id",
        &[GetItems, GetBrowseNodes],
        "The first id is left out, and an error `InternalFailure` names it",
    ),
    (
        OddAnswer::ThrottledId,
        "throttled-id",
        &[GetItems],
        "The first id is left out, beside an error `TooManyRequests` that names no id",
    ),
    (OddAnswer::SilentId, "silent-id", &[GetItems], "The first id is left out, and nothing is said of it"),
    (OddAnswer::EmptyList, "empty-list", WITH_ITEMS, "The list is empty, without an error; counts stay"),
    (OddAnswer::FailedList, "failed-list", LISTS, "The list is empty, beside an error `InternalFailure`"),
    (
        OddAnswer::NullList,
        "null-list",
        &[GetItems, SearchItems, GetVariations, GetBrowseNodes],
        "The list is null, beside errors that say that nothing was found",
    ),
    (OddAnswer::OtherAsin, "other-asin", &[GetItems], "The first item has another ASIN than the one asked for"),
    (OddAnswer::UnreadableItems, "unreadable-items", LISTS, "Every third item is null or has no ASIN"),
    (OddAnswer::ShortPages, "short-pages", LISTS, "The last three of ten items are left out"),
    (OddAnswer::RepeatedPages, "repeated-pages", LISTS, "Each page is the first page"),
    (
        OddAnswer::OverlappingPages,
        "overlapping-pages",
        LISTS,
        "Each page begins with the last four items of the page before",
    ),
    (OddAnswer::NoCounts, "no-counts", LISTS, "The counts of results, children and pages are left out"),
    (OddAnswer::LowCounts, "low-counts", LISTS, "The counts are 1"),
    (OddAnswer::HighCounts, "high-counts", LISTS, "The counts are ten times as high"),
    (OddAnswer::BadByte, "bad-byte", WITH_ITEMS, "The title of the first item has a Latin-1 byte"),
    (OddAnswer::HalfPair, "half-pair", WITH_ITEMS, "The title of the first item has half of a surrogate pair"),
    (
        OddAnswer::FineAmounts,
        "fine-amounts",
        WITH_ITEMS,
        "Amounts have more decimals than a price, as 121.50999999999999",
    ),
    (OddAnswer::TextAmounts, "text-amounts", WITH_ITEMS, "Amounts are texts, as \"121.51\""),
    (OddAnswer::NoWinner, "no-winner", WITH_ITEMS, "No offer says that it is the buy box winner"),
    (OddAnswer::NoSaving, "no-saving", WITH_ITEMS, "Each saving is 0 percent"),
    (OddAnswer::NegativeSaving, "negative-saving", WITH_ITEMS, "Each saving is -50 percent"),
    (OddAnswer::OddCondition, "odd-condition", WITH_ITEMS, "Each condition is the undocumented word `Salvaged`"),
    (OddAnswer::UnreadableRestriction, "unreadable-restriction", WITH_ITEMS, "`ViolatesMAP` is the text `yes`"),
    (
        OddAnswer::FirstVersionRestriction,
        "first-version-restriction",
        WITH_ITEMS,
        "`ViolatesMAP` is true in `Offers` and false in `OffersV2`; only PA-API 5.0 has `Offers`",
    ),
    (OddAnswer::EmptyListing, "empty-listing", WITH_ITEMS, "`OffersV2` has one listing, which is `{}`"),
    (
        OddAnswer::CyclicNodes,
        "cyclic-nodes",
        &[GetBrowseNodes],
        "Each browse node has itself and its ancestors among its children, and each child twice",
    ),
];

/// Stands for what no JSON value can hold, until the body is text.
const MARK: &str = "@@odd@@";

/// The spelling of the API that answers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Spelling {
    Paapi5,
    Creators,
}

/// Which places of the true list a page shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ListWindow {
    #[default]
    Consecutive,
    Repeated,
    Overlapping,
}

impl ListWindow {
    /// The place that a page begins with. `page` counts from 1.
    pub(crate) fn start(self, page: usize, count: usize) -> usize {
        match self {
            Self::Consecutive => (page - 1) * count,
            Self::Repeated => 0,
            Self::Overlapping => (page - 1) * count.saturating_sub(4).max(1),
        }
    }
}

impl OddAnswer {
    /// The odd answer of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        ODD_ANSWERS.iter().find(|row| row.1 == name).map(|row| row.0)
    }

    /// Its name in a script.
    pub(crate) fn name(self) -> &'static str {
        ODD_ANSWERS.iter().find(|row| row.0 == self).map_or("", |row| row.1)
    }

    /// Whether the operation's answers can be odd in this way.
    pub(crate) fn changes(self, operation: Operation) -> bool {
        ODD_ANSWERS.iter().any(|row| row.0 == self && row.2.contains(&operation))
    }

    /// Which places of the true list the pages of a list show.
    pub(crate) fn window(self) -> ListWindow {
        match self {
            Self::RepeatedPages => ListWindow::Repeated,
            Self::OverlappingPages => ListWindow::Overlapping,
            _ => ListWindow::Consecutive,
        }
    }

    /// The right answer, made odd. `ids` are those of the request.
    pub(crate) fn apply(self, mut answer: Value, spelling: Spelling, operation: Operation, ids: &[String]) -> Vec<u8> {
        let oddity = Oddity { spelling, operation, ids };
        match self {
            Self::FailedId => oddity.omit_first(&mut answer, Some(("InternalFailure", true))),
            Self::ThrottledId => oddity.omit_first(&mut answer, Some(("TooManyRequests", false))),
            Self::SilentId => oddity.omit_first(&mut answer, None),
            Self::EmptyList => oddity.set_list(&mut answer, json!([])),
            Self::FailedList => {
                oddity.set_list(&mut answer, json!([]));
                oddity.add_error(&mut answer, "InternalFailure", "The request could not be processed.");
            }
            Self::NullList => oddity.null_list(&mut answer),
            Self::OtherAsin => oddity.each_item(&mut answer, |n, item| {
                if n == 0 {
                    item.insert(spelling.key("ASIN"), json!("B0SBOTHER0"));
                }
            }),
            Self::UnreadableItems => oddity.unreadable_items(&mut answer),
            Self::ShortPages => oddity.list(&mut answer, |items| items.truncate(7)),
            Self::RepeatedPages | Self::OverlappingPages => {}
            Self::NoCounts => oddity.counts(&mut answer, |_| None),
            Self::LowCounts => oddity.counts(&mut answer, |_| Some(1)),
            Self::HighCounts => oddity.counts(&mut answer, |count| Some(count * 10)),
            Self::BadByte | Self::HalfPair => oddity.mark_title(&mut answer),
            Self::FineAmounts => oddity.amounts(&mut answer, |amount| json!(amount.next_down())),
            Self::TextAmounts => oddity.amounts(&mut answer, |amount| json!(amount.to_string())),
            Self::NoWinner => oddity.set_everywhere(&mut answer, "IsBuyBoxWinner", &Value::Null),
            Self::NoSaving => oddity.set_everywhere(&mut answer, "Percentage", &json!(0)),
            Self::NegativeSaving => oddity.set_everywhere(&mut answer, "Percentage", &json!(-50)),
            Self::OddCondition => oddity.odd_conditions(&mut answer),
            Self::UnreadableRestriction => oddity.set_everywhere(&mut answer, "ViolatesMAP", &json!("yes")),
            Self::FirstVersionRestriction => oddity.each_item(&mut answer, |_, item| {
                if let Some(offers) = item.get_mut(&spelling.key("Offers")) {
                    oddity.set_everywhere(offers, "ViolatesMAP", &json!(true));
                }
            }),
            Self::EmptyListing => oddity.each_item(&mut answer, |_, item| {
                if let Some(offers) = item.get_mut(&spelling.key("OffersV2")) {
                    offers[spelling.key("Listings")] = json!([{}]);
                }
            }),
            Self::CyclicNodes => oddity.cyclic_nodes(&mut answer),
        }
        self.write(&answer)
    }

    fn write(self, answer: &Value) -> Vec<u8> {
        let text = answer.to_string();
        match (self, text.split_once(MARK)) {
            (Self::BadByte, Some((before, after))) => [before.as_bytes(), b"\xAE", after.as_bytes()].concat(),
            (Self::HalfPair, Some((before, after))) => [before, "\\ud83d", after].concat().into_bytes(),
            _ => text.into_bytes(),
        }
    }
}

impl Spelling {
    /// A name of PA-API in this spelling.
    pub(crate) fn key(self, name: &str) -> String {
        match self {
            Self::Paapi5 => name.to_owned(),
            Self::Creators => creators::lower(name),
        }
    }
}

/// An answer that is being changed.
#[derive(Clone, Copy)]
struct Oddity<'a> {
    spelling: Spelling,
    operation: Operation,
    ids: &'a [String],
}

impl Oddity<'_> {
    fn key(self, name: &str) -> String {
        self.spelling.key(name)
    }

    fn result_name(self) -> String {
        self.key(match self.operation {
            GetItems => "ItemsResult",
            SearchItems => "SearchResult",
            GetVariations => "VariationsResult",
            GetBrowseNodes => "BrowseNodesResult",
            Operation::Files => "",
        })
    }

    fn list_name(self) -> String {
        self.key(if self.operation == GetBrowseNodes { "BrowseNodes" } else { "Items" })
    }

    fn list(self, answer: &mut Value, change: impl FnOnce(&mut Vec<Value>)) {
        let list = answer.get_mut(self.result_name()).and_then(|result| result.get_mut(self.list_name()));
        if let Some(list) = list.and_then(Value::as_array_mut) {
            change(list);
        }
    }

    fn set_list(self, answer: &mut Value, list: Value) {
        if let Some(result) = answer.get_mut(self.result_name()) {
            result[self.list_name()] = list;
        }
    }

    fn each_item(self, answer: &mut Value, change: impl Fn(usize, &mut Map<String, Value>)) {
        self.list(answer, |items| {
            for (n, item) in items.iter_mut().filter_map(Value::as_object_mut).enumerate() {
                change(n, item);
            }
        });
    }

    fn add_error(self, answer: &mut Value, code: &str, message: &str) {
        let error = json!({ self.key("Code"): code, self.key("Message"): message });
        match answer[self.key("Errors")].as_array_mut() {
            Some(errors) => errors.push(error),
            None => answer[self.key("Errors")] = json!([error]),
        }
    }

    fn id_kind(self) -> &'static str {
        if self.operation == GetBrowseNodes { "BrowseNodeId" } else { "ItemId" }
    }

    /// Leaves the first id out of the list. The error has a code, and names the id or does not.
    fn omit_first(self, answer: &mut Value, error: Option<(&str, bool)>) {
        let Some(first) = self.ids.first() else { return };
        let id_key = self.key(if self.operation == GetBrowseNodes { "Id" } else { "ASIN" });
        let mut is_empty = false;
        self.list(answer, |list| {
            list.retain(|element| element[&id_key] != json!(first));
            is_empty = list.is_empty();
        });
        if let Some((code, is_named)) = error {
            // Beside errors Amazon leaves an empty result out.
            if let Some(fields) = answer.as_object_mut().filter(|_| is_empty) {
                fields.remove(&self.result_name());
            }
            let kind = self.id_kind();
            let message = if is_named {
                format!("The request for {kind} {first} could not be processed due to an internal error.")
            } else {
                "The request could not be processed.".to_owned()
            };
            self.add_error(answer, code, &message);
        }
    }

    fn null_list(self, answer: &mut Value) {
        self.set_list(answer, Value::Null);
        match self.operation {
            SearchItems | GetVariations => self.add_error(answer, "NoResults", "No results found for your request."),
            GetItems => {
                for id in self.ids {
                    let message = format!("The ItemId {id} is not accessible through the API.");
                    self.add_error(answer, "ItemNotAccessible", &message);
                }
            }
            GetBrowseNodes | Operation::Files => {
                for id in self.ids {
                    let message = format!("The BrowseNodeId {id} provided in the request is invalid.");
                    self.add_error(answer, "InvalidParameterValue", &message);
                }
            }
        }
    }

    fn unreadable_items(self, answer: &mut Value) {
        self.list(answer, |items| {
            for (n, item) in items.iter_mut().enumerate().filter(|(n, _)| n % 3 == 2) {
                match item.as_object_mut() {
                    Some(fields) if n % 2 == 0 => drop(fields.remove(&self.key("ASIN"))),
                    _ => *item = Value::Null,
                }
            }
        });
    }

    fn counts(self, answer: &mut Value, change: impl Fn(i64) -> Option<i64>) {
        for name in ["TotalResultCount", "VariationCount", "PageCount"] {
            self.everywhere(answer, name, &|value| {
                *value = value.as_i64().and_then(&change).map_or(Value::Null, Into::into);
            });
        }
    }

    fn amounts(self, answer: &mut Value, change: impl Fn(f64) -> Value) {
        self.everywhere(answer, "Amount", &|value| {
            if let Some(amount) = value.as_f64().filter(|amount| *amount > 0.0) {
                *value = change(amount);
            }
        });
    }

    fn mark_title(self, answer: &mut Value) {
        let [info, title, value] = ["ItemInfo", "Title", "DisplayValue"].map(|name| self.key(name));
        let path = format!("/{title}/{value}");
        self.each_item(answer, |n, item| {
            let info = item.get_mut(&info).filter(|_| n == 0);
            if let Some(text) = info.and_then(|info| info.pointer_mut(&path)) {
                *text = json!(format!("{}{MARK}", text.as_str().unwrap_or_default()));
            }
        });
    }

    fn odd_conditions(self, answer: &mut Value) {
        self.everywhere(answer, "Condition", &|condition| {
            condition[self.key("Value")] = json!("Salvaged");
        });
    }

    fn cyclic_nodes(self, answer: &mut Value) {
        let [id, children, ancestor] = ["Id", "Children", "Ancestor"].map(|name| self.key(name));
        self.list(answer, |nodes| {
            for node in nodes {
                let mut below = node[&children].as_array().cloned().unwrap_or_default();
                below.extend(below.clone());
                below.push(json!({ &id: node[&id] }));
                let mut above = &node[&ancestor];
                while above.is_object() {
                    below.push(json!({ &id: above[&id] }));
                    above = &above[&ancestor];
                }
                node[&children] = Value::Array(below);
            }
        });
    }

    fn set_everywhere(self, value: &mut Value, name: &str, new: &Value) {
        self.everywhere(value, name, &|value| *value = new.clone());
    }

    /// Changes every field of this name.
    fn everywhere(self, value: &mut Value, name: &str, change: &dyn Fn(&mut Value)) {
        match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    if *key == self.key(name) && !value.is_null() {
                        change(value);
                    } else {
                        self.everywhere(value, name, change);
                    }
                }
            }
            Value::Array(values) => values.iter_mut().for_each(|value| self.everywhere(value, name, change)),
            _ => {}
        }
    }
}

/// The ids that a request names, in the spelling of either API.
pub(crate) fn ids_of(body: &Value) -> Vec<String> {
    let lists = ["ItemIds", "itemIds", "BrowseNodeIds", "browseNodeIds"];
    let ids = lists.into_iter().filter_map(|name| body.get(name)?.as_array()).flatten();
    ids.filter_map(Value::as_str).map(str::to_owned).collect()
}
