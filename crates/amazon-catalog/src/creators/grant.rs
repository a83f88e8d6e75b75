//! One request for a token (OAuth 2.0, client credentials), as Amazon's own SDK 1.3.0 sends it.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use super::version::Issuer;
use crate::{Error, Refusal, lenient::group, reply::Reply, transport::Transport};

/// How long a token service may take; a waiting caller's own patience is mostly shorter.
const PATIENCE: Duration = Duration::from_secs(10);

/// The life of a token that does not state its own (SDK 1.3.0).
const LIFE_SECONDS: i64 = 3600;

/// More than Amazon gives; a longer life is not believed.
const MOST_SECONDS: i64 = 24 * 3600;

/// Where and with what tokens are asked for.
pub(super) struct Source {
    pub(super) url: String,
    pub(super) issuer: Issuer,
    pub(super) credential_id: String,
    pub(super) credential_secret: SecretString,
    pub(super) transport: Arc<Transport>,
}

/// What the token service grants.
pub(super) struct Grant {
    pub(super) token: SecretString,
    pub(super) life: Duration,
}

/// The fields in the order in which the SDK sends them.
#[derive(Serialize)]
struct Request<'a> {
    grant_type: &'a str,
    client_id: &'a str,
    client_secret: &'a str,
    scope: &'a str,
}

group! {
    struct Granted {
        access_token: String,
        token_type: String,
        expires_in: Option<i64>,
    }
}

group! {
    struct Denied {
        error: String,
    }
}

impl Source {
    /// Whether two would be given the same tokens.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.url == other.url
            && self.credential_id == other.credential_id
            && self.credential_secret.expose_secret() == other.credential_secret.expose_secret()
    }

    /// Asks once.
    pub(super) async fn fetch(&self) -> Result<Grant, Error> {
        let (content_type, body) = self.request();
        let headers = vec![("content-type", content_type.to_owned())];
        let reply = self.transport.post(self.url.clone(), headers, body, PATIENCE).await?;
        granted(&reply)
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

fn granted(reply: &Reply) -> Result<Grant, Error> {
    if !reply.status.is_success() {
        return Err(denied(reply));
    }
    let Granted { access_token, token_type, expires_in } = reply.read().unwrap_or_default();
    let is_bearer = token_type.is_empty() || token_type.eq_ignore_ascii_case("bearer");
    if access_token.is_empty() || !access_token.bytes().all(|byte| byte.is_ascii_graphic()) || !is_bearer {
        return Err(reply.malformed("the token service gave no bearer token"));
    }
    let life = expires_in.unwrap_or(LIFE_SECONDS).clamp(0, MOST_SECONDS);
    Ok(Grant { token: access_token.into(), life: Duration::from_secs(life.unsigned_abs()) })
}

fn denied(reply: &Reply) -> Error {
    let (status, request_id) = (reply.status, reply.request_id());
    let Denied { error } = reply.read().unwrap_or_default();
    if status == StatusCode::TOO_MANY_REQUESTS {
        return Error::Throttled { retry_after: reply.retry_after(SystemTime::now().into()), request_id };
    }
    if status.is_server_error() {
        return Error::Failed { status: status.as_u16(), request_id };
    }
    // Which of OAuth's codes it is says little: a wrong id, secret and version look alike.
    if status.is_client_error() && !error.is_empty() {
        return Error::Refused { refusal: Refusal::BadCredential, request_id };
    }
    reply.malformed(&format!("the token service answered with HTTP status {} and no error code", status.as_u16()))
}
