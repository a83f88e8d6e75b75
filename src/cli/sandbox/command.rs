//! `stockroom sandbox`: the fake Amazon on its own, for gateways and other clients of Amazon's APIs.

use std::{fs, net::SocketAddr, path::PathBuf, time::Duration};

use clap::Args;

use crate::cli::{
    exit::{Failure, Outcome},
    output::{Format, Output},
    parse,
    serve::{bind, shutdown_signal},
};
use amazon_catalog::Marketplace;
use amazon_sandbox::{InjectedFault, Sandbox, Tls};

const EXAMPLES: &str = "\
Examples:
  stockroom sandbox
  stockroom sandbox --rate 1 --per-day 100 --latency 300ms
  stockroom sandbox --tls --ca-out ca.pem
  stockroom sandbox --faults faults.toml

A script of faults is TOML, one [[fault]] each: kind, times (default 1), operation (default any), and what the kind needs. \
docs/sandbox.md lists the kinds, as status, hang, truncated, no-counts, repeated-pages or bad-byte. POST /sandbox/faults \
queues a script while the sandbox runs.

  [[fault]]
  kind = \"status\"
  status = 503
  times = 3

GET /sandbox/calls returns its counters as JSON: all calls, answers by HTTP status, and calls over the limits.";

/// Runs a fake Amazon: real HTTP, signatures and tokens, invented products
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct RunSandbox {
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8180")]
    listen: SocketAddr,
    /// Calls a second that it allows
    #[arg(long, value_name = "CALLS")]
    rate: Option<f64>,
    /// Calls a day that it allows
    #[arg(long, value_name = "CALLS")]
    per_day: Option<u32>,
    /// How long it waits before each answer
    #[arg(long, value_name = "DURATION", value_parser = parse::duration)]
    latency: Option<Duration>,
    /// A script of faults to play
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
    /// Serve HTTPS, with a certificate of its own
    #[arg(long)]
    tls: bool,
    /// Where to write the certificate authority that clients must trust
    #[arg(long, value_name = "FILE", requires = "tls")]
    ca_out: Option<PathBuf>,
}

impl RunSandbox {
    pub(in crate::cli) async fn run(self) -> Result<Outcome, Failure> {
        let options = self.options()?;
        let (rate, day) = (options.calls_per_second, options.calls_per_day);
        let shutdown = shutdown_signal()?;
        let listener = bind(self.listen).await?;
        let sandbox = Sandbox::start(listener, options).await.map_err(Failure::local("the sandbox cannot start"))?;
        // A closed stdout does not stop the sandbox.
        let _ = Output::stdout(Format::Table).text(&self.how_to_call(&sandbox.url(), rate, day));
        shutdown.await;
        sandbox.stop().await;
        Ok(Outcome::Done)
    }

    fn options(&self) -> Result<amazon_sandbox::Options, Failure> {
        let mut options = amazon_sandbox::Options::default();
        options.calls_per_second = self.rate.unwrap_or(options.calls_per_second);
        options.calls_per_day = self.per_day.unwrap_or(options.calls_per_day);
        options.latency = self.latency.unwrap_or(options.latency);
        if let Some(file) = &self.faults {
            let name = file.display();
            let script = fs::read_to_string(file).map_err(Failure::local(format!("{name} cannot be read")))?;
            options.faults =
                InjectedFault::parse_script(&script).map_err(|why| Failure::Usage(format!("{name}: {why}")))?;
        }
        if self.tls {
            let tls = Tls::self_signed().map_err(Failure::local("no certificate can be made"))?;
            if let Some(file) = &self.ca_out {
                let cannot = Failure::local(format!("{} cannot be written", file.display()));
                fs::write(file, tls.ca_pem()).map_err(cannot)?;
            }
            options.tls = Some(tls);
        }
        Ok(options)
    }

    fn how_to_call(&self, url: &str, rate: f64, day: u32) -> String {
        let tags = Marketplace::all().map(|m| format!("{} = \"{}\"", m.code(), amazon_sandbox::partner_tag(m)));
        let tags: Vec<String> = tags.collect();
        // An absolute path: the gateway may run in another folder.
        let absolute = |file: &PathBuf| fs::canonicalize(file).unwrap_or_else(|_| file.clone()).display().to_string();
        let ca_file = self.ca_out.as_ref().map(|file| format!("ca_file = {:?}\n", absolute(file)));
        format!(
            "A fake Amazon listens on {url}; all products are invented.\n\nTo put a gateway in front of it, in stockroom.toml:\n\n\
             [accounts.sandbox]\nprotocol = \"paapi5\"\naccess_key = \"{}\"\nsecret_key = \"{}\"\nendpoint = \"{url}\"\n{}\
             calls_per_second = {rate}\ncalls_per_day = {day}\npartner_tags = {{ {} }}\n\n\
             The Creators API is at the same address. Its credentials, and where each gets its tokens:\n\n{}\n",
            amazon_sandbox::ACCESS_KEY,
            amazon_sandbox::SECRET_KEY,
            ca_file.unwrap_or_default(),
            tags.join(", "),
            credentials(url)
        )
    }
}

/// One line for each version: id, secret, and the token's URL.
fn credentials(url: &str) -> String {
    let line = |version| {
        let (id, secret) = amazon_sandbox::credential(version)?;
        Some(format!("{version}  {id}  {secret}  {url}{}\n", amazon_sandbox::token_path(version)?))
    };
    amazon_sandbox::credential_versions().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::config::{Config, Settings};

    #[derive(Parser)]
    struct Alone {
        #[command(flatten)]
        command: RunSandbox,
    }

    #[test]
    fn the_configuration_that_it_prints_is_valid() {
        let printed = Alone::parse_from(["stockroom"]).command.how_to_call("http://127.0.0.1:8180", 1.0, 8640);
        let (_, toml) = printed.split_once("stockroom.toml:").unwrap();
        let (toml, _) = toml.split_once("The Creators API").unwrap();
        let config = Config::from_settings(&Settings::default().file("stockroom.toml", toml)).unwrap();
        assert_eq!(config.accounts[0].partner_tags.len(), 22);
    }

    #[test]
    fn the_documentation_lists_every_kind_of_fault() {
        let page = include_str!("../../../docs/sandbox.md");
        for kind in InjectedFault::kinds() {
            assert!(
                page.lines()
                    .any(|line| line.starts_with(&format!("| `{kind}` |")) || line.starts_with(&format!("`{kind}` "))),
                "{kind}"
            );
        }
        for (_, name, operations, effect) in amazon_sandbox::ODD_ANSWERS {
            let operations: Vec<_> = operations.iter().map(|operation| operation.name()).collect();
            let row = format!("| `{name}` | {} | {effect} |", operations.join(", "));
            assert!(page.lines().any(|line| line == row), "docs/sandbox.md has no row {row}");
        }
    }

    #[test]
    fn a_file_for_the_certificate_needs_tls() {
        let error = Alone::try_parse_from(["stockroom", "--ca-out", "ca.pem"]).map(drop).unwrap_err();
        assert_eq!(error.kind(), clap::error::ErrorKind::MissingRequiredArgument);
    }
}
