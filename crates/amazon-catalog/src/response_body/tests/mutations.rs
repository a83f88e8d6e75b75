//! A hundred thousand broken responses: full responses of each operation and API with one node removed, emptied, given
//! another type, repeated, moved or cut.
//!
//! Whatever is broken, decoding must not panic, an item must not lose its neighbours, no number may appear that Amazon did
//! not send, and no id may be missing of which Amazon did not say so. The mutations follow from a seed, so a failure is
//! repeated by running the test again.

use std::{collections::HashMap, io::Write as _, thread};

use serde_json::{Map, Value, json};

use super::*;
use crate::{
    BrowseNodeId, GetBrowseNodes,
    test_fixtures::{items, locale, search, variations},
};

const MUTATIONS_PER_DOCUMENT: usize = 12_500;
const SEED: u64 = 0x5EED_0001;
const ASINS: [&str; 2] = ["B0MUTATE01", "B0MUTATE02"];
const NODES: [&str; 2] = ["9000000002", "9000000003"];
/// Stands for a text that is cut, until the body is bytes.
const CUT_MARK: &str = "@@cut@@";

/// A full response with what it must not say when it is broken.
struct Document {
    name: &'static str,
    request: CatalogRequest,
    body: Value,
    /// Where its list of items or nodes is.
    list: Vec<Step>,
    baseline: Reading,
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Key(String),
    Index(usize),
}

/// What a response says, by id.
#[derive(Clone, Debug, Default)]
struct Reading {
    /// Each product or node, by its id.
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
}

#[test]
fn no_broken_response_misleads() {
    let documents = documents();
    let counts: Vec<(&str, usize)> = thread::scope(|scope| {
        let run = |document| scope.spawn(move || (document_name(document), mutate_all(document)));
        let running: Vec<_> = documents.iter().map(run).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let total: usize = counts.iter().map(|(_, count)| count).sum();
    // Not by println!, which is shown for failing tests only.
    let mut stderr = std::io::stderr();
    for (name, count) in &counts {
        writeln!(stderr, "{name}: {count} broken responses read").unwrap();
    }
    writeln!(stderr, "{total} broken responses read, seed {SEED:#x}").unwrap();
    assert_eq!(total, documents.len() * MUTATIONS_PER_DOCUMENT);
}

fn document_name(document: &Document) -> &'static str {
    document.name
}

fn documents() -> Vec<Document> {
    let ids = NODES.map(|id| BrowseNodeId::parse(id).unwrap());
    let nodes = CatalogRequest::BrowseNodes(GetBrowseNodes { locale: locale("US"), ids: ids.to_vec() });
    macro_rules! file {
        ($path:literal) => {
            serde_json::from_str::<Value>(include_str!(concat!("../../../tests/data/", $path))).unwrap()
        };
    }
    let paapi5 = [
        file!("paapi5/items-full.json"),
        file!("paapi5/search.json"),
        file!("paapi5/variations.json"),
        file!("paapi5/browse-nodes.json"),
    ];
    let creators = [
        file!("creators/items-full.json"),
        file!("creators/search.json"),
        file!("creators/variations.json"),
        file!("creators/browse-nodes.json"),
    ];
    let paths = [
        ["ItemsResult/Items", "SearchResult/Items", "VariationsResult/Items", "BrowseNodesResult/BrowseNodes"],
        ["itemsResult/items", "searchResult/items", "variationsResult/items", "browseNodesResult/browseNodes"],
    ];
    let names = [
        ["PA-API GetItems", "PA-API SearchItems", "PA-API GetVariations", "PA-API GetBrowseNodes"],
        ["Creators getItems", "Creators searchItems", "Creators getVariations", "Creators getBrowseNodes"],
    ];
    let requests = || [items(&ASINS), search(), variations(), nodes.clone()];
    let mut documents = Vec::new();
    for (api, bodies) in [paapi5, creators].into_iter().enumerate() {
        let item = list_mut(&mut bodies[0].clone(), paths[api][0])[0].clone();
        for (n, (mut body, request)) in bodies.into_iter().zip(requests()).enumerate() {
            let list = list_mut(&mut body, paths[api][n]);
            // Two elements of everything: each is the other's neighbour. No errors stand beside them.
            let (first, id_key) = match n {
                3 => (list[0].clone(), if api == 0 { "Id" } else { "id" }),
                _ => (item.clone(), if api == 0 { "ASIN" } else { "asin" }),
            };
            let ids: Vec<String> = match n {
                3 => ids.iter().map(ToString::to_string).collect(),
                _ => ASINS.map(str::to_owned).to_vec(),
            };
            *list = ids.iter().map(|id| with(first.clone(), id_key, json!(id))).collect();
            body.as_object_mut().unwrap().retain(|key, _| !key.eq_ignore_ascii_case("errors"));
            let baseline = reading(&read(&request, 200, body.to_string()));
            assert_eq!(baseline.found.len(), 2, "{}: {baseline:?}", names[api][n]);
            let list = paths[api][n].split('/').map(|key| Step::Key(key.to_owned())).collect();
            documents.push(Document { name: names[api][n], request, body, list, baseline });
        }
    }
    documents
}

fn with(mut value: Value, key: &str, new: Value) -> Value {
    value[key] = new;
    value
}

fn list_mut<'a>(body: &'a mut Value, path: &str) -> &'a mut Vec<Value> {
    path.split('/').fold(body, |value, key| &mut value[key]).as_array_mut().unwrap()
}

fn mutate_all(document: &Document) -> usize {
    let mut random = Random(
        SEED ^ document.name.bytes().fold(1, |hash, byte| u64::wrapping_mul(hash, 31).wrapping_add(byte.into())),
    );
    let mut paths = Vec::new();
    collect_paths(&document.body, &mut Vec::new(), &mut paths);
    for number in 0..MUTATIONS_PER_DOCUMENT {
        let path = &paths[random.below(paths.len())];
        let (what, bytes) = mutate(document, path, &mut random);
        let answer = read(&document.request, 200, &bytes);
        check(document, path, &reading(&answer), &|| {
            format!("{} #{number}: {what} at {path:?}\n{}", document.name, String::from_utf8_lossy(&bytes))
        });
    }
    MUTATIONS_PER_DOCUMENT
}

fn collect_paths(value: &Value, path: &mut Vec<Step>, paths: &mut Vec<Vec<Step>>) {
    if !path.is_empty() {
        paths.push(path.clone());
    }
    let below: Vec<(Step, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(key, value)| (Step::Key(key.clone()), value)).collect(),
        Value::Array(values) => values.iter().enumerate().map(|(n, value)| (Step::Index(n), value)).collect(),
        _ => Vec::new(),
    };
    for (step, value) in below {
        path.push(step);
        collect_paths(value, path, paths);
        path.pop();
    }
}

/// The body with the node at the path broken in one way, and the name of the way.
fn mutate(document: &Document, path: &[Step], random: &mut Random) -> (&'static str, Vec<u8>) {
    let mut body = document.body.clone();
    let (last, above) = path.split_last().unwrap();
    let parent = above.iter().fold(&mut body, |value, step| match step {
        Step::Key(key) => &mut value[key.as_str()],
        Step::Index(n) => &mut value[*n],
    });
    let node = match last {
        Step::Key(key) => &mut parent[key.as_str()],
        Step::Index(n) => &mut parent[*n],
    };
    let mut cut = None;
    let what = match random.below(8) {
        0 => {
            match (&mut *parent, last) {
                (Value::Object(fields), Step::Key(key)) => drop(fields.remove(key)),
                (Value::Array(values), Step::Index(n)) => drop(values.remove(*n)),
                _ => unreachable!("a step fits its parent"),
            }
            "removed"
        }
        1 => {
            *node = Value::Null;
            "null"
        }
        2 => {
            *node = match node {
                Value::Object(_) => json!({}),
                Value::Array(_) => json!([]),
                _ => json!(""),
            };
            "emptied"
        }
        3 => {
            *node = match node {
                // The same number in another form, or no number at all.
                Value::Number(number) => {
                    [json!(number.to_string()), json!([number]), json!({}), json!("many")][random.below(4)].clone()
                }
                Value::String(_) => [json!({}), json!([]), json!(true)][random.below(3)].clone(),
                Value::Bool(flag) => [json!(flag.to_string()), json!({}), json!("perhaps")][random.below(3)].clone(),
                Value::Object(_) => [json!([]), json!("text"), json!(true)][random.below(3)].clone(),
                Value::Array(values) => {
                    [json!({}), json!("text"), Value::Array(vec![json!(values)])][random.below(3)].clone()
                }
                Value::Null => json!("text"),
            };
            "given another type"
        }
        4 => {
            match (&mut *parent, last) {
                (Value::Array(values), Step::Index(n)) => values.insert(*n, values[*n].clone()),
                (Value::Object(fields), Step::Key(key)) => {
                    let value = fields[key].clone();
                    fields.insert(key.to_uppercase(), value);
                }
                _ => unreachable!("a step fits its parent"),
            }
            "repeated"
        }
        5 => {
            match &mut *parent {
                Value::Array(values) => values.reverse(),
                Value::Object(fields) => {
                    let reversed: Map<String, Value> = std::mem::take(fields).into_iter().rev().collect();
                    *fields = reversed;
                }
                _ => unreachable!("a parent has children"),
            }
            "reversed among its siblings"
        }
        6 if node.is_string() => {
            let text = format!("é{}", node.as_str().unwrap()).into_bytes();
            cut = Some(text[..random.below(text.len())].to_vec());
            *node = json!(CUT_MARK);
            "cut"
        }
        _ => {
            let text = body.to_string().into_bytes();
            let end = random.below(text.len());
            return ("body cut", text[..end].to_vec());
        }
    };
    let mut bytes = body.to_string().into_bytes();
    if let Some(cut) = cut {
        let mark = CUT_MARK.as_bytes();
        let at = bytes.windows(mark.len()).position(|window| window == mark).unwrap();
        bytes.splice(at..at + mark.len(), cut);
    }
    (what, bytes)
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
        Ok(CatalogResponse::Files(_) | CatalogResponse::FileLink(_)) => unreachable!("no files are asked for"),
        Err(_) => {}
    }
    reading
}

fn check(document: &Document, path: &[Step], reading: &Reading, context: &dyn Fn() -> String) {
    let Document { list, baseline, .. } = document;
    assert!(reading.missing.is_empty(), "{:?} was never said to be missing: {}", reading.missing, context());
    // Only an empty list says that there is nothing, and only where the list itself was broken.
    let is_at_list = path.starts_with(list) && path.len() <= list.len() + 1 || list.starts_with(path);
    assert!(!reading.is_nothing || is_at_list, "nothing was never said: {}", context());

    for (id, found) in &reading.found {
        let Some(whole) = baseline.found.get(id).filter(|whole| *whole != found) else { continue };
        let known = numbers(whole);
        let invented: Vec<_> = numbers(found).into_iter().filter(|number| !known.contains(number)).collect();
        assert!(invented.is_empty(), "{invented:?} were never sent for {id}: {}", context());
    }
    // The body that is cut is no JSON, and says nothing of anybody.
    let broken = path.get(list.len()).filter(|_| path.starts_with(list) && path.len() > list.len() + 1);
    if let (Some(Step::Index(broken)), false) = (broken, reading.found.is_empty()) {
        let ids = if matches!(document.request, CatalogRequest::BrowseNodes(_)) { NODES } else { ASINS };
        for (_, id) in ids.into_iter().enumerate().filter(|(n, _)| n != broken) {
            assert_eq!(reading.found.get(id), baseline.found.get(id), "a neighbour is lost: {}", context());
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
