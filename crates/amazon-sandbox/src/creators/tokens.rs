//! The issued access tokens and the number of token requests.

use std::{
    collections::HashMap,
    sync::Mutex,
    time::{Duration, Instant},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::json;
use tokio::sync::watch;

use crate::{
    creators::credentials::{CredentialVersion, TokenIssuer},
    locked,
};

/// Every token issued since the start and not revoked.
#[derive(Debug)]
pub(crate) struct TokenStore {
    lifetime: Duration,
    issued: Mutex<HashMap<String, Issued>>,
    requests: watch::Sender<usize>,
}

/// Why a token is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenRefusal {
    Unknown,
    Expired,
}

#[derive(Debug)]
struct Issued {
    version: CredentialVersion,
    expires: Instant,
}

impl TokenStore {
    pub(crate) fn new(lifetime: Duration) -> Self {
        Self { lifetime, issued: Mutex::default(), requests: watch::Sender::new(0) }
    }

    /// How long a token is valid.
    pub(crate) fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// Issues a new token.
    pub(crate) fn issue(&self, version: CredentialVersion, now: Instant) -> String {
        let token = invent(version);
        locked(&self.issued).insert(token.clone(), Issued { version, expires: now + self.lifetime });
        token
    }

    /// The version of the credential that a token was issued for.
    pub(crate) fn check(&self, token: &str, now: Instant) -> Result<CredentialVersion, TokenRefusal> {
        match locked(&self.issued).get(token) {
            None => Err(TokenRefusal::Unknown),
            Some(issued) if issued.expires <= now => Err(TokenRefusal::Expired),
            Some(issued) => Ok(issued.version),
        }
    }

    /// Removes every token.
    pub(crate) fn revoke(&self) {
        locked(&self.issued).clear();
    }

    /// Expires every token.
    pub(crate) fn expire(&self, now: Instant) {
        for issued in locked(&self.issued).values_mut() {
            issued.expires = now;
        }
    }

    /// Counts a request for a token.
    pub(crate) fn requested(&self) {
        self.requests.send_modify(|requests| *requests += 1);
    }

    pub(crate) fn requests(&self) -> usize {
        *self.requests.borrow()
    }

    /// Waits until this many token requests have arrived. Cancel-safe.
    pub(crate) async fn asked(&self, requests: usize) {
        // `self` owns the sender, so the wait cannot fail.
        let mut asked = self.requests.subscribe();
        let _reached = asked.wait_for(|count| *count >= requests).await;
    }
}

/// A token in the form of its issuer: an unsigned JSON Web Token, or opaque text.
fn invent(version: CredentialVersion) -> String {
    let random = |bytes: usize| {
        let bytes: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(bytes).collect();
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    };
    match version.issuer {
        TokenIssuer::Lwa => format!("Atc|{}", random(96)),
        TokenIssuer::Cognito => {
            let part = |json: serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(json.to_string());
            let head = part(json!({ "alg": "RS256", "kid": "sandbox" }));
            let claims = json!({
                "client_id": version.id(), "jti": uuid::Uuid::new_v4().to_string(),
                "scope": version.issuer.scope(), "token_use": "access",
            });
            // A JSON object in base64 begins with `eyJ`, by which clients know these tokens.
            format!("{head}.{}.{}", part(claims), random(64))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_its_lifetime_unless_it_is_revoked() {
        let tokens = TokenStore::new(Duration::from_secs(60));
        let now = Instant::now();
        let version = CredentialVersion::of_credential(
            TokenIssuer::Lwa,
            "sandbox-credential-3.2",
            "sandbox-secret-3.2-that-opens-nothing",
        );
        let token = tokens.issue(version.unwrap(), now);
        assert_eq!(tokens.check(&token, now + Duration::from_secs(59)), Ok(version.unwrap()));
        assert_eq!(tokens.check(&token, now + Duration::from_secs(60)), Err(TokenRefusal::Expired));
        tokens.revoke();
        assert_eq!(tokens.check(&token, now), Err(TokenRefusal::Unknown));
    }
}
