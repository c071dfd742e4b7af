//! `tidegate check`: what is fit for a run passes, what is not is named, and nothing stays.

use serde_json::Value;
use tidegate::store::Store;
use tidegate::store::s3::S3Store;

use crate::support::mischief::{Fault, mischief};
use crate::support::servers::{Serve, Versitygw, connection, text};
use crate::support::tidegate::{Finished, Tidegate};
use crate::support::tools::AwsCli;
use crate::support::uploading::probe;
use crate::support::{SECRET_KEY, schemas, tls};

const TARGET: &str = "s3://bucket/p";

/// The checks by name: outcome and sentence.
fn checked(tidegate: &Tidegate, arguments: &[&str]) -> (i32, Vec<Value>) {
    let Finished { code, stdout, stderr } =
        tidegate.run_plain("check", &[arguments, &["--json"]].concat());
    eprintln!("{stdout}{stderr}");
    let document: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(document["schema"], "tidegate.check/1");
    schemas::hold(&document);
    (code, document["checks"].as_array().unwrap().clone())
}

fn named<'a>(checks: &'a [Value], name: &str) -> &'a Value {
    checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("no {name}"))
}

#[track_caller]
fn assert_outcome(checks: &[Value], name: &str, outcome: &str, says: &str) {
    let check = named(checks, name);
    assert_eq!(check["outcome"], outcome, "{check}");
    assert!(check["says"].as_str().unwrap().contains(says), "{check}");
}

async fn assert_nothing_is_there(endpoint: &str) {
    let store = S3Store::connect(&connection(endpoint, "bucket", SECRET_KEY).await);
    assert_eq!(store.list_objects("", None, &probe()).await.unwrap().objects, []);
    assert_eq!(store.list_uploads("", &probe()).await.unwrap(), []);
}

#[tokio::test]
async fn a_gateway_passes_every_check_and_nothing_stays() {
    let serve = Serve::plain(&["--bucket", "bucket"]);
    let (code, checks) = checked(&Tidegate::at(&serve.endpoint()), &[TARGET]);
    assert_eq!(code, 0);
    for name in [
        "access",
        "addresses",
        "bucket",
        "versioning",
        "object lock",
        "listing",
        "write",
        "read",
        "delete",
        "multipart",
        "clock",
        "round trip",
        "cores",
    ] {
        assert_outcome(&checks, name, "ok", "");
    }
    assert_outcome(&checks, "TLS", "not_checked", "plain HTTP");
    assert_outcome(&checks, "listing", "ok", "none visible with this passphrase");
    assert_outcome(&checks, "clock", "ok", "agree to a second");
    assert_nothing_is_there(&serve.endpoint()).await;
}

#[tokio::test]
async fn versitygw_passes_and_nothing_stays() {
    let Some(versitygw) = Versitygw::start() else { return };
    let (code, checks) = checked(&Tidegate::at(&versitygw.endpoint()), &[TARGET]);
    assert_eq!(code, 0);
    for name in [
        "bucket",
        "versioning",
        "object lock",
        "listing",
        "write",
        "read",
        "delete",
        "multipart",
        "clock",
    ] {
        assert_outcome(&checks, name, "ok", "");
    }
    assert_nothing_is_there(&versitygw.endpoint()).await;
}

#[test]
fn a_bucket_that_keeps_versions_is_refused_and_nothing_is_written_to_it() {
    let Some(versitygw) = Versitygw::with_versions() else { return };
    let Some(aws) = AwsCli::find(&versitygw.endpoint()) else { return };
    let versions = || {
        let list = ["s3api", "list-object-versions", "--bucket", "bucket"];
        aws.ok(list.into_iter().chain(["--query", "[Versions, DeleteMarkers]"]))
    };
    let tidegate = Tidegate::at(&versitygw.endpoint());
    let (code, checks) = checked(&tidegate, &[TARGET]);
    assert_eq!(code, 0, "versioning is not enabled yet");
    assert_outcome(&checks, "versioning", "ok", "");
    let before = versions();

    for (status, says) in
        [("Enabled", "keep the bytes"), ("Suspended", "deletes leave delete markers")]
    {
        let configuration = format!("Status={status}");
        let put = ["s3api", "put-bucket-versioning", "--bucket", "bucket"];
        aws.ok(put.into_iter().chain(["--versioning-configuration", &configuration]));
        let (code, checks) = checked(&tidegate, &[TARGET]);
        assert_eq!(code, 1);
        assert_outcome(&checks, "versioning", "failed", says);
        assert!(named(&checks, "versioning")["next_step"].is_string());
        assert_outcome(&checks, "write", "not_checked", "");
        for verb in ["run", "tune"] {
            let refused = tidegate.run(verb, &[TARGET, "--size", "10MB", "--files", "1"]);
            assert_eq!(refused.code, 2, "{}", refused.stderr);
            assert!(refused.stderr.contains(says), "{}", refused.stderr);
            assert!(tidegate.runs().is_empty());
        }
    }
    assert_eq!(versions(), before, "no version and no mark of a delete was left");
}

#[test]
fn a_private_authority_is_told_and_a_strange_one_is_a_failure() {
    let serve = tls::serve(&["--bucket", "bucket"]);
    let tidegate = Tidegate::at(&serve.endpoint());
    let ca = tls::data("ca.pem");
    let (code, checks) = checked(&tidegate, &[TARGET, "--ca-bundle", text(&ca)]);
    assert_eq!(code, 0);
    assert_outcome(&checks, "TLS", "ok", "TLS 1.3; the certificate's authority is private");

    let (code, checks) = checked(&tidegate, &[TARGET, "--insecure"]);
    assert_eq!(code, 0);
    assert_outcome(&checks, "TLS", "warning", "was not checked (--insecure)");

    let (code, checks) = checked(&tidegate, &[TARGET]);
    assert_eq!(code, 1);
    assert_outcome(&checks, "TLS", "failed", "certificate");
    assert_outcome(&checks, "bucket", "failed", "certificate");
    assert!(named(&checks, "bucket")["next_step"].as_str().unwrap().contains("--ca-bundle"));
}

#[test]
fn what_is_wrong_is_named_with_what_to_do_and_the_rest_is_not_checked() {
    let serve = Serve::start(&["--bucket", "bucket"]);
    let tidegate = Tidegate::at(&serve.endpoint());
    let (code, checks) = checked(&tidegate, &["s3://missing"]);
    assert_eq!(code, 1);
    assert_outcome(&checks, "bucket", "failed", "NoSuchBucket");
    assert_eq!(
        named(&checks, "bucket")["next_step"],
        "create the bucket first, or correct its name"
    );
    assert_outcome(&checks, "write", "not_checked", "cannot be used");
    assert_outcome(&checks, "cores", "ok", "");

    let secret = "not-the-secret";
    let wrong = Tidegate::at(&serve.endpoint()).with_secret(secret);
    let (code, checks) = checked(&wrong, &[TARGET]);
    assert_eq!(code, 1);
    assert_outcome(&checks, "bucket", "failed", "SignatureDoesNotMatch");
    assert!(!format!("{checks:?}").contains(secret));

    let (code, checks) = checked(&Tidegate::at("https://name.invalid"), &[TARGET]);
    assert_eq!(code, 1);
    assert_outcome(&checks, "bucket", "failed", "name.invalid");
    assert_outcome(&checks, "addresses", "failed", "name.invalid");

    let without = tidegate.run_plain("check", &["s3://missing"]);
    let next = "\n                          do: create the bucket first, or correct its name\n";
    assert!(without.stdout.contains(next), "{}", without.stdout);
    assert!(without.stderr.contains("1 check failed"), "{}", without.stderr);
}

#[test]
fn without_a_target_the_embedded_gateway_is_checked() {
    let (code, checks) = checked(&Tidegate::embedded(), &[]);
    assert_eq!(code, 0);
    assert_outcome(&checks, "multipart", "ok", "nothing is left");
}

#[test]
fn a_clock_that_is_so_wrong_that_requests_are_refused_is_said_with_the_figure() {
    let serve = Serve::start(&["--bucket", "bucket"]);
    let refusal =
        || Fault::refusal(403, "RequestTimeTooSkewed", "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
    let skewed = mischief(&serve.endpoint(), move |_| refusal());
    let (code, checks) = checked(&Tidegate::at(&skewed.endpoint()), &[TARGET]);
    assert_eq!(code, 1);
    assert_outcome(&checks, "bucket", "failed", "behind this machine's");
    let check = named(&checks, "bucket");
    let years = check["says"].as_str().unwrap().split("clock is ").nth(1).unwrap();
    let years = years.split("years").next().unwrap().parse::<u32>().unwrap();
    assert!(years >= 31, "{check}");
    assert!(check["next_step"].as_str().unwrap().contains("set the clock"), "{check}");
}
