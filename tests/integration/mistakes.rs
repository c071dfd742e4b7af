//! What users get wrong gets one clear sentence, the right exit code, and nothing is lost.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use crate::support::servers::{Serve, text};
use crate::support::tidegate::{Finished, Tidegate, entries};
use crate::support::tree::contents;

/// A run that is refused: its sentence, and that it left no result behind.
fn refused(tidegate: &Tidegate, verb: &str, arguments: &[&str]) -> String {
    let Finished { code, stdout, stderr } = tidegate.run(verb, arguments);
    assert_eq!(code, 2, "{arguments:?}: {stderr}");
    assert_eq!(stdout, "", "{arguments:?}");
    assert_eq!(tidegate.runs(), Vec::<PathBuf>::new(), "{arguments:?}");
    stderr
}

#[track_caller]
fn assert_says(stderr: &str, sentence: &str) {
    assert!(stderr.contains(sentence), "{sentence:?} is not in: {stderr}");
    assert!(stderr.contains("hint: "), "no next step in: {stderr}");
}

#[test]
fn settings_that_cannot_work_are_refused_before_anything_is_sent() {
    let serve = Serve::start(&[]);
    let tidegate = Tidegate::at(&serve.endpoint());
    for (options, sentence) in [
        (["--part-size", "4MiB", "-c", "1"], "5MiB"),
        (["--size", "1TB", "--files", "1"], "10000 parts"),
        (["-c", "100000000", "--files", "1"], "of memory"),
        (["--files", "0", "-c", "1"], "is empty: nothing can be moved"),
        (["--dataset", "no-such", "-c", "1"], "no-such"),
    ] {
        let stderr = refused(&tidegate, "run", &[&["s3://bucket/p"], &options[..]].concat());
        assert!(stderr.contains(sentence), "{sentence:?} is not in: {stderr}");
    }
    assert_eq!(serve.stop().len(), 0, "no request was sent");
}

#[test]
fn a_target_without_a_bucket_is_refused() {
    for target in ["s3://", "bucket/p", "https://bucket/p", "s3:///p"] {
        let stderr = refused(&Tidegate::embedded(), "run", &[target]);
        assert!(stderr.contains("s3://bucket"), "{target}: {stderr}");
    }
}

#[test]
fn a_time_that_no_clock_counts_is_refused() {
    let long = "18446744073709551615s";
    for (verb, option) in [
        ("run", "--for"),
        ("run", "--warm-up"),
        ("tune", "--budget"),
        ("tune", "--soak"),
        ("plan", "--deadline"),
    ] {
        let stderr = refused(&Tidegate::embedded(), verb, &[option, long]);
        assert!(stderr.contains("at most 100 years"), "{verb} {option}: {stderr}");
    }
    let refused = Tidegate::serve(&["--round-trip", long]);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
}

#[test]
fn an_unknown_bucket_a_wrong_secret_and_a_dead_endpoint_are_told_apart() {
    let serve = Serve::start(&["--bucket", "bucket"]);
    let tidegate = Tidegate::at(&serve.endpoint());
    assert_says(&refused(&tidegate, "run", &["s3://missing/p"]), "NoSuchBucket");
    assert_says(&refused(&tidegate, "tune", &["s3://missing/p"]), "NoSuchBucket");

    let secret = "not-the-secret";
    let stderr = refused(&tidegate.with_secret(secret), "run", &["s3://bucket/p"]);
    assert_says(&stderr, "SignatureDoesNotMatch");
    assert!(!stderr.contains(secret), "{stderr}");

    let endpoint = serve.endpoint();
    serve.stop();
    assert_says(&refused(&Tidegate::at(&endpoint), "run", &["s3://bucket/p"]), &endpoint);
}

#[test]
fn a_directory_without_files_is_refused() {
    let empty = tempfile::tempdir().unwrap();
    fs::create_dir(empty.path().join("nothing inside")).unwrap();
    let upload = ["s3://bucket/p", "--from", text(empty.path())];
    assert_says(&refused(&Tidegate::embedded(), "run", &upload), text(empty.path()));
}

#[test]
fn a_prefix_in_use_is_not_written_to() {
    let serve = Serve::start(&[]);
    let tree = tree_of(&["a"]);
    let tidegate = Tidegate::at(&serve.endpoint());
    let keep = ["s3://bucket/p", "--from", text(tree.path()), "--keep"];
    assert_eq!(tidegate.run("run", &keep).code, 0);
    let again = tidegate.run("run", &keep);
    assert_eq!(again.code, 2);
    assert_says(&again.stderr, "`p/` is not empty: it has 1 object and 0 open uploads");
}

#[test]
fn what_cannot_be_moved_is_named_and_the_others_arrive() {
    let serve = Serve::start(&[]);
    let tree = tree_of(&["good", "also good"]);
    let not_utf8 = std::ffi::OsStr::from_bytes(b"caf\xe9");
    fs::write(tree.path().join(not_utf8), "x").unwrap();
    let tidegate = Tidegate::at(&serve.endpoint());
    let upload = ["s3://bucket/p", "--from", text(tree.path()), "--keep"];
    let finished = tidegate.run("run", &upload);
    assert_eq!(finished.code, 1, "{}", finished.stderr);
    let name = "caf\u{fffd}";
    assert!(finished.stderr.contains(name), "{name} is not in: {}", finished.stderr);
    assert!(finished.stdout.contains(name), "{name} is not in: {}", finished.stdout);

    let back = tempfile::tempdir().unwrap();
    let to = back.path().join("new");
    let download = ["s3://bucket/p", "--direction", "down", "--to", text(&to)];
    assert_eq!(tidegate.run("run", &download).code, 0);
    assert_eq!(contents(&to).into_keys().collect::<Vec<_>>(), ["also good", "good"]);
}

#[test]
fn symbolic_links_are_ignored_and_counted_unless_they_are_to_be_copied() {
    let serve = Serve::start(&[]);
    let tree = tree_of(&["good"]);
    symlink("good", tree.path().join("a link")).unwrap();
    symlink(".", tree.path().join("a loop")).unwrap();
    let tidegate = Tidegate::at(&serve.endpoint());
    let from = ["--from", text(tree.path()), "--keep"];
    let ignored = tidegate.run("run", &[&["s3://bucket/ignored"], &from[..]].concat());
    assert_eq!(ignored.code, 0, "{}", ignored.stderr);
    assert!(ignored.stderr.contains("ignored 2 symbolic links"), "{}", ignored.stderr);
    assert!(ignored.stdout.contains("1 of 1 file,"), "{}", ignored.stdout);

    let copy = [&["s3://bucket/copied"], &from[..], &["--recursive-symlinks", "copy"]].concat();
    let copied = tidegate.run("run", &copy);
    assert_eq!(copied.code, 1, "the loop is not moved: {}", copied.stderr);
    assert!(copied.stdout.contains("2 of 3 files"), "{}", copied.stdout);
    assert!(copied.stderr.contains("skipped a loop: "), "{}", copied.stderr);
}

#[test]
fn a_full_disk_is_said_and_leaves_no_file_under_its_final_name() {
    let serve = Serve::start(&[]);
    let tree = tree_of(&["small"]);
    fs::write(tree.path().join("large"), vec![1; 3 << 20]).unwrap();
    let tidegate = Tidegate::at(&serve.endpoint());
    let keep = ["s3://bucket/p", "--from", text(tree.path()), "--keep"];
    assert_eq!(tidegate.run("run", &keep).code, 0);

    let back = tempfile::tempdir().unwrap();
    let download = ["s3://bucket/p", "--direction", "down", "--to", text(back.path())];
    let finished = tidegate.run_with_small_disk("run", &download, 1024);
    assert_eq!(finished.code, 1, "{}", finished.stderr);
    assert!(finished.stdout.contains("large: cannot write"), "{}", finished.stdout);
    assert_eq!(entries(back.path()), [back.path().join("small")]);
}

fn tree_of(names: &[&str]) -> tempfile::TempDir {
    let tree = tempfile::tempdir().unwrap();
    for name in names {
        fs::write(tree.path().join(name), name).unwrap();
    }
    tree
}
