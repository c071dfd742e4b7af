//! A server's own certificate in the user's bundle, in place of an authority's.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::certificate::is_of_an_authority;

/// As webpki, and a certificate that is itself in the bundle is believed whoever signed it: the user has named this
/// very one. Those of `openssl req -x509` say that they are an authority's, and as a server's webpki takes none of
/// these (rustls/webpki#205). Names and dates count as for any other.
#[derive(Debug)]
pub(super) struct OrItself {
    pub(super) webpki: Arc<WebPkiServerVerifier>,
    pub(super) bundle: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for OrItself {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let webpki = &self.webpki;
        webpki
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            .or_else(|refused| {
                let is_named = self.bundle.iter().any(|named| named == end_entity);
                if !is_named || !is_about_the_issuer(&refused) {
                    return Err(refused);
                }
                // Dates come before the issuer (webpki, verify_cert.rs), names after it.
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}

/// Whether only the chain to an authority is missing.
fn is_about_the_issuer(refused: &Error) -> bool {
    match refused {
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => true,
        Error::InvalidCertificate(error) => is_of_an_authority(error),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tls::{self, Trust};
    use super::*;
    use rustls_pki_types::pem::PemObject;
    use std::path::{Path, PathBuf};
    use std::time::Duration;

    fn data(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/integration/data").join(name)
    }

    /// Whether the certificate is believed in June 2026 with a bundle.
    fn believed(bundle: &str, certificate: &str, host: &str) -> Result<(), Error> {
        let trust = Trust::Authorities { ca_bundle: Some(data(bundle)) };
        let verifier = tls::verifier(&trust).expect("it can be read");
        let certificate = CertificateDer::from_pem_file(data(certificate)).expect("it is PEM");
        let host = ServerName::try_from(host.to_owned()).expect("a name");
        let june = UnixTime::since_unix_epoch(Duration::from_secs(1_780_272_000 + 200 * 86_400));
        verifier.verify_server_cert(&certificate, &[], &host, &[], june).map(drop)
    }

    #[test]
    fn a_certificate_that_is_itself_in_the_bundle_is_believed_for_its_names() {
        for (certificate, host) in [
            ("self-signed.pem", "localhost"),
            ("self-signed.pem", "127.0.0.1"),
            // Signed by an authority that is not in the bundle.
            ("server.pem", "localhost"),
            ("elsewhere.pem", "gateway.example"),
        ] {
            assert_eq!(believed(certificate, certificate, host), Ok(()), "{certificate}");
        }
    }

    #[test]
    fn a_certificate_in_the_bundle_is_refused_for_another_name_and_after_its_time() {
        let refused = |certificate, host| match believed(certificate, certificate, host) {
            Err(Error::InvalidCertificate(error)) => error,
            other => panic!("{certificate}: {other:?}"),
        };
        for (certificate, host) in [
            ("self-signed.pem", "other.example"),
            ("elsewhere.pem", "localhost"),
            ("nameless.pem", "localhost"),
        ] {
            let error = refused(certificate, host);
            assert!(matches!(error, CertificateError::NotValidForNameContext { .. }), "{error:?}");
        }
        let error = refused("expired.pem", "localhost");
        assert!(matches!(error, CertificateError::ExpiredContext { .. }), "{error:?}");
    }

    #[test]
    fn a_certificate_that_is_not_in_the_bundle_needs_its_authority() {
        assert_eq!(believed("ca.pem", "server.pem", "localhost"), Ok(()));
        for bundle in ["ca.pem", "elsewhere.pem"] {
            let error = believed(bundle, "self-signed.pem", "localhost").unwrap_err();
            assert!(is_about_the_issuer(&error), "{error:?}");
        }
    }
}
