//! The engine in simulated time on a store in memory whose answers are scripted.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use futures::StreamExt;

use super::*;
use crate::clock::{self, Instant};
use crate::dataset::{Payload, Scale, Symlinks, Synthetic};
use crate::measure::{FailureClass, Live, Outcome, Probe};
use crate::store::{
    Download, ObjectInfo, OpenUpload, Page, Part, PartInfo, Store, StoreError, Upload,
};
use crate::units::{ByteSize, MIB};

/// What the next attempt of an operation meets.
#[derive(Clone)]
enum Fault {
    /// The store does nothing and says this.
    Refuse(StoreError),
    /// The store does it, and the answer is lost.
    LoseAnswer,
}

/// Objects as sizes; every operation takes a millisecond and a part a second.
#[derive(Default)]
struct Scripted {
    objects: RefCell<BTreeMap<String, u64>>,
    uploads: RefCell<BTreeMap<String, BTreeMap<u32, u64>>>,
    faults: RefCell<BTreeMap<&'static str, VecDeque<Fault>>>,
    attempts: RefCell<Vec<(&'static str, Instant)>>,
    /// In every so much time no answer comes for so long, from its beginning.
    stall: Option<(Duration, Duration)>,
    /// From this get on another object lies there.
    replaced_at_get: Option<usize>,
    /// A range is answered with the whole object.
    ignores_ranges: bool,
    parts_in_flight: Cell<u32>,
    parts_in_flight_max: Cell<u32>,
}

impl Scripted {
    fn with_faults(operation: &'static str, faults: impl IntoIterator<Item = Fault>) -> Self {
        let store = Self::default();
        store.faults.borrow_mut().insert(operation, faults.into_iter().collect());
        store
    }

    /// Does `work` unless the script says otherwise.
    async fn attempt<T>(
        &self,
        operation: &'static str,
        takes: Duration,
        work: impl FnOnce() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.attempts.borrow_mut().push((operation, clock::now()));
        clock::sleep(takes).await;
        clock::sleep(self.stalled_for(clock::now())).await;
        let fault = self.faults.borrow_mut().get_mut(operation).and_then(VecDeque::pop_front);
        match fault {
            Some(Fault::Refuse(error)) => Err(error),
            Some(Fault::LoseAnswer) => {
                work()?;
                Err(StoreError::new(FailureClass::Connection, "the answer was lost"))
            }
            None => work(),
        }
    }

    /// How much longer an answer that is ready at `at` is held back.
    fn stalled_for(&self, at: Instant) -> Duration {
        let Some((every, length)) = self.stall else { return Duration::ZERO };
        let since = at.since(Instant::default()).as_nanos() % every.as_nanos();
        length.saturating_sub(Duration::from_nanos(since as u64))
    }

    fn count(&self, operation: &str) -> usize {
        self.attempts.borrow().iter().filter(|(name, _)| *name == operation).count()
    }

    fn times(&self, operation: &str) -> Vec<Instant> {
        let attempts = self.attempts.borrow();
        attempts.iter().filter(|(name, _)| *name == operation).map(|(_, at)| *at).collect()
    }
}

const QUICK: Duration = Duration::from_millis(1);
const PART: Duration = Duration::from_secs(1);

fn refusal(class: FailureClass, code: &str) -> StoreError {
    StoreError { code: Some(code.into()), ..StoreError::new(class, code) }
}

impl Store for Scripted {
    async fn locate_bucket(&self, _: &Arc<Probe>) -> Result<(), StoreError> {
        self.attempt("location", QUICK, || Ok(())).await
    }

    async fn put_object(
        &self,
        key: &str,
        payload: Payload,
        probe: &Arc<Probe>,
    ) -> Result<String, StoreError> {
        let size = payload.len();
        self.attempt("put", PART, || {
            probe.payload_sent(size);
            self.objects.borrow_mut().insert(key.into(), size);
            Ok("etag".into())
        })
        .await
    }

    async fn create_upload(&self, key: &str, _: &Arc<Probe>) -> Result<Upload, StoreError> {
        self.attempt("create", QUICK, || {
            let id = format!("{key}#{}", self.uploads.borrow().len());
            self.uploads.borrow_mut().insert(id.clone(), BTreeMap::new());
            Ok(Upload { key: key.into(), id })
        })
        .await
    }

    async fn upload_part(
        &self,
        upload: &Upload,
        number: u32,
        payload: Payload,
        probe: &Arc<Probe>,
    ) -> Result<Part, StoreError> {
        let size = payload.len();
        self.parts_in_flight.set(self.parts_in_flight.get() + 1);
        self.parts_in_flight_max
            .set(self.parts_in_flight_max.get().max(self.parts_in_flight.get()));
        let part = self
            .attempt("part", PART, || {
                probe.payload_sent(size);
                let mut uploads = self.uploads.borrow_mut();
                let parts = uploads
                    .get_mut(&upload.id)
                    .ok_or(refusal(FailureClass::Client, "NoSuchUpload"))?;
                parts.insert(number, size);
                Ok(Part { number, etag: format!("etag-{number}"), checksum: None })
            })
            .await;
        self.parts_in_flight.set(self.parts_in_flight.get() - 1);
        part
    }

    async fn complete_upload(
        &self,
        upload: &Upload,
        parts: &[Part],
        _: &Arc<Probe>,
    ) -> Result<String, StoreError> {
        self.attempt("complete", QUICK, || {
            let gone = refusal(FailureClass::Client, "NoSuchKey");
            let stored = self.uploads.borrow_mut().remove(&upload.id).ok_or(gone)?;
            assert!(parts.iter().map(|part| part.number).eq(stored.keys().copied()));
            self.objects.borrow_mut().insert(upload.key.clone(), stored.values().sum());
            Ok("etag".into())
        })
        .await
    }

    async fn abort_upload(&self, upload: &Upload, _: &Arc<Probe>) -> Result<(), StoreError> {
        self.attempt("abort", QUICK, || {
            self.uploads.borrow_mut().remove(&upload.id);
            Ok(())
        })
        .await
    }

    async fn list_uploads(&self, _: &str, _: &Arc<Probe>) -> Result<Vec<OpenUpload>, StoreError> {
        unreachable!("the engine does not list")
    }

    async fn list_parts(&self, _: &Upload, _: &Arc<Probe>) -> Result<Vec<PartInfo>, StoreError> {
        unreachable!("the engine does not list")
    }

    async fn head_object(
        &self,
        key: &str,
        _: &Arc<Probe>,
    ) -> Result<Option<ObjectInfo>, StoreError> {
        self.attempt("head", QUICK, || {
            let size = self.objects.borrow().get(key).copied();
            Ok(size.map(|size_bytes| ObjectInfo {
                key: key.into(),
                size_bytes: Some(size_bytes),
                etag: None,
                modified: None,
            }))
        })
        .await
    }

    async fn get_object(
        &self,
        key: &str,
        range: Option<Range<u64>>,
        probe: &Arc<Probe>,
    ) -> Result<Download, StoreError> {
        let range = match range {
            Some(range) if !self.ignores_ranges => range,
            _ => 0..self.objects.borrow()[key],
        };
        let length = range.end - range.start;
        self.attempt("get", PART, || {
            probe.payload_received(length);
            let payload = pattern(7).payload(key, range.start, length);
            let frames = http_body_util::BodyStream::new(payload).map(|frame| {
                Ok(frame.expect("a pattern never fails").into_data().expect("only data"))
            });
            let is_new = |at| self.count("get") >= at;
            let etag = self.replaced_at_get.map(|at| if is_new(at) { "new" } else { "old" });
            let etag = etag.map(str::to_owned);
            Ok(Download { size_bytes: Some(length), etag, body: frames.boxed_local() })
        })
        .await
    }

    async fn list_objects(
        &self,
        _: &str,
        _: Option<&str>,
        _: &Arc<Probe>,
    ) -> Result<Page, StoreError> {
        unreachable!("the engine does not list")
    }

    async fn delete_objects(
        &self,
        keys: &[String],
        _: &Arc<Probe>,
    ) -> Result<Vec<(String, String)>, StoreError> {
        self.attempt("delete", QUICK, || {
            self.objects.borrow_mut().retain(|key, _| !keys.contains(key));
            Ok(Vec::new())
        })
        .await
    }
}

/// Making 16 MiB of random bytes takes its time.
fn pattern(seed: u64) -> Pattern {
    static PATTERNS: LazyLock<[Pattern; 2]> = LazyLock::new(|| [7, 8].map(Pattern::new));
    PATTERNS[seed as usize - 7].clone()
}

pub(super) fn job(files: u64, size: u64) -> Job {
    let scale = Scale { files: Some(files), size: Some(ByteSize(size)) };
    let dataset = Arc::new(Dataset::Synthetic(Synthetic::new("climate", scale).unwrap()));
    let settings = Settings { part_size_bytes: 5 * MIB, concurrency: 1, parts_in_flight: 1 };
    Job {
        pattern: pattern(7),
        seed: 1,
        keep_attempts: true,
        ..Job::new(dataset, Flow::Up, settings, "p/".into())
    }
}

/// Runs a job to its end in simulated time: each file arrived or failed.
fn drive(store: &Scripted, job: &Job) -> (WorkerReport, Duration) {
    let (report, elapsed, files_there) = drive_to_any_end(store, job);
    assert_eq!(files_there + report.failures.len() as u64, job.dataset.files());
    (report, elapsed)
}

/// The same, and how many files are there.
fn drive_to_any_end(store: &Scripted, job: &Job) -> (WorkerReport, Duration, u64) {
    clock::simulate(async {
        let control = Control::new(Stage::Measuring, job);
        let live = &control.live;
        let there = || Live::get(&live.files_done) + Live::get(&live.files_there);
        // The job may have been driven before.
        let before = there();
        let worker = Worker::new(store, job, &control, 0);
        worker.drive(0..job.settings.concurrency).await;
        let elapsed = control.origin.elapsed();
        (worker.report(), elapsed, there() - before)
    })
}

#[test]
fn in_an_open_loop_files_begin_when_they_arrive_and_not_before() {
    let store = Scripted::default();
    let arrivals = Arrivals::Constant { files_per_second: 0.5 };
    let settings = Settings { concurrency: 4, ..job(1, 1).settings };
    drive(&store, &Job { arrivals, settings, ..job(6, 6 * MIB) });
    let seconds: Vec<u64> =
        store.times("put").iter().map(|at| at.since(Instant::default()).as_secs()).collect();
    assert_eq!(seconds, [0, 2, 4, 6, 8, 10]);
}

#[test]
fn arrivals_that_find_no_free_mover_wait_and_are_counted() {
    // A part takes a second, one arrives every half: each second one more waits.
    let store = Scripted::default();
    let arrivals = Arrivals::Constant { files_per_second: 2.0 };
    let job = Job { arrivals, ..job(100, 100 * MIB) };
    let backlog = clock::simulate(async {
        let control = Control::new(Stage::Measuring, &job);
        let worker = Worker::new(&store, &job, &control, 0);
        let mut work = std::pin::pin!(worker.drive(0..1));
        let pause = std::pin::pin!(clock::sleep(Duration::from_millis(10_100)));
        futures::future::select(work.as_mut(), pause).await;
        control.backlog_files()
    });
    assert_eq!(backlog, 21 - 11, "21 have arrived and 11 were begun");
}

/// A store that answers nothing for so many seconds in every so many.
fn stalling(length_s: u64, every_s: u64) -> Scripted {
    let stall = Some((Duration::from_secs(every_s), Duration::from_secs(length_s)));
    Scripted { stall, ..Scripted::default() }
}

#[test]
fn an_open_loop_reports_the_p99_that_the_arrivals_imply() {
    // Five files a second for a minute, more movers than ever wait.
    let store = stalling(1, 10);
    let files = 300;
    let arrivals = Arrivals::Constant { files_per_second: 5.0 };
    let settings = Settings { concurrency: 40, ..job(1, 1).settings };
    let job = Job { arrivals, settings, ..job(files, files * MIB) };
    let (report, _) = drive(&store, &job);
    let measured = report.recorder.object_times().completed.expect("objects were completed");

    let mut implied: Vec<Duration> = (0..files)
        .map(|number| {
            let arrival = Instant::default() + Duration::from_millis(200 * number);
            PART + store.stalled_for(arrival + PART)
        })
        .collect();
    implied.sort_unstable();
    for (quantile, measured_us) in [(0.5, measured.p50), (0.9, measured.p90), (0.99, measured.p99)]
    {
        let implied_us = implied[(quantile * files as f64).ceil() as usize - 1].as_micros() as f64;
        let ratio = measured_us as f64 / implied_us;
        assert!((ratio - 1.0).abs() < 0.002, "p{quantile}: {measured_us} us for {implied_us} us");
    }
}

#[test]
fn a_closed_loop_omits_what_an_open_one_meets() {
    // One mover asks as often as it is answered, so that a stall of ten seconds delays one file.
    // Arrivals queue up behind it, and all that wait are late.
    let p90_s = |arrivals| {
        let job = Job { arrivals, ..job(540, 540 * MIB) };
        let (report, _) = drive(&stalling(10, 100), &job);
        let completed = report.recorder.object_times().completed;
        completed.expect("objects were completed").p90 as f64 / 1e6
    };
    let closed = p90_s(Arrivals::Closed);
    let open = p90_s(Arrivals::Constant { files_per_second: 0.8 });
    assert!(closed < 1.1, "{closed} s");
    assert!(open > 5.0 * closed, "{open} s against {closed} s");
}

#[test]
fn parts_of_a_file_go_one_after_the_other_unless_more_are_asked_for() {
    for (parts_in_flight, seconds) in [(1, 4), (2, 2), (4, 1)] {
        let store = Scripted::default();
        let mut job = job(1, 20 * MIB);
        job.settings.parts_in_flight = parts_in_flight;
        let (_, elapsed) = drive(&store, &job);
        assert_eq!(store.parts_in_flight_max.get(), parts_in_flight);
        assert_eq!(elapsed, PART * seconds + QUICK * 2, "create, parts, complete");
    }
}

#[test]
fn concurrency_is_the_number_of_files_in_flight() {
    let store = Scripted::default();
    let mut job = job(12, 12 * 8 * MIB);
    job.settings.concurrency = 3;
    drive(&store, &job);
    assert_eq!(store.parts_in_flight_max.get(), 3);
    assert_eq!(store.objects.borrow().values().sum::<u64>(), 12 * 8 * MIB);
}

#[test]
fn a_file_of_the_part_size_is_one_put() {
    let store = Scripted::default();
    drive(&store, &job(1, 5 * MIB));
    assert_eq!((store.count("put"), store.count("create")), (1, 0));
}

#[test]
fn retry_after_is_honoured() {
    let wait = Duration::from_secs(12);
    let slow_down =
        StoreError { retry_after: Some(wait), ..refusal(FailureClass::Throttled, "SlowDown") };
    let store = Scripted::with_faults("put", [Fault::Refuse(slow_down)]);
    let (report, _) = drive(&store, &job(1, MIB));
    let times = store.times("put");
    assert!(times[1].since(times[0]) >= PART + wait);
    assert_eq!(report.recorder.errors().throttled, 1);
    assert_eq!(report.failures, []);
}

#[test]
fn a_lost_answer_to_complete_is_settled_with_head_object() {
    let store = Scripted::with_faults("complete", [Fault::LoseAnswer]);
    let (report, _) = drive(&store, &job(1, 20 * MIB));
    assert_eq!(report.failures, []);
    assert_eq!((store.count("head"), store.count("abort")), (1, 0));
}

#[test]
fn an_upload_that_fails_is_aborted_and_reported_by_name() {
    let refused = Fault::Refuse(refusal(FailureClass::Client, "AccessDenied"));
    let store = Scripted::with_faults("part", [refused]);
    let job = job(2, 40 * MIB);
    let (report, _) = drive(&store, &job);
    assert_eq!(report.failures.len(), 1);
    assert_eq!(report.failures[0].reason, "AccessDenied");
    assert!(store.uploads.borrow().is_empty());
    assert!(job.ledger.open_uploads().is_empty());
    assert_eq!(store.objects.borrow().len(), 1, "the other file went on");
}

#[test]
fn an_upload_that_cannot_be_aborted_is_handed_to_the_clean_up() {
    let refused = || Fault::Refuse(refusal(FailureClass::Client, "AccessDenied"));
    let store = Scripted::with_faults("part", [refused()]);
    store.faults.borrow_mut().insert("abort", [refused()].into());
    let job = job(1, 20 * MIB);
    let (report, _) = drive(&store, &job);
    assert_eq!(job.ledger.open_uploads().len(), 1);
    assert_eq!(report.failures[0].reason, "AccessDenied");
}

#[test]
fn wire_and_goodput_differ_by_the_bytes_sent_in_vain() {
    let store = Scripted::with_faults("part", [Fault::LoseAnswer, Fault::LoseAnswer]);
    let (report, _) = drive(&store, &job(1, 20 * MIB));
    let all = usize::MAX;
    let lost = report.recorder.wire_bytes(0, all) - report.recorder.good_bytes(0, all);
    assert_eq!(lost, 2 * 5 * MIB);
    assert_eq!(report.recorder.good_bytes(0, all), 20 * MIB);
    assert_eq!(report.recorder.errors().connection, 2);
}

#[test]
fn a_verified_upload_is_read_back() {
    let store = Scripted::default();
    let (report, _) = drive(&store, &Job { verify: true, ..job(1, 20 * MIB) });
    assert_eq!((store.count("get"), report.failures.len()), (1, 0));
}

#[test]
fn an_upload_with_other_bytes_than_its_source_fails_and_is_deleted() {
    let store = Scripted::default();
    let other = Job { verify: true, pattern: pattern(8), ..job(1, 20 * MIB) };
    let (report, _) = drive(&store, &other);
    assert_eq!(report.recorder.errors().checksum, 2, "read twice before it is called wrong");
    assert_eq!(report.failures.len(), 1);
    assert!(store.objects.borrow().is_empty());
}

#[test]
fn ranged_downloads_fetch_every_byte_once_in_part_size_ranges() {
    let store = Scripted::default();
    let mut job = job(1, 40 * MIB);
    drive(&store, &job);
    job.direction = Flow::Down;
    job.get = GetMode::Ranged;
    job.verify = true;
    job.settings.parts_in_flight = 4;
    let (report, elapsed) = drive(&store, &job);
    assert_eq!((store.count("get"), report.failures.len()), (8, 0));
    assert_eq!(report.recorder.payload_bytes(), 40 * MIB);
    assert_eq!(elapsed, PART * 2, "four ranges at a time");
}

/// Downloads an object of four ranges into a directory: why it failed, and what then lies there.
fn download_in_ranges(store: &Scripted) -> (Vec<String>, usize) {
    let directory = tempfile::tempdir().unwrap();
    let mut job = job(1, 20 * MIB);
    drive(store, &job);
    job.direction = Flow::Down;
    job.get = GetMode::Ranged;
    job.sink = Sink::Directory(Folder::open(directory.path(), Found::Refused).unwrap());
    let (report, _) = drive(store, &job);
    let reasons = report.failures.into_iter().map(|failure| failure.reason).collect();
    (
        reasons,
        crate::dataset::scan(directory.path(), Symlinks::Ignore).map_or(0, |scan| scan.files.len()),
    )
}

#[test]
fn ranges_of_two_objects_do_not_become_one_file() {
    let store = Scripted { replaced_at_get: Some(3), ..Scripted::default() };
    let (reasons, files) = download_in_ranges(&store);
    assert!(reasons[0].contains("it was replaced"), "{reasons:?}");
    assert_eq!((store.count("get"), files), (3, 0));
    let store = Scripted { replaced_at_get: Some(5), ..Scripted::default() };
    assert_eq!(download_in_ranges(&store), (vec![], 1));
}

#[test]
fn a_whole_object_in_place_of_a_range_is_not_written() {
    let store = Scripted { ignores_ranges: true, ..Scripted::default() };
    let (reasons, files) = download_in_ranges(&store);
    assert!(reasons[0].contains("20971520 bytes came where 5242880"), "{reasons:?}");
    assert_eq!(files, 0);
}

#[test]
fn a_file_that_shrank_since_the_listing_fails() {
    let store = Scripted::default();
    let mut job = job(1, 4 * MIB);
    drive(&store, &job);
    store.objects.borrow_mut().values_mut().for_each(|size| *size -= 1);
    job.direction = Flow::Down;
    let (report, _) = drive(&store, &job);
    assert!(report.failures[0].reason.contains("bytes came where"), "{:?}", report.failures);
}

/// Percentiles of a single sample, which histograms keep to 0.1 %.
fn is_about(measured: Option<crate::result::Percentiles>, truth: Duration) -> bool {
    let truth_us = truth.as_micros() as u64;
    measured
        .is_some_and(|times| times.samples == 1 && times.p50.abs_diff(truth_us) <= truth_us / 1000)
}

#[test]
fn an_object_takes_from_the_start_of_its_file_to_its_last_request() {
    let store = Scripted::default();
    let up = Job { verify: true, ..job(1, 20 * MIB) };
    let times = drive(&store, &up).0.recorder.object_times();
    let completed = PART * 4 + QUICK * 2;
    assert!(is_about(times.completed, completed), "{times:?}");
    assert!(is_about(times.verified, completed + PART), "{times:?}");

    let down = Job { direction: Flow::Down, ..job(1, 20 * MIB) };
    let times = drive(&store, &down).0.recorder.object_times();
    assert!(is_about(times.completed, PART), "{times:?}");
    assert_eq!(times.verified, None, "nothing was compared");
}

#[test]
fn an_object_that_fails_is_in_no_time_of_objects() {
    let refused = Fault::Refuse(refusal(FailureClass::Client, "AccessDenied"));
    let store = Scripted::with_faults("complete", [refused]);
    let (report, _) = drive(&store, &job(1, 20 * MIB));
    assert!(report.recorder.object_times().is_empty());
}

#[test]
fn every_attempt_has_a_record_with_its_file_its_part_and_its_number() {
    let broken = || Fault::Refuse(refusal(FailureClass::Connection, "broken"));
    let store = Scripted::with_faults("part", [broken(), broken()]);
    let job = job(2, 20 * MIB);
    let (report, _) = drive(&store, &job);
    let mut seen: Vec<_> = report.recorder.attempt_records().collect();
    seen.sort_by_key(|attempt| attempt.start);
    assert_eq!(seen.len() as u64, report.recorder.attempts());
    let times = store.attempts.borrow();
    assert!(seen.iter().map(|attempt| attempt.start).eq(times.iter().map(|(_, at)| *at)));
    let of_the_first_part = seen.iter().filter(|attempt| {
        attempt.file == 0 && attempt.part_number.is_some_and(|number| number.get() == 1)
    });
    let tries: Vec<_> =
        of_the_first_part.map(|attempt| (attempt.number, attempt.outcome)).collect();
    let failed = Outcome::Failed(FailureClass::Connection);
    assert_eq!(tries, [(1, failed), (2, failed), (3, Outcome::Ok)]);
    let parts = seen.iter().filter(|attempt| attempt.outcome == Outcome::Ok);
    let parts =
        parts.filter_map(|attempt| attempt.part_number.map(|number| (attempt.file, number.get())));
    let all =
        job.object(0).into_iter().chain(job.object(1)).zip(0..).flat_map(|((_, file), index)| {
            (1..=file.size_bytes.div_ceil(5 * MIB) as u32).map(move |number| (index, number))
        });
    assert!(parts.eq(all), "each part once, in order");
}

#[test]
fn no_records_are_kept_unless_asked_for() {
    let unasked = Job { keep_attempts: false, ..job(1, 20 * MIB) };
    let (report, _) = drive(&Scripted::default(), &unasked);
    assert!(!report.recorder.keeps_attempts());
    assert_eq!(report.recorder.attempt_records().count(), 0);
    assert!(report.recorder.attempts() > 0);
}

#[test]
fn a_job_stops_before_its_allowance_is_exceeded_and_leaves_nothing_open() {
    for (cap_mib, parts) in [(0, 0), (4, 0), (14, 2), (20, 4), (100, 8)] {
        let store = Scripted::default();
        let caps = Caps { bytes: Some(cap_mib * MIB), ..Caps::default() };
        let allowance = Arc::new(Allowance::new(caps, Spent::default()));
        let job = Job { allowance: Some(Arc::clone(&allowance)), ..job(1, 40 * MIB) };
        let (report, stopped) = clock::simulate(async {
            let control = Control::new(Stage::Measuring, &job);
            let worker = Worker::new(&store, &job, &control, 0);
            worker.drive(0..1).await;
            (worker.report(), control.is_stopped())
        });
        assert_eq!(store.count("part"), parts, "{cap_mib} MiB");
        assert_eq!(allowance.spent().bytes_up, parts as u64 * 5 * MIB);
        assert_eq!(allowance.spent().requests as usize, store.attempts.borrow().len());
        assert_eq!(stopped, cap_mib < 40);
        assert!(report.failures.is_empty() && job.ledger.open_uploads().is_empty());
        assert!(store.uploads.borrow().is_empty(), "an upload is still open");
    }
}

#[test]
fn reading_back_counts_and_so_do_failed_attempts() {
    let store = Scripted::with_faults("part", [Fault::LoseAnswer]);
    let allowance = Arc::new(Allowance::new(Caps::default(), Spent::default()));
    let verified = Job { verify: true, ..job(1, 20 * MIB) };
    drive(&store, &Job { allowance: Some(Arc::clone(&allowance)), ..verified });
    let spent = allowance.spent();
    assert_eq!((spent.bytes_up, spent.bytes_down), (25 * MIB, 20 * MIB));
}

#[test]
fn a_destination_that_cannot_be_written_does_not_go_round_for_ever() {
    clock::simulate(async {
        let directory = tempfile::tempdir().unwrap();
        let folder = Folder::open(directory.path(), Found::Refused).unwrap();
        std::fs::remove_dir_all(directory.path()).unwrap();
        let (sink, direction) = (Sink::Directory(folder), Flow::Down);
        let job = Job { sink, direction, order: Order::ForEver, ..job(1, 1) };
        let (store, control) = (Scripted::default(), Control::new(Stage::Measuring, &job));
        let worker = Worker::new(&store, &job, &control, 0);
        let end = async {
            clock::sleep(Duration::from_millis(9900)).await;
            control.enter(Stage::Draining);
        };
        futures::join!(worker.drive(0..1), end);
        let failures = worker.report().failures;
        // One in each delay after a failure.
        assert_eq!(failures.len(), 50);
        assert!(failures[0].reason.contains("cannot write"), "{:?}", failures[0]);
    });
}

#[test]
fn a_task_whose_endpoint_is_gone_ends_before_it_has_tried_each_file() {
    let gone = || Fault::Refuse(StoreError::new(FailureClass::Connection, "connection refused"));
    let store = Scripted::with_faults("put", vec![gone(); 10_000]);
    for operation in ["head", "delete"] {
        store.faults.borrow_mut().insert(operation, vec![gone(); 10_000].into());
    }
    let mut job = job(1000, 1000 * MIB);
    job.settings.concurrency = 4;
    let (report, elapsed, files_done) = drive_to_any_end(&store, &job);
    assert_eq!(files_done, 0);
    assert!(store.count("put") < 100, "{} attempts", store.count("put"));
    assert!(elapsed < Duration::from_secs(300), "{elapsed:?}");
    assert!((1..100).contains(&report.failures.len()), "{} files", report.failures.len());
}

#[test]
fn a_task_outlives_an_endpoint_that_is_away_for_half_a_minute() {
    let gone = || Fault::Refuse(StoreError::new(FailureClass::Connection, "connection refused"));
    // Each attempt takes a second.
    let store = Scripted::with_faults("put", vec![gone(); 30]);
    let mut job = job(40, 40 * MIB);
    job.settings.concurrency = 8;
    let (report, _) = drive(&store, &job);
    assert_eq!(report.failures, []);
    assert_eq!(store.objects.borrow().len(), 40);
}
