//! What can go wrong at Amazon, told apart by what to do about it.

use std::{sync::Arc, time::Duration};

use crate::{Marketplace, creators::Version};

/// A call to Amazon that brought no answer.
///
/// No variant holds a body or a message of Amazon's: both may name access keys.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Too many calls (HTTP 429). Amazon says the same to an account that has lost its access.
    #[error("Amazon throttled the call")]
    Throttled {
        /// How long Amazon asked to wait, where it did.
        retry_after: Option<Duration>,
        /// Amazon's id of the call.
        request_id: Option<String>,
    },
    /// Amazon's own failure (HTTP 5xx).
    #[error("Amazon failed with HTTP status {status}")]
    Failed {
        /// The HTTP status.
        status: u16,
        /// Amazon's id of the call.
        request_id: Option<String>,
    },
    /// No answer within the time given.
    #[error("Amazon did not answer within {} ms", .within.as_millis())]
    TimedOut {
        /// The time given.
        within: Duration,
    },
    /// The connection could not be made, or broke.
    #[error("the connection to Amazon failed")]
    Unreachable {
        /// What the network said.
        #[source]
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// An answer that cannot be read.
    #[error("Amazon's answer could not be read: {what}")]
    Malformed {
        /// What was wrong with it, in our words.
        what: String,
        /// Amazon's id of the call.
        request_id: Option<String>,
    },
    /// Amazon refuses the account. Asking again is useless until the operator has acted.
    #[error("Amazon refuses the account: {refusal}")]
    Refused {
        /// Why.
        refusal: Refusal,
        /// Amazon's id of the call.
        request_id: Option<String>,
    },
    /// Amazon refuses the question itself (HTTP 400), or its API has no way to ask it (`Unsupported`).
    #[error("Amazon refuses the request with {code}")]
    Rejected {
        /// Amazon's code, as `InvalidParameterValue`.
        code: String,
        /// The parameter that Amazon named, where it did.
        parameter: Option<String>,
        /// Amazon's id of the call.
        request_id: Option<String>,
    },
}

/// Why Amazon refuses an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Too few qualifying sales.
    NotEligible,
    /// The API itself has been switched off.
    ApiRetired,
    /// The access key is not known.
    UnknownKey,
    /// The access key is an AWS key, not an Associates one.
    AwsKey,
    /// The signature does not match: most often a wrong secret key.
    BadSignature,
    /// This machine's clock is off.
    ClockSkew,
    /// The key is not enabled for the API.
    NotEnabled,
    /// The key does not belong to an approved primary store.
    NotAssociate,
    /// The partner tag does not belong to the key in this marketplace.
    BadPartnerTag,
    /// The credential belongs to another group of marketplaces.
    WrongRegion,
    /// The credential is not known, or its secret is wrong.
    BadCredential,
    /// The API does not take the token that Amazon itself gave for the credential.
    TokenRefused,
    /// A refusal with a code that this version does not know.
    Other,
}

/// A client could not be built from its options.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The access key cannot stand in a header.
    #[error("the access key must be printable ASCII without spaces")]
    AccessKey,
    /// The credential's id or secret cannot be one.
    #[error("the credential's id and secret must be printable ASCII without spaces")]
    Credential,
    /// A marketplace lies outside the credential's region group.
    #[error(
        "a credential of version {version} is for the marketplaces of {}, and {marketplace} is one of {}",
        .version.region_group(),
        .marketplace.region_group()
    )]
    RegionGroup {
        /// The credential's version.
        version: Version,
        /// The marketplace.
        marketplace: Marketplace,
    },
    /// The endpoint is no address.
    #[error("the endpoint must be an http or https address, as http://127.0.0.1:8080")]
    Endpoint,
    /// The certificate authorities cannot be read.
    #[error("the certificate authorities must be one or more certificates in PEM form")]
    CertificateAuthority,
    /// The proxy is no address.
    #[error("the proxy must be an address, as http://proxy.internal:3128")]
    Proxy,
    /// TLS could not be set up.
    #[error("the HTTP client could not be set up")]
    Client(#[source] reqwest::Error),
}

impl Refusal {
    /// The reason in upper case, for `google.rpc.ErrorInfo`.
    pub fn reason(self) -> &'static str {
        match self {
            Self::NotEligible => "ACCOUNT_NOT_ELIGIBLE",
            Self::ApiRetired => "UPSTREAM_API_RETIRED",
            Self::UnknownKey => "ACCOUNT_KEY_UNKNOWN",
            Self::AwsKey => "ACCOUNT_KEY_IS_AWS_KEY",
            Self::BadSignature => "ACCOUNT_SIGNATURE_REFUSED",
            Self::ClockSkew => "CLOCK_SKEW",
            Self::NotEnabled => "ACCOUNT_NOT_ENABLED",
            Self::NotAssociate => "ACCOUNT_NOT_ASSOCIATE",
            Self::BadPartnerTag => "PARTNER_TAG_REFUSED",
            Self::WrongRegion => "ACCOUNT_WRONG_REGION",
            Self::BadCredential => "ACCOUNT_CREDENTIAL_REFUSED",
            Self::TokenRefused => "ACCOUNT_TOKEN_REFUSED",
            Self::Other => "ACCOUNT_REFUSED",
        }
    }

    /// What the operator does next.
    pub fn what_next(self) -> &'static str {
        match self {
            Self::NotEligible => {
                "the account needs qualifying sales in the last 30 days before Amazon lets it call again"
            }
            Self::ApiRetired => "Amazon has switched this API off; move the account to the Creators API",
            Self::UnknownKey => "check the account's access_key against Associates Central",
            Self::AwsKey => "use keys made in Associates Central; AWS and IAM keys are not accepted",
            Self::BadSignature => "check the account's secret_key; it does not belong to its access_key",
            Self::ClockSkew => "set this machine's clock; signed calls may be off by 15 minutes at most",
            Self::NotEnabled => "the key is not enabled for this API; register it in Associates Central",
            Self::NotAssociate => "the key must belong to the primary, approved store of the Associates account",
            Self::BadPartnerTag => "the partner tag must belong to the account's store in this marketplace",
            Self::WrongRegion => "use a credential of the marketplace's own region group",
            Self::BadCredential => {
                "check the account's credential id, secret and version against Associates Central; they belong together"
            }
            Self::TokenRefused => {
                "check the account's credential version; where it is right, look the request id up with Amazon's support"
            }
            Self::Other => "look the request id up with Amazon's support",
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.reason())
    }
}

impl Error {
    /// Amazon's id of the call, where there is one.
    pub fn request_id(&self) -> Option<&str> {
        match self {
            Self::Throttled { request_id, .. }
            | Self::Failed { request_id, .. }
            | Self::Malformed { request_id, .. }
            | Self::Refused { request_id, .. }
            | Self::Rejected { request_id, .. } => request_id.as_deref(),
            Self::TimedOut { .. } | Self::Unreachable { .. } => None,
        }
    }
}
