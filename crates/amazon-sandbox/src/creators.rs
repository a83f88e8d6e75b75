//! The sandbox's Creators API: tokens, the order of the checks, and which operation answers.
//!
//! Follows <https://affiliate-program.amazon.com/creatorsapi/docs/en-us/introduction> and Amazon's SDK 1.3.0. Amazon documents
//! no order of checks. The sandbox checks the path, then the token, the limits, the body, and last the account.

use std::time::Instant;

use serde_json::{Map, Value};

use crate::{
    paapi5::{self, AnswerContext},
    signature::ReceivedRequest,
};
use amazon_catalog::{Marketplace, Operation};

pub use self::credentials::{credential, credential_versions, token_path};
pub(crate) use self::{
    credentials::TokenIssuer,
    errors::{CreatorsError, names as error_names},
    files::{FileError, is_file, open as open_file},
    grant::{TokenRequestError, answer as grant},
    spelling::lower,
    tokens::TokenStore,
};
use self::{errors::InvalidField, files::FileCollection, tokens::TokenRefusal};

mod catalog;
mod credentials;
mod errors;
mod files;
mod grant;
mod rules;
mod spelling;
mod tokens;

/// The operation that a path of the Creators API names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CreatorsOperation {
    Catalog(Operation),
    List(FileCollection),
    Link(FileCollection),
}

/// Whether a path belongs to the Creators API, including paths that name no operation.
pub(crate) fn is_creators_path(path: &str) -> bool {
    path.starts_with("/catalog/") || path.starts_with("/reports/")
}

/// The operation that a path names.
pub(crate) fn operation_at(path: &str) -> Option<CreatorsOperation> {
    Some(match path {
        "/catalog/v1/getItems" => CreatorsOperation::Catalog(Operation::GetItems),
        "/catalog/v1/searchItems" => CreatorsOperation::Catalog(Operation::SearchItems),
        "/catalog/v1/getVariations" => CreatorsOperation::Catalog(Operation::GetVariations),
        "/catalog/v1/getBrowseNodes" => CreatorsOperation::Catalog(Operation::GetBrowseNodes),
        "/catalog/v1/listFeeds" => CreatorsOperation::List(FileCollection::Feeds),
        "/catalog/v1/getFeed" => CreatorsOperation::Link(FileCollection::Feeds),
        "/reports/v1/listReports" => CreatorsOperation::List(FileCollection::Reports),
        "/reports/v1/getReport" => CreatorsOperation::Link(FileCollection::Reports),
        _ => return None,
    })
}

/// Checks that a request names an operation, has a good token, and names a marketplace that the token is for.
pub(crate) fn authenticate(
    asked: Option<CreatorsOperation>,
    received: ReceivedRequest<'_>,
    tokens: &TokenStore,
    now: Instant,
) -> Result<(CreatorsOperation, Marketplace), CreatorsError> {
    let refuse = |name| Err(CreatorsError::named(name));
    let Some(asked) = asked.filter(|_| received.method == "POST") else { return refuse("UnknownOperation") };
    let header = |name: &str| received.headers.get(name).and_then(|value| value.to_str().ok());
    let Some((token, claimed)) = header("authorization").and_then(bearer) else { return refuse("MissingCredential") };
    let version = match tokens.check(token, now) {
        Ok(version) => version,
        Err(TokenRefusal::Unknown) => return refuse("InvalidToken"),
        Err(TokenRefusal::Expired) => return refuse("TokenExpired"),
    };
    if claimed.is_some_and(|claimed| claimed != version.name) {
        return refuse("InvalidIssuer");
    }
    let named = header("x-marketplace");
    match named.and_then(|name| Marketplace::all().find(|marketplace| marketplace.name() == name)) {
        Some(marketplace) if version.serves(marketplace) => Ok((asked, marketplace)),
        Some(_) => refuse("InvalidAssociate"),
        None => {
            let message = if named.is_some() { "must be a marketplace, as www.amazon.com" } else { "must be given" };
            Err(CreatorsError::fields(vec![InvalidField::new("x-marketplace", message)]))
        }
    }
}

/// Answers an authenticated request. Links to files begin with `base`; `reviews` says whether answers contain ratings.
pub(crate) fn answer(
    (asked, marketplace): (CreatorsOperation, Marketplace),
    received: ReceivedRequest<'_>,
    context: AnswerContext<'_>,
    base: &str,
    reviews: bool,
) -> Result<Value, CreatorsError> {
    let body = match asked {
        // A list needs no field, so an empty body is accepted.
        CreatorsOperation::List(_) if received.body.is_empty() => Map::new(),
        _ if !is_json(received) => return Err(CreatorsError::named("CannotParse")),
        CreatorsOperation::Catalog(_) | CreatorsOperation::List(_) | CreatorsOperation::Link(_) => {
            serde_json::from_slice(received.body).map_err(|_| CreatorsError::named("CannotParse"))?
        }
    };
    match asked {
        CreatorsOperation::Catalog(operation) => catalog::answer(operation, marketplace, &body, context, reviews),
        CreatorsOperation::List(_) | CreatorsOperation::Link(_) if !context.eligible => {
            Err(CreatorsError::named("AssociateNotEligible"))
        }
        CreatorsOperation::List(collection) => Ok(files::list(collection, marketplace)),
        CreatorsOperation::Link(collection) => {
            files::link(collection, marketplace, &body, base, context.now.unix_timestamp())
        }
    }
}

fn is_json(received: ReceivedRequest<'_>) -> bool {
    let content_type = received.headers.get("content-type").and_then(|value| value.to_str().ok());
    content_type.is_some_and(paapi5::is_json)
}

/// The token of an `Authorization` header and the credential version beside it. Tokens of versions 2.x need the version; tokens of
/// versions 3.x, which some clients also send with a version, begin with `Atc|`.
fn bearer(header: &str) -> Option<(&str, Option<&str>)> {
    let claim = header.strip_prefix("Bearer ")?;
    let (token, version) = match claim.split_once(',') {
        Some((token, rest)) => (token, Some(rest.trim().strip_prefix("Version ")?.trim())),
        None => (claim, None),
    };
    let token = token.trim();
    (!token.is_empty() && (version.is_some() || token.starts_with("Atc|"))).then_some((token, version))
}
