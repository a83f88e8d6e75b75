//! The log: lines for people on a terminal, JSON for machines, on standard error. And traces: spans for a collector.
//!
//! No call waits for whoever reads the log or takes spans: see `log_writer` and `span_queue`.

use std::io::{self, IsTerminal};

use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::{FilterExt, LevelFilter, filter_fn},
    fmt,
    layer::SubscriberExt,
    reload,
    util::SubscriberInitExt,
};

use self::{json_lines::JsonLines, log_writer::LogWriter};
pub use self::{
    log_writer::LogGuard,
    span_queue::{SpanCounts, TraceExport, start_tracing},
    trace_context::TraceContext,
    tracer::{FinishedSpan, OpenSpan, Tracer},
};
use crate::config::{LogConfig, LogFormat};
pub use opentelemetry::{KeyValue, trace::SpanKind};

mod json_lines;
mod log_writer;
mod span_queue;
mod trace_context;
mod tracer;

/// Whose lines are never written, whatever the filter says: the signer logs access keys and signatures at `trace`.
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
    /// The thread that writes the log could not be started.
    #[error("the log's thread cannot be started")]
    Thread(#[source] io::Error),
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

/// Starts the log, once a process. The last lines are written when the guard is dropped. `count_dropped` learns of lines
/// that were dropped because nobody read the log.
pub fn start(log: &LogConfig, count_dropped: impl Fn(u64) + Send + 'static) -> Result<(LogFilter, LogGuard), Error> {
    let filter =
        EnvFilter::try_new(&log.filter).map_err(|source| Error::Filter { filter: log.filter.clone(), source })?;
    let for_people = match log.format {
        LogFormat::Auto => io::stderr().is_terminal(),
        LogFormat::Pretty => true,
        LogFormat::Json => false,
    };
    let (filter, handle) = reload::Layer::new(filter);
    let is_loud = filter_fn(|line| !SILENT.iter().any(|target| line.target().starts_with(target)));
    // Without a hint from both, lines below the filter's level would be created before they are dropped.
    let filter = filter.and(is_loud.with_max_level_hint(LevelFilter::TRACE));
    let report = move |lines| {
        count_dropped(lines);
        tracing::warn!(lines, "log lines were dropped because nobody read the log");
    };
    let (writer, guard) = LogWriter::start(io::stderr(), report).map_err(Error::Thread)?;
    let lines = fmt::layer().with_writer(writer);
    let lines = if for_people {
        lines.with_ansi(io::stderr().is_terminal()).with_target(false).boxed()
    } else {
        lines.fmt_fields(JsonLines).event_format(JsonLines).boxed()
    };
    let started = tracing_subscriber::registry().with(lines.with_filter(filter)).try_init();
    started.map_err(|error| Error::Started(error.into()))?;
    Ok((LogFilter(handle), guard))
}
