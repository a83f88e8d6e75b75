//! `stockroom check`: tries what a configuration names, without serving it.

use std::io::{self, Write as _};

use clap::Args;
use serde_json::json;

use super::{
    exit::{Failure, Outcome},
    output::{Format, Output},
    settings::{Environment, Sources},
};
use crate::{
    config::Config,
    gateway::preflight::{self, Finding, Problem},
};

const EXAMPLES: &str = "\
Examples:
  stockroom check
  stockroom check --config production.toml --spend
  stockroom check --json | jq '.checks[] | select(.ok | not)'";

/// Checks the configuration and what it names: secrets, certificate, Redis, accounts, clock
///
/// The exit code is 0 if all is well, 64 if the configuration is wrong, and 1 if anything else is.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Check {
    #[command(flatten)]
    sources: Sources,
    /// Make one call to Amazon for each account; it counts against the account's day
    #[arg(long)]
    spend: bool,
    /// Print the results as JSON
    #[arg(long)]
    json: bool,
}

impl Check {
    pub(super) async fn run(self, environment: Environment) -> Result<Outcome, Failure> {
        let mut out = Output::stdout(Format::Table);
        let read = self.sources.load(environment).and_then(|settings| Ok(Config::with_effective(&settings)?));
        let (config, effective) = match read {
            Ok(read) => read,
            Err(failure) => {
                let what = "it cannot be used".to_owned();
                let what_next = "correct the errors that `stockroom config` lists".to_owned();
                let finding = Finding { subject: "configuration".to_owned(), result: Err(Problem { what, what_next }) };
                out.text(&self.text(&[finding]))?;
                return Err(failure);
            }
        };
        for warning in effective.warnings() {
            // A warning that nobody can read changes nothing.
            let _ = writeln!(io::stderr(), "warning: {warning}");
        }
        let source = self.sources.file().map_or("the environment".to_owned(), |file| file.display().to_string());
        let mut findings =
            vec![Finding { subject: "configuration".to_owned(), result: Ok(format!("read from {source}")) }];
        findings.extend(preflight::check(&config, self.spend).await);
        out.text(&self.text(&findings))?;
        let is_well = findings.iter().all(|finding| finding.result.is_ok());
        Ok(if is_well { Outcome::Done } else { Outcome::Nothing })
    }

    fn text(&self, findings: &[Finding]) -> String {
        if self.json { as_json(findings) } else { findings.iter().map(line).collect() }
    }
}

fn line(finding: &Finding) -> String {
    let subject = &finding.subject;
    match &finding.result {
        Ok(found) => format!("✓ {subject}: {found}\n"),
        Err(Problem { what, what_next }) => format!("✗ {subject}: {what}. {}\n", capitalised(what_next)),
    }
}

/// A sentence from the words of an instruction.
fn capitalised(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map(|first| format!("{}{}", first.to_uppercase(), rest.as_str())).unwrap_or_default()
}

fn as_json(findings: &[Finding]) -> String {
    let checks: Vec<_> = findings
        .iter()
        .map(|finding| match &finding.result {
            Ok(found) => json!({ "subject": finding.subject, "ok": true, "found": found }),
            Err(Problem { what, what_next }) => {
                json!({ "subject": finding.subject, "ok": false, "problem": what, "what_next": what_next })
            }
        })
        .collect();
    let is_well = findings.iter().all(|finding| finding.result.is_ok());
    format!("{:#}\n", json!({ "ok": is_well, "checks": checks }))
}
