//! One request for a bearer token (OAuth 2.0 client credentials grant), in the form that Amazon's SDK 1.3.0 sends.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use super::version::Issuer;
use crate::{
    Error, Refusal,
    http_response::HttpResponse,
    json::{FromJson, json_struct},
    transport::Transport,
};

/// The longest wait for the token service. A caller's own deadline is usually shorter.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// The lifetime of a token whose response does not state one (SDK 1.3.0).
const DEFAULT_LIFETIME_SECONDS: i64 = 3600;

/// The longest lifetime that is believed. Amazon grants one hour.
const MAX_LIFETIME_SECONDS: i64 = 24 * 3600;

/// The token service and the credential that it is asked with.
pub(super) struct TokenEndpoint {
    pub(super) url: String,
    pub(super) issuer: Issuer,
    pub(super) credential_id: String,
    pub(super) credential_secret: SecretString,
    pub(super) transport: Arc<Transport>,
}

/// A token and its lifetime.
pub(super) struct GrantedToken {
    pub(super) token: SecretString,
    pub(super) lifetime: Duration,
}

/// The fields in the order in which the SDK sends them.
#[derive(Serialize)]
struct Request<'a> {
    grant_type: &'a str,
    client_id: &'a str,
    client_secret: &'a str,
    scope: &'a str,
}

json_struct! {
    struct TokenResponse {
        access_token: String,
        token_type: String,
        expires_in: Option<i64>,
    }
}

json_struct! {
    struct TokenError {
        error: String,
    }
}

impl TokenEndpoint {
    /// Whether both would be granted the same tokens.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.url == other.url
            && self.credential_id == other.credential_id
            && self.credential_secret.expose_secret() == other.credential_secret.expose_secret()
    }

    /// Sends one token request.
    pub(super) async fn fetch(&self) -> Result<GrantedToken, Error> {
        let (content_type, body) = self.request();
        let headers = vec![("content-type", content_type.to_owned())];
        let response = self.transport.post(self.url.clone(), headers, body, REQUEST_TIMEOUT).await?;
        read_token(&response)
    }

    fn request(&self) -> (&'static str, Vec<u8>) {
        let scope = match self.issuer {
            Issuer::Cognito => "creatorsapi/default",
            Issuer::LoginWithAmazon => "creatorsapi::default",
        };
        let request = Request {
            grant_type: "client_credentials",
            client_id: &self.credential_id,
            client_secret: self.credential_secret.expose_secret(),
            scope,
        };
        match self.issuer {
            Issuer::Cognito => ("application/x-www-form-urlencoded", request.form().into_bytes()),
            Issuer::LoginWithAmazon => {
                ("application/json", serde_json::to_vec(&request).expect("four strings are always JSON"))
            }
        }
    }
}

impl Request<'_> {
    fn form(&self) -> String {
        form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", self.grant_type)
            .append_pair("client_id", self.client_id)
            .append_pair("client_secret", self.client_secret)
            .append_pair("scope", self.scope)
            .finish()
    }
}

/// The body as this type; its default where the body is not JSON or does not fit.
fn read_body<T: FromJson + Default>(response: &HttpResponse) -> T {
    let text = response.text().unwrap_or_default();
    serde_json::from_str(&text).ok().and_then(T::read).unwrap_or_default()
}

fn read_token(response: &HttpResponse) -> Result<GrantedToken, Error> {
    if !response.status.is_success() {
        return Err(read_error(response));
    }
    let TokenResponse { access_token, token_type, expires_in } = read_body(response);
    let is_bearer = token_type.is_empty() || token_type.eq_ignore_ascii_case("bearer");
    if access_token.is_empty() || !access_token.bytes().all(|byte| byte.is_ascii_graphic()) || !is_bearer {
        return Err(response.malformed("the token service gave no bearer token"));
    }
    let lifetime = expires_in.unwrap_or(DEFAULT_LIFETIME_SECONDS).clamp(0, MAX_LIFETIME_SECONDS);
    Ok(GrantedToken { token: access_token.into(), lifetime: Duration::from_secs(lifetime.unsigned_abs()) })
}

fn read_error(response: &HttpResponse) -> Error {
    let (status, request_id) = (response.status, response.request_id());
    let TokenError { error } = read_body(response);
    if status == StatusCode::TOO_MANY_REQUESTS {
        return Error::Throttled { retry_after: response.retry_after(SystemTime::now().into()), request_id };
    }
    if status.is_server_error() {
        return Error::Failed { status: status.as_u16(), request_id };
    }
    // OAuth's codes do not distinguish a wrong id, a wrong secret and a wrong version.
    if status.is_client_error() && !error.is_empty() {
        return Error::Refused { refusal: Refusal::BadCredential, request_id };
    }
    response.malformed(&format!("the token service answered with HTTP status {} and no error code", status.as_u16()))
}
