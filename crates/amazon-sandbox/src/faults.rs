//! Injected faults: kind, operation and count; set by a test or read from a script.

use std::{collections::BTreeSet, time::Duration};

use serde::Deserialize;

use crate::{creators, odd::OddAnswer, paapi5};
use amazon_catalog::Operation;

/// A fault that the sandbox injects into the next matching calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InjectedFault {
    /// Only calls of this operation; `None`: any call.
    pub operation: Option<Operation>,
    /// The number of calls that get this fault.
    pub times: u32,
    /// The kind of fault.
    pub kind: FaultKind,
}

/// The effect of a fault on a call. The call still counts against the account's limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// Amazon's error of this code, as `AssociateNotEligible`, with the status and body that Amazon documents for it; `Retired` and
    /// `RetiredFlat` are the two forms of the error since PA-API was retired. For calls of the Creators API it is a reason, as
    /// `TokenExpired`, or an exception, as `ThrottleException`, and a code of PA-API means the closest one; for token requests it is
    /// OAuth's, as `invalid_scope` or `server_error`. A code that Amazon does not have is sent with status 400.
    Error(&'static str),
    /// This status, with this body as `text/html`.
    Status {
        /// The HTTP status, 200 to 599.
        status: u16,
        /// The body.
        body: String,
    },
    /// Status 429 with a `Retry-After` header of whole seconds.
    RetryAfter(Duration),
    /// The right answer, this much later.
    Latency(Duration),
    /// No answer, ever.
    Hang,
    /// The connection is closed without an answer.
    Reset,
    /// Half of the right answer, with the content length of the whole; then the connection is closed.
    Truncated,
    /// Status 200 with a body that is not JSON.
    Malformed,
    /// Status 200 with JSON whose values have the wrong types.
    WrongShape,
    /// The first id of a `GetItems` is answered with `ItemNotAccessible`. Other operations do not use it up.
    PartialErrors,
    /// The right answer, made odd. Operations whose answers cannot be odd in this way do not use it up.
    Odd(OddAnswer),
    /// An error with any code and status, in one of the forms in which Amazon's services send errors.
    ErrorForm {
        /// The HTTP status, 200 to 599.
        status: u16,
        /// The code, as `RequestThrottled`; for [`ErrorForm::Message`] the message.
        code: String,
        /// The form of the body.
        form: ErrorForm,
    },
    /// A `GetItems` with this id is rejected as a whole. Calls without the id do not use it up.
    RejectedId {
        /// The id.
        id: String,
        /// Whether the error names the id.
        is_named: bool,
    },
    /// A search or a variation family has these pages. Each page after the last is the last. Other operations do not use it
    /// up.
    Pages(Vec<ListedPage>),
}

/// One page of a scripted list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListedPage {
    /// The products on the page, by their places in the catalogue's order by popularity; `None` is an item that cannot be
    /// read.
    pub places: Vec<Option<usize>>,
    /// The count of results or children; `None` leaves it out.
    pub total: Option<i64>,
    /// The count of pages, of a variation family; `None` leaves it out.
    pub page_count: Option<i64>,
    /// The page is this error instead, by the name that [`FaultKind::Error`] takes.
    pub error: Option<&'static str>,
}

/// The form of an error's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorForm {
    /// `{"errors": [{"code": …, "message": …}]}`.
    List,
    /// `{"code": …, "message": …}`.
    Code,
    /// `{"type": …, "message": …}`.
    Type,
    /// `{"__type": "com.amazon.coral.availability#…", "message": …}`.
    Coral,
    /// `{"Output": {"__type": …}, "Version": "1.0"}`.
    Envelope,
    /// `{"message": …}`.
    Message,
}

const FORMS: [(&str, ErrorForm); 6] = [
    ("list", ErrorForm::List),
    ("code", ErrorForm::Code),
    ("type", ErrorForm::Type),
    ("coral", ErrorForm::Coral),
    ("envelope", ErrorForm::Envelope),
    ("message", ErrorForm::Message),
];

/// A script that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// It is not TOML, or has unknown keys or values of another type.
    #[error("the fault script is not a list of [[fault]] tables")]
    Toml(#[source] Box<toml::de::Error>),
    /// A fault is incomplete or contradictory.
    #[error("fault {number} of the script: {what}")]
    Fault {
        /// Its position in the script, from 1.
        number: usize,
        /// What is wrong, naming the key and what is accepted.
        what: String,
    },
}

/// The kinds that are no odd answers.
const KINDS: [&str; 13] = [
    "error",
    "error-form",
    "status",
    "retry-after",
    "latency",
    "hang",
    "reset",
    "truncated",
    "malformed",
    "wrong-shape",
    "partial-errors",
    "rejected-id",
    "pages",
];

/// The longest page of a script.
const MAX_PLACES: usize = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultScript {
    #[serde(default)]
    fault: Vec<FaultEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultEntry {
    operation: Option<String>,
    #[serde(default = "once")]
    times: u32,
    kind: String,
    code: Option<String>,
    status: Option<u16>,
    body: Option<String>,
    seconds: Option<u64>,
    milliseconds: Option<u64>,
    form: Option<String>,
    id: Option<String>,
    named: Option<bool>,
    pages: Option<Vec<Vec<i64>>>,
    total: Option<i64>,
    page_count: Option<i64>,
}

fn once() -> u32 {
    1
}

impl InjectedFault {
    /// A fault of any operation.
    pub fn new(times: u32, kind: FaultKind) -> Self {
        Self { operation: None, times, kind }
    }

    /// The names of all kinds that a script may have, those of [`ODD_ANSWERS`](crate::ODD_ANSWERS) last.
    pub fn kinds() -> impl Iterator<Item = &'static str> {
        KINDS.into_iter().chain(crate::ODD_ANSWERS.iter().map(|row| row.1))
    }

    /// Reads a script in TOML: a list of `[[fault]]` tables with `kind`, `times` (1 unless given), `operation` (any unless given)
    /// and what the kind needs: `code` for `error`; `code`, `form` and perhaps `status` for `error-form`; `status` and perhaps
    /// `body` for `status`; `seconds` for `retry-after`; `milliseconds` for `latency`; `id` and perhaps `named` for
    /// `rejected-id`; `pages` and perhaps `total` and `page_count` for `pages`.
    pub fn parse_script(text: &str) -> Result<Vec<Self>, ScriptError> {
        let script: FaultScript = toml::from_str(text).map_err(|error| ScriptError::Toml(Box::new(error)))?;
        let faults = script.fault.into_iter().zip(1..);
        faults.map(|(entry, number)| entry.read().map_err(|what| ScriptError::Fault { number, what })).collect()
    }

    /// Takes the first fault that matches a request and decrements its count. A request may name no operation and no ids.
    pub(crate) fn take(faults: &mut Vec<Self>, operation: Option<Operation>, ids: &[String]) -> Option<FaultKind> {
        let fault = faults.iter_mut().find(|fault| fault.times > 0 && fault.is_meant_for(operation, ids))?;
        fault.times -= 1;
        let kind = fault.kind.clone();
        faults.retain(|fault| fault.times > 0);
        Some(kind)
    }

    fn is_meant_for(&self, operation: Option<Operation>, ids: &[String]) -> bool {
        let possible = match &self.kind {
            FaultKind::PartialErrors => operation == Some(Operation::GetItems),
            FaultKind::Odd(odd) => operation.is_some_and(|operation| odd.changes(operation)),
            FaultKind::RejectedId { id, .. } => operation == Some(Operation::GetItems) && ids.contains(id),
            FaultKind::Pages(_) => matches!(operation, Some(Operation::SearchItems | Operation::GetVariations)),
            _ => true,
        };
        possible && self.operation.is_none_or(|wanted| operation == Some(wanted))
    }
}

impl FaultKind {
    /// The name of the kind in a script.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Error(_) => "error",
            Self::ErrorForm { .. } => "error-form",
            Self::Status { .. } => "status",
            Self::RetryAfter(_) => "retry-after",
            Self::Latency(_) => "latency",
            Self::Hang => "hang",
            Self::Reset => "reset",
            Self::Truncated => "truncated",
            Self::Malformed => "malformed",
            Self::WrongShape => "wrong-shape",
            Self::PartialErrors => "partial-errors",
            Self::RejectedId { .. } => "rejected-id",
            Self::Pages(_) => "pages",
            Self::Odd(odd) => odd.name(),
        }
    }
}

impl FaultEntry {
    fn read(self) -> Result<InjectedFault, String> {
        let operation = self.operation.as_deref().map(operation_named).transpose()?;
        let given = [
            ("code", self.code.is_some()),
            ("status", self.status.is_some()),
            ("body", self.body.is_some()),
            ("seconds", self.seconds.is_some()),
            ("milliseconds", self.milliseconds.is_some()),
            ("form", self.form.is_some()),
            ("id", self.id.is_some()),
            ("named", self.named.is_some()),
            ("pages", self.pages.is_some()),
            ("total", self.total.is_some()),
            ("page_count", self.page_count.is_some()),
        ];
        let (kind, keys) = match self.kind.as_str() {
            "error" => (FaultKind::Error(known_code(self.code)?), ["code"].as_slice()),
            "status" => {
                let status = self.status.filter(|status| (200..600).contains(status));
                let status = status.ok_or("status must be given, 200 to 599")?;
                let page = || "<html><body>Service Unavailable</body></html>".to_owned();
                (FaultKind::Status { status, body: self.body.unwrap_or_else(page) }, ["status", "body"].as_slice())
            }
            "retry-after" => {
                let seconds = self.seconds.ok_or("seconds must be given")?;
                (FaultKind::RetryAfter(Duration::from_secs(seconds)), ["seconds"].as_slice())
            }
            "latency" => {
                let milliseconds = self.milliseconds.ok_or("milliseconds must be given")?;
                (FaultKind::Latency(Duration::from_millis(milliseconds)), ["milliseconds"].as_slice())
            }
            "hang" => (FaultKind::Hang, [].as_slice()),
            "reset" => (FaultKind::Reset, [].as_slice()),
            "truncated" => (FaultKind::Truncated, [].as_slice()),
            "malformed" => (FaultKind::Malformed, [].as_slice()),
            "wrong-shape" => (FaultKind::WrongShape, [].as_slice()),
            "partial-errors" => (FaultKind::PartialErrors, [].as_slice()),
            "error-form" => {
                let code = self.code.ok_or("code must be given")?;
                let status = self.status.unwrap_or(400);
                let status = Some(status).filter(|status| (200..600).contains(status));
                let status = status.ok_or("status must be 200 to 599")?;
                let form = FORMS.into_iter().find(|(name, _)| Some(*name) == self.form.as_deref());
                let (_, form) =
                    form.ok_or_else(|| format!("form must be one of {}", FORMS.map(|row| row.0).join(", ")))?;
                (FaultKind::ErrorForm { status, code, form }, ["code", "status", "form"].as_slice())
            }
            "rejected-id" => {
                let id = self.id.ok_or("id must be given")?;
                (FaultKind::RejectedId { id, is_named: self.named.unwrap_or(true) }, ["id", "named"].as_slice())
            }
            "pages" => {
                let pages = self.pages.filter(|pages| !pages.is_empty()).ok_or("pages must be given")?;
                if pages.iter().any(|places| places.len() > MAX_PLACES) {
                    return Err(format!("a page has at most {MAX_PLACES} places"));
                }
                let page = |places: Vec<i64>| ListedPage {
                    places: places.into_iter().map(|place| usize::try_from(place).ok()).collect(),
                    total: self.total,
                    page_count: self.page_count,
                    error: None,
                };
                let pages = pages.into_iter().map(page).collect();
                (FaultKind::Pages(pages), ["pages", "total", "page_count"].as_slice())
            }
            name => match OddAnswer::named(name) {
                Some(odd) => (FaultKind::Odd(odd), [].as_slice()),
                None => {
                    let kinds: Vec<_> = InjectedFault::kinds().collect();
                    return Err(format!("kind is {name}; it must be one of {}", kinds.join(", ")));
                }
            },
        };
        match given.into_iter().find(|(key, given)| *given && !keys.contains(key)) {
            Some((key, _)) => Err(format!("{key} means nothing to kind {}", self.kind)),
            None => Ok(InjectedFault { operation, times: self.times, kind }),
        }
    }
}

fn known_code(code: Option<String>) -> Result<&'static str, String> {
    let code = code.ok_or("code must be given")?;
    // Some codes exist in both APIs.
    let known: BTreeSet<_> = paapi5::error_codes().chain(creators::error_names()).collect();
    known.get(code.as_str()).copied().ok_or_else(|| {
        format!("code is {code}; it must be one of {}", known.into_iter().collect::<Vec<_>>().join(", "))
    })
}

fn operation_named(name: &str) -> Result<Operation, String> {
    paapi5::OPERATIONS.into_iter().find(|operation| operation.name() == name).ok_or_else(|| {
        format!("operation is {name}; it must be one of {}", paapi5::OPERATIONS.map(Operation::name).join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_says_what_happens_to_which_calls() {
        let script = r#"
            [[fault]]
            operation = "GetItems"
            times = 3
            kind = "status"
            status = 503

            [[fault]]
            kind = "error"
            code = "AssociateNotEligible"

            [[fault]]
            kind = "latency"
            milliseconds = 250
        "#;
        let body = "<html><body>Service Unavailable</body></html>".to_owned();
        let expected = vec![
            InjectedFault {
                operation: Some(Operation::GetItems),
                ..InjectedFault::new(3, FaultKind::Status { status: 503, body })
            },
            InjectedFault::new(1, FaultKind::Error("AssociateNotEligible")),
            InjectedFault::new(1, FaultKind::Latency(Duration::from_millis(250))),
        ];
        assert_eq!(InjectedFault::parse_script(script).unwrap(), expected);
    }

    #[test]
    fn a_script_may_have_every_kind() {
        for kind in InjectedFault::kinds() {
            let needs = match kind {
                "error" => "code = \"TooManyRequests\"",
                "error-form" => "code = \"RequestThrottled\"\nform = \"list\"\nstatus = 503",
                "status" => "status = 503",
                "retry-after" => "seconds = 3",
                "latency" => "milliseconds = 3",
                "rejected-id" => "id = \"B0SBHEAD01\"\nnamed = false",
                "pages" => "pages = [[0, -1], []]\ntotal = 30",
                _ => "",
            };
            let script = format!("[[fault]]\nkind = \"{kind}\"\n{needs}");
            assert_eq!(InjectedFault::parse_script(&script).map(|faults| faults.len()).ok(), Some(1), "{script}");
        }
    }

    #[test]
    fn a_script_s_faults_are_named_with_what_is_accepted() {
        let cases = [
            ("kind = \"boom\"", "fault 1 of the script: kind is boom; it must be one of error, error-form, status"),
            ("kind = \"status\"", "fault 1 of the script: status must be given, 200 to 599"),
            ("kind = \"error\"\ncode = \"Oops\"", "code is Oops; it must be one of "),
            ("kind = \"hang\"\nstatus = 500", "status means nothing to kind hang"),
            ("kind = \"error-form\"\ncode = \"X\"", "form must be one of list, code, type, coral, envelope, message"),
            ("kind = \"rejected-id\"", "id must be given"),
            ("kind = \"pages\"", "pages must be given"),
            ("kind = \"no-counts\"\nid = \"x\"", "id means nothing to kind no-counts"),
            ("kind = \"hang\"\noperation = \"Get\"", "operation is Get; it must be one of GetItems"),
            ("kind = \"hang\"\ncolour = 1", "not a list of [[fault]] tables"),
        ];
        for (text, what) in cases {
            let error = InjectedFault::parse_script(&format!("[[fault]]\n{text}")).unwrap_err().to_string();
            assert!(error.contains(what), "{text}: {error}");
        }
    }

    #[test]
    fn each_fault_is_used_as_often_as_it_says_by_the_calls_it_is_meant_for() {
        let only_search =
            InjectedFault { operation: Some(Operation::SearchItems), ..InjectedFault::new(1, FaultKind::Hang) };
        let only_items = InjectedFault::new(1, FaultKind::PartialErrors);
        let mut faults = vec![only_search, InjectedFault::new(2, FaultKind::Reset), only_items];
        let mut take = |operation| InjectedFault::take(&mut faults, Some(operation), &[]);
        assert_eq!(take(Operation::GetItems), Some(FaultKind::Reset));
        assert_eq!(take(Operation::SearchItems), Some(FaultKind::Hang));
        assert_eq!(take(Operation::SearchItems), Some(FaultKind::Reset));
        assert_eq!(take(Operation::SearchItems), None);
        assert_eq!(take(Operation::GetItems), Some(FaultKind::PartialErrors));
    }
}
