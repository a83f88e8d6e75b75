//! Errors of a call, distinguished by what the caller has to do about them.

use std::{sync::Arc, time::Duration};

use crate::Unsupported;
#[cfg(feature = "creators")]
use crate::{Marketplace, creators::Version};
use stockroom_proto::pb::ErrorReason;

/// Parts of the codes, in lower case, by which Amazon says that an item id is invalid.
pub(crate) const INVALID_ID_NAMES: [&str; 5] =
    ["invalidparametervalue", "invaliditem", "invalidasin", "invalidid", "validation"];

/// Why a call brought no response.
///
/// No variant contains a body or a message of Amazon's, because both may name access keys.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Too many calls: wait before the next one. Amazon answers an account that has lost its access in the same way.
    #[error("Amazon throttled the call")]
    Throttled {
        /// The wait that Amazon asked for; `None` where it asked for none.
        retry_after: Option<Duration>,
        /// Amazon's id of the call.
        request_id: Option<String>,
    },
    /// Amazon failed: try again later.
    #[error("Amazon failed with HTTP status {status}")]
    Failed {
        /// The HTTP status.
        status: u16,
        /// Amazon's id of the call.
        request_id: Option<String>,
    },
    /// No response within the time given, which may be that for the connection.
    #[error("Amazon did not answer within {} ms", .within.as_millis())]
    TimedOut {
        /// The time that was given.
        within: Duration,
    },
    /// The connection could not be made, or broke before the response was complete.
    #[error("the connection to Amazon failed")]
    Unreachable {
        /// The error of the HTTP client, without the address.
        #[source]
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// Amazon does not accept the bearer token any more (Creators API). The next call fetches a new one, so try again.
    #[error("Amazon does not accept the bearer token any more")]
    TokenExpired {
        /// Amazon's id of the call.
        request_id: Option<String>,
    },
    /// The response cannot be read.
    #[error("Amazon's answer could not be read: {what}")]
    Malformed {
        /// What is wrong with it; never a part of the body.
        what: String,
        /// Amazon's id of the call.
        request_id: Option<String>,
    },
    /// Amazon refuses the account. Calls fail until the account or its configuration changes.
    #[error("Amazon refuses the account: {refusal}")]
    Refused {
        /// The reason.
        refusal: Refusal,
        /// Amazon's id of the call.
        request_id: Option<String>,
    },
    /// Amazon rejects the request itself, or the API has no way to express it (the code is then `Unsupported`).
    #[error("Amazon refuses the request with {code}")]
    Rejected {
        /// Amazon's code, as `InvalidParameterValue`.
        code: String,
        /// The parameter that Amazon named; `None` where it named none.
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
    /// Amazon has switched the API off.
    ApiRetired,
    /// Amazon does not know the access key.
    UnknownKey,
    /// The access key is an AWS key, not an Associates one.
    AwsKey,
    /// The signature does not match, most often because the secret key is wrong.
    BadSignature,
    /// This machine's clock is wrong by more than 15 minutes.
    ClockSkew,
    /// The key is not enabled for the API.
    NotEnabled,
    /// The key does not belong to an approved primary store.
    NotAssociate,
    /// The partner tag does not belong to the key in this marketplace.
    BadPartnerTag,
    /// The credential belongs to another group of marketplaces.
    WrongRegion,
    /// Amazon does not know the credential, or the secret is wrong.
    BadCredential,
    /// The API refuses the token that Amazon's token service granted for the credential.
    TokenRefused,
    /// A refusal with a code that this version does not know, or without a code.
    Other,
}

/// An option of a client that cannot work.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The access key cannot be sent in a header.
    #[error("the access key must be printable ASCII without spaces")]
    AccessKey,
    /// The credential's id or secret cannot be sent.
    #[error("the credential's id and secret must be printable ASCII without spaces")]
    Credential,
    /// A marketplace is outside the credential's region group.
    #[cfg(feature = "creators")]
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
    /// The endpoint is not an address.
    #[error("the endpoint must be an http or https address, as http://127.0.0.1:8080")]
    Endpoint,
    /// The certificate authorities cannot be read.
    #[error("the certificate authorities must be one or more certificates in PEM form")]
    CertificateAuthority,
    /// The proxy is not an address.
    #[error("the proxy must be an address, as http://proxy.internal:3128")]
    Proxy,
    /// The HTTP client could not be set up, most often for TLS.
    #[error("the HTTP client could not be set up")]
    Client(#[source] reqwest::Error),
}

impl Refusal {
    /// The reason that a gateway gives its clients.
    pub fn reason(self) -> ErrorReason {
        match self {
            Self::NotEligible => ErrorReason::AccountNotEligible,
            Self::ApiRetired => ErrorReason::UpstreamApiRetired,
            Self::UnknownKey => ErrorReason::AccountKeyUnknown,
            Self::AwsKey => ErrorReason::AccountKeyIsAwsKey,
            Self::BadSignature => ErrorReason::AccountSignatureRefused,
            Self::ClockSkew => ErrorReason::ClockSkew,
            Self::NotEnabled => ErrorReason::AccountNotEnabled,
            Self::NotAssociate => ErrorReason::AccountNotAssociate,
            Self::BadPartnerTag => ErrorReason::PartnerTagRefused,
            Self::WrongRegion => ErrorReason::AccountWrongRegion,
            Self::BadCredential => ErrorReason::AccountCredentialRefused,
            Self::TokenRefused => ErrorReason::AccountTokenRefused,
            Self::Other => ErrorReason::AccountRefused,
        }
    }

    /// What the operator of the account does next, as one sentence.
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
        f.write_str(self.reason().as_str_name().trim_start_matches("ERROR_REASON_"))
    }
}

impl From<Unsupported> for Error {
    fn from(unsupported: Unsupported) -> Self {
        let parameter = unsupported.first_field().map(str::to_owned);
        Self::Rejected { code: "Unsupported".to_owned(), parameter, request_id: None }
    }
}

impl Error {
    /// Whether Amazon may reject the request because of one of its item ids: a value is invalid, and no other parameter is
    /// named.
    pub fn may_be_about_an_item_id(&self) -> bool {
        let Self::Rejected { code, parameter, .. } = self else { return false };
        let code = code.to_ascii_lowercase();
        INVALID_ID_NAMES.iter().any(|part| code.contains(part))
            && parameter.as_ref().is_none_or(|parameter| parameter.eq_ignore_ascii_case("itemIds"))
    }

    /// Amazon's id of the call; `None` where the response had none, or where there was no response.
    pub fn request_id(&self) -> Option<&str> {
        match self {
            Self::Throttled { request_id, .. }
            | Self::Failed { request_id, .. }
            | Self::TokenExpired { request_id }
            | Self::Malformed { request_id, .. }
            | Self::Refused { request_id, .. }
            | Self::Rejected { request_id, .. } => request_id.as_deref(),
            Self::TimedOut { .. } | Self::Unreachable { .. } => None,
        }
    }
}
