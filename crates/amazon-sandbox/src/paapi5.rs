//! The sandbox's PA-API 5.0: authentication, request fields and answers.
//!
//! Follows <https://webservices.amazon.com/paapi5/documentation/>. Where the documentation is silent, a comment states the choice.

use serde_json::Value;
use time::OffsetDateTime;

use crate::{
    ACCESS_KEY, ListedPage, SECRET_KEY,
    odd::ListWindow,
    partner_tag,
    signature::{KeyPair, ReceivedRequest, verify},
};
use amazon_catalog::{Marketplace, Operation};

use self::item::ItemRenderer;
pub(crate) use self::{
    errors::{Paapi5Error, names as error_codes},
    fields::Fields,
    resources::{Resources, known as known_resources},
};

mod browse_nodes;
mod errors;
mod fields;
mod get_items;
mod info;
mod item;
mod json_object;
mod offers;
mod offers_v2;
mod resources;
mod search_items;
mod variations;

/// Every operation.
pub(crate) const OPERATIONS: [Operation; 4] =
    [Operation::GetItems, Operation::SearchItems, Operation::GetVariations, Operation::GetBrowseNodes];

/// The state that an answer depends on besides the request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AnswerContext<'a> {
    /// Which places of the true list the pages of a list show.
    pub(crate) window: ListWindow,
    /// The pages of a scripted list; empty: the true list.
    pub(crate) pages: &'a [ListedPage],
    pub(crate) now: OffsetDateTime,
    /// Whether the account meets Amazon's sales requirement.
    pub(crate) eligible: bool,
    /// Whether to report the first item of a `GetItems` as not accessible.
    pub(crate) hide_first: bool,
}

const TARGET_PREFIX: &str = "com.amazon.paapi5.v1.ProductAdvertisingAPIv1.";

/// The operation that a request's path names.
pub(crate) fn operation(received: ReceivedRequest<'_>) -> Option<Operation> {
    let name = received.path.strip_prefix("/paapi5/")?;
    OPERATIONS.into_iter().find(|operation| operation.name().to_ascii_lowercase() == name)
}

/// Checks that the request names one operation, in its path and in its target, and that the account signed it.
pub(crate) fn authenticate(
    operation: Option<Operation>,
    received: ReceivedRequest<'_>,
    now: OffsetDateTime,
) -> Result<Operation, Paapi5Error> {
    let target = received.headers.get("x-amz-target").and_then(|target| target.to_str().ok());
    let named = target.and_then(|target| target.strip_prefix(TARGET_PREFIX));
    let operation = operation
        .filter(|operation| received.method == "POST" && named == Some(operation.name()))
        .ok_or_else(|| Paapi5Error::named("UnknownOperation"))?;
    if !has_required_headers(received) {
        return Err(Paapi5Error::of_another_protocol());
    }
    let region = host_marketplace(received).map(Marketplace::aws_region);
    verify(received, KeyPair { access_key: ACCESS_KEY, secret_key: SECRET_KEY }, region, now)?;
    Ok(operation)
}

/// Whether the request says that its body is Amazon's JSON. `amz-1.0` names no coding.
fn has_required_headers(received: ReceivedRequest<'_>) -> bool {
    let header = |name: &str| received.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    header("content-encoding") == "amz-1.0" && is_json(header("content-type"))
}

/// Whether a content type is JSON, in UTF-8.
pub(crate) fn is_json(content_type: &str) -> bool {
    let content_type = content_type.to_ascii_lowercase().replace(' ', "");
    ["application/json", "application/json;charset=utf-8"].contains(&content_type.as_str())
}

impl AnswerContext<'_> {
    /// The scripted page of this number, from 1; `None` where the list is the true one.
    pub(crate) fn scripted_page(&self, number: usize) -> Option<&ListedPage> {
        self.pages.get(number - 1).or(self.pages.last())
    }
}

/// Answers a request that has been authenticated.
pub(crate) fn answer(
    operation: Operation,
    received: ReceivedRequest<'_>,
    body: &Value,
    context: AnswerContext<'_>,
) -> Result<Value, Paapi5Error> {
    let fields = Fields::of(body)?;
    // The order of checks: the form of the request, then the account, then the data.
    let marketplace = marketplace(received, &fields)?;
    fields.required_text("PartnerTag")?;
    fields.required_text("PartnerType")?;
    fields.one_of("PartnerType", &["Associates"])?;
    respond(operation, marketplace, &fields, &Resources::read(&fields, operation)?, context)
}

/// Answers a request in a marketplace whose resources have been read.
pub(crate) fn respond(
    operation: Operation,
    marketplace: Marketplace,
    fields: &Fields<'_>,
    resources: &Resources<'_>,
    context: AnswerContext<'_>,
) -> Result<Value, Paapi5Error> {
    let tag = fields.required_text("PartnerTag")?;
    let renderer = ItemRenderer::read(fields, marketplace, tag, resources, context.now)?;
    let checked = || match tag == partner_tag(marketplace) {
        false => Err(Paapi5Error::named("InvalidPartnerTag")),
        true if !context.eligible => Err(Paapi5Error::named("AssociateNotEligible")),
        true => Ok(()),
    };
    match operation {
        Operation::GetItems => get_items::GetItemsInput::read(fields).and_then(|request| {
            checked()?;
            Ok(request.answer(&renderer, context.hide_first))
        }),
        Operation::SearchItems => search_items::SearchItemsInput::read(fields, marketplace).and_then(|request| {
            checked()?;
            request.answer(&renderer, context)
        }),
        Operation::GetVariations => variations::GetVariationsInput::read(fields).and_then(|request| {
            checked()?;
            request.answer(&renderer, context)
        }),
        Operation::GetBrowseNodes => browse_nodes::ids(fields).and_then(|ids| {
            checked()?;
            Ok(browse_nodes::answer(&ids, resources))
        }),
        Operation::Files => Err(Paapi5Error::named("UnknownOperation")),
    }
}

/// The marketplace of Amazon's host that the request names, which wins over the body's. For any other host, as `127.0.0.1`, the
/// body's marketplace, or the United States.
fn marketplace(received: ReceivedRequest<'_>, fields: &Fields<'_>) -> Result<Marketplace, Paapi5Error> {
    let named = match fields.text("Marketplace")? {
        Some(name) => Some(
            Marketplace::all()
                .find(|marketplace| marketplace.name() == name)
                .ok_or_else(|| Paapi5Error::invalid("Marketplace", name))?,
        ),
        None => None,
    };
    let first = || Marketplace::all().next();
    host_marketplace(received).or(named).or_else(first).ok_or_else(|| Paapi5Error::named("InternalFailure"))
}

/// The marketplace whose host the request names, with any port.
fn host_marketplace(received: ReceivedRequest<'_>) -> Option<Marketplace> {
    let host = received.headers.get("host")?.to_str().ok()?;
    let name = host.split(':').next()?;
    Marketplace::all().find(|marketplace| marketplace.paapi5_host() == name)
}
