//! Exports spans in batches, as OTLP over gRPC, in a task of its own.
//!
//! # Why an own queue
//!
//! The batch processor of the OpenTelemetry SDK counts dropped spans where no metric can read the number, has no bound for its
//! last flush other than the time of a whole export, and takes its sizes from the environment.
//!
//! # Rule
//!
//! At most [`MAX_QUEUED`] spans wait. A span that finds no place is dropped and counted: no call waits for the collector.
//! The log says once that the collector does not take spans, and once that it does again. The end of the process waits
//! [`FLUSH_TIMEOUT`] for the last spans.

use std::{fmt, time::Duration};

use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{
    ExporterBuildError, SpanExporter, WithExportConfig, WithTonicConfig,
    tonic_types::transport::{Certificate, ClientTlsConfig},
};
use opentelemetry_sdk::{
    Resource,
    trace::{Sampler, SpanData, SpanExporter as _},
};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::timeout,
};
use url::Url;

use super::tracer::{Recorder, Tracer};
use crate::config::TracesConfig;

/// The spans that wait for the exporter at most: some MiB.
const MAX_QUEUED: usize = 2048;
/// The spans of one export, as the OpenTelemetry specification has it.
const MAX_BATCH: usize = 512;
/// How long spans are gathered for a batch.
const GATHER_INTERVAL: Duration = Duration::from_secs(1);
/// How long one export may take, with the retries of the exporter.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the end of the process waits for the last spans.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// Where finished spans are handed in.
pub(super) struct SpanQueue {
    spans: mpsc::Sender<SpanData>,
    count: Box<dyn Fn(SpanCounts) + Send + Sync>,
}

/// What became of spans.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpanCounts {
    /// The collector took them.
    pub exported: u64,
    /// They found no place in the queue.
    pub dropped: u64,
    /// The collector did not take them.
    pub failed: u64,
}

/// The task that exports spans.
#[derive(Debug)]
pub struct TraceExport {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// Starts to export traces. Must be called in a runtime. `count` learns what becomes of spans.
pub fn start_tracing(
    config: &TracesConfig,
    count: impl Fn(SpanCounts) + Clone + Send + Sync + 'static,
) -> Result<(Tracer, TraceExport), ExporterBuildError> {
    let exporter = exporter(config)?;
    let (sender, spans) = mpsc::channel(MAX_QUEUED);
    let (stop, stopped) = oneshot::channel();
    let task = Export { exporter, spans, count: count.clone(), is_failing: false };
    let tracer = Tracer::new(Recorder {
        sampler: Sampler::TraceIdRatioBased(config.ratio),
        queue: SpanQueue { spans: sender, count: Box::new(count) },
        scope: InstrumentationScope::builder("stockroom").with_version(env!("CARGO_PKG_VERSION")).build(),
    });
    Ok((tracer, TraceExport { stop, task: tokio::spawn(task.run(stopped)) }))
}

fn exporter(config: &TracesConfig) -> Result<SpanExporter, ExporterBuildError> {
    let written = config.endpoint.expose();
    // With a host name in the form of DNS, which the exporter's own parser needs.
    let endpoint = Url::parse(written).map_or_else(|_| written.to_owned(), String::from);
    let mut exporter = SpanExporter::builder().with_tonic().with_timeout(EXPORT_TIMEOUT);
    if endpoint.starts_with("https://") {
        let tls = ClientTlsConfig::new();
        exporter = exporter.with_tls_config(match &config.ca_file {
            Some(file) => tls.ca_certificate(Certificate::from_pem(file.pem())),
            None => tls.with_enabled_roots(),
        });
    }
    let mut exporter = exporter.with_endpoint(endpoint).build()?;
    let instance = fastrand::u64(..);
    let resource = Resource::builder_empty().with_service_name("stockroom").with_attributes([
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("service.instance.id", format!("{instance:016x}")),
    ]);
    exporter.set_resource(&resource.build());
    Ok(exporter)
}

impl SpanQueue {
    /// Takes a span, or drops it where there is no place.
    pub(super) fn push(&self, span: SpanData) {
        if self.spans.try_send(span).is_err() {
            (self.count)(SpanCounts { dropped: 1, ..SpanCounts::default() });
        }
    }
}

impl fmt::Debug for SpanQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SpanQueue")
    }
}

impl TraceExport {
    /// Exports what has gathered, and ends. What the collector does not take within a bound is lost.
    pub async fn finish(mut self) {
        // The task has not ended before.
        let _ = self.stop.send(());
        if timeout(FLUSH_TIMEOUT, &mut self.task).await.is_err() {
            self.task.abort();
            tracing::warn!("the last traces were not exported: the collector does not answer");
        }
    }
}

/// The exporter's side of the queue.
struct Export<C> {
    exporter: SpanExporter,
    spans: mpsc::Receiver<SpanData>,
    count: C,
    /// Whether the collector did not take the last batch.
    is_failing: bool,
}

impl<C: Fn(SpanCounts)> Export<C> {
    async fn run(mut self, mut stopped: oneshot::Receiver<()>) {
        let mut is_stopped = false;
        while !is_stopped {
            let mut batch = Vec::new();
            // Cancel-safe: a span that was received is in the batch.
            tokio::select! {
                () = gather(&mut self.spans, &mut batch) => {}
                _ = &mut stopped => is_stopped = true,
            }
            self.export(batch).await;
        }
        while let Ok(span) = self.spans.try_recv() {
            let mut batch = vec![span];
            while batch.len() < MAX_BATCH
                && let Ok(span) = self.spans.try_recv()
            {
                batch.push(span);
            }
            self.export(batch).await;
        }
    }

    async fn export(&mut self, batch: Vec<SpanData>) {
        let size = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        if size == 0 {
            return;
        }
        match self.exporter.export(batch).await {
            Ok(()) => {
                (self.count)(SpanCounts { exported: size, ..SpanCounts::default() });
                if std::mem::take(&mut self.is_failing) {
                    tracing::info!("traces are exported again");
                }
            }
            Err(error) => {
                (self.count)(SpanCounts { failed: size, ..SpanCounts::default() });
                if !std::mem::replace(&mut self.is_failing, true) {
                    tracing::warn!(%error, "traces are lost: the collector does not take them");
                }
            }
        }
    }
}

/// Waits for a span, and then for more until a batch is full or the interval ends.
async fn gather(spans: &mut mpsc::Receiver<SpanData>, batch: &mut Vec<SpanData>) {
    batch.extend(spans.recv().await);
    let more = async {
        while batch.len() < MAX_BATCH
            && let Some(span) = spans.recv().await
        {
            batch.push(span);
        }
    };
    // The interval is over, or the batch is full.
    let _ = timeout(GATHER_INTERVAL, more).await;
}

#[cfg(test)]
mod tests {
    use std::{
        net::TcpListener,
        sync::{
            Arc,
            atomic::{AtomicU64, Ordering},
        },
    };

    use super::*;
    use crate::{
        config::HttpUrl,
        telemetry::{FinishedSpan, SpanKind},
    };

    // On one thread the exporter's task does not run while spans are handed in.
    #[tokio::test]
    async fn spans_that_find_no_place_are_dropped_and_counted() {
        let collector = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = HttpUrl::parse(&format!("http://{}", collector.local_addr().unwrap())).unwrap();
        let dropped = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&dropped);
        let config = TracesConfig { endpoint, ca_file: None, ratio: 1.0 };
        let count = move |spans: SpanCounts| {
            count.fetch_add(spans.dropped, Ordering::Relaxed);
        };
        let (tracer, export) = start_tracing(&config, count).unwrap();
        for _ in 0..MAX_QUEUED + 3 {
            tracer.finish(tracer.open_server_span(None, true).unwrap(), || FinishedSpan {
                name: "call".into(),
                kind: SpanKind::Server,
                duration: Duration::ZERO,
                attributes: Vec::new(),
                links: Vec::new(),
                error: None,
            });
        }
        assert_eq!(dropped.load(Ordering::Relaxed), 3);
        // A collector that does not answer keeps nobody.
        export.finish().await;
    }
}
