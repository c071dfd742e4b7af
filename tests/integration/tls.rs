//! An endpoint with a certificate that not everybody trusts.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use crate::support::servers::{Serve, text};
use crate::support::tidegate::Tidegate;

const UPLOAD: &[&str] = &["s3://bucket/p", "--size", "30MB", "--files", "2", "--part-size", "8MiB"];

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_certificate_carries_a_verified_upload() {
    let serve = Serve::start(&[]);
    let tidegate = Tidegate::at(&tls_in_front_of(&serve).await);
    let ca_bundle = ["--verify", "--ca-bundle", text(&data("ca.pem")), "--json"].map(str::to_owned);
    let trusted = tokio::task::spawn_blocking(move || {
        let options: Vec<&str> = ca_bundle.iter().map(String::as_str).collect();
        tidegate.run("run", &[UPLOAD, &options].concat())
    });
    let trusted = trusted.await.unwrap();
    assert_eq!(trusted.code, 0, "{}", trusted.stderr);
    assert!(trusted.stdout.contains("\"verified\": true"), "{}", trusted.stdout);
    assert!(serve.stop().iter().any(|request| request.operation == "UploadPart"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_authority_is_refused_unless_the_user_insists() {
    let serve = Serve::start(&[]);
    let tidegate = Tidegate::at(&tls_in_front_of(&serve).await);
    let runs = tokio::task::spawn_blocking(move || {
        (tidegate.run("run", UPLOAD), tidegate.run("run", &[UPLOAD, &["--insecure"]].concat()))
    });
    let (refused, insisted) = runs.await.unwrap();
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("certificate"), "{}", refused.stderr);
    assert!(refused.stderr.contains("--ca-bundle"), "{}", refused.stderr);
    assert_eq!(insisted.code, 0, "{}", insisted.stderr);
}

#[test]
fn a_bundle_without_certificates_is_refused() {
    let tidegate = Tidegate::at("https://localhost:1");
    let bundle = data("README.md");
    let refused = tidegate.run("run", &[UPLOAD, &["--ca-bundle", text(&bundle)]].concat());
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("there is no certificate in it"), "{}", refused.stderr);
}

/// Ends TLS on a port of its own and passes the bytes on, until the test is over. Its URL.
async fn tls_in_front_of(serve: &Serve) -> String {
    let certificate = CertificateDer::from_pem_file(data("server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(data("server.key")).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let upstream = serve.address().to_owned();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (acceptor, upstream) = (acceptor.clone(), upstream.clone());
            tokio::spawn(async move {
                // A client that does not trust us ends the handshake: that is its answer.
                let Ok(mut client) = acceptor.accept(client).await else { return };
                let mut server = TcpStream::connect(upstream).await.unwrap();
                let _ = copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    url
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/integration/data").join(name)
}
