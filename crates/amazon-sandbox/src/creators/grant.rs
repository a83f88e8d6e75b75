//! The token endpoints: OAuth 2.0's client credentials grant, as Cognito and Login with Amazon implement it.
//!
//! Accepts the requests of Amazon's SDK, a `Basic` header instead of credentials in the body, as Amazon's documentation shows, and
//! a form body for Login with Amazon, as other clients send.

use std::{collections::HashMap, time::Instant};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::{
    creators::{
        credentials::{CredentialVersion, TokenIssuer},
        tokens::TokenStore,
    },
    signature::ReceivedRequest,
};

/// An error of a token endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TokenRequestError {
    pub(crate) status: u16,
    error: &'static str,
    description: Option<&'static str>,
}

/// Answers a request for a token.
pub(crate) fn answer(
    issuer: TokenIssuer,
    received: ReceivedRequest<'_>,
    tokens: &TokenStore,
) -> Result<Value, TokenRequestError> {
    let deny = |error| Err(TokenRequestError::of(issuer, error));
    let Some(fields) = read(issuer, received).filter(|_| received.method == "POST") else {
        return deny("invalid_request");
    };
    let field = |name: &str| fields.get(name).map(String::as_str);
    match field("grant_type") {
        Some("client_credentials") => {}
        Some(_) => return deny("unsupported_grant_type"),
        None => return deny("invalid_request"),
    }
    let (Some(id), Some(secret)) = (field("client_id"), field("client_secret")) else { return deny("invalid_client") };
    let Some(version) = CredentialVersion::of_credential(issuer, id, secret) else { return deny("invalid_client") };
    // Without a scope in the request, Cognito grants all scopes of the client.
    let scoped = field("scope").map_or(issuer == TokenIssuer::Cognito, |scope| scope == issuer.scope());
    if !scoped {
        return deny("invalid_scope");
    }
    let token = tokens.issue(version, Instant::now());
    let seconds = tokens.lifetime().as_secs();
    Ok(match issuer {
        TokenIssuer::Cognito => json!({ "access_token": token, "expires_in": seconds, "token_type": "Bearer" }),
        TokenIssuer::Lwa => json!({
            "access_token": token, "expires_in": seconds, "scope": issuer.scope(), "token_type": "bearer",
        }),
    })
}

impl TokenRequestError {
    /// OAuth's error of this name, with the status that the issuer has for it.
    pub(crate) fn of(issuer: TokenIssuer, error: &'static str) -> Self {
        let status = match (error, issuer) {
            ("invalid_client", TokenIssuer::Lwa) => 401,
            ("too_many_requests", _) => 429,
            ("server_error", _) => 500,
            _ => 400,
        };
        let description = match error {
            "too_many_requests" => Some("Rate limit exceeded"),
            _ if issuer == TokenIssuer::Cognito => None,
            "invalid_client" => Some("Client authentication failed"),
            "invalid_scope" => Some("The request has an invalid parameter : scope"),
            _ => Some("The request is refused"),
        };
        Self { status, error, description }
    }

    pub(crate) fn body(&self) -> Value {
        match self.description {
            Some(description) => json!({ "error": self.error, "error_description": description }),
            None => json!({ "error": self.error }),
        }
    }
}

/// The fields of the body, and the credential of a `Basic` header.
fn read(issuer: TokenIssuer, received: ReceivedRequest<'_>) -> Option<HashMap<String, String>> {
    let header = |name: &str| received.headers.get(name).and_then(|value| value.to_str().ok());
    let content_type = header("content-type").unwrap_or_default();
    let mut fields: HashMap<String, String> = if content_type.starts_with("application/x-www-form-urlencoded") {
        form_urlencoded::parse(received.body).into_owned().collect()
    } else if issuer == TokenIssuer::Lwa {
        serde_json::from_slice(received.body).ok()?
    } else {
        return None;
    };
    if let Some(basic) = header("authorization").and_then(|header| header.strip_prefix("Basic ")) {
        let pair = String::from_utf8(BASE64_STANDARD.decode(basic).ok()?).ok()?;
        let (id, secret) = pair.split_once(':')?;
        fields.insert("client_id".to_owned(), id.to_owned());
        fields.insert("client_secret".to_owned(), secret.to_owned());
    }
    Some(fields)
}
