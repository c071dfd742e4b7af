//! What a run does not keep asks Storj to remove it, should nobody else do so any more.

use std::sync::{Arc, Mutex};

use crate::support::hostile::{Hostile, Operation};
use crate::support::servers::Serve;
use crate::support::tidegate::Tidegate;

/// Two small files, and one in parts.
const UPLOAD: [&str; 7] =
    ["s3://bucket/p", "--size", "18MB", "--files", "3", "--part-size", "5MiB"];

/// What writes objects and begins uploads, each with the time after which it removes itself.
fn written(options: &[&str]) -> Vec<(Operation, Option<String>)> {
    let serve = Serve::start(&["--bucket", "bucket"]);
    let written = Arc::<Mutex<Vec<_>>>::default();
    let log = Arc::clone(&written);
    let seen = Hostile::planned(&serve.endpoint(), move |asked| {
        let operation = Operation::of(asked);
        if matches!(operation, Operation::PutObject | Operation::CreateMultipartUpload) {
            log.lock().unwrap().push((operation, asked.header("x-amz-meta-object-expires")));
        }
        None
    });
    let finished = Tidegate::at(&seen.endpoint()).run("run", &[&UPLOAD[..], options].concat());
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    let written = written.lock().unwrap();
    assert!(written.iter().any(|(operation, _)| *operation == Operation::PutObject));
    assert!(written.iter().any(|(operation, _)| *operation == Operation::CreateMultipartUpload));
    written.clone()
}

#[test]
fn all_that_a_run_does_not_keep_removes_itself_after_the_time_that_was_given() {
    for (_, expires) in written(&["--expire", "24h"]) {
        assert_eq!(expires.as_deref(), Some("+86400s"));
    }
}

#[test]
fn what_is_kept_stays_and_no_other_endpoint_than_storjs_is_asked_by_itself() {
    for options in [&["--keep", "--expire", "24h"][..], &[], &["--expire", "none"]] {
        // The marker of a run that keeps its objects is no object to keep; it goes at the end.
        assert!(written(options).iter().all(|(_, expires)| expires.is_none()), "{options:?}");
    }
}

#[test]
fn a_load_that_may_outlast_its_objects_is_refused_before_it_begins() {
    let serve = Serve::start(&["--bucket", "bucket"]);
    let load = ["s3://bucket/p", "--size", "1MB", "--for", "2h", "--expire", "1h"];
    let refused = Tidegate::at(&serve.endpoint()).run("run", &load);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(refused.stderr.contains("give a longer --expire"), "{}", refused.stderr);
}
