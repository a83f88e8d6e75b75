//! What a build without the cargo feature `sandbox` says when somebody asks for the sandbox.

use std::{convert::Infallible, ffi::OsString};

use clap::Args;

use super::Protocol;
use crate::{
    cli::exit::{Failure, Outcome},
    config::{Config, SandboxAccount},
};

const NO_SANDBOX: &str = "this build contains no sandbox; build one that does with \
                          `cargo build --release --features sandbox`, or use the compose service `sandbox`";

const EXAMPLES: &str = "\
Examples:
  stockroom sandbox        in a build with the cargo feature `sandbox`";

/// The ASINs that the greeting of `serve --sandbox` names.
pub(in crate::cli) const EXAMPLE_ASINS: Option<[&str; 2]> = None;

/// Runs a fake Amazon; this build contains none
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct RunSandbox {
    /// Whatever a build with the sandbox accepts here
    #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
    _arguments: Vec<OsString>,
}

/// A running sandbox, of which this build can have none.
pub(in crate::cli) struct RunningSandbox(Infallible);

impl RunSandbox {
    pub(in crate::cli) async fn run(self) -> Result<Outcome, Failure> {
        Err(no_sandbox())
    }
}

impl RunningSandbox {
    pub(in crate::cli) async fn stop(self) {
        match self.0 {}
    }
}

/// The accounts of a gateway in front of the sandbox.
pub(in crate::cli) fn accounts(_: Protocol) -> Result<Vec<SandboxAccount>, Failure> {
    Err(no_sandbox())
}

/// Starts the sandbox and points the accounts at it.
pub(in crate::cli) async fn start(_: &mut Config) -> Result<RunningSandbox, Failure> {
    Err(no_sandbox())
}

fn no_sandbox() -> Failure {
    Failure::Usage(NO_SANDBOX.to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::cli::{Cli, settings::Environment};

    #[tokio::test]
    async fn whoever_asks_for_the_sandbox_learns_how_to_get_one() {
        let uses: [&[&str]; 4] = [
            &["serve", "--sandbox"],
            &["serve", "--sandbox", "--protocol", "creators"],
            &["sandbox"],
            &["sandbox", "--rate", "1", "--tls"],
        ];
        for arguments in uses {
            let command = Cli::try_parse_from(["stockroom"].iter().chain(arguments)).unwrap().command;
            let failure = Box::pin(command.run(Environment::new())).await.unwrap_err();
            assert_eq!(failure.code(), 2, "{arguments:?}");
            assert!(failure.to_string().contains("contains no sandbox"), "{arguments:?}: {failure}");
            assert!(failure.to_string().contains("--features sandbox"), "{arguments:?}: {failure}");
        }
    }
}
