//! Whole trees through the real program: up, fetched by others, down, byte for byte the same.

use serde_json::Value;

use crate::support::requests::{Request, files_in_flight_max, parts_in_flight_max, parts_of};
use crate::support::servers::{Serve, Versitygw, text};
use crate::support::tidegate::Tidegate;
use crate::support::tools::AwsCli;
use crate::support::tree::{LARGE, Tree, contents};

/// Each part is under way for so long that as many are in flight as are allowed.
const LINK: &[&str] = &["--part-overhead", "20ms"];

/// Files in flight, of which one part each.
const FILES: usize = 3;

/// Parts of a single file in flight.
const PARTS: usize = 4;

/// A tree and the part size that cuts its large file into 16.
struct Case {
    tree: Tree,
    part_size_bytes: u64,
}

const SMALL: Case =
    Case { tree: Tree { small_files: 300, large_bytes: 80 << 20 }, part_size_bytes: 5 << 20 };

/// 2,000 files, one of them of 1 GiB.
const FULL: Case =
    Case { tree: Tree { small_files: 1987, large_bytes: 1 << 30 }, part_size_bytes: 64 << 20 };

#[test]
fn a_tree_comes_back_the_same_from_the_embedded_gateway() {
    round_trip_by_the_embedded_gateway(&SMALL);
}

#[test]
fn a_tree_comes_back_the_same_from_versitygw() {
    round_trip_by_versitygw(&SMALL);
}

#[test]
#[ignore = "writes 8 GB"]
fn a_large_tree_comes_back_the_same_from_the_embedded_gateway() {
    round_trip_by_the_embedded_gateway(&FULL);
}

#[test]
#[ignore = "writes 8 GB"]
fn a_large_tree_comes_back_the_same_from_versitygw() {
    round_trip_by_versitygw(&FULL);
}

fn round_trip_by_the_embedded_gateway(case: &Case) {
    let kept = tempfile::tempdir().unwrap();
    let serve = Serve::start(&[LINK, &["--retain", text(kept.path())]].concat());
    let endpoint = serve.endpoint();
    round_trip(case, serve, &endpoint);
}

fn round_trip_by_versitygw(case: &Case) {
    let Some(versitygw) = Versitygw::start() else { return };
    // The link in front logs what goes up; the way down does without it.
    let serve = Serve::in_front_of(&versitygw.endpoint(), LINK);
    round_trip(case, serve, &versitygw.endpoint());
}

/// Up through `serve`; back from `endpoint`, which has the same objects.
fn round_trip(case: &Case, serve: Serve, endpoint: &str) {
    let here = tempfile::tempdir().unwrap();
    case.tree.write(here.path());
    let expected = contents(here.path());
    let up = Tidegate::at(&serve.endpoint());
    let part_size = case.part_size_bytes.to_string();
    let upload = |target: &'static str, concurrency: usize, parts_in_flight: usize| {
        let (concurrency, parts_in_flight) = (concurrency.to_string(), parts_in_flight.to_string());
        let settings = ["--part-size", &part_size, "--concurrency", &concurrency];
        let what = [target, "--from", text(here.path()), "--keep", "--parts-in-flight"];
        up.json("run", &[&what[..], &[&parts_in_flight], &settings].concat())
    };

    let in_order = upload("s3://bucket/in order", FILES, 1);
    assert_moved_all(&in_order, &case.tree);
    assert_eq!(in_order["trials"][0]["task"]["verified"], true);
    assert_moved_all(&upload("s3://bucket/in parallel", 1, PARTS), &case.tree);

    if let Some(aws) = AwsCli::find(endpoint) {
        let back = tempfile::tempdir().unwrap();
        aws.ok(["s3", "cp", "--quiet", "--recursive", "s3://bucket/in order/", text(back.path())]);
        assert_eq!(contents(back.path()), expected);
        let head = ["s3api", "head-object", "--bucket", "bucket", "--query", "ETag", "--key"];
        let etag = aws.ok(head.into_iter().chain([&*format!("in order/{LARGE}")]));
        assert!(etag.contains("-16"), "{etag}");
    }
    for (target, get) in [("s3://bucket/in order", "whole"), ("s3://bucket/in parallel", "ranged")]
    {
        let back = tempfile::tempdir().unwrap();
        let download = [target, "--direction", "down", "--to", text(back.path()), "--get", get];
        let settings = ["--part-size", &part_size, "--parts-in-flight", "4"];
        let document = Tidegate::at(endpoint).json("run", &[&download[..], &settings].concat());
        assert_moved_all(&document, &case.tree);
        assert_eq!(contents(back.path()), expected, "{target}");
    }
    assert_in_flight(&serve.stop(), case);
}

fn assert_moved_all(document: &Value, tree: &Tree) {
    let task = &document["trials"][0]["task"];
    assert_eq!(task["files_done"], tree.files(), "{task}");
    assert_eq!(task["failures"], Value::Array(vec![]));
}

/// As many files and parts on their way as were set, never more.
fn assert_in_flight(requests: &[Request], case: &Case) {
    for (prefix, files, parts) in [("in order/", FILES, 1), ("in parallel/", 1, PARTS)] {
        let large = format!("{prefix}{LARGE}");
        let sizes: Vec<u64> = parts_of(requests, &large).values().map(|p| p.bytes_in).collect();
        assert_eq!(sizes, [case.part_size_bytes; 16]);
        assert_eq!(files_in_flight_max(requests, prefix), files);
        assert_eq!(parts_in_flight_max(requests, &large), parts);
    }
}
