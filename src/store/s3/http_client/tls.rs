//! Which servers are believed to be who they say.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::own_certificate::OrItself;
use crate::error::{Error, Result};
use crate::outside::{self, SETTINGS_MAX};

/// Whom to trust.
#[derive(Clone, Debug)]
pub(in crate::store::s3) enum Trust {
    /// The authorities this system trusts, and those of a PEM file.
    Authorities { ca_bundle: Option<PathBuf> },
    /// Anybody.
    Anybody,
}

/// TLS as a client, 1.2 and 1.3, for HTTP/1.1.
///
/// # Errors
/// If the PEM file cannot be read, or no authority is trusted at all.
pub(in crate::store::s3) fn client_config(trust: &Trust) -> Result<ClientConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::environment(format!("TLS cannot be set up: {error}")))?;
    let mut config = builder
        .dangerous()
        .with_custom_certificate_verifier(verifier(trust)?)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Who decides on certificates.
pub(super) fn verifier(trust: &Trust) -> Result<Arc<dyn ServerCertVerifier>> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let Trust::Authorities { ca_bundle } = trust else {
        return Ok(Arc::new(AcceptAnyCertificate { provider }));
    };
    let bundle = match ca_bundle {
        Some(path) => bundle(path)?,
        None => Vec::new(),
    };
    let roots = Arc::new(roots(ca_bundle.as_deref(), &bundle)?);
    let webpki = WebPkiServerVerifier::builder_with_provider(roots, provider)
        .build()
        .map_err(|error| Error::environment(format!("TLS cannot be set up: {error}")))?;
    Ok(Arc::new(OrItself { webpki, bundle }))
}

fn roots(path: Option<&Path>, bundle: &[CertificateDer<'static>]) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    // Certificates of the system that cannot be parsed are of no use to us, but others may be.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = path {
        for certificate in bundle {
            roots.add(certificate.clone()).map_err(|error| unreadable(path, &error))?;
        }
    }
    if roots.is_empty() {
        return Err(Error::environment("this system trusts no certificate authority")
            .hint("install the package ca-certificates, or name a PEM file with --ca-bundle"));
    }
    Ok(roots)
}

fn bundle(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let pem = outside::bytes(path, SETTINGS_MAX).map_err(|error| unreadable(path, &error))?;
    let certificates = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| unreadable(path, &error))?;
    match certificates.is_empty() {
        true => Err(unreadable(path, &"there is no certificate in it")),
        false => Ok(certificates),
    }
}

fn unreadable(path: &Path, why: &dyn std::fmt::Display) -> Error {
    Error::environment(format!("cannot use the CA bundle {}: {why}", path.display()))
        .hint("--ca-bundle takes a file with certificates in PEM format")
}

/// For `--insecure`: the certificate proves nothing, but the server must hold its key.
#[derive(Debug)]
struct AcceptAnyCertificate {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AcceptAnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
