//! The sources of a gateway's settings, and `stockroom config`, which checks and prints them.

use std::{
    ffi::OsString,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use clap::Args;
use serde_json::json;

use super::{
    exit::{Failure, Outcome},
    output::{Format, Output},
};
use crate::config::{self, Config, ConfigError, ConfigErrors, Settings};

/// The file that is read if none is named and this one exists.
const DEFAULT_FILE: &str = "stockroom.toml";

const EXAMPLES: &str = "\
Examples:
  stockroom config
  stockroom config --config production.toml --json
  stockroom config --reference
  stockroom config --schema > stockroom.schema.json";

/// The environment, as it was when the program started.
pub(super) type Environment = Vec<(OsString, OsString)>;

/// Where the settings are.
#[derive(Args, Debug)]
pub(super) struct Sources {
    /// The configuration file [default: stockroom.toml, if there is one]
    #[arg(long, value_name = "FILE", env = "STOCKROOM_CONFIG")]
    config: Option<PathBuf>,
}

/// Checks the configuration and prints every value with its origin; secrets are hidden
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct ShowConfig {
    #[command(flatten)]
    sources: Sources,
    /// Print the configuration, or its errors, as JSON
    #[arg(long)]
    json: bool,
    /// Print the reference of all keys, as Markdown
    #[arg(long, conflicts_with = "json")]
    reference: bool,
    /// Print a JSON Schema of the configuration file
    #[arg(long, conflicts_with_all = ["json", "reference"])]
    schema: bool,
}

impl Sources {
    /// The file that is read, if there is one.
    pub(super) fn file(&self) -> Option<PathBuf> {
        self.config.clone().or_else(|| Some(PathBuf::from(DEFAULT_FILE)).filter(|file| file.exists()))
    }

    /// The settings of the file, overridden by those of the environment.
    pub(super) fn load(&self, environment: Environment) -> Result<Settings, Failure> {
        let settings = match self.file() {
            Some(file) => {
                let path = file.display().to_string();
                let text = fs::read_to_string(&file).map_err(|error| unreadable(&file, &error))?;
                Settings::default().file(&path, &text)
            }
            None => Settings::default(),
        };
        Ok(settings.environment(environment))
    }
}

impl ShowConfig {
    pub(super) fn run(self, environment: Environment) -> Result<Outcome, Failure> {
        let mut out = Output::stdout(Format::Table);
        if self.reference {
            out.text(&config::reference())?;
        } else if self.schema {
            out.text(&pretty(&config::schema()))?;
        } else {
            self.show(environment, &mut out)?;
        }
        Ok(Outcome::Done)
    }

    fn show(&self, environment: Environment, out: &mut Output) -> Result<(), Failure> {
        let checked = self.sources.load(environment).and_then(|settings| {
            let (_, effective) = Config::with_effective(&settings)?;
            Ok(effective)
        });
        match checked {
            Ok(effective) => {
                for warning in effective.warnings() {
                    // A warning that nobody can read changes nothing.
                    let _ = writeln!(io::stderr(), "warning: {warning}");
                }
                let text = if self.json { pretty(&effective.to_json()) } else { effective.to_toml() };
                out.text(&text)
            }
            Err(Failure::Config(errors)) if self.json => {
                out.text(&pretty(&json!({ "errors": errors.0 })))?;
                Err(Failure::Config(errors))
            }
            Err(failure) => Err(failure),
        }
    }
}

fn pretty(json: &serde_json::Value) -> String {
    format!("{json:#}\n")
}

fn unreadable(file: &Path, error: &io::Error) -> Failure {
    let mut problem = format!("{} cannot be read: {error}", file.display());
    if file.is_dir() {
        problem.push_str("; it is a folder, which is what a container's bind mount creates for a file that is missing");
    }
    Failure::Config(ConfigErrors(vec![ConfigError::new("", problem)]))
}

/// The gateway that the configuration here describes: `listen` of the environment or of the file. `None` without either.
pub(super) fn default_server(environment: &Environment) -> Option<String> {
    let file = environment.iter().find(|(name, _)| name == "STOCKROOM_CONFIG").map(|(_, file)| PathBuf::from(file));
    // A file that cannot be read is an error of the commands that need it, and not of a client.
    let settings = Sources { config: file }.load(environment.clone()).ok()?;
    let mut address = settings.listen()?;
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    let scheme = if settings.has_tls() { "https" } else { "http" };
    Some(format!("{scheme}://{address}"))
}
