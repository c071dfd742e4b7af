//! One settings measured on a store: threads, warm-up, window, drain, and what limited it.
//!
//! A worker thread has a current_thread runtime, an SDK client and a connection pool of its own: no
//! lock is shared on the hot path. The thread that calls [`run`] only watches counters and the clock.

mod limit;
mod records;
mod threads;
mod watch;
mod window;

pub use records::Records;
pub use watch::Snapshot;

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use crate::clock;
use crate::error::Result;
use crate::interrupt::Interrupt;
use crate::measure::{Live, Recorder, Usage};
use crate::result::{
    ClientUse, Distances, FileFailure, OpenLoop, Phase, TaskSummary, Trial, Window,
};
use crate::store::Upload;
use crate::store::s3::Connection;
use crate::transfer::{Arrivals, Control, Job, Order, Stage};
use threads::Threads;
use window::Measurement;

/// How long a trial warms up and is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// The whole dataset once: measured from the first request to the last.
    WholeTask,
    /// Files round and round: at least `warm_up`, and until every mover has moved something, then `window`.
    Timed {
        /// Least time before the window opens.
        warm_up: Duration,
        /// Width of the window.
        window: Duration,
    },
}

/// What a trial is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    /// Position in the run.
    pub id: u32,
    /// What it is for.
    pub phase: Phase,
    /// Which block of trials.
    pub block: Option<u32>,
}

/// A trial that is over.
#[derive(Debug)]
pub struct Finished {
    /// What was measured.
    pub trial: Trial,
    /// The same in full.
    pub records: Records,
    /// Uploads that were neither completed nor aborted: the caller's to abort.
    pub open_uploads: BTreeSet<Upload>,
    /// Whether the user interrupted.
    pub interrupted: bool,
}

/// After this many times the warm-up the window opens even if some mover has not moved anything yet.
const WARM_UP_MAX: u32 = 20;

/// The drain lasts at most this many times the longest that a request with payload has taken.
const DRAIN_OF_SLOWEST: u32 = 2;

/// The drain's least limit, for trials without a slow request so far.
const DRAIN_MIN: Duration = Duration::from_secs(2);

/// Runs a job and measures it. `progress` is called about ten times a second.
///
/// # Errors
/// If no worker can be started. Failed requests are data, not errors.
pub async fn run(
    job: Job,
    load: Load,
    label: Label,
    connection: &Connection,
    interrupt: &Interrupt,
    progress: &mut dyn FnMut(&Snapshot),
) -> Result<Finished> {
    let before = Usage::now();
    let first_stage = match load {
        Load::WholeTask => Stage::Measuring,
        Load::Timed { .. } => Stage::WarmUp,
    };
    let control = Control::new(first_stage, job.arrivals, job.seed);
    let threads = Threads::start(job, control, connection)?;
    let watched = watch::until_over(&threads, load, interrupt, progress).await;
    let (job, control) = (threads.job(), threads.control());
    let worked = threads.join().await?;

    let mut recorder = Recorder::default();
    let (mut open_uploads, mut failures) = (BTreeSet::new(), Vec::new());
    for report in worked {
        recorder.merge(report.recorder);
        open_uploads.extend(report.open_uploads);
        failures.extend(report.failures);
    }
    let client = client_use(before, recorder.payload_bytes());
    let measured = Measured { job: &job, control: &control, watched: &watched, recorder, client };
    let trial = measured.trial(load, label, failures);
    let records = Records {
        origin: control.origin,
        started: SystemTime::now() - since_start(&control),
        window: watched.opened..watched.closed,
        recorder: measured.recorder,
        job,
    };
    Ok(Finished { trial, records, open_uploads, interrupted: watched.interrupted })
}

fn client_use(before: Usage, payload_bytes: u64) -> ClientUse {
    let after = Usage::now();
    let cpu_seconds = (after.cpu - before.cpu).as_secs_f64();
    let cpu_seconds_per_gb =
        (payload_bytes > 0).then(|| cpu_seconds / (payload_bytes as f64 / 1e9));
    ClientUse { cpu_seconds, cpu_seconds_per_gb, rss_peak_bytes: after.rss_peak_bytes }
}

/// Everything from which the result is made.
struct Measured<'a> {
    job: &'a Job,
    control: &'a Control,
    watched: &'a watch::Watched,
    recorder: Recorder,
    client: ClientUse,
}

impl Measured<'_> {
    fn trial(&self, load: Load, label: Label, failures: Vec<FileFailure>) -> Trial {
        let measured = self.measurement(load);
        let limit = limit::judge(self.job, self.control, self.watched, &self.recorder);
        let task = (load == Load::WholeTask).then(|| self.task(failures));
        Trial {
            id: label.id,
            phase: label.phase,
            block: label.block,
            settings: self.job.settings,
            direction: self.job.direction,
            window: measured.window,
            goodput_bytes_per_second: measured.goodput_bytes_per_second,
            goodput_interval_95: measured.goodput_interval_95,
            wire_bytes_per_second: measured.wire_bytes_per_second,
            bytes: self.recorder.payload_bytes(),
            objects: Live::get(&self.control.live.files_done),
            requests: self.recorder.summaries(),
            objects_us: self.recorder.object_times(),
            open_loop: self.open_loop(),
            errors: self.recorder.errors(),
            cut: self.recorder.cut(),
            client: self.client,
            limited_by: limit.limited_by,
            evidence: limit.evidence,
            warnings: self.watched.warnings.clone(),
            task,
        }
    }

    fn open_loop(&self) -> Option<OpenLoop> {
        let (distances, files_per_second) = match self.job.arrivals {
            Arrivals::Closed => return None,
            Arrivals::Constant { files_per_second } => (Distances::Constant, files_per_second),
            Arrivals::Poisson { files_per_second } => (Distances::Poisson, files_per_second),
        };
        let backlog_files = self.watched.backlog_files;
        Some(OpenLoop { distances, files_per_second, backlog_files })
    }

    fn measurement(&self, load: Load) -> Measurement {
        match load {
            Load::WholeTask => self.whole_task(),
            Load::Timed { .. } => {
                window::measure(&self.recorder, self.watched.opened, self.watched.closed)
            }
        }
    }

    fn whole_task(&self) -> Measurement {
        let (start, end) = (self.watched.opened, self.watched.closed);
        let seconds = (end - start).as_secs_f64();
        let per_second = |bytes: u64| if seconds > 0.0 { bytes as f64 / seconds } else { 0.0 };
        Measurement {
            window: Window {
                start_s: start.as_secs_f64(),
                end_s: end.as_secs_f64(),
                steady: None,
                rule: "the whole task".into(),
            },
            goodput_bytes_per_second: per_second(Live::get(&self.control.live.bytes_done)),
            goodput_interval_95: None,
            wire_bytes_per_second: per_second(self.recorder.wire_bytes(0, usize::MAX)),
        }
    }

    fn task(&self, failures: Vec<FileFailure>) -> TaskSummary {
        let live = &self.control.live;
        let duration_s = self.watched.closed.as_secs_f64();
        let bytes_done = Live::get(&live.bytes_done);
        let speed = bytes_done as f64 / duration_s.max(f64::MIN_POSITIVE);
        TaskSummary {
            duration_s,
            files: self.job.dataset.files(),
            files_done: Live::get(&live.files_done),
            bytes_done,
            goodput_bytes_per_second: speed,
            effective_speed_bytes_per_second: speed,
            verified: self.job.verify,
            failures,
        }
    }
}

/// Whether files go round and round.
fn is_timed(job: &Job) -> bool {
    job.order == Order::ForEver
}

/// Time since the job began.
fn since_start(control: &Control) -> Duration {
    clock::now().since(control.origin)
}
