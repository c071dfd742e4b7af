//! A server that flips a byte in 1 of 1,000 stored objects and in 1 of 1,000 answers: all that can be
//! known is told, and nothing else.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::proxy::{Moment, Watcher, Way, proxy};
use crate::support::relay::Asked;
use crate::support::servers::Serve;
use crate::support::tidegate::Tidegate;

/// Flips the 500th, the 1500th, and so on.
#[derive(Default)]
struct Corruptor(Mutex<Done>);

#[derive(Default)]
struct Done {
    puts: u64,
    gets: u64,
    stored: BTreeSet<String>,
    read: BTreeSet<String>,
}

impl Watcher for Corruptor {
    fn sees(&self, asked: &Asked, moment: Moment, body: &mut [u8]) -> Way {
        let mut done = self.0.lock().unwrap();
        let Done { puts, gets, stored, read } = &mut *done;
        let is_data = !asked.target.contains(".tidegate-run.json");
        let path = asked.target.split('?').next().unwrap_or_default();
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        let (count, flipped) = match (&*asked.method, moment) {
            ("PUT", Moment::Asked) if is_data => (puts, &mut *stored),
            // A listing has no name at its end. What is corrupt already is left alone: two faults in
            // one object could not be told apart.
            ("GET", Moment::Answered)
                if is_data && name.contains('.') && !stored.contains(&name) =>
            {
                (gets, read)
            }
            _ => return Way::On,
        };
        *count += 1;
        if *count % 1000 == 500 {
            let at = *count as usize % body.len();
            body[at] ^= 0x10;
            flipped.insert(name);
        }
        Way::On
    }
}

/// Moves 1,600 files with `--verify` and compares what is told with what was done.
fn tells_all(direction: &str) {
    let serve = Serve::start(&["--bucket", "bucket"]);
    let corruptor = Arc::new(Corruptor::default());
    let proxy = proxy(&serve.endpoint(), Arc::clone(&corruptor));
    let what = ["--dataset", "esnet-5MB", "--files", "1600", "--size", "3200kB"];
    let how = ["--direction", direction, "--verify", "--concurrency", "8", "--json"];
    let finished =
        Tidegate::at(&proxy.endpoint()).run("run", &[&["s3://bucket/p"], &what[..], &how].concat());
    assert_eq!(finished.code, 1, "{}", finished.stderr);
    let document: Value = serde_json::from_str(&finished.stdout).unwrap();
    let trial = &document["trials"][0];

    let done = corruptor.0.lock().unwrap();
    assert_eq!((done.stored.len(), done.read.len()), (2, 2));
    assert_eq!(trial["corrupt"], json!({ "in_reading": 2, "in_store": 2, "unsettled": 0 }));
    let failures = trial["task"]["failures"].as_array().unwrap();
    let failed: BTreeSet<String> = failures
        .iter()
        .map(|failure| {
            let (path, reason) = (failure["path"].as_str(), failure["reason"].as_str().unwrap());
            assert!(reason.contains("corrupt in the store"), "{reason}");
            path.and_then(|path| path.rsplit('/').next()).unwrap().to_owned()
        })
        .collect();
    assert_eq!(failed, done.stored, "these, and no others");
    let warnings = trial["warnings"].to_string();
    assert!(warnings.contains("2 readings were corrupt"), "{warnings}");
}

#[test]
fn what_a_corrupting_server_does_to_uploads_is_told_and_nothing_else() {
    tells_all("up");
}

#[test]
fn what_a_corrupting_server_does_to_downloads_is_told_and_nothing_else() {
    tells_all("down");
}
