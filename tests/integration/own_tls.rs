//! `serve` with a certificate that it made itself, for clients that trust what their machine trusts.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::servers::{Serve, text};
use crate::support::tidegate::{Finished, Tidegate};
use crate::support::tls::data;
use crate::support::tools::{self, AwsCli};

/// A machine's store of authorities in a namespace of its own, where the user is root. In it `$trust` and `$forget` are
/// run as they were printed; what is outside is as before.
const IN_A_STORE_OF_ITS_OWN: &str = r#"
set -eu
mkdir "$here/local" "$here/certs" "$here/bin"
printf '#!/bin/sh\nexec "$@"\n' >"$here/bin/sudo"
chmod +x "$here/bin/sudo"
export PATH="$here/bin:$PATH:/usr/sbin:/sbin"
cp -a /etc/ssl/certs/. "$here/certs"
mount --bind "$here/local" /usr/local/share/ca-certificates
mount --bind "$here/certs" /etc/ssl/certs

# libcurl over OpenSSL, as in the connector. 60: the certificate is not trusted (curl(1), EXIT CODES).
code=0; curl -sS "$endpoint/bucket" || code=$?
test "$code" = 60
eval "$trust" >&2
curl -sS --fail --upload-file "$here/small" "$endpoint/bucket/by-curl"
export AWS_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt
"$aws" --endpoint-url "$endpoint" s3 cp --quiet "$here/large" s3://bucket/by-aws
"$tidegate" check s3://bucket/checked --endpoint "$endpoint" >&2
eval "$forget" >&2
code=0; curl -sS "$endpoint/bucket" || code=$?
test "$code" = 60
"#;

/// Whether a user may have a namespace here, and has what the recipe is for.
fn can_try_the_recipe() -> bool {
    let programs = ["unshare", "curl", "mount"];
    if programs.iter().any(|program| tools::find_if_there(program).is_none()) {
        return false;
    }
    let is_debian = Path::new("/usr/sbin/update-ca-certificates").exists();
    let is_allowed = || namespace().arg("true").output().is_ok_and(|done| done.status.success());
    let can = is_debian && is_allowed();
    if !can {
        eprintln!("skipped: not Debian, or namespaces are not allowed");
    }
    can
}

fn namespace() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "--"]);
    command
}

/// The printed line that has this in it, without what is remarked.
fn printed<'a>(recipe: &'a str, part: &str) -> &'a str {
    let line = recipe.lines().find(|line| line.contains(part));
    let line = line.unwrap_or_else(|| panic!("no {part} in {recipe}"));
    line.split("  # ").next().unwrap().trim()
}

/// What `serve` says about a certificate in a directory; it ends at once.
fn said(directory: &Path, options: &[&str]) -> Finished {
    Tidegate::serve(&[&["--tls-own", text(directory)], options].concat())
}

#[test]
fn the_recipe_makes_a_host_trust_serve_lets_clients_be_observed_and_takes_all_back() {
    let Some(aws) = AwsCli::find("") else { return };
    if !can_try_the_recipe() {
        return;
    }
    let here = tempfile::tempdir().unwrap();
    let own = here.path().join("tls");
    let recipe = said(&own, &["--bucket", "bucket"]);
    assert_eq!(recipe.code, 0, "{}", recipe.stderr);
    let mut serve = Serve::open(&["--tls-own", text(&own), "--bucket", "bucket"]);
    assert!(serve.endpoint().starts_with("https://127.0.0.1:"), "{}", serve.endpoint());

    let config = here.path().join("config");
    let parts = "[default]\ns3 =\n  multipart_chunksize = 6MB\n  multipart_threshold = 6MB\n";
    fs::write(&config, parts).unwrap();
    fs::write(here.path().join("small"), "small").unwrap();
    fs::write(here.path().join("large"), vec![7; 20 << 20]).unwrap();
    let aws = aws.configured_by(&config).command::<&str>([]);
    let mut script = namespace();
    script.args(["sh", "-c", IN_A_STORE_OF_ITS_OWN]);
    script.envs(aws.get_envs().filter_map(|(name, value)| Some((name, value?))));
    for variable in
        ["SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"]
    {
        script.env_remove(variable);
    }
    let done = script
        .env("NO_PROXY", "*")
        .env("here", here.path())
        .env("endpoint", serve.endpoint())
        .env("aws", aws.get_program())
        .env("tidegate", env!("CARGO_BIN_EXE_tidegate"))
        .env("trust", printed(&recipe.stderr, "&& sudo update-ca-certificates  #"))
        .env("forget", printed(&recipe.stderr, "update-ca-certificates --fresh"))
        .output()
        .unwrap();
    assert_succeeded(&done);

    let log = Tidegate::embedded().run_plain("observe", &[text(&serve.end()), "--json"]);
    let seen: Value = serde_json::from_str(&log.stdout).unwrap();
    assert_eq!(seen["up"]["part_size_bytes"]["value"], 6 << 20, "{seen:#}");
    let remove = printed(&recipe.stderr, "  rm ");
    assert_succeeded(&Command::new("sh").args(["-c", remove]).output().unwrap());
    assert_eq!(fs::read_dir(&own).unwrap().count(), 0);
}

fn assert_succeeded(output: &Output) {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {error}", output.status);
}

#[test]
fn a_client_that_is_given_the_authority_is_served_again_and_again_with_the_same_files() {
    let Some(aws) = AwsCli::find("") else { return };
    let here = tempfile::tempdir().unwrap();
    let (own, file) = (here.path().join("tls"), here.path().join("file"));
    fs::write(&file, "content").unwrap();
    let files = || {
        ["authority.crt", "server.crt", "server.key"].map(|name| fs::read(own.join(name)).unwrap())
    };
    let mut before = None;
    for _ in 0..2 {
        // A command beside it knows the authority from its environment.
        let program = aws.command::<&str>([]).get_program().to_str().unwrap().to_owned();
        let serve =
            ["--tls-own", text(&own), "--tls-name", "localhost", "--bucket", "bucket", "--"];
        let upload = [program.as_str(), "s3", "cp", "--quiet", text(&file), "s3://bucket/key"];
        let done = Tidegate::embedded()
            .with_variable("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
            .run_plain("serve", &[&serve[..], &upload].concat());
        assert_eq!(done.code, 0, "{}", done.stderr);
        assert!(!done.stderr.contains("PRIVATE KEY"), "{}", done.stderr);
        let now = files();
        assert_eq!(before.get_or_insert_with(|| now.clone()), &now);
    }
    let mode = fs::metadata(own.join("server.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn what_is_wrong_with_an_own_certificate_is_a_sentence_with_a_next_step() {
    let here = tempfile::tempdir().unwrap();
    let made = here.path().join("made");
    assert_eq!(said(&made, &["--tls-name", "dtn1.example.org"]).code, 0);
    let [expired, half] = ["expired", "half"].map(|name| here.path().join(name));
    for (directory, names) in [(&expired, &["authority.crt", "server.crt"][..]), (&half, &[])] {
        fs::create_dir(directory).unwrap();
        for name in names {
            fs::copy(data("expired.pem"), directory.join(name)).unwrap();
        }
        let key = directory.join("server.key");
        fs::copy(data("expired.key"), &key).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let other = ["--tls-name", "dtn2.example.org"];
    for (directory, options, sentence) in [
        (&made, &other[..], "does not cover dtn2.example.org: it is for"),
        (&expired, &[], "expired on 2020-02-01"),
        (&half, &[], "has only server.key"),
        (&made, &["--tls-name", "https://dtn1"], "--tls-name"),
    ] {
        let refused = said(directory, options);
        assert_eq!(refused.code, 2, "{sentence}: {}", refused.stderr);
        assert!(refused.stderr.contains(sentence), "{sentence}: {}", refused.stderr);
    }
    let hint = said(&expired, &[]).stderr;
    assert!(hint.contains("name a new directory with --tls-own"), "{hint}");
}
