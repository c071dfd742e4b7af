//! An endpoint with a certificate that not everybody trusts.

use std::path::{Path, PathBuf};

use crate::support::servers::{Serve, text};
use crate::support::tidegate::{Finished, Tidegate};

const UPLOAD: &[&str] = &["s3://bucket/p", "--size", "30MB", "--files", "2", "--part-size", "8MiB"];

/// A gateway with a certificate for `localhost` and 127.0.0.1.
fn serve_tls() -> Serve {
    let (certificate, key) = (data("server.pem"), data("server.key"));
    let serve = Serve::start(&["--tls-cert", text(&certificate), "--tls-key", text(&key)]);
    assert!(serve.endpoint().starts_with("https://"), "{}", serve.endpoint());
    serve
}

#[test]
fn a_trusted_certificate_carries_a_verified_upload() {
    let serve = serve_tls();
    let tidegate = Tidegate::at(&serve.endpoint());
    let ca_bundle = data("ca.pem");
    let options = ["--verify", "--ca-bundle", text(&ca_bundle), "--json"];
    let trusted = tidegate.run("run", &[UPLOAD, &options].concat());
    assert_eq!(trusted.code, 0, "{}", trusted.stderr);
    assert!(trusted.stdout.contains("\"verified\": true"), "{}", trusted.stdout);
    assert!(serve.stop().iter().any(|request| request.operation == "UploadPart"));
}

#[test]
fn an_unknown_authority_is_refused_unless_the_user_insists() {
    let serve = serve_tls();
    let tidegate = Tidegate::at(&serve.endpoint());
    let refused = tidegate.run("run", UPLOAD);
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("certificate"), "{}", refused.stderr);
    assert!(refused.stderr.contains("--ca-bundle"), "{}", refused.stderr);
    let insisted = tidegate.run("run", &[UPLOAD, &["--insecure"]].concat());
    assert_eq!(insisted.code, 0, "{}", insisted.stderr);
}

#[test]
fn a_gateway_says_what_is_wrong_with_its_certificate() {
    let (certificate, key, neither) = (data("server.pem"), data("server.key"), data("README.md"));
    for (certificate, key, sentence) in [
        (&certificate, &neither, "cannot read the private key"),
        (&neither, &key, "there is none in it"),
        (&data("ca.pem"), &key, "cannot use the certificate"),
        (&data("missing.pem"), &key, "cannot read the certificate"),
    ] {
        let options = ["--tls-cert", text(certificate), "--tls-key", text(key)];
        let Finished { code, stderr, .. } = Tidegate::serve(&options);
        assert_eq!(code, 2, "{stderr}");
        assert!(stderr.contains(sentence), "{sentence:?} is not in: {stderr}");
        assert!(stderr.contains("hint: "), "{stderr}");
    }
}

#[test]
fn a_bundle_without_certificates_is_refused() {
    let tidegate = Tidegate::at("https://localhost:1");
    let bundle = data("README.md");
    let refused = tidegate.run("run", &[UPLOAD, &["--ca-bundle", text(&bundle)]].concat());
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("there is no certificate in it"), "{}", refused.stderr);
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/integration/data").join(name)
}
