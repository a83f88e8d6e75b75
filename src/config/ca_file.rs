//! A file of certificate authorities, read and checked when the configuration is read.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

/// A PEM file with at least one certificate, each of which TLS can use as a trust anchor. Equal only if path and content
/// are.
#[derive(Clone, PartialEq, Eq)]
pub struct CaFile {
    path: PathBuf,
    pem: Vec<u8>,
}

impl CaFile {
    /// Reads the file and checks every certificate in it. The error says what is wrong, without the path.
    pub fn read(path: impl Into<PathBuf>) -> Result<Self, String> {
        let path = path.into();
        let pem = fs::read(&path).map_err(|error| format!("the file cannot be read: {error}"))?;
        let mut certificates = 0;
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(|error| format!("the file is not valid PEM: {error}"))?;
            RootCertStore::empty()
                .add(certificate)
                .map_err(|error| format!("the file holds a certificate that cannot be read: {error}"))?;
            certificates += 1;
        }
        if certificates == 0 {
            return Err("the file holds no certificate; expected `-----BEGIN CERTIFICATE-----`".to_owned());
        }
        Ok(Self { path, pem })
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The content of the file when it was read.
    pub fn pem(&self) -> &[u8] {
        &self.pem
    }
}

impl fmt::Debug for CaFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CaFile").field(&self.path).finish()
    }
}
