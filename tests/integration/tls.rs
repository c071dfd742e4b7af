//! An endpoint with a certificate that not everybody trusts.

use crate::support::servers::text;
use crate::support::tidegate::{Finished, Tidegate};
use crate::support::tls::{self, data};
use crate::support::tools::AwsCli;

const UPLOAD: &[&str] = &["s3://bucket/p", "--size", "30MB", "--files", "2", "--part-size", "8MiB"];

#[test]
fn a_trusted_certificate_carries_a_verified_upload() {
    let serve = tls::serve(&[]);
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
    let serve = tls::serve(&[]);
    let tidegate = Tidegate::at(&serve.endpoint());
    let refused = tidegate.run("run", UPLOAD);
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("certificate"), "{}", refused.stderr);
    assert!(refused.stderr.contains("--ca-bundle"), "{}", refused.stderr);
    let insisted = tidegate.run("run", &[UPLOAD, &["--insecure"]].concat());
    assert_eq!(insisted.code, 0, "{}", insisted.stderr);
    assert!(insisted.stdout.contains("--insecure: any certificate"), "{}", insisted.stdout);
}

#[test]
fn a_certificate_that_signed_itself_is_trusted_when_it_is_named() {
    let serve = tls::serve_with("self-signed", &[]);
    let tidegate = Tidegate::at(&serve.endpoint());
    let own = data("self-signed.pem");
    let trusted = tidegate.run("run", &[UPLOAD, &["--ca-bundle", text(&own)]].concat());
    assert_eq!(trusted.code, 0, "{}", trusted.stderr);
    let refused = tidegate.run("run", UPLOAD);
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("--ca-bundle"), "{}", refused.stderr);
}

#[test]
fn each_fault_of_a_certificate_has_a_hint_of_its_own() {
    for (name, why, next_step) in [
        (
            "nameless",
            "it has no subjectAltName",
            "have one made with a subjectAltName for 127.0.0.1",
        ),
        ("elsewhere", "it is for gateway.example, not for 127.0.0.1", "give --endpoint a name"),
        ("expired", "it expired on 2020-02-01T00:00:00Z", "renewed"),
    ] {
        let serve = tls::serve_with(name, &[]);
        let own = data(&format!("{name}.pem"));
        let tidegate = Tidegate::at(&serve.endpoint());
        let refused = tidegate.run("run", &[UPLOAD, &["--ca-bundle", text(&own)]].concat());
        assert_eq!(refused.code, 2, "{name}: {}", refused.stderr);
        assert!(refused.stderr.contains(why), "{name}: {}", refused.stderr);
        assert!(refused.stderr.contains(next_step), "{name}: {}", refused.stderr);
    }
}

#[test]
fn clear_text_to_another_machine_is_refused_unless_the_user_insists() {
    // Of a network for documentation (RFC 5737): nothing is ever sent there.
    let tidegate = Tidegate::at("http://192.0.2.1");
    for verb in ["run", "tune", "clean"] {
        let Finished { code, stderr, .. } = tidegate.run_plain(verb, &["s3://bucket/p"]);
        assert_eq!(code, 2, "{verb}: {stderr}");
        assert!(stderr.contains("in clear text") && stderr.contains("--insecure"), "{stderr}");
    }
}

#[test]
fn an_answer_of_no_before_the_body_is_read_reaches_the_client() {
    let serve = tls::serve(&["--bucket", "bucket"]);
    let Some(aws) = AwsCli::find(&serve.endpoint()) else { return };
    let here = tempfile::tempdir().unwrap();
    let (file, ca) = (here.path().join("file"), data("ca.pem"));
    std::fs::write(&file, vec![7; 7 << 20]).unwrap();
    let put = ["s3api", "put-object", "--bucket", "no-such-bucket", "--key", "k", "--body"];
    let refused = aws.run(["--ca-bundle", text(&ca)].into_iter().chain(put).chain([text(&file)]));
    let error = String::from_utf8_lossy(&refused.stderr);
    assert!(error.contains("NoSuchBucket"), "{error}");
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
