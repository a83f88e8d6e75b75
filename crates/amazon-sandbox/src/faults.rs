//! Injected faults: kind, operation and count; set by a test or read from a script.

use std::{collections::BTreeSet, time::Duration};

use serde::Deserialize;

use crate::{creators, paapi5};
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
}

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

const KINDS: &str =
    "error, status, retry-after, latency, hang, reset, truncated, malformed, wrong-shape, partial-errors";

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
}

fn once() -> u32 {
    1
}

impl InjectedFault {
    /// A fault of any operation.
    pub fn new(times: u32, kind: FaultKind) -> Self {
        Self { operation: None, times, kind }
    }

    /// Reads a script in TOML: a list of `[[fault]]` tables with `kind`, `times` (1 unless given), `operation` (any unless given)
    /// and what the kind needs: `code` for `error`, `status` and perhaps `body` for `status`, `seconds` for `retry-after`,
    /// `milliseconds` for `latency`.
    pub fn parse_script(text: &str) -> Result<Vec<Self>, ScriptError> {
        let script: FaultScript = toml::from_str(text).map_err(|error| ScriptError::Toml(Box::new(error)))?;
        let faults = script.fault.into_iter().zip(1..);
        faults.map(|(entry, number)| entry.read().map_err(|what| ScriptError::Fault { number, what })).collect()
    }

    /// Takes the first fault that matches a request and decrements its count. A request may name no operation.
    pub(crate) fn take(faults: &mut Vec<Self>, operation: Option<Operation>) -> Option<FaultKind> {
        let fault = faults.iter_mut().find(|fault| fault.times > 0 && fault.is_meant_for(operation))?;
        fault.times -= 1;
        let kind = fault.kind.clone();
        faults.retain(|fault| fault.times > 0);
        Some(kind)
    }

    fn is_meant_for(&self, operation: Option<Operation>) -> bool {
        let possible = self.kind != FaultKind::PartialErrors || operation == Some(Operation::GetItems);
        possible && self.operation.is_none_or(|wanted| operation == Some(wanted))
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
            other => return Err(format!("kind is {other}; it must be one of {KINDS}")),
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
    fn a_script_s_faults_are_named_with_what_is_accepted() {
        let cases = [
            ("kind = \"boom\"", "fault 1 of the script: kind is boom; it must be one of error, status"),
            ("kind = \"status\"", "fault 1 of the script: status must be given, 200 to 599"),
            ("kind = \"error\"\ncode = \"Oops\"", "code is Oops; it must be one of "),
            ("kind = \"hang\"\nstatus = 500", "status means nothing to kind hang"),
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
        let mut take = |operation| InjectedFault::take(&mut faults, Some(operation));
        assert_eq!(take(Operation::GetItems), Some(FaultKind::Reset));
        assert_eq!(take(Operation::SearchItems), Some(FaultKind::Hang));
        assert_eq!(take(Operation::SearchItems), Some(FaultKind::Reset));
        assert_eq!(take(Operation::SearchItems), None);
        assert_eq!(take(Operation::GetItems), Some(FaultKind::PartialErrors));
    }
}
