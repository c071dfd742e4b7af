//! Jobs that are told to slow down, in simulated time.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::clock;
use crate::dataset::{Dataset, Scale, Synthetic};
use crate::result::Settings;
use crate::store::model::{ModelStore, Retain};
use crate::storj::{Limits, Model};
use crate::transfer::tests::job;
use crate::transfer::{Control, Job, RetryMode, RetryPolicy, Stage, Worker, WorkerReport};
use crate::units::ByteSize;

const FILES: u64 = 2000;

/// What became of a job.
struct Seen {
    took: Duration,
    attempts: u64,
    refused: u64,
    report: WorkerReport,
}

/// A gateway near by whose nodes are all over the world.
const NEAR_BY: &str = r#"
    round_trip = "15ms"
    tls = true
    connection_rate = "50MB/s"
    call_overhead = "50ms"
    nodes = { required = 29, optimal = 80, total = 110, latency = "100ms", spread = 0.5 }
"#;

/// 2,000 files of so many bytes, to a gateway near by with these limits. A request takes some 150 ms.
fn small_files(mode: RetryMode, size_bytes: u64, movers: u32, limits: Limits, seed: u64) -> Seen {
    let scale = Scale { files: Some(FILES), size: Some(ByteSize(size_bytes * FILES)) };
    let job = Job {
        dataset: Arc::new(Dataset::Synthetic(Synthetic::new("equal", scale).unwrap())),
        settings: Settings { concurrency: movers, ..job(1, 1).settings },
        retry: RetryPolicy::of(mode),
        seed,
        ..job(1, 1)
    };
    let model: Model = toml::from_str(NEAR_BY).unwrap();
    clock::simulate(async {
        let store = ModelStore::new(model, limits, Retain::Nothing, seed);
        let control = Control::new(Stage::Measuring, &job);
        let worker = Worker::new(&store, &job, &control, 0);
        worker.drive(0..job.settings.concurrency).await;
        let took = control.origin.elapsed();
        let report = worker.report();
        assert_eq!(report.failures, []);
        let (attempts, refused) = (report.recorder.attempts(), report.recorder.errors().throttled);
        Seen { took, attempts, refused, report }
    })
}

#[test]
fn small_files_arrive_in_two_minutes_and_hardly_any_request_is_refused() {
    for seed in 1..6 {
        let Seen { took, attempts, refused, .. } =
            small_files(RetryMode::Adaptive, 25_000, 8, Limits::storj(), seed);
        assert!(took <= Duration::from_secs(117), "{took:?}");
        assert!(refused * 20 < attempts, "{refused} of {attempts} were refused");
    }
}

/// Of small objects Storj refuses every call that finds no token, so that a burst leaves nothing to live on.
#[test]
fn without_a_common_pace_inline_objects_take_far_longer() {
    let [adaptive, standard] = [RetryMode::Adaptive, RetryMode::Standard]
        .map(|mode| small_files(mode, 4000, 8, Limits::storj(), 1));
    assert!(standard.took > 3 * adaptive.took, "{:?} for {:?}", standard.took, adaptive.took);
    assert!(standard.refused > 5 * adaptive.refused);
    assert!(adaptive.refused * 20 < adaptive.attempts, "{} were refused", adaptive.refused);
}

#[test]
fn with_a_common_pace_more_movers_are_refused_less_and_are_no_slower() {
    for movers in [8, 16, 64] {
        let [adaptive, standard] = [RetryMode::Adaptive, RetryMode::Standard]
            .map(|mode| small_files(mode, 25_000, movers, Limits::storj(), 1));
        assert!(adaptive.took < standard.took, "{movers} movers: {:?}", adaptive.took);
        assert!(adaptive.refused * 4 < standard.refused, "{movers} movers: {}", adaptive.refused);
    }
}

/// How far apart seven movers come back, one after the other, who were refused at once.
fn apart(mode: RetryMode) -> Vec<Duration> {
    let all_but_one = Limits { calls_per_second: Some(100.0), calls_burst: 1, ..Limits::none() };
    let Seen { report, .. } = small_files(mode, 25_000, 8, all_but_one, 1);
    let second = report.recorder.attempt_records().filter(|attempt| attempt.number == 2);
    let mut back: Vec<_> = second.map(|attempt| attempt.start).collect();
    back.sort_unstable();
    back[..7].windows(2).map(|pair| pair[1].since(pair[0])).collect()
}

#[test]
fn movers_that_are_refused_together_come_back_one_by_one() {
    let [adaptive, standard] = [RetryMode::Adaptive, RetryMode::Standard].map(apart);
    let sum = |apart: &[Duration]| apart.iter().sum::<Duration>();
    assert!(sum(&standard) < Duration::from_millis(200), "{standard:?}");
    assert!(sum(&adaptive) > Duration::from_secs(1), "{adaptive:?}");
    // Each has the time that its calls take, at a rate which has recovered while nobody asked.
    assert!(adaptive.iter().all(|apart| *apart > Duration::from_millis(4)), "{adaptive:?}");
}

#[test]
fn that_too_many_transfers_are_there_at_a_time_slows_nobody() {
    let half = || Limits { transfers: Some(4), ..Limits::none() };
    let [adaptive, standard] = [RetryMode::Adaptive, RetryMode::Standard]
        .map(|mode| small_files(mode, 25_000, 8, half(), 1));
    assert!(adaptive.refused > 0);
    assert!(adaptive.took < standard.took.mul_f64(1.1), "{:?}", adaptive.took);
}

#[test]
fn a_job_that_is_never_refused_is_never_delayed() {
    let [adaptive, standard] = [RetryMode::Adaptive, RetryMode::Standard]
        .map(|mode| small_files(mode, 25_000, 8, Limits::none(), 1));
    assert_eq!((adaptive.took, adaptive.refused), (standard.took, 0));
}

#[test]
fn nobody_waits_before_the_first_refusal() {
    let took = clock::simulate(async {
        let throttle = Throttle::default();
        for _ in 0..1000 {
            throttle.turn(1000).await;
        }
        clock::now().since(Instant::default())
    });
    assert_eq!(took, Duration::ZERO);
}

#[test]
fn a_refusal_cuts_to_seven_tenths_of_what_was_let_in() {
    let rate = clock::simulate(async {
        let throttle = Throttle::default();
        for _ in 0..20 {
            clock::sleep(Duration::from_millis(100)).await;
            throttle.sent(10);
        }
        throttle.refused(clock::now());
        throttle.pace().rate(clock::now())
    });
    assert!((rate / 70.0 - 1.0).abs() < 1e-9, "{rate} of 100 calls a second");
}
