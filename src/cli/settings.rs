//! Where a gateway's settings come from, and `stockroom config`, which shows what they come to.

use std::{ffi::OsString, fs, path::PathBuf};

use clap::Args;

use super::{
    exit::{Failure, Outcome},
    out::{Format, Out},
};
use crate::config::{self, Config, Fault, Faults, Settings};

/// The file that is read where none is named and this one exists.
const DEFAULT_FILE: &str = "stockroom.toml";

/// The environment, as it was when the program started.
pub(super) type Environment = Vec<(OsString, OsString)>;

/// Where the settings are.
#[derive(Args, Debug)]
pub(super) struct Sources {
    /// The configuration file [default: stockroom.toml, if there is one]
    #[arg(long, value_name = "FILE", env = "STOCKROOM_CONFIG")]
    config: Option<PathBuf>,
}

/// Checks the configuration and shows it, each value with where it came from; secrets stay hidden
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  stockroom config\n  stockroom config --config production.toml\n  stockroom config --reference"
)]
pub(super) struct ShowConfig {
    #[command(flatten)]
    sources: Sources,
    /// The reference of all keys, as Markdown
    #[arg(long)]
    reference: bool,
}

impl Sources {
    /// The settings of the file and, above them, of the environment.
    pub(super) fn load(&self, environment: Environment) -> Result<Settings, Failure> {
        let named = self.config.clone().or_else(|| Some(PathBuf::from(DEFAULT_FILE)).filter(|file| file.exists()));
        let settings = match named {
            Some(file) => {
                let path = file.display().to_string();
                let text = fs::read_to_string(&file).map_err(|error| unreadable(&path, &error))?;
                Settings::default().file(&path, &text)
            }
            None => Settings::default(),
        };
        Ok(settings.environment(environment))
    }
}

impl ShowConfig {
    pub(super) fn run(self, environment: Environment) -> Result<Outcome, Failure> {
        let text = if self.reference {
            config::reference()
        } else {
            let settings = self.sources.load(environment)?;
            Config::from_settings(&settings)?.effective(&settings)
        };
        Out::stdout(Format::Table).text(&text)?;
        Ok(Outcome::Done)
    }
}

fn unreadable(path: &str, error: &std::io::Error) -> Failure {
    let problem = format!("{path} cannot be read: {error}");
    Failure::Config(Faults(vec![Fault { key: String::new(), value: None, origin: None, problem }]))
}
