//! A hundred thousand broken responses: full responses of each operation and API with one node removed, emptied, given
//! another type, repeated, moved, swapped or cut, and some with an error of a passing fault beside it.
//!
//! Whatever is broken, decoding must not panic, an item must not lose its neighbours, no number may appear that Amazon did
//! not send, and no id may be missing of which Amazon did not say so. The mutations follow from a seed, so a failure is
//! repeated by running the test again.
//!
//! A mutation changes the text of the body and not a tree, because writing a tree takes longer than reading it.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    io::Write as _,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
};

use serde_json::{Value, json};

use super::*;
use crate::{
    BrowseNodeId, FileKind, GetBrowseNodes, ListFiles,
    test_fixtures::{items, locale, search, variations},
};

const MUTATIONS: usize = 100_000;
const SEED: u64 = 0x5EED_0001;
const ASINS: [&str; 2] = ["B0MUTATE01", "B0MUTATE02"];
const NODES: [&str; 2] = ["9000000002", "9000000003"];
const FILES: [&str; 2] = ["mutated-1.gz", "mutated-2.gz"];

/// A full response with what it must not say when it is broken.
struct Document {
    name: String,
    request: CatalogRequest,
    text: String,
    nodes: Vec<Node>,
    /// Where its list of items, nodes or files is.
    list: Vec<Step>,
    /// The ids of the elements of the list, in order.
    ids: Vec<&'static str>,
    /// The ids of which the response says that they do not exist.
    said_missing: Vec<&'static str>,
    baseline: Reading,
    /// The numbers of each element.
    numbers: HashMap<String, HashSet<String>>,
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Key(String),
    Index(usize),
}

/// A value in the text of a document.
struct Node {
    path: Vec<Step>,
    /// The value.
    value: Range<usize>,
    /// The value with its key.
    entry: Range<usize>,
    kind: Kind,
    parent: Option<usize>,
    children: Vec<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Null,
    Bool,
    Number,
    String,
    Array,
    Object,
}

/// What a response says, by id.
#[derive(Clone, Debug, Default)]
struct Reading {
    /// Each element, by its id.
    found: HashMap<String, Found>,
    missing: Vec<String>,
    /// Whether the response says that there is nothing.
    is_nothing: bool,
}

/// One element of a list.
#[derive(Clone, Debug, PartialEq)]
enum Found {
    Product(Box<pb::Product>),
    Node(pb::BrowseNode),
    File(pb::AccountFile),
}

/// xorshift64*, so that a seed gives the same mutations on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % bound.max(1)
    }

    fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }
}

#[test]
fn no_broken_response_misleads() {
    let documents = documents();
    let each = MUTATIONS.div_ceil(documents.len());
    let counts: Vec<BTreeMap<&str, usize>> = thread::scope(|scope| {
        let run = |document| scope.spawn(move || mutate_all(document, each));
        let running: Vec<_> = documents.iter().map(run).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    // Not by println!, which is shown for failing tests only.
    let mut stderr = std::io::stderr();
    let mut by_kind: BTreeMap<&str, usize> = BTreeMap::new();
    for (document, counts) in documents.iter().zip(&counts) {
        writeln!(stderr, "{}: {} broken responses read", document.name, counts.values().sum::<usize>()).unwrap();
        counts.iter().for_each(|(kind, count)| *by_kind.entry(kind).or_default() += count);
    }
    let total: usize = by_kind.values().sum();
    writeln!(stderr, "{total} broken responses read, seed {SEED:#x}: {by_kind:?}").unwrap();
    assert!(total >= MUTATIONS);
}

fn documents() -> Vec<Document> {
    macro_rules! file {
        ($path:literal) => {
            serde_json::from_str::<Value>(include_str!(concat!("../../../tests/data/", $path))).unwrap()
        };
    }
    let ids = NODES.map(|id| BrowseNodeId::parse(id).unwrap());
    let nodes = || CatalogRequest::BrowseNodes(GetBrowseNodes { locale: locale("US"), ids: ids.to_vec() });
    let mut documents = Vec::new();
    for (api, key) in [("PA-API", upper as fn(&str) -> String), ("Creators", str::to_owned)] {
        let [full, found, family, tree] = match api {
            "PA-API" => [
                file!("paapi5/items-full.json"),
                file!("paapi5/search.json"),
                file!("paapi5/variations.json"),
                file!("paapi5/browse-nodes.json"),
            ],
            _ => [
                file!("creators/items-full.json"),
                file!("creators/search.json"),
                file!("creators/variations.json"),
                file!("creators/browse-nodes.json"),
            ],
        };
        let (asin, id) = (if api == "PA-API" { "ASIN" } else { "asin" }, key("id"));
        let item = full[key("itemsResult")][key("items")][0].clone();
        let node = tree[key("browseNodesResult")][key("browseNodes")][0].clone();
        // Two elements of everything: each is the other's neighbour. The second is short, for the sake of time.
        let two = |element: &Value, id_key: &str, ids: [&str; 2]| -> Value {
            let mut second = element.clone();
            let kept = [key("itemInfo"), key("offersV2"), key("children")];
            second.as_object_mut().unwrap().retain(|name, _| kept.contains(name));
            json!([with(element.clone(), id_key, json!(ids[0])), with(second, id_key, json!(ids[1]))])
        };
        let mut add = |name: &str, request, mut body: Value, result: &str, list: &str, elements: Value| {
            let ids = if elements[0].get(asin).is_some() { ASINS } else { NODES };
            body[key(result)][key(list)] = elements;
            // No errors are beside them.
            body.as_object_mut().unwrap().remove(&key("errors"));
            let path = vec![Step::Key(key(result)), Step::Key(key(list))];
            documents.push(Document::new(format!("{api} {name}"), request, &body, path, &ids, &[]));
        };
        add("GetItems", items(&ASINS), full.clone(), "itemsResult", "items", two(&item, asin, ASINS));
        add("SearchItems", search(), found, "searchResult", "items", two(&item, asin, ASINS));
        add("GetVariations", variations(), family, "variationsResult", "items", two(&item, asin, ASINS));
        add("GetBrowseNodes", nodes(), tree, "browseNodesResult", "browseNodes", two(&node, &id, NODES));

        // One id is found, and the other does not exist by Amazon's word.
        let message = format!("The ItemId {} provided in the request is invalid.", ASINS[1]);
        let error = json!({ key("code"): "InvalidParameterValue", key("message"): message });
        let first = json!([with(item.clone(), asin, json!(ASINS[0]))]);
        let body = json!({ key("itemsResult"): { key("items"): first }, key("errors"): [error] });
        let path = vec![Step::Key(key("itemsResult")), Step::Key(key("items"))];
        let name = format!("{api} GetItems with an unknown id");
        documents.push(Document::new(name, items(&ASINS), &body, path, &ASINS[..1], &ASINS[1..]));
    }
    for (kind, list, name_key, time_key) in [
        (FileKind::Feeds, "feeds", "feedName", "lastUpdated"),
        (FileKind::Reports, "reports", "filename", "lastModified"),
    ] {
        let file = |name: &str| json!({ name_key: name, time_key: "2026-03-01T06:15:42Z", "size": 734_003, "md5": "0123456789abcdef" });
        let body = json!({ list: FILES.map(file) });
        let request = CatalogRequest::Files(ListFiles { marketplace: locale("US").marketplace, kind });
        let path = vec![Step::Key(list.to_owned())];
        documents.push(Document::new(format!("Creators list of {list}"), request, &body, path, &FILES, &[]));
    }
    documents
}

fn upper(name: &str) -> String {
    name[..1].to_ascii_uppercase() + &name[1..]
}

fn with(mut value: Value, key: &str, new: Value) -> Value {
    value[key] = new;
    value
}

impl Document {
    fn new(
        name: String,
        request: CatalogRequest,
        body: &Value,
        list: Vec<Step>,
        ids: &[&'static str],
        said_missing: &[&'static str],
    ) -> Self {
        let (mut text, mut nodes) = (String::new(), Vec::new());
        write(body, &mut Vec::new(), None, &mut text, &mut nodes);
        let baseline = reading(&read(&request, 200, &text));
        assert_eq!(
            (baseline.found.len(), baseline.missing.len()),
            (ids.len(), said_missing.len()),
            "{name}: {baseline:?}"
        );
        let numbers = baseline.found.iter().map(|(id, found)| (id.clone(), numbers(found).into_iter().collect()));
        let (ids, said_missing, numbers) = (ids.to_vec(), said_missing.to_vec(), numbers.collect());
        Self { name, request, text, nodes, list, ids, said_missing, baseline, numbers }
    }
}

/// Writes a value, and where each value is in the text. Returns the index of its node.
fn write(
    value: &Value,
    path: &mut Vec<Step>,
    parent: Option<usize>,
    text: &mut String,
    nodes: &mut Vec<Node>,
) -> usize {
    let index = nodes.len();
    let kind = match value {
        Value::Null => Kind::Null,
        Value::Bool(_) => Kind::Bool,
        Value::Number(_) => Kind::Number,
        Value::String(_) => Kind::String,
        Value::Array(_) => Kind::Array,
        Value::Object(_) => Kind::Object,
    };
    let start = text.len();
    nodes.push(Node {
        path: path.clone(),
        value: start..start,
        entry: start..start,
        kind,
        parent,
        children: Vec::new(),
    });
    let below: Vec<(Step, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(key, value)| (Step::Key(key.clone()), value)).collect(),
        Value::Array(values) => values.iter().enumerate().map(|(n, value)| (Step::Index(n), value)).collect(),
        _ => Vec::new(),
    };
    match value {
        Value::Object(_) => text.push('{'),
        Value::Array(_) => text.push('['),
        plain => text.push_str(&plain.to_string()),
    }
    for (n, (step, value)) in below.into_iter().enumerate() {
        if n > 0 {
            text.push(',');
        }
        let entry = text.len();
        if let Step::Key(key) = &step {
            text.push_str(&format!("\"{key}\":"));
        }
        path.push(step);
        let child = write(value, path, Some(index), text, nodes);
        path.pop();
        nodes[child].entry = entry..text.len();
        nodes[index].children.push(child);
    }
    match value {
        Value::Object(_) => text.push('}'),
        Value::Array(_) => text.push(']'),
        _ => {}
    }
    nodes[index].value.end = text.len();
    nodes[index].entry.end = text.len();
    index
}

fn mutate_all(document: &Document, count: usize) -> BTreeMap<&'static str, usize> {
    let mut random =
        Random(document.name.bytes().fold(SEED, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into())));
    let mut counts = BTreeMap::new();
    for number in 0..count {
        // Not the body itself.
        let node = &document.nodes[1 + random.below(document.nodes.len() - 1)];
        let (what, mut bytes) = mutate(document, node, &mut random);
        let has_fault = random.below(4) == 0 && add_passing_fault(document, &mut bytes, &mut random);
        let context =
            || format!("{} #{number}: {what} at {:?}\n{}", document.name, node.path, String::from_utf8_lossy(&bytes));
        let answer = catch_unwind(AssertUnwindSafe(|| read(&document.request, 200, &bytes)));
        let answer = answer.unwrap_or_else(|_| panic!("decoding panicked: {}", context()));
        let reading = reading(&answer);
        assert!(!has_fault || !reading.is_nothing, "a passing fault is no absence: {}", context());
        check(document, what, node, &reading, &context);
        *counts.entry(what).or_default() += 1;
    }
    counts
}

/// The body with the node broken in one way, and the name of the way.
fn mutate(document: &Document, node: &Node, random: &mut Random) -> (&'static str, Vec<u8>) {
    let text = document.text.as_str();
    let parent = &document.nodes[node.parent.unwrap()];
    let (value, entry) = (&text[node.value.clone()], &text[node.entry.clone()]);
    let spliced = |range: &Range<usize>, new: &[u8]| {
        [&text.as_bytes()[..range.start], new, &text.as_bytes()[range.end..]].concat()
    };
    let is_above_list = document.list.starts_with(&parent.path);
    match random.below(9) {
        0 => {
            let position = parent.children.iter().position(|child| document.nodes[*child].path == node.path).unwrap();
            let range = match parent.children.get(position + 1) {
                Some(next) => node.entry.start..document.nodes[*next].entry.start,
                // The comma before the last.
                None => node.entry.start - usize::from(position > 0)..node.entry.end,
            };
            ("removed", spliced(&range, b""))
        }
        1 => ("null", spliced(&node.value, b"null")),
        2 => {
            let empty: &[u8] = match node.kind {
                Kind::Object => b"{}",
                Kind::Array => b"[]",
                Kind::Null | Kind::Bool | Kind::Number | Kind::String => b"\"\"",
            };
            ("emptied", spliced(&node.value, empty))
        }
        3 => {
            let new = match node.kind {
                // The same number in another form, or no number at all.
                Kind::Number => [format!("\"{value}\""), format!("[{value}]"), "{}".into(), "\"many\"".into()]
                    [random.below(4)]
                .clone(),
                Kind::String => random.pick(&["{}", "[]", "true"]).to_owned(),
                Kind::Bool => [format!("\"{value}\""), "{}".into(), "\"perhaps\"".into()][random.below(3)].clone(),
                Kind::Object => random.pick(&["[]", "\"text\"", "true"]).to_owned(),
                Kind::Array => ["{}".into(), "\"text\"".into(), format!("[{value}]")][random.below(3)].clone(),
                Kind::Null => "\"text\"".to_owned(),
            };
            ("given another type", spliced(&node.value, new.as_bytes()))
        }
        4 => {
            let key = entry[..entry.len() - value.len()].to_uppercase();
            let again = [format!("{entry},"), format!("{key}{value},")][random.below(2)].clone();
            ("repeated", spliced(&(node.entry.start..node.entry.start), again.as_bytes()))
        }
        5 => {
            let children = parent.children.iter().rev().map(|child| &text[document.nodes[*child].entry.clone()]);
            let range = parent.value.start + 1..parent.value.end - 1;
            ("reversed among its siblings", spliced(&range, children.collect::<Vec<_>>().join(",").as_bytes()))
        }
        6 if node.kind == Kind::String => {
            let content = [b"\xC3\xA9", &text.as_bytes()[node.value.start + 1..node.value.end - 1]].concat();
            let cut = [b"\"", &content[..random.below(content.len())], b"\""].concat();
            ("cut", spliced(&node.value, &cut))
        }
        7 if parent.children.len() > 1 && !is_above_list => {
            let other = &document.nodes[parent.children[random.below(parent.children.len())]];
            let (first, second) = if node.value.start < other.value.start { (node, other) } else { (other, node) };
            if first.value == second.value {
                return ("unchanged", text.as_bytes().to_vec());
            }
            let swapped = [
                &text[..first.value.start],
                &text[second.value.clone()],
                &text[first.value.end..second.value.start],
                &text[first.value.clone()],
                &text[second.value.end..],
            ];
            ("swapped with a sibling", swapped.concat().into_bytes())
        }
        _ => ("body cut", text.as_bytes()[..random.below(text.len())].to_vec()),
    }
}

/// Adds an error of a passing fault, which may name an id, at the end of the body, where that is possible.
fn add_passing_fault(document: &Document, bytes: &mut Vec<u8>, random: &mut Random) -> bool {
    if !bytes.ends_with(b"}") || !document.said_missing.is_empty() {
        return false;
    }
    bytes.pop();
    let code = random.pick(&["InternalFailure", "TooManyRequests", "SomethingNew"]);
    let id = random.pick(&[document.ids[0], document.ids[document.ids.len() - 1], "this request"]);
    bytes.extend(format!(r#","errors":[{{"code":"{code}","message":"{id} could not be processed"}}]}}"#).into_bytes());
    true
}

fn reading(answer: &Result<CatalogResponse, Error>) -> Reading {
    let mut reading = Reading::default();
    let mut find = |product: &pb::Product| {
        reading.found.insert(product.asin.clone(), Found::Product(Box::new(product.clone())));
    };
    match answer {
        Ok(CatalogResponse::Items(items)) => {
            items.products.iter().for_each(&mut find);
            reading.missing = items.missing.iter().map(|(asin, _)| asin.to_string()).collect();
        }
        Ok(CatalogResponse::Search(page)) => {
            page.places.iter().flatten().for_each(&mut find);
            reading.is_nothing = page.places.is_empty();
        }
        Ok(CatalogResponse::Variations(Some(page))) => {
            page.places.iter().flatten().for_each(&mut find);
            reading.is_nothing = page.places.is_empty();
        }
        Ok(CatalogResponse::Variations(None)) => reading.is_nothing = true,
        Ok(CatalogResponse::BrowseNodes(nodes)) => {
            reading.found = nodes.nodes.iter().map(|node| (node.id.clone(), Found::Node(node.clone()))).collect();
            reading.missing = nodes.missing.iter().map(ToString::to_string).collect();
        }
        Ok(CatalogResponse::Files(files)) => {
            reading.found = files.iter().map(|file| (file.name.clone(), Found::File(file.clone()))).collect();
            reading.is_nothing = files.is_empty();
        }
        Ok(CatalogResponse::FileLink(_)) => unreachable!("no link is asked for"),
        Err(_) => {}
    }
    reading
}

fn check(document: &Document, what: &str, node: &Node, reading: &Reading, context: &dyn Fn() -> String) {
    let Document { list, baseline, .. } = document;
    let path = node.path.as_slice();
    let invented: Vec<_> = reading.missing.iter().filter(|id| !document.said_missing.contains(&id.as_str())).collect();
    assert!(invented.is_empty(), "{invented:?} was never said to be missing: {}", context());
    // Only an empty list says that there is nothing, and only where the list itself was broken.
    let is_at_list = path.starts_with(list) && path.len() <= list.len() + 1 || list.starts_with(path);
    assert!(!reading.is_nothing || is_at_list, "nothing was never said: {}", context());

    for (id, found) in &reading.found {
        // What is swapped is sent, as a value of another field.
        if what == "swapped with a sibling" || baseline.found.get(id).is_none_or(|whole| whole == found) {
            continue;
        }
        let known = &document.numbers[id];
        let invented: Vec<_> = numbers(found).into_iter().filter(|number| !known.contains(number)).collect();
        assert!(invented.is_empty(), "{invented:?} were never sent for {id}: {}", context());
    }
    // A body that is cut is no JSON, and says nothing of anybody. What was broken costs no other element anything: an element
    // costs itself at most, and what is beside the list costs no element.
    let is_whole_body = what != "body cut" && !(what == "cut" && reading.found.is_empty());
    let is_at_list_itself = list.starts_with(path) || path.len() == list.len() && what == "reversed among its siblings";
    if !is_whole_body || is_at_list_itself {
        return;
    }
    let broken = path.get(list.len()).filter(|_| path.starts_with(list));
    for (n, id) in document.ids.iter().enumerate() {
        if broken != Some(&Step::Index(n)) {
            assert_eq!(reading.found.get(*id), baseline.found.get(*id), "a neighbour is lost: {}", context());
        }
    }
}

/// The numbers in the debug form of a message, without those in texts.
fn numbers(found: &Found) -> Vec<String> {
    let text = format!("{found:?}");
    let outside: String = text.split('"').step_by(2).collect::<Vec<_>>().join(" ");
    let numbers = outside.split(|c: char| !(c.is_ascii_digit() || c == '.' || c == '-'));
    numbers.filter(|number| number.bytes().any(|byte| byte.is_ascii_digit())).map(str::to_owned).collect()
}
