//! Objects that were there before are verified by their ETags, where these can be known.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use serde_json::{Value, json};

use crate::support::proxy::{Moment, Watcher, Way, proxy};
use crate::support::relay::Asked;
use crate::support::servers::{Serve, Versitygw};
use crate::support::tidegate::Tidegate;

/// 20 objects, some of them in parts.
const UPLOAD: &[&str] = &[
    "s3://bucket/p",
    "--dataset",
    "many-small",
    "--files",
    "20",
    "--size",
    "30MB",
    "--part-size",
    "5MiB",
    "--keep",
];
const FILES: u64 = 20;

/// One after the other: the first is known before the second is read.
const VERIFY: &[&str] =
    &["s3://bucket/p", "--direction", "down", "--concurrency", "1", "--verify", "--json"];

/// How many of [`UPLOAD`] have parts, and what a download of them shows.
fn upload(endpoint: &str) -> u64 {
    let document = Tidegate::at(endpoint).json("run", UPLOAD);
    let uploads = document["trials"][0]["requests"]["create"]["count"].as_u64().unwrap();
    assert!((1..FILES).contains(&uploads), "{uploads} have parts");
    uploads
}

fn verify(endpoint: &str, more: &[&str]) -> (i32, Value) {
    let finished = Tidegate::at(endpoint).run("run", &[VERIFY, more].concat());
    let document: Value = serde_json::from_str(&finished.stdout).expect(&finished.stderr);
    (finished.code, document["trials"][0].clone())
}

/// Verified by their ETags, unverifiable.
fn counts(trial: &Value) -> (u64, u64) {
    let count = |name: &str| trial["task"][name].as_u64().unwrap_or(0);
    (count("verified_by_etag_files"), count("unverifiable_files"))
}

#[test]
fn an_etag_of_parts_is_reproduced_where_the_size_of_the_parts_is_known() {
    let serve = Serve::start(&["--bucket", "bucket"]);
    let in_parts = upload(&serve.endpoint());
    // As Storj, it does not tell where parts begin.
    let (code, trial) = verify(&serve.endpoint(), &[]);
    assert_eq!((code, counts(&trial)), (0, (FILES - in_parts, in_parts)), "{trial}");
    assert_eq!(trial["task"]["verified"], false);
    let (code, trial) = verify(&serve.endpoint(), &["--etag-part-size", "5MiB"]);
    assert_eq!((code, counts(&trial)), (0, (FILES, 0)), "{trial}");
    assert_eq!(trial["task"]["verified"], true);
    // The wrong size accuses nobody, and is no error.
    let (code, trial) = verify(&serve.endpoint(), &["--etag-part-size", "5000000"]);
    assert_eq!((code, counts(&trial)), (0, (FILES - in_parts, in_parts)), "{trial}");
    assert_eq!(trial["corrupt"], Value::Null);
    assert_eq!(trial["errors"]["checksum"], 0);
}

#[test]
fn a_store_that_tells_the_size_of_parts_needs_no_help() {
    let Some(versitygw) = Versitygw::start() else { return };
    upload(&versitygw.endpoint());
    let (code, trial) = verify(&versitygw.endpoint(), &[]);
    assert_eq!((code, counts(&trial)), (0, (FILES, 0)), "{trial}");
}

#[test]
fn etags_that_are_no_md5_accuse_nobody() {
    let serve = Serve::start(&["--bucket", "bucket", "--retain", "memory"]);
    upload(&serve.endpoint());
    let proxy = proxy(&serve.endpoint(), Arc::new(Flips { at: |_| true, seen: AtomicU32::new(0) }));
    let (code, trial) = verify(&proxy.endpoint(), &["--etag-part-size", "5MiB"]);
    assert_eq!((code, counts(&trial)), (0, (0, FILES)), "{trial}");
    assert_eq!(trial["errors"]["checksum"], 0);
    assert_eq!(trial["requests"]["get"]["attempts"], FILES, "nothing is read twice");
    assert!(trial["warnings"].to_string().contains("do not give their ETags"), "{trial}");
}

/// Flips a byte in the answers to these GETs of objects, counted from 0.
struct Flips {
    at: fn(u32) -> bool,
    seen: AtomicU32,
}

impl Watcher for Flips {
    fn sees(&self, asked: &Asked, moment: Moment, body: &mut [u8]) -> Way {
        let of_object = asked.method == "GET" && asked.target.contains(".dat");
        if of_object && moment == Moment::Answered {
            let seen = self.seen.fetch_add(1, Relaxed);
            if (self.at)(seen) {
                let middle = body.len() / 2;
                body[middle] ^= 1;
            }
        }
        Way::On
    }
}

#[test]
fn what_is_wrong_once_is_corrupt_in_reading_and_twice_in_the_store() {
    let serve = Serve::start(&["--bucket", "bucket"]);
    let small =
        ["s3://bucket/p", "--dataset", "many-small", "--files", "20", "--size", "200kB", "--keep"];
    Tidegate::at(&serve.endpoint()).json("run", &small);
    // The 3rd object is wrong once, the 6th twice in the same way.
    let flips = Flips { at: |get| [2, 6, 7].contains(&get), seen: AtomicU32::new(0) };
    let proxy = proxy(&serve.endpoint(), Arc::new(flips));
    let files = tempfile::tempdir().unwrap();
    let to = ["--to", files.path().to_str().unwrap()];
    let (code, trial) = verify(&proxy.endpoint(), &to);
    assert_eq!((code, counts(&trial)), (1, (FILES - 1, 0)), "{trial}");
    assert_eq!(trial["corrupt"], json!({ "in_reading": 1, "in_store": 1, "unsettled": 0 }));
    assert_eq!(trial["errors"]["checksum"], 3);
    let failures = trial["task"]["failures"].as_array().unwrap();
    assert_eq!(failures.len(), 1, "{failures:?}");
    let reason = failures[0]["reason"].as_str().unwrap();
    assert!(reason.contains("corrupt in the store") && reason.contains("not its ETag"), "{reason}");
    let path = files.path().join(failures[0]["path"].as_str().unwrap());
    assert!(!path.exists(), "it has not got its name");
}
