//! Who calls, and what they may.
//!
//! Callers are those of the configuration, known by their bearer tokens. Without any, everybody may do everything, which
//! is meant for loopback and for a mesh that decides who gets through.

use std::sync::{Arc, PoisonError, RwLock};

use super::error::ErrorDescriptor;
use crate::{config, dispatch::Priority};
use http::HeaderMap;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use stockroom_proto::pb::ErrorReason;

/// The services that anybody may call: probes and tools have no tokens.
const OPEN: [&str; 3] =
    ["/grpc.health.v1.Health/", "/grpc.reflection.v1.ServerReflection/", "/grpc.reflection.v1alpha.ServerReflection/"];
const ADMIN: &str = "/stockroom.v1.AdminService/";
/// Where no callers are configured, a name that a caller gives itself, for status and logs.
const CALLER_HEADER: &str = "x-stockroom-caller";
/// `bulk`: after everybody who does not say so.
const PRIORITY_HEADER: &str = "x-stockroom-priority";

/// Who calls.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Principal {
    /// The name.
    pub(crate) name: Arc<str>,
    /// The calls to Amazon a day it may cause; `None`: no share of its own.
    pub(crate) share: Option<u32>,
    /// Its weight among callers.
    pub(crate) weight: f64,
    /// How urgent its calls are.
    pub(crate) class: Priority,
}

/// Those who may call.
#[derive(Debug)]
pub(crate) struct Callers {
    callers: RwLock<Arc<[Caller]>>,
    /// Whether AdminService answers where no callers are configured.
    is_admin_open: bool,
    /// The name of those who have and give none.
    anonymous: Arc<str>,
}

#[derive(Debug)]
struct Caller {
    principal: Principal,
    // Hashes of equal length: the time of a comparison reveals nothing about a token.
    token_hashes: Vec<[u8; 32]>,
    admin: bool,
}

impl From<&config::Caller> for Caller {
    fn from(caller: &config::Caller) -> Self {
        let hash = |token: &SecretString| Sha256::digest(token.expose_secret().as_bytes()).into();
        Self {
            principal: Principal {
                name: caller.name.as_str().into(),
                share: caller.calls_per_day,
                weight: caller.weight,
                class: Priority::Interactive,
            },
            token_hashes: [Some(&caller.token), caller.previous_token.as_ref()]
                .into_iter()
                .flatten()
                .map(hash)
                .collect(),
            admin: caller.admin,
        }
    }
}

impl Callers {
    pub(crate) fn new(callers: &[config::Caller], is_admin_open: bool) -> Self {
        Self {
            callers: RwLock::new(callers.iter().map(Caller::from).collect()),
            is_admin_open,
            anonymous: "anonymous".into(),
        }
    }

    /// Admits these callers and no others from now on.
    pub(crate) fn replace(&self, callers: &[config::Caller]) {
        *self.callers.write().unwrap_or_else(PoisonError::into_inner) = callers.iter().map(Caller::from).collect();
    }

    fn current(&self) -> Arc<[Caller]> {
        Arc::clone(&self.callers.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Who may call a method with these headers, or why nobody may.
    pub(crate) fn admit(&self, path: &str, headers: &HeaderMap) -> Result<Principal, ErrorDescriptor> {
        let callers = self.current();
        if callers.is_empty() && path.starts_with(ADMIN) && !self.is_admin_open {
            let message = "AdminService is closed: no callers are configured and the port is not on loopback; \
                configure a caller with admin, or set server.admin_open";
            return Err(ErrorDescriptor::new(ErrorReason::NotAnAdmin, message));
        }
        if callers.is_empty() || is_open(path) {
            return Ok(Principal { name: self.named(headers), share: None, weight: 1.0, class: class(headers) });
        }
        let unauthenticated = |message: &str| ErrorDescriptor::new(ErrorReason::CallerUnknown, message);
        let header = headers.get(http::header::AUTHORIZATION).ok_or_else(|| {
            unauthenticated(
                "this gateway asks its callers for a token: send the metadata authorization: Bearer <token>",
            )
        })?;
        let hash: [u8; 32] = Sha256::digest(bearer_token(header.as_bytes()).unwrap_or_default()).into();
        let caller = callers.iter().find(|caller| caller.token_hashes.contains(&hash));
        let caller = caller.ok_or_else(|| unauthenticated("the token is not one of a caller of this gateway"))?;
        if path.starts_with(ADMIN) && !caller.admin {
            let message = format!("{} is not an admin of this gateway", caller.principal.name);
            return Err(ErrorDescriptor::new(ErrorReason::NotAnAdmin, message));
        }
        Ok(Principal { class: class(headers), ..caller.principal.clone() })
    }

    /// The name that a caller gives itself.
    fn named(&self, headers: &HeaderMap) -> Arc<str> {
        let name = headers.get(CALLER_HEADER).and_then(|name| name.to_str().ok()).unwrap_or_default();
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let fits = (1..=64).contains(&name.len()) && name.bytes().all(is_allowed);
        if fits { name.into() } else { Arc::clone(&self.anonymous) }
    }
}

/// The token of an `authorization` header. The scheme's case and the number of spaces do not matter (RFC 9110, 11.4).
fn bearer_token(header: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = header.split_at_checked(b"bearer".len())?;
    let token = token.strip_prefix(b" ")?.trim_ascii();
    scheme.eq_ignore_ascii_case(b"bearer").then_some(token)
}

/// Whether the method is one that anybody may call, at any load.
pub(crate) fn is_open(path: &str) -> bool {
    OPEN.iter().any(|service| path.starts_with(service))
}

/// Callers that can wait say so; everybody else is waited for.
fn class(headers: &HeaderMap) -> Priority {
    let bulk = headers.get(PRIORITY_HEADER).is_some_and(|priority| priority.as_bytes().eq_ignore_ascii_case(b"bulk"));
    if bulk { Priority::Bulk } else { Priority::Interactive }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_callers_admin_service_answers_where_it_is_open_only() {
        let admin = "/stockroom.v1.AdminService/GetStatus";
        let admit = |is_open, path| Callers::new(&[], is_open).admit(path, &HeaderMap::new()).is_ok();
        assert!(admit(true, admin) && !admit(false, admin));
        assert!(admit(false, "/stockroom.v1.ProductService/GetProduct"));
    }

    #[test]
    fn a_bearer_token_is_read_in_any_case_and_spacing() {
        for header in ["Bearer x", "bearer x", "BEARER x", "Bearer  x", "Bearer x "] {
            assert_eq!(bearer_token(header.as_bytes()), Some(&b"x"[..]), "{header}");
        }
        for header in ["Basic x", "Bearerx", "Bearer", "", "x"] {
            assert_eq!(bearer_token(header.as_bytes()), None, "{header}");
        }
    }
}
