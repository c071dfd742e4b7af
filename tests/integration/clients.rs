//! The clients that Storj's users have, against `tidegate serve` as it is by itself: with keys and with
//! Storj's limits.

use std::fs;

use tempfile::TempDir;

use crate::support::requests::{Request, parts_of};
use crate::support::servers::{Serve, text};
use crate::support::tools::{AwsCli, Tool};
use crate::support::tree::{EMPTY, LARGE, Tree, contents};

/// Files beside the awkward names and the large one.
const SMALL_FILES: u32 = 12;

/// A tree to send, and a directory to get it back in.
struct Case {
    here: TempDir,
    back: TempDir,
    files: u64,
    large_bytes: u64,
}

fn case(large_bytes: u64) -> Case {
    let (here, back) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let tree = Tree { small_files: SMALL_FILES, large_bytes };
    tree.write(here.path());
    // What these clients make of an empty file or an awkward name is tested elsewhere.
    fs::remove_file(here.path().join(EMPTY)).unwrap();
    Case { here, back, files: tree.files() - 1, large_bytes }
}

impl Case {
    fn assert_came_back(&self) {
        assert_eq!(contents(self.back.path()), contents(self.here.path()));
    }

    fn assert_listed(&self, lines: &str) {
        assert_eq!(lines.lines().count() as u64, self.files, "{lines}");
    }
}

/// The large file came in parts of this size, and everything was read.
fn assert_moved(serve: Serve, case: &Case, part_bytes: u64) {
    let statistics = serve.statistics();
    assert_eq!(statistics["transfers"]["limit"], 500, "the limits are on");
    let requests = serve.stop();
    let key = format!("p/{LARGE}");
    let sizes: Vec<u64> = parts_of(&requests, &key).values().map(|part| part.bytes_in).collect();
    let full_parts = case.large_bytes / part_bytes;
    let mut expected = vec![part_bytes; full_parts as usize];
    expected.push(case.large_bytes % part_bytes);
    assert_eq!(sizes, expected);
    for operation in ["CompleteMultipartUpload", "GetObject"] {
        assert!(requests.iter().any(|request| request.operation == operation), "{operation}");
    }
    let refused: Vec<&Request> = requests.iter().filter(|request| is_unexpected(request)).collect();
    assert!(refused.is_empty(), "{refused:?}");
}

/// A client may look for what is not there, and may be told to slow down.
fn is_unexpected(request: &Request) -> bool {
    match request.status {
        Some(404) => request.operation != "HeadObject",
        Some(429) => false,
        Some(status) => status >= 400,
        None => true,
    }
}

/// Started as a user does, with statistics.
fn serve() -> Serve {
    Serve::plain(&["--bucket", "bucket", "--stats", "127.0.0.1:0"])
}

#[test]
fn rclone_uploads_lists_downloads_and_deletes() {
    let serve = serve();
    let Some(rclone) = Tool::rclone(&serve.endpoint()) else { return };
    let case = case(70_000_000);
    let (here, back) = (text(case.here.path()), text(case.back.path()));
    // As Storj asks of rclone's users.
    let parts = ["--s3-chunk-size", "64Mi", "--s3-upload-cutoff", "64Mi"];
    rclone.ok([&["copy", here, "tidegate:bucket/p"][..], &parts].concat());
    case.assert_listed(&rclone.ok(["lsf", "--files-only", "-R", "tidegate:bucket/p"]));
    rclone.ok(["check", "--download", here, "tidegate:bucket/p"]);
    rclone.ok(["copy", "tidegate:bucket/p", back]);
    case.assert_came_back();
    rclone.ok(["delete", "tidegate:bucket/p"]);
    assert_eq!(rclone.ok(["lsf", "tidegate:bucket"]), "");
    assert_moved(serve, &case, 64 << 20);
}

#[test]
fn s5cmd_uploads_lists_downloads_and_deletes() {
    let serve = serve();
    let Some(s5cmd) = Tool::s5cmd(&serve.endpoint()) else { return };
    let case = case(20_000_000);
    let (here, back) = (text(case.here.path()), text(case.back.path()));
    s5cmd.ok(["cp", "--part-size", "5", &format!("{here}/"), "s3://bucket/p/"]);
    case.assert_listed(&s5cmd.ok(["ls", "s3://bucket/p/*"]));
    s5cmd.ok(["cp", "--part-size", "5", "s3://bucket/p/*", &format!("{back}/")]);
    case.assert_came_back();
    // With the Content-MD5 that Storj insists on.
    s5cmd.ok(["rm", "s3://bucket/p/*"]);
    assert_eq!(s5cmd.ok(["ls", "s3://bucket/"]), "");
    assert_moved(serve, &case, 5 << 20);
}

#[test]
fn the_aws_cli_uploads_lists_downloads_and_deletes() {
    let serve = serve();
    let Some(aws) = AwsCli::find(&serve.endpoint()) else { return };
    let case = case(20_000_000);
    let (here, back) = (text(case.here.path()), text(case.back.path()));
    let config = tempfile::NamedTempFile::new().unwrap();
    let parts = "[default]\ns3 =\n  multipart_chunksize = 5MB\n  multipart_threshold = 5MB\n";
    fs::write(config.path(), parts).unwrap();
    let aws = aws.configured_by(config.path());
    aws.ok(["s3", "cp", "--quiet", "--recursive", here, "s3://bucket/p/"]);
    case.assert_listed(&aws.ok(["s3", "ls", "--recursive", "s3://bucket/p/"]));
    aws.ok(["s3", "cp", "--quiet", "--recursive", "s3://bucket/p/", back]);
    case.assert_came_back();
    aws.ok(["s3", "rm", "--quiet", "--recursive", "s3://bucket/p/"]);
    let left = aws.ok(["s3api", "list-objects-v2", "--bucket", "bucket", "--query", "Contents"]);
    assert_eq!(left.trim(), "null");
    assert_moved(serve, &case, 5 << 20);
}
