//! Proves from the sources what ARCHITECTURE.md states about them: which layer may import which, where a library may be
//! named, and which crate of the workspace may depend on which.
//!
//! Only code counts: the test removes comments and test modules before it searches.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The layers of `src` from the top. A layer may import those below it.
const LAYERS: [&str; 8] = ["cli", "admin", "server", "gateway", "catalog", "cache", "dispatch", "store"];
/// The modules that every layer may import. They import no layer, except as [`BESIDE`] says.
const COMMON: [&str; 6] = ["clock", "config", "format", "metrics", "telemetry", "served"];
/// Modules outside the layers, with everything that they may import.
const BESIDE: [(&str, &[&str]); 4] = [("config", &[]), ("format", &[]), ("metrics", &[]), ("telemetry", &["config"])];

/// Libraries that only some layers may name. A file at the root of `src` belongs to the layer of its name.
const LIBRARIES: [(&[&str], &[&str]); 10] = [
    (&["opentelemetry", "opentelemetry_otlp", "opentelemetry_sdk"], &["telemetry"]),
    (&["tonic", "tonic_health", "tonic_reflection", "tonic_web"], &["server", "lib"]),
    // opentelemetry-otlp re-exports under this name the types in which it takes the settings of TLS.
    (&["tonic_types"], &["server", "lib", "telemetry"]),
    (&["bb8_redis", "redis"], &["store"]),
    (&["moka"], &["cache"]),
    (&["hyper", "hyper_util"], &["admin", "server"]),
    (&["clap", "clap_complete", "clap_mangen", "terminal_size", "unicode_width"], &["cli"]),
    (&["rmcp", "schemars"], &["cli"]),
    (&["stockroom_client"], &["cli"]),
    (&["amazon_sandbox"], &["cli"]),
];

/// The crates of the workspace, each with the others that its code may use. Tests may use more.
const CRATES: [(&str, &[&str]); 5] = [
    ("stockroom-proto", &[]),
    ("stockroom-client", &["stockroom-proto"]),
    ("amazon-catalog", &["stockroom-proto"]),
    ("amazon-sandbox", &["amazon-catalog"]),
    ("stockroom", &["amazon-catalog", "amazon-sandbox", "stockroom-client", "stockroom-proto"]),
];

/// Names that several types may have: an `Error` and the `Options` of a module are written with their module, and a build
/// with the sandbox has another `RunSandbox` than one without.
const REPEATED_TYPES: [&str; 3] = ["Error", "Options", "RunSandbox"];

/// One source file: its text, and its code without comments and test modules.
struct Source {
    path: PathBuf,
    text: String,
    code: String,
}

#[test]
fn no_layer_imports_one_above_it() {
    let faults = sources().into_iter().flat_map(|source| {
        let named = source.modules_named();
        let here = source.layer().to_owned();
        let wrong = named.into_iter().filter(move |there| !may_name(&here, there));
        wrong.map(move |there| format!("{} names crate::{there}", source.path.display())).collect::<Vec<_>>()
    });
    none(faults, "an import points upwards or sideways; the layers are cli > server > ... > store");
}

#[test]
fn a_library_is_named_only_where_it_belongs() {
    let sources = sources();
    let faults = LIBRARIES.iter().flat_map(|(names, homes)| {
        let others = sources.iter().filter(|source| !homes.contains(&source.layer()));
        let uses = others.flat_map(|source| names.iter().map(move |name| (source, name)));
        let uses = uses.filter(|(source, name)| paths(&source.code, name).next().is_some());
        uses.map(|(source, name)| format!("{} names {name}, which only {homes:?} may", source.path.display()))
            .collect::<Vec<_>>()
    });
    none(faults, "a library is named outside its layers");
}

#[test]
fn a_crate_depends_only_on_those_below_it() {
    let mut faults = Vec::new();
    for (package, allowed) in CRATES {
        let folder = if package == "stockroom" { ".".to_owned() } else { format!("crates/{package}") };
        let manifest = fs::read_to_string(format!("{folder}/Cargo.toml")).unwrap();
        let manifest: toml::Table = toml::from_str(&manifest).unwrap();
        for section in ["dependencies", "build-dependencies"] {
            let named = manifest.get(section).and_then(toml::Value::as_table).into_iter().flat_map(toml::Table::keys);
            let ours = named.filter(|name| CRATES.iter().any(|(package, _)| package == name));
            let wrong = ours.filter(|name| !allowed.contains(&name.as_str()));
            faults.extend(wrong.map(|name| format!("{package} has {name} among its {section}")));
        }
    }
    none(faults, "a crate depends on one that is not below it");
}

#[test]
fn every_crate_of_the_workspace_is_checked() {
    let mut folders: Vec<String> =
        fs::read_dir("crates").unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    folders.push("stockroom".to_owned());
    folders.sort();
    let mut checked = CRATES.map(|(package, _)| package.to_owned());
    checked.sort();
    assert_eq!(folders, checked);
}

#[test]
fn every_file_begins_with_its_responsibility() {
    let faults = all_sources().into_iter().filter(|source| !source.text.starts_with("//! "));
    none(
        faults.map(|source| source.path.display().to_string()),
        "these files do not begin with `//!` and their responsibility",
    );
}

#[test]
fn no_module_is_in_a_mod_rs() {
    let faults = all_sources().into_iter().filter(|source| source.path.ends_with("mod.rs"));
    none(faults.map(|source| source.path.display().to_string()), "write foo.rs beside foo/ in place of foo/mod.rs");
}

#[test]
fn a_type_has_a_name_of_its_own() {
    let mut declared: Vec<(String, PathBuf)> = Vec::new();
    for source in all_sources() {
        let types = types_declared(&source.code).filter(|name| !REPEATED_TYPES.contains(name));
        declared.extend(types.map(|name| (name.to_owned(), source.path.clone())));
    }
    assert!(declared.len() > 300, "the declarations were not found");
    declared.sort();
    let repeated = declared.windows(2).filter_map(|pair| match pair {
        [(name, one), (other, two)] if name == other => {
            Some(format!("{name} in {} and {}", one.display(), two.display()))
        }
        _ => None,
    });
    none(repeated, "a name stands for two types, so a reader of one file cannot know which is meant");
}

#[test]
fn the_search_finds_types_of_modules_and_no_others() {
    let found =
        "pub(crate) struct One<T> {\n    enum Two {\npub trait Three: Debug {\npub(in crate::cli) struct Four(u8);\n";
    assert_eq!(types_declared(found).collect::<Vec<_>>(), ["One", "Two", "Three", "Four"]);
    let others = "type Alias = u8;\n        struct Local;\nlet enumerated = 1;\nimpl Trait for One {\n";
    assert_eq!(types_declared(others).count(), 0);
}

#[test]
fn the_search_finds_imports_in_code_only() {
    let code = without_comments_and_tests(
        "//! crate::cli\nuse crate::{cache::{CacheHit, cli}, served};\n#[cfg(test)]\nmod tests;\nfn f() { crate::store::get() } // crate::server\n\
         #[cfg(test)]\nmod inline {\n    use crate::cli;\n}\n",
    );
    let source = Source { path: "src/catalog/search.rs".into(), text: String::new(), code };
    assert_eq!(source.layer(), "catalog");
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
    let height = |name: &str| LAYERS.iter().position(|floor| *floor == name);
    COMMON.contains(&there) || height(here).zip(height(there)).is_some_and(|(here, there)| here < there)
}

impl Source {
    /// The first name below `src`: `catalog` for `src/catalog.rs` and all of `src/catalog/`.
    fn layer(&self) -> &str {
        let first = self.path.components().nth(1).and_then(|name| name.as_os_str().to_str()).unwrap();
        first.trim_end_matches(".rs")
    }

    /// The modules at the root of the crate that the code names through `crate::` or enough `super::`.
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

/// The names of the types that a module declares, also through a macro; those in functions are indented deeper.
fn types_declared(code: &str) -> impl Iterator<Item = &str> {
    code.lines().filter(|line| line.len() - line.trim_start().len() <= 4).filter_map(|line| {
        let mut words = line.split_whitespace().skip_while(|word| word.starts_with("pub") || word.ends_with(')'));
        let is_type = words.next().is_some_and(|word| ["struct", "enum", "trait", "union"].contains(&word));
        words.next()?.split(|c: char| !c.is_alphanumeric() && c != '_').next().filter(|_| is_type)
    })
}

/// The rest of every path that begins with `root::`.
fn paths<'a>(code: &'a str, root: &'a str) -> impl Iterator<Item = &'a str> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let begins = move |at: &usize| !code[..*at].ends_with(is_part);
    let places = code.match_indices(root).map(|(at, _)| at).filter(begins);
    places.filter_map(move |at| code[at + root.len()..].strip_prefix("::"))
}

/// The first segments of a path: one, or several where the path is a list in braces.
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

/// The sources of every crate of the workspace.
fn all_sources() -> Vec<Source> {
    let mut found = sources();
    for (package, _) in CRATES.iter().filter(|(package, _)| *package != "stockroom") {
        let before = found.len();
        walk(&Path::new("crates").join(package).join("src"), &mut found);
        assert!(found.len() > before, "{package} was not read");
    }
    found
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

/// The lines of code. rustfmt closes a test module at the indentation where it opens, which marks its end.
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
