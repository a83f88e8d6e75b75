//! Certificates of an authority that a test makes.

#![allow(dead_code, reason = "each program of tests uses a part")]

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType,
};

/// A certificate authority.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

/// A certificate and its key in PEM.
pub(crate) struct Certified {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate for `localhost` that is valid for 90 days.
    pub(crate) fn server(&self) -> Certified {
        self.server_until(SystemTime::now() + Duration::from_secs(90 * 24 * 3600))
    }

    /// A certificate for `localhost`, valid for a day or more until a time.
    pub(crate) fn server_until(&self, end: SystemTime) -> Certified {
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.not_before = (SystemTime::now() - Duration::from_secs(24 * 3600)).into();
        params.not_after = end.into();
        self.sign(params, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// A client's certificate with these URIs.
    pub(crate) fn client(&self, uris: &[&str]) -> Certified {
        let mut params = CertificateParams::default();
        params.subject_alt_names = uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap())).collect();
        self.sign(params, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn sign(&self, mut params: CertificateParams, purpose: ExtendedKeyUsagePurpose) -> Certified {
        params.extended_key_usages = vec![purpose];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Certified { certificate, key: key.serialize_pem() }
    }
}

impl Certified {
    /// Writes both into a folder, each in place of an older one at once. Returns their paths.
    pub(crate) fn write(&self, folder: &Path, name: &str) -> (PathBuf, PathBuf) {
        (file(folder, &format!("{name}.pem"), &self.certificate), file(folder, &format!("{name}.key"), &self.key))
    }
}

/// Writes a file in place of an older one at once, as a mounted Secret changes.
pub(crate) fn file(folder: &Path, name: &str, content: &str) -> PathBuf {
    let (path, new) = (folder.join(name), folder.join(format!("{name}.new")));
    fs::write(&new, content).unwrap();
    fs::rename(new, &path).unwrap();
    path
}
