//! What all connections of the sandbox share, and how each request is decided.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use http::header;
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::{
    FaultKind, InjectedFault, Options,
    call_log::CallLog,
    creators::{self, CreatorsOperation, FileError, TokenIssuer, TokenStore},
    hold::ResponseGate,
    limits::RateLimits,
    locked,
    outcome::{CallOutcome, ErrorFormat, HttpAnswer},
    paapi5::{self, AnswerContext},
    signature::ReceivedRequest,
};
use amazon_catalog::Operation;

/// Where the sandbox tells what it has counted; no path of Amazon's.
const COUNTS_PATH: &str = "/sandbox/calls";

/// What all connections share.
#[derive(Debug)]
pub(crate) struct SandboxState {
    /// Where it is, as `http://127.0.0.1:8180`.
    pub(crate) url: String,
    pub(crate) limits: Mutex<RateLimits>,
    pub(crate) faults: Mutex<Vec<InjectedFault>>,
    pub(crate) token_faults: Mutex<Vec<InjectedFault>>,
    pub(crate) call_log: CallLog,
    pub(crate) tokens: TokenStore,
    /// Before the answers to calls.
    pub(crate) gate: ResponseGate,
    /// Before the answers to requests for tokens.
    pub(crate) token_gate: ResponseGate,
    pub(crate) eligible: AtomicBool,
    pub(crate) latency: Duration,
    creators_reviews: bool,
}

/// What a request is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Route {
    Paapi5(Option<Operation>),
    Creators(Option<CreatorsOperation>),
    Token(TokenIssuer),
    File,
    /// What the sandbox tells of itself.
    Counts,
}

impl Route {
    /// Whatever is nothing else's is PA-API's to refuse.
    pub(crate) fn of(received: ReceivedRequest<'_>) -> Self {
        if received.path == COUNTS_PATH {
            Self::Counts
        } else if let Some(issuer) = TokenIssuer::at(received.path) {
            Self::Token(issuer)
        } else if creators::is_file(received.path) {
            Self::File
        } else if creators::is_creators_path(received.path) {
            Self::Creators(creators::operation_at(received.path))
        } else {
            Self::Paapi5(paapi5::operation(received))
        }
    }

    /// The operation that is called.
    pub(crate) fn operation(self) -> Option<Operation> {
        match self {
            Self::Paapi5(operation) => operation,
            Self::Creators(Some(CreatorsOperation::Catalog(operation))) => Some(operation),
            Self::Creators(Some(CreatorsOperation::List(_) | CreatorsOperation::Link(_))) => Some(Operation::Files),
            Self::Creators(None) | Self::Token(_) | Self::File | Self::Counts => None,
        }
    }
}

impl SandboxState {
    pub(crate) fn new(url: String, options: Options) -> Self {
        Self {
            url,
            limits: Mutex::new(RateLimits::new(options.calls_per_second, options.calls_per_day)),
            faults: Mutex::new(options.faults),
            token_faults: Mutex::new(options.token_faults),
            call_log: CallLog::new(),
            tokens: TokenStore::new(options.token_lifetime),
            gate: ResponseGate::new(),
            token_gate: ResponseGate::new(),
            eligible: AtomicBool::new(true),
            latency: options.latency,
            creators_reviews: options.creators_reviews,
        }
    }

    /// Checks a request in the order that Amazon does, and answers it unless a fault befalls it.
    pub(crate) fn decide(&self, route: Route, received: ReceivedRequest<'_>, query: &str) -> CallOutcome {
        match route {
            Route::Paapi5(operation) => self.decide_paapi5(operation, received),
            Route::Creators(asked) => self.decide_creators(asked, received),
            Route::Token(issuer) => {
                let fault = InjectedFault::take(&mut locked(&self.token_faults), None);
                let granted = creators::grant(issuer, received, &self.tokens);
                let answer = granted.map_or_else(HttpAnswer::from, |token| HttpAnswer::json(200, &token));
                CallOutcome::of(answer, fault, ErrorFormat::Token(issuer))
            }
            Route::File => CallOutcome::Answered(file(received, query)),
            Route::Counts => CallOutcome::Answered(HttpAnswer::json(200, &self.counts())),
        }
    }

    fn decide_paapi5(&self, operation: Option<Operation>, received: ReceivedRequest<'_>) -> CallOutcome {
        let operation = match paapi5::authenticate(operation, received, OffsetDateTime::now_utc()) {
            Ok(_) if !self.admits() => return CallOutcome::Answered(ErrorFormat::Paapi5.throttled()),
            Ok(operation) => operation,
            Err(error) => return CallOutcome::Answered(error.into()),
        };
        let fault = InjectedFault::take(&mut locked(&self.faults), Some(operation));
        let body = serde_json::from_slice(received.body).unwrap_or_default();
        let answer = paapi5::answer(operation, received, &body, self.context(fault.as_ref()));
        let answer = answer.map_or_else(HttpAnswer::from, |told| HttpAnswer::json(200, &told));
        CallOutcome::of(answer, fault, ErrorFormat::Paapi5)
    }

    fn decide_creators(&self, asked: Option<CreatorsOperation>, received: ReceivedRequest<'_>) -> CallOutcome {
        let admitted = match creators::authenticate(asked, received, &self.tokens, Instant::now()) {
            Ok(_) if !self.admits() => return CallOutcome::Answered(ErrorFormat::Creators.throttled()),
            Ok(admitted) => admitted,
            Err(error) => return CallOutcome::Answered(error.into()),
        };
        let fault = InjectedFault::take(&mut locked(&self.faults), Route::Creators(asked).operation());
        let (context, base) = (self.context(fault.as_ref()), self.base(received));
        let answer = creators::answer(admitted, received, context, &base, self.creators_reviews);
        let answer = answer.map_or_else(HttpAnswer::from, |told| HttpAnswer::json(200, &told));
        CallOutcome::of(answer, fault, ErrorFormat::Creators)
    }

    /// How many calls have come, how many were answered with which status, and how many were beyond a limit.
    fn counts(&self) -> Value {
        let mut by_status = BTreeMap::<u16, usize>::new();
        let calls = self.call_log.calls();
        for call in calls.iter().filter(|call| call.status != 0) {
            *by_status.entry(call.status).or_default() += 1;
        }
        let over_the_limits = locked(&self.limits).refused();
        json!({ "calls": calls.len(), "by_status": by_status, "over_the_limits": over_the_limits })
    }

    fn admits(&self) -> bool {
        locked(&self.limits).admits(Instant::now())
    }

    fn context(&self, fault: Option<&FaultKind>) -> AnswerContext {
        AnswerContext {
            now: OffsetDateTime::now_utc(),
            eligible: self.eligible.load(Ordering::Relaxed),
            hide_first: fault == Some(&FaultKind::PartialErrors),
        }
    }

    /// Where the caller reaches the sandbox: the host that it named, unless that is Amazon's, which leads elsewhere.
    fn base(&self, received: ReceivedRequest<'_>) -> String {
        let host = received.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        match (host.filter(|host| !host.contains("amazon")), self.url.split_once("://")) {
            (Some(host), Some((scheme, _))) => format!("{scheme}://{host}"),
            _ => self.url.clone(),
        }
    }
}

fn file(received: ReceivedRequest<'_>, query: &str) -> HttpAnswer {
    match creators::open_file(received.path, query, OffsetDateTime::now_utc().unix_timestamp()) {
        _ if received.method != "GET" => HttpAnswer::of(405, "text/plain", "Method Not Allowed"),
        Ok((content_type, content)) => HttpAnswer::of(200, content_type, content),
        Err(FileError::Forbidden) => HttpAnswer::of(403, "text/plain", "Forbidden"),
        Err(FileError::Unknown) => HttpAnswer::of(404, "text/plain", "Not Found"),
    }
}
