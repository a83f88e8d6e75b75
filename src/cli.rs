//! The command line: one file for each subcommand or family of them.
//!
//! It alone reads the environment, once, and writes to stdout. What the commands know of products they know from a
//! gateway, through [`stockroom_client`].

use std::{ffi::OsString, process::ExitCode};

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use tokio::runtime::Builder;

use self::{
    exit::{Failure, Outcome},
    settings::Environment,
};

mod browse;
mod browse_lists;
mod check;
mod compare;
mod completions;
mod exit;
mod files;
mod format;
mod json;
mod mcp;
mod next_command;
#[cfg(all(test, feature = "sandbox"))]
mod one_price;
mod output;
mod page;
mod parse;
mod product;
mod product_table;
mod reload;
mod remote;
mod sandbox;
mod search;
mod serve;
mod settings;
mod status;

const EXAMPLES: &str = "\
First steps:
  stockroom serve --sandbox                  a gateway with invented products, no account needed
  stockroom search wireless headphones       in another terminal
";

/// A gRPC gateway in front of Amazon's product catalog, and its client
#[derive(Debug, Parser)]
#[command(version = env!("STOCKROOM_VERSION"), after_help = format!("{EXAMPLES}\n{}", exit::CODES))]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Serve),
    Sandbox(sandbox::RunSandbox),
    Search(Box<search::Search>),
    Product(product::Product),
    Compare(compare::Compare),
    Browse(browse::Browse),
    Categories(browse_lists::Categories),
    Trending(browse_lists::Trending),
    Deals(browse_lists::Deals),
    Marketplaces(browse_lists::Marketplaces),
    Feeds(files::Feeds),
    Reports(files::Reports),
    Status(status::Status),
    Purge(status::PurgeArgs),
    Health(status::HealthArgs),
    Mcp(mcp::Mcp),
    Reload(reload::ReloadArgs),
    Config(settings::ShowConfig),
    Check(check::Check),
    Completions(completions::Completions),
    Man(completions::Man),
}

/// Runs the subcommand that the arguments name, and returns its exit code; `--help` lists the codes.
pub fn run(
    arguments: impl IntoIterator<Item = OsString>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let environment: Environment = environment.into_iter().collect();
    let typed = arguments.iter().skip(1).map(|word| word.to_string_lossy().into_owned());
    next_command::set_arguments(typed.collect());
    let server = settings::default_server(&environment);
    let matches = with_default_server(Cli::command(), server).get_matches_from(arguments);
    let command = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli.command,
        Err(error) => error.exit(),
    };
    let runtime = runtime().enable_all().build();
    let result = match runtime.map_err(Failure::local("no threads can be started")) {
        Ok(runtime) => runtime.block_on(Box::pin(command.run(environment))),
        Err(failure) => Err(failure),
    };
    exit::report(result)
}

/// Every command that calls a gateway calls the one that the configuration here describes, unless a flag names another.
fn with_default_server(cli: clap::Command, server: Option<String>) -> clap::Command {
    // Clap wants texts that live as long as the process, which makes this one once.
    let Some(server) = server.map(|server| &*server.leak()) else { return cli };
    let names: Vec<String> = cli.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    names.into_iter().fold(cli, |cli, name| {
        cli.mut_subcommand(name, |command| {
            let calls = command.get_arguments().any(|argument| argument.get_id() == "server");
            if calls { command.mut_arg("server", |argument| argument.default_value(&*server)) } else { command }
        })
    })
}

/// The runtime for the cores that this process may use. One core needs no scheduler of several threads.
fn runtime() -> Builder {
    match std::thread::available_parallelism() {
        Ok(cores) if cores.get() == 1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    }
}

impl Command {
    async fn run(self, environment: Environment) -> Result<Outcome, Failure> {
        match self {
            Self::Serve(command) => command.run(environment).await,
            Self::Sandbox(command) => command.run().await,
            Self::Search(command) => command.run().await,
            Self::Product(command) => command.run().await,
            Self::Compare(command) => command.run().await,
            Self::Browse(command) => command.run().await,
            Self::Categories(command) => command.run().await,
            Self::Trending(command) => command.run().await,
            Self::Deals(command) => command.run().await,
            Self::Marketplaces(command) => command.run().await,
            Self::Feeds(command) => command.run().await,
            Self::Reports(command) => command.run().await,
            Self::Status(command) => command.run().await,
            Self::Purge(command) => command.run().await,
            Self::Health(command) => command.run().await,
            Self::Mcp(command) => command.run().await,
            Self::Reload(command) => command.run().await,
            Self::Config(command) => command.run(environment),
            Self::Check(command) => command.run(environment).await,
            Self::Completions(command) => command.run(),
            Self::Man(command) => command.run(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::error::ErrorKind;

    use super::*;

    #[test]
    fn the_commands_are_well_formed_and_each_teaches_by_example() {
        let mut cli = Cli::command();
        cli.build();
        cli.clone().debug_assert();
        for command in cli.get_subcommands().filter(|command| command.get_name() != "help") {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Examples:\n  stockroom "), "{}", command.get_name());
            assert!(command.get_about().is_some(), "{}", command.get_name());
        }
    }

    #[test]
    fn arguments_that_make_no_sense_are_refused() {
        let cases: [(&[&str], ErrorKind); 7] = [
            (&["compare", "B000000001"], ErrorKind::TooFewValues),
            (&["search", "lamp", "--max-price", "$5"], ErrorKind::ValueValidation),
            (&["search", "lamp", "--all", "--page-size", "5"], ErrorKind::ArgumentConflict),
            (&["search", "lamp", "--json", "--format", "table"], ErrorKind::ArgumentConflict),
            (&["search", "lamp", "--timeout", "10"], ErrorKind::ValueValidation),
            (&["purge"], ErrorKind::MissingRequiredArgument),
            (&["purge", "B000000001", "--everything"], ErrorKind::ArgumentConflict),
        ];
        for (arguments, kind) in cases {
            let parsed = Cli::try_parse_from(["stockroom"].iter().chain(arguments));
            assert_eq!(parsed.map(drop).map_err(|error| error.kind()), Err(kind), "{arguments:?}");
        }
    }

    #[tokio::test]
    async fn what_stands_in_the_way_has_its_exit_code() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let (empty, missing) = (file("empty.toml", ""), folder.path().join("missing.toml").display().to_string());
        let account = "[accounts.main]\naccess_key = \"a\"\nsecret_key = \"b\"\npartner_tags.US = \"demo-20\"\n";
        let account = file("account.toml", account);
        let cases: [(&[&str], u8); 5] = [
            (&["serve", "--config", &empty], 64),
            (&["serve", "--config", &missing], 64),
            (&["serve", "--config", &account, "--listen", "everywhere"], 64),
            (&["health", "--server", "http://"], 2),
            (&["product", "B000000001", "B000000002", "--variations"], 2),
        ];
        for (arguments, code) in cases {
            let command = Cli::try_parse_from(["stockroom"].iter().chain(arguments)).unwrap().command;
            let failure = Box::pin(command.run(Environment::new())).await.unwrap_err();
            assert_eq!(failure.code(), code, "{failure}");
        }
    }

    #[test]
    fn a_token_is_in_no_debug_output() {
        let cli = Cli::try_parse_from(["stockroom", "status", "--token", "open-sesame"]).unwrap();
        assert!(!format!("{cli:?}").contains("sesame"));
    }
}
