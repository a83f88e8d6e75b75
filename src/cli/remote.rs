//! The flags that all commands share that ask a gateway.

use std::time::Duration;

use clap::Args;
use secrecy::{ExposeSecret, SecretString};

use super::{
    exit::Failure,
    output::{Format, Output},
    parse,
};
use stockroom_client::{Client, Options};
use stockroom_proto::pb;

/// Which gateway to ask, and how to write its answer.
#[derive(Args, Clone, Debug)]
pub(super) struct Remote {
    /// The gateway to ask
    #[arg(long, value_name = "URL", env = "STOCKROOM_SERVER", default_value = "http://127.0.0.1:50051")]
    #[arg(help_heading = "Gateway")]
    server: String,
    /// The bearer token, for a gateway that knows its callers
    #[arg(long, env = "STOCKROOM_TOKEN", hide_env_values = true, value_parser = parse::secret, help_heading = "Gateway")]
    token: Option<SecretString>,
    /// How long the answer may take
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = parse::duration, help_heading = "Gateway")]
    timeout: Duration,
    /// How to write the answer
    #[arg(long, value_enum, default_value_t, help_heading = "Output")]
    format: Format,
    /// Short for --format json
    #[arg(long, conflicts_with = "format", help_heading = "Output")]
    json: bool,
}

/// How a read may be answered.
#[derive(Args, Clone, Debug)]
pub(super) struct ReadArgs {
    /// The marketplace, as US or www.amazon.co.uk [default: the gateway's own]
    #[arg(long, short, env = "STOCKROOM_MARKETPLACE", default_value = "", hide_default_value = true)]
    #[arg(help_heading = "Answer")]
    marketplace: String,
    /// The language, as de_DE [default: the marketplace's own]
    #[arg(long, default_value = "", hide_default_value = true, help_heading = "Answer")]
    language: String,
    /// The currency of prices, as EUR [default: the marketplace's own]
    #[arg(long, default_value = "", hide_default_value = true, help_heading = "Answer")]
    currency: String,
    /// The oldest answer that will do, as 10m; 0s asks Amazon
    #[arg(long, value_name = "DURATION", value_parser = parse::duration, help_heading = "Answer")]
    max_age: Option<Duration>,
    /// Answer from the cache or not at all; never spend a call to Amazon
    #[arg(long, help_heading = "Answer")]
    cache_only: bool,
}

impl Remote {
    pub(super) fn client(&self) -> Result<Client, Failure> {
        // An empty variable is as good as none.
        let token = self.token.clone().filter(|token| !token.expose_secret().is_empty());
        let options =
            Options { token, caller: "stockroom-cli".to_owned(), deadline: self.timeout, ..Options::default() };
        Ok(Client::new(&self.server, options)?)
    }

    pub(super) fn out(&self) -> Output {
        Output::stdout(if self.json { Format::Json } else { self.format })
    }
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
            estimate: false,
            parts: parts.iter().map(|part| (*part).into()).collect(),
        }
    }
}
