//! SIGHUP: the configuration is read again, and accounts take the credentials that it has for them now.
//!
//! A restart is what everything else takes; what that is, is told in the log. A configuration that is wrong changes nothing.

use tokio::signal::unix::Signal;

use super::Serve;
use crate::{
    cli::{exit::Failure, settings::Environment},
    config::{Config, Settings, needing_restart},
    gateway::CredentialRotator,
};

/// What is read again, and what runs.
#[derive(Debug)]
pub(super) struct Reload {
    pub(super) command: Serve,
    pub(super) environment: Environment,
    pub(super) settings: Settings,
    pub(super) config: Config,
    pub(super) rotation: CredentialRotator,
}

impl Reload {
    /// Reads again at each signal, for ever. Dropping it loses nothing but signals.
    pub(super) async fn at_each(mut self, mut hangup: Signal) {
        while hangup.recv().await.is_some() {
            match self.read() {
                Ok((settings, config)) => self.take_over(&settings, &config),
                Err(failure) => {
                    tracing::error!(%failure, "the configuration is wrong; the one that runs stays");
                }
            }
        }
    }

    fn read(&self) -> Result<(Settings, Config), Failure> {
        let settings = self.command.settings(self.environment.clone())?;
        let config = self.command.config(&settings)?;
        Ok((settings, config))
    }

    fn take_over(&mut self, settings: &Settings, config: &Config) {
        for (account, outcome) in self.rotation.rotate(config) {
            match outcome {
                Ok(()) => tracing::info!(account, "credentials rotated"),
                Err(error) => tracing::error!(account, %error, "credentials not rotated; the old ones stay"),
            }
        }
        for key in needing_restart((&self.settings, &self.config), (settings, config)) {
            tracing::warn!(key, "changed; takes effect after a restart");
        }
        tracing::info!("configuration read again");
    }
}
