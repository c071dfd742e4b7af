//! The result document, schema `tidegate.result/1`, as plain types.
//!
//! Other programs rely on it: fields are added, never renamed, and every number carries its unit in its name.
//! A value that was not measured is `null`, never zero.

mod saved;

use std::collections::BTreeMap;
use std::iter::Sum;
use std::ops::AddAssign;
use std::path::Path;

pub use saved::{BINS_HEADER, Bin, RESULT, Saved, bins_name};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The `schema` field of every document this version writes.
pub const SCHEMA: &str = "tidegate.result/1";

/// One run of `tune` or `run`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// [`SCHEMA`].
    pub schema: String,
    /// Unique name of the run; also the name of its directory and of its prefix in the bucket.
    pub id: String,
    /// Start of the run, RFC 3339, UTC.
    pub started: String,
    /// The command line, without secrets.
    pub command: Vec<String>,
    /// What measured.
    pub tool: Tool,
    /// Where it ran.
    pub host: Host,
    /// What was measured.
    pub target: Target,
    /// The scenario with every default filled in.
    pub scenario: BTreeMap<String, serde_json::Value>,
    /// What the numbers rest on without a source.
    pub assumptions: Vec<String>,
    /// What the simulation cost this machine; absent if nothing was simulated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub simulation: Option<SimulationCost>,
    /// All trials, in the order in which they ran.
    pub trials: Vec<Trial>,
    /// What the trials say; only `tune` recommends. Of a search in both directions that of the first.
    pub recommendation: Option<Recommendation>,
    /// One for each direction, when both were searched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recommendations: Vec<Recommendation>,
    /// One concurrency for both directions, when both were searched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joint: Option<Joint>,
    /// What that took; only in `tune`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spent: Option<Spent>,
}

/// Name and version of the program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// Always `tidegate`.
    pub name: String,
    /// Cargo version.
    pub version: String,
}

/// The machine that measured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Host name.
    pub name: String,
    /// Operating system and release.
    pub os: String,
    /// Processor architecture.
    pub arch: String,
    /// Logical processors available to the process.
    pub cores: u32,
    /// Physical memory; `None` where the platform does not say.
    pub memory_bytes: Option<u64>,
}

/// The bucket or the embedded gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Base URL of the S3 endpoint.
    pub endpoint: String,
    /// Bucket name.
    pub bucket: String,
    /// What answered.
    pub kind: TargetKind,
    /// Whether anybody on the way could have read or answered: `--insecure` was given.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub insecure: bool,
}

/// What answered the requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetKind {
    /// tidegate's own gateway, started for this run on this machine: a demonstration.
    Embedded,
    /// An S3 endpoint that somebody runs.
    Endpoint,
    /// A model of Storj in simulated time: a forecast. Nothing was sent.
    Simulated,
}

/// What a simulation cost the machine that it ran on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SimulationCost {
    /// Seconds of simulated time, from the first request to the last of the whole run.
    pub simulated_s: f64,
    /// Times that simulated time moved something.
    pub events: u64,
    /// How long that took.
    pub real_s: f64,
    /// Highest resident set of the process; `None` where the platform does not say.
    pub rss_peak_bytes: Option<u64>,
}

/// The three numbers a gateway is tuned by. `streams = concurrency x parts_in_flight`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Settings {
    /// Bytes of a multipart part; on the way down the size of a ranged GET.
    pub part_size_bytes: u64,
    /// Files in flight, exactly Globus's term.
    pub concurrency: u32,
    /// Parts of one file in flight; 1 is what an in-order connector does.
    pub parts_in_flight: u32,
}

impl Settings {
    /// Requests that can carry data at the same time.
    pub fn streams(&self) -> u32 {
        self.concurrency.saturating_mul(self.parts_in_flight)
    }
}

/// Which way the data went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// To the bucket.
    Up,
    /// From the bucket.
    Down,
}

/// Which way the data of a trial went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Traffic {
    /// To the bucket.
    Up,
    /// From the bucket.
    Down,
    /// Some files up, the others down.
    Mixed,
}

impl From<Direction> for Traffic {
    fn from(direction: Direction) -> Self {
        match direction {
            Direction::Up => Self::Up,
            Direction::Down => Self::Down,
        }
    }
}

impl Traffic {
    /// `up`, `down` or `mixed`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Mixed => "mixed",
        }
    }
}

/// One measured run of one settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Position in the run, from 0.
    pub id: u32,
    /// What the trial was for.
    pub phase: Phase,
    /// Number of the block of trials it belongs to; `None` outside the race.
    pub block: Option<u32>,
    /// What was set.
    pub settings: Settings,
    /// Which way.
    pub direction: Traffic,
    /// Each way by itself, when the trial was mixed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mixed: Option<Mixed>,
    /// When it was measured.
    pub window: Window,
    /// Bytes that passed the sockets inside the window in attempts that in the end succeeded, per second.
    pub goodput_bytes_per_second: f64,
    /// 95 % interval of the goodput from batch means of this trial's window: it excludes the variation
    /// between trials. `None` where one trial cannot give one.
    pub goodput_interval_95: Option<[f64; 2]>,
    /// All body bytes that passed the sockets inside the window, retries included, per second.
    pub wire_bytes_per_second: f64,
    /// Payload bytes moved by successful requests over the whole trial.
    pub bytes: u64,
    /// Payload bytes downloaded only to compare uploads with their source: in no other figure of the
    /// trial but the times of `get` requests and the client's cost.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub read_back_bytes: u64,
    /// Objects moved whole over the whole trial.
    pub objects: u64,
    /// Requests by operation: `create`, `part`, `complete`, `abort`, `put`, `get`, `head`, `list`, `delete`, `location`.
    pub requests: BTreeMap<String, OperationSummary>,
    /// How long whole objects took that got so far in the window; absent when none did.
    #[serde(default, skip_serializing_if = "ObjectTimes::is_empty")]
    pub objects_us: ObjectTimes,
    /// How files arrived, unless each began when the one before was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_loop: Option<OpenLoop>,
    /// Failed attempts by class over the whole trial.
    pub errors: ErrorCounts,
    /// What comparing with the source found; absent when all bytes were right, or none were compared.
    #[serde(default, skip_serializing_if = "Corrupt::is_none")]
    pub corrupt: Corrupt,
    /// Attempts that were still under way when the drain ended: not errors, not counted as goodput.
    pub cut: u64,
    /// What the measuring process itself used.
    pub client: ClientUse,
    /// What the connections and the interfaces say; absent where nothing does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkUse>,
    /// Reading files, when the trial did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceUse>,
    /// What held the rate down.
    pub limited_by: LimitedBy,
    /// The numbers behind `limited_by`, in one sentence.
    pub evidence: String,
    /// What a reader must know before relying on the trial.
    pub warnings: Vec<String>,
    /// The whole task, when the trial moved a whole dataset.
    pub task: Option<TaskSummary>,
    /// How fast uploads were that were read back before they counted; absent where none was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification: Option<Verification>,
    /// What a search knew when it asked for the trial, and what that took; only in `tune`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Asked>,
}

impl Trial {
    /// What a search compares: the effective speed where uploads were read back, else the goodput.
    pub fn objective_bytes_per_second(&self) -> f64 {
        let goodput = self.goodput_bytes_per_second;
        // Where nothing was read back nothing was achieved.
        self.verification.map_or(goodput, |of| of.effective_speed_bytes_per_second.unwrap_or(0.0))
    }

    /// Attempts after the first, of all its requests. A document may claim any number.
    pub fn retries(&self) -> u64 {
        saturating_sum(self.requests.values().map(|operation| operation.retries))
    }
}

/// Uploads that were read back before they counted, as Globus verifies them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Verification {
    /// Bytes that were uploaded and read back, per second. In a timed trial: movers / (a mover's seconds for
    /// each byte up + its seconds for each byte read back). `None` if nothing was read back.
    pub effective_speed_bytes_per_second: Option<f64>,
    /// What the movers would carry if they only uploaded.
    pub uploading_bytes_per_second: Option<f64>,
    /// What they would carry if they only read back.
    pub reading_back_bytes_per_second: Option<f64>,
}

/// What a search that was cut off must be told again, beside what the trial brought.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// Trials that the budget afforded when the search asked for this one, itself included.
    pub affordable_trials: u32,
    /// From then until its objects were gone.
    pub took_s: f64,
    /// Payload that passed the sockets, of failed attempts too.
    #[serde(default)]
    pub bytes: u64,
    /// What that cost.
    #[serde(default)]
    pub cost_usd: f64,
}

/// What a search has spent in all. Housekeeping (listings, deletes, the marker) is not in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spent {
    /// Preparation and trials.
    pub duration_s: f64,
    /// Payload to the bucket that passed the sockets, of failed attempts too.
    pub bytes_up: u64,
    /// Payload from the bucket, likewise.
    pub bytes_down: u64,
    /// Attempts of requests.
    pub requests: u64,
    /// Storage for its least time, and egress.
    pub cost_usd: f64,
    /// The tier or the file of prices.
    pub prices: String,
    /// The budget that ended the search; `None` if it ended by itself.
    pub used_up: Option<Budget>,
}

/// What a search may spend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Budget {
    /// `--budget`.
    Time,
    /// `--max-bytes`.
    Bytes,
    /// `--max-cost`.
    Cost,
}

impl Budget {
    /// The option that sets it.
    pub fn option(self) -> &'static str {
        match self {
            Self::Time => "--budget",
            Self::Bytes => "--max-bytes",
            Self::Cost => "--max-cost",
        }
    }
}

/// What a trial was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// One stream of each part size.
    Calibration,
    /// Doubling the concurrency to find the knee.
    Ramp,
    /// A member of a randomised complete block.
    Race,
    /// The leaders and the current default on fresh data.
    Confirmation,
    /// The same settings once more in a block of the confirmation: the two must not differ.
    Duplicate,
    /// `tidegate run`.
    Run,
}

/// Both ways of a mixed trial.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mixed {
    /// Files to the bucket.
    pub up: OneWay,
    /// Files from the bucket.
    pub down: OneWay,
}

/// One way of a mixed trial; the fields mean what they mean for the whole.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct OneWay {
    /// Share of the files that was asked for.
    pub files_share: f64,
    /// Objects moved whole over the whole trial.
    pub objects: u64,
    /// Payload bytes moved by successful requests over the whole trial.
    pub bytes: u64,
    /// In the window, as far as it succeeded in the end.
    pub goodput_bytes_per_second: f64,
    /// In the window, retries included.
    pub wire_bytes_per_second: f64,
}

/// The part of a trial that was measured; seconds since the trial began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// Opens.
    pub start_s: f64,
    /// Closes.
    pub end_s: f64,
    /// Whether the rule found a steady state; `None` when the rule does not judge it.
    pub steady: Option<bool>,
    /// The rule that chose the window.
    pub rule: String,
}

/// All requests of one S3 operation in a trial.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OperationSummary {
    /// Logical requests.
    pub count: u64,
    /// HTTP tries.
    pub attempts: u64,
    /// `attempts` beyond the first of each request.
    pub retries: u64,
    /// Time from an attempt's start to its last byte, successful attempts that ended in the window.
    pub service_time_us: Percentiles,
    /// Time from an attempt's start to the first byte of its answer, same attempts.
    pub ttfb_us: Percentiles,
    /// What that time went into, added up over the same attempts; absent in older documents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_us: Option<TimeSpent>,
}

/// Times of attempts by what they were spent on, added up. Their sum is the service time of them all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeSpent {
    /// Looking up names.
    pub dns: u64,
    /// TCP handshakes.
    pub connect: u64,
    /// TLS handshakes.
    pub tls: u64,
    /// From then, or from the start on an idle connection, until the request was sent whole; reading the
    /// source is in it.
    pub send: u64,
    /// From then to the first byte of the answer.
    pub wait: u64,
    /// From then to its last byte.
    pub receive: u64,
}

impl TimeSpent {
    /// All of it. A document may claim any number.
    pub fn total(&self) -> u64 {
        let Self { dns, connect, tls, send, wait, receive } = *self;
        saturating_sum([dns, connect, tls, send, wait, receive])
    }
}

/// Time of whole objects, from the moment when their file arrived (open loop: a response time) or
/// their mover began with it (closed loop: a service time).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ObjectTimes {
    /// Until a mover began with it; only in an open loop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun: Option<Percentiles>,
    /// To the end of PutObject, CompleteMultipartUpload or the last GetObject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed: Option<Percentiles>,
    /// Until all of it was compared with its source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified: Option<Percentiles>,
}

impl ObjectTimes {
    /// Whether no object got anywhere.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Arrivals that did not wait for the files before them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct OpenLoop {
    /// How they were distributed.
    pub distances: Distances,
    /// Mean rate.
    pub files_per_second: f64,
    /// Files that had arrived when the window closed and for which no mover was free.
    pub backlog_files: u64,
}

/// Times between arrivals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Distances {
    /// All equal.
    Constant,
    /// Exponentially distributed: a Poisson process.
    Poisson,
}

/// A distribution by its percentiles, from merged histograms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Percentiles {
    /// Samples; with none, every other field is 0 and means nothing.
    pub samples: u64,
    /// Median.
    pub p50: u64,
    /// 90th percentile.
    pub p90: u64,
    /// 99th percentile.
    pub p99: u64,
    /// 99.9th percentile.
    pub p999: u64,
    /// Largest.
    pub max: u64,
    /// Arithmetic mean.
    pub mean: f64,
}

fn saturating_sum(counts: impl IntoIterator<Item = u64>) -> u64 {
    counts.into_iter().fold(0, u64::saturating_add)
}

/// Failed attempts by class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorCounts {
    /// 429 and 503 SlowDown.
    pub throttled: u64,
    /// No answer, or no progress, in time.
    pub timeout: u64,
    /// The connection could not be made or broke.
    pub connection: u64,
    /// The bytes were not the right ones.
    pub checksum: u64,
    /// Other 5xx.
    pub server: u64,
    /// Other 4xx and faults on our side.
    pub client: u64,
}

impl ErrorCounts {
    /// All failed attempts. A document may claim any number.
    pub fn total(&self) -> u64 {
        let Self { throttled, timeout, connection, checksum, server, client } = *self;
        saturating_sum([throttled, timeout, connection, checksum, server, client])
    }
}

/// Bytes that were not those of their source. What was read wrong is read again: that tells where it
/// went wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Corrupt {
    /// Readings that were wrong while another of the same bytes was right, or wrong in another way.
    pub in_reading: u64,
    /// Objects, or ranges of them, that were wrong twice in the same way: so they are stored.
    pub in_store: u64,
    /// Readings that were wrong and could not be repeated.
    pub unsettled: u64,
}

impl Corrupt {
    /// Whether nothing wrong was found.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl AddAssign for ErrorCounts {
    fn add_assign(&mut self, other: Self) {
        let Self { throttled, timeout, connection, checksum, server, client } = other;
        self.throttled = self.throttled.saturating_add(throttled);
        self.timeout = self.timeout.saturating_add(timeout);
        self.connection = self.connection.saturating_add(connection);
        self.checksum = self.checksum.saturating_add(checksum);
        self.server = self.server.saturating_add(server);
        self.client = self.client.saturating_add(client);
    }
}

impl Sum for ErrorCounts {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), |mut sum, one| {
            sum += one;
            sum
        })
    }
}

/// What the measuring process used during a trial.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClientUse {
    /// User and system time of the process; `None` in a simulation, which has no client.
    pub cpu_seconds: Option<f64>,
    /// The same per 10^9 payload bytes; `None` when nothing was moved.
    pub cpu_seconds_per_gb: Option<f64>,
    /// Highest resident set since the process began; `None` where the platform does not say.
    pub rss_peak_bytes: Option<u64>,
    /// Highest resident set of this trial, looked at ten times a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rss_trial_peak_bytes: Option<u64>,
    /// Threads that move data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker_threads: Option<u32>,
    /// Processor time of the process in the window over the window: 2 is two processors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processors_used: Option<f64>,
    /// The threads that wanted most of a processor in the window, busiest first, 16 at most; empty
    /// where the platform does not say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub busiest_threads: Vec<ThreadUse>,
    /// Share of all the machine's processors that was in use in the window, by whomever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine_busy_share: Option<f64>,
}

/// One thread in the window of a trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ThreadUse {
    /// Its name; those that move data are called `movers-0` and so on.
    pub name: String,
    /// Share of the window in which it was on a processor.
    pub running_share: f64,
    /// Share of the window in which it was ready to run while others had the processors.
    pub ready_share: f64,
}

/// What the connections and the interfaces say.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NetworkUse {
    /// The kernel's counters of our connections over the whole trial (TCP_INFO); absent where there
    /// are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp: Option<TcpUse>,
    /// The interfaces that have our connections' addresses, in the window; empty where unknown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub interfaces: Vec<InterfaceUse>,
}

/// All connections of a trial. Rates, resent bytes and times speak of what was sent: on the way down,
/// of the requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TcpUse {
    /// Connections made.
    pub connections: u64,
    /// Smoothed round trip at the end of each request with payload, under load.
    pub round_trip_us: Percentiles,
    /// Least round trip that any connection saw.
    pub round_trip_min_us: Option<u64>,
    /// Median over the requests with payload of the rate at which a connection's data was
    /// acknowledged last.
    pub delivery_rate_p50_bytes_per_second: Option<u64>,
    /// Bytes that the sockets sent, heads, TLS and resent bytes included.
    pub sent_bytes: u64,
    /// Of these, bytes sent again.
    pub resent_bytes: u64,
    /// Time that connections had data to send, all added up.
    pub busy_s: f64,
    /// Of that, time in which the receiver's window was full.
    pub receive_window_limited_s: f64,
    /// Of that, time in which the send buffer was too small.
    pub send_buffer_limited_s: f64,
}

/// A network interface in the window of a trial, with all that it carried for anybody.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct InterfaceUse {
    /// Its name.
    pub name: String,
    /// Whether it is this machine's way to itself.
    pub loopback: bool,
    /// Speed of the link; `None` where there is none, or none that is known.
    pub speed_bits_per_second: Option<u64>,
    /// What came in, headers included.
    pub received_bytes_per_second: f64,
    /// What went out, headers included.
    pub sent_bytes_per_second: f64,
}

/// Reading files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SourceUse {
    /// Bytes read to be sent, over the whole trial.
    pub read_bytes: u64,
    /// Share of the movers' time in the window in which they waited for the source.
    pub waited_share: f64,
}

/// What held the rate of a trial down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitedBy {
    /// This program's own processor time.
    ClientCpu,
    /// The network interface.
    Nic,
    /// Reading the source.
    Source,
    /// Writing what is downloaded.
    Destination,
    /// 429 and 503 SlowDown.
    Throttled,
    /// Other failures.
    Errors,
    /// None of the above: the gateway or the network.
    GatewayOrNetwork,
    /// The evidence does not say.
    Unknown,
}

/// A whole dataset moved in one direction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskSummary {
    /// From the first request to the last, verification included.
    pub duration_s: f64,
    /// Files in the dataset.
    pub files: u64,
    /// Files that arrived (and, if asked, were verified).
    pub files_done: u64,
    /// Bytes of the files that arrived.
    pub bytes_done: u64,
    /// Bytes of completed (and, if asked, verified) objects over the task's time.
    pub goodput_bytes_per_second: f64,
    /// As Globus reports a task: dataset bytes over the whole task time, checksumming and retries included.
    pub effective_speed_bytes_per_second: f64,
    /// Whether every object, read back.
    pub verified: bool,
    /// Of the files that arrived, those whose bytes nobody can compare: no digest of them is known.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unverifiable_files: u64,
    /// Of the files that arrived, those whose bytes give the ETag of an object that was there before.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub verified_by_etag_files: u64,
    /// Files that did not arrive, by name, and why.
    pub failures: Vec<FileFailure>,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// A file that did not arrive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileFailure {
    /// Its path in the dataset.
    pub path: String,
    /// Why, in one sentence.
    pub reason: String,
}

/// What `tune` recommends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recommendation {
    /// The settings to use.
    pub settings: Settings,
    /// For which direction.
    pub direction: Direction,
    /// Geometric mean over the blocks of trials.
    pub goodput_bytes_per_second: f64,
    /// 95 % interval over the blocks of trials.
    pub interval_95: [f64; 2],
    /// How sure.
    pub verdict: Verdict,
    /// The lower 95 % bound of its ratio to the leader is at least 0.95.
    pub within_margin_shown: bool,
    /// The lower 95 % bound of its ratio to the current default is above 1.
    pub better_than_default_shown: bool,
    /// Smallest ratio minus one that these trials could have shown, 80 % power at the 5 % level.
    pub smallest_difference_seen: Option<f64>,
    /// Why, in a sentence or two.
    pub why: String,
    /// The recommended settings against each other candidate, paired over blocks.
    pub compared_with: Vec<Comparison>,
    /// Commands ready to paste.
    pub commands: Commands,
    /// What held the rate down where the verdict is `limited`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limited_by: Option<LimitedBy>,
    /// Settings against themselves on fresh data (an A/A test): an interval without 1 says that trials
    /// vary more than the intervals know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_settings_twice: Option<Comparison>,
    /// Where uploads were read back: geometric mean of the effective speeds over the blocks of trials. Then
    /// the settings were chosen by it, and the ratios are its.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_speed_bytes_per_second: Option<f64>,
    /// Its 95 % interval over the blocks of trials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_speed_interval_95: Option<[f64; 2]>,
    /// How goodput scales with streams.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scaling: Option<Scaling>,
}

/// One concurrency for uploads and downloads: GCS has a single one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Joint {
    /// Files in flight, either way.
    pub concurrency: u32,
    /// On the way up, against the settings that were best there at the same part size.
    pub up: Comparison,
    /// The same on the way down.
    pub down: Comparison,
    /// Whether both ratios are at least 0.95.
    pub within_margin: bool,
    /// Whether the lower 95 % bounds of both are.
    pub within_margin_shown: bool,
    /// Why, in a sentence with the figures.
    pub why: String,
    /// Commands that set it.
    pub commands: Commands,
}

/// The universal scalability law through the trials of the recommended part size:
/// rate = gamma N / (1 + alpha (N - 1) + beta N (N - 1)) for N streams.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scaling {
    /// Always `usl`.
    pub model: String,
    /// Rate of one stream.
    pub gamma_bytes_per_second: f64,
    /// Contention: what streams wait for each other.
    pub alpha: f64,
    /// From a bootstrap of whole blocks; `None` with fewer than three.
    pub alpha_interval_95: Option<[f64; 2]>,
    /// Crosstalk: what streams disturb each other.
    pub beta: f64,
    /// From a bootstrap of whole blocks; `None` with fewer than three.
    pub beta_interval_95: Option<[f64; 2]>,
    /// Streams with the highest rate; `None` when no peak is shown: the interval of `beta` includes 0.
    pub peak_streams: Option<f64>,
    /// Of the peak, where it is shown and every resample had one.
    pub peak_streams_interval_95: Option<[f64; 2]>,
    /// Trials that the law was fitted to.
    pub trials: u32,
}

/// How sure a recommendation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Within the margin of the best and better than the default: both shown.
    Clear,
    /// The trials do not tell the candidates apart.
    Indistinguishable,
    /// Too few trials reached a steady state.
    NotSteady,
    /// Something other than the settings held the rate down.
    Limited,
}

/// The recommended settings against another.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The other.
    pub settings: Settings,
    /// Goodput of the recommended over goodput of the other; effective speeds where those were compared.
    pub ratio: f64,
    /// 95 % interval of the ratio; `None` with fewer than two common blocks. From the race it holds for
    /// all of the race's comparisons together.
    pub interval_95: Option<[f64; 2]>,
    /// Where the trials come from that were compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
}

/// Commands that set what was recommended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commands {
    /// Globus Connect Server, this storage gateway only.
    pub gcs_storage_gateway: String,
    /// Globus Connect Server, the whole endpoint.
    pub gcs_endpoint: String,
    /// Undoes both.
    pub gcs_revert: String,
    /// rclone flags.
    pub rclone: String,
    /// AWS CLI configuration.
    pub aws: String,
    /// s5cmd flags.
    pub s5cmd: String,
}

impl Document {
    /// What is recommended: nothing, or settings for each direction that was searched.
    pub fn recommended(&self) -> &[Recommendation] {
        match self.recommendations.is_empty() {
            true => self.recommendation.as_slice(),
            false => &self.recommendations,
        }
    }

    /// Goodputs of the race by settings and, for each, by block.
    pub fn blocks(&self, direction: impl Into<Traffic>) -> BTreeMap<Settings, BTreeMap<u32, f64>> {
        let direction = direction.into();
        let mut blocks = BTreeMap::<Settings, BTreeMap<u32, f64>>::new();
        for trial in self.trials.iter().filter(|trial| trial.direction == direction) {
            if let Some(block) = trial.block {
                let goodput = trial.goodput_bytes_per_second;
                blocks.entry(trial.settings).or_default().insert(block, goodput);
            }
        }
        blocks
    }

    /// Writes the document as pretty JSON; a crash leaves the previous one whole.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let fail = |error: &dyn std::fmt::Display| {
            Error::environment(format!("cannot write {}: {error}", path.display()))
                .hint("choose another directory with --results DIR")
        };
        let mut text = serde_json::to_string_pretty(self).map_err(|error| fail(&error))?;
        text.push('\n');
        let temporary = path.with_extension("json.tmp");
        std::fs::write(&temporary, text).map_err(|error| fail(&error))?;
        std::fs::rename(&temporary, path).map_err(|error| fail(&error))
    }

    /// Reads a document.
    ///
    /// # Errors
    /// If the file cannot be read or is not a document of this schema.
    pub fn load(path: &Path) -> Result<Self> {
        let fail = |error: &dyn std::fmt::Display| {
            Error::environment(format!("{} is not a {SCHEMA} document: {error}", path.display()))
        };
        let text = std::fs::read_to_string(path).map_err(|error| fail(&error))?;
        let document: Self = serde_json::from_str(&text).map_err(|error| fail(&error))?;
        if document.schema != SCHEMA {
            return Err(fail(&format!("its schema is {}", document.schema)));
        }
        Ok(document)
    }
}
