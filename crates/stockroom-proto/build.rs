//! Compiles `proto/` without protoc: messages, file descriptors and, with the feature `client`, client stubs.

use std::{env, error::Error, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    println!("cargo:rerun-if-changed=proto");

    let mut sources: Vec<PathBuf> =
        fs::read_dir("proto/stockroom/v1")?.map(|entry| Ok(entry?.path())).collect::<Result<_, std::io::Error>>()?;
    sources.sort();
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).include_source_info(true).open_files(sources)?;
    fs::write(out.join("stockroom_descriptor.bin"), compiler.encode_file_descriptor_set())?;

    tonic_prost_build::configure()
        .build_client(env::var_os("CARGO_FEATURE_CLIENT").is_some())
        .build_server(false)
        .build_transport(false)
        .bytes(".")
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
