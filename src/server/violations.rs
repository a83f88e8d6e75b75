//! Collects every invalid field of a request, so that a caller corrects them all at once.

use super::error::ErrorDescriptor;
use stockroom_proto::pb::ErrorReason;

/// The bytes that the descriptions may take; a status must fit into a client's header list (8 KiB in Java by default).
const MAX_DESCRIPTION_BYTES: usize = 2800;

/// The invalid fields of one request.
#[derive(Debug, Default)]
pub(crate) struct Violations {
    fields: Vec<(String, String)>,
    /// The marketplace exists, and no account serves it.
    unserved_marketplace: Option<String>,
    /// Fields whose validity depends on the marketplace are not checked.
    pub(crate) marketplace_is_unknown: bool,
}

impl Violations {
    /// Adds a field, named as in the proto (`options.language`, `asins[3]`), and what is wrong with it.
    pub(crate) fn add(&mut self, field: impl Into<String>, description: impl ToString) {
        self.fields.push((field.into(), description.to_string()));
    }

    /// Adds a field that names a marketplace of Amazon's without an account.
    pub(crate) fn add_unserved_marketplace(&mut self, field: &str, marketplace: &str, description: String) {
        self.unserved_marketplace = Some(marketplace.to_owned());
        self.add(field, description);
    }

    /// How many fields are invalid so far.
    pub(crate) fn len(&self) -> usize {
        self.fields.len()
    }

    /// Unwraps a parsed field, or adds why it cannot be parsed.
    pub(crate) fn parsed<T, E: ToString>(&mut self, field: impl Into<String>, value: Result<T, E>) -> Option<T> {
        value.map_err(|error| self.add(field, error)).ok()
    }

    /// A count that must lie between 1 and `max`; zero means the default.
    pub(crate) fn count(&mut self, field: &str, value: i32, max: usize, default: usize) -> usize {
        match usize::try_from(value) {
            Ok(0) => default,
            Ok(n) if n <= max => n,
            _ => {
                self.add(field, format!("must be between 1 and {max}, or 0 for {default}; it is {value}"));
                default
            }
        }
    }

    /// The value of an enum. A number that this version does not know is a violation.
    pub(crate) fn enum_value<E: TryFrom<i32>>(&mut self, field: impl Into<String>, value: i32) -> Option<E> {
        self.parsed(field, E::try_from(value).map_err(|_| format!("this version knows no value {value}")))
    }

    /// Fails if any field is invalid.
    pub(crate) fn into_result(self) -> Result<(), ErrorDescriptor> {
        let Some((field, description)) = self.fields.first() else { return Ok(()) };
        let count = self.fields.len();
        let noun = if count == 1 { "field" } else { "fields" };
        let more = if count > 1 { format!(" (and {} more)", count - 1) } else { String::new() };
        let message =
            format!("{count} invalid {noun} in the request: {}{more}", shorten(&format!("{field}: {description}")));
        let error = match self.unserved_marketplace {
            Some(marketplace) => {
                ErrorDescriptor::new(ErrorReason::MarketplaceNotServed, message).fact("marketplace", marketplace)
            }
            None => ErrorDescriptor::new(ErrorReason::InvalidRequest, message),
        };
        Err(error.fact("violations", count).fields(bounded(self.fields)))
    }
}

/// As many of the fields as fit into a status, and how many do not.
fn bounded(fields: Vec<(String, String)>) -> Vec<(String, String)> {
    let count = fields.len();
    let mut bytes = 0;
    let mut kept: Vec<_> = fields
        .into_iter()
        .map(|(field, description)| (field, shorten(&description)))
        .take_while(|(field, description)| {
            bytes += field.len() + description.len();
            bytes <= MAX_DESCRIPTION_BYTES
        })
        .collect();
    if kept.len() < count {
        kept.push((String::new(), format!("and {} more", count - kept.len())));
    }
    kept
}

/// Cuts text that repeats what the caller sent to a length that fits into a status.
fn shorten(text: &str) -> String {
    const MAX: usize = 240;
    if text.chars().count() <= MAX { text.to_owned() } else { text.chars().take(MAX).chain(['…']).collect() }
}
