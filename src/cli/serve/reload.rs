//! Reads the configuration again while the gateway runs, and applies what can change.
//!
//! Reasons to read: SIGHUP, a call of `AdminService.Reload`, and a change of a file that the configuration comes from. Files
//! are polled, which also works for the symbolic links of a mounted ConfigMap or Secret.
//!
//! Keys with [`TakesEffect::OnReload`] take effect at once: credentials, callers and the filter of the log. Every other
//! change is reported and takes effect at the next start. A configuration with errors changes nothing.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt as _,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use tokio::{signal::unix::Signal, time::interval};

use super::{RunningConfig, Serve};
use crate::{
    cli::exit::Failure,
    config::{Change, Config, ConfigErrors, Effective, TakesEffect},
    gateway::CredentialRotator,
    metrics::ReloadResult,
    server::{Operations, ReloadRequests},
    telemetry::LogFilter,
};
use stockroom_proto::pb;

/// How often files are looked at. An operator who waits for a change sees it within a few seconds.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// What runs, and how to read its configuration again.
#[derive(Debug)]
pub(super) struct Reload {
    pub(super) command: Serve,
    pub(super) running: RunningConfig,
    pub(super) rotation: CredentialRotator,
    pub(super) operations: Operations,
    pub(super) filter: LogFilter,
    /// The files as they were when the configuration was last read.
    pub(super) read: Fingerprints,
}

/// What identifies the content of a file without reading it.
type Fingerprint = Option<(SystemTime, u64, u64)>;

/// The fingerprint of each file, by its path.
pub(super) type Fingerprints = BTreeMap<PathBuf, Fingerprint>;

impl Reload {
    /// Serves all reasons to reload, for ever. Dropping the future loses nothing but requests.
    pub(super) async fn run(mut self, mut hangup: Signal, mut requests: ReloadRequests) {
        let mut poll = interval(POLL_INTERVAL);
        let mut seen = self.read.clone();
        loop {
            // Cancel-safe: signals and requests stay queued until they are received.
            let reply = tokio::select! {
                _ = hangup.recv() => None,
                Some(reply) = requests.recv() => Some(reply),
                _ = poll.tick() => {
                    self.operations.warn_of_expiry();
                    let now = fingerprints(&self.command, &self.running);
                    // A file is read once it has stopped changing.
                    let settled = now == seen && now != self.read;
                    seen = now;
                    if !settled {
                        continue;
                    }
                    tracing::info!("a file of the configuration changed");
                    None
                }
            };
            // Taken before the files are read, so that a change during the reading is found by the next poll.
            self.read = fingerprints(&self.command, &self.running);
            seen.clone_from(&self.read);
            let response = self.reload();
            // A caller that no longer waits for the response loses nothing.
            let _ = reply.map(|reply| reply.send(response));
        }
    }

    fn reload(&mut self) -> pb::ReloadResponse {
        let settings = self.command.settings(self.running.environment.clone());
        let (response, result) = match settings.and_then(|settings| self.command.config(&settings)) {
            Ok((config, _)) if config.callers.is_empty() && self.operations.has_callers() => {
                let error = "callers: a reload does not remove the last caller, because everybody could call then; \
                    restart the gateway to run it without callers";
                tracing::error!("{error}");
                (pb::ReloadResponse { errors: vec![error.to_owned()], ..Default::default() }, ReloadResult::Rejected)
            }
            Ok((config, effective)) => self.apply(&config, effective),
            Err(failure) => {
                tracing::error!(%failure, "the configuration has errors; the running one stays");
                let errors = match failure {
                    Failure::Config(ConfigErrors(errors)) => errors.iter().map(ToString::to_string).collect(),
                    failure => vec![failure.to_string()],
                };
                (pb::ReloadResponse { errors, ..Default::default() }, ReloadResult::Rejected)
            }
        };
        self.operations.metrics().reloaded(result);
        response
    }

    fn apply(&mut self, config: &Config, effective: Effective) -> (pb::ReloadResponse, ReloadResult) {
        let changes = self.running.effective.changes(&effective);
        let (live, later): (Vec<Change>, Vec<Change>) =
            changes.into_iter().partition(|change| change.takes_effect == TakesEffect::OnReload);
        let mut response = pb::ReloadResponse {
            applied: live.into_iter().map(|change| change.key).collect(),
            restart_required: later.into_iter().map(|change| change.key).collect(),
            errors: Vec::new(),
        };
        for (account, outcome) in self.rotation.rotate(config) {
            if let Err(error) = outcome {
                tracing::error!(account, %error, "credentials not rotated; the old ones stay");
                response.errors.push(format!("accounts.{account}: credentials not rotated: {error}"));
            }
        }
        let changed = |prefix: &str| response.applied.iter().any(|key| key.starts_with(prefix));
        if changed("callers.") {
            self.operations.replace_callers(&config.callers);
        }
        if changed("tls.")
            && let Some(tls) = &config.tls
            && let Err(error) = self.operations.replace_certificates(tls)
        {
            tracing::error!(%error, "certificates not replaced; the old ones stay");
            response.errors.push(format!("tls: certificates not replaced: {error}"));
        }
        if changed("log.filter") {
            self.filter.set(&config.log.filter);
        }
        for key in &response.applied {
            tracing::info!(key, "changed; in effect now");
        }
        for key in &response.restart_required {
            tracing::warn!(key, "changed; takes effect after a restart");
        }
        for warning in effective.warnings() {
            tracing::warn!("{warning}");
        }
        self.running.effective.adopt_live(effective);
        let result = if response.applied.is_empty() { ReloadResult::Unchanged } else { ReloadResult::Applied };
        tracing::info!(
            applied = response.applied.len(),
            restart_required = response.restart_required.len(),
            "configuration read again"
        );
        (response, result)
    }
}

/// The fingerprints of all files that the configuration comes from.
pub(super) fn fingerprints(command: &Serve, running: &RunningConfig) -> Fingerprints {
    let files = command.sources.file().into_iter().chain(running.effective.files());
    files
        .map(|file| {
            let metadata = fs::metadata(&file).ok();
            let print = metadata.and_then(|it| Some((it.modified().ok()?, it.len(), it.ino())));
            (file, print)
        })
        .collect()
}
