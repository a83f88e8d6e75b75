//! How a command ends: why it failed, and the exit code that says so.

use std::{
    error::Error as _,
    io::{self, Write},
    process::ExitCode,
};

use super::page::plain_lines;
use crate::config::ConfigErrors;
use stockroom_client::Code;

/// The exit codes, for the help. The numbers above 63 are those of BSD's sysexits.h.
pub(super) const CODES: &str = "\
Exit codes:
   0  done
   1  nothing found, or not healthy
   2  the command line is wrong
  64  the configuration is wrong
  65  the gateway refused an argument
  69  the gateway or Amazon cannot be reached
  70  something broke
  75  not now: the deadline passed or a budget is spent; try later
  77  not allowed, by the gateway or by Amazon";

/// How a command that did not fail ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The command printed a result.
    Done,
    /// There was nothing, or it was not healthy.
    Nothing,
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// Whoever read the output has left; that is no fault.
    #[error("nobody reads the output")]
    OutputClosed,
    /// The output cannot be written.
    #[error("the output cannot be written")]
    Output(#[source] io::Error),
    /// The command line asks for what makes no sense.
    #[error("{0}")]
    Usage(String),
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// The gateway's address is wrong.
    #[error(transparent)]
    Connect(#[from] stockroom_client::ConnectError),
    /// The gateway answered with an error, or not at all.
    #[error("{}", in_lines(.0))]
    Call(Box<stockroom_client::Error>),
    /// Something on this machine stands in the way.
    #[error("{doing}")]
    Local {
        /// What could not be done.
        doing: String,
        /// Why.
        #[source]
        why: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl From<stockroom_client::Error> for Failure {
    fn from(error: stockroom_client::Error) -> Self {
        Self::Call(Box::new(error))
    }
}

impl Failure {
    /// Wraps why something could not be done on this machine.
    pub(super) fn local<E>(doing: impl Into<String>) -> impl FnOnce(E) -> Self
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let doing = doing.into();
        |why| Self::Local { doing, why: why.into() }
    }

    /// The exit code.
    pub(super) fn code(&self) -> u8 {
        match self {
            Self::OutputClosed => 0,
            Self::Usage(_)
            | Self::Connect(stockroom_client::ConnectError::Url { .. } | stockroom_client::ConnectError::Token) => 2,
            Self::Config(_) => 64,
            Self::Call(error) if never_reached(error) => 69,
            Self::Call(error) => code_of(error.code),
            Self::Output(_) | Self::Connect(stockroom_client::ConnectError::Tls(_)) | Self::Local { .. } => 70,
        }
    }
}

fn code_of(code: Code) -> u8 {
    match code {
        Code::Ok => 0,
        Code::NotFound => 1,
        Code::InvalidArgument | Code::OutOfRange => 65,
        Code::Unavailable => 69,
        Code::ResourceExhausted | Code::DeadlineExceeded | Code::Cancelled | Code::Aborted => 75,
        // Amazon refuses the account: somebody must see to it.
        Code::FailedPrecondition | Code::PermissionDenied | Code::Unauthenticated => 77,
        Code::Unknown | Code::AlreadyExists | Code::Unimplemented | Code::Internal | Code::DataLoss => 70,
    }
}

/// Ends the program: the whole chain of causes to stderr, and the code.
pub(super) fn report(result: Result<Outcome, Failure>) -> ExitCode {
    match result {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Nothing) => ExitCode::from(1),
        Err(failure) => {
            if !matches!(failure, Failure::OutputClosed) {
                complain(&failure);
            }
            ExitCode::from(failure.code())
        }
    }
}

/// Writes a failure with its whole chain of causes to stderr. A closed stderr is no further failure.
pub(super) fn complain(failure: &Failure) {
    let mut text = format!("stockroom: {failure}\n");
    let mut cause = failure.source();
    while let Some(error) = cause {
        text.push_str(&format!("  because: {error}\n"));
        cause = error.source();
    }
    // The text may repeat what a server sent.
    let _ = io::stderr().write_all(plain_lines(&text).as_bytes());
}

/// Whether no gateway was there: all that a gateway answers has a reason, and a deadline may have passed on the way.
fn never_reached(error: &stockroom_client::Error) -> bool {
    error.reason.is_empty() && !matches!(error.code, Code::Ok | Code::DeadlineExceeded | Code::Cancelled)
}

fn in_lines(error: &stockroom_client::Error) -> String {
    let mut text = match (error.field_violations.is_empty(), error.message.is_empty()) {
        // The message would only repeat the first.
        (false, _) => "the gateway refused the request".to_owned(),
        (true, false) => error.message.clone(),
        (true, true) => format!("{:?}", error.code),
    };
    for violation in &error.field_violations {
        text.push_str(&format!("\n  {}: {}", violation.field, violation.description));
    }
    if let Some(wait) = error.retry_after {
        text.push_str(&format!("\n  try again in {}", super::format::duration(wait)));
    }
    if never_reached(error) {
        text.push_str("\n  is a gateway running there? `stockroom serve --sandbox` starts one to try");
    }
    let reason = if error.reason.is_empty() { String::new() } else { format!(" {}", error.reason) };
    let request = if error.request_id.is_empty() { String::new() } else { format!(", request {}", error.request_id) };
    text.push_str(&format!("\n  ({:?}{reason}{request})", error.code));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_error_has_its_exit_code() {
        let cases = [
            (Code::NotFound, 1),
            (Code::InvalidArgument, 65),
            (Code::Unavailable, 69),
            (Code::Internal, 70),
            (Code::ResourceExhausted, 75),
            (Code::DeadlineExceeded, 75),
            (Code::FailedPrecondition, 77),
            (Code::PermissionDenied, 77),
            (Code::Unauthenticated, 77),
        ];
        for (code, exit) in cases {
            assert_eq!(code_of(code), exit, "{code:?}");
        }
    }
}
