//! One settings measured on a store: threads, warm-up, window, drain, and what limited it.
//!
//! A worker thread has a current_thread runtime, an SDK client and a connection pool of its own: no
//! lock is shared on the hot path. The thread that calls [`run`] only watches counters and the clock.

mod crew;
mod effective;
mod limit;
mod load;
mod records;
#[cfg(test)]
mod tests;
mod together;
mod used;
mod watch;
mod window;

pub use load::{Load, Stop, Then};
pub use records::Records;
pub use together::{Share, together};
pub use watch::Snapshot;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use crate::clock::{self, Instant};
use crate::dataset::Dataset;
use crate::error::Result;
use crate::interrupt::Interrupt;
use crate::measure::{EtagTally, Live, Recorder, process_cpu, resident_peak_bytes};
use crate::pace::Paces;
use crate::result::{
    ClientUse, Corrupt, Direction, Distances, FileFailure, Mixed, NetworkUse, OneWay, OpenLoop,
    Phase, SourceUse, TaskSummary, Trial, Verification,
};
use crate::store::Place;
use crate::transfer::{Arrivals, Control, Flow, Job, Spent, Stage};
use crate::units::Rate;
use crew::{Crew, Worked};
use limit::Observed;
use used::Used;
use window::Measurement;

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
    /// Whether the user interrupted.
    pub interrupted: bool,
    /// Whether it stopped because the job's allowance was used up.
    pub stopped: bool,
    /// Whether several DTNs were busy at times that are too different for it to count.
    pub apart: bool,
    /// What several DTNs have spent, of which each had an allowance of its own.
    pub spent: Option<Spent>,
}

/// After this many times the warm-up the window opens even if some mover has not moved anything yet.
const WARM_UP_MAX: u32 = 20;

/// The drain lasts at most this many times the longest that a request with payload has taken.
const DRAIN_OF_SLOWEST: u32 = 2;

/// The drain's least limit, for trials without a slow request so far.
const DRAIN_MIN: Duration = Duration::from_secs(2);

/// Said where the effective speed is not known.
const NOTHING_VERIFIED: &str = "no upload was read back, so the effective speed is not known: measure longer, or smaller files";

/// A share of the files that arrived from which on their arrivals set the rate (ASSUMPTION).
const CARRIED_SHARE: f64 = 0.95;

/// A share of a cap from which on it holds the rate (ASSUMPTION).
const CAP_SHARE: f64 = 0.9;

/// Runs a job and measures it. `progress` is called about ten times a second.
///
/// # Errors
/// If no worker can be started. Failed requests are data, not errors.
pub async fn run(
    job: Job,
    load: Load,
    label: Label,
    place: &Place,
    interrupt: &Interrupt,
    progress: &mut dyn FnMut(&Snapshot),
) -> Result<Finished> {
    if let Place::Endpoint(_) = place {
        job.prepare();
    }
    let cpu_before = process_cpu();
    let first_stage = match load {
        Load::WholeTask => Stage::Measuring,
        Load::Timed { .. } => Stage::WarmUp,
    };
    let control = Control::new(first_stage, &job);
    let crew = Crew::start(job, control, place)?;
    let watched = watch::until_over(&crew, load, interrupt, progress).await;
    let (job, control) = (crew.job(), crew.control());
    let worked = crew.join().await?;

    let mut recorders = Vec::new();
    let mut failures = Vec::new();
    let mut ended = BTreeMap::new();
    for Worked { report, thread } in worked {
        ended.extend(thread);
        recorders.push(report.recorder);
        failures.extend(report.failures);
    }
    // That of the first thread is the beginning: its histograms are not made twice.
    let merged = recorders.into_iter().reduce(|mut all, one: Recorder| {
        all.merge(one);
        all
    });
    let recorder = merged.unwrap_or_default();
    let cpu = process_cpu() - cpu_before;
    let used = watched
        .edges
        .as_ref()
        .map(|edges| Used::between(edges, &ended, &job, recorder.local_addresses()));
    let measured =
        Measured { job: &job, control: &control, watched: &watched, recorder, cpu, used };
    let trial = measured.trial(load, label, failures);
    let records = Records {
        origin: control.origin,
        started: match watched.simulated {
            // The calendar of a simulation begins with its clock.
            true => SystemTime::UNIX_EPOCH + control.origin.since(Instant::default()),
            false => SystemTime::now() - since_start(&control),
        },
        window: watched.opened..watched.closed,
        rule: watched.rule,
        recorder: measured.recorder,
        job,
    };
    let (interrupted, stopped) = (watched.interrupted, control.is_stopped());
    Ok(Finished { trial, records, interrupted, stopped, apart: false, spent: None })
}

/// Everything from which the result is made.
struct Measured<'a> {
    job: &'a Job,
    control: &'a Control,
    watched: &'a watch::Watched,
    recorder: Recorder,
    /// Processor time of the process in the whole trial.
    cpu: Duration,
    /// In the window; `None` when it did not close.
    used: Option<Used>,
}

impl Measured<'_> {
    fn trial(&self, load: Load, label: Label, failures: Vec<FileFailure>) -> Trial {
        let measured = self.measurement(load);
        let observed = self.observed(&measured);
        let limit = limit::judge(&observed);
        let corrupt = corruption(self.recorder.corrupt);
        let etags = not_reproduced(self.recorder.etags);
        let task = (load == Load::WholeTask).then(|| self.task(failures));
        let verification = self.verification(task.as_ref(), &measured);
        let unknown = verification
            .filter(|found| found.effective_speed_bytes_per_second.is_none())
            .map(|_| NOTHING_VERIFIED.to_owned());
        let mut warnings =
            [self.watched.warnings.clone(), limit::warnings(&observed), corrupt, etags].concat();
        warnings.extend(unknown);
        let longest_wait = self.longest_wait();
        let refused =
            |wait| Some(measured.refused_share(&self.recorder, wait)).filter(|share| *share > 0.0);
        let (refused_in_window, refused_or_waiting) =
            (refused(Duration::ZERO), refused(longest_wait));
        Trial {
            id: label.id,
            phase: label.phase,
            block: label.block,
            settings: self.job.settings,
            direction: self.job.direction.traffic(),
            dataset: None,
            mixed: self.mixed(&measured),
            window: measured.window,
            goodput_bytes_per_second: measured.goodput_bytes_per_second,
            goodput_interval_95: measured.goodput_interval_95,
            wire_bytes_per_second: measured.wire_bytes_per_second,
            bytes: self.recorder.payload_bytes(),
            read_back_bytes: self.recorder.read_back().payload_bytes(),
            objects: Live::get(&self.control.live.files_done),
            requests: self.recorder.summaries(),
            objects_us: self.recorder.object_times(),
            open_loop: self.open_loop(),
            errors: self.recorder.errors(),
            corrupt: self.recorder.corrupt,
            cut: self.recorder.cut(),
            under_way: self.recorder.under_way(),
            retry_after_max_s: Some(longest_wait.as_secs_f64()).filter(|longest| *longest > 0.0),
            refused_in_window,
            refused_or_waiting,
            client: self.client(),
            network: self.network(),
            source: self.source(),
            limited_by: limit.limited_by,
            evidence: limit.evidence,
            warnings,
            task,
            verification,
            dtns: Vec::new(),
            asked: None,
        }
    }

    /// That an answer asked for.
    fn longest_wait(&self) -> Duration {
        Duration::from_nanos(Live::get(&self.control.live.retry_after_max_ns))
    }

    fn observed(&self, measured: &Measurement) -> Observed {
        let errors = self.recorder.errors();
        let [sent, received] = [Direction::Up, Direction::Down]
            .map(|way| measured.one_way(&self.recorder, way).wire_bytes_per_second);
        let received = received + measured.read_back(&self.recorder);
        Observed {
            attempts: self.recorder.attempts(),
            throttled: errors.throttled,
            failed: errors.total() - errors.throttled,
            paced_share: self.paced_share(),
            payload_bytes: self.recorder.payload_bytes().max(measured.good_bytes(&self.recorder)),
            sent_bytes_per_second: sent,
            received_bytes_per_second: received,
            arrivals_set_the_rate: self.arrivals_set_the_rate(),
            capped: self.capped(measured, sent + received),
            simulated: self.watched.simulated,
            workers: self.watched.threads,
            used: self.used.clone(),
            tcp: self.recorder.tcp(),
        }
    }

    fn paced_share(&self) -> f64 {
        let time_s = self.watched.closed.as_secs_f64() * f64::from(self.job.settings.streams());
        if time_s > 0.0 { self.control.waited_for_pace().as_secs_f64() / time_s } else { 0.0 }
    }

    /// Whether nearly all files were moved as they came: a system that carries a share of them has the rest
    /// waiting. Where all have arrived, it is late with them.
    fn arrivals_set_the_rate(&self) -> bool {
        let Some(files_per_second) = self.job.arrivals.files_per_second() else { return false };
        let closed = self.watched.closed;
        match self.control.ran_dry() {
            Some(_) => self.control.last_arrival() >= closed.mul_f64(CARRIED_SHARE),
            None => {
                let arrived = files_per_second * closed.as_secs_f64();
                self.watched.backlog_files as f64 <= (1.0 - CARRIED_SHARE) * arrived
            }
        }
    }

    /// What a cap of ours leaves says nothing of the gateway, nor of the settings.
    fn capped(&self, measured: &Measurement, wire_bytes_per_second: f64) -> Option<String> {
        let Paces { bytes, requests } = &self.job.paces;
        let (bytes, requests) = (
            bytes.as_ref().map(|pace| pace.per_second()),
            requests.as_ref().map(|turns| turns.per_second()),
        );
        let used_up = |cap: &f64, used: f64| used > CAP_SHARE * cap;
        if let Some(cap) = bytes.filter(|cap| used_up(cap, wire_bytes_per_second)) {
            return Some(format!("--max-rate {} limited the rate", Rate(cap)));
        }
        let attempts = measured.attempts_per_second(&self.recorder);
        let cap = requests.filter(|cap| used_up(cap, attempts))?;
        Some(format!("--max-requests-per-second {cap} limited the requests"))
    }

    fn client(&self) -> ClientUse {
        if self.watched.simulated {
            return ClientUse::default();
        }
        let bytes = self.recorder.payload_bytes() + self.recorder.read_back().payload_bytes();
        let cpu_seconds = self.cpu.as_secs_f64();
        let used = self.used.as_ref();
        ClientUse {
            cpu_seconds: Some(cpu_seconds),
            cpu_seconds_per_gb: (bytes > 0).then(|| cpu_seconds / (bytes as f64 / 1e9)),
            rss_peak_bytes: resident_peak_bytes(),
            rss_trial_peak_bytes: self.watched.rss_peak_bytes,
            worker_threads: Some(self.watched.threads as u32),
            processors_used: used.map(|used| used.processors),
            busiest_threads: used.map_or_else(Vec::new, |used| used.threads.clone()),
            machine_busy_share: used.and_then(|used| used.machine_busy_share),
        }
    }

    fn network(&self) -> Option<NetworkUse> {
        let interfaces = self.used.as_ref().map(|used| used.interfaces.clone());
        let network = NetworkUse {
            tcp: self.recorder.tcp(),
            interfaces: interfaces.unwrap_or_default(),
            addresses: self.recorder.addresses(),
            own_addresses: Some(self.recorder.own_addresses())
                .filter(|all| all.len() > 1)
                .unwrap_or_default(),
        };
        (network != NetworkUse::default()).then_some(network)
    }

    fn source(&self) -> Option<SourceUse> {
        let read_bytes = Live::get(&self.control.live.source_read_bytes);
        let waited_share = self.used.as_ref().map(|used| used.source_waited_share)?;
        (read_bytes > 0).then_some(SourceUse { read_bytes, waited_share })
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

    fn mixed(&self, measured: &Measurement) -> Option<Mixed> {
        let Flow::Mixed(mix) = self.job.direction else { return None };
        let live = &self.control.live;
        let up_done = Live::get(&live.files_up_done);
        let one_way = |way, files_share, objects| {
            let rates = measured.one_way(&self.recorder, way);
            OneWay {
                files_share,
                objects,
                bytes: self.recorder.one_way(way).payload_bytes(),
                goodput_bytes_per_second: rates.goodput_bytes_per_second,
                wire_bytes_per_second: rates.wire_bytes_per_second,
            }
        };
        let down_done = Live::get(&live.files_done).saturating_sub(up_done);
        Some(Mixed {
            up: one_way(Direction::Up, mix.up_share(), up_done),
            down: one_way(Direction::Down, 1.0 - mix.up_share(), down_done),
        })
    }

    /// Of uploads that are read back. Files that arrive by themselves set the speed.
    fn verification(
        &self,
        task: Option<&TaskSummary>,
        measured: &Measurement,
    ) -> Option<Verification> {
        let Job { settings, verify, direction, arrivals, .. } = self.job;
        if !*verify || *direction != Flow::Up || *arrivals != Arrivals::Closed {
            return None;
        }
        let movers = settings.concurrency;
        Some(match task.map(|task| task.effective_speed_bytes_per_second) {
            Some(speed) => effective::of_task(&self.recorder, movers, speed),
            None => effective::of_movers(&self.recorder, measured, movers),
        })
    }

    fn measurement(&self, load: Load) -> Measurement {
        let (opened, closed) = (self.watched.opened, self.watched.closed);
        match load {
            Load::WholeTask => {
                let bytes_done = Live::get(&self.control.live.bytes_done);
                window::whole_task(&self.recorder, opened, closed, bytes_done)
            }
            Load::Timed { .. } => {
                window::measure(&self.recorder, opened, closed, self.watched.rule)
            }
        }
    }

    fn task(&self, mut failures: Vec<FileFailure>) -> TaskSummary {
        let wrong_there = self.control.wrong_after_all();
        let wrong_there_files = wrong_there.len() as u64;
        failures.extend(wrong_there);
        let live = &self.control.live;
        let duration_s = self.watched.closed.as_secs_f64();
        let bytes_done = Live::get(&live.bytes_done);
        let speed = bytes_done as f64 / duration_s.max(f64::MIN_POSITIVE);
        let verified_by_etag_files = self.recorder.etags.reproduced;
        let unverifiable_files = match *self.job.dataset {
            Dataset::Objects(_) => {
                Live::get(&live.files_done).saturating_sub(verified_by_etag_files)
            }
            Dataset::Synthetic(_) | Dataset::Directory { .. } => 0,
        };
        let (files_done, verified_files) =
            (Live::get(&live.files_done), Live::get(&live.files_verified));
        TaskSummary {
            duration_s,
            files: self.job.files(),
            files_done,
            bytes_done,
            goodput_bytes_per_second: speed,
            effective_speed_bytes_per_second: speed,
            verified: verified_files > 0 && verified_files == files_done,
            verified_files,
            files_there: Live::get(&live.files_there).saturating_sub(wrong_there_files),
            files_there_verified: Live::get(&live.files_there_verified),
            directory_markers: 0,
            unverifiable_files,
            verified_by_etag_files,
            failures,
        }
    }
}

/// A sentence if digests said nothing.
fn not_reproduced(etags: EtagTally) -> Vec<String> {
    match etags.not_reproduced {
        0 => Vec::new(),
        1 => vec![format!(
            "the bytes of 1 object do not give its ETag, and whether this is the MD5 of parts of \
             that size is not known: this object is unverifiable"
        )],
        objects => vec![format!(
            "the bytes of {objects} objects do not give their ETags, and whether these are MD5s of \
             parts of that size is not known: these objects are unverifiable"
        )],
    }
}

/// A sentence if anything was wrong.
fn corruption(corrupt: Corrupt) -> Vec<String> {
    let Corrupt { in_reading, in_store, unsettled } = corrupt;
    if corrupt.is_none() {
        return Vec::new();
    }
    let readings = match in_reading {
        1 => "1 reading was".to_owned(),
        _ => format!("{in_reading} readings were"),
    };
    vec![format!(
        "bytes were wrong: {readings} corrupt where another of the same bytes was right; objects or ranges \
         corrupt in the store: {in_store}; not to be read again: {unsettled}"
    )]
}

/// Time since the job began.
fn since_start(control: &Control) -> Duration {
    clock::now().since(control.origin)
}
