//! The flags of every command that calls a gateway.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use secrecy::{ExposeSecret, SecretString};

use super::{
    exit::Failure,
    output::{Colour, Format, Output},
    parse,
};
use stockroom_client::{Client, ClientTls, Options};
use stockroom_proto::pb;

/// The address that a gateway has without configuration.
pub(super) const DEFAULT_SERVER: &str = "http://127.0.0.1:50051";

/// The gateway to call.
#[derive(Args, Clone, Debug)]
pub(super) struct GatewayArgs {
    /// The gateway, as host:port or a URL [default: the address that the configuration here has for a gateway]
    #[arg(long, value_name = "ADDRESS", env = "STOCKROOM_SERVER", hide_env_values = true)]
    #[arg(help_heading = "Gateway", hide_short_help = true, default_value = DEFAULT_SERVER, hide_default_value = true)]
    server: String,
    /// The bearer token, for a gateway with callers
    #[arg(long, env = "STOCKROOM_TOKEN", hide_env_values = true, value_parser = parse::secret, help_heading = "Gateway")]
    #[arg(hide_short_help = true)]
    token: Option<SecretString>,
    /// A file that holds the bearer token
    #[arg(long, value_name = "FILE", env = "STOCKROOM_TOKEN_FILE", hide_env_values = true, conflicts_with = "token")]
    #[arg(help_heading = "Gateway", hide_short_help = true)]
    token_file: Option<PathBuf>,
    /// Certificate authorities to trust instead of the system's, in PEM
    #[arg(long, value_name = "FILE", env = "STOCKROOM_CA_FILE", hide_env_values = true, help_heading = "Gateway")]
    #[arg(hide_short_help = true)]
    ca_file: Option<PathBuf>,
    /// A client certificate, in PEM
    #[arg(long, value_name = "FILE", env = "STOCKROOM_CERT_FILE", hide_env_values = true, requires = "key")]
    #[arg(help_heading = "Gateway", hide_short_help = true)]
    cert: Option<PathBuf>,
    /// The key of the client certificate, in PEM
    #[arg(long, value_name = "FILE", env = "STOCKROOM_KEY_FILE", hide_env_values = true, requires = "cert")]
    #[arg(help_heading = "Gateway", hide_short_help = true)]
    key: Option<PathBuf>,
    /// The name that the gateway's certificate must have [default: the host of the address]
    #[arg(long, value_name = "NAME", env = "STOCKROOM_SERVER_NAME", hide_env_values = true)]
    #[arg(help_heading = "Gateway", hide_short_help = true)]
    server_name: Option<String>,
    /// The longest wait for the answer
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = parse::duration, help_heading = "Gateway")]
    #[arg(hide_short_help = true)]
    timeout: Duration,
}

/// The gateway to call, and the format of its answer.
#[derive(Args, Clone, Debug)]
pub(super) struct Remote {
    #[command(flatten)]
    gateway: GatewayArgs,
    /// The format of the answer
    #[arg(long, value_enum, default_value_t, help_heading = "Output", hide_short_help = true)]
    format: Format,
    /// Short for --format json
    #[arg(long, conflicts_with = "format", help_heading = "Output")]
    json: bool,
    /// When to use colour; auto: on a terminal, unless NO_COLOR is set
    #[arg(
        long = "color",
        value_name = "WHEN",
        value_enum,
        default_value_t,
        help_heading = "Output",
        hide_short_help = true
    )]
    colour: Colour,
    /// Set by the environment, never by people.
    #[arg(long, env = "NO_COLOR", hide = true, value_parser = clap::builder::NonEmptyStringValueParser::new())]
    no_color: Option<String>,
}

/// How a read may be answered.
#[derive(Args, Clone, Debug)]
pub(super) struct ReadArgs {
    /// The marketplace, as US or www.amazon.co.uk [default: the gateway's own]
    #[arg(long, short, env = "STOCKROOM_MARKETPLACE", hide_env_values = true, default_value = "")]
    #[arg(help_heading = "Answer", hide_default_value = true)]
    marketplace: String,
    /// The language, as de_DE [default: the marketplace's own]
    #[arg(long, default_value = "", hide_default_value = true, help_heading = "Answer", hide_short_help = true)]
    language: String,
    /// The currency of prices, as EUR [default: the marketplace's own]
    #[arg(long, default_value = "", hide_default_value = true, help_heading = "Answer", hide_short_help = true)]
    currency: String,
    /// The maximum age of the answer, as 10m; 0s calls Amazon
    #[arg(long, hide_short_help = true, value_name = "DURATION", value_parser = parse::duration, help_heading = "Answer")]
    max_age: Option<Duration>,
    /// Answer from the cache or not at all; never call Amazon
    #[arg(long, help_heading = "Answer", hide_short_help = true)]
    cache_only: bool,
    /// Print what the request would cost, and make no call to Amazon
    #[arg(long, help_heading = "Answer", hide_short_help = true)]
    pub(super) estimate: bool,
}

impl GatewayArgs {
    /// A client whose user agent names the program.
    pub(super) fn client(&self, program: &str) -> Result<Client, Failure> {
        let token = match &self.token_file {
            Some(file) => Some(SecretString::from(read(file)?.trim_end())),
            None => self.token.clone(),
        };
        // An empty variable is as good as none.
        let token = token.filter(|token| !token.expose_secret().is_empty());
        let options = Options { token, caller: program.to_owned(), deadline: self.timeout, tls: self.tls()? };
        Ok(Client::new(&self.server, options)?)
    }

    /// TLS by the flags; `None` without any.
    fn tls(&self) -> Result<Option<ClientTls>, Failure> {
        let ca_pem = self.ca_file.as_deref().map(read).transpose()?;
        let identity_pem = match (&self.cert, &self.key) {
            (Some(cert), Some(key)) => Some((read(cert)?, SecretString::from(read(key)?))),
            _ => None,
        };
        let server_name = self.server_name.clone();
        let is_set = ca_pem.is_some() || identity_pem.is_some() || server_name.is_some();
        Ok(is_set.then_some(ClientTls { ca_pem, identity_pem, server_name }))
    }
}

impl Remote {
    pub(super) fn client(&self) -> Result<Client, Failure> {
        self.gateway.client("stockroom-cli")
    }

    pub(super) fn out(&self) -> Output {
        let format = if self.json { Format::Json } else { self.format };
        Output::stdout(format).coloured(self.colour, self.no_color.is_some())
    }
}

fn read(file: &Path) -> Result<String, Failure> {
    fs::read_to_string(file).map_err(Failure::local(format!("{} cannot be read", file.display())))
}

impl ReadArgs {
    /// The options of a request that wants these parts; none named: all.
    pub(super) fn options(&self, parts: &[pb::ProductPart]) -> pb::ReadOptions {
        pb::ReadOptions {
            marketplace: self.marketplace.clone(),
            language: self.language.clone(),
            currency: self.currency.clone(),
            // What clap has parsed is far below the contract's bound.
            max_age: self.max_age.and_then(|age| age.try_into().ok()),
            cache_only: self.cache_only,
            estimate: self.estimate,
            parts: parts.iter().map(|part| (*part).into()).collect(),
        }
    }
}
