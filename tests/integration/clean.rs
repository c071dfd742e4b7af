//! What runs that were killed left is found and removed; whatever else is there stays.

use std::time::Duration;

use bytes::Bytes;
use tidegate::dataset::Payload;
use tidegate::store::Store;
use tidegate::store::s3::S3Store;

use crate::support::SECRET_KEY;
use crate::support::servers::{Serve, Versitygw, connection};
use crate::support::tidegate::{Finished, Tidegate};
use crate::support::uploading::{SLOW, probe, wait_for_uploads};

const TARGET: &str = "s3://bucket/p";

/// Objects that are not ours, however they are named.
pub const BYSTANDERS: [(&str, &str); 5] = [
    ("p/object", "data"),
    ("p/tidegate-20260101T000000Z-0000/data", "no marker is beside it"),
    ("p/tidegate-notes/.tidegate-run.json", "not written by tidegate"),
    ("p/tidegate-copy/.tidegate-run.json", OF_ANOTHER_RUN),
    ("p-2/tidegate-20260101T000000Z-1111/.tidegate-run.json", "below another prefix"),
];

/// A copied marker: it names a run other than its prefix does.
pub const OF_ANOTHER_RUN: &str =
    r#"{"tool":"tidegate","run":"another","owner":"o","heartbeat":"2026-01-01T00:00:00Z"}"#;

#[tokio::test]
async fn a_killed_run_is_removed_when_named_and_nothing_else() {
    let serve = Serve::start(&[SLOW, &["--bucket", "bucket"]].concat());
    removes_a_killed_run(&serve.endpoint(), &serve.endpoint()).await;
}

#[tokio::test]
async fn a_killed_run_is_removed_from_versitygw_too() {
    let Some(versitygw) = Versitygw::start() else { return };
    let slow = Serve::in_front_of(&versitygw.endpoint(), SLOW);
    removes_a_killed_run(&slow.endpoint(), &versitygw.endpoint()).await;
}

/// A run is killed while it uploads through `slow`; it is cleaned up at `endpoint`.
async fn removes_a_killed_run(slow: &str, endpoint: &str) {
    let store = S3Store::connect(&connection(endpoint, "bucket", SECRET_KEY).await);
    for (key, text) in BYSTANDERS {
        put(&store, key, text).await;
    }
    let theirs = store.create_upload("p/theirs", &probe()).await.unwrap();
    let before = state(&store).await;

    let tidegate = Tidegate::at(slow);
    let upload = [TARGET, "--size", "400MB", "--files", "4", "--part-size", "5MiB"];
    let mut child = tidegate.start("run", &upload);
    wait_for_uploads(&store, "p/tidegate-2", 2, &mut child).await;
    child.kill().unwrap();
    child.wait().unwrap();
    let left = state(&store).await;
    assert_ne!(left, before, "it left something");

    // A moment ago it was alive.
    let cleaner = Tidegate::at(endpoint);
    let Finished { code, stdout, .. } = cleaner.run_plain("clean", &[TARGET]);
    assert_eq!(code, 0);
    assert!(stdout.starts_with("left alone: run "), "{stdout}");
    assert_eq!(stdout.trim().lines().count(), 1, "{stdout}");
    let run = stdout.split(' ').nth(3).unwrap().to_owned();

    let dry = cleaner.run_plain("clean", &[TARGET, "--run", &run, "--dry-run"]);
    assert!(dry.stdout.starts_with("would be removed: "), "{}", dry.stdout);
    assert_eq!(state(&store).await, left);

    let cleaned = cleaner.run_plain("clean", &[TARGET, "--run", &run]);
    assert_eq!(cleaned.code, 0, "{}", cleaned.stderr);
    assert!(cleaned.stdout.starts_with("removed: "), "{}", cleaned.stdout);
    assert_eq!(state(&store).await, before);

    let again = cleaner.run_plain("clean", &[TARGET, "--run", &run]);
    assert_eq!(again.code, 1, "there is no such run any more: {}", again.stdout);
    store.abort_upload(&theirs, &probe()).await.unwrap();
}

#[tokio::test]
async fn runs_that_are_silent_for_long_are_removed_without_being_named() {
    // Its objects are files, whose age can be set.
    let Some(versitygw) = Versitygw::start() else { return };
    let store = S3Store::connect(&connection(&versitygw.endpoint(), "bucket", SECRET_KEY).await);
    put(&store, "p/object", "data").await;
    let before = state(&store).await;
    for run in ["20260101T000000Z-aaaa", "20260101T000000Z-bbbb"] {
        let marker = leave_a_run(&store, run).await;
        versitygw.make_old(&marker, Duration::from_secs(2 * 24 * 3600));
    }
    let tidegate = Tidegate::at(&versitygw.endpoint());
    let soon = tidegate.run_plain("clean", &[TARGET, "--older-than", "5m"]);
    assert_eq!(soon.code, 2);
    assert!(soon.stderr.contains("hint: "), "{}", soon.stderr);

    let cleaned = tidegate.run_plain("clean", &[TARGET, "--older-than", "1d"]);
    assert_eq!(cleaned.code, 0, "{}", cleaned.stderr);
    let lines: Vec<&str> = cleaned.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{}", cleaned.stdout);
    assert!(lines.iter().all(|line| line.starts_with("removed: ")), "{lines:?}");
    assert!(lines.iter().all(|line| line.contains("2 objects") && line.contains("1 open upload")));
    assert_eq!(state(&store).await, before);

    let nothing = tidegate.run_plain("clean", &[TARGET]);
    assert_eq!(nothing.code, 0);
    assert!(nothing.stdout.contains("no run has left anything"), "{}", nothing.stdout);
}

#[tokio::test]
async fn a_live_run_whose_clock_is_behind_is_left_alone() {
    let serve = Serve::start(&["--bucket", "bucket"]);
    let store = S3Store::connect(&connection(&serve.endpoint(), "bucket", SECRET_KEY).await);
    // It says that it was alive long ago, and says so now.
    leave_a_run(&store, "20260101T000000Z-aaaa").await;
    let before = state(&store).await;
    let silent = Tidegate::at(&serve.endpoint()).run_plain("clean", &[TARGET]);
    assert!(
        silent.stdout.starts_with("left alone: run 20260101T000000Z-aaaa"),
        "{}",
        silent.stdout
    );
    assert_eq!(state(&store).await, before);
}

/// A marker, whose key is returned, an object and an open upload.
async fn leave_a_run(store: &S3Store, run: &str) -> String {
    let marker = format!("p/tidegate-{run}/.tidegate-run.json");
    put(store, &marker, &OF_ANOTHER_RUN.replace("another", run)).await;
    put(store, &format!("p/tidegate-{run}/t0/object"), "data").await;
    store.create_upload(&format!("p/tidegate-{run}/t0/large"), &probe()).await.unwrap();
    marker
}

#[tokio::test]
async fn of_a_run_that_keeps_its_objects_they_stay() {
    let serve = Serve::start(&["--bucket", "bucket"]);
    let store = S3Store::connect(&connection(&serve.endpoint(), "bucket", SECRET_KEY).await);
    put(&store, "p/kept", "data").await;
    let before = state(&store).await;
    put(&store, "p/.tidegate-run.json", OF_ANOTHER_RUN).await;
    store.create_upload("p/large", &probe()).await.unwrap();

    let tidegate = Tidegate::at(&serve.endpoint());
    let silent = tidegate.run_plain("clean", &[TARGET]);
    assert!(silent.stdout.starts_with("left alone: run another"), "{}", silent.stdout);
    let named = tidegate.run_plain("clean", &[TARGET, "--run", "another"]);
    assert!(named.stdout.starts_with("removed: run another"), "{}", named.stdout);
    assert_eq!(state(&store).await, before);
}

pub async fn put(store: &S3Store, key: &str, text: &str) {
    let payload = Payload::from(vec![Bytes::copy_from_slice(text.as_bytes())]);
    store.put_object(key, payload, &probe()).await.unwrap();
}

/// All objects and all uploads of the bucket.
async fn state(store: &S3Store) -> (Vec<(String, u64)>, Vec<String>) {
    let page = store.list_objects("", None, &probe()).await.unwrap();
    assert_eq!(page.next, None, "one page holds them");
    let objects = page.objects.into_iter().map(|object| (object.key, object.size_bytes)).collect();
    let uploads = store.list_uploads("", &probe()).await.unwrap();
    (objects, uploads.into_iter().map(|open| open.upload.key).collect())
}
