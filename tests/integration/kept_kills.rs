//! `kill -9` of `serve --retain DIR` while clients write: what was answered is there, whole, and nothing else.
//! All 50: `cargo test --test integration -- --ignored --nocapture serve_killed_fifty_times`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use md5::{Digest, Md5};
use tempfile::TempDir;

use crate::support::http::{Answer, Http};
use crate::support::servers::{Serve, text};
use crate::support::tidegate::entries;

const CLIENTS: usize = 4;

/// What an object is: its ETag, and the MD5 of its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Object {
    etag: String,
    md5: String,
}

impl Object {
    fn of(answer: &Answer) -> Self {
        Self { etag: answer.etag().to_owned(), md5: md5(&answer.body) }
    }
}

fn md5(bytes: &[u8]) -> String {
    Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What one client was told of its keys.
#[derive(Default)]
struct Told {
    random: fastrand::Rng,
    /// `None` is told to be gone, or never was.
    objects: BTreeMap<String, Option<Object>>,
    /// What was asked for last and not answered.
    asked: Option<(String, Option<Object>)>,
    answered: BTreeMap<&'static str, usize>,
}

impl Told {
    /// Asks for one change; whether it was answered well.
    fn change(&mut self, client: usize, http: &Http) -> bool {
        let key = format!("client-{client}/{}", self.random.u32(0..40));
        let target = format!("/bucket/{key}");
        let length = self.random.usize(0..30_000);
        let content: Vec<u8> = std::iter::repeat_with(|| self.random.u8(..)).take(length).collect();
        let whole = Object { etag: md5(&content), md5: md5(&content) };
        let (what, is_done) = match self.random.u8(0..10) {
            0..5 => {
                self.asked = Some((key.clone(), Some(whole)));
                let put = http.ask("PUT", &target).body(&content).try_send();
                ("PutObject", put.is_ok_and(|answer| answer.status == 200))
            }
            5..7 => {
                self.asked = Some((key.clone(), None));
                let delete = http.ask("DELETE", &target).try_send();
                ("DeleteObject", delete.is_ok_and(|answer| answer.status == 204))
            }
            _ => {
                let parts: Vec<&[u8]> = content.chunks(12_000).collect();
                let digests: Vec<u8> = parts.iter().flat_map(Md5::digest).collect();
                let etag = format!("{}-{}", md5(&digests), parts.len());
                // Before its Complete nothing changes.
                let Some((id, etags)) = upload(http, &target, &parts) else { return false };
                if etags.is_empty() {
                    return true;
                }
                self.asked = Some((key.clone(), Some(Object { etag, ..whole })));
                let listed: Vec<_> = (1..).zip(etags.iter().map(String::as_str)).collect();
                let complete = http.try_complete(&target, &id, &listed);
                ("CompleteMultipartUpload", complete.is_ok_and(|answer| answer.status == 200))
            }
        };
        if is_done {
            self.objects.extend(self.asked.take());
            *self.answered.entry(what).or_default() += 1;
        }
        is_done
    }

    /// Compares what was told with what is there, and takes that for true.
    fn verify(&mut self, http: &Http) -> usize {
        let asked = self.asked.take();
        let keys = self.objects.keys().cloned().chain(asked.iter().map(|(key, _)| key.clone()));
        let keys: BTreeSet<String> = keys.collect();
        let mut there = 0;
        for key in keys {
            let answer = http.ask("GET", &format!("/bucket/{key}")).send();
            let found = (answer.status == 200).then(|| Object::of(&answer));
            let told = self.objects.get(&key).cloned().flatten();
            let is_asked =
                asked.as_ref().is_some_and(|asked| *asked == (key.clone(), found.clone()));
            assert!(found == told || is_asked, "{key}: told {told:?}, found {found:?}");
            there += usize::from(found.is_some());
            self.objects.insert(key, found);
        }
        there
    }
}

/// Its id and the parts' ETags; none if the server is gone.
fn upload(http: &Http, target: &str, parts: &[&[u8]]) -> Option<(String, Vec<String>)> {
    let created = http.ask("POST", &format!("{target}?uploads")).try_send().ok()?;
    let id = created.element("UploadId")?;
    let mut etags = Vec::new();
    for (number, part) in (1..).zip(parts) {
        let part_target = format!("{target}?partNumber={number}&uploadId={id}");
        let answer = http.ask("PUT", &part_target).body(part).try_send().ok()?;
        etags.push((answer.status == 200).then(|| answer.etag().to_owned())?);
    }
    Some((id, etags))
}

fn start(kept: &Path, limits: &Path) -> (Serve, Arc<Http>) {
    let serve = Serve::open(&["--retain", text(kept), "--limits", text(limits)]);
    let http = Arc::new(Http::at(serve.address()));
    (serve, http)
}

/// Lets clients change things until so many changes were answered, and kills the server then.
fn kill_amid(serve: Serve, http: &Arc<Http>, told: Vec<Told>, after: usize) -> Vec<Told> {
    let answered = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = told
        .into_iter()
        .enumerate()
        .map(|(client, mut told)| {
            let (http, answered) = (Arc::clone(http), Arc::clone(&answered));
            thread::spawn(move || {
                while told.change(client, &http) {
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                told
            })
        })
        .collect();
    while answered.load(Ordering::Relaxed) < after
        && !clients.iter().all(|client| client.is_finished())
    {
        thread::sleep(Duration::from_micros(200));
    }
    // With SIGKILL.
    drop(serve);
    clients.into_iter().map(|client| client.join().unwrap()).collect()
}

fn kill(times: usize, seed: u64) {
    let kept = tempfile::tempdir().unwrap();
    let limits = kept_limits();
    let limits = limits.path().join("limits.toml");
    let directory = kept.path().join("kept");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut told: Vec<Told> = (0..CLIENTS)
        .map(|_| Told { random: fastrand::Rng::with_seed(random.u64(..)), ..Told::default() })
        .collect();
    let (mut serve, mut http) = start(&directory, &limits);
    let mut there = 0;
    for _ in 0..times {
        told = kill_amid(serve, &http, told, random.usize(1..60));
        (serve, http) = start(&directory, &limits);
        there = told.iter_mut().map(|told| told.verify(&http)).sum();
        let listed = http.ask("GET", "/bucket?list-type=2").send();
        assert_eq!(listed.elements("Contents"), there, "and nothing else");
        let blobs = entries(&directory.join("blobs")).len();
        assert!(blobs >= there, "{blobs} blobs of {there} objects");
    }
    let mut answered = BTreeMap::<_, usize>::new();
    for (what, count) in told.iter().flat_map(|told| &told.answered) {
        *answered.entry(*what).or_default() += count;
    }
    eprintln!("{times} kills; answered before them: {answered:?}; {there} objects at the end");
    assert_eq!(answered.len(), 3, "every kind of change was answered: {answered:?}");
}

/// Parts may be small.
fn kept_limits() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let limits = "transfers = \"none\"\ncalls_per_second = \"none\"\nkey_writes_per_second = \"none\"\n\
                  part_size_min = \"1kB\"\n";
    fs::write(directory.path().join("limits.toml"), limits).unwrap();
    directory
}

#[test]
fn what_was_answered_before_a_kill_is_there_whole_and_nothing_else() {
    kill(4, 1);
}

#[test]
#[ignore = "takes a minute"]
fn serve_killed_fifty_times_loses_nothing_that_was_answered() {
    kill(50, 2);
}
