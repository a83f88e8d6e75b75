//! Names of a caller that something other than a token proves: a client certificate, or the sidecar of a mesh.
//!
//! # Rule
//!
//! A certificate names its holder with its DNS names and with its URI, if it has exactly one (the rule of SPIFFE's X.509
//! identity documents). rustls has checked it against `tls.client_ca`.
//!
//! A sidecar names the caller in a header. Anybody can send a header, so only the one that is configured counts, and only
//! from this machine: a peer with a loopback address, or with the address at which it has reached the port. The second is
//! how Linkerd's proxy connects. No remote peer has either: the kernel drops packets that arrive from outside with a source
//! address of its own. A remote peer that sends the header is refused.

use std::net::SocketAddr;

use http::{HeaderMap, HeaderName};
use rustls::pki_types::CertificateDer;
use x509_parser::{certificate::X509Certificate, extensions::GeneralName, prelude::FromDer};

use crate::config::IdentityHeader;

const LINKERD: HeaderName = HeaderName::from_static("l5d-client-id");
const ENVOY: HeaderName = HeaderName::from_static("x-forwarded-client-cert");

/// What is known of the other end of a connection before it has sent a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Peer {
    /// Whether it is a process of this machine, or of this pod.
    pub(crate) is_local: bool,
    /// The names in its certificate.
    pub(crate) names: Vec<String>,
}

/// The header came from a peer that is not to be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spoofed;

impl Peer {
    pub(crate) fn new(remote: SocketAddr, local: Option<SocketAddr>, certificate: Option<&CertificateDer<'_>>) -> Self {
        let ip = remote.ip().to_canonical();
        let is_local = ip.is_loopback() || local.is_some_and(|local| local.ip().to_canonical() == ip);
        Self { is_local, names: certificate.map(|it| names(it)).unwrap_or_default() }
    }
}

/// The names of a certificate's holder.
fn names(certificate: &[u8]) -> Vec<String> {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else { return Vec::new() };
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return Vec::new() };
    let (mut uris, mut names) = (Vec::new(), Vec::new());
    for name in &extension.value.general_names {
        match name {
            GeneralName::URI(uri) => uris.push((*uri).to_owned()),
            GeneralName::DNSName(name) => names.push((*name).to_owned()),
            _ => {}
        }
    }
    if uris.len() == 1 {
        names.append(&mut uris);
    }
    names
}

/// The name that the sidecar gives the caller; `None` where it gives none.
pub(crate) fn of_sidecar(
    header: IdentityHeader,
    headers: &HeaderMap,
    peer: Option<&Peer>,
) -> Result<Option<String>, Spoofed> {
    let name = match header {
        IdentityHeader::Linkerd => LINKERD,
        IdentityHeader::Envoy => ENVOY,
    };
    let values: Vec<&str> = headers.get_all(name).iter().map(|value| value.to_str().unwrap_or_default()).collect();
    let Some(last) = values.last() else { return Ok(None) };
    if !peer.is_some_and(|peer| peer.is_local) {
        return Err(Spoofed);
    }
    Ok(match header {
        // The proxy sets one value. More than one is not its work.
        IdentityHeader::Linkerd => (values.len() == 1 && !last.is_empty()).then(|| (*last).to_owned()),
        IdentityHeader::Envoy => last_uri(last),
    })
}

/// The URI of the last element of an `x-forwarded-client-cert` header, which is the one that the sidecar itself has added:
/// the elements before it come from the proxies before it. `None` where it has none, or more than one.
fn last_uri(header: &str) -> Option<String> {
    let (mut uris, mut key, mut value) = (Vec::new(), String::new(), None::<String>);
    let (mut is_quoted, mut is_escaped) = (false, false);
    for c in header.chars().chain([';']) {
        match c {
            '\\' if is_quoted && !is_escaped => {
                is_escaped = true;
                continue;
            }
            _ if is_escaped => value.as_mut().unwrap_or(&mut key).push(c),
            '"' => is_quoted = !is_quoted,
            '=' if !is_quoted && value.is_none() => value = Some(String::new()),
            ';' | ',' if !is_quoted => {
                let written = std::mem::take(&mut key);
                if let Some(uri) = value.take().filter(|_| written.trim().eq_ignore_ascii_case("uri")) {
                    uris.push(uri);
                }
                if c == ',' {
                    uris.clear();
                }
            }
            c => value.as_mut().unwrap_or(&mut key).push(c),
        }
        is_escaped = false;
    }
    let is_whole = !is_quoted && uris.len() == 1;
    uris.pop().filter(|uri| is_whole && !uri.is_empty())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_last_element_of_a_forwarded_certificate_names_the_caller() {
        for (header, uri) in [
            ("By=spiffe://a/gateway;Hash=00;URI=spiffe://a/web", Some("spiffe://a/web")),
            ("URI=spiffe://a/forged,By=spiffe://a/gateway;URI=spiffe://a/web", Some("spiffe://a/web")),
            ("URI=spiffe://a/forged,By=spiffe://a/gateway;Hash=00", None),
            ("Subject=\"CN=x,URI=spiffe://a/forged\";uri=spiffe://a/web;DNS=web", Some("spiffe://a/web")),
            ("Subject=\"a \\\"quoted\\\";URI=spiffe://a/forged\"", None),
            ("URI=spiffe://a/web;URI=spiffe://a/other", None),
            ("Subject=\"never ends;URI=spiffe://a/web", None),
            ("URI=", None),
            ("", None),
        ] {
            assert_eq!(last_uri(header).as_deref(), uri, "{header}");
        }
    }

    #[test]
    fn a_header_is_believed_from_this_machine_and_refused_from_any_other() {
        let (loopback, own, remote) = ("127.0.0.6:4000", "10.1.2.3:4000", "10.1.2.4:4000");
        let port: SocketAddr = "10.1.2.3:50051".parse().unwrap();
        let mut headers = HeaderMap::new();
        let ask = |headers: &HeaderMap, from: &str| {
            let peer = Peer::new(from.parse().unwrap(), Some(port), None);
            of_sidecar(IdentityHeader::Linkerd, headers, Some(&peer))
        };
        assert_eq!(ask(&headers, remote), Ok(None));
        headers.append(LINKERD, HeaderValue::from_static("web.shop"));
        for from in [loopback, own, "[::ffff:127.0.0.1]:4000"] {
            assert_eq!(ask(&headers, from), Ok(Some("web.shop".to_owned())), "{from}");
        }
        assert_eq!(ask(&headers, remote), Err(Spoofed));
        headers.append(LINKERD, HeaderValue::from_static("admin.shop"));
        assert_eq!(ask(&headers, loopback), Ok(None), "two names are none");
    }
}
