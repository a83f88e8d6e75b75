//! Keeps web pages of other origins away from the admin port.

use http::{HeaderMap, Uri, header, uri::Authority};

/// The authority that a request is for, from its URI or its `Host`.
fn authority(uri: &Uri, headers: &HeaderMap) -> Option<Authority> {
    uri.authority().cloned().or_else(|| headers.get(header::HOST)?.to_str().ok()?.parse().ok())
}

/// Whether a request to a port on loopback names a loopback host. Another name is a page whose name resolves to this machine.
pub(super) fn is_for_loopback(uri: &Uri, headers: &HeaderMap) -> bool {
    authority(uri, headers).is_none_or(|authority| {
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
    })
}

/// Whether a request that changes something comes from a page of this port, or from no page at all.
pub(super) fn is_own(uri: &Uri, headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let origin: Option<Uri> = origin.to_str().ok().and_then(|origin| origin.parse().ok());
    let origin = origin.as_ref().and_then(Uri::authority);
    origin.is_some() && origin == authority(uri, headers).as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(http::HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), http::HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn a_port_on_loopback_answers_only_to_loopback_names() {
        for host in ["localhost:9464", "127.0.0.1:9464", "127.8.8.8", "[::1]:9464"] {
            assert!(is_for_loopback(&Uri::from_static("/"), &headers(&[(header::HOST, host)])), "{host}");
        }
        for host in ["evil.example:9464", "10.0.0.1:9464", "localhost.evil.example"] {
            assert!(!is_for_loopback(&Uri::from_static("/"), &headers(&[(header::HOST, host)])), "{host}");
        }
    }

    #[test]
    fn a_search_comes_from_the_page_itself_or_from_no_page() {
        let host = (header::HOST, "127.0.0.1:9464");
        let own = |origin| is_own(&Uri::from_static("/search"), &headers(&[host.clone(), (header::ORIGIN, origin)]));
        assert!(is_own(&Uri::from_static("/search"), &headers(std::slice::from_ref(&host))));
        assert!(own("http://127.0.0.1:9464"));
        assert!(!own("http://evil.example") && !own("null") && !own("http://127.0.0.1:9999"));
    }
}
