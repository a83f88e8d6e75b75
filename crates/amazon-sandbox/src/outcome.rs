//! The outcome of a request: the right answer, or the effect of an injected fault on it.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::{
    ErrorForm, FaultKind,
    creators::{self, TokenIssuer},
    odd::Spelling,
    paapi5,
};

/// The outcome of a request.
pub(crate) enum CallOutcome {
    Answered(HttpAnswer),
    /// The connection closes after half of the answer.
    CutShort(HttpAnswer),
    NeverAnswered,
    HungUp,
}

pub(crate) struct HttpAnswer {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Bytes,
    pub(crate) later: Duration,
}

/// The API whose form of errors applies.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ErrorFormat {
    Paapi5,
    Creators,
    /// OAuth 2.0, as this issuer implements it.
    Token(TokenIssuer),
}

impl HttpAnswer {
    pub(crate) fn of(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self { status, content_type, retry_after: None, body: body.into(), later: Duration::ZERO }
    }

    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::of(status, "application/json", body.to_string())
    }
}

impl From<paapi5::Paapi5Error> for HttpAnswer {
    fn from(error: paapi5::Paapi5Error) -> Self {
        Self::json(error.status, &error.body())
    }
}

impl From<creators::CreatorsError> for HttpAnswer {
    fn from(error: creators::CreatorsError) -> Self {
        Self::json(error.status, &error.body())
    }
}

impl From<creators::TokenRequestError> for HttpAnswer {
    fn from(error: creators::TokenRequestError) -> Self {
        Self::json(error.status, &error.body())
    }
}

impl CallOutcome {
    /// Applies a fault, if there is one, to the right answer.
    pub(crate) fn of(answer: HttpAnswer, fault: Option<FaultKind>, error_format: ErrorFormat) -> Self {
        Self::Answered(match fault {
            // Those change the answer where it is made.
            None | Some(FaultKind::PartialErrors | FaultKind::Odd(_) | FaultKind::Pages(_)) => answer,
            Some(FaultKind::ErrorForm { status, code, form }) => {
                HttpAnswer { later: answer.later, ..HttpAnswer::json(status, &error_format.body(&code, form)) }
            }
            Some(FaultKind::RejectedId { id, is_named }) => error_format.rejected_id(is_named.then_some(&id)),
            Some(FaultKind::Error(name)) => error_format.error(name),
            Some(FaultKind::Status { status, body }) => {
                HttpAnswer { status, content_type: "text/html", body: body.into(), ..answer }
            }
            Some(FaultKind::RetryAfter(wait)) => HttpAnswer { retry_after: Some(wait), ..error_format.throttled() },
            Some(FaultKind::Latency(later)) => HttpAnswer { later, ..answer },
            Some(FaultKind::Hang) => return Self::NeverAnswered,
            Some(FaultKind::Reset) => return Self::HungUp,
            Some(FaultKind::Truncated) => return Self::CutShort(answer),
            Some(FaultKind::Malformed) => HttpAnswer { status: 200, body: error_format.malformed().into(), ..answer },
            Some(FaultKind::WrongShape) => HttpAnswer { status: 200, body: error_format.misshapen().into(), ..answer },
        })
    }
}

impl ErrorFormat {
    pub(crate) fn throttled(self) -> HttpAnswer {
        self.error(match self {
            Self::Paapi5 => "TooManyRequests",
            Self::Creators => "ThrottleException",
            Self::Token(_) => "too_many_requests",
        })
    }

    fn error(self, name: &'static str) -> HttpAnswer {
        match self {
            Self::Paapi5 => paapi5::Paapi5Error::named(name).into(),
            Self::Creators => creators::CreatorsError::named(name).into(),
            Self::Token(issuer) => creators::TokenRequestError::of(issuer, name).into(),
        }
    }

    /// The error of a `GetItems` with an invalid id, which it names or does not.
    fn rejected_id(self, id: Option<&str>) -> HttpAnswer {
        match (self, id) {
            (Self::Creators, Some(id)) => creators::CreatorsError::invalid_ids(&format!("{id} is not an ASIN")).into(),
            (Self::Creators, None) => creators::CreatorsError::invalid_ids("must be ASINs").into(),
            (Self::Paapi5 | Self::Token(_), id) => {
                let named = id.map_or("An ItemId".to_owned(), |id| format!("The ItemId {id}"));
                let message = format!("{named} provided in the request is invalid.");
                let error = json!({ "Code": "InvalidParameterValue", "Message": message });
                let kind = "com.amazon.paapi5#ValidationException";
                HttpAnswer::json(400, &json!({ "__type": kind, "Errors": [error] }))
            }
        }
    }

    /// An error of any code in one of Amazon's forms.
    fn body(self, code: &str, form: ErrorForm) -> Value {
        let spelling = match self {
            Self::Paapi5 => Spelling::Paapi5,
            Self::Creators | Self::Token(_) => Spelling::Creators,
        };
        let (code_key, message_key) = (spelling.key("Code"), spelling.key("Message"));
        let message = "The request cannot be answered.";
        let coral = format!("com.amazon.coral.availability#{code}");
        match form {
            ErrorForm::List => json!({ spelling.key("Errors"): [{ code_key: code, message_key: message }] }),
            ErrorForm::Code => json!({ code_key: code, message_key: message }),
            ErrorForm::Type => json!({ "type": code, "message": message }),
            ErrorForm::Coral => json!({ "__type": coral, "message": message }),
            ErrorForm::Envelope => json!({ "Output": { "__type": coral }, "Version": "1.0" }),
            ErrorForm::Message => json!({ message_key: code }),
        }
    }

    fn malformed(self) -> &'static str {
        match self {
            Self::Paapi5 => r#"{"ItemsResult": {"Items": [,]}"#,
            Self::Creators => r#"{"itemsResult": {"items": [,]}"#,
            Self::Token(_) => r#"{"access_token": ,}"#,
        }
    }

    fn misshapen(self) -> &'static str {
        match self {
            Self::Paapi5 => {
                r#"{"ItemsResult": ["spoon"], "SearchResult": 7, "VariationsResult": "", "BrowseNodesResult": true}"#
            }
            Self::Creators => {
                r#"{"itemsResult": ["spoon"], "searchResult": 7, "variationsResult": "", "browseNodesResult": true, "feeds": 7, "reports": {}, "url": []}"#
            }
            Self::Token(_) => r#"{"access_token": ["spoon"], "expires_in": "soon", "token_type": 7}"#,
        }
    }
}
