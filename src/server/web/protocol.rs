//! Which protocol a request speaks, and the answer in HTTP's own words to one that speaks none.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version, header};
use prost_reflect::MethodDescriptor;

use super::{super::tracked_body::TrackedBody, json, response_body::ResponseBody};

const ACCEPTED: &str = "application/grpc, application/grpc-web, application/grpc-web-text, application/json, \
    application/proto, application/connect+json, application/connect+proto";

/// The protocol of a call that is not gRPC's own.
#[derive(Debug)]
pub(super) enum WebProtocol {
    /// With its content type, without parameters.
    GrpcWeb(&'static str),
    Connect(Connect),
}

/// A call of Connect.
#[derive(Debug)]
pub(super) struct Connect {
    pub(super) is_json: bool,
    /// Whether messages are in envelopes.
    pub(super) is_stream: bool,
    /// `None`: there is no such method.
    pub(super) method: Option<MethodDescriptor>,
}

/// Why a request is refused before anything is spent on it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct HttpRefusal {
    status: StatusCode,
    text: &'static str,
}

/// Whether a request is a gRPC call, which no one has to translate.
pub(super) fn is_grpc<B>(request: &Request<B>) -> bool {
    request.version() == Version::HTTP_2
        && request.method() == Method::POST
        && content_type(request.headers()).strip_prefix(b"application/grpc").is_some_and(|rest| {
            matches!(rest, b"" | b"+proto") || rest.starts_with(b";") || rest.starts_with(b"+proto;")
        })
}

fn content_type(headers: &HeaderMap) -> &[u8] {
    headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default()
}

impl WebProtocol {
    /// The protocol of a request that is no gRPC call, or its refusal: 405 for another method than POST, 415 for another
    /// content type, 426 for gRPC over HTTP/1.1.
    pub(super) fn of<B>(request: &Request<B>) -> Result<Self, HttpRefusal> {
        if request.method() != Method::POST {
            return Err(HttpRefusal::METHOD);
        }
        let content_type = content_type(request.headers()).to_ascii_lowercase();
        let media_type = content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        let (is_json, is_stream) = match media_type {
            b"application/grpc" | b"application/grpc+proto" if request.version() < Version::HTTP_2 => {
                return Err(HttpRefusal::VERSION);
            }
            b"application/grpc-web" | b"application/grpc-web+proto" => {
                return Ok(Self::GrpcWeb("application/grpc-web+proto"));
            }
            b"application/grpc-web-text" | b"application/grpc-web-text+proto" => {
                return Ok(Self::GrpcWeb("application/grpc-web-text+proto"));
            }
            b"application/json" => (true, false),
            b"application/proto" => (false, false),
            b"application/connect+json" => (true, true),
            b"application/connect+proto" => (false, true),
            _ => return Err(HttpRefusal::CONTENT_TYPE),
        };
        let method = json::method(request.uri().path());
        match &method {
            Some(method) if method.is_server_streaming() && !is_stream => Err(HttpRefusal::STREAM),
            Some(method) if is_stream && !method.is_server_streaming() => Err(HttpRefusal::UNARY),
            _ => Ok(Self::Connect(Connect { is_json, is_stream, method })),
        }
    }
}

impl HttpRefusal {
    const METHOD: Self = Self {
        status: StatusCode::METHOD_NOT_ALLOWED,
        text: "This port answers calls of gRPC, gRPC-Web and Connect: send POST requests.\n",
    };
    const VERSION: Self = Self {
        status: StatusCode::UPGRADE_REQUIRED,
        text: "gRPC needs HTTP/2: call this port with a gRPC client, as grpcurl. \
            HTTP/1.1 carries gRPC-Web and Connect.\n",
    };
    const CONTENT_TYPE: Self = Self {
        status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
        text: "This port speaks gRPC, gRPC-Web and Connect: send one of their content types, as application/json.\n",
    };
    const STREAM: Self = Self {
        status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
        text: "This method answers with a stream: send application/connect+json or application/connect+proto.\n",
    };
    const UNARY: Self = Self {
        status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
        text: "This method answers with one message: send application/json or application/proto.\n",
    };
    pub(super) const ORIGIN: Self = Self {
        status: StatusCode::FORBIDDEN,
        text: "Pages of this origin may not call this gateway; its operator allows origins in web.allowed_origins.\n",
    };

    pub(super) fn response(self) -> Response<ResponseBody> {
        let text = TrackedBody::plain(Bytes::from_static(self.text.as_bytes()));
        let mut response = Response::new(ResponseBody::Call(text));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        match self.status {
            StatusCode::METHOD_NOT_ALLOWED => {
                headers.insert(header::ALLOW, HeaderValue::from_static("POST"));
            }
            StatusCode::UPGRADE_REQUIRED => {
                headers.insert(header::UPGRADE, HeaderValue::from_static("HTTP/2.0"));
                headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            }
            StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                headers.insert("accept-post", HeaderValue::from_static(ACCEPTED));
            }
            _ => {}
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET_PRODUCT: &str = "/stockroom.v1.ProductService/GetProduct";
    const STREAM_SEARCH: &str = "/stockroom.v1.SearchService/StreamSearch";

    fn request(method: &str, path: &str, content_type: &str, version: Version) -> Request<()> {
        let request = Request::builder().method(method).uri(path).version(version);
        request.header(header::CONTENT_TYPE, content_type).body(()).unwrap()
    }

    #[test]
    fn only_posts_of_grpc_over_http_2_pass_untranslated() {
        for fine in ["application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8"] {
            assert!(is_grpc(&request("POST", GET_PRODUCT, fine, Version::HTTP_2)), "{fine}");
            assert!(!is_grpc(&request("GET", GET_PRODUCT, fine, Version::HTTP_2)), "{fine}");
            assert!(!is_grpc(&request("POST", GET_PRODUCT, fine, Version::HTTP_11)), "{fine}");
        }
        for other in ["text/plain", "application/json", "application/grpc-web", "application/grpc+json", ""] {
            assert!(!is_grpc(&request("POST", GET_PRODUCT, other, Version::HTTP_2)), "{other}");
        }
    }

    #[test]
    fn a_content_type_decides_the_protocol_or_the_refusal() {
        let of = |path, content_type| WebProtocol::of(&request("POST", path, content_type, Version::HTTP_11));
        assert!(matches!(
            of(GET_PRODUCT, "Application/JSON; charset=utf-8"),
            Ok(WebProtocol::Connect(Connect { is_json: true, is_stream: false, method: Some(_) }))
        ));
        assert!(matches!(
            of(STREAM_SEARCH, "application/connect+proto"),
            Ok(WebProtocol::Connect(Connect { is_json: false, is_stream: true, method: Some(_) }))
        ));
        assert!(matches!(of("/none", "application/json"), Ok(WebProtocol::Connect(Connect { method: None, .. }))));
        assert!(matches!(of(GET_PRODUCT, "application/grpc-web"), Ok(WebProtocol::GrpcWeb(_))));
        let refused = |path, content_type| of(path, content_type).unwrap_err();
        assert_eq!(refused(STREAM_SEARCH, "application/json"), HttpRefusal::STREAM);
        assert_eq!(refused(GET_PRODUCT, "application/connect+json"), HttpRefusal::UNARY);
        assert_eq!(refused(GET_PRODUCT, "application/grpc"), HttpRefusal::VERSION);
        for other in ["", "application/x-www-form-urlencoded", "application/grpc+json", "application/grpc-web+thrift"] {
            assert_eq!(refused(GET_PRODUCT, other), HttpRefusal::CONTENT_TYPE, "{other}");
        }
        let get = request("GET", GET_PRODUCT, "application/json", Version::HTTP_2);
        assert_eq!(WebProtocol::of(&get).unwrap_err(), HttpRefusal::METHOD);
    }
}
