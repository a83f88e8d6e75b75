//! The log: lines for people on a terminal, JSON for machines, on standard error.

use std::io::{self, IsTerminal};

use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::{FilterExt, filter_fn},
    fmt,
    layer::SubscriberExt,
    reload,
    util::SubscriberInitExt,
};

use crate::config::{Log, LogFormat};

/// Whose lines are never written, whatever the filter says: the signer tells access keys and signatures at `trace`.
const SILENT: [&str; 1] = ["aws_sigv4"];

/// Why the log could not be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The filter does not parse.
    #[error("log.filter: {filter:?} is no filter; try info, or stockroom=debug,warn")]
    Filter {
        /// The filter.
        filter: String,
        /// Why not.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// Something else in this process logs already.
    #[error("the log was started before")]
    Started(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Changes the filter of the running log.
#[derive(Clone, Debug)]
pub struct LogFilter(reload::Handle<EnvFilter, Registry>);

impl LogFilter {
    /// Replaces the filter. A filter that does not parse changes nothing.
    pub fn set(&self, filter: &str) {
        match EnvFilter::try_new(filter) {
            // Without a log there is nothing to filter.
            Ok(filter) => drop(self.0.reload(filter)),
            Err(error) => tracing::error!(%error, "the log's filter does not parse; the old one stays"),
        }
    }
}

/// Starts the log, once a process.
pub fn start(log: &Log) -> Result<LogFilter, Error> {
    let filter =
        EnvFilter::try_new(&log.filter).map_err(|source| Error::Filter { filter: log.filter.clone(), source })?;
    let for_people = match log.format {
        LogFormat::Auto => io::stderr().is_terminal(),
        LogFormat::Pretty => true,
        LogFormat::Json => false,
    };
    let (filter, handle) = reload::Layer::new(filter);
    let filter = filter.and(filter_fn(|line| !SILENT.iter().any(|target| line.target().starts_with(target))));
    let lines = fmt::layer().with_writer(io::stderr);
    let lines = if for_people {
        lines.with_ansi(io::stderr().is_terminal()).with_target(false).boxed()
    } else {
        lines.json().flatten_event(true).with_current_span(true).with_span_list(false).boxed()
    };
    let started = tracing_subscriber::registry().with(lines.with_filter(filter)).try_init();
    started.map_err(|error| Error::Started(error.into()))?;
    Ok(LogFilter(handle))
}
