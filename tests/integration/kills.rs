//! `kill -9` at moments of every kind, then `clean`: the bucket holds exactly what it held before.
//!
//! A proxy knows where each request is and kills the program there, so that every kind of moment is
//! hit. What else is in the bucket stays: objects, uploads of others, prefixes that look alike, and a
//! second run that is alive. All 50, on both servers:
//! `cargo test --test integration -- --ignored --nocapture fifty_kills`.

use std::collections::BTreeMap;
use std::process::Child;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tidegate::store::Store;
use tidegate::store::s3::S3Store;

use crate::clean::bystanders;
use crate::support::SECRET_KEY;
use crate::support::leftover::{Leftover, MARKER};
use crate::support::proxy::{Moment, Watcher, Way, proxy};
use crate::support::relay::Asked;
use crate::support::servers::{Serve, Versitygw, connection};
use crate::support::tidegate::Tidegate;
use crate::support::uploading::{probe, put, wait_for_uploads};

const TARGET: &str = "s3://bucket/p";

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Location,
    WriteMarker,
    ReadMarker,
    Create,
    Part,
    Complete,
    Put,
    Get,
    List,
    ListUploads,
    Abort,
    Delete,
    DeleteMarker,
}

impl Kind {
    fn of(asked: &Asked, body: &[u8]) -> Option<Self> {
        let is_marker = asked.target.contains(MARKER);
        Some(match &*asked.method {
            "GET" if asked.has("versioning") => return None,
            "GET" if asked.has("location") => Self::Location,
            "GET" if asked.has("uploads") => Self::ListUploads,
            "GET" if asked.has("list-type") => Self::List,
            "GET" if is_marker => Self::ReadMarker,
            "GET" => Self::Get,
            "PUT" if asked.has("partNumber") => Self::Part,
            "PUT" if is_marker => Self::WriteMarker,
            "PUT" => Self::Put,
            "POST" if asked.has("uploads") => Self::Create,
            "POST" if asked.has("uploadId") => Self::Complete,
            "POST" if asked.has("delete") => {
                let names_marker = body.windows(MARKER.len()).any(|name| name == MARKER.as_bytes());
                if names_marker { Self::DeleteMarker } else { Self::Delete }
            }
            "DELETE" if asked.has("uploadId") => Self::Abort,
            _ => return None,
        })
    }
}

/// What is run until it is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Doing {
    /// A file of two parts and one of three go up and are read back.
    Run,
    /// Small files go up.
    RunOfSmallFiles,
    /// The same as [`Doing::Run`], and Ctrl-C at its third part.
    RunInterrupted,
    Tune,
    /// What a killed run left is cleaned up.
    Clean,
}

/// Every kind of moment, and how often it comes at least.
const KINDS: [(Doing, Kind, u32); 25] = [
    (Doing::Run, Kind::WriteMarker, 1),
    (Doing::Run, Kind::Create, 2),
    (Doing::Run, Kind::Part, 5),
    (Doing::Run, Kind::Complete, 2),
    (Doing::Run, Kind::Delete, 1),
    (Doing::Run, Kind::DeleteMarker, 1),
    (Doing::Clean, Kind::Delete, 1),
    (Doing::Clean, Kind::Abort, 2),
    (Doing::Clean, Kind::DeleteMarker, 1),
    (Doing::Tune, Kind::WriteMarker, 1),
    (Doing::Tune, Kind::Create, 4),
    (Doing::Tune, Kind::Part, 8),
    (Doing::Tune, Kind::Complete, 3),
    (Doing::Tune, Kind::Delete, 1),
    (Doing::Run, Kind::Location, 1),
    (Doing::Run, Kind::Get, 2),
    (Doing::Run, Kind::List, 1),
    (Doing::Run, Kind::ListUploads, 1),
    (Doing::RunOfSmallFiles, Kind::Put, 8),
    (Doing::RunOfSmallFiles, Kind::Delete, 1),
    (Doing::RunInterrupted, Kind::Abort, 1),
    (Doing::RunInterrupted, Kind::DeleteMarker, 1),
    (Doing::Clean, Kind::ReadMarker, 2),
    (Doing::Clean, Kind::List, 2),
    (Doing::Clean, Kind::ListUploads, 1),
];

/// When to kill.
#[derive(Clone, Copy, Debug)]
struct Plan {
    doing: Doing,
    kind: Kind,
    /// The how many-th request of its kind.
    number: u32,
    moment: Moment,
}

impl Plan {
    fn draw(index: usize, random: &mut fastrand::Rng) -> Self {
        let (doing, kind, at_least) = KINDS[index % KINDS.len()];
        let moments = [Moment::Asked, Moment::Sent, Moment::Answered, Moment::Halfway];
        let has_body = !matches!(
            kind,
            Kind::Location
                | Kind::ReadMarker
                | Kind::Create
                | Kind::Get
                | Kind::List
                | Kind::ListUploads
                | Kind::Abort
        );
        let moment = moments[random.usize(0..if has_body { 4 } else { 3 })];
        Self { doing, kind, number: random.u32(1..=at_least), moment }
    }
}

/// Kills the program when a request is where the plan says.
#[derive(Default)]
struct Killer(Mutex<State>);

#[derive(Default)]
struct State {
    plan: Option<Plan>,
    victim: Option<Pid>,
    seen: BTreeMap<Kind, u32>,
    killed: bool,
}

impl Killer {
    fn aim(&self, plan: Plan) {
        *self.0.lock().unwrap() = State { plan: Some(plan), ..State::default() };
    }

    fn at(&self, child: &Child) {
        self.0.lock().unwrap().victim = Some(Pid::from_child(child));
    }

    /// Whether it was killed by plan.
    fn has_killed(&self) -> bool {
        self.0.lock().unwrap().killed
    }
}

impl Watcher for Killer {
    fn sees(&self, asked: &Asked, moment: Moment, body: &mut [u8]) -> Way {
        let mut state = self.0.lock().unwrap();
        let Some(kind) = Kind::of(asked, body) else { return Way::On };
        let Some(plan) = state.plan else { return Way::On };
        // What a body names is seen only once.
        let kind = match (kind, plan.kind) {
            (Kind::Delete, Kind::DeleteMarker) if moment != Moment::Asked => plan.kind,
            _ => kind,
        };
        if moment == Moment::Asked {
            *state.seen.entry(kind).or_default() += 1;
        }
        let seen = state.seen.get(&kind).copied().unwrap_or_default();
        let signal = if plan.doing == Doing::RunInterrupted
            && (kind, seen, moment) == (Kind::Part, 3, Moment::Asked)
            && !state.killed
        {
            Signal::INT
        } else if (kind, moment) == (plan.kind, plan.moment) && seen >= plan.number && !state.killed
        {
            state.killed = true;
            Signal::KILL
        } else {
            return Way::On;
        };
        drop(state);
        let victim = loop {
            if let Some(victim) = self.0.lock().unwrap().victim {
                break victim;
            }
            thread::sleep(Duration::from_millis(1));
        };
        kill_process(victim, signal).unwrap();
        let is_lost = signal == Signal::KILL && matches!(moment, Moment::Asked | Moment::Halfway);
        if is_lost { Way::Lost } else { Way::On }
    }
}

/// Everything in the bucket.
type Bucket = (Vec<(String, u64)>, Vec<(String, String)>);

async fn state(store: &S3Store) -> Bucket {
    let page = store.list_objects("", None, &probe()).await.unwrap();
    assert_eq!(page.next, None, "one page holds them");
    let objects =
        page.objects.into_iter().map(|object| (object.key, object.size_bytes.unwrap())).collect();
    let mut uploads: Vec<_> = store.list_uploads("", &probe()).await.unwrap();
    uploads.sort_by(|a, b| a.upload.cmp(&b.upload));
    (objects, uploads.into_iter().map(|open| (open.upload.key, open.upload.id)).collect())
}

/// The runs whose marker is in the bucket, but for those that were there before.
fn runs(now: &Bucket, before: &Bucket) -> Vec<String> {
    let names = now.0.iter().filter(|object| !before.0.contains(object));
    let names = names.filter_map(|(key, _)| key.strip_prefix("p/tidegate-"));
    names.filter_map(|key| key.strip_suffix(&format!("/{MARKER}"))).map(str::to_owned).collect()
}

/// Kills `count` times at the server at `endpoint`; how often each kind of moment was hit.
async fn kill_and_clean(endpoint: &str, count: usize, seed: u64) -> BTreeMap<String, u32> {
    let store = S3Store::connect(&connection(endpoint, "bucket", SECRET_KEY).await);
    for (key, text) in bystanders() {
        put(&store, &key, &text).await;
    }
    store.create_upload("p/theirs", &probe()).await.unwrap();
    store.create_upload("p/tidegate-notes/theirs", &probe()).await.unwrap();
    // A second run, alive, whose uploads take longer than all of this.
    let slow = Serve::in_front_of(endpoint, &["--connection-rate", "20kB/s"]);
    let alive = Tidegate::at(&slow.endpoint());
    let upload = [TARGET, "--size", "200MB", "--files", "2", "--part-size", "48MiB"];
    let mut second = alive.start("run", &upload);
    wait_for_uploads(&store, "p/tidegate-2", 2, &mut second).await;
    let before = state(&store).await;

    let killer = Arc::new(Killer::default());
    let proxy = proxy(endpoint, Arc::clone(&killer));
    let program = Tidegate::at(&proxy.endpoint());
    let mut random = fastrand::Rng::with_seed(seed);
    let mut hit = BTreeMap::new();
    for index in 0..count {
        let plan = Plan::draw(index, &mut random);
        let left = match plan.doing {
            Doing::Clean => Some(leave(&store, index).await),
            _ => None,
        };
        killer.aim(plan);
        let mut child = start(&program, plan.doing, left.as_deref());
        killer.at(&child);
        let ended = child.wait().unwrap();
        assert!(killer.has_killed(), "{plan:?} did not come: {ended}");
        // What it had sent is still on its way.
        proxy.settle();
        let cleaner = Tidegate::at(endpoint);
        let silent = cleaner.run_plain("clean", &[TARGET]);
        assert_eq!(silent.code, 0, "{}", silent.stderr);
        let now = state(&store).await;
        let runs = runs(&now, &before);
        assert!(runs.len() <= 1, "{plan:?} left the markers of {runs:?}");
        for run in &runs {
            let cleaned = cleaner.run_plain("clean", &[TARGET, "--run", run]);
            assert_eq!(cleaned.code, 0, "{plan:?}: {}", cleaned.stderr);
        }
        assert_eq!(state(&store).await, before, "{plan:?}");
        assert!(second.try_wait().unwrap().is_none(), "the second run is alive");
        *hit.entry(format!("{:?} {:?}", plan.doing, plan.kind)).or_default() += 1;
    }
    second.kill().unwrap();
    second.wait().unwrap();
    hit
}

fn start(program: &Tidegate, doing: Doing, left: Option<&str>) -> Child {
    let large = ["--size", "24MB", "--files", "2", "--part-size", "5MiB", "--concurrency", "2"];
    match doing {
        Doing::Run => program.start("run", &[&[TARGET, "--verify"][..], &large].concat()),
        Doing::RunInterrupted => program.start("run", &[&[TARGET][..], &large].concat()),
        Doing::RunOfSmallFiles => {
            program.start("run", &[TARGET, "--size", "80kB", "--files", "8", "--concurrency", "2"])
        }
        Doing::Tune => {
            let search = ["--part-sizes", "5MiB,6MiB", "--max-concurrency", "4"];
            let times =
                ["--warm-up", "200ms", "--window", "700ms", "--budget", "5m", "--soak", "5s"];
            program.start("tune", &[&[TARGET][..], &large[..4], &search, &times].concat())
        }
        Doing::Clean => {
            program.start_plain("clean", &[TARGET, "--run", left.expect("something was left")])
        }
    }
}

/// What a killed run leaves; its name.
async fn leave(store: &S3Store, index: usize) -> String {
    let run = Leftover::new(&format!("token {index}"));
    run.leave(store, &["t0/one", "t0/two"], &["t0/one-large", "t0/two-large"]).await;
    run.run
}

#[tokio::test]
async fn a_program_that_is_killed_anywhere_leaves_nothing_that_clean_does_not_remove() {
    let serve = Serve::start(&["--bucket", "bucket"]);
    kill_and_clean(&serve.endpoint(), 5, 1).await;
}

#[tokio::test]
#[ignore = "takes minutes"]
async fn fifty_kills_on_the_embedded_gateway() {
    let serve = Serve::start(&["--bucket", "bucket"]);
    eprintln!("{:#?}", kill_and_clean(&serve.endpoint(), 50, 2).await);
}

#[tokio::test]
#[ignore = "takes minutes"]
async fn fifty_kills_on_versitygw() {
    let Some(versitygw) = Versitygw::start() else { return };
    eprintln!("{:#?}", kill_and_clean(&versitygw.endpoint(), 50, 3).await);
}
