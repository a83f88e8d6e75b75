//! Reads the command line and starts one subcommand.

use std::process::ExitCode;

/// A call allocates and frees some thirty small pieces, which glibc takes twice the time for.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    stockroom::cli::run(std::env::args_os(), std::env::vars_os())
}
