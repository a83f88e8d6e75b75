//! SIGHUP: reads the configuration again, and gives each account the credentials that it has now.
//!
//! Every other change takes effect at the next start, and the log names it. A configuration with errors changes nothing.

use tokio::signal::unix::Signal;

use super::{Running, Serve};
use crate::{
    cli::exit::Failure,
    config::{Config, Effective, Reload as When},
    gateway::CredentialRotator,
};

/// What runs, and how to read its configuration again.
#[derive(Debug)]
pub(super) struct Reload {
    pub(super) command: Serve,
    pub(super) running: Running,
    pub(super) rotation: CredentialRotator,
}

impl Reload {
    /// Reads the configuration again at each signal, for ever. Dropping the future loses nothing but signals.
    pub(super) async fn at_each(mut self, mut hangup: Signal) {
        while hangup.recv().await.is_some() {
            match self.read() {
                Ok((config, effective)) => self.apply(&config, &effective),
                Err(failure) => {
                    tracing::error!(%failure, "the configuration has errors; the running one stays");
                }
            }
        }
    }

    fn read(&self) -> Result<(Config, Effective), Failure> {
        let settings = self.command.settings(self.running.environment.clone())?;
        self.command.config(&settings)
    }

    fn apply(&mut self, config: &Config, effective: &Effective) {
        for (account, outcome) in self.rotation.rotate(config) {
            match outcome {
                Ok(()) => tracing::info!(account, "credentials rotated"),
                Err(error) => tracing::error!(account, %error, "credentials not rotated; the old ones stay"),
            }
        }
        for change in self.running.effective.changes(effective) {
            if change.reload == When::Restart {
                tracing::warn!(key = change.key, "changed; takes effect after a restart");
            }
        }
        tracing::info!("configuration read again");
    }
}
