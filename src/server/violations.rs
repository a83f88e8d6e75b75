//! Collects every fault of a request, so that a caller mends them all at once.

use tonic::{Code, Status};

use super::status;

/// The bytes that faults may take; a status must fit into a client's header list (8 KiB in Java by default).
const MAX_BYTES: usize = 2800;

/// The faults of one request.
#[derive(Debug, Default)]
pub(crate) struct Violations(Vec<(String, String)>);

impl Violations {
    /// Adds a fault of a field, named as in the proto, as `options.language` or `asins[3]`.
    pub(crate) fn add(&mut self, field: impl Into<String>, fault: impl ToString) {
        self.0.push((field.into(), fault.to_string()));
    }

    /// Takes a value, or its fault.
    pub(crate) fn take<T, E: ToString>(&mut self, field: impl Into<String>, value: Result<T, E>) -> Option<T> {
        value.map_err(|fault| self.add(field, fault)).ok()
    }

    /// A number that must lie within bounds; zero means the default.
    pub(crate) fn count(&mut self, field: &str, value: i32, most: usize, default: usize) -> usize {
        match usize::try_from(value) {
            Ok(0) => default,
            Ok(n) if n <= most => n,
            _ => {
                self.add(field, format!("must be between 1 and {most}, or 0 for {default}; it is {value}"));
                default
            }
        }
    }

    /// The value of an enum that must be one this version knows.
    pub(crate) fn known<E: TryFrom<i32> + Default>(&mut self, field: impl Into<String>, value: i32) -> E {
        E::try_from(value).unwrap_or_else(|_| {
            self.add(field, format!("{value} is no value that this version knows"));
            E::default()
        })
    }

    /// The same faults for a request whose fields are named differently in the request than where they were parsed.
    pub(crate) fn renamed(mut self, from: &str, to: &str) -> Self {
        for (field, _) in &mut self.0 {
            if let Some(rest) = field.strip_prefix(from) {
                *field = format!("{to}{rest}");
            }
        }
        self
    }

    /// Fails with all violations, if there are any.
    pub(crate) fn check(self) -> Result<(), Status> {
        if self.0.is_empty() {
            return Ok(());
        }
        let count = self.0.len();
        let noun = if count == 1 { "fault" } else { "faults" };
        let first = self.0.first().map(|(field, fault)| format!("{field}: {fault}")).unwrap_or_default();
        let more = if count > 1 { format!(" (and {} more)", count - 1) } else { String::new() };
        let message = format!("{count} {noun} in the request: {}{more}", shortened(&first));
        let facts = [("faults", count.to_string())];
        Err(status::with(Code::InvalidArgument, "INVALID_REQUEST", message, facts, |details| {
            let (mut reported, mut bytes) = (0, 0);
            for (field, fault) in &self.0 {
                let fault = shortened(fault);
                bytes += field.len() + fault.len();
                if bytes > MAX_BYTES {
                    break;
                }
                details.add_bad_request_violation(field, fault);
                reported += 1;
            }
            if reported < count {
                details.add_bad_request_violation("", format!("and {} faults more", count - reported));
            }
        }))
    }
}

/// What a caller sent comes back to them cut to a length that a status can bear.
fn shortened(text: &str) -> String {
    const MOST: usize = 240;
    if text.chars().count() <= MOST { text.to_owned() } else { text.chars().take(MOST).chain(['…']).collect() }
}
