//! TLS of the gRPC port: the certificate, its key and the authorities of clients, read and checked when the configuration is
//! read.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use x509_parser::{certificate::X509Certificate, prelude::FromDer};

use super::CaFile;

/// The protocols that the port speaks, in the order of preference.
const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];
/// A certificate is close to its end when a fifth of its validity is left, or [`LONGEST_WARNING`] if that is shorter.
const WARNING_DIVISOR: u32 = 5;
const LONGEST_WARNING: Duration = Duration::from_secs(14 * 24 * 3600);

/// TLS of the gRPC port.
#[derive(Clone, Debug)]
pub struct TlsConfig {
    certificate: CertificateFile,
    key: KeyFile,
    client_ca: Option<CaFile>,
    client_auth: ClientAuth,
}

/// Whether a client must have a certificate. It matters only with a `client_ca`: without one no client is asked for any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// A client without a certificate cannot connect.
    #[default]
    Required,
    /// A client may have one.
    Optional,
}

/// A PEM file with a certificate and the intermediate ones that signed it.
#[derive(Clone, PartialEq, Eq)]
pub struct CertificateFile {
    path: PathBuf,
    chain: Vec<CertificateDer<'static>>,
    validity: (SystemTime, SystemTime),
}

/// A PEM file with a private key.
pub struct KeyFile {
    path: PathBuf,
    key: PrivateKeyDer<'static>,
}

impl TlsConfig {
    /// Checks that the parts fit together. The error says what is wrong.
    pub fn new(
        certificate: CertificateFile,
        key: KeyFile,
        client_ca: Option<CaFile>,
        client_auth: ClientAuth,
    ) -> Result<Self, String> {
        let tls = Self { certificate, key, client_ca, client_auth };
        tls.server_config().map(|_| tls)
    }

    /// What rustls needs for a connection.
    pub fn server_config(&self) -> Result<Arc<ServerConfig>, String> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
        let builder = builder.map_err(|error| error.to_string())?;
        let builder = match &self.client_ca {
            None => builder.with_no_client_auth(),
            Some(authorities) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(authorities.roots()?), provider);
                let verifier = match self.client_auth {
                    ClientAuth::Required => verifier,
                    ClientAuth::Optional => verifier.allow_unauthenticated(),
                };
                builder.with_client_cert_verifier(verifier.build().map_err(|error| error.to_string())?)
            }
        };
        let config = builder.with_single_cert(self.certificate.chain.clone(), self.key.key.clone_key());
        let mut config = config.map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => "the key is not that of the certificate".to_owned(),
            error => error.to_string(),
        })?;
        config.alpn_protocols = ALPN.map(<[u8]>::to_vec).into();
        Ok(Arc::new(config))
    }

    /// The content of a newer configuration. Whether clients need certificates stays as it is until a restart.
    pub fn renewed(&self, newer: &Self) -> Self {
        let client_ca = match (&self.client_ca, &newer.client_ca) {
            (Some(_), Some(newer)) => Some(newer.clone()),
            (running, _) => running.clone(),
        };
        Self { client_ca, client_auth: self.client_auth, ..newer.clone() }
    }

    /// When the first certificate of the chain to expire does so.
    pub fn expires(&self) -> SystemTime {
        self.certificate.validity.1
    }

    /// From when on the end of the certificate is close.
    pub fn warns_from(&self) -> SystemTime {
        let (begin, end) = self.certificate.validity;
        end - (end.duration_since(begin).unwrap_or_default() / WARNING_DIVISOR).min(LONGEST_WARNING)
    }
}

impl CertificateFile {
    /// Reads the file and checks every certificate in it. The error says what is wrong, without the path.
    pub fn read(path: impl Into<PathBuf>) -> Result<Self, String> {
        let path = path.into();
        let pem = fs::read(&path).map_err(|error| format!("the file cannot be read: {error}"))?;
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&pem)
            .collect::<Result<_, _>>()
            .map_err(|error| format!("the file is not valid PEM: {error}"))?;
        let (mut begin, mut end) = (SystemTime::UNIX_EPOCH, None::<SystemTime>);
        for certificate in &chain {
            let (_, parsed) = X509Certificate::from_der(certificate)
                .map_err(|error| format!("the file holds a certificate that cannot be read: {error}"))?;
            let (from, to) =
                (time(parsed.validity.not_before.timestamp()), time(parsed.validity.not_after.timestamp()));
            begin = begin.max(from);
            end = Some(end.map_or(to, |end| end.min(to)));
        }
        let end = end.ok_or("the file holds no certificate; expected `-----BEGIN CERTIFICATE-----`")?;
        Ok(Self { path, chain, validity: (begin, end) })
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl KeyFile {
    /// Reads the file. The error says what is wrong, without the path.
    pub fn read(path: impl Into<PathBuf>) -> Result<Self, String> {
        let path = path.into();
        let pem = fs::read(&path).map_err(|error| format!("the file cannot be read: {error}"))?;
        let key = PrivateKeyDer::from_pem_slice(&pem)
            .map_err(|_| "the file holds no private key; expected `-----BEGIN PRIVATE KEY-----`".to_owned())?;
        Ok(Self { path, key })
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Clone for KeyFile {
    fn clone(&self) -> Self {
        Self { path: self.path.clone(), key: self.key.clone_key() }
    }
}

impl PartialEq for KeyFile {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path && self.key == other.key
    }
}

impl fmt::Debug for CertificateFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CertificateFile").field(&self.path).finish()
    }
}

impl fmt::Debug for KeyFile {
    /// Names the file only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeyFile").field(&self.path).finish()
    }
}

impl CaFile {
    /// The authorities as rustls uses them.
    fn roots(&self) -> Result<RootCertStore, String> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(self.pem()) {
            let certificate = certificate.map_err(|error| error.to_string())?;
            roots.add(certificate).map_err(|error| error.to_string())?;
        }
        Ok(roots)
    }
}

fn time(unix_seconds: i64) -> SystemTime {
    // A date before 1970 is as past as any.
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(unix_seconds).unwrap_or(0))
}
