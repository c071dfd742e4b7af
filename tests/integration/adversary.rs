//! Whoever else writes to the bucket before, during and after a run, whatever the listings say, however the run ends
//! and whatever `clean` is told then: what is another's has its content, and his uploads are open.
//!
//! A seed draws the kind of each case; the moments are the machine's. What is left out is what SECURITY.md says:
//! to write below the prefix of a run that is killed, over its marker, and over what a listing has shown to a run
//! that deletes it a round trip later. All 200:
//! `cargo test --test integration -- --ignored --nocapture two_hundred_adversaries`.

mod neighbour;

use std::collections::BTreeMap;
use std::process::Child;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use self::neighbour::Neighbour;
use crate::support::hostile::{Hostile, Operation, Quirk};
use crate::support::leftover::MARKER;
use crate::support::relay::Asked;
use crate::support::servers::Serve;
use crate::support::tidegate::{Finished, Tidegate};

const TARGET: &str = "s3://bucket/p";

/// Cases at a time: each waits most of its time.
const AT_A_TIME: usize = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Doing {
    Run,
    RunToKeep,
    Tune,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Itself,
    Interrupted,
    Killed,
}

/// What was drawn of a case.
#[derive(Debug)]
struct Case {
    seed: u64,
    doing: Doing,
    end: End,
    /// The how many-th request of the run it ends at.
    ends_at: usize,
    /// Whether a dead run of the past is there, with its marker.
    has_leftover: bool,
    /// How listings are changed, now and then.
    lie: Option<(Operation, Quirk)>,
}

/// What happened, so that it is known that the cases were not idle.
#[derive(Debug, Default)]
struct Tally {
    cases: BTreeMap<(Doing, End), usize>,
    objects: usize,
    uploads: usize,
    below_runs: usize,
    replaced: usize,
    lies: usize,
    removed: usize,
    refused: usize,
}

impl Case {
    fn draw(seed: u64, random: &mut fastrand::Rng) -> Self {
        let doing = [Doing::Run, Doing::RunToKeep, Doing::Run, Doing::Tune][seed as usize % 4];
        let end = match doing {
            // A search takes its time.
            Doing::Tune if random.u8(0..4) > 0 => {
                [End::Interrupted, End::Killed][random.usize(0..2)]
            }
            _ => [End::Itself, End::Interrupted, End::Killed][seed as usize % 3],
        };
        let ends_at = random.usize(1..if doing == Doing::Tune { 120 } else { 80 });
        let lie = (random.u8(0..3) == 0).then(|| lie(random));
        let has_leftover = doing != Doing::RunToKeep && random.bool();
        Self { seed, doing, end, ends_at, has_leftover, lie }
    }

    fn arguments(&self, random: &mut fastrand::Rng) -> (&'static str, Vec<&'static str>) {
        let large = ["--size", "24MB", "--files", "2", "--part-size", "5MiB", "--concurrency", "2"];
        let small = ["--size", "8MB", "--files", "64", "--concurrency", "4"];
        let task = if random.bool() { &large[..] } else { &small[..] };
        match self.doing {
            Doing::Run => ("run", [&[TARGET], task].concat()),
            Doing::RunToKeep => ("run", [&[TARGET, "--keep"], task].concat()),
            Doing::Tune => {
                let search = ["--part-sizes", "5MiB,6MiB", "--max-concurrency", "4"];
                let times = ["--warm-up", "200ms", "--window", "700ms", "--soak", "5s"];
                let limits = ["--budget", "5m", "--max-bytes", "120MB"];
                ("tune", [&[TARGET], &large[..4], &search, &times, &limits].concat())
            }
        }
    }
}

/// A way in which a listing is wrong.
fn lie(random: &mut fastrand::Rng) -> (Operation, Quirk) {
    use Operation::{ListMultipartUploads, ListObjectsV2};
    let elsewhere = || "q/theirs".to_owned();
    let lies = [
        (ListObjectsV2, Quirk::Twice("Contents")),
        (ListObjectsV2, Quirk::WithoutElement("LastModified")),
        (ListObjectsV2, Quirk::WithoutElement("Size")),
        (ListObjectsV2, Quirk::WithoutElement("ETag")),
        (ListObjectsV2, Quirk::Element("Key", elsewhere())),
        (ListObjectsV2, Quirk::Element("Size", "-1".into())),
        (ListObjectsV2, Quirk::Element("IsTruncated", "false".into())),
        (ListObjectsV2, Quirk::GoesRound),
        (ListMultipartUploads, Quirk::Twice("Upload")),
        (ListMultipartUploads, Quirk::WithoutElement("Initiated")),
        (ListMultipartUploads, Quirk::Element("Key", elsewhere())),
        (ListMultipartUploads, Quirk::WithoutElement("UploadId")),
        (ListMultipartUploads, Quirk::Element("UploadId", String::new())),
        (ListMultipartUploads, Quirk::GoesRound),
    ];
    lies[random.usize(0..lies.len())].clone()
}

/// One case.
fn play(seed: u64) -> Tally {
    let mut random = fastrand::Rng::with_seed(seed);
    let case = Case::draw(seed, &mut random);
    let serve = Serve::open(&["--bucket", "bucket", "--connection-rate", "4MB/s"]);
    let mut neighbour = Neighbour::new(&serve, random.fork(), &case);
    before(&mut neighbour, &case, &mut random);
    let (asked, lies) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let hostile =
        Hostile::planned(&serve.endpoint(), plan(&case, &neighbour, &asked, &lies, random.fork()));
    let mut tidegate = Tidegate::at(&hostile.endpoint());
    let (verb, arguments) = case.arguments(&mut random);
    let child = tidegate.start(verb, &arguments);
    let is_over = AtomicBool::new(false);
    let code = thread::scope(|scope| {
        scope.spawn(|| neighbour.goes_on(&is_over));
        let code = end(child, &case, &asked);
        is_over.store(true, Ordering::SeqCst);
        code
    });
    assert_ne!(code, Some(101), "it panicked: {case:?}");
    hostile.settle();
    let mut removed = 0;
    for _ in 0..random.u8(1..3) {
        for _ in 0..random.u8(0..3) {
            neighbour.acts();
        }
        let endpoint = if random.bool() { hostile.endpoint() } else { serve.endpoint() };
        removed += clean(tidegate.sent_to(&endpoint), &neighbour, &mut random);
    }
    neighbour.finds_everything(&case);
    Tally {
        cases: BTreeMap::from([((case.doing, case.end), 1)]),
        objects: neighbour.objects.len(),
        uploads: neighbour.uploads.len(),
        below_runs: neighbour.below_runs(),
        replaced: neighbour.replaced,
        lies: lies.load(Ordering::SeqCst),
        removed,
        refused: (code == Some(2)).into(),
    }
}

/// What is there when the run begins.
fn before(neighbour: &mut Neighbour, case: &Case, random: &mut fastrand::Rng) {
    neighbour.puts("q/theirs".into(), "theirs".into());
    let upload = neighbour.http.create_upload("/bucket/q/theirs");
    neighbour.uploads.insert(("q/theirs".into(), upload));
    if case.has_leftover {
        let (marker, data) = (neighbour.leftover.below(MARKER), neighbour.leftover.below("data"));
        neighbour
            .http
            .put(&format!("/bucket/{marker}"), neighbour.leftover.marker(false).as_bytes());
        neighbour.http.put(&format!("/bucket/{data}"), b"of a dead run");
    }
    let may_be_refused = random.u8(0..4) == 0;
    for _ in 0..random.u8(0..6) {
        let key = neighbour.key();
        if case.doing != Doing::RunToKeep || may_be_refused || !key.starts_with("p/") {
            neighbour.writes(key);
        }
    }
}

/// What the hostile server does with each request, and what is noted of them.
fn plan(
    case: &Case,
    neighbour: &Neighbour,
    asked: &Arc<AtomicUsize>,
    lies: &Arc<AtomicUsize>,
    mut random: fastrand::Rng,
) -> impl FnMut(&Asked) -> Option<Quirk> + Send + 'static {
    let mut lie = case.lie.clone();
    if let Some((_, Quirk::Element("UploadId", id))) = &mut lie {
        // One of his own, at whatever key.
        id.clone_from(&neighbour.uploads.first().expect("he has begun one").1);
    }
    let listings = Arc::clone(&neighbour.listings);
    let uploads_began = Arc::clone(&neighbour.uploads_began);
    let (asked, lies) = (Arc::clone(asked), Arc::clone(lies));
    move |request| {
        asked.fetch_add(1, Ordering::SeqCst);
        let operation = Operation::of(request);
        match operation {
            Operation::ListObjectsV2 => *listings.lock().unwrap() += 1,
            Operation::CreateMultipartUpload => uploads_began.store(true, Ordering::SeqCst),
            Operation::PutObject if !request.target.contains(MARKER) => {
                uploads_began.store(true, Ordering::SeqCst);
            }
            _ => {}
        }
        let (_, quirk) = lie.clone().filter(|(of, _)| *of == operation && random.bool())?;
        lies.fetch_add(1, Ordering::SeqCst);
        Some(quirk)
    }
}

/// Ends the run as planned; its exit code, if it had one.
fn end(mut child: Child, case: &Case, asked: &AtomicUsize) -> Option<i32> {
    let signal = match case.end {
        End::Itself => None,
        End::Interrupted => Some(Signal::INT),
        End::Killed => Some(Signal::KILL),
    };
    if let Some(signal) = signal {
        while asked.load(Ordering::SeqCst) < case.ends_at {
            if child.try_wait().unwrap().is_some() {
                break;
            }
            thread::sleep(Duration::from_millis(2));
        }
        // It may have ended by itself.
        let _ = kill_process(Pid::from_child(&child), signal);
    }
    child.wait_with_output().unwrap().status.code()
}

/// `clean`, of whichever run; how many runs it removed.
fn clean(cleaner: &Tidegate, neighbour: &Neighbour, random: &mut fastrand::Rng) -> usize {
    let live = cleaner.runs().pop().and_then(|run| Some(run.file_name()?.to_str()?.to_owned()));
    let mut arguments = vec![TARGET.to_owned()];
    match random.u8(0..6) {
        0 => {}
        1 => arguments.extend(["--run".into(), neighbour.leftover.run.clone()]),
        2 => arguments.extend(["--run".into(), neighbour.forged.clone()]),
        _ => arguments.extend(live.into_iter().flat_map(|run| ["--run".into(), run])),
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let Finished { code, stdout, stderr } = match random.bool() {
        true => cleaner.run("clean", &arguments),
        false => cleaner.run_plain("clean", &arguments),
    };
    assert!([0, 1, 2].contains(&code), "{stderr}");
    stdout.lines().filter(|line| line.starts_with("removed: ")).count()
}

fn play_all(seeds: std::ops::Range<u64>) -> Tally {
    let (next, all) = (Mutex::new(seeds), Mutex::new(Tally::default()));
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                loop {
                    let Some(seed) = next.lock().unwrap().next() else { return };
                    let one = play(seed);
                    all.lock().unwrap().add(one);
                }
            });
        }
    });
    let all = all.into_inner().unwrap();
    eprintln!("{all:?}");
    all
}

impl Tally {
    fn add(&mut self, other: Self) {
        for (case, count) in other.cases {
            *self.cases.entry(case).or_default() += count;
        }
        self.objects += other.objects;
        self.uploads += other.uploads;
        self.below_runs += other.below_runs;
        self.replaced += other.replaced;
        self.lies += other.lies;
        self.removed += other.removed;
        self.refused += other.refused;
    }
}

#[test]
fn what_is_anothers_stays_as_it_is_over_http() {
    let all = play_all(0..8);
    assert!(all.objects > 0 && all.uploads > 0, "{all:?}");
}

#[test]
#[ignore = "takes minutes"]
fn two_hundred_adversaries() {
    let all = play_all(0..200);
    assert_eq!(all.cases.len(), 9, "{all:?}");
    for count in [all.below_runs, all.replaced, all.lies, all.removed, all.refused] {
        assert!(count > 0, "{all:?}");
    }
}
