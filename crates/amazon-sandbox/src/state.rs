//! The state that all connections share, and the decision what to answer to each request.

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
    odd::{ListWindow, Spelling, ids_of},
    outcome::{CallOutcome, ErrorFormat, HttpAnswer},
    paapi5::{self, AnswerContext},
    signature::ReceivedRequest,
};
use amazon_catalog::Operation;

/// The path of the sandbox's own counters. Amazon has no such path.
const COUNTS_PATH: &str = "/sandbox/calls";

/// The path at which faults are queued, listed and removed.
const FAULTS_PATH: &str = "/sandbox/faults";

/// The state that all connections share.
#[derive(Debug)]
pub(crate) struct SandboxState {
    /// The sandbox's base URL, as `http://127.0.0.1:8180`.
    pub(crate) url: String,
    pub(crate) limits: Mutex<RateLimits>,
    pub(crate) faults: Mutex<Vec<InjectedFault>>,
    pub(crate) token_faults: Mutex<Vec<InjectedFault>>,
    pub(crate) call_log: CallLog,
    pub(crate) tokens: TokenStore,
    /// Delays the answers to calls.
    pub(crate) gate: ResponseGate,
    /// Delays the answers to token requests.
    pub(crate) token_gate: ResponseGate,
    pub(crate) eligible: AtomicBool,
    pub(crate) latency: Duration,
    creators_reviews: bool,
}

/// The handler of a request, by its path.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Route {
    Paapi5(Option<Operation>),
    Creators(Option<CreatorsOperation>),
    Token(TokenIssuer),
    File,
    /// The sandbox's own counters.
    Counts,
    /// The sandbox's pending faults.
    Faults,
}

impl Route {
    /// The route of a request. PA-API's handler gets every unknown path and answers it with `UnknownOperation`.
    pub(crate) fn of(received: ReceivedRequest<'_>) -> Self {
        if received.path == COUNTS_PATH {
            Self::Counts
        } else if received.path == FAULTS_PATH {
            Self::Faults
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

    /// The operation that the request names; `None` where it names none.
    pub(crate) fn operation(self) -> Option<Operation> {
        match self {
            Self::Paapi5(operation) => operation,
            Self::Creators(Some(CreatorsOperation::Catalog(operation))) => Some(operation),
            Self::Creators(Some(CreatorsOperation::List(_) | CreatorsOperation::Link(_))) => Some(Operation::Files),
            Self::Creators(None) | Self::Token(_) | Self::File | Self::Counts | Self::Faults => None,
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

    /// Checks a request in Amazon's order and makes its answer. An injected fault that matches the request replaces the answer.
    pub(crate) fn decide(&self, route: Route, received: ReceivedRequest<'_>, query: &str) -> CallOutcome {
        match route {
            Route::Paapi5(operation) => self.decide_paapi5(operation, received),
            Route::Creators(asked) => self.decide_creators(asked, received),
            Route::Token(issuer) => {
                let fault = InjectedFault::take(&mut locked(&self.token_faults), None, &[]);
                let granted = creators::grant(issuer, received, &self.tokens);
                let answer = granted.map_or_else(HttpAnswer::from, |token| HttpAnswer::json(200, &token));
                CallOutcome::of(answer, fault, ErrorFormat::Token(issuer))
            }
            Route::File => CallOutcome::Answered(file(received, query)),
            Route::Counts => CallOutcome::Answered(HttpAnswer::json(200, &self.counts())),
            Route::Faults => CallOutcome::Answered(self.steer_faults(received)),
        }
    }

    fn decide_paapi5(&self, operation: Option<Operation>, received: ReceivedRequest<'_>) -> CallOutcome {
        let operation = match paapi5::authenticate(operation, received, OffsetDateTime::now_utc()) {
            Ok(_) if !self.admits() => return CallOutcome::Answered(ErrorFormat::Paapi5.throttled()),
            Ok(operation) => operation,
            Err(error) => return CallOutcome::Answered(error.into()),
        };
        let body: Value = serde_json::from_slice(received.body).unwrap_or_default();
        let ids = ids_of(&body);
        let fault = InjectedFault::take(&mut locked(&self.faults), Some(operation), &ids);
        let answer = paapi5::answer(operation, received, &body, self.context(fault.as_ref()));
        let written = |answer| written(answer, fault.as_ref(), Spelling::Paapi5, Some(operation), &ids);
        let answer = answer.map_or_else(HttpAnswer::from, written);
        CallOutcome::of(answer, fault, ErrorFormat::Paapi5)
    }

    fn decide_creators(&self, asked: Option<CreatorsOperation>, received: ReceivedRequest<'_>) -> CallOutcome {
        let admitted = match creators::authenticate(asked, received, &self.tokens, Instant::now()) {
            Ok(_) if !self.admits() => return CallOutcome::Answered(ErrorFormat::Creators.throttled()),
            Ok(admitted) => admitted,
            Err(error) => return CallOutcome::Answered(error.into()),
        };
        let ids = ids_of(&serde_json::from_slice(received.body).unwrap_or_default());
        let operation = Route::Creators(asked).operation();
        let fault = InjectedFault::take(&mut locked(&self.faults), operation, &ids);
        let (context, base) = (self.context(fault.as_ref()), self.base(received));
        let answer = creators::answer(admitted, received, context, &base, self.creators_reviews);
        let written = |answer| written(answer, fault.as_ref(), Spelling::Creators, operation, &ids);
        let answer = answer.map_or_else(HttpAnswer::from, written);
        CallOutcome::of(answer, fault, ErrorFormat::Creators)
    }

    /// Queues the faults of a script (POST), lists those that are pending (GET), or removes them (DELETE).
    fn steer_faults(&self, received: ReceivedRequest<'_>) -> HttpAnswer {
        let mut faults = locked(&self.faults);
        match received.method {
            "GET" => {}
            "DELETE" => faults.clear(),
            "POST" => {
                let script = String::from_utf8_lossy(received.body);
                match InjectedFault::parse_script(&script) {
                    Ok(script) => faults.extend(script),
                    Err(error) => return HttpAnswer::of(400, "text/plain", format!("{error}\n")),
                }
            }
            _ => return HttpAnswer::of(405, "text/plain", "GET, POST or DELETE\n"),
        }
        let pending = faults.iter().map(|fault| {
            let operation = fault.operation.map(Operation::name);
            json!({ "kind": fault.kind.name(), "operation": operation, "times": fault.times })
        });
        HttpAnswer::json(200, &json!({ "faults": pending.collect::<Vec<_>>() }))
    }

    /// The counters: calls received, calls answered by HTTP status, and calls over a limit.
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

    fn context<'a>(&self, fault: Option<&'a FaultKind>) -> AnswerContext<'a> {
        AnswerContext {
            window: match fault {
                Some(FaultKind::Odd(odd)) => odd.window(),
                _ => ListWindow::default(),
            },
            pages: match fault {
                Some(FaultKind::Pages(pages)) => pages,
                _ => &[],
            },
            now: OffsetDateTime::now_utc(),
            eligible: self.eligible.load(Ordering::Relaxed),
            hide_first: fault == Some(&FaultKind::PartialErrors),
        }
    }

    /// The base URL that the caller can reach: the `Host` it sent, or the sandbox's own address where it sent one of Amazon's hosts.
    fn base(&self, received: ReceivedRequest<'_>) -> String {
        let host = received.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        match (host.filter(|host| !host.contains("amazon")), self.url.split_once("://")) {
            (Some(host), Some((scheme, _))) => format!("{scheme}://{host}"),
            _ => self.url.clone(),
        }
    }
}

/// The answer as it is sent, odd where the fault says so.
fn written(
    answer: Value,
    fault: Option<&FaultKind>,
    spelling: Spelling,
    operation: Option<Operation>,
    ids: &[String],
) -> HttpAnswer {
    match (fault, operation) {
        (Some(FaultKind::Odd(odd)), Some(operation)) => {
            HttpAnswer::of(200, "application/json", odd.apply(answer, spelling, operation, ids))
        }
        _ => HttpAnswer::json(200, &answer),
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
