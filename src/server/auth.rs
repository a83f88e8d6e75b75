//! Who calls, and what they may.
//!
//! Callers are those of the configuration. A token, a client certificate or a sidecar (`identity`) says who calls; a token
//! is the strongest, so a call with a wrong one is refused whatever else it has. Without callers, everybody may do
//! everything, which is meant for loopback and for a mesh that decides who gets through.

use std::sync::{Arc, PoisonError, RwLock};

use super::{
    error::ErrorDescriptor,
    identity::{self, Peer},
};
use crate::{config, dispatch::Priority, metrics::Metrics};
use http::HeaderMap;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use stockroom_proto::pb::ErrorReason;

/// The services that anybody may call: probes and tools have no tokens.
const PUBLIC: [&str; 3] =
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
    identity_header: Option<config::IdentityHeader>,
    metrics: &'static Metrics,
    /// The name of those who have and give none.
    anonymous: Arc<str>,
}

#[derive(Debug)]
struct Caller {
    principal: Principal,
    // Hashes of equal length: the time of a comparison reveals nothing about a token.
    token_hashes: Vec<[u8; 32]>,
    identities: Vec<String>,
    admin: bool,
}

impl From<&config::CallerConfig> for Caller {
    fn from(caller: &config::CallerConfig) -> Self {
        let hash = |token: &SecretString| Sha256::digest(token.expose_secret().as_bytes()).into();
        Self {
            principal: Principal {
                name: caller.name.as_str().into(),
                share: caller.calls_per_day,
                weight: caller.weight,
                class: Priority::Interactive,
            },
            token_hashes: [&caller.token, &caller.previous_token].into_iter().flatten().map(hash).collect(),
            identities: caller.identities.clone(),
            admin: caller.admin,
        }
    }
}

impl Callers {
    pub(crate) fn new(config: &config::Config, is_admin_open: bool, metrics: &'static Metrics) -> Self {
        Self {
            callers: RwLock::new(config.callers.iter().map(Caller::from).collect()),
            is_admin_open,
            identity_header: config.server.identity_header,
            metrics,
            anonymous: "anonymous".into(),
        }
    }

    /// Admits these callers and no others from now on.
    pub(crate) fn replace(&self, callers: &[config::CallerConfig]) {
        *self.callers.write().unwrap_or_else(PoisonError::into_inner) = callers.iter().map(Caller::from).collect();
    }

    /// Whether callers are configured; without any, everybody is admitted.
    pub(crate) fn are_configured(&self) -> bool {
        !self.current().is_empty()
    }

    fn current(&self) -> Arc<[Caller]> {
        Arc::clone(&self.callers.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Who may call a method with these headers over a connection of this peer, or why nobody may.
    pub(crate) fn admit(
        &self,
        path: &str,
        headers: &HeaderMap,
        peer: Option<&Peer>,
    ) -> Result<Principal, ErrorDescriptor> {
        let named = self.identity_header.map_or(Ok(None), |header| identity::of_sidecar(header, headers, peer));
        let named = named.map_err(|identity::Spoofed| {
            self.metrics.identity_header_refused();
            unauthenticated("a header that names the caller is believed from the sidecar of this gateway only")
        })?;
        let callers = self.current();
        if callers.is_empty() && path.starts_with(ADMIN) && !self.is_admin_open {
            let message = "AdminService is closed: no callers are configured and the port is not on loopback; \
                configure a caller with admin, or set server.admin_open";
            return Err(ErrorDescriptor::new(ErrorReason::NotAnAdmin, message));
        }
        if callers.is_empty() || is_public(path) {
            return Ok(Principal { name: self.named(headers), share: None, weight: 1.0, class: class(headers) });
        }
        let caller = match headers.get(http::header::AUTHORIZATION) {
            Some(header) => {
                let hash: [u8; 32] = Sha256::digest(bearer_token(header.as_bytes()).unwrap_or_default()).into();
                let caller = callers.iter().find(|caller| caller.token_hashes.contains(&hash));
                caller.ok_or_else(|| unauthenticated("the token is not one of a caller of this gateway"))?
            }
            None => {
                let names = || peer.into_iter().flat_map(|peer| &peer.names).chain(&named);
                let caller = names().find_map(|name| callers.iter().find(|caller| caller.identities.contains(name)));
                caller.ok_or_else(|| match names().last() {
                    Some(name) => unauthenticated(&format!("{name:?} is not an identity of a caller of this gateway")),
                    None => unauthenticated(
                        "this gateway asks its callers for a token: send the metadata authorization: Bearer <token>",
                    ),
                })?
            }
        };
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

fn unauthenticated(message: &str) -> ErrorDescriptor {
    ErrorDescriptor::new(ErrorReason::CallerUnknown, message)
}

/// The token of an `authorization` header. The scheme's case and the number of spaces do not matter (RFC 9110, 11.4).
fn bearer_token(header: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = header.split_at_checked(b"bearer".len())?;
    let token = token.strip_prefix(b" ")?.trim_ascii();
    scheme.eq_ignore_ascii_case(b"bearer").then_some(token)
}

/// Whether the method is one that anybody may call, at any load.
pub(crate) fn is_public(path: &str) -> bool {
    PUBLIC.iter().any(|service| path.starts_with(service))
}

/// Callers that can wait say so; everybody else is waited for.
fn class(headers: &HeaderMap) -> Priority {
    let bulk = headers.get(PRIORITY_HEADER).is_some_and(|priority| priority.as_bytes().eq_ignore_ascii_case(b"bulk"));
    if bulk { Priority::Bulk } else { Priority::Interactive }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn callers(is_admin_open: bool) -> Callers {
        Callers {
            callers: RwLock::new([].into()),
            is_admin_open,
            identity_header: None,
            metrics: Metrics::new(),
            anonymous: "anonymous".into(),
        }
    }

    #[test]
    fn a_sidecar_s_header_from_elsewhere_is_refused_and_counted_even_without_callers() {
        let callers = Callers { identity_header: Some(config::IdentityHeader::Linkerd), ..callers(true) };
        let headers = HeaderMap::from_iter([(
            http::HeaderName::from_static("l5d-client-id"),
            http::HeaderValue::from_static("web.shop"),
        )]);
        let path = "/stockroom.v1.ProductService/GetProduct";
        let peer = |address: &str| Peer::new(address.parse().unwrap(), None, None);
        assert!(callers.admit(path, &headers, Some(&peer("127.0.0.1:4000"))).is_ok());
        assert!(callers.admit(path, &headers, Some(&peer("10.1.2.3:4000"))).is_err());
        assert!(callers.admit(path, &headers, None).is_err());
        assert!(callers.admit(path, &HeaderMap::new(), Some(&peer("10.1.2.3:4000"))).is_ok());
        let scrape = callers.metrics.render(&Default::default());
        assert!(scrape.contains("stockroom_identity_headers_refused_total 2\n"), "{scrape}");
    }

    #[test]
    fn without_callers_admin_service_answers_where_it_is_open_only() {
        let admin = "/stockroom.v1.AdminService/GetStatus";
        let admit = |is_open, path| callers(is_open).admit(path, &HeaderMap::new(), None).is_ok();
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
