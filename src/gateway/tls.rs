//! TLS with a certificate of the user's.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;

use crate::error::{Error, Result};
use crate::outside::{self, SETTINGS_MAX};

/// A certificate and its key, both PEM.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The certificate, and those between it and its authority.
    pub chain: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl Certificate {
    /// TLS 1.2 and 1.3 for HTTP/1.1.
    ///
    /// # Errors
    /// If a file cannot be read, or the two do not belong together.
    pub fn acceptor(&self) -> Result<TlsAcceptor> {
        let pem = |what, path: &Path| {
            outside::bytes(path, SETTINGS_MAX).map_err(|error| unreadable(what, path, &error))
        };
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&pem("certificate", &self.chain)?)
            .collect::<Result<_, _>>()
            .map_err(|error| unreadable("certificate", &self.chain, &error))?;
        if chain.is_empty() {
            return Err(unreadable("certificate", &self.chain, &"there is none in it"));
        }
        let key = PrivateKeyDer::from_pem_slice(&pem("private key", &self.key)?)
            .map_err(|error| unreadable("private key", &self.key, &error))?;
        let cannot_use = |error: tokio_rustls::rustls::Error| {
            let chain = self.chain.display();
            Error::environment(format!("cannot use the certificate {chain}: {error}"))
                .hint("give a certificate with --tls-cert and its own key with --tls-key")
        };
        let mut config = ServerConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()
            .map_err(cannot_use)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(cannot_use)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

fn unreadable(what: &str, path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::environment(format!("cannot read the {what} {}: {error}", path.display()))
        .hint("give PEM files with --tls-cert and --tls-key")
}
