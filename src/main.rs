//! Reads the command line and starts one subcommand.

fn main() {}
