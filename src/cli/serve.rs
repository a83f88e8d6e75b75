//! `stockroom serve`: the gateway, in front of Amazon or of the built-in sandbox.

use std::net::SocketAddr;

use clap::Args;
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
};

use self::reload::Reload;
use super::{
    exit::{Failure, Outcome},
    out::{Format, Out},
    sandbox::{self, Protocol},
    settings::{Environment, Sources},
};
use crate::{
    config::{Config, Effective, Settings},
    gateway, server, telemetry,
};

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
struct Running {
    environment: Environment,
    warnings: Vec<String>,
    effective: Effective,
}

impl Serve {
    pub(super) async fn run(self, environment: Environment) -> Result<Outcome, Failure> {
        let settings = self.settings(environment.clone())?;
        // Checked before any port is opened.
        let (config, effective) = self.config(&settings)?;
        let running = Running { environment, warnings: settings.warnings().to_vec(), effective };
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

    async fn serve_sandbox(self, running: Running, mut config: Config) -> Result<Outcome, Failure> {
        let sandbox = sandbox::start(&mut config).await?;
        let outcome = self.serve(running, config).await;
        sandbox.stop().await;
        outcome
    }

    async fn serve(self, running: Running, config: Config) -> Result<Outcome, Failure> {
        let _flushes_the_log = telemetry::start(&config.log).map_err(Failure::local("the log cannot be written"))?;
        for warning in &running.warnings {
            tracing::warn!("{warning}");
        }
        let shutdown = shutdown_signal()?;
        let hangup = signal(SignalKind::hangup()).map_err(Failure::local("signals cannot be received"))?;
        let (catalog, rotation) = gateway::rotatable(&config).map_err(Failure::local("the gateway cannot be built"))?;
        let listener = bind(config.listen).await?;
        let address = listener.local_addr().map_err(Failure::local("the port's address cannot be told"))?;
        // Whoever does not read the greeting gets the service all the same.
        let _ = Out::stdout(Format::Table).text(&greeting(&config, address));
        let reload = Reload { command: self, running, rotation };
        let reloading = tokio::spawn(reload.at_each(hangup));
        let served = server::serve(config, catalog, listener, shutdown).await;
        reloading.abort();
        served.map_err(Failure::local("the gateway stopped"))?;
        Ok(Outcome::Done)
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

fn greeting(config: &Config, address: SocketAddr) -> String {
    let mut text = format!("Stockroom {}, listening on {address}\n", env!("CARGO_PKG_VERSION"));
    for account in &config.accounts {
        let codes: Vec<&str> = account.partner_tags.iter().map(|(marketplace, _)| marketplace.code()).collect();
        let from = account.endpoint.as_deref().unwrap_or("Amazon");
        let calls = if account.calls_per_second == 1.0 { "call" } else { "calls" };
        let rate = format!("{} {calls} a second, {} a day", account.calls_per_second, account.calls_per_day);
        text.push_str(&format!("  account {}: {} from {from}; {rate}\n", account.name, codes.join(" ")));
    }
    if config.sandbox {
        text.push_str("  all products are invented\n");
    }
    let callers: Vec<&str> = config.callers.iter().map(|caller| caller.name.as_str()).collect();
    let callers = if callers.is_empty() { "anybody".to_owned() } else { callers.join(", ") };
    text.push_str(&format!("  {callers} may call\n"));
    text.push_str(&to_try(address, config.sandbox));
    text
}

fn to_try(address: SocketAddr, is_sandbox: bool) -> String {
    let address = reachable(address);
    // The client's own default needs no telling.
    let server = if address == SocketAddr::from(([127, 0, 0, 1], 50051)) {
        String::new()
    } else {
        format!(" --server http://{address}")
    };
    let [first, second] = sandbox::EXAMPLE_ASINS.filter(|_| is_sandbox).unwrap_or(["ASIN", "ASIN"]);
    format!(
        "\nTry:\n  stockroom search wireless headphones{server}\n  stockroom compare {first} {second}{server}\n  \
         grpcurl -plaintext -d '{{\"query\":{{\"keywords\":\"wireless headphones\"}}}}' {address} \
         stockroom.v1.SearchService/SearchProducts\n\n"
    )
}

/// The address to call: a port that is open everywhere is called on this machine.
fn reachable(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() { SocketAddr::from(([127, 0, 0, 1], address.port())) } else { address }
}
