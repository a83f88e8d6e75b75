//! Compiles `proto/` twice, without protoc: once as the plain types and clients, once as the server's view of them.
//!
//! In the server's view every embedded `Product` is `bytes`: what the cache holds encoded goes to the wire without being
//! decoded. Only messages that carry a product differ between the two; all others are the plain types.
//!
//! It also gives the binary the commit that it is built from.

#![expect(clippy::disallowed_methods, reason = "cargo speaks to a build script through the environment")]

use std::{
    collections::{HashMap, HashSet},
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use prost_types::{FileDescriptorSet, field_descriptor_proto::Type};

const PACKAGE: &str = "stockroom.v1";
const PRODUCT: &str = ".stockroom.v1.Product";

fn main() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    println!("cargo:rerun-if-changed=proto");
    let (version, commit) = (env::var("CARGO_PKG_VERSION")?, commit());
    let version = commit.as_ref().map_or_else(|| version.clone(), |commit| format!("{version} ({commit})"));
    println!("cargo:rustc-env=STOCKROOM_VERSION={version}");
    println!("cargo:rustc-env=STOCKROOM_COMMIT={}", commit.as_deref().unwrap_or("unknown"));

    let mut sources: Vec<PathBuf> =
        fs::read_dir("proto/stockroom/v1")?.map(|entry| Ok(entry?.path())).collect::<Result<_, std::io::Error>>()?;
    sources.sort();
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).open_files(sources)?;
    let plain = compiler.file_descriptor_set();

    let served = out.join("served");
    fs::create_dir_all(&served)?;
    let mut view = tonic_prost_build::configure().build_client(false).bytes(".").out_dir(served);
    for name in names_without_product(&plain) {
        view = view.extern_path(format!(".{PACKAGE}.{name}"), format!("::stockroom_proto::pb::{name}"));
    }
    view.compile_fds(with_products_as_bytes(plain))?;
    Ok(())
}

/// The commit: what the environment says, where the repository is not at hand as in an image's build, or else what git says
/// of this folder. Only in release builds, as it compiles the crate anew after each commit.
fn commit() -> Option<String> {
    println!("cargo:rerun-if-env-changed=STOCKROOM_COMMIT");
    let named = env::var("STOCKROOM_COMMIT").ok().filter(|commit| !commit.is_empty());
    if named.is_some() || env::var("PROFILE").as_deref() != Ok("release") {
        return named;
    }
    // A source archive may lie inside somebody else's repository.
    let is_own = Path::new(&git(&["rev-parse", "--show-toplevel"])?).canonicalize().ok()? == env::current_dir().ok()?;
    if !is_own {
        return None;
    }
    for file in ["HEAD", "logs/HEAD"] {
        let path = git(&["rev-parse", "--git-path", file]).filter(|path| Path::new(path).exists());
        path.into_iter().for_each(|path| println!("cargo:rerun-if-changed={path}"));
    }
    git(&["rev-parse", "--short=12", "HEAD"])
}

/// What git prints; `None` where it fails or is not installed.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}

/// The messages and enums of the package that hold no product, directly or further down.
fn names_without_product(files: &FileDescriptorSet) -> Vec<String> {
    let mut fields: HashMap<String, Vec<String>> = HashMap::new();
    let mut enums = Vec::new();
    for file in files.file.iter().filter(|file| file.package() == PACKAGE) {
        for message in &file.message_type {
            let types = message.field.iter().map(|field| field.type_name().to_owned()).collect();
            fields.insert(message.name().to_owned(), types);
        }
        enums.extend(file.enum_type.iter().map(|e| e.name().to_owned()));
    }
    let mut carriers: HashSet<String> = HashSet::new();
    loop {
        let found: Vec<String> = fields
            .iter()
            .filter(|(name, types)| {
                !carriers.contains(*name)
                    && types.iter().any(|t| {
                        t == PRODUCT
                            || t.strip_prefix(&format!(".{PACKAGE}.")).is_some_and(|short| carriers.contains(short))
                    })
            })
            .map(|(name, _)| name.clone())
            .collect();
        if found.is_empty() {
            break;
        }
        carriers.extend(found);
    }
    fields.into_keys().filter(|name| !carriers.contains(name)).chain(enums).collect()
}

fn with_products_as_bytes(mut files: FileDescriptorSet) -> FileDescriptorSet {
    let fields = files.file.iter_mut().flat_map(|file| &mut file.message_type).flat_map(|message| &mut message.field);
    for field in fields.filter(|field| field.type_name() == PRODUCT) {
        field.set_type(Type::Bytes);
        field.type_name = None;
    }
    files
}
