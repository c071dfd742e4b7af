//! What users do with the clients that they have, against `tidegate serve` with keys and Storj's
//! limits. Each test names everything that is refused on the way, and why; nothing else is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use tempfile::TempDir;

use crate::support::http::{Answer, Http};
use crate::support::servers::{Serve, text};
use crate::support::tools::{AwsCli, Tool};
use crate::support::tree::{LARGE, Tree, contents};

const MIB: usize = 1 << 20;
/// In three parts of 5 MiB.
const TREE: Tree = Tree { small_files: 12, large_bytes: 12 * MIB as u64 + 5 };

type Refusal = (&'static str, u16, &'static str);
/// A client looks whether something is there, or wants to see that it is gone.
const NOT_THERE: Refusal = ("HeadObject", 404, "NoSuchKey");
/// Storj copies no parts (`UploadPartCopy` in the answers of a real network).
const NO_COPY_IN_PARTS: Refusal = ("UploadPartCopy", 501, "NotImplemented");
/// Storj wants the Content-MD5 that new SDKs do not send any more.
const NO_CONTENT_MD5: Refusal = ("DeleteObjects", 400, "MissingContentMD5");
/// A Complete must list every part.
const PART_LEFT_OUT: Refusal = ("CompleteMultipartUpload", 400, "InvalidPart");
/// The object is behind a marker of deletion.
const DELETED: Refusal = ("GetObject", 404, "NoSuchKey");
/// A range of an empty object.
const EMPTY_RANGE: Refusal = ("GetObject", 416, "InvalidRange");

fn serve() -> Serve {
    Serve::plain(&["--bucket", "bucket", "--bucket", "other"])
}

fn tree() -> TempDir {
    let here = tempfile::tempdir().unwrap();
    TREE.write(here.path());
    here
}

/// This was refused and nothing else, beside calls that came too fast. What has no status was given up by the client.
fn assert_refused(serve: Serve, expected: &[Refusal]) {
    let requests = serve.stop();
    let mut counts = BTreeMap::new();
    for request in &requests {
        *counts.entry(request.status.unwrap_or_default()).or_insert(0) += 1;
    }
    let thread = std::thread::current();
    eprintln!("{}: {counts:?}", thread.name().unwrap_or_default());
    let refused = requests.iter().filter_map(|request| {
        let status = request.status?;
        let error = request.error.as_deref().unwrap_or_default();
        (status >= 400 && status != 429).then_some((request.operation.as_str(), status, error))
    });
    let refused: BTreeSet<(&str, u16, &str)> = refused.collect();
    assert_eq!(refused, expected.iter().copied().collect());
}

/// Asks for an address that the client signed.
fn get(serve: &Serve, address: &str) -> Answer {
    let target = address.trim().strip_prefix(&serve.endpoint()).expect("an address of serve");
    assert!(target.contains("X-Amz-Signature="), "{target}");
    Http::at(serve.address()).ask("GET", target).send()
}

#[test]
fn rclone_syncs_copies_moves_links_keeps_versions_and_cleans_up() {
    let serve = serve();
    let Some(rclone) = Tool::rclone(&serve.endpoint()) else { return };
    let (here, back) = (tree(), tempfile::tempdir().unwrap());
    let local = text(here.path());
    let small = ["--s3-chunk-size", "5Mi", "--s3-upload-cutoff", "5Mi", "--s3-list-chunk", "5"];
    let sync = || rclone.ok([&["sync", local, "tidegate:bucket/p"][..], &small].concat());
    sync();
    sync();
    // What is gone here goes there, and nothing else.
    fs::remove_file(here.path().join("two words.nc")).unwrap();
    sync();
    rclone.ok(["sync", "tidegate:bucket/p", text(back.path())]);
    assert_eq!(contents(back.path()), contents(here.path()));

    rclone.ok(["copyto", &format!("tidegate:bucket/p/{LARGE}"), "tidegate:bucket/q/copied"]);
    rclone.ok(["moveto", "tidegate:bucket/q/copied", "tidegate:other/q/moved"]);
    assert_eq!(rclone.ok(["lsf", "-R", "tidegate:bucket/q"]), "");
    let file = here.path().join("100%.txt");
    let content = fs::read(&file).unwrap();
    let link = rclone.ok(["link", "--expire", "1h", "tidegate:bucket/p/100%.txt"]);
    assert_eq!(get(&serve, &link).body, content);
    let with_metadata = ["--metadata", "--metadata-set", "run=7"];
    rclone.ok([&["copyto", text(&file), "tidegate:bucket/meta"][..], &with_metadata].concat());
    assert!(rclone.ok(["lsjson", "--metadata", "tidegate:bucket/meta"]).contains(r#""run":"7""#));

    rclone.ok(["backend", "versioning", "tidegate:other", "Enabled"]);
    rclone.ok(["copyto", text(&file), "tidegate:other/v"]);
    rclone.ok(["copyto", text(&here.path().join("%41.txt")), "tidegate:other/v"]);
    rclone.ok(["deletefile", "tidegate:other/v"]);
    assert_rclone_finds_the_old_version(&rclone, &content, &back.path().join("old"));

    // It cannot go on with an upload that was interrupted, but removes it.
    interrupt_upload(&rclone);
    let uploads = || rclone.ok(["backend", "list-multipart-uploads", "tidegate:bucket"]);
    assert!(uploads().contains("interrupted"), "{}", uploads());
    rclone.ok(["backend", "cleanup", "tidegate:bucket", "-o", "max-age=0s"]);
    assert!(!uploads().contains("interrupted"), "{}", uploads());
    rclone.ok(["delete", "tidegate:bucket"]);
    assert_refused(serve, &[NOT_THERE, ("CreateBucket", 409, "BucketAlreadyExists")]);
}

fn assert_rclone_finds_the_old_version(rclone: &Tool, content: &[u8], old: &Path) {
    let listed = rclone.run(["--s3-versions", "lsf", "--files-only", "tidegate:other"]);
    let said = String::from_utf8_lossy(&listed.stderr);
    assert_eq!(said, "", "what is below q/ is not among them");
    let names = String::from_utf8(listed.stdout).unwrap();
    let name = names.lines().min().expect("versions are listed");
    let version = format!("tidegate:other/{name}");
    rclone.ok(["--s3-versions", "copyto", &version, text(old)]);
    assert_eq!(fs::read(old).unwrap(), content);
    rclone.ok(["--s3-versions", "deletefile", &version]);
}

/// Kills rclone while it waits for more to send.
fn interrupt_upload(rclone: &Tool) {
    let mut command =
        rclone.command(["rcat", "--s3-chunk-size", "5Mi", "tidegate:bucket/interrupted"]);
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    child.stdin.as_mut().unwrap().write_all(&vec![7; 12 * MIB]).unwrap();
    let is_there = || {
        rclone.ok(["backend", "list-multipart-uploads", "tidegate:bucket"]).contains("interrupted")
    };
    assert!((0..200).any(|_| is_there()), "the upload begins");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn s5cmd_syncs_copies_moves_presigns_and_keeps_versions() {
    let serve = serve();
    let Some(s5cmd) = Tool::s5cmd(&serve.endpoint()) else { return };
    let (here, back) = (tree(), tempfile::tempdir().unwrap());
    let local = format!("{}/", text(here.path()));
    let sync = || s5cmd.ok(["sync", "--delete", "--part-size", "5", &local, "s3://bucket/p/"]);
    assert_eq!(sync().lines().count() as u64, TREE.files());
    // It sorts what Storj does not.
    assert_eq!(sync(), "", "all is there");
    fs::remove_file(here.path().join("#1 sample?.csv")).unwrap();
    let removed = sync();
    assert!(removed.starts_with("rm s3://bucket/p/#1 sample?.csv "), "{removed}");
    assert_eq!(removed.lines().count(), 1, "{removed}");
    s5cmd.ok(["sync", "s3://bucket/p/*", &format!("{}/", text(back.path()))]);
    assert_eq!(contents(back.path()), contents(here.path()));

    let file = here.path().join("100%.txt");
    let content = fs::read(&file).unwrap();
    s5cmd.ok(["cp", "s3://bucket/p/100%.txt", "s3://bucket/q/copied"]);
    s5cmd.ok(["mv", "s3://bucket/q/copied", "s3://other/q/moved"]);
    // The space in the name of a source it writes as a plus, which Storj takes for a plus.
    let spaced = s5cmd.run(["cp", &format!("s3://bucket/p/{LARGE}"), "s3://bucket/q/large"]);
    assert!(String::from_utf8_lossy(&spaced.stderr).contains("NoSuchKey"), "{spaced:?}");
    assert_eq!(get(&serve, &s5cmd.ok(["presign", "s3://bucket/p/100%.txt"])).body, content);
    s5cmd.ok(["cp", "--metadata", "run=7", text(&file), "s3://bucket/meta"]);
    assert!(s5cmd.ok(["head", "s3://bucket/meta"]).contains(r#""run":"7""#));

    s5cmd.ok(["bucket-version", "--set", "Enabled", "s3://other"]);
    s5cmd.ok(["cp", text(&file), "s3://other/v"]);
    s5cmd.ok(["cp", text(&here.path().join("%41.txt")), "s3://other/v"]);
    let versions = s5cmd.ok(["ls", "--all-versions", "s3://other/v"]);
    let old = versions.lines().last().and_then(|line| line.split(' ').next_back()).unwrap();
    let print = ["cat", "--version-id", old, "s3://other/v"];
    assert_eq!(s5cmd.run(print).stdout, content, "{versions}");
    s5cmd.ok(["rm", "--version-id", old, "s3://other/v"]);
    assert_eq!(s5cmd.ok(["ls", "--all-versions", "s3://other/v"]).lines().count(), 1);
    s5cmd.ok(["rm", "s3://bucket/*"]);
    let space = ("CopyObject", 404, "NoSuchKey");
    assert_refused(serve, &[EMPTY_RANGE, space]);
}

/// Signature V4 for presigned addresses, too, and parts of 5 MiB.
fn configured(aws: AwsCli, directory: &Path) -> AwsCli {
    let config = directory.join("config");
    let parts = "  multipart_chunksize = 5MB\n  multipart_threshold = 5MB\n";
    let settings = format!("[default]\ns3 =\n  signature_version = s3v4\n{parts}");
    fs::write(&config, settings).unwrap();
    aws.configured_by(&config).patient()
}

#[test]
fn the_aws_cli_copies_moves_presigns_keeps_versions_and_continues_uploads() {
    let serve = serve();
    let Some(aws) = AwsCli::find(&serve.endpoint()) else { return };
    let (here, back) = (tree(), tempfile::tempdir().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let aws = configured(aws, directory.path());
    let s3 = |arguments: &[&str]| aws.ok([&["s3"], arguments].concat());
    let api = |verb: &str, bucket: &str, key: &str, rest: &[&str]| {
        let named = ["s3api", verb, "--bucket", bucket, "--key", key, "--output", "text"];
        aws.ok([&named, rest].concat()).trim().to_owned()
    };
    s3(&["cp", "--quiet", "--recursive", text(here.path()), "s3://bucket/p/"]);
    s3(&["cp", "--quiet", "--recursive", "s3://bucket/p/", text(back.path())]);
    assert_eq!(contents(back.path()), contents(here.path()));

    s3(&["mv", "--quiet", "s3://bucket/p/two words.nc", "s3://bucket/q/moved"]);
    let large = format!("s3://bucket/p/{LARGE}");
    let copy = aws.run(["s3", "mv", "--quiet", &large, "s3://bucket/q/large"]);
    assert!(!copy.status.success(), "not in parts, and then it leaves the source alone");
    api("copy-object", "bucket", "q/large", &["--copy-source", &format!("bucket/p/{LARGE}")]);
    let file = here.path().join("100%.txt");
    let (name, content) = (text(&file), fs::read(&file).unwrap());
    assert_eq!(get(&serve, &s3(&["presign", "s3://bucket/p/100%.txt"])).body, content);

    let body = ["--body", name, "--query", "VersionId"];
    let enabled = ["--bucket", "other", "--versioning-configuration", "Status=Enabled"];
    aws.ok([&["s3api", "put-bucket-versioning"][..], &enabled].concat());
    let described = ["--metadata", "run=7", "--tagging", "a=b%20c"];
    let old = api("put-object", "other", "v", &[&body[..], &described].concat());
    let young = api("put-object", "other", "v", &["--body", name, "--query", "VersionId"]);
    let listing = ["--bucket", "other", "--query", "Versions[].VersionId", "--output", "text"];
    let listed = aws.ok([&["s3api", "list-object-versions"][..], &listing].concat());
    assert_eq!(listed.split_whitespace().collect::<Vec<_>>(), [&young, &old]);
    let of_old = ["--version-id", &old];
    let fetched = back.path().join("old");
    let read = ["--query", "Metadata.run", text(&fetched)];
    assert_eq!(api("get-object", "other", "v", &[&of_old[..], &read].concat()), "7");
    let tag = ["--query", "TagSet[].Value"];
    assert_eq!(api("get-object-tagging", "other", "v", &[&of_old[..], &tag].concat()), "b c");
    api("delete-object", "other", "v", &of_old);

    continue_upload(&api, &here.path().join(LARGE), directory.path());
    s3(&["rm", "--quiet", "--recursive", "s3://bucket/"]);
    assert_refused(serve, &[NO_COPY_IN_PARTS, EMPTY_RANGE]);
}

/// Sends a part, and the rest as one that knows only what is listed.
fn continue_upload(
    api: &impl Fn(&str, &str, &str, &[&str]) -> String,
    large: &Path,
    directory: &Path,
) {
    let on = |verb: &str, rest: &[&str]| api(verb, "bucket", "parts", rest);
    let content = fs::read(large).unwrap();
    let (first, rest) = (directory.join("first"), directory.join("rest"));
    fs::write(&first, &content[..5 * MIB]).unwrap();
    fs::write(&rest, &content[5 * MIB..]).unwrap();
    let id = on("create-multipart-upload", &["--query", "UploadId"]);
    let part = |number, file: &Path| {
        let of_upload = ["--upload-id", &id, "--part-number", number, "--body", text(file)];
        on("upload-part", &[&of_upload[..], &["--query", "ETag"]].concat())
    };
    part("1", &first);
    let one = on("list-parts", &["--upload-id", &id, "--query", "Parts[].ETag"]);
    let two = part("2", &rest);
    let parts = format!(
        r#"{{"Parts":[{{"PartNumber":1,"ETag":{one:?}}},{{"PartNumber":2,"ETag":{two:?}}}]}}"#
    );
    on("complete-multipart-upload", &["--upload-id", &id, "--multipart-upload", &parts]);
    let aborted = on("create-multipart-upload", &["--query", "UploadId"]);
    on("abort-multipart-upload", &["--upload-id", &aborted]);
    let size = on("head-object", &["--query", "ContentLength"]);
    assert_eq!(size, content.len().to_string());
}

#[test]
fn aws_s3_sync_mistakes_what_is_there_for_missing_and_deletes_it() {
    let serve = serve();
    let Some(aws) = AwsCli::find(&serve.endpoint()) else { return };
    let (here, directory) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    Tree { small_files: 12, large_bytes: 1 }.write(here.path());
    let aws = configured(aws, directory.path());
    let sync = |option| {
        aws.ok(["s3", "sync", "--no-progress", option, text(here.path()), "s3://bucket/p/"])
    };
    sync("--quiet");
    // It merges two listings as if both were in order of key, and Storj's is not.
    let again = sync("--dryrun");
    assert!(again.contains("upload:"), "{again}");
    let local = text(here.path());
    let arguments = ["s3", "sync", "--dryrun", "--delete", local, "s3://bucket/p/"];
    let deleting = aws.ok(arguments);
    assert!(deleting.contains("delete: s3://bucket/p/"), "of files that are here: {deleting}");
    assert_refused(serve, &[]);
}

#[test]
fn boto3_does_its_round() {
    let serve = serve();
    let Some(boto3) = Tool::boto3_round(&serve.endpoint()) else { return };
    boto3.ok::<&str>([]);
    let gone = ("ListParts", 404, "NoSuchUpload");
    let all = [NOT_THERE, NO_COPY_IN_PARTS, NO_CONTENT_MD5, PART_LEFT_OUT, DELETED, gone];
    assert_refused(serve, &all);
}

#[test]
fn the_aws_sdk_for_go_does_its_round() {
    let serve = serve();
    let directory = tempfile::tempdir().unwrap();
    let Some(go) = Tool::go_round(&serve.endpoint(), directory.path()) else { return };
    go.ok::<&str>([]);
    let all = [NOT_THERE, NO_COPY_IN_PARTS, NO_CONTENT_MD5, PART_LEFT_OUT, DELETED, EMPTY_RANGE];
    assert_refused(serve, &all);
}
