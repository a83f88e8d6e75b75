//! Writes samples in the OpenMetrics text format, version 1.0.

use std::fmt::{Display, Write as _};

use super::names::{Family, FamilyKind};

/// A text that grows by families and their samples.
#[derive(Debug, Default)]
pub(super) struct Exposition(String);

impl Exposition {
    /// Begins a family. Its samples follow.
    pub(super) fn family(&mut self, family: &Family) {
        let kind = match family.kind {
            FamilyKind::Counter => "counter",
            FamilyKind::Gauge => "gauge",
            FamilyKind::Histogram => "histogram",
            FamilyKind::Info => "info",
        };
        self.line(format_args!("# TYPE {} {kind}", family.name));
        if !family.unit.is_empty() {
            self.line(format_args!("# UNIT {} {}", family.name, family.unit));
        }
        self.line(format_args!("# HELP {} {}", family.name, family.help));
    }

    /// A sample with the values of the family's labels, in their order.
    pub(super) fn sample(&mut self, family: &Family, labels: &[&str], value: impl Display) {
        self.sample_of(&family.sample_name(), family.labels, labels, value);
    }

    /// A sample of a histogram. `bound` is the upper bound of a bucket.
    pub(super) fn bucket(&mut self, family: &Family, labels: &[&str], bound: &str, value: u64) {
        let names: Vec<&str> = family.labels.iter().copied().chain(["le"]).collect();
        let labels: Vec<&str> = labels.iter().copied().chain([bound]).collect();
        self.sample_of(&format!("{}_bucket", family.name), &names, &labels, value);
    }

    /// The count or the sum of a histogram.
    pub(super) fn total(&mut self, family: &Family, suffix: &str, labels: &[&str], value: impl Display) {
        self.sample_of(&format!("{}_{suffix}", family.name), family.labels, labels, value);
    }

    /// The whole text.
    pub(super) fn finish(mut self) -> String {
        self.line(format_args!("# EOF"));
        self.0
    }

    fn sample_of(&mut self, name: &str, names: &[&str], values: &[&str], value: impl Display) {
        let labels: Vec<String> =
            names.iter().zip(values).map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        if labels.is_empty() {
            self.line(format_args!("{name} {value}"));
        } else {
            self.line(format_args!("{name}{{{}}} {value}", labels.join(",")));
        }
    }

    fn line(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = self.0.write_fmt(text);
        self.0.push('\n');
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
