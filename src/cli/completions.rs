//! `stockroom completions` and `man`: what a package installs beside the binary.

use std::path::PathBuf;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{
    Cli,
    exit::{Failure, Outcome},
    output::{Format, Output},
};

/// Print a completion script for a shell
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  stockroom completions bash\n  stockroom completions zsh\n  stockroom completions fish"
)]
pub(super) struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Print the manual page, or write those of all commands to a folder
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  stockroom man\n  stockroom man --out .")]
pub(super) struct Man {
    /// The folder for the pages of all commands
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

impl Completions {
    pub(super) fn run(self) -> Result<Outcome, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "stockroom", &mut script);
        Output::stdout(Format::Table).text(&String::from_utf8_lossy(&script))?;
        Ok(Outcome::Done)
    }
}

impl Man {
    pub(super) fn run(self) -> Result<Outcome, Failure> {
        match self.out {
            Some(folder) => clap_mangen::generate_to(Cli::command(), &folder)
                .map_err(Failure::local(format!("{} cannot be written", folder.display())))?,
            None => {
                let mut page = Vec::new();
                let rendered = clap_mangen::Man::new(Cli::command()).render(&mut page);
                rendered.map_err(Failure::local("the manual page cannot be made"))?;
                Output::stdout(Format::Table).text(&String::from_utf8_lossy(&page))?;
            }
        }
        Ok(Outcome::Done)
    }
}
