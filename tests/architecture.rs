//! Proves from the sources what ARCHITECTURE.md says of them: which floor may name which, and where a library may be named.
//!
//! Only code counts: comments and test modules are left out.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The floors from the top. Each may name those below it.
const FLOORS: [&str; 7] = ["cli", "server", "gateway", "catalog", "cache", "dispatch", "store"];
/// What every floor may name: it is handed in or generated, and knows no floor but what [`BESIDE`] says.
const COMMON: [&str; 5] = ["clock", "config", "format", "telemetry", "served"];
/// What stands beside the floors, with all that it may name.
const BESIDE: [(&str, &[&str]); 3] = [("config", &[]), ("format", &[]), ("telemetry", &["config"])];

/// The libraries that are kept to some floors. The files at the root of `src` belong to the floor of their name.
const LIBRARIES: [(&[&str], &[&str]); 7] = [
    (&["tonic", "tonic_health", "tonic_reflection", "tonic_types"], &["server", "lib"]),
    (&["bb8_redis", "redis"], &["store"]),
    (&["moka"], &["cache"]),
    (&["hyper", "hyper_util"], &["server"]),
    (&["clap", "comfy_table"], &["cli"]),
    (&["stockroom_client"], &["cli"]),
    (&["amazon_sandbox"], &["cli"]),
];

/// One file of `src`, without comments and test modules.
struct Source {
    path: PathBuf,
    text: String,
    code: String,
}

#[test]
fn no_floor_names_one_above_it() {
    let faults = sources().into_iter().flat_map(|source| {
        let named = source.modules_named();
        let here = source.floor().to_owned();
        let wrong = named.into_iter().filter(move |there| !may_name(&here, there));
        wrong.map(move |there| format!("{} names crate::{there}", source.path.display())).collect::<Vec<_>>()
    });
    none(faults, "an import points upwards or sideways; the floors are cli > server > ... > store");
}

#[test]
fn a_library_is_named_only_where_it_belongs() {
    let sources = sources();
    let faults = LIBRARIES.iter().flat_map(|(names, homes)| {
        let strangers = sources.iter().filter(|source| !homes.contains(&source.floor()));
        let uses = strangers.flat_map(|source| names.iter().map(move |name| (source, name)));
        let uses = uses.filter(|(source, name)| paths(&source.code, name).next().is_some());
        uses.map(|(source, name)| format!("{} names {name}, which only {homes:?} may", source.path.display()))
            .collect::<Vec<_>>()
    });
    none(faults, "a library has left its floor");
}

#[test]
fn every_file_begins_with_its_job() {
    let faults = sources().into_iter().filter(|source| !source.text.starts_with("//! "));
    none(
        faults.map(|source| source.path.display().to_string()),
        "these files do not begin with `//!` and their one job",
    );
}

#[test]
fn a_module_with_children_stands_beside_their_folder() {
    let faults = sources().into_iter().filter(|source| source.path.ends_with("mod.rs"));
    none(faults.map(|source| source.path.display().to_string()), "write foo.rs beside foo/ in place of foo/mod.rs");
}

#[test]
fn the_reader_sees_what_it_must() {
    let code = without_comments_and_tests(
        "//! crate::cli\nuse crate::{cache::{CacheHit, cli}, served};\n#[cfg(test)]\nmod tests;\nfn f() { crate::store::get() } // crate::server\n\
         #[cfg(test)]\nmod inline {\n    use crate::cli;\n}\n",
    );
    let source = Source { path: "src/catalog/search.rs".into(), text: String::new(), code };
    assert_eq!(source.floor(), "catalog");
    assert_eq!(source.modules_named(), ["cache", "served", "store"]);
    assert!(may_name("catalog", "dispatch") && !may_name("dispatch", "catalog"));
}

fn may_name(here: &str, there: &str) -> bool {
    if here == there || ["lib", "main"].contains(&here) {
        return true;
    }
    if let Some((_, allowed)) = BESIDE.iter().find(|(name, _)| *name == here) {
        return allowed.contains(&there);
    }
    let height = |name: &str| FLOORS.iter().position(|floor| *floor == name);
    COMMON.contains(&there) || height(here).zip(height(there)).is_some_and(|(here, there)| here < there)
}

impl Source {
    /// The first name below `src`: `catalog` for `src/catalog.rs` and all of `src/catalog/`.
    fn floor(&self) -> &str {
        let first = self.path.components().nth(1).and_then(|name| name.as_os_str().to_str()).unwrap();
        first.trim_end_matches(".rs")
    }

    /// The modules at the root of the crate that the code names, by `crate::` or by climbing up to it.
    fn modules_named(&self) -> Vec<String> {
        let depth = self.path.components().count() - 1;
        let climb = format!("super{}", "::super".repeat(depth - 1));
        let named = ["crate", climb.as_str()].into_iter().flat_map(|root| paths(&self.code, root)).flat_map(heads);
        let mut modules: Vec<String> = Vec::new();
        for name in named.filter(|name| name.starts_with(char::is_lowercase)) {
            if !modules.contains(&name) {
                modules.push(name);
            }
        }
        modules
    }
}

/// What follows `root::` wherever it begins a path.
fn paths<'a>(code: &'a str, root: &'a str) -> impl Iterator<Item = &'a str> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let begins = move |at: &usize| !code[..*at].ends_with(is_part);
    let places = code.match_indices(root).map(|(at, _)| at).filter(begins);
    places.filter_map(move |at| code[at + root.len()..].strip_prefix("::"))
}

/// The first names of a path, which are several where it is a list in braces.
fn heads(path: &str) -> Vec<String> {
    let name = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let Some(list) = path.strip_prefix('{') else { return vec![name(path)] };
    let (mut depth, mut from, mut heads) = (1, 0, Vec::new());
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 || (depth == 1 && c == ',') {
            heads.push(name(list[from..at].trim_start()));
            from = at + 1;
        }
        if depth == 0 {
            break;
        }
    }
    heads
}

fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    walk(Path::new("src"), &mut found);
    assert!(found.len() > 50, "src was not read");
    found
}

fn walk(folder: &Path, found: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "tests") {
            walk(&path, found);
        } else if path.extension().is_some_and(|kind| kind == "rs") && !path.ends_with("tests.rs") {
            let text = fs::read_to_string(&path).unwrap();
            let code = without_comments_and_tests(&text);
            found.push(Source { path, text, code });
        }
    }
}

/// The lines of code. rustfmt closes a test module where it began, so indentation tells its end.
fn without_comments_and_tests(text: &str) -> String {
    let mut code = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.trim() != "#[cfg(test)]" {
            code.push_str(line.split("//").next().unwrap_or_default());
            code.push('\n');
            continue;
        }
        let indent = |line: &str| line.len() - line.trim_start().len();
        let goes_on = |next: &&str| indent(next) != indent(line) || !next.ends_with([';', '}']);
        lines.by_ref().take_while(goes_on).for_each(drop);
    }
    code
}

fn none(faults: impl IntoIterator<Item = String>, rule: &str) {
    let faults: Vec<String> = faults.into_iter().collect();
    assert!(faults.is_empty(), "{rule}:\n  {}", faults.join("\n  "));
}
