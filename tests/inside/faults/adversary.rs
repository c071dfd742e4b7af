//! Whatever else is in the bucket, whoever writes there meanwhile, whatever its listings say and however the run
//! ends: what is another's stays as it is.
//!
//! A seed draws a run, a neighbour who writes what is hardest to tell from it, and an end. The one thing that the
//! neighbour leaves out is what nobody could tell: to write below the prefix of a run while it lives that is
//! then killed, and to replace an object whose upload was not answered yet, or in the round trip between a listing or a
//! HeadObject and the DeleteObjects that follows it: S3 deletes by name alone.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::{Either, pending, select};

use super::random::Schedule;
use super::store::Faulty;
use super::{Seed, drive};
use crate::clock;
use crate::dataset::Payload;
use crate::interrupt::Interrupt;
use crate::measure::Probe;
use crate::pace::Paces;
use crate::session::bucket::Bucket;
use crate::session::claim::Claim;
use crate::session::clean::{Cleaning, Which, clean_bucket};
use crate::session::journal;
use crate::session::marker::{Identity, Marker, marker_key, run_prefix};
use crate::store::model::{ModelStore, Retain};
use crate::store::{ObjectInfo, OpenUpload, Place, Store, Upload};
use crate::transfer::{Control, Flow, Job, Ledger, Order, Stage, Worker};

const TARGET: &str = "p/";

/// What the neighbour does during a run at most: it may take hours of simulated time.
const ACTS_MAX: usize = 60;

/// How a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    /// By itself or by Ctrl-C: it cleans up.
    Orderly,
    /// In the middle of whatever it was doing; `clean` comes later.
    Killed,
}

/// What happened, so that it is known that the cases were not idle.
#[derive(Debug, Default)]
struct Tally {
    objects: usize,
    uploads: usize,
    replaced: usize,
    refused: usize,
    cases: BTreeMap<(bool, End), usize>,
}

/// Somebody else who uses the bucket, and knows what is his.
struct Neighbour<'a> {
    bucket: &'a ModelStore,
    random: RefCell<fastrand::Rng>,
    job: &'a Job,
    run: &'a Identity,
    end: End,
    keeps: bool,
    objects: RefCell<BTreeMap<String, Vec<u8>>>,
    uploads: RefCell<BTreeSet<Upload>>,
    replaced: Cell<usize>,
    writing: Cell<bool>,
    /// The run deletes what its listings showed a round trip ago.
    too_late: Cell<bool>,
}

/// What the neighbour knows of a run that is under way.
#[derive(Clone, Copy)]
struct Running<'a> {
    ledger: &'a Ledger,
    store: &'a Faulty,
}

impl Running<'_> {
    /// Whether an object was answered for, and the run is not about to take it back.
    fn is_settled(&self, key: &str) -> bool {
        self.ledger.is_settled(key) && !self.store.looked_at.borrow().contains(key)
    }
}

impl Neighbour<'_> {
    /// Something now and then; it never ends.
    async fn goes_on(&self, run: Option<Running<'_>>) {
        for _ in 0..ACTS_MAX {
            let pause = self.random.borrow_mut().u64(1..400_000);
            clock::sleep(Duration::from_micros(pause)).await;
            self.acts(run, self.end == End::Orderly).await;
        }
        pending().await
    }

    /// One thing. `below_run`: also below the prefix of the run.
    async fn acts(&self, run: Option<Running<'_>>, below_run: bool) {
        let act = self.random.borrow_mut().u8(0..8);
        match act {
            0 | 1 => return self.begins_an_upload(below_run).await,
            2 | 3 => {
                if let Some(run) = run.filter(|_| below_run || self.keeps) {
                    return self.replaces(run).await;
                }
            }
            _ => {}
        }
        let key = self.key(below_run);
        let content = self.content();
        self.puts(key, content).await;
    }

    async fn puts(&self, key: String, content: String) {
        let payload = Payload::from(vec![Bytes::from(content.clone())]);
        // He may be told to slow down.
        self.writing.set(true);
        let put = self.bucket.put_object(&key, payload, &probe()).await;
        self.writing.set(false);
        if put.is_ok() {
            self.objects.borrow_mut().insert(key, content.into_bytes());
        }
    }

    async fn begins_an_upload(&self, below_run: bool) {
        let key = self.key(below_run);
        let upload = self.bucket.create_upload(&key, &probe()).await;
        self.uploads.borrow_mut().extend(upload);
    }

    /// An object of the run, once its upload was answered.
    async fn replaces(&self, run: Running<'_>) {
        let (objects, _) = self.bucket.look();
        if self.too_late.get() {
            return;
        }
        let settled = objects.into_iter().map(|(key, _)| key).filter(|key| run.is_settled(key));
        let settled: Vec<String> = settled.filter(|key| !is_marker(key)).collect();
        let key = self.random.borrow_mut().choice(settled);
        let Some(key) = key else { return };
        let content = self.content();
        self.puts(key, content).await;
        self.replaced.set(self.replaced.get() + 1);
    }

    /// Forged, copied, or data.
    fn content(&self) -> String {
        let marker = |identity: &Identity, keeps| {
            let began = clock::calendar();
            serde_json::to_string(&Marker::alive(identity, began, keeps)).unwrap()
        };
        let other = Identity::new().unwrap();
        let random = &mut *self.random.borrow_mut();
        match random.u8(0..4) {
            0 => marker(self.run, random.bool()),
            1 => marker(&other, random.bool()).replace(other.name(), self.run.name()),
            2 => marker(&other, random.bool()),
            _ => format!("data {}", random.u64(..)),
        }
    }

    /// What is hard to tell from a run's.
    fn key(&self, below_run: bool) -> String {
        let random = &mut *self.random.borrow_mut();
        let number = random.u8(0..20);
        let file = self.job.dataset.file(random.u64(0..self.job.dataset.files())).path;
        let forged = format!("20260101T000000Z-{:016x}", random.u64(..));
        let run = self.run.name();
        match random.u8(0..11) {
            0 if !self.too_late.get() => format!("p/{file}"),
            1 => format!("p/tidegate-notes/{number}"),
            2 => "p/tidegate-notes/.tidegate-run.json".into(),
            3 => "p/.tidegate-run.json".into(),
            4 => marker_key(&run_prefix(TARGET, &forged)),
            5 => format!("p/tidegate-{forged}/{file}"),
            6 => marker_key(&run_prefix("p/nested/", run)),
            7 => marker_key(&run_prefix("", run)),
            8 => format!("p/tidegate-{run}-2/{file}"),
            9 if below_run => format!("p/tidegate-{run}/theirs-{number}"),
            10 if below_run => format!("p/tidegate-{run}/nested/.tidegate-run.json"),
            _ => format!("q/{number}"),
        }
    }

    /// Sees that all of it is as he left it.
    async fn finds_everything(&self) {
        let (objects, _) = self.bucket.look();
        let objects: BTreeMap<String, Vec<u8>> = objects.into_iter().collect();
        for (key, content) in &*self.objects.borrow() {
            assert_eq!(objects.get(key), Some(content), "{key}");
        }
        let open = self.bucket.list_uploads("", &probe()).await.unwrap();
        let open: BTreeSet<Upload> = open.into_iter().map(|open| open.upload).collect();
        for upload in &*self.uploads.borrow() {
            assert!(open.contains(upload), "{upload:?}");
        }
    }
}

fn is_marker(key: &str) -> bool {
    key.ends_with("/.tidegate-run.json")
}

fn probe() -> std::sync::Arc<Probe> {
    Probe::begin(&Default::default(), clock::now())
}

/// Listings that show what was not asked for, something twice, not everything, and ids at other keys.
fn lies(
    mut random: fastrand::Rng,
    objects: &mut Vec<ObjectInfo>,
    uploads: &mut Vec<OpenUpload>,
    all: (&[ObjectInfo], &[OpenUpload]),
) {
    if random.bool() {
        objects.extend(random.choice(all.0).cloned());
        uploads.extend(random.choice(all.1).cloned());
    }
    if random.u8(0..4) == 0 {
        objects.extend(objects.last().cloned());
        uploads.extend(uploads.last().cloned());
    }
    if random.u8(0..4) == 0 {
        objects.pop();
        uploads.pop();
    }
    if let (true, Some(mut open), Some(other)) =
        (random.u8(0..4) == 0, uploads.last().cloned(), random.choice(all.1))
    {
        open.upload.id.clone_from(&other.upload.id);
        uploads.push(open);
    }
}

/// One case.
fn play(seed: u64) -> Tally {
    clock::simulate(async {
        let random = &mut fastrand::Rng::with_seed(!seed);
        let Schedule { mut job, odds, model, limits, interrupt, .. } = Schedule::draw(seed);
        let keeps = random.bool();
        let end = *random.choice(&[End::Orderly, End::Killed]).unwrap();
        job.direction = Flow::Up;
        if keeps {
            job.order = Order::Once;
        }
        let bucket = ModelStore::new(model.clone(), limits, Retain::Memory, seed);
        // The neighbour has a link of his own.
        let theirs = bucket.from_another_machine(seed);
        let run = Identity::new().unwrap();
        let results = tempfile::tempdir().unwrap();
        let neighbour = Neighbour {
            bucket: &theirs,
            random: RefCell::new(random.fork()),
            job: &Job { ledger: Default::default(), ..Schedule::draw(seed).job },
            run: &run,
            end,
            keeps,
            objects: RefCell::default(),
            uploads: RefCell::default(),
            replaced: Cell::default(),
            writing: Cell::default(),
            too_late: Cell::default(),
        };
        for _ in 0..random.u8(0..6) {
            let key = neighbour.key(false);
            if !keeps || !key.starts_with(TARGET) {
                neighbour.puts(key, neighbour.content()).await;
            }
        }
        if random.bool() {
            bucket.lie(random.fork(), lies);
        }
        let plan = Played { bucket: &bucket, keeps, end, interrupt, results: results.path() };
        let refused = plan.run(job, odds, seed, &neighbour, random).await.is_err();
        if end == End::Killed {
            plan.clean(&neighbour, random).await;
        }
        bucket.tell_the_truth();
        neighbour.finds_everything().await;
        Tally {
            objects: neighbour.objects.borrow().len(),
            uploads: neighbour.uploads.borrow().len(),
            replaced: neighbour.replaced.get(),
            refused: refused.into(),
            cases: BTreeMap::from([((keeps, end), 1)]),
        }
    })
}

/// What was drawn of a case.
struct Played<'a> {
    bucket: &'a ModelStore,
    keeps: bool,
    end: End,
    interrupt: Option<[Duration; 2]>,
    results: &'a Path,
}

impl Played<'_> {
    /// The run, to its end. An error of its clean-up is none: what is left is said, and stays.
    async fn run(
        &self,
        mut job: Job,
        odds: super::store::Odds,
        seed: u64,
        neighbour: &Neighbour<'_>,
        random: &mut fastrand::Rng,
    ) -> crate::error::Result<()> {
        let housekeeping = Bucket::open(&Place::Simulated(self.bucket.clone()), &Paces::default());
        let claiming = self.claim(&housekeeping, neighbour.run);
        let claim = match select(pin!(claiming), pin!(neighbour.goes_on(None))).await {
            Either::Left((claim, _)) => claim?,
            Either::Right(_) => unreachable!("he never ends"),
        };
        let ledger = claim.ledger();
        (job.prefix, job.ledger) = (claim.prefix().to_owned(), claim.ledger());
        let client = if self.keeps { self.bucket.only_new() } else { self.bucket.clone() };
        let store = Faulty::new(client, odds, seed);
        let job = Rc::new(job);
        let control = Control::new(Stage::Measuring, &job);
        let worker = Worker::new(&store, &job, &control, 0);
        let running = Running { ledger: &ledger, store: &store };
        let work = async {
            let movers = worker.drive(0..job.settings.concurrency);
            let interrupted = drive(&store, movers, self.interrupt, &control).await;
            let whole = !interrupted && !control.is_stopped();
            neighbour.too_late.set(true);
            while neighbour.writing.get() {
                clock::sleep(Duration::from_millis(1)).await;
            }
            let end = async {
                match self.keeps && whole {
                    true => claim.keep().await,
                    false => claim.release().await,
                }
            };
            store.while_late_requests_land(end).await
        };
        let killed_after = match self.end {
            End::Killed => Duration::from_micros(random.u64(0..3_000_000)),
            End::Orderly => Duration::from_secs(100_000),
        };
        {
            let (work, theirs) = (pin!(work), pin!(neighbour.goes_on(Some(running))));
            drop(select(select(work, theirs), pin!(clock::sleep(killed_after))).await);
        }
        // What a killed run had sent is still on its way.
        store.while_late_requests_land(clock::sleep(Duration::from_secs(2))).await;
        Ok(())
    }

    async fn claim<'b>(
        &self,
        bucket: &'b Bucket,
        run: &Identity,
    ) -> crate::error::Result<Claim<'b>> {
        if !self.keeps {
            return Claim::unique(bucket, TARGET, run).await;
        }
        let directory = self.results.join(run.name());
        std::fs::create_dir(&directory).unwrap();
        journal::begin(&directory, run)?;
        let (journal, interrupt) = (Some(journal::open(&directory)?), Interrupt::never());
        Claim::to_keep(bucket, TARGET, run, journal, &interrupt).await
    }

    /// Later, on this machine or on another one.
    async fn clean(&self, neighbour: &Neighbour<'_>, random: &mut fastrand::Rng) {
        clock::sleep(Duration::from_secs(random.u64(300..3600))).await;
        for _ in 0..random.u8(0..4) {
            neighbour.acts(None, true).await;
        }
        let bucket = Bucket::open(&Place::Simulated(self.bucket.clone()), &Paces::default());
        let which = match random.u8(0..3) {
            0 => Which::Silent(Duration::from_secs(600)),
            _ => Which::Run(neighbour.run.name().to_owned()),
        };
        let elsewhere = self.results.join("elsewhere");
        let results = if random.bool() { self.results.to_owned() } else { elsewhere };
        let cleaning = Cleaning { which, dry_run: random.u8(0..8) == 0, results };
        // A marker that the neighbour has replaced, or that never came, is no run's.
        let _ = clean_bucket(&cleaning, &bucket, TARGET).await;
    }
}

fn play_all(seeds: impl IntoIterator<Item = u64>) {
    let mut all = Tally::default();
    for seed in seeds {
        let named = Seed(seed);
        let Tally { objects, uploads, replaced, refused, cases } = play(seed);
        drop(named);
        all.objects += objects;
        all.uploads += uploads;
        all.replaced += replaced;
        all.refused += refused;
        for (case, count) in cases {
            *all.cases.entry(case).or_default() += count;
        }
    }
    eprintln!("{all:?}");
    assert_eq!(all.cases.len(), 4, "{all:?}");
    assert!(all.objects > 0 && all.uploads > 0 && all.replaced > 0 && all.refused > 0, "{all:?}");
}

#[test]
fn what_is_anothers_is_never_deleted_aborted_or_written_over() {
    match std::env::var("TIDEGATE_FAULT_SEED") {
        Ok(seed) => drop(play(seed.parse().expect("a seed is a number"))),
        Err(_) => play_all(0..300),
    }
}

#[test]
#[ignore = "takes minutes"]
fn what_is_anothers_is_never_touched_in_10_000_cases() {
    play_all(0..10_000);
}
