//! `stockroom serve`: the gateway, in front of Amazon or of the built-in sandbox.

use std::net::SocketAddr;

use clap::Args;
use futures_util::FutureExt as _;
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
    task::JoinSet,
};

use self::reload::Reload;
use super::{
    exit::{Failure, Outcome},
    output::{Format, Output},
    sandbox::{self, Protocol},
    settings::{Environment, Sources},
};
use crate::{
    admin,
    config::{self, Config, Effective, Settings},
    gateway,
    metrics::Metrics,
    server, telemetry,
};

mod greeting;
mod reload;

const EXAMPLES: &str = "\
Examples:
  stockroom serve --sandbox                     try it, with invented products
  stockroom serve --sandbox --protocol creators
  stockroom serve --config stockroom.toml       in front of Amazon
  stockroom serve --listen 0.0.0.0:50051 --log-format json

Every key of the configuration can be set in the environment as well; `stockroom config --reference` lists them.";

/// Serves Amazon's catalog over gRPC
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Serve {
    #[command(flatten)]
    sources: Sources,
    /// Where to open the gRPC port [default: 127.0.0.1:50051]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Serve the invented products of a built-in fake Amazon, without any account
    #[arg(long)]
    sandbox: bool,
    /// Which of Amazon's APIs is spoken with the sandbox
    #[arg(long, value_enum, requires = "sandbox", default_value = "paapi5")]
    protocol: Protocol,
    /// The form of the log: auto, pretty or json
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
    /// What to log, as info or stockroom=debug,warn
    #[arg(long, value_name = "FILTER")]
    log_filter: Option<String>,
}

/// What the reload compares with.
#[derive(Debug)]
struct RunningConfig {
    environment: Environment,
    effective: Effective,
}

impl Serve {
    pub(super) async fn run(self, environment: Environment) -> Result<Outcome, Failure> {
        let settings = self.settings(environment.clone())?;
        // Checked before any port is opened.
        let (config, effective) = self.config(&settings)?;
        let running = RunningConfig { environment, effective };
        if self.sandbox { self.serve_sandbox(running, config).await } else { self.serve(running, config).await }
    }

    fn settings(&self, environment: Environment) -> Result<Settings, Failure> {
        let settings = self.sources.load(environment)?;
        Ok(settings
            .flag("listen", "--listen", self.listen.as_deref())
            .flag("log.format", "--log-format", self.log_format.as_deref())
            .flag("log.filter", "--log-filter", self.log_filter.as_deref()))
    }

    /// The configuration. The endpoint of a sandbox is set once the sandbox runs.
    fn config(&self, settings: &Settings) -> Result<(Config, Effective), Failure> {
        Ok(if self.sandbox {
            Config::for_sandbox(settings, sandbox::accounts(self.protocol)?)?
        } else {
            Config::with_effective(settings)?
        })
    }

    async fn serve_sandbox(self, running: RunningConfig, mut config: Config) -> Result<Outcome, Failure> {
        let sandbox = sandbox::start(&mut config).await?;
        let outcome = self.serve(running, config).await;
        sandbox.stop().await;
        outcome
    }

    async fn serve(self, running: RunningConfig, config: Config) -> Result<Outcome, Failure> {
        let read = reload::fingerprints(&self, &running);
        let metrics = Metrics::new();
        let log = telemetry::start(&config.log, move |lines| metrics.log_lines_dropped(lines));
        let (filter, _flushes_the_log) = log.map_err(Failure::local("the log cannot be written"))?;
        for warning in running.effective.warnings() {
            tracing::warn!("{warning}");
        }
        let shutdown = shutdown_signal()?;
        let hangup = signal(SignalKind::hangup()).map_err(Failure::local("signals cannot be received"))?;
        let traces = config.traces.as_ref().map(|traces| {
            telemetry::start_tracing(traces, |spans| metrics.spans_ended(spans.exported, spans.dropped, spans.failed))
        });
        let traces = traces.transpose().map_err(Failure::local("traces cannot be exported"))?;
        let (tracer, export) = traces.map_or_else(Default::default, |(tracer, export)| (tracer, Some(export)));
        let built = gateway::rotatable(&config, tracer);
        let (catalog, rotation) = built.map_err(Failure::local("the gateway cannot be built"))?;
        let listener = bind(config.listen).await?;
        let address = local_address(&listener)?;
        let admin = bind_admin(config.admin).await?;
        let admin_address = admin.as_ref().map(local_address).transpose()?;
        let server = server::Server::new(&config, address, catalog, metrics, tracer).await;
        let server = server.map_err(Failure::local("the gateway cannot be built"))?;
        // A greeting that nobody reads does not keep the gateway from serving.
        let _ = Output::stdout(Format::Table).text(&greeting::text(&config, address, admin_address));
        let mut beside = JoinSet::new();
        if let Some(listener) = admin {
            beside.spawn(admin::run(listener, server.operations()).map(drop));
        }
        let operations = server.operations();
        let requests = operations.reload_requests();
        let reload = Reload { command: self, running, rotation, operations, filter, read };
        beside.spawn(reload.run(hangup, requests));
        let served = server.run(listener, shutdown).await;
        beside.shutdown().await;
        if let Some(export) = export {
            export.finish().await;
        }
        served.map_err(Failure::local("the gateway stopped"))?;
        Ok(Outcome::Done)
    }
}

fn local_address(listener: &TcpListener) -> Result<SocketAddr, Failure> {
    listener.local_addr().map_err(Failure::local("the port's address is unknown"))
}

/// Opens the admin port. Without its default address, which another gateway on this machine may have, the gateway starts all
/// the same.
async fn bind_admin(admin: config::AdminConfig) -> Result<Option<TcpListener>, Failure> {
    let Some(address) = admin.listen else { return Ok(None) };
    match bind(address).await {
        Ok(listener) => Ok(Some(listener)),
        Err(failure) if admin.required => Err(failure),
        Err(_) => {
            tracing::warn!(%address, "the admin port is in use; set admin.listen to another address, or to off");
            Ok(None)
        }
    }
}

pub(super) async fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(Failure::local(format!("{address} cannot be opened")))
}

/// Ends at the first SIGINT or SIGTERM. A second one exits at once.
pub(super) fn shutdown_signal() -> Result<impl Future<Output = ()> + Send + 'static, Failure> {
    let listen = |kind| signal(kind).map_err(Failure::local("signals cannot be received"));
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    Ok(async move {
        either(&mut interrupt, &mut terminate).await;
        // Nobody waits for this task: it is there to end the process.
        tokio::spawn(async move {
            either(&mut interrupt, &mut terminate).await;
            std::process::exit(130);
        });
    })
}

/// Waits for either signal. Dropping it loses none: a signal is kept until it is received.
async fn either(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}
