//! The URL of an HTTP server or proxy, checked when the configuration is read.

use std::fmt;

use url::Url;

use super::redaction::without_credentials;

/// An `http` or `https` URL with a host, without a query and a fragment. Its `Debug` and `Display` hide user and password.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpUrl(String);

impl HttpUrl {
    /// Checks a URL with the parser that the HTTP client uses; `None` where it is not one of these.
    pub fn parse(text: &str) -> Option<Self> {
        let is_http = text.starts_with("http://") || text.starts_with("https://");
        let url = Url::parse(text).ok().filter(|_| is_http && !text.contains(char::is_whitespace))?;
        let is_plain = url.has_host() && url.query().is_none() && url.fragment().is_none();
        is_plain.then(|| Self(text.to_owned()))
    }

    /// The URL as it was written, with its password.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&without_credentials(&self.0))
    }
}

impl fmt::Debug for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_a_scheme_of_http_and_a_host_and_ends_with_its_path() {
        for text in ["http://127.0.0.1:9", "https://amazon.example/path", "http://me:word@proxy.example:3128"] {
            assert!(HttpUrl::parse(text).is_some(), "{text}");
        }
        let malformed = ["", "amazon.example", "ftp://amazon.example", "http://", "http://host:port", "http://a b"];
        let unexpected = ["http:host", "HTTP://host", " http://host", "http://host?key=word", "http://host#part"];
        for text in malformed.into_iter().chain(unexpected) {
            assert!(HttpUrl::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn no_form_of_a_url_shows_its_password() {
        let url = HttpUrl::parse("http://me:hush@proxy.example:3128").unwrap();
        assert_eq!(url.to_string(), "http://(hidden)@proxy.example:3128");
        assert!(!format!("{url:?}").contains("hush"));
        assert!(url.expose().contains("hush"));
    }
}
