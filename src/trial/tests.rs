//! Loads of every shape in simulated time: one engine on a store with a modelled link.

use std::sync::Arc;
use std::time::Duration;

use super::{Finished, Label, Load, Stop};
use crate::clock;
use crate::dataset::{Dataset, FileSpec, Scale, Synthetic};
use crate::interrupt::Interrupt;
use crate::measure::Probe;
use crate::result::{self, LimitedBy, Phase, Settings, Traffic};
use crate::store::model::{ModelStore, Retain};
use crate::store::{Place, Store};
use crate::storj::{Limits, Model};
use crate::transfer::{Allowance, Arrivals, Caps, Flow, Gate, Job, MIXED_DOWN, Mix, Order, Spent};
use crate::units::{ByteSize, MIB, Rate};

const MOVERS: u32 = 8;

/// Each file is one part, which takes a tenth of a second.
const FILE_BYTES: u64 = 5 * MIB;
const STREAM: f64 = 50.0 * MIB as f64;

/// All movers together.
const FULL: f64 = STREAM * MOVERS as f64;

const SECOND: Duration = Duration::from_secs(1);

fn store(retain: Retain) -> ModelStore {
    let model = Model { connection_rate: Some(Rate(STREAM)), ..Model::default() };
    ModelStore::new(model, Limits::none(), retain, 1)
}

fn job(direction: Flow, order: Order, files: u64) -> Job {
    let file = |number| FileSpec { path: format!("{number}"), size_bytes: FILE_BYTES };
    let files = (0..files).map(file).collect();
    // The store invents what is read of them.
    let dataset = Arc::new(Dataset::Objects(files));
    let settings =
        Settings { part_size_bytes: FILE_BYTES, concurrency: MOVERS, parts_in_flight: 1 };
    Job { order, seed: 1, ..Job::new(dataset, direction, settings, "p/".into()) }
}

/// What came of a trial, and how long it took.
struct Trial {
    result: result::Trial,
    took: Duration,
    stopped: bool,
}

impl Trial {
    /// The goodput, where 1 is all that the movers can do.
    fn rate(&self) -> f64 {
        self.result.goodput_bytes_per_second / FULL
    }
}

/// Runs a job under a load; what it downloads lies in the store before.
fn run(job: Job, load: Load) -> Trial {
    run_at(|| store(Retain::Layout), job, load)
}

fn run_at(store: impl FnOnce() -> ModelStore, job: Job, load: Load) -> Trial {
    clock::simulate(async {
        let store = store();
        prepare(&store, &job).await;
        let label = Label { id: 0, phase: Phase::Run, block: None };
        let (place, never, began) = (Place::Simulated(store), Interrupt::never(), clock::now());
        let ended = super::run(job, load, label, &place, &never, &mut |_| ()).await;
        let Finished { trial: result, stopped, .. } = ended.expect("nothing can fail to start");
        Trial { result, took: began.elapsed(), stopped }
    })
}

/// Puts the objects of the job where it will look for them.
async fn prepare(store: &ModelStore, job: &Job) {
    let below = match job.direction {
        Flow::Up => return,
        Flow::Down => "",
        Flow::Mixed(_) => MIXED_DOWN,
    };
    for index in 0..job.dataset.files() {
        let FileSpec { path, size_bytes } = job.dataset.file(index);
        let key = format!("{}{below}{path}", job.prefix);
        let payload = job.pattern.payload(&key, 0, size_bytes);
        let probe = Probe::begin(&Arc::default(), clock::now());
        store.put_object(&key, payload, &probe).await.expect("the store takes it");
    }
}

fn timed(warm_up: Duration, stop: Stop) -> Load {
    Load::Timed { warm_up, stop }
}

fn under(direction: Flow, load: Load, files: u64) -> Trial {
    run(job(direction, load.order(), files), load)
}

#[test]
fn a_window_of_a_given_width_is_measured_at_the_full_rate() {
    let trial = under(Flow::Down, timed(SECOND, Stop::after(6 * SECOND)), 20);
    assert_eq!(trial.result.window.steady, Some(true));
    assert!((trial.rate() - 1.0).abs() < 0.02, "{}", trial.rate());
    assert!(trial.took < 8 * SECOND, "{:?}", trial.took);
}

#[test]
fn a_window_opens_no_sooner_than_its_gate() {
    let load = timed(SECOND, Stop::after(6 * SECOND));
    let window = |opens_after: u32| {
        clock::simulate(async {
            let gate: Arc<Gate> = Arc::default();
            let job = Job { gate: Some(Arc::clone(&gate)), ..job(Flow::Down, load.order(), 20) };
            let store = store(Retain::Layout);
            prepare(&store, &job).await;
            let label = Label { id: 0, phase: Phase::Run, block: None };
            let (place, never) = (Place::Simulated(store), Interrupt::never());
            let open = async {
                gate.reached().await;
                clock::sleep(opens_after * SECOND).await;
                gate.open();
            };
            let mut show = |_: &_| ();
            let trial = super::run(job, load, label, &place, &never, &mut show);
            let (ended, ()) = tokio::join!(trial, open);
            ended.unwrap().trial.window
        })
    };
    let (at_once, later) = (window(0), window(10));
    assert!((later.start_s - at_once.start_s - 10.0).abs() < 0.11, "{at_once:?} {later:?}");
    assert!((later.end_s - later.start_s - 6.0).abs() < 0.11, "{later:?}");
}

#[test]
fn a_load_of_so_many_objects_moves_exactly_these() {
    let stop = Stop { objects: Some(501), ..Stop::default() };
    let trial = under(Flow::Down, timed(SECOND, stop), 20);
    assert_eq!((trial.result.objects, trial.result.cut), (501, 0));
}

#[test]
fn a_load_of_so_many_bytes_ends_with_the_file_that_reaches_them() {
    let stop = Stop { bytes: Some(300 * FILE_BYTES + 1), ..Stop::default() };
    let trial = under(Flow::Down, timed(SECOND, stop), 20);
    assert_eq!((trial.result.objects, trial.result.bytes), (301, 301 * FILE_BYTES));
}

#[test]
fn the_first_limit_that_is_reached_ends_a_load() {
    let both = Stop { objects: Some(500), window: Some(2 * SECOND), ..Stop::default() };
    let trial = under(Flow::Down, timed(SECOND, both), 20);
    assert!(trial.result.objects < 300, "{}", trial.result.objects);
}

#[test]
fn only_the_time_in_which_all_movers_are_busy_is_measured() {
    // The last file takes as long as a hundred others: seven movers have nothing to do meanwhile.
    let load = timed(SECOND, Stop { objects: Some(500), ..Stop::default() });
    let mut job = job(Flow::Down, load.order(), 500);
    let Some(Dataset::Objects(files)) = Arc::get_mut(&mut job.dataset) else { unreachable!() };
    files[499].size_bytes *= 100;
    let trial = run(job, load);
    assert_eq!((trial.result.objects, trial.result.cut), (500, 0));
    let closed = Duration::from_secs_f64(trial.result.window.end_s);
    assert!(trial.took > closed + 8 * SECOND, "{closed:?} of {:?}", trial.took);
    assert!((trial.rate() - 1.0).abs() < 0.02, "{}", trial.rate());
}

#[test]
fn a_load_that_is_over_within_the_warm_up_is_measured_from_its_start_and_says_so() {
    let stop = Stop { objects: Some(100), ..Stop::default() };
    let Trial { result, took, .. } = under(Flow::Down, timed(60 * SECOND, stop), 20);
    assert_eq!((result.objects, result.window.steady, result.window.start_s), (100, None, 0.0));
    assert!(result.warnings[0].contains("ended before"), "{:?}", result.warnings);
    assert!(result.goodput_bytes_per_second > 0.5 * FULL);
    assert!(took < 60 * SECOND);
}

#[test]
fn files_that_have_not_arrived_are_still_to_come_though_a_mover_waits_for_them() {
    // The last one arrives after 19.5 s, and eight movers wait for the last eight.
    let load = timed(SECOND, Stop { objects: Some(40), ..Stop::default() });
    let arrivals = Arrivals::Constant { files_per_second: 2.0 };
    let Trial { result, .. } = run(Job { arrivals, ..job(Flow::Down, load.order(), 40) }, load);
    assert_eq!((result.objects, result.window.end_s), (40, 19.5));
    assert!(result.evidence.contains("their arrivals set the rate"), "{}", result.evidence);
}

#[test]
fn arrivals_set_the_rate_of_a_whole_task_unless_it_ends_long_after_them() {
    // A mover carries ten files a second.
    for (files_per_second, limited_by) in
        [(5.0, LimitedBy::Unknown), (40.0, LimitedBy::GatewayOrNetwork)]
    {
        let mut job = job(Flow::Down, Order::Once, 100);
        job.arrivals = Arrivals::Constant { files_per_second };
        job.settings.concurrency = 1;
        assert_eq!(run(job, Load::WholeTask).result.limited_by, limited_by);
    }
}

#[test]
fn a_trial_whose_allowance_is_used_up_stops_within_it_and_says_so() {
    let timed = timed(SECOND, Stop::after(60 * SECOND));
    let caps = Caps { bytes: Some(100 * FILE_BYTES + 1), ..Caps::default() };
    let allowance = Arc::new(Allowance::new(caps, Spent::default()));
    let mut job = job(Flow::Down, timed.order(), 20);
    job.allowance = Some(Arc::clone(&allowance));
    let trial = run(job, timed);
    assert!(trial.stopped && trial.took < 5 * SECOND, "{:?}", trial.took);
    assert_eq!(allowance.spent().bytes_down, 100 * FILE_BYTES);
    assert_eq!((trial.result.bytes, trial.result.cut), (100 * FILE_BYTES, 0));
}

#[test]
fn a_load_stops_when_it_is_stable_and_that_stretch_is_measured() {
    let stop = Stop { stable: Some(10 * SECOND), window: Some(600 * SECOND), ..Stop::default() };
    let trial = under(Flow::Down, timed(SECOND, stop), 20);
    assert!(trial.took < 15 * SECOND, "{:?}", trial.took);
    let window = &trial.result.window;
    assert_eq!(window.steady, Some(true));
    assert!((window.end_s - window.start_s - 10.0).abs() < 1e-9, "{window:?}");
    assert!(window.rule.contains("steadystate"), "{}", window.rule);
    assert!((trial.rate() - 1.0).abs() < 0.02, "{}", trial.rate());
}

#[test]
fn a_load_that_never_is_stable_ends_in_time_and_is_called_not_steady() {
    // A few files a second, each by itself: no two seconds are alike.
    let stop = Stop { stable: Some(10 * SECOND), window: Some(40 * SECOND), ..Stop::default() };
    let load = timed(SECOND, stop);
    let arrivals = Arrivals::Poisson { files_per_second: 3.0 };
    let Trial { result, took, .. } =
        run(Job { arrivals, ..job(Flow::Down, load.order(), 20) }, load);
    assert_eq!(result.window.steady, Some(false));
    assert!(took > 40 * SECOND && took < 50 * SECOND, "{took:?}");
}

#[test]
fn a_mixed_load_moves_each_way_its_share_of_the_files_and_is_measured_each_way() {
    let mix: Mix = "70:30".parse().expect("a mix");
    let load = timed(SECOND, Stop { objects: Some(1000), ..Stop::default() });
    let job = Job { dataset: synthetic(20), ..job(Flow::Mixed(mix), load.order(), 20) };
    let Trial { result, .. } = run(job, load);
    let mixed = result.mixed.expect("it was mixed");
    assert_eq!((result.direction, mixed.up.files_share), (Traffic::Mixed, 0.7));
    assert_eq!((mixed.up.objects, mixed.down.objects), (700, 300));
    assert_eq!(mixed.up.bytes + mixed.down.bytes, result.bytes);
    let up_share = mixed.up.bytes as f64 / result.bytes as f64;
    assert!((up_share - 0.7).abs() < 0.02, "{up_share}");
    let sum = mixed.up.goodput_bytes_per_second + mixed.down.goodput_bytes_per_second;
    assert!((sum / result.goodput_bytes_per_second - 1.0).abs() < 1e-9);
    let up_share = mixed.up.goodput_bytes_per_second / sum;
    assert!((up_share - 0.7).abs() < 0.05, "{up_share}");
}

#[test]
fn what_is_read_back_is_no_goodput_of_the_uploads() {
    let verified = |load: Load| {
        let uploads = job(Flow::Up, load.order(), 0);
        let job = Job { verify: true, dataset: synthetic(24), ..uploads };
        run_at(|| store(Retain::Memory), job, load)
    };
    let task = verified(Load::WholeTask).result;
    let moved = synthetic(24).bytes();
    assert_eq!((task.objects, task.bytes, task.read_back_bytes), (24, moved, moved));
    let wire = task.wire_bytes_per_second / task.goodput_bytes_per_second;
    assert!((wire - 1.0).abs() < 0.01, "{wire}");
    // Sending and reading back take as long: each is half of the time.
    let timed = verified(timed(SECOND / 2, Stop::after(SECOND)));
    assert!((0.4..0.6).contains(&timed.rate()), "{}", timed.rate());
    assert!(timed.result.read_back_bytes > 0);
}

#[test]
fn a_mixed_dataset_moved_once_uses_each_name_once() {
    let mix: Mix = "1:2".parse().expect("a mix");
    let job = Job { dataset: synthetic(30), ..job(Flow::Mixed(mix), Order::Once, 30) };
    let keys: Vec<String> =
        (0..).map_while(|index| job.object(index)).map(|(key, _)| key).collect();
    let distinct: std::collections::BTreeSet<&String> = keys.iter().collect();
    assert_eq!((keys.len(), distinct.len()), (30, 30));
    let up = keys.iter().filter(|key| key.starts_with("p/up/0/")).count();
    let down = keys.iter().filter(|key| key.starts_with("p/down/")).count();
    assert_eq!((up, down), (10, 20));
}

/// Files that can be uploaded, of about the same size as the others.
fn synthetic(files: u64) -> Arc<Dataset> {
    let scale = Scale { files: Some(files), size: Some(ByteSize(files * FILE_BYTES)) };
    Arc::new(Dataset::Synthetic(Synthetic::new("esnet-5MB", scale).expect("it is a profile")))
}

/// Uploads that are read back, of files of this size, by movers that begin one after the other.
fn verified_at(store: impl FnOnce() -> ModelStore, load: Load, file_bytes: u64) -> Trial {
    run_at(store, Job { verify: true, ..job_of_synthetic(load, file_bytes) }, load)
}

fn job_of_synthetic(load: Load, file_bytes: u64) -> Job {
    let scale = Scale { files: Some(40), size: Some(ByteSize(40 * file_bytes)) };
    let dataset = Dataset::Synthetic(Synthetic::new("esnet-5MB", scale).expect("it is a profile"));
    let spread = match load {
        Load::WholeTask => Duration::ZERO,
        Load::Timed { warm_up, .. } => warm_up,
    };
    Job { dataset: Arc::new(dataset), spread, ..job(Flow::Up, load.order(), 1) }
}

fn effective(trial: &Trial) -> f64 {
    let found = trial.result.verification.expect("it was verified");
    found.effective_speed_bytes_per_second.expect("it was read back") / FULL
}

#[test]
fn effective_speed_is_one_over_the_sum_of_the_times_of_a_byte_up_and_back() {
    // Both ways a byte takes as long: half of the movers' speed is left. A file is read back in a tenth
    // of a second, and in three seconds, longer than the window.
    for file_bytes in [FILE_BYTES, 30 * FILE_BYTES] {
        for window in [SECOND / 2, 2 * SECOND, 7 * SECOND] {
            let load = timed(SECOND, Stop::after(window));
            let trial = verified_at(|| store(Retain::Layout), load, file_bytes);
            let speed = effective(&trial);
            assert!((speed - 0.5).abs() < 0.02, "{speed} of {file_bytes} B in {window:?}");
            let found = trial.result.verification.unwrap();
            for way in [found.uploading_bytes_per_second, found.reading_back_bytes_per_second] {
                assert!((way.unwrap() / FULL - 1.0).abs() < 0.04, "{found:?}");
            }
        }
    }
}

#[test]
fn effective_speed_under_throttling_is_that_of_the_transfers_that_are_let_in() {
    // Half of the movers are refused all the time, which is in the time of their uploads: those that are
    // let in upload for half of theirs.
    let model = Model { connection_rate: Some(Rate(STREAM)), ..Model::default() };
    let limits = Limits { transfers: Some(MOVERS / 2), ..Limits::none() };
    let throttling = || ModelStore::new(model.clone(), limits.clone(), Retain::Layout, 1);
    let load = timed(SECOND, Stop::after(60 * SECOND));
    let trial = verified_at(throttling, load, FILE_BYTES);
    assert!(trial.result.errors.throttled > 0);
    let speed = effective(&trial);
    assert!((speed - 0.25).abs() < 0.01, "{speed}");
    let arrived = trial.result.objects as f64 * FILE_BYTES as f64 / FULL;
    let seconds = trial.result.window.end_s;
    assert!((arrived / seconds - 0.25).abs() < 0.02, "{arrived} in {seconds}");
}

#[test]
fn a_verified_task_has_the_effective_speed_of_its_whole_time() {
    let trial = verified_at(|| store(Retain::Layout), Load::WholeTask, FILE_BYTES);
    let task = trial.result.task.as_ref().expect("it is a whole task");
    let speed = task.effective_speed_bytes_per_second / FULL;
    assert!((effective(&trial) - speed).abs() < 1e-9 && speed < 0.52, "{speed}");
}

#[test]
fn a_trial_ends_when_the_endpoint_asks_to_wait_for_longer_than_the_window() {
    let stops = [Stop::after(10 * SECOND), Stop::at_once_after(10 * SECOND)];
    // The second is more than anybody waits for.
    for (stop, wait) in stops.into_iter().flat_map(|stop| [(stop, 290), (stop, 86_400)]) {
        let retry_after = Duration::from_secs(wait);
        let limits = Limits { transfers: Some(0), retry_after, ..Limits::none() };
        let store = || ModelStore::new(Model::default(), limits, Retain::Layout, 1);
        let trial = verified_at(store, timed(SECOND, stop), FILE_BYTES);
        assert!(trial.took < 10 * SECOND, "{:?}", trial.took);
        let warnings = &trial.result.warnings;
        let put_off = |warning: &String| warning.contains("longer than the window of 10s");
        assert!(warnings.iter().any(put_off), "{warnings:?}");
        let throttled = trial.result.errors.throttled;
        assert!((u64::from(MOVERS)..100).contains(&throttled), "{throttled} refusals");
        assert_eq!(trial.result.retry_after_max_s, Some(wait as f64));
    }
}

#[test]
fn a_trial_goes_on_while_others_are_let_in_though_some_are_asked_to_wait_for_longer() {
    let model = Model { connection_rate: Some(Rate(STREAM)), ..Model::default() };
    let wait = Duration::from_secs(290);
    let limits = Limits { transfers: Some(MOVERS / 2), retry_after: wait, ..Limits::none() };
    let throttling = || ModelStore::new(model.clone(), limits.clone(), Retain::Layout, 1);
    let load = timed(SECOND, Stop::at_once_after(10 * SECOND));
    let trial = run_at(throttling, job_of_synthetic(load, FILE_BYTES), load);
    assert!(trial.took > 10 * SECOND, "{:?}", trial.took);
    assert!(trial.result.objects > 0 && trial.result.errors.throttled > 0);
}
