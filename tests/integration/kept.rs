//! What `serve --retain DIR` keeps, what it makes of a DIR that others wrote in, and what it says.

use std::fs;
use std::os::unix::fs::{chown, symlink};
use std::path::{Path, PathBuf};

use rustix::process::Signal;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::support::http::Http;
use crate::support::servers::{Serve, text};
use crate::support::tidegate::{Tidegate, entries};

fn served(kept: &TempDir) -> (Serve, Http) {
    let serve = Serve::open(&["--retain", text(kept.path())]);
    let http = Http::at(serve.address());
    (serve, http)
}

/// Of an object in the bucket `bucket`.
fn record(kept: &TempDir, key: &str) -> PathBuf {
    let hash: String = Sha256::digest(key).iter().map(|byte| format!("{byte:02x}")).collect();
    kept.path().join("buckets/bucket").join(format!("{hash}.json"))
}

fn blobs(kept: &TempDir) -> Vec<PathBuf> {
    entries(&kept.path().join("blobs"))
}

fn status(http: &Http, method: &str, target: &str) -> u16 {
    http.ask(method, target).send().status
}

/// Keeps these keys of the bucket `bucket`, and ends.
fn keep(kept: &TempDir, keys: &[&str]) {
    let (serve, http) = served(kept);
    for key in keys {
        http.put(&format!("/bucket/{key}"), key.as_bytes());
    }
    serve.stop();
}

/// Serves from the directory in the foreground; what it said, and what it answered to GETs of these keys.
fn said_and_answered(kept: &TempDir, keys: &[&str]) -> (String, Vec<u16>) {
    let mut serve = Serve::in_foreground(&["--limits", "none", "--retain", text(kept.path())]);
    let http = Http::at(serve.address());
    let answers = keys.iter().map(|key| status(&http, "GET", &format!("/bucket/{key}"))).collect();
    serve.signal(Signal::TERM);
    let (code, said) = serve.wait();
    assert_eq!(code, Some(0), "{said}");
    (said, answers)
}

#[test]
fn a_record_that_is_empty_or_torn_is_named_and_left_out_with_its_bytes() {
    let kept = tempfile::tempdir().unwrap();
    keep(&kept, &["whole", "empty", "torn"]);
    let torn = fs::read(record(&kept, "torn")).unwrap();
    fs::write(record(&kept, "empty"), "").unwrap();
    fs::write(record(&kept, "torn"), &torn[..torn.len() / 2]).unwrap();
    let before = blobs(&kept);

    let (said, answers) = said_and_answered(&kept, &["whole", "empty", "torn"]);
    assert_eq!(answers, [200, 404, 404]);
    for key in ["empty", "torn"] {
        let name = record(&kept, key).file_name().unwrap().to_string_lossy().into_owned();
        assert!(said.contains(&name), "{name} is not named: {said}");
    }
    assert_eq!(blobs(&kept), before, "what is left out may be mended");
    fs::write(record(&kept, "torn"), &torn).unwrap();
    fs::remove_file(record(&kept, "empty")).unwrap();
    let (said, answers) = said_and_answered(&kept, &["whole", "torn"]);
    assert_eq!((answers, said.contains("left out")), (vec![200, 200], false), "{said}");
    assert_eq!(blobs(&kept).len(), 2, "now it is known that nothing else is used");
}

#[test]
fn an_object_whose_bytes_are_not_all_there_is_named_and_left_out() {
    let kept = tempfile::tempdir().unwrap();
    keep(&kept, &["short"]);
    fs::write(&blobs(&kept)[0], "s").unwrap();
    let (said, answers) = said_and_answered(&kept, &["short"]);
    assert_eq!(answers, [404]);
    assert!(said.contains("1 bytes instead of 5"), "{said}");
}

#[test]
fn a_complete_that_cannot_be_recorded_loses_no_parts() {
    let kept = tempfile::tempdir().unwrap();
    let (serve, http) = served(&kept);
    http.put("/bucket/other", b"x");
    let id = http.create_upload("/bucket/k");
    let etag = http.put_part("/bucket/k", &id, 1, b"all of it").etag().to_owned();
    // A file cannot take the place of a directory.
    fs::create_dir(record(&kept, "k")).unwrap();
    let complete = || http.complete("/bucket/k", &id, &[(1, &etag)]);
    assert_eq!(complete().status, 500);
    assert_eq!(status(&http, "GET", "/bucket/k"), 404);
    let parts = http.ask("GET", &format!("/bucket/k?uploadId={id}")).send();
    assert_eq!(parts.elements("Part"), 1, "{parts:?}");

    fs::remove_dir(record(&kept, "k")).unwrap();
    assert_eq!(complete().status, 200);
    serve.stop();
    let (_serve, http) = served(&kept);
    assert_eq!(http.ask("GET", "/bucket/k").send().body, b"all of it");
}

/// What a line of strace says was done.
fn step(line: &str) -> Option<&'static str> {
    Some(match line {
        line if line.contains("fdatasync(") => "bytes",
        line if line.contains("fsync(") && line.contains("/blobs/") => "record",
        line if line.contains("fsync(") && line.contains("/blobs>") => "names of blobs",
        line if line.contains("fsync(") && line.contains("/buckets/bucket>") => "names of records",
        line if line.contains("renameat") => "named",
        line if line.contains("unlinkat(") && line.contains(".json") => "unnamed",
        line if line.contains("HTTP/1.1 20") => "answered",
        _ => return None,
    })
}

#[test]
fn what_is_answered_was_synced_before() {
    let kept = tempfile::tempdir().unwrap();
    let trace = kept.path().join("trace");
    let directory = kept.path().join("kept");
    let Some(serve) = Serve::traced(&trace, &["--retain", text(&directory)]) else { return };
    let http = Http::at(serve.address());
    http.put("/bucket/k", b"x");
    assert_eq!(status(&http, "DELETE", "/bucket/k"), 204);
    let id = http.create_upload("/bucket/k");
    let etag = http.put_part("/bucket/k", &id, 1, b"all of it").etag().to_owned();
    assert_eq!(http.complete("/bucket/k", &id, &[(1, &etag)]).status, 200);
    serve.stop();
    let trace = fs::read_to_string(trace).unwrap();
    let steps: Vec<_> = trace.lines().filter_map(step).collect();
    let recorded = ["record", "names of blobs", "named", "names of records", "answered"];
    let put = [&["bytes"][..], &recorded].concat();
    let delete = ["unnamed", "names of records", "answered"];
    let create_and_part = ["answered", "bytes", "answered"];
    let all = [&put[..], &delete, &create_and_part, &recorded].concat();
    assert_eq!(steps, all, "{trace}");
}

#[test]
fn a_put_that_cannot_be_recorded_leaves_what_was_there() {
    let kept = tempfile::tempdir().unwrap();
    let (serve, http) = served(&kept);
    http.put("/bucket/k", b"before");
    let away = kept.path().join("away");
    fs::rename(record(&kept, "k"), &away).unwrap();
    fs::create_dir(record(&kept, "k")).unwrap();
    assert_eq!(http.ask("PUT", "/bucket/k").body(b"after").send().status, 500);
    assert_eq!(http.ask("GET", "/bucket/k").send().body, b"before");
    assert_eq!(blobs(&kept).len(), 1, "nothing of the other is left");
    fs::remove_dir(record(&kept, "k")).unwrap();
    fs::rename(&away, record(&kept, "k")).unwrap();
    serve.stop();
}

#[test]
fn a_delete_that_was_answered_stays_deleted_and_one_that_fails_says_so() {
    let kept = tempfile::tempdir().unwrap();
    let (serve, http) = served(&kept);
    for key in ["k", "l", "m"] {
        http.put(&format!("/bucket/{key}"), b"x");
    }
    let away = kept.path().join("away");
    fs::rename(record(&kept, "k"), &away).unwrap();
    fs::create_dir(record(&kept, "k")).unwrap();
    assert_eq!(status(&http, "DELETE", "/bucket/k"), 500);
    assert_eq!(status(&http, "GET", "/bucket/k"), 200, "it is not half deleted");
    fs::remove_dir(record(&kept, "k")).unwrap();
    fs::rename(&away, record(&kept, "k")).unwrap();
    assert_eq!(status(&http, "DELETE", "/bucket/k"), 204);
    assert_eq!(status(&http, "DELETE", "/bucket/l"), 204);
    // Not in peace.
    drop(serve);
    let (_serve, http) = served(&kept);
    let left = ["k", "l", "m"].map(|key| status(&http, "GET", &format!("/bucket/{key}")));
    assert_eq!(left, [404, 404, 200]);
}

#[test]
fn two_keys_with_one_md5_are_both_there_after_a_restart() {
    let kept = tempfile::tempdir().unwrap();
    // Marc Stevens, 2024: x.com/realhashbreaker/status/1770161965006008570.
    let first = "TEXTCOLLBYfGiJUETHQ4hAcKSMd5zYpgqf1YRDhkmxHkhPWptrkoyz28wnI9V0aHeAuaKnak";
    let second = first.replace("hAcK", "hEcK");
    keep(&kept, &[first, &second]);
    let (_serve, http) = served(&kept);
    for key in [first, &second] {
        assert_eq!(http.ask("GET", &format!("/bucket/{key}")).send().body, key.as_bytes());
    }
}

#[test]
fn a_directory_with_the_former_names_of_records_is_read() {
    let kept = tempfile::tempdir().unwrap();
    keep(&kept, &["k"]);
    let hash: String = md5::Md5::digest("k").iter().map(|byte| format!("{byte:02x}")).collect();
    let former = kept.path().join("buckets/bucket").join(format!("{hash}.json"));
    fs::rename(record(&kept, "k"), &former).unwrap();
    let (serve, http) = served(&kept);
    assert_eq!(http.ask("GET", "/bucket/k").send().body, b"k");
    assert_eq!(status(&http, "DELETE", "/bucket/k"), 204);
    serve.stop();
    let (_serve, http) = served(&kept);
    assert_eq!(status(&http, "GET", "/bucket/k"), 404);
}

/// A file of the user's that no bucket holds.
fn canary(directory: &Path) -> PathBuf {
    let canary = directory.join("canary");
    fs::write(&canary, "k").unwrap();
    canary
}

#[test]
fn no_record_leads_out_of_the_directory() {
    let outside = tempfile::tempdir().unwrap();
    let canary = canary(outside.path());
    for forged in [text(&canary).to_owned(), format!("../..{}", text(&canary))] {
        let kept = tempfile::tempdir().unwrap();
        keep(&kept, &["k", "l"]);
        let path = record(&kept, "k");
        let mut known: serde_json::Value =
            serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        known["pieces"][0]["blob"] = forged.as_str().into();
        fs::write(&path, known.to_string()).unwrap();
        let (said, answers) = said_and_answered(&kept, &["k", "l"]);
        assert_eq!(answers, [404, 200], "{forged}");
        assert!(said.contains("left out"), "{said}");
        assert_eq!(fs::read_to_string(&canary).unwrap(), "k");
    }
}

#[test]
fn links_in_the_directory_are_not_followed() {
    let outside = tempfile::tempdir().unwrap();
    let canary = canary(outside.path());
    let kept = tempfile::tempdir().unwrap();
    keep(&kept, &["k", "l"]);
    // A blob, and a record.
    let before = fs::read(record(&kept, "l")).unwrap();
    let blob_of_k = blobs(&kept).into_iter().find(|blob| fs::read(blob).unwrap() == b"k").unwrap();
    fs::remove_file(&blob_of_k).unwrap();
    symlink(&canary, &blob_of_k).unwrap();
    fs::write(outside.path().join("record"), before).unwrap();
    fs::remove_file(record(&kept, "l")).unwrap();
    symlink(outside.path().join("record"), record(&kept, "l")).unwrap();
    let (said, answers) = said_and_answered(&kept, &["k", "l"]);
    assert_eq!(answers, [404, 404], "{said}");
    assert_eq!(fs::read_to_string(&canary).unwrap(), "k");

    // What everything is in.
    for name in ["blobs", "buckets", "tidegate.lock"] {
        let kept = tempfile::tempdir().unwrap();
        keep(&kept, &["k"]);
        let inside = kept.path().join(name);
        let outside = outside.path().join(name);
        fs::rename(&inside, &outside).unwrap();
        symlink(&outside, &inside).unwrap();
        let refused = Tidegate::serve(&["--retain", text(kept.path())]);
        assert_eq!(refused.code, 2, "{name}: {}", refused.stderr);
        assert!(refused.stderr.contains("cannot use the directory"), "{}", refused.stderr);
        assert!(fs::symlink_metadata(&outside).is_ok());
    }
}

#[test]
fn a_directory_of_another_user_is_refused() {
    for inside in ["", "blobs", "buckets", "tidegate.lock"] {
        let kept = tempfile::tempdir().unwrap();
        keep(&kept, &["k"]);
        if chown(kept.path().join(inside), Some(12_345), None).is_err() {
            // Only root can give it away.
            return;
        }
        let refused = Tidegate::serve(&["--retain", text(kept.path())]);
        assert_eq!(refused.code, 2, "{inside}: {}", refused.stderr);
        assert!(refused.stderr.contains("belongs to another user"), "{}", refused.stderr);
        assert!(refused.stderr.contains("--retain"), "{}", refused.stderr);
    }
}
