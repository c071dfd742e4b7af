//! Downloads into a directory: of keys that can name anything, where others write too, and after a power cut.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tidegate::clock;

use crate::support::http::Http;
use crate::support::servers::{Serve, text};
use crate::support::tidegate::{Finished, Tidegate};
use crate::support::tree::contents;

const TARGET: &str = "s3://bucket/data";

/// A gateway with these objects below `data/`, and a directory to download to.
struct Setting {
    serve: Serve,
    to: tempfile::TempDir,
}

impl Setting {
    fn with(objects: &[(&str, &str)]) -> Self {
        let serve = Serve::open(&["--bucket", "bucket"]);
        let http = Http::at(serve.address());
        for (key, content) in objects {
            http.put(&format!("/bucket/data/{key}"), content.as_bytes());
        }
        Self { serve, to: tempfile::tempdir().unwrap() }
    }

    fn download(&self, target: &str, options: &[&str]) -> (Finished, Value) {
        let tidegate = Tidegate::at(&self.serve.endpoint());
        let arguments = [target, "--direction", "down", "--to", text(self.to.path()), "--json"];
        let finished = tidegate.run("run", &[&arguments, options].concat());
        let document: Value = serde_json::from_str(&finished.stdout).unwrap_or_default();
        let task = document["trials"][0]["task"].clone();
        (finished, task)
    }

    fn content(&self, path: &str) -> String {
        fs::read_to_string(self.to.path().join(path)).unwrap()
    }
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        contents(directory).into_keys().map(|name| format!("{name:?}")).collect();
    names.sort();
    names
}

#[test]
fn objects_that_stand_for_directories_make_them_and_are_no_files() {
    let setting = Setting::with(&[("", ""), ("sub/", ""), ("sub/deep/", ""), ("a", "A")]);
    let (finished, task) = setting.download(TARGET, &[]);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    assert_eq!((&task["files"], &task["files_done"]), (&1.into(), &1.into()));
    assert_eq!(task["directory_markers"], 3);
    assert!(setting.to.path().join("sub/deep").is_dir());
    assert_eq!(setting.content("a"), "A");
}

#[test]
fn a_key_of_an_unfinished_file_fails_alone() {
    let keys = [(".tidegate-partial/0", "B"), (".tidegate-1-0.part", "C"), ("a", "A")];
    let (finished, task) = {
        let setting = Setting::with(&keys);
        let found = setting.download(TARGET, &[]);
        assert_eq!(
            (setting.content("a"), setting.content(".tidegate-1-0.part")),
            ("A".into(), "C".into())
        );
        assert!(!setting.to.path().join(".tidegate-partial").exists());
        found
    };
    assert_eq!(finished.code, 1, "{}", finished.stderr);
    assert_eq!((&task["files_done"], &task["failures"][1]), (&2.into(), &Value::Null));
    let reason = task["failures"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("among unfinished files"), "{reason}");
}

#[test]
fn an_object_and_another_below_it_are_one_failure() {
    let setting = Setting::with(&[("a", "A"), ("a/b", "B")]);
    let (finished, task) = setting.download(TARGET, &[]);
    assert_eq!(finished.code, 1, "{}", finished.stderr);
    assert_eq!((&task["files_done"], task["failures"].as_array().unwrap().len()), (&1.into(), 1));
    let reason = task["failures"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("is there"), "{reason}");
}

#[test]
fn a_target_that_is_an_object_is_downloaded() {
    let setting = Setting::with(&[("a", "A"), ("ab", "B"), ("sub/c", "C")]);
    let (finished, task) = setting.download("s3://bucket/data/a", &[]);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    assert_eq!((&task["files"], setting.content("a").as_str()), (&1.into(), "A"));
    assert_eq!(names(setting.to.path()).len(), 1);
    let nothing = Setting::with(&[("a", "A")]);
    let (finished, _) = nothing.download("s3://bucket/data/b", &[]);
    assert_eq!(finished.code, 2);
    assert!(
        finished.stderr.contains("there are no objects at s3://bucket/data/b/"),
        "{}",
        finished.stderr
    );
}

#[test]
fn a_download_goes_on_with_what_is_whole_and_overwrites_nothing() {
    let setting = Setting::with(&[("a", "AAA"), ("b", "BBBB"), ("c", "CC")]);
    assert_eq!(setting.download(TARGET, &[]).0.code, 0);
    let refused = setting.download(TARGET, &[]).0;
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("is not empty") && refused.stderr.contains("--resume"));

    fs::remove_file(setting.to.path().join("b")).unwrap();
    fs::write(setting.to.path().join("c"), "mine").unwrap();
    let (finished, task) = setting.download(TARGET, &["--resume"]);
    assert_eq!(finished.code, 1, "{}", finished.stderr);
    assert_eq!((&task["files_there"], &task["files_done"]), (&1.into(), &1.into()));
    assert_eq!(task["bytes_done"], 4);
    let failure = &task["failures"][0];
    assert_eq!(failure["path"], "c");
    assert!(failure["reason"].as_str().unwrap().contains("4 bytes, not 2"), "{failure}");
    assert_eq!((setting.content("b").as_str(), setting.content("c").as_str()), ("BBBB", "mine"));
}

#[test]
fn what_is_taken_as_it_is_can_be_compared_with_its_etag() {
    let setting = Setting::with(&[("a", "AAA"), ("b", "BBBB"), ("z", "ZZ")]);
    assert_eq!(setting.download(TARGET, &[]).0.code, 0);
    fs::write(setting.to.path().join("z"), "zz").unwrap();
    // One that is right shows that ETags are MD5s here, whichever comes first.
    let (finished, task) = setting.download(TARGET, &["--resume", "--verify", "-c", "1"]);
    assert_eq!(finished.code, 1, "{}", finished.stderr);
    assert_eq!((&task["files_there"], &task["files_there_verified"]), (&2.into(), &2.into()));
    assert_eq!(task["verified"], false, "nothing arrived");
    let reason = task["failures"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("with other bytes is there"), "{reason}");
    assert_eq!(setting.content("z"), "zz");
}

#[test]
fn a_planted_link_is_not_followed() {
    let elsewhere = tempfile::tempdir().unwrap();
    let setting = Setting::with(&[("sub/a", "A"), ("link", "B"), ("c", "C")]);
    symlink(elsewhere.path(), setting.to.path().join("sub")).unwrap();
    symlink(elsewhere.path().join("b"), setting.to.path().join("link")).unwrap();
    let (finished, task) = setting.download(TARGET, &["--resume"]);
    assert_eq!(finished.code, 1, "{}", finished.stderr);
    assert_eq!((&task["files_done"], task["failures"].as_array().unwrap().len()), (&1.into(), 2));
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_killed_download_goes_on() {
    let link = ["--bucket", "bucket", "--connection-rate", "4MB/s"];
    let serve = Serve::open(&link);
    let http = Http::at(serve.address());
    let content = |number: usize| vec![number as u8; 1_000_000];
    (0..8).for_each(|number| drop(http.put(&format!("/bucket/data/{number}"), &content(number))));
    let to = tempfile::tempdir().unwrap();
    let tidegate = Tidegate::at(&serve.endpoint());
    let arguments = [TARGET, "--direction", "down", "-c", "1", "--to", text(to.path())];
    let mut child = tidegate.start("run", &arguments);
    while !to.path().join("0").exists() && !to.path().join("1").exists() {
        assert!(child.try_wait().unwrap().is_none(), "it ended too soon");
        clock::sleep(Duration::from_millis(5)).await;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let resumed = tidegate.json("run", &[&arguments[..], &["--resume"]].concat());
    let task = &resumed["trials"][0]["task"];
    let count = |field: &str| task[field].as_u64().unwrap_or_default();
    assert!(count("files_there") > 0 && count("files_there") + count("files_done") == 8, "{task}");
    for number in 0..8 {
        assert!(fs::read(to.path().join(number.to_string())).unwrap() == content(number));
    }
    assert_eq!(fs::read_dir(to.path()).unwrap().count(), 8, "nothing unfinished is left");
}
