//! What AWS's environment variables and files say counts as it does for the AWS CLI.

use std::fs;
use std::path::Path;

use crate::support::servers::{Serve, text};
use crate::support::tidegate::{Finished, Tidegate};
use crate::support::{ACCESS_KEY, SECRET_KEY};

/// The verbs that reach an endpoint, and what they ask of it.
const VERBS: [(&str, &[&str]); 6] = [
    ("run", &["s3://bucket/p", "--size", "1MB", "--files", "1"]),
    ("tune", &["s3://bucket/p", "--dry-run"]),
    ("plan", &["--measure", "s3://bucket/p", "--budget", "1s"]),
    ("check", &["s3://bucket/p"]),
    ("clean", &["s3://bucket/p"]),
    ("observe", &["s3://bucket/p", "--for", "100ms"]),
];

fn run(tidegate: &Tidegate, verb: &str, arguments: &[&str]) -> Finished {
    match verb {
        "run" | "tune" | "plan" => tidegate.run(verb, arguments),
        _ => tidegate.run_plain(verb, arguments),
    }
}

/// Without keys and endpoint but those of a profile `lab`, which is below these lines.
fn with_profile(directory: &Path, profile: &str) -> Tidegate {
    let config = directory.join("config");
    fs::write(&config, format!("[profile lab]\n{profile}")).unwrap();
    Tidegate::embedded()
        .with_variable("AWS_ACCESS_KEY_ID", "")
        .with_variable("AWS_SECRET_ACCESS_KEY", "")
        .with_variable("AWS_CONFIG_FILE", text(&config))
        .with_variable("AWS_PROFILE", "lab")
}

#[test]
fn a_profile_brings_its_endpoint_and_its_key() {
    let serve = Serve::start(&[]);
    let directory = tempfile::tempdir().unwrap();
    let endpoint = serve.endpoint();
    let keys =
        format!("  aws_access_key_id = {ACCESS_KEY}\n  aws_secret_access_key = {SECRET_KEY}\n");
    let of_profile = format!("{keys}  endpoint_url = {endpoint}\n  region = eu1\n");
    let of_services = format!(
        "{keys}  services = storj\n  endpoint_url = http://127.0.0.1:1\n\
         [services storj]\ns3 =\n  # Storj's own\n  endpoint_url = {endpoint}\n"
    );
    for (profile, from) in [
        (of_profile, "endpoint_url of the profile `lab`"),
        (of_services, "the services section of the profile `lab`"),
    ] {
        let finished =
            with_profile(directory.path(), &profile).run_plain("check", &["s3://bucket/p"]);
        assert_eq!(finished.code, 0, "{}{}", finished.stdout, finished.stderr);
        let said = format!("the endpoint {endpoint} is from {from}");
        assert!(finished.stderr.contains(&said), "{}", finished.stderr);
    }
}

#[test]
fn the_command_line_comes_before_variables_and_those_before_the_profile() {
    let serve = Serve::start(&[]);
    let endpoint = serve.endpoint();
    let list = |tidegate: Tidegate, options: &[&str]| {
        tidegate.run_plain("clean", &[&["s3://bucket/p"], options].concat())
    };
    let dead = "http://127.0.0.1:1";
    let said = |tidegate: Tidegate, options: &[&str]| {
        let Finished { code, stderr, .. } = list(tidegate, options);
        assert_eq!(code, 0, "{stderr}");
        stderr
    };
    let all = Tidegate::embedded().with_variable("AWS_ENDPOINT_URL", dead);
    let all = all.with_variable("AWS_ENDPOINT_URL_S3", &endpoint);
    assert!(said(all, &[]).contains("is from AWS_ENDPOINT_URL_S3"));
    let empty = Tidegate::embedded().with_variable("AWS_ENDPOINT_URL", &endpoint);
    let empty = empty.with_variable("AWS_ENDPOINT_URL_S3", "");
    assert!(said(empty, &[]).contains("is from AWS_ENDPOINT_URL\n"));
    let given = Tidegate::embedded().with_variable("AWS_ENDPOINT_URL_S3", dead);
    assert_eq!(said(given, &["--endpoint", &endpoint]), "");
}

#[test]
fn variables_may_have_line_ends_around_them_and_may_be_empty() {
    let serve = Serve::start(&[]);
    let tidegate = Tidegate::at(&serve.endpoint())
        .with_variable("AWS_ACCESS_KEY_ID", &format!("{ACCESS_KEY}\r\n"))
        .with_variable("AWS_SECRET_ACCESS_KEY", &format!("{SECRET_KEY}\n"))
        .with_variable("AWS_REGION", "us-east-1\n")
        .with_variable("AWS_SESSION_TOKEN", "\n")
        .with_variable("AWS_CA_BUNDLE", "")
        .with_variable("AWS_ENDPOINT_URL_S3", "")
        .with_variable("AWS_PROFILE", "");
    let finished = tidegate.run_plain("check", &["s3://bucket/p"]);
    assert_eq!(finished.code, 0, "{}{}", finished.stdout, finished.stderr);
}

#[test]
fn a_control_character_in_a_variable_is_refused_by_every_verb_by_its_name() {
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION"] {
        for (verb, arguments) in VERBS {
            let tidegate = Tidegate::at("http://127.0.0.1:1").with_variable(name, "5ecret\n5ecret");
            let Finished { code, stdout, stderr } = run(&tidegate, verb, arguments);
            assert_eq!((code, stdout.as_str()), (2, ""), "{verb}: {stderr}");
            assert!(stderr.contains(name) && stderr.contains("hint: "), "{verb}: {stderr}");
            assert!(!stderr.contains("5ecret"), "{verb}: {stderr}");
        }
    }
}
