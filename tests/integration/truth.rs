//! What is measured is what happened: numbers of real transfers against what the server drew, read and
//! answered.

use std::collections::{BTreeMap, HashMap};
use std::f64::consts::TAU;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tidegate::dataset::{Dataset, FileSpec, Pattern, Scale, Synthetic};
use tidegate::measure::{Operation, Outcome, Recorder};
use tidegate::result::{Direction, FileFailure, Percentiles, Settings};
use tidegate::store::s3::S3Store;
use tidegate::transfer::{
    Arrivals, Control, GetMode, Job, Order, RetryPolicy, Sink, Stage, Start, Worker,
};
use tidegate::units::ByteSize;

use crate::support::SECRET_KEY;
use crate::support::servers::{Serve, connection};
use crate::support::tidegate::Tidegate;
use crate::support::truth_server::{Asked, Exchange, OBJECT_BYTES, Plan, TruthServer};

/// Worker threads, whose recorders are merged.
const THREADS: u32 = 2;

const ALL: usize = usize::MAX;

/// Delays of the head and of the body of an answer: log-normal, independent of each other.
#[derive(Clone, Copy)]
struct Delays {
    median: Duration,
    /// Standard deviation of the logarithm.
    sigma: f64,
}

impl Delays {
    /// The draws for a request: the same whenever it comes (Box and Muller, "A Note on the Generation
    /// of Random Normal Deviates", 1958, gives two at a time).
    fn draw(self, asked: &Asked) -> Plan {
        let mut hasher = DefaultHasher::new();
        asked.key.hash(&mut hasher);
        let mut random = fastrand::Rng::with_seed(hasher.finish());
        let (radius, angle) = ((-2.0 * (1.0 - random.f64()).ln()).sqrt(), TAU * random.f64());
        let delay = |normal: f64| self.median.mul_f64((self.sigma * normal).exp());
        Plan::Answer { head: delay(radius * angle.cos()), body: delay(radius * angle.sin()) }
    }
}

/// Requests against a server with these delays.
#[derive(Clone, Copy)]
struct Case {
    delays: Delays,
    requests: u64,
    concurrency: u32,
    /// A percentile may be off by this share, or by [`OFF_US_MAX`].
    percent_off_max: u64,
}

/// What signing, two processes' wake-ups and loopback may take of a request.
const OFF_US_MAX: u64 = 2_000;

const FULL: Case = Case {
    delays: Delays { median: Duration::from_millis(250), sigma: 0.7 },
    requests: 12_000,
    concurrency: 300,
    percent_off_max: 1,
};

/// The same beside other tests, which keep both cores busy: that delays either end by tens of
/// milliseconds, so that delays are longer and the bound is wide, but not so wide that a time taken
/// from or to another moment would pass.
const QUICK: Case = Case {
    delays: Delays { median: Duration::from_millis(800), sigma: 0.4 },
    requests: 500,
    concurrency: 200,
    percent_off_max: 10,
};

#[test]
fn measured_times_are_those_the_server_drew_up() {
    QUICK.assert_measured(Direction::Up);
}

#[test]
fn measured_times_are_those_the_server_drew_down() {
    QUICK.assert_measured(Direction::Down);
}

#[test]
#[ignore = "24,000 requests: a minute of a machine that does nothing else"]
fn measured_times_of_many_requests_are_those_the_server_drew() {
    FULL.assert_measured(Direction::Up);
    FULL.assert_measured(Direction::Down);
}

impl Case {
    fn assert_measured(self, direction: Direction) {
        let server = TruthServer::start(move |asked| self.delays.draw(asked));
        let dataset = match direction {
            Direction::Up => synthetic(self.requests, self.requests * OBJECT_BYTES),
            Direction::Down => objects(self.requests),
        };
        let concurrency = self.concurrency;
        let settings = Settings { part_size_bytes: 1 << 20, concurrency, parts_in_flight: 1 };
        // Movers that began together would wait for each other's connections.
        let spread = 2 * self.delays.median;
        let job = Job { direction: direction.into(), spread, ..job(dataset, settings) };
        let Moved { recorder, failures } = transfer(&server, &job);
        assert_eq!(failures.first(), None);
        let exchanges = server.stop();
        assert_eq!(exchanges.len() as u64, self.requests);
        assert_no_request_was_faster(&recorder, &job, &exchanges);

        let operation = if direction == Direction::Up { Operation::Put } else { Operation::Get };
        let summary = &recorder.summaries()[operation.name()];
        let compared = [("TTFB", summary.ttfb_us), ("service time", summary.service_time_us)];
        let mut far_off = Vec::new();
        for (which, (name, measured)) in compared.into_iter().enumerate() {
            let drawn = percentiles(exchanges.iter().map(|exchange| drawn(exchange)[which]));
            let kept = percentiles(exchanges.iter().map(|exchange| exchange.took[which]));
            assert_eq!(measured.samples, self.requests);
            let Percentiles { p50, p90, p99, p999, .. } = measured;
            for (index, measured_us) in [p50, p90, p99, p999].into_iter().enumerate() {
                let ms = |us: u64| us as f64 / 1e3;
                let line = format!(
                    "{direction:?} {name:<12} p{:<4}: drawn {:>7.2} ms, server {:+.2} ms, client {:+.2} ms",
                    100.0 * QUANTILES[index],
                    ms(drawn[index]),
                    ms(kept[index]) - ms(drawn[index]),
                    ms(measured_us) - ms(drawn[index]),
                );
                println!("{line}");
                let off_max_us = (drawn[index] * self.percent_off_max / 100).max(OFF_US_MAX);
                if measured_us.abs_diff(drawn[index]) > off_max_us {
                    far_off.push(line);
                }
            }
        }
        assert!(far_off.is_empty(), "{far_off:#?}");
    }
}

/// To the first byte of the answer, and to the last.
fn drawn(exchange: &Exchange) -> [Duration; 2] {
    match exchange.plan {
        Plan::Answer { head, body } => [head, head + body],
        other => panic!("{other:?} has no times"),
    }
}

/// Those of the result document.
const QUANTILES: [f64; 4] = [0.5, 0.9, 0.99, 0.999];

/// The smallest times of which the quantile's share is not larger, in microseconds.
fn percentiles(times: impl Iterator<Item = Duration>) -> [u64; 4] {
    let mut times: Vec<u64> = times.map(|time| time.as_micros() as u64).collect();
    times.sort_unstable();
    QUANTILES.map(|quantile| times[(quantile * times.len() as f64).ceil() as usize - 1])
}

/// This holds on the busiest machine.
fn assert_no_request_was_faster(recorder: &Recorder, job: &Job, exchanges: &[Exchange]) {
    let took: HashMap<&str, [Duration; 2]> =
        exchanges.iter().map(|exchange| (&*exchange.asked.key, exchange.took)).collect();
    assert_eq!(recorder.attempt_records().count(), took.len());
    for attempt in recorder.attempt_records() {
        let (key, _) = job.object(attempt.file).unwrap();
        let to_first = attempt.first_byte_at().unwrap().since(attempt.start);
        let measured = [to_first, attempt.end.since(attempt.start)];
        for (measured, took) in measured.into_iter().zip(took[&*key]) {
            assert!(measured >= took, "{key}: {measured:?} < {took:?}");
        }
    }
}

/// Bytes of a part of most of the tests below.
const PART_BYTES: u64 = 64 << 10;

#[test]
fn wire_and_good_bytes_differ_by_the_parts_that_were_sent_in_vain() {
    // One part in twenty is read whole and then failed, the first time.
    let server = TruthServer::start(|asked| match asked.is_part() && asked.attempt == 1 {
        true if part_number(asked).is_multiple_of(20) => Plan::Refuse(500, "InternalError"),
        _ => Plan::OK,
    });
    let (recorder, exchanges) = upload_in_parts(server, PART_BYTES, 800);
    let [sent, in_vain] = part_bytes(&exchanges);
    assert_eq!(in_vain, 40 * PART_BYTES, "5 % of the parts");
    assert_eq!(recorder.wire_bytes(0, ALL), sent);
    assert_eq!(recorder.wire_bytes(0, ALL) - recorder.good_bytes(0, ALL), in_vain);
    assert_eq!(recorder.payload_bytes(), sent - in_vain);
    assert_eq!((recorder.errors().server, recorder.errors().total()), (40, 40));
}

#[test]
fn of_a_part_that_is_throttled_at_once_only_what_the_socket_carried_is_on_the_wire() {
    let server = TruthServer::start(|asked| match asked.is_part() && asked.attempt == 1 {
        true if part_number(asked).is_multiple_of(2) => Plan::Throttle,
        _ => Plan::OK,
    });
    let large = 64 * PART_BYTES;
    let (recorder, exchanges) = upload_in_parts(server, large, 80);
    let [sent, in_vain] = part_bytes(&exchanges);
    println!("{in_vain} bytes of {} were sent in vain", 40 * large);
    assert!(in_vain > 0 && in_vain < 40 * large);
    assert_eq!(recorder.wire_bytes(0, ALL), sent);
    assert_eq!(recorder.wire_bytes(0, ALL) - recorder.good_bytes(0, ALL), in_vain);
    assert_eq!((recorder.errors().throttled, recorder.errors().total()), (40, 40));
}

#[test]
fn failures_add_up_by_class_to_what_the_server_did() {
    let plans = [
        ("throttled", Plan::Refuse(503, "SlowDown")),
        ("timeout", Plan::Refuse(400, "RequestTimeout")),
        ("connection", Plan::HangUp),
        ("checksum", Plan::Refuse(400, "BadDigest")),
        ("server", Plan::Refuse(503, "ServiceUnavailable")),
    ];
    let server = TruthServer::start(move |asked| match asked.is_part() && asked.attempt == 1 {
        true => plans.get(part_number(asked) as usize % 7).map_or(Plan::OK, |(_, plan)| *plan),
        false => Plan::OK,
    });
    let (recorder, exchanges) = upload_in_parts(server, PART_BYTES, 400);
    let counted = serde_json::to_value(recorder.errors()).unwrap();
    for (class, plan) in plans {
        let done = exchanges.iter().filter(|exchange| exchange.plan == plan).count();
        assert!(done > 0, "{class}");
        assert_eq!(counted[class], done, "{class}");
    }
    assert_eq!(recorder.errors().client, 0);
    let [sent, in_vain] = part_bytes(&exchanges);
    assert_eq!(recorder.wire_bytes(0, ALL), sent);
    assert_eq!(recorder.wire_bytes(0, ALL) - recorder.good_bytes(0, ALL), in_vain);
    // The records say the same as the counters.
    let records = || recorder.attempt_records();
    let failed = records().filter(|attempt| matches!(attempt.outcome, Outcome::Failed(_))).count();
    assert_eq!(failed as u64, recorder.errors().total());
    assert_eq!(records().count() as u64, recorder.attempts());
    assert_eq!(records().map(|attempt| attempt.bytes).sum::<u64>(), sent);
    assert_eq!(records().filter(|attempt| attempt.number == 2).count(), failed);
}

/// Three files of so many parts in all, and what the server made of them.
fn upload_in_parts(
    server: TruthServer,
    part_size_bytes: u64,
    parts: u64,
) -> (Recorder, Vec<Exchange>) {
    // An eighth, a quarter and five eighths of the parts.
    let files = 3;
    let settings = Settings { part_size_bytes, concurrency: 3, parts_in_flight: 4 };
    let dataset = synthetic(files, parts * part_size_bytes);
    let Moved { recorder, failures } = transfer(&server, &job(dataset, settings));
    assert_eq!(failures.first(), None);
    assert_eq!(recorder.summaries()["part"].count, parts);
    assert_eq!(recorder.object_times().completed.map(|times| times.samples), Some(files));
    (recorder, server.stop())
}

fn part_number(asked: &Asked) -> u64 {
    let mut pairs = asked.query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(name, _)| *name == "partNumber").unwrap().1.parse().unwrap()
}

/// Bytes of parts that the server read: all, and those of parts it did not take.
fn part_bytes(exchanges: &[Exchange]) -> [u64; 2] {
    let parts = || exchanges.iter().filter(|exchange| exchange.asked.is_part());
    let refused = parts().filter(|exchange| exchange.plan != Plan::OK);
    [parts().map(|part| part.body_bytes).sum(), refused.map(|part| part.body_bytes).sum()]
}

fn synthetic(files: u64, bytes: u64) -> Dataset {
    let scale = Scale { files: Some(files), size: Some(ByteSize(bytes)) };
    Dataset::Synthetic(Synthetic::new("esnet-5MB", scale).unwrap())
}

fn objects(files: u64) -> Dataset {
    let object = |number| FileSpec { path: format!("{number:06}"), size_bytes: OBJECT_BYTES };
    Dataset::Objects((0..files).map(object).collect())
}

fn job(dataset: Dataset, settings: Settings) -> Job {
    Job {
        dealt: Default::default(),
        gate: None,
        dataset: Arc::new(dataset),
        direction: Direction::Up.into(),
        settings,
        prefix: "p/".into(),
        pattern: Pattern::new(7),
        sink: Sink::Discard,
        get: GetMode::Whole,
        verify: false,
        etag_part_size_bytes: None,
        retry: RetryPolicy { delay_first: Duration::from_millis(1), ..RetryPolicy::default() },
        order: Order::Once,
        arrivals: Arrivals::Closed,
        paces: Default::default(),
        spread: Duration::ZERO,
        start: Start::Fresh,
        seed: 1,
        keep_attempts: true,
        allowance: None,
        ledger: Arc::default(),
        script: None,
        live: Arc::default(),
    }
}

struct Moved {
    recorder: Recorder,
    failures: Vec<FileFailure>,
}

/// Runs the engine on several threads, each with a client of its own, and merges what they saw.
fn transfer(server: &TruthServer, job: &Job) -> Moved {
    let control = Control::new(Stage::Measuring, job);
    let work = |number: u32| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let connection = connection(&server.endpoint(), "bucket", SECRET_KEY).await;
            let store = S3Store::connect(&connection);
            let worker = Worker::new(&store, job, &control, number.into());
            worker.drive((number..job.settings.concurrency).step_by(THREADS as usize)).await;
            worker.report()
        })
    };
    let work = &work;
    let mut moved = Moved { recorder: Recorder::default(), failures: Vec::new() };
    std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..THREADS).map(|number| scope.spawn(move || work(number))).collect();
        for thread in threads {
            let report = thread.join().unwrap();
            moved.recorder.merge(report.recorder);
            moved.failures.extend(report.failures);
        }
    });
    moved
}

#[test]
fn the_files_beside_a_result_agree_with_it() {
    let serve = Serve::start(&["--bucket", "bucket"]);
    let tidegate = Tidegate::at(&serve.endpoint());
    let upload = ["s3://bucket/p", "--size", "60MB", "--files", "6", "--part-size", "5MiB"];
    let document = tidegate.json("run", &[&upload[..], &["--attempts", "--verify"]].concat());
    let (run, trial) = (tidegate.runs().pop().unwrap(), &document["trials"][0]);

    let series = Table::read(&std::fs::read_to_string(run.join("trial-000.csv")).unwrap());
    assert_eq!(series.sum("good_bytes"), trial["bytes"].as_u64().unwrap());
    assert_eq!(series.sum("failed_attempts"), 0);

    let attempts = Table::read(&unpacked(&run.join("trial-000-attempts.csv.gz")));
    assert_eq!(attempts.rows.len() as u64, series.sum("attempts_ended"));
    // The attempts that read back to verify are beside the uploads.
    let read_back = trial["read_back_bytes"].as_u64().unwrap();
    assert_eq!(read_back, trial["bytes"].as_u64().unwrap());
    assert_eq!(attempts.sum("payload_bytes"), series.sum("wire_bytes") + read_back);
    let counted = trial["requests"].as_object().unwrap();
    let counted = counted
        .iter()
        .map(|(name, requests)| (name.clone(), requests["attempts"].as_u64().unwrap()));
    assert_eq!(attempts.counts("operation"), counted.collect());

    let log = std::fs::read_to_string(run.join("trial-000.hlog")).unwrap();
    for tag in ["part.service_time_us", "part.ttfb_us", "object.completed_us", "object.verified_us"]
    {
        assert!(log.contains(&format!("\nTag={tag},")), "{tag} is not in {log}");
    }
    for milestone in ["completed", "verified"] {
        assert_eq!(trial["objects_us"][milestone]["samples"], 6, "{trial:#}");
    }
}

fn unpacked(path: &Path) -> String {
    let mut text = String::new();
    let file = std::fs::File::open(path).unwrap();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    text
}

/// CSV without quotes.
struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    fn read(text: &str) -> Self {
        let mut rows = text.lines().map(|row| row.split(',').map(str::to_owned).collect());
        Self { header: rows.next().unwrap(), rows: rows.collect() }
    }

    fn column(&self, name: &str) -> impl Iterator<Item = &str> {
        let index = self.header.iter().position(|column| column == name).unwrap();
        self.rows.iter().map(move |row| &*row[index])
    }

    fn sum(&self, name: &str) -> u64 {
        self.column(name).map(|field| field.parse::<u64>().unwrap()).sum()
    }

    fn counts(&self, name: &str) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        self.column(name).for_each(|field| *counts.entry(field.to_owned()).or_default() += 1);
        counts
    }
}
