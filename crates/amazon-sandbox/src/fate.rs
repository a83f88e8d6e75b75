//! What becomes of a request: the answer that is right, or what a fault makes of it.

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use crate::{
    FaultKind,
    creators::{self, Family},
    paapi5,
};

/// What becomes of a request.
pub(crate) enum Fate {
    Answered(Answer),
    /// Half of the answer is sent.
    CutShort(Answer),
    NeverAnswered,
    HungUp,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Bytes,
    pub(crate) later: Duration,
}

/// In whose form errors are told.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Dialect {
    Paapi5,
    Creators,
    /// OAuth 2.0, of one of Amazon's two kinds.
    Token(Family),
}

impl Answer {
    pub(crate) fn of(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self { status, content_type, retry_after: None, body: body.into(), later: Duration::ZERO }
    }

    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::of(status, "application/json", body.to_string())
    }
}

impl From<paapi5::Refusal> for Answer {
    fn from(refusal: paapi5::Refusal) -> Self {
        Self::json(refusal.status, &refusal.body())
    }
}

impl From<creators::Refusal> for Answer {
    fn from(refusal: creators::Refusal) -> Self {
        Self::json(refusal.status, &refusal.body())
    }
}

impl From<creators::Denial> for Answer {
    fn from(denial: creators::Denial) -> Self {
        Self::json(denial.status, &denial.body())
    }
}

impl Fate {
    /// Lets a fault, if there is one, have its way with what would have been the answer.
    pub(crate) fn of(answer: Answer, fault: Option<FaultKind>, dialect: Dialect) -> Self {
        Self::Answered(match fault {
            None | Some(FaultKind::PartialErrors) => answer,
            Some(FaultKind::Error(name)) => dialect.error(name),
            Some(FaultKind::Status { status, body }) => {
                Answer { status, content_type: "text/html", body: body.into(), ..answer }
            }
            Some(FaultKind::RetryAfter(wait)) => Answer { retry_after: Some(wait), ..dialect.throttled() },
            Some(FaultKind::Latency(later)) => Answer { later, ..answer },
            Some(FaultKind::Hang) => return Self::NeverAnswered,
            Some(FaultKind::Reset) => return Self::HungUp,
            Some(FaultKind::Truncated) => return Self::CutShort(answer),
            Some(FaultKind::Malformed) => Answer { status: 200, body: dialect.malformed().into(), ..answer },
            Some(FaultKind::WrongShape) => Answer { status: 200, body: dialect.misshapen().into(), ..answer },
        })
    }
}

impl Dialect {
    pub(crate) fn throttled(self) -> Answer {
        self.error(match self {
            Self::Paapi5 => "TooManyRequests",
            Self::Creators => "ThrottleException",
            Self::Token(_) => "too_many_requests",
        })
    }

    fn error(self, name: &'static str) -> Answer {
        match self {
            Self::Paapi5 => paapi5::Refusal::named(name).into(),
            Self::Creators => creators::Refusal::named(name).into(),
            Self::Token(family) => creators::Denial::of(family, name).into(),
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
