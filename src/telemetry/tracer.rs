//! Which calls are traced, and what becomes of their spans.
//!
//! # Rule
//!
//! A call whose caller sent `traceparent` is traced if the caller's span is (parent-based sampling). Any other call begins a
//! trace with the configured probability. Spans are made when they end, so a call that is not traced costs the comparison
//! of a number and allocates nothing. Without an exporter nothing is traced; the caller's trace id is in the log all the same.

use std::{
    borrow::Cow,
    fmt,
    time::{Duration, SystemTime},
};

use opentelemetry::{
    InstrumentationScope, KeyValue,
    trace::{Link, SpanId, SpanKind, Status},
};
use opentelemetry_sdk::trace::{Sampler, SamplingDecision, ShouldSample, SpanData, SpanEvents, SpanLinks};

use super::{span_queue::SpanQueue, trace_context::TraceContext};

/// Traces calls; without an exporter, none. Copies share the exporter.
#[derive(Clone, Copy, Default)]
pub struct Tracer(Option<&'static Recorder>);

/// What all traced calls share. Made once and never freed, so that calls refer to it without counting references.
pub(super) struct Recorder {
    pub(super) sampler: Sampler,
    pub(super) queue: SpanQueue,
    pub(super) scope: InstrumentationScope,
}

/// The span of a call that is in progress.
#[derive(Clone, Copy, Debug)]
pub struct OpenSpan {
    /// The span, for those that it causes.
    pub context: TraceContext,
    parent: SpanId,
    is_parent_remote: bool,
}

/// What a span says once its call has ended.
#[derive(Clone, Debug)]
pub struct FinishedSpan {
    /// The name, which has few values.
    pub name: Cow<'static, str>,
    /// On which side of a call it is.
    pub kind: SpanKind,
    /// How long the call took. It ended just now.
    pub duration: Duration,
    /// What is known of the call.
    pub attributes: Vec<KeyValue>,
    /// Other spans that caused the call.
    pub links: Vec<TraceContext>,
    /// Why the call failed.
    pub error: Option<String>,
}

impl Tracer {
    pub(super) fn new(recorder: Recorder) -> Self {
        Self(Some(Box::leak(Box::new(recorder))))
    }

    /// Whether spans can be recorded.
    pub fn is_on(self) -> bool {
        self.0.is_some()
    }

    /// Opens the span of a call below that of its caller. Without one the call begins a trace if `may_begin`. `None` if
    /// there is no trace to speak of.
    pub fn open_server_span(self, caller: Option<TraceContext>, may_begin: bool) -> Option<OpenSpan> {
        match (caller, self.0) {
            (Some(caller), Some(_)) if caller.is_sampled => Some(OpenSpan::below(caller, true)),
            (Some(caller), _) => Some(OpenSpan { context: caller, parent: SpanId::INVALID, is_parent_remote: false }),
            (None, Some(recorder)) if may_begin => recorder.begin(),
            (None, _) => None,
        }
    }

    /// Opens the span of a call that others caused, below the first of those that are traced. Without any the call begins a
    /// trace if `may_begin`.
    pub fn open_client_span(self, causes: &[TraceContext], may_begin: bool) -> Option<OpenSpan> {
        match causes.first() {
            Some(first) => self.0.map(|_| OpenSpan::below(*first, false)),
            None => self.0.filter(|_| may_begin)?.begin(),
        }
    }

    /// Hands the span of a call that has ended to the exporter, if its trace is recorded. Never waits.
    pub fn finish(self, span: OpenSpan, finished: impl FnOnce() -> FinishedSpan) {
        let Some(recorder) = self.0.filter(|_| span.context.is_sampled) else { return };
        let FinishedSpan { name, kind, duration, attributes, links, error } = finished();
        let end_time = SystemTime::now();
        let mut span_links = SpanLinks::default();
        span_links.links = links.into_iter().map(|link| Link::with_context(link.to_span_context(false))).collect();
        recorder.queue.push(SpanData {
            span_context: span.context.to_span_context(false),
            parent_span_id: span.parent,
            parent_span_is_remote: span.is_parent_remote,
            span_kind: kind,
            name,
            start_time: end_time.checked_sub(duration).unwrap_or(end_time),
            end_time,
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: span_links,
            status: error.map_or(Status::Unset, Status::error),
            instrumentation_scope: recorder.scope.clone(),
        });
    }
}

impl Recorder {
    /// The first span of a new trace, if the trace is among those to record.
    fn begin(&self) -> Option<OpenSpan> {
        // Ids need to be unique, not hard to guess.
        let trace_id = fastrand::u128(1..).into();
        let sampled = self.sampler.should_sample(None, trace_id, "", &SpanKind::Server, &[], &[]);
        let context = TraceContext { trace_id, span_id: new_span_id(), is_sampled: true };
        let span = OpenSpan { context, parent: SpanId::INVALID, is_parent_remote: false };
        (sampled.decision == SamplingDecision::RecordAndSample).then_some(span)
    }
}

impl OpenSpan {
    fn below(parent: TraceContext, is_parent_remote: bool) -> Self {
        let context = TraceContext { span_id: new_span_id(), ..parent };
        Self { context, parent: parent.span_id, is_parent_remote }
    }
}

fn new_span_id() -> SpanId {
    fastrand::u64(1..).into()
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tracer({})", if self.is_on() { "on" } else { "off" })
    }
}
