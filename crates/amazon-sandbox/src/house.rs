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
    creators::{self, Asked, Family, NoFile, Tokens},
    fate::{Answer, Dialect, Fate},
    hold::Gate,
    limits::Allowance,
    locked,
    paapi5::{self, Scene},
    record::Record,
    signature::Received,
};
use amazon_catalog::Operation;

/// Where the sandbox tells what it has counted; no path of Amazon's.
const COUNTS_PATH: &str = "/sandbox/calls";

/// What all connections share.
#[derive(Debug)]
pub(crate) struct House {
    /// Where it is, as `http://127.0.0.1:8180`.
    pub(crate) url: String,
    pub(crate) allowance: Mutex<Allowance>,
    pub(crate) faults: Mutex<Vec<InjectedFault>>,
    pub(crate) token_faults: Mutex<Vec<InjectedFault>>,
    pub(crate) record: Record,
    pub(crate) tokens: Tokens,
    /// Before the answers to calls.
    pub(crate) gate: Gate,
    /// Before the answers to requests for tokens.
    pub(crate) token_gate: Gate,
    pub(crate) eligible: AtomicBool,
    pub(crate) latency: Duration,
    creators_reviews: bool,
}

/// What a request is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Door {
    Paapi5(Option<Operation>),
    Creators(Option<Asked>),
    Token(Family),
    File,
    /// What the sandbox tells of itself.
    Counts,
}

impl Door {
    /// Whatever is nothing else's is PA-API's to refuse.
    pub(crate) fn of(received: Received<'_>) -> Self {
        if received.path == COUNTS_PATH {
            Self::Counts
        } else if let Some(family) = Family::at(received.path) {
            Self::Token(family)
        } else if creators::is_file(received.path) {
            Self::File
        } else if creators::is_meant(received.path) {
            Self::Creators(creators::asked(received.path))
        } else {
            Self::Paapi5(paapi5::operation(received))
        }
    }

    /// The operation that is called.
    pub(crate) fn operation(self) -> Option<Operation> {
        match self {
            Self::Paapi5(operation) => operation,
            Self::Creators(Some(Asked::Catalog(operation))) => Some(operation),
            Self::Creators(Some(Asked::List(_) | Asked::Link(_))) => Some(Operation::Files),
            Self::Creators(None) | Self::Token(_) | Self::File | Self::Counts => None,
        }
    }
}

impl House {
    pub(crate) fn new(url: String, options: Options) -> Self {
        Self {
            url,
            allowance: Mutex::new(Allowance::new(options.calls_per_second, options.calls_per_day)),
            faults: Mutex::new(options.faults),
            token_faults: Mutex::new(options.token_faults),
            record: Record::new(),
            tokens: Tokens::new(options.token_lifetime),
            gate: Gate::new(),
            token_gate: Gate::new(),
            eligible: AtomicBool::new(true),
            latency: options.latency,
            creators_reviews: options.creators_reviews,
        }
    }

    /// Checks a request in the order that Amazon does, and answers it unless a fault befalls it.
    pub(crate) fn decide(&self, door: Door, received: Received<'_>, query: &str) -> Fate {
        match door {
            Door::Paapi5(operation) => self.decide_paapi5(operation, received),
            Door::Creators(asked) => self.decide_creators(asked, received),
            Door::Token(family) => {
                let fault = InjectedFault::take(&mut locked(&self.token_faults), None);
                let granted = creators::grant(family, received, &self.tokens);
                let answer = granted.map_or_else(Answer::from, |token| Answer::json(200, &token));
                Fate::of(answer, fault, Dialect::Token(family))
            }
            Door::File => Fate::Answered(file(received, query)),
            Door::Counts => Fate::Answered(Answer::json(200, &self.counts())),
        }
    }

    fn decide_paapi5(&self, operation: Option<Operation>, received: Received<'_>) -> Fate {
        let operation = match paapi5::authenticate(operation, received, OffsetDateTime::now_utc()) {
            Ok(_) if !self.admits() => return Fate::Answered(Dialect::Paapi5.throttled()),
            Ok(operation) => operation,
            Err(refusal) => return Fate::Answered(refusal.into()),
        };
        let fault = InjectedFault::take(&mut locked(&self.faults), Some(operation));
        let body = serde_json::from_slice(received.body).unwrap_or_default();
        let answer = paapi5::answer(operation, received, &body, self.scene(fault.as_ref()));
        let answer = answer.map_or_else(Answer::from, |told| Answer::json(200, &told));
        Fate::of(answer, fault, Dialect::Paapi5)
    }

    fn decide_creators(&self, asked: Option<Asked>, received: Received<'_>) -> Fate {
        let admitted = match creators::authenticate(asked, received, &self.tokens, Instant::now()) {
            Ok(_) if !self.admits() => return Fate::Answered(Dialect::Creators.throttled()),
            Ok(admitted) => admitted,
            Err(refusal) => return Fate::Answered(refusal.into()),
        };
        let fault = InjectedFault::take(&mut locked(&self.faults), Door::Creators(asked).operation());
        let (scene, base) = (self.scene(fault.as_ref()), self.base(received));
        let answer = creators::answer(admitted, received, scene, &base, self.creators_reviews);
        let answer = answer.map_or_else(Answer::from, |told| Answer::json(200, &told));
        Fate::of(answer, fault, Dialect::Creators)
    }

    /// How many calls have come, how many were answered with which status, and how many were beyond a limit.
    fn counts(&self) -> Value {
        let mut by_status = BTreeMap::<u16, usize>::new();
        let calls = self.record.calls();
        for call in calls.iter().filter(|call| call.status != 0) {
            *by_status.entry(call.status).or_default() += 1;
        }
        let over_the_limits = locked(&self.allowance).refused();
        json!({ "calls": calls.len(), "by_status": by_status, "over_the_limits": over_the_limits })
    }

    fn admits(&self) -> bool {
        locked(&self.allowance).admits(Instant::now())
    }

    fn scene(&self, fault: Option<&FaultKind>) -> Scene {
        Scene {
            now: OffsetDateTime::now_utc(),
            eligible: self.eligible.load(Ordering::Relaxed),
            hide_first: fault == Some(&FaultKind::PartialErrors),
        }
    }

    /// Where the caller reaches the sandbox: the host that it named, unless that is Amazon's, which leads elsewhere.
    fn base(&self, received: Received<'_>) -> String {
        let host = received.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        match (host.filter(|host| !host.contains("amazon")), self.url.split_once("://")) {
            (Some(host), Some((scheme, _))) => format!("{scheme}://{host}"),
            _ => self.url.clone(),
        }
    }
}

fn file(received: Received<'_>, query: &str) -> Answer {
    match creators::open_file(received.path, query, OffsetDateTime::now_utc().unix_timestamp()) {
        _ if received.method != "GET" => Answer::of(405, "text/plain", "Method Not Allowed"),
        Ok((content_type, content)) => Answer::of(200, content_type, content),
        Err(NoFile::Forbidden) => Answer::of(403, "text/plain", "Forbidden"),
        Err(NoFile::Unknown) => Answer::of(404, "text/plain", "Not Found"),
    }
}
