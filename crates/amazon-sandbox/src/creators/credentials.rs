//! The credentials that the sandbox knows: one for each of Amazon's credential versions.

use amazon_catalog::Marketplace;

/// A version of credentials: whose tokens it gets, and for which marketplaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) name: &'static str,
    pub(crate) family: Family,
    group: &'static str,
}

/// Who gives the tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// Versions 2.x.
    Cognito,
    /// Login with Amazon, versions 3.x.
    Lwa,
}

const VERSIONS: [Version; 6] = [
    Version { name: "2.1", family: Family::Cognito, group: "NA" },
    Version { name: "2.2", family: Family::Cognito, group: "EU" },
    Version { name: "2.3", family: Family::Cognito, group: "FE" },
    Version { name: "3.1", family: Family::Lwa, group: "NA" },
    Version { name: "3.2", family: Family::Lwa, group: "EU" },
    Version { name: "3.3", family: Family::Lwa, group: "FE" },
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
    VERSIONS.iter().find(|known| known.name == version).map(|version| version.family.path())
}

impl Version {
    /// The version whose credential this is.
    pub(crate) fn of_credential(family: Family, id: &str, secret: &str) -> Option<Self> {
        VERSIONS
            .into_iter()
            .find(|version| version.family == family && version.id() == id && version.secret() == secret)
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

impl Family {
    /// Whose tokens are asked for at a path.
    pub(crate) fn at(path: &str) -> Option<Self> {
        [Self::Cognito, Self::Lwa].into_iter().find(|family| family.path() == path)
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
