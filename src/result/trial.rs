//! A trial: what was set, what it brought, and what held it down.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::requests::saturating_sum;
use super::{
    ClientUse, Corrupt, DtnShare, ErrorCounts, NetworkUse, ObjectTimes, OpenLoop, OperationSummary,
    Settings, SourceUse, Traffic,
};

/// One measured run of one settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// Which of the run's datasets, by its name; absent where there is only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<String>,
    /// Each way by itself, when the trial was mixed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mixed: Option<Mixed>,
    /// When it was measured.
    pub window: Window,
    /// Bytes that passed the sockets inside the window in attempts that in the end succeeded, per second.
    #[serde(deserialize_with = "super::number::from_zero")]
    pub goodput_bytes_per_second: f64,
    /// 95 % interval of the goodput from batch means of this trial's window: it excludes the variation
    /// between trials. `None` where one trial cannot give one.
    pub goodput_interval_95: Option<[f64; 2]>,
    /// All body bytes that passed the sockets inside the window, retries included, per second.
    #[serde(deserialize_with = "super::number::from_zero")]
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
    /// Attempts that were still under way when the drain ended, or when another part of their file had
    /// failed for good: not errors, not counted as goodput.
    pub cut: u64,
    /// Attempts that were on their way when the window closed and were let go: not errors, and what they had
    /// carried in the window is goodput.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub under_way: u64,
    /// The longest that an answer asked to wait (`Retry-After`).
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "super::number::seconds_if_any"
    )]
    pub retry_after_max_s: Option<f64>,
    /// Share of the attempts that ended in the window that were told to slow down: what is refused at the
    /// beginning, when all come at once, is not in it. Absent where none was.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "super::number::from_zero_if_any"
    )]
    pub refused_in_window: Option<f64>,
    /// The same, also of attempts that ended so shortly before the window that the longest wait that was asked for
    /// reached into it.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "super::number::from_zero_if_any"
    )]
    pub refused_or_waiting: Option<f64>,
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
    /// What each DTN did, if several moved data together: then the settings are those of each, all other figures those
    /// of all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dtns: Vec<DtnShare>,
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Verification {
    /// Bytes that were uploaded and read back, per second. In a timed trial: movers / (a mover's seconds for
    /// each byte up + its seconds for each byte read back). `None` if nothing was read back.
    #[serde(default, deserialize_with = "super::number::from_zero_if_any")]
    pub effective_speed_bytes_per_second: Option<f64>,
    /// What the movers would carry if they only uploaded.
    #[serde(default, deserialize_with = "super::number::from_zero_if_any")]
    pub uploading_bytes_per_second: Option<f64>,
    /// What they would carry if they only read back.
    #[serde(default, deserialize_with = "super::number::from_zero_if_any")]
    pub reading_back_bytes_per_second: Option<f64>,
}

/// What a search that was cut off must be told again, beside what the trial brought.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Asked {
    /// Trials of a block that the budget afforded then; in older documents all trials, itself included.
    #[serde(default)]
    pub affordable_trials: u32,
    /// Time that was left when the search asked for this one, as the smallest of the budgets had it.
    #[serde(default)]
    pub left_us: u64,
    /// From then until its objects were gone.
    #[serde(deserialize_with = "super::number::seconds")]
    pub took_s: f64,
    /// Payload that passed the sockets, of failed attempts too.
    #[serde(default)]
    pub bytes: u64,
    /// What that cost.
    #[serde(default, deserialize_with = "super::number::from_zero")]
    pub cost_usd: f64,
}

/// What a trial was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Another part size at the knee; in older documents one stream of each.
    Calibration,
    /// The way to the knee.
    Ramp,
    /// A member of a randomised complete block.
    Race,
    /// The leaders and the current default on fresh data.
    Confirmation,
    /// The same settings once more in a block of the confirmation: the two must not differ.
    Duplicate,
    /// What is likely to be recommended, held for a minute and more.
    Soak,
    /// The concurrency that would serve both directions, or the best of one of them, in a block of the two.
    BothWays,
    /// `tidegate run`.
    Run,
}

/// Both ways of a mixed trial.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Mixed {
    /// Files to the bucket.
    pub up: OneWay,
    /// Files from the bucket.
    pub down: OneWay,
}

/// One way of a mixed trial; the fields mean what they mean for the whole.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OneWay {
    /// Share of the files that was asked for.
    #[serde(deserialize_with = "super::number::from_zero")]
    pub files_share: f64,
    /// Objects moved whole over the whole trial.
    pub objects: u64,
    /// Payload bytes moved by successful requests over the whole trial.
    pub bytes: u64,
    /// In the window, as far as it succeeded in the end.
    #[serde(deserialize_with = "super::number::from_zero")]
    pub goodput_bytes_per_second: f64,
    /// In the window, retries included.
    #[serde(deserialize_with = "super::number::from_zero")]
    pub wire_bytes_per_second: f64,
}

/// The part of a trial that was measured; seconds since the trial began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Window {
    /// Opens.
    #[serde(deserialize_with = "super::number::seconds")]
    pub start_s: f64,
    /// Closes.
    #[serde(deserialize_with = "super::number::seconds")]
    pub end_s: f64,
    /// Whether the rule found a steady state; `None` when the rule does not judge it.
    pub steady: Option<bool>,
    /// The rule that chose the window.
    pub rule: String,
}

/// What held the rate of a trial down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// A cap that the user set: `--max-rate` or `--max-requests-per-second`.
    Cap,
    /// None of the above: the gateway or the network.
    GatewayOrNetwork,
    /// The evidence does not say.
    Unknown,
}

/// A whole dataset moved in one direction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TaskSummary {
    /// From the first request to the last, verification included.
    #[serde(deserialize_with = "super::number::seconds")]
    pub duration_s: f64,
    /// Files in the dataset.
    pub files: u64,
    /// Files that arrived (and, if asked, were verified).
    pub files_done: u64,
    /// Bytes of the files that arrived.
    pub bytes_done: u64,
    /// Bytes of completed (and, if asked, verified) objects over the task's time.
    #[serde(deserialize_with = "super::number::from_zero")]
    pub goodput_bytes_per_second: f64,
    /// As Globus reports a task: dataset bytes over the whole task time, checksumming and retries included.
    #[serde(deserialize_with = "super::number::from_zero")]
    pub effective_speed_bytes_per_second: f64,
    /// Whether every object that arrived was verified, and at least one did.
    pub verified: bool,
    /// Of the files that arrived, those whose bytes were shown to be right; absent in older documents, as where
    /// there is none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub verified_files: u64,
    /// Files that were there before and were taken as they are, for they have all bytes: not among those that
    /// arrived.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub files_there: u64,
    /// Of these, those whose bytes give the ETags of their objects.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub files_there_verified: u64,
    /// Objects without bytes that only stand for a directory: not among the files.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub directory_markers: u64,
    /// Of the files that arrived, those whose ETags say nothing of their bytes.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unverifiable_files: u64,
    /// Of the files that arrived, those whose bytes give the ETag of an object that was there before.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub verified_by_etag_files: u64,
    /// Files that did not arrive, by name, and why.
    pub failures: Vec<FileFailure>,
}

impl TaskSummary {
    /// Files that arrived and whose bytes were shown to be right. Older documents say only whether all were.
    pub fn files_verified(&self) -> u64 {
        match self.verified {
            true if self.verified_files == 0 => self.files_done,
            _ => self.verified_files.max(self.verified_by_etag_files),
        }
    }
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// A file that did not arrive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileFailure {
    /// Its path in the dataset.
    pub path: String,
    /// Why, in one sentence.
    pub reason: String,
}
