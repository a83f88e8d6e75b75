//! Reads the command line and starts one subcommand.

use std::process::ExitCode;

fn main() -> ExitCode {
    stockroom::cli::run(std::env::args_os(), std::env::vars_os())
}
