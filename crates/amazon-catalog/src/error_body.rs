//! Classification of error responses: what an error of Amazon's means, in whichever form it comes.
//!
//! # Why
//!
//! Amazon's gateways, services and token checks answer in different forms and spell the same error differently. The caller
//! has to know what to do: wait, try again, change the account, or change the request. A wrong class has a price: a
//! throttled call that looks like a failure trips the breaker, and a failure that looks like an absence hides a product.
//!
//! # Rule
//!
//! One function reads every form, under every HTTP status:
//!
//! 1. The errors of a body are those of its list (`errors` or `error`), or the one that it is itself, or the one in `output`.
//!    An error has up to three names, looked at in this order: `reason`, `code`, and `type` or `__type` without its name space.
//!    One in a list may have a text alone.
//! 2. A name means what its family means ([`Meaning::of`]): `Throttling`, `RequestThrottled` and `TooManyRequests` are one
//!    family. The first name whose family is known decides.
//! 3. Where no name is known the status decides: 429 is throttled, 5xx a failure, 401 and 403 a refusal of the account, any
//!    other status a rejection of the request.
//! 4. A body that is no JSON is a failure, unless the status says throttled or refused: it comes from something between
//!    Amazon and this client.
//!
//! # Edge cases
//!
//! Amazon names an id in the text of a message only. Texts go no further than this crate, because they may name keys.

use std::time::Duration;

use http::StatusCode;
use time::OffsetDateTime;

use crate::{
    Error, Refusal,
    error::INVALID_ID_NAMES,
    http_response::{HttpResponse, MAX_RETRY_AFTER},
    json::{Object, json_struct},
};

json_struct! {
    /// The names and the text of an error.
    struct ErrorEntry {
        reason: String,
        code: String,
        /// Also spelled `__type`, with a name space.
        r#type: String,
        message: String,
        field_list: Vec<FieldName>,
        retry_after_seconds: Option<f64>,
    }
}

json_struct! {
    /// A field that Amazon names: `"partnerTag"` in the documentation, `{"name": "partnerTag"}` on the wire, where the SDK
    /// expects a message beside the name.
    struct FieldName or name {
        name: String,
        message: String,
    }
}

/// What the family of an error's name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Too many calls.
    Throttled,
    /// A failure of Amazon's own.
    Failed,
    /// A refusal of the account.
    Refused(Refusal),
    /// Nothing was found, or the named id does not exist.
    NotFound,
    /// The named item is not offered through the API.
    NotAccessible,
    /// A value of the request is invalid; where the value is an id, that id does not exist.
    InvalidValue,
}

/// What can be asked for, in the names of errors.
const SUBJECTS: [&str; 11] =
    ["", "item", "itemid", "asin", "product", "resource", "browsenode", "node", "variation", "feed", "report"];

/// The errors of a body.
pub(crate) fn read_errors(body: &Object<'_>) -> Vec<ErrorEntry> {
    for list in ["errors", "error"] {
        let mut listed: Vec<ErrorEntry> = body.field(list);
        listed.retain(|error| error.has_name() || !error.message.is_empty());
        if !listed.is_empty() {
            return listed;
        }
    }
    let flat = |object: &Object<'_>| Some(ErrorEntry::from_object(object)).filter(ErrorEntry::has_name);
    let envelope = body.get("output").and_then(Object::read);
    flat(body).or_else(|| flat(&envelope?)).into_iter().collect()
}

/// The error for a response without a result. `body` is its body as an object, where it is one, and `errors` are the
/// errors in it; `now` is the time against which a date in
/// `Retry-After` is counted.
pub(crate) fn to_error(
    response: &HttpResponse,
    errors: &[ErrorEntry],
    body: Option<&Object<'_>>,
    now: OffsetDateTime,
) -> Error {
    let (status, request_id) = (response.status, response.request_id());
    let decisive = errors.iter().find(|error| error.meaning().is_some_and(Meaning::is_about_the_call));
    let entry = decisive.or(errors.first());
    let by_text =
        || body.filter(|_| errors.is_empty()).and_then(|body| Meaning::of_text(&body.field::<String>("message")));
    let meaning = entry.and_then(ErrorEntry::meaning).filter(|meaning| meaning.is_about_the_call()).or_else(by_text);
    let is_refusal = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&status);
    match meaning {
        Some(Meaning::Throttled) => throttled(response, entry, now),
        Some(Meaning::Failed) => Error::Failed { status: status.as_u16(), request_id },
        Some(Meaning::Refused(refusal)) => Error::Refused { refusal, request_id },
        _ if status == StatusCode::TOO_MANY_REQUESTS => throttled(response, entry, now),
        _ if status.is_server_error() => Error::Failed { status: status.as_u16(), request_id },
        _ if is_refusal => Error::Refused { refusal: Refusal::Other, request_id },
        _ => match entry {
            Some(entry) if entry.has_name() => {
                Error::Rejected { code: printable_code(entry.name()), parameter: entry.parameter(), request_id }
            }
            None if body.is_none() && !status.is_redirection() => Error::Failed { status: status.as_u16(), request_id },
            _ => response.malformed(&format!("HTTP status {} without an error code", status.as_u16())),
        },
    }
}

/// The error for one id that Amazon did not answer, because of an error that is not about the existence of the id.
pub(crate) fn to_item_error(response: &HttpResponse, entry: Option<&ErrorEntry>, now: OffsetDateTime) -> Error {
    let request_id = response.request_id();
    match entry.and_then(ErrorEntry::meaning) {
        Some(Meaning::Throttled) => throttled(response, entry, now),
        Some(Meaning::Refused(refusal)) => Error::Refused { refusal, request_id },
        _ => Error::Failed { status: response.status.as_u16(), request_id },
    }
}

fn throttled(response: &HttpResponse, entry: Option<&ErrorEntry>, now: OffsetDateTime) -> Error {
    let seconds = entry.and_then(|entry| entry.retry_after_seconds).filter(|seconds| *seconds >= 0.0);
    let bounded = |seconds: f64| Duration::from_secs_f64(seconds.min(MAX_RETRY_AFTER.as_secs_f64()));
    let retry_after = response.retry_after(now).or(seconds.map(bounded));
    Error::Throttled { retry_after, request_id: response.request_id() }
}

/// A code that may be shown: at most 64 letters and nothing else.
fn printable_code(code: &str) -> String {
    code.chars().filter(char::is_ascii_alphabetic).take(64).collect()
}

impl Meaning {
    /// The meaning of a name, by family; `None` for a name of no known family.
    ///
    /// A name is compared without case and without the suffixes `Exception` and `Error`.
    pub(crate) fn of(name: &str, message: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let name = name.trim_end_matches("exception").trim_end_matches("error");
        let has = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
        let refusal = match name {
            // Every call since 2026-05-15 has been answered so.
            "accessdenied" if message.to_ascii_lowercase().contains("deprecated") => Some(Refusal::ApiRetired),
            "accessdenied" => Some(Refusal::NotEnabled),
            "accessdeniedawsusers" => Some(Refusal::AwsKey),
            "associatenoteligible" | "associateeligibility" => Some(Refusal::NotEligible),
            "associatevalidation" | "invalidassociate" => Some(Refusal::NotAssociate),
            "authorizationfailed" => Some(Refusal::NotEnabled),
            "invalidpartnertag" => Some(Refusal::BadPartnerTag),
            "invalidsignature" | "incompletesignature" | "signaturedoesnotmatch" => Some(Refusal::BadSignature),
            "requestexpired" => Some(Refusal::ClockSkew),
            "unrecognizedclient" => Some(Refusal::UnknownKey),
            "invalidissuer" => Some(Refusal::WrongRegion),
            "invalidclient" | "unsupportedclient" => Some(Refusal::BadCredential),
            "tokenexpired" | "expiredtoken" | "invalidtoken" | "missingclaim" | "missingkeyid"
            | "missingcredential" => Some(Refusal::TokenRefused),
            _ => None,
        };
        if let Some(refusal) = refusal {
            return Some(Self::Refused(refusal));
        }
        // Some codes are the HTTP status that the response should have.
        if let Ok(status) = name.parse::<u16>() {
            return match status {
                429 => Some(Self::Throttled),
                500..600 => Some(Self::Failed),
                _ => None,
            };
        }
        // The families are tried from the narrowest on: ItemNotFound is no failure, ServiceUnavailable no absence.
        if has(&[
            "throttl",
            "toomanyrequest",
            "rateexceeded",
            "ratelimit",
            "limitexceeded",
            "quotaexceeded",
            "slowdown",
        ]) {
            Some(Self::Throttled)
        } else if has(&["notaccessible"]) {
            Some(Self::NotAccessible)
        } else if is_not_found(name) {
            Some(Self::NotFound)
        } else if has(&INVALID_ID_NAMES) || has(&["invalidbrowsenode"]) {
            Some(Self::InvalidValue)
        } else if has(&[
            "internal",
            "unavailable",
            "serverfault",
            "timeout",
            "timedout",
            "dependency",
            "servicefailure",
        ]) || ["service", "server", "unknown", "unexpected"].contains(&name)
        {
            Some(Self::Failed)
        } else {
            None
        }
    }

    /// The meaning of a message that has no name beside it.
    fn of_text(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        let is_throttled = ["rate exceeded", "throttl", "too many requests"].iter().any(|words| text.contains(words));
        is_throttled.then_some(Self::Throttled)
    }

    /// Whether the error is about the call or the account, and not about an id or a value.
    pub(crate) fn is_about_the_call(self) -> bool {
        match self {
            Self::Throttled | Self::Failed | Self::Refused(_) => true,
            Self::NotFound | Self::NotAccessible | Self::InvalidValue => false,
        }
    }
}

impl ErrorEntry {
    fn from_object(object: &Object<'_>) -> Self {
        Self {
            reason: object.field("reason"),
            code: object.field("code"),
            r#type: object.field("type"),
            message: object.field("message"),
            field_list: object.field("field_list"),
            retry_after_seconds: object.field("retry_after_seconds"),
        }
    }

    fn has_name(&self) -> bool {
        self.names().next().is_some()
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        let names = [&self.reason, &self.code, &self.r#type].into_iter();
        names.map(|name| without_name_space(name)).filter(|name| !name.is_empty())
    }

    /// The name to show.
    fn name(&self) -> &str {
        self.names().next().unwrap_or_default().trim_end_matches("Exception")
    }

    /// What the error means; `None` where no name is of a known family.
    pub(crate) fn meaning(&self) -> Option<Meaning> {
        let is_refusal = |meaning: &Meaning| matches!(meaning, Meaning::Refused(_));
        match without_name_space(&self.reason) {
            "" if !self.has_name() => Meaning::of_text(&self.message),
            "" => self.names().find_map(|name| Meaning::of(name, &self.message)),
            // The Creators API says why it refuses an account in `reason`, and with a type as general as AccessDenied.
            "InvalidAssociate" => Some(Meaning::Refused(Refusal::BadPartnerTag)),
            reason => Meaning::of(reason, &self.message).or_else(|| {
                let mut others = self.names().skip(1).filter_map(|name| Meaning::of(name, &self.message));
                others.find(|meaning| !is_refusal(meaning))
            }),
        }
    }

    /// Whether the message names an id, as a word of its own.
    pub(crate) fn names_id(&self, id: &str) -> bool {
        let texts = self.field_list.iter().map(|field| &field.message).chain([&self.message]);
        texts
            .into_iter()
            .any(|text| text.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word.eq_ignore_ascii_case(id)))
    }

    /// The parameter that the error is about: from the list of fields, or from the brackets of a message as
    /// `… provided in the request for [ItemCount] is invalid`. Only what can be a name is taken for one, because values and
    /// keys are printed in the same places.
    fn parameter(&self) -> Option<String> {
        let fields = self
            .field_list
            .iter()
            .map(|field| field.name.as_str())
            .filter(|name| name.starts_with(|first: char| first.is_ascii_lowercase()) && is_name(name));
        let brackets = self.message.rsplit('[').filter_map(|text| text.split_once(']').map(|(inside, _)| inside));
        let has_lowercase = |text: &&str| text.bytes().any(|byte| byte.is_ascii_lowercase()) && is_name(text);
        fields.chain(brackets.filter(has_lowercase)).map(str::to_owned).next()
    }
}

/// Whether a name says that what was asked for does not exist: `ItemNotFound`, and not `PartnerTagNotFound`.
fn is_not_found(name: &str) -> bool {
    let subject = name
        .strip_suffix("notfound")
        .or_else(|| name.strip_prefix("nosuch"))
        .or_else(|| name.strip_prefix("no")?.strip_suffix("found"));
    name.starts_with("noresult") || subject.is_some_and(|subject| SUBJECTS.contains(&subject.trim_end_matches('s')))
}

fn without_name_space(name: &str) -> &str {
    name.rsplit(['#', '.', '/', ':']).next().unwrap_or_default()
}

fn is_name(text: &str) -> bool {
    text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests;
