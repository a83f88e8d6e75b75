//! The span of a call to Amazon: below the first traced call that waited for it, with links to all of them.
//!
//! A batch has several causes, which OpenTelemetry expresses by links. It is below one of them all the same, because a trace
//! without the call to Amazon does not show where its time went.

use super::{AccountActor, Completed};
use crate::{
    dispatch::FetchKey,
    telemetry::{FinishedSpan, KeyValue, SpanKind, TraceContext},
};

impl AccountActor {
    /// Records the span of a call that has ended, before those who wait for it are answered. Returns its place in a trace.
    pub(super) fn record_span(&self, completed: &Completed) -> Option<TraceContext> {
        let tracer = self.options.tracer;
        if !tracer.is_on() {
            return None;
        }
        let Completed { batch, fillers, result, took, written, .. } = completed;
        let waiting = self.queue.traces(&batch.keys);
        let span = tracer.open_client_span(&waiting, batch.keys.len() == fillers.len())?;
        tracer.finish(span, || {
            let operation = batch.keys.first().map(FetchKey::operation).map_or("none", |operation| operation.name());
            let mut attributes = vec![
                KeyValue::new("stockroom.account", self.name.to_string()),
                KeyValue::new("stockroom.keys", count(batch.keys.len())),
                KeyValue::new("stockroom.refreshed_keys", count(fillers.len())),
                KeyValue::new("stockroom.attempt", i64::from(batch.attempts)),
                KeyValue::new("stockroom.sent", written.is_some()),
            ];
            let error = result.as_ref().err();
            let request_id = error.and_then(|error| error.request_id());
            attributes.extend(request_id.map(|id| KeyValue::new("aws.request_id", id.to_owned())));
            FinishedSpan {
                name: operation.into(),
                kind: SpanKind::Client,
                duration: *took,
                attributes,
                links: waiting,
                error: error.map(ToString::to_string),
            }
        });
        Some(span.context)
    }
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
