//! The credentials that the sandbox knows: one for each of Amazon's credential versions.

use amazon_catalog::Marketplace;

/// A version of credentials: its token issuer and its group of marketplaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CredentialVersion {
    pub(crate) name: &'static str,
    pub(crate) issuer: TokenIssuer,
    group: &'static str,
}

/// The service that issues the tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenIssuer {
    /// Versions 2.x.
    Cognito,
    /// Login with Amazon, versions 3.x.
    Lwa,
}

const VERSIONS: [CredentialVersion; 6] = [
    CredentialVersion { name: "2.1", issuer: TokenIssuer::Cognito, group: "NA" },
    CredentialVersion { name: "2.2", issuer: TokenIssuer::Cognito, group: "EU" },
    CredentialVersion { name: "2.3", issuer: TokenIssuer::Cognito, group: "FE" },
    CredentialVersion { name: "3.1", issuer: TokenIssuer::Lwa, group: "NA" },
    CredentialVersion { name: "3.2", issuer: TokenIssuer::Lwa, group: "EU" },
    CredentialVersion { name: "3.3", issuer: TokenIssuer::Lwa, group: "FE" },
];

/// Every version of credentials that Amazon has: `2.1`, `2.2`, `2.3`, `3.1`, `3.2`, `3.3`.
pub fn credential_versions() -> impl Iterator<Item = &'static str> {
    VERSIONS.iter().map(|version| version.name)
}

/// The id and the secret of the sandbox's one Creators API credential of a version, one of [`credential_versions`].
pub fn credential(version: &str) -> Option<(String, String)> {
    VERSIONS.iter().find(|known| known.name == version).map(|version| (version.id(), version.secret()))
}

/// The path at which tokens are asked for with a credential of a version: `/oauth2/token` for 2.x, `/auth/o2/token` for 3.x.
pub fn token_path(version: &str) -> Option<&'static str> {
    VERSIONS.iter().find(|known| known.name == version).map(|version| version.issuer.path())
}

impl CredentialVersion {
    /// The version whose credential this is.
    pub(crate) fn of_credential(issuer: TokenIssuer, id: &str, secret: &str) -> Option<Self> {
        VERSIONS
            .into_iter()
            .find(|version| version.issuer == issuer && version.id() == id && version.secret() == secret)
    }

    /// Whether a credential of this version is good for a marketplace.
    pub(crate) fn serves(self, marketplace: Marketplace) -> bool {
        marketplace.region_group() == self.group
    }

    pub(crate) fn id(self) -> String {
        format!("sandbox-credential-{}", self.name)
    }

    fn secret(self) -> String {
        format!("sandbox-secret-{}-that-opens-nothing", self.name)
    }
}

impl TokenIssuer {
    /// The issuer whose token endpoint has this path.
    pub(crate) fn at(path: &str) -> Option<Self> {
        [Self::Cognito, Self::Lwa].into_iter().find(|issuer| issuer.path() == path)
    }

    pub(crate) fn scope(self) -> &'static str {
        match self {
            Self::Cognito => "creatorsapi/default",
            Self::Lwa => "creatorsapi::default",
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Cognito => "/oauth2/token",
            Self::Lwa => "/auth/o2/token",
        }
    }
}
