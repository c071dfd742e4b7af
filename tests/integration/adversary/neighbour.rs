//! Somebody else who uses the bucket of a run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::{Case, Doing, End};
use crate::support::http::Http;
use crate::support::leftover::{Leftover, MARKER};
use crate::support::servers::Serve;

/// What the neighbour does while a run goes on, at most.
const ACTS_MAX: usize = 100;

/// Somebody else who uses the bucket, and knows what is his.
pub(super) struct Neighbour {
    pub(super) http: Http,
    random: fastrand::Rng,
    pub(super) leftover: Leftover,
    /// A name like a run's, whose folder he fills.
    pub(super) forged: String,
    /// The run that goes on, once its marker was seen, and the text of that.
    run: Option<(String, String)>,
    doing: Doing,
    /// Whether he may write below the prefix of the run.
    below_run: bool,
    /// Whether he writes as soon as a run that is to keep its objects looks, or once it uploads.
    is_early: bool,
    pub(super) uploads_began: Arc<AtomicBool>,
    /// How often the run has listed objects.
    pub(super) listings: Arc<Mutex<u32>>,
    pub(super) objects: BTreeMap<String, String>,
    pub(super) uploads: BTreeSet<(String, String)>,
    pub(super) replaced: usize,
}

impl Neighbour {
    pub(super) fn new(serve: &Serve, random: fastrand::Rng, case: &Case) -> Self {
        let seed = case.seed;
        Self {
            http: Http::at(serve.address()),
            random,
            leftover: Leftover::new(&format!("adversary {seed}")),
            forged: format!("20260101T000000Z-{seed:016x}"),
            run: None,
            doing: case.doing,
            below_run: case.end != End::Killed && case.lie.is_none(),
            is_early: seed % 16 == 1,
            uploads_began: Arc::default(),
            listings: Arc::default(),
            objects: BTreeMap::new(),
            uploads: BTreeSet::new(),
            replaced: 0,
        }
    }

    /// Something now and then, for as long as the run goes on.
    pub(super) fn goes_on(&mut self, is_over: &AtomicBool) {
        for _ in 0..ACTS_MAX {
            thread::sleep(Duration::from_millis(self.random.u64(1..30)));
            if is_over.load(Ordering::SeqCst) {
                return;
            }
            // Objects are to be kept where nothing is.
            let is_time = match self.is_early {
                true => *self.listings.lock().unwrap() > 1,
                false => self.uploads_began.load(Ordering::SeqCst),
            };
            if self.doing == Doing::RunToKeep && !is_time {
                continue;
            }
            self.looks_for_the_run();
            self.acts();
        }
    }

    fn looks_for_the_run(&mut self) {
        if self.run.is_some() {
            return;
        }
        let marker = self.keys("p/tidegate-20").into_iter().find_map(|key| {
            let run = key.strip_prefix("p/tidegate-")?.strip_suffix(&format!("/{MARKER}"))?;
            let is_live = run.len() == self.leftover.run.len() && !run.starts_with("20260101");
            is_live.then(|| (run.to_owned(), key.clone()))
        });
        let Some((run, key)) = marker else { return };
        let answer = self.http.ask("GET", &format!("/bucket/{key}")).send();
        if answer.status == 200 {
            self.run = Some((run, String::from_utf8(answer.body).unwrap()));
        }
    }

    /// The keys that begin so, on one page.
    fn keys(&self, prefix: &str) -> Vec<String> {
        let answer = self.http.ask("GET", &format!("/bucket?list-type=2&prefix={prefix}")).send();
        elements(&String::from_utf8(answer.body).unwrap(), "Key")
    }

    pub(super) fn acts(&mut self) {
        match self.random.u8(0..8) {
            0 | 1 => {
                let key = self.key();
                let id = self.http.create_upload(&format!("/bucket/{key}"));
                self.uploads.insert((key, id));
            }
            2 | 3 if self.doing == Doing::RunToKeep => self.replaces(),
            _ => {
                let key = self.key();
                self.writes(key);
            }
        }
    }

    /// Whatever looks most like a run's there.
    pub(super) fn writes(&mut self, key: String) {
        let is_forged = key == format!("p/tidegate-{}/{MARKER}", self.forged);
        let content = match is_forged && self.random.bool() {
            // A token, and not this name's.
            true => {
                let (name, keeps) = (&self.forged, self.random.bool());
                self.leftover.marker(keeps).replace(&self.leftover.run, name)
            }
            false => self.content(),
        };
        self.puts(key, content);
    }

    pub(super) fn puts(&mut self, key: String, content: String) {
        self.http.put(&format!("/bucket/{key}"), content.as_bytes());
        self.objects.insert(key, content);
    }

    /// An object that a run is to keep, or its place, before the run has looked at what it will delete.
    fn replaces(&mut self) {
        let kept = self.keys("p/");
        let is_the_runs =
            |key: &String| !key.contains("tidegate-") && !self.objects.contains_key(key);
        let mut kept: Vec<_> = kept.into_iter().filter(is_the_runs).collect();
        self.random.shuffle(&mut kept);
        let Some(key) = kept.pop() else { return };
        let listings = Arc::clone(&self.listings);
        let listings = listings.lock().unwrap();
        if *listings <= 2 {
            let content = self.content();
            self.puts(key, content);
            self.replaced += 1;
        }
    }

    /// Forged, copied, or data.
    fn content(&mut self) -> String {
        let keeps = self.random.bool();
        let other = Leftover::new(&format!("forged {}", self.random.u64(..)));
        let run = self.run.clone().unwrap_or((self.leftover.run.clone(), String::new())).0;
        match self.random.u8(0..5) {
            0 => other.marker(keeps).replace(&other.run, &run),
            1 => self.leftover.marker(keeps),
            2 => other.marker(keeps),
            3 => self.run.clone().map_or_else(|| self.leftover.marker(keeps), |(_, marker)| marker),
            _ => format!("data {}", self.random.u64(..)),
        }
    }

    /// What is hard to tell from a run's.
    pub(super) fn key(&mut self) -> String {
        let number = self.random.u8(0..20);
        let forged = self.forged.clone();
        let old = self.leftover.run.clone();
        let live = self.run.as_ref().map_or_else(|| forged.clone(), |(run, _)| run.clone());
        let named = if self.random.bool() { &old } else { &live };
        match self.random.u8(0..14) {
            0 => format!("p/theirs-{number}"),
            1 => format!("p/tidegate-notes/{number}"),
            2 => format!("p/tidegate-notes/{MARKER}"),
            3 => format!("p/{MARKER}"),
            4 => format!("p/tidegate-{forged}/{MARKER}"),
            5 => format!("p/tidegate-{forged}/{number}"),
            6 => format!("p/nested/tidegate-{named}/{MARKER}"),
            7 => format!("tidegate-{named}/{MARKER}"),
            8 => format!("p-2/tidegate-{named}/{MARKER}"),
            9 => format!("p/tidegate-{named}-2/{number}"),
            10 => format!("p/tidegate-{}/{number}", &named[..named.len() - 1]),
            11 if self.below_run => format!("p/tidegate-{live}/theirs-{number}"),
            12 if self.below_run => format!("p/tidegate-{live}/nested/{MARKER}"),
            _ => format!("q/{number}"),
        }
    }

    /// Sees that all of it is as he left it.
    pub(super) fn finds_everything(&self, case: &Case) {
        for (key, content) in &self.objects {
            let answer = self.http.ask("GET", &format!("/bucket/{key}")).send();
            let found = String::from_utf8_lossy(&answer.body);
            assert_eq!((answer.status, &*found), (200, &**content), "{key} of {case:?}");
        }
        let open = self.http.ask("GET", "/bucket?uploads").send();
        let open = elements(&String::from_utf8(open.body).unwrap(), "UploadId");
        for (key, id) in &self.uploads {
            assert!(open.contains(id), "the upload {id} of {key} in {case:?}");
        }
    }

    pub(super) fn below_runs(&self) -> usize {
        let Some((run, _)) = &self.run else { return 0 };
        let prefix = format!("p/tidegate-{run}/");
        let uploads = self.uploads.iter().map(|(key, _)| key);
        self.objects.keys().chain(uploads).filter(|key| key.starts_with(&prefix)).count()
    }
}

fn elements(xml: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let elements = xml.split(&open).skip(1);
    elements.filter_map(|rest| Some(rest.split_once(&close)?.0.to_owned())).collect()
}
