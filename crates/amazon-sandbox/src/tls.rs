//! A certificate of the sandbox's own, for clients that insist on TLS.

use std::{fmt, io, path::Path, sync::Arc};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::{ServerConfig, pki_types::PrivateKeyDer};

use amazon_catalog::Marketplace;

/// The Creators API's host and those of its tokens (Amazon's SDK 1.3.0, `configuration.py` and `oauth2_config.py`).
const CREATORS_HOSTS: [&str; 7] = [
    "creatorsapi.amazon",
    "creatorsapi.auth.us-east-1.amazoncognito.com",
    "creatorsapi.auth.eu-south-2.amazoncognito.com",
    "creatorsapi.auth.us-west-2.amazoncognito.com",
    "api.amazon.com",
    "api.amazon.co.uk",
    "api.amazon.co.jp",
];

/// A certificate for this machine and for all of Amazon's hosts, and the authority that signed it.
#[derive(Clone)]
pub struct Tls {
    pub(crate) config: Arc<ServerConfig>,
    ca_pem: String,
}

/// The certificate could not be made.
#[derive(Debug, thiserror::Error)]
#[error("the sandbox's certificate could not be made")]
pub struct TlsError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl Tls {
    /// Makes a new authority and a certificate for `localhost`, `127.0.0.1`, `::1` and every host of both APIs. The keys live in memory only.
    pub fn self_signed() -> Result<Self, TlsError> {
        let ca_key = KeyPair::generate().map_err(failed)?;
        let mut ca = CertificateParams::default();
        ca.distinguished_name.push(DnType::CommonName, "Stockroom sandbox authority");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let ca_pem = ca.self_signed(&ca_key).map_err(failed)?.pem();
        let issuer = Issuer::new(ca, ca_key);

        let hosts = Marketplace::all().map(Marketplace::paapi5_host).chain(CREATORS_HOSTS);
        let names = ["localhost", "127.0.0.1", "::1"].into_iter().chain(hosts).map(str::to_owned);
        let mut leaf = CertificateParams::new(names.collect::<Vec<_>>()).map_err(failed)?;
        leaf.distinguished_name.push(DnType::CommonName, "Stockroom sandbox");
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        leaf.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = leaf.signed_by(&key, &issuer).map_err(failed)?;

        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(failed)?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
            .map_err(failed)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), ca_pem })
    }

    /// The authority's certificate, for clients to trust.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// Writes the authority's certificate to a file.
    pub fn write_ca(&self, path: &Path) -> io::Result<()> {
        std::fs::write(path, &self.ca_pem)
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> TlsError {
    TlsError(Box::new(error))
}
