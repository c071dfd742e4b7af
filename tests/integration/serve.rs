//! `tidegate serve` as an independent client sees it: the AWS CLI.

use std::fs;

use crate::support::requests::parts_of;
use crate::support::servers::{Serve, text};
use crate::support::tools::AwsCli;
use crate::support::tree::{EMPTY, LARGE, Tree, contents};

/// The CLI sends parts of 8 MiB, and files from 8 MiB on in parts.
const TREE: Tree = Tree { small_files: 40, large_bytes: 20_000_000 };

#[test]
fn the_aws_cli_brings_a_tree_up_and_down_and_deletes_it() {
    let serve = Serve::start(&["--bucket", "bucket"]);
    let Some(aws) = AwsCli::find(&serve.endpoint()) else { return };
    let (here, back) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    TREE.write(here.path());
    // After an empty file on a connection, botocore 1.43 waits in vain for the answer to the next one
    // there, with every server that, as Go's net/http and hyper, sends no 100 (Continue) for a body of
    // length 0. So the empty file goes by itself.
    fs::remove_file(here.path().join(EMPTY)).unwrap();

    aws.ok(["s3", "cp", "--quiet", "--recursive", text(here.path()), "s3://bucket/a tree/"]);
    fs::write(here.path().join(EMPTY), "").unwrap();
    let empty = here.path().join(EMPTY);
    aws.ok(["s3", "cp", "--quiet", text(&empty), &format!("s3://bucket/a tree/{EMPTY}")]);
    aws.ok(["s3", "cp", "--quiet", "--recursive", "s3://bucket/a tree/", text(back.path())]);
    assert_eq!(contents(back.path()), contents(here.path()));

    let listed = aws.ok(["s3", "ls", "--recursive", "s3://bucket/a tree/"]);
    assert_eq!(listed.lines().count() as u64, TREE.files());
    aws.ok(["s3", "rm", "--quiet", "--recursive", "s3://bucket/a tree/"]);
    let left = aws.ok(["s3api", "list-objects-v2", "--bucket", "bucket", "--query", "Contents"]);
    assert_eq!(left.trim(), "null");

    let requests = serve.stop();
    let key = format!("a tree/{LARGE}");
    let sizes: Vec<u64> = parts_of(&requests, &key).values().map(|part| part.bytes_in).collect();
    assert_eq!(sizes, [8 << 20, 8 << 20, TREE.large_bytes - (16 << 20)]);
    for request in requests {
        assert!(request.status.is_some_and(|status| status < 400), "{request:?}");
    }
}

#[test]
fn what_a_directory_retains_is_there_after_a_restart() {
    let kept = tempfile::tempdir().unwrap();
    let here = tempfile::tempdir().unwrap();
    let file = here.path().join("file");
    fs::write(&file, vec![7; 9 << 20]).unwrap();

    let serve = Serve::start(&["--retain", text(kept.path())]);
    let Some(aws) = AwsCli::find(&serve.endpoint()) else { return };
    aws.ok(["s3", "mb", "s3://bucket"]);
    aws.ok(["s3", "cp", "--quiet", text(&file), "s3://bucket/in/parts"]);
    let head = ["s3api", "head-object", "--bucket", "bucket", "--key", "in/parts"];
    let before = aws.ok(head);
    serve.stop();

    let serve = Serve::start(&["--retain", text(kept.path())]);
    let aws = AwsCli::find(&serve.endpoint()).unwrap();
    assert_eq!(aws.ok(head), before, "the same size, date and ETag");
    let back = here.path().join("back");
    aws.ok(["s3", "cp", "--quiet", "s3://bucket/in/parts", text(&back)]);
    assert!(fs::read(&back).unwrap() == fs::read(&file).unwrap());
}

#[test]
fn a_wrong_secret_is_refused() {
    let serve = Serve::start(&["--bucket", "bucket"]);
    let Some(aws) = AwsCli::find(&serve.endpoint()) else { return };
    let refused = aws.with_secret("not-the-secret").run(["s3", "ls", "s3://bucket"]);
    assert!(!refused.status.success());
    let error = String::from_utf8_lossy(&refused.stderr);
    assert!(error.contains("SignatureDoesNotMatch"), "{error}");
    let requests = serve.stop();
    let codes: Vec<_> = requests.iter().map(|request| request.error.as_deref()).collect();
    assert_eq!(codes, [Some("SignatureDoesNotMatch")]);
}

#[test]
fn an_answer_of_no_before_the_body_is_read_reaches_the_client() {
    let serve = Serve::start(&["--bucket", "bucket"]);
    let Some(aws) = AwsCli::find(&serve.endpoint()) else { return };
    let here = tempfile::tempdir().unwrap();
    let file = here.path().join("file");
    fs::write(&file, vec![7; 7 << 20]).unwrap();
    let put = ["s3api", "put-object", "--bucket", "no-such-bucket", "--key", "k", "--body"];
    let refused = aws.run(put.into_iter().chain([text(&file)]));
    let error = String::from_utf8_lossy(&refused.stderr);
    assert!(error.contains("NoSuchBucket"), "{error}");
}

#[test]
fn an_unknown_upload_is_refused_and_a_range_beyond_the_end_is_416() {
    let serve = Serve::start(&["--bucket", "bucket"]);
    let Some(aws) = AwsCli::find(&serve.endpoint()) else { return };
    let here = tempfile::tempdir().unwrap();
    let file = here.path().join("file");
    fs::write(&file, "ten bytes.").unwrap();
    let part = ["s3api", "upload-part", "--bucket", "bucket", "--key", "k", "--part-number", "1"];
    let more = ["--upload-id", "none", "--body", text(&file)];
    let refused = aws.run(part.into_iter().chain(more));
    let error = String::from_utf8_lossy(&refused.stderr);
    assert!(error.contains("NoSuchUpload"), "{error}");

    aws.ok(["s3", "cp", "--quiet", text(&file), "s3://bucket/k"]);
    let out = here.path().join("out");
    let get = ["s3api", "get-object", "--bucket", "bucket", "--key", "k", "--range"];
    let inside = aws.run(get.into_iter().chain(["bytes=4-6", text(&out)]));
    assert!(inside.status.success());
    assert_eq!(fs::read_to_string(&out).unwrap(), "byt");
    let beyond = aws.run(get.into_iter().chain(["bytes=10-12", text(&out)]));
    let error = String::from_utf8_lossy(&beyond.stderr);
    assert!(error.contains("InvalidRange"), "{error}");
}
