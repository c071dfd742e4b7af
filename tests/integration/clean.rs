//! What runs that were killed left is found and removed; whatever else is there stays.

use std::time::Duration;

use tidegate::store::Store;
use tidegate::store::s3::S3Store;

use crate::support::SECRET_KEY;
use crate::support::hostile::{Hostile, Operation, Quirk};
use crate::support::leftover::{Leftover, MARKER};
use crate::support::servers::{Serve, Versitygw, connection};
use crate::support::tidegate::{Finished, Tidegate};
use crate::support::uploading::{SLOW, probe, put, wait_for_uploads};

const TARGET: &str = "s3://bucket/p";

/// Objects that are not ours, however they are named and whatever they say.
pub fn bystanders() -> Vec<(String, String)> {
    let (one, other) = (Leftover::new("one"), Leftover::new("other"));
    let renamed = one.marker(false).replace(&one.run, "notes");
    let forged = other.marker(false).replace(&other.run, &one.run);
    let keeps = one.marker(true);
    let objects = [
        ("p/object".to_owned(), "data".to_owned()),
        ("p/tidegate-20260101T000000Z-0000/data".into(), "no marker is beside it".into()),
        ("p/tidegate-notes/.tidegate-run.json".into(), renamed.clone()),
        ("p/tidegate-notes/data".into(), "a folder of the user's".into()),
        ("p/tidegate-/.tidegate-run.json".into(), renamed.replace("notes", "")),
        ("p/tidegate-../data/.tidegate-run.json".into(), renamed.replace("notes", "../data")),
        // Of another run, with its token, and one with a token that does not fit.
        ("p/tidegate-copy/.tidegate-run.json".into(), one.marker(false)),
        (one.below(MARKER), forged),
        (one.below("data"), "not proven".into()),
        // One run has one place.
        ("p/.tidegate-run.json".into(), keeps),
        (other.below(&format!("nested/{MARKER}")), other.marker(false)),
        (format!("p-2/tidegate-{}/{MARKER}", other.run), other.marker(false)),
    ];
    objects.into()
}

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
    for (key, text) in bystanders() {
        put(&store, &key, &text).await;
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
    let two_days = Duration::from_secs(2 * 24 * 3600);
    let runs = ["a", "b"].map(Leftover::new);
    for run in &runs {
        run.leave(&store, &["t0/object", "t1/object"], &[]).await;
        for name in [MARKER, "t0/object", "t1/object"] {
            versitygw.make_old(&run.below(name), two_days);
        }
    }
    // Long after that run's last sign of life.
    put(&store, &runs[0].below("theirs"), "data").await;
    store.create_upload(&runs[1].below("theirs"), &probe()).await.unwrap();
    let tidegate = Tidegate::at(&versitygw.endpoint());
    let soon = tidegate.run_plain("clean", &[TARGET, "--older-than", "5m"]);
    assert_eq!(soon.code, 2);
    assert!(soon.stderr.contains("hint: "), "{}", soon.stderr);

    let cleaned = tidegate.run_plain("clean", &[TARGET, "--older-than", "1d"]);
    assert_eq!(cleaned.code, 0, "{}", cleaned.stderr);
    let lines: Vec<&str> = cleaned.stdout.lines().collect();
    assert_eq!(lines.len(), 4, "{}", cleaned.stdout);
    let is = |line: &str, what: &str| assert!(line.contains(what), "{what} is not in: {line}");
    lines.iter().step_by(2).for_each(|line| is(line, "removed: "));
    lines.iter().skip(1).step_by(2).for_each(|line| is(line, "1 object or open upload is not"));
    is(&cleaned.stdout, &runs[0].below("theirs"));
    is(&cleaned.stdout, &runs[1].below("theirs"));
    let (mut objects, mut uploads) = state(&store).await;
    objects.retain(|(key, _)| *key != runs[0].below("theirs"));
    uploads.retain(|key| *key != runs[1].below("theirs"));
    assert_eq!((objects, uploads), before, "what came later stays");

    let nothing = tidegate.run_plain("clean", &[TARGET]);
    assert_eq!(nothing.code, 0);
    assert!(nothing.stdout.contains("no run has left anything"), "{}", nothing.stdout);
}

#[tokio::test]
async fn a_live_run_whose_clock_is_behind_is_left_alone() {
    let serve = Serve::start(&["--bucket", "bucket"]);
    let store = S3Store::connect(&connection(&serve.endpoint(), "bucket", SECRET_KEY).await);
    // It says that it was alive long ago, and says so now.
    let run = Leftover::new("a");
    run.leave(&store, &["t0/object"], &["t0/large"]).await;
    let before = state(&store).await;
    let silent = Tidegate::at(&serve.endpoint()).run_plain("clean", &[TARGET]);
    assert!(
        silent.stdout.starts_with(&format!("left alone: run {}", run.run)),
        "{}",
        silent.stdout
    );
    assert_eq!(state(&store).await, before);
}

#[tokio::test]
async fn of_a_run_that_keeps_its_objects_only_uploads_that_this_machine_knows_are_aborted() {
    let serve = Serve::start(&["--bucket", "bucket"]);
    let store = S3Store::connect(&connection(&serve.endpoint(), "bucket", SECRET_KEY).await);
    put(&store, "p/kept", "data").await;
    store.create_upload("p/theirs", &probe()).await.unwrap();
    store.create_upload("p/tidegate-other/theirs", &probe()).await.unwrap();
    let before = state(&store).await;
    let run = Leftover::new("a");
    put(&store, &run.below(MARKER), &run.marker(true)).await;
    let ours = store.create_upload("p/large", &probe()).await.unwrap();
    let results = tempfile::tempdir().unwrap();
    run.journal(results.path(), &[(&ours.key, &ours.id), ("q/elsewhere", "1")]);

    let tidegate = Tidegate::at(&serve.endpoint());
    let silent = tidegate.run_plain("clean", &[TARGET]);
    assert!(silent.stdout.starts_with("left alone: run 2026"), "{}", silent.stdout);
    let results = results.path().to_str().unwrap();
    let named = tidegate.run_plain("clean", &[TARGET, "--run", &run.run, "--results", results]);
    assert!(named.stdout.starts_with("removed: run 2026"), "{}", named.stdout);
    assert!(named.stdout.contains("of p/theirs"), "perhaps it is the run's: {}", named.stdout);
    assert_eq!(state(&store).await, before);
}

#[tokio::test]
async fn of_two_runs_that_keep_objects_at_one_place_each_sees_the_other() {
    let serve = Serve::start(&["--bucket", "bucket"]);
    let store = S3Store::connect(&connection(&serve.endpoint(), "bucket", SECRET_KEY).await);
    let run = Leftover::new("a");
    put(&store, &run.below(MARKER), &run.marker(true)).await;
    let before = state(&store).await;
    let keep = [TARGET, "--keep", "--size", "1MB", "--files", "1"];
    let refused = Tidegate::at(&serve.endpoint()).run("run", &keep);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(refused.stderr.contains("is not empty"), "{}", refused.stderr);
    assert_eq!(state(&store).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_marker_that_was_written_without_an_answer_is_taken_away_again() {
    let serve = Serve::start(&["--bucket", "bucket"]);
    let store = S3Store::connect(&connection(&serve.endpoint(), "bucket", SECRET_KEY).await);
    for options in [&[][..], &["--keep"]] {
        let lost = Quirk::LosesAnswer;
        let hostile = Hostile::in_front_of(&serve.endpoint(), Operation::PutObject, lost);
        let upload = [&[TARGET, "--size", "1MB", "--files", "1"], options].concat();
        let refused = Tidegate::at(&hostile.endpoint()).run("run", &upload);
        assert_eq!(refused.code, 2, "{}", refused.stderr);
        assert!(refused.stderr.contains("cannot write to bucket"), "{}", refused.stderr);
        assert!(!refused.stderr.contains("tidegate clean"), "{}", refused.stderr);
        assert!(hostile.count(Operation::PutObject) > 1, "it was tried again");
        assert_eq!(state(&store).await, (vec![], vec![]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_marker_that_cannot_be_taken_away_is_told_with_the_command_that_removes_it() {
    let serve = Serve::start(&["--bucket", "bucket"]);
    let store = S3Store::connect(&connection(&serve.endpoint(), "bucket", SECRET_KEY).await);
    let no = Quirk::Refuses { status: 403, code: "AccessDenied", message: "no", header: "" };
    let hostile = Hostile::planned(&serve.endpoint(), move |asked| match Operation::of(asked) {
        Operation::PutObject => Some(Quirk::LosesAnswer),
        Operation::DeleteObjects => Some(no.clone()),
        _ => None,
    });
    let upload = [TARGET, "--size", "1MB", "--files", "1"];
    let refused = Tidegate::at(&hostile.endpoint()).run("run", &upload);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(refused.stderr.contains("may have been written"), "{}", refused.stderr);
    let (_, command) = refused.stderr.split_once("tidegate clean TARGET --run ").unwrap();
    let run = command.split('`').next().unwrap();
    let cleaned = Tidegate::at(&serve.endpoint()).run_plain("clean", &[TARGET, "--run", run]);
    assert_eq!(cleaned.code, 0, "{}", cleaned.stderr);
    assert_eq!(state(&store).await, (vec![], vec![]));
}

/// All objects and all uploads of the bucket.
async fn state(store: &S3Store) -> (Vec<(String, u64)>, Vec<String>) {
    let page = store.list_objects("", None, &probe()).await.unwrap();
    assert_eq!(page.next, None, "one page holds them");
    let objects =
        page.objects.into_iter().map(|object| (object.key, object.size_bytes.unwrap())).collect();
    let uploads = store.list_uploads("", &probe()).await.unwrap();
    (objects, uploads.into_iter().map(|open| open.upload.key).collect())
}
