//! The version of a credential, which says what kind of token it is good for and in which group of marketplaces.

use std::fmt;

/// One of the six versions that Amazon prints beside a credential.
#[derive(Clone, Copy)]
pub struct Version(&'static VersionRow);

/// The text is not the version of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the version of a credential is one of 2.1, 2.2, 2.3, 3.1, 3.2 and 3.3")]
pub struct NotAVersion;

/// Where tokens come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Issuer {
    /// Versions 2.x.
    Cognito,
    /// Login with Amazon, versions 3.x.
    LoginWithAmazon,
}

struct VersionRow {
    name: &'static str,
    region_group: &'static str,
    issuer: Issuer,
    token_url: &'static str,
}

impl VersionRow {
    const fn new(name: &'static str, region_group: &'static str, issuer: Issuer, token_url: &'static str) -> Self {
        Self { name, region_group, issuer, token_url }
    }
}

/// Amazon's own SDK 1.3.0, `auth/oauth2_config.py`, in September 2026.
static ROWS: [VersionRow; 6] = [
    VersionRow::new("2.1", "NA", Issuer::Cognito, "https://creatorsapi.auth.us-east-1.amazoncognito.com/oauth2/token"),
    VersionRow::new("2.2", "EU", Issuer::Cognito, "https://creatorsapi.auth.eu-south-2.amazoncognito.com/oauth2/token"),
    VersionRow::new("2.3", "FE", Issuer::Cognito, "https://creatorsapi.auth.us-west-2.amazoncognito.com/oauth2/token"),
    VersionRow::new("3.1", "NA", Issuer::LoginWithAmazon, "https://api.amazon.com/auth/o2/token"),
    VersionRow::new("3.2", "EU", Issuer::LoginWithAmazon, "https://api.amazon.co.uk/auth/o2/token"),
    VersionRow::new("3.3", "FE", Issuer::LoginWithAmazon, "https://api.amazon.co.jp/auth/o2/token"),
];

impl Version {
    /// Reads a version, as `3.2` or, in the form of Associates Central, `v3.2`.
    pub fn parse(text: &str) -> Result<Self, NotAVersion> {
        let text = text.trim();
        let name = text.strip_prefix(['v', 'V']).unwrap_or(text);
        ROWS.iter().find(|row| row.name == name).map(Self).ok_or(NotAVersion)
    }

    /// The version, as `3.2`.
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// The group of marketplaces that the credential is for: `NA`, `EU` or `FE`.
    pub fn region_group(self) -> &'static str {
        self.0.region_group
    }

    pub(super) fn issuer(self) -> Issuer {
        self.0.issuer
    }

    pub(super) fn token_url(self) -> &'static str {
        self.0.token_url
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

impl Eq for Version {}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Issuer {
    /// The path of the token service, for one that stands in its place.
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Cognito => "/oauth2/token",
            Self::LoginWithAmazon => "/auth/o2/token",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_with_and_without_its_letter() {
        for text in ["3.2", "v3.2", "V3.2", " v3.2 "] {
            let version = Version::parse(text).unwrap();
            assert_eq!((version.name(), version.region_group()), ("3.2", "EU"), "{text}");
        }
        for text in ["", "v", "3", "1.1", "2.4", "3.20", "vv3.2"] {
            assert_eq!(Version::parse(text), Err(NotAVersion), "{text}");
        }
    }

    #[test]
    fn every_token_service_has_its_issuer_s_path_and_every_group_both_issuers() {
        for row in &ROWS {
            assert!(row.token_url.ends_with(row.issuer.path()), "{}", row.name);
            assert_eq!(row.name.starts_with('2'), row.issuer == Issuer::Cognito, "{}", row.name);
        }
        for (index, group) in ["NA", "EU", "FE"].into_iter().enumerate() {
            let groups = [ROWS[index].region_group, ROWS[index + 3].region_group];
            assert_eq!(groups, [group; 2]);
        }
    }
}
