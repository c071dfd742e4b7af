//! What happened: every attempt of every request, counted and timed.

mod addresses;
mod attempt;
mod durations;
mod export;
mod histogram;
mod interface;
mod live;
mod movers_time;
mod operation_so_far;
mod probe;
mod recorder;
mod series;
mod so_far;
mod spent;
mod tcp;
mod usage;
mod waits;

pub use attempt::{ATTEMPT_BYTES, Attempt, AttemptId};
pub use durations::DurationCounts;
pub use interface::Interfaces;
pub use live::Live;
pub use movers_time::{Doing, MoversTime};
pub use operation_so_far::{OperationCounts, OperationSoFar};
pub use probe::{Connecting, Probe};
pub use recorder::{EtagTally, OneWay, OperationRecord, Recorder};
pub use series::{BIN, Series};
pub use so_far::{SoFar, TimesSoFar};
pub use tcp::{SocketUse, SocketWatch, TcpCounters};
pub use usage::{
    MachineTime, ThreadTime, Usage, cores, host, process_cpu, resident_bytes, resident_peak_bytes,
    this_thread,
};
pub use waits::{Waiting, Waits};

use serde::{Deserialize, Serialize};

pub use crate::result::Operation;

/// Why an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum FailureClass {
    /// 429, or 503 SlowDown.
    Throttled,
    /// No answer, or no progress, in time.
    Timeout,
    /// The connection could not be made or broke.
    Connection,
    /// The bytes were not the right ones.
    Checksum,
    /// Other 5xx.
    Server,
    /// Other 4xx, an answer we cannot read, and faults on our own side.
    Client,
}

impl FailureClass {
    /// All, in the order of their declaration.
    pub const ALL: [Self; 6] = [
        Self::Throttled,
        Self::Timeout,
        Self::Connection,
        Self::Checksum,
        Self::Server,
        Self::Client,
    ];

    /// Whether the same request may succeed later.
    pub fn can_be_retried(self) -> bool {
        self != Self::Client
    }

    /// The name in the result document.
    pub fn name(self) -> &'static str {
        match self {
            Self::Throttled => "throttled",
            Self::Timeout => "timeout",
            Self::Connection => "connection",
            Self::Checksum => "checksum",
            Self::Server => "server",
            Self::Client => "client",
        }
    }
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The answer is whole and says yes.
    Ok,
    /// It says no, or there is none.
    Failed(FailureClass),
    /// We stopped waiting because the trial was over.
    Cut,
    /// The window closed while it was on its way and nothing had gone wrong: what it had sent counts.
    UnderWay,
}

impl Outcome {
    /// All.
    pub const ALL: [Self; 9] = [
        Self::Ok,
        Self::Cut,
        Self::UnderWay,
        Self::Failed(FailureClass::Throttled),
        Self::Failed(FailureClass::Timeout),
        Self::Failed(FailureClass::Connection),
        Self::Failed(FailureClass::Checksum),
        Self::Failed(FailureClass::Server),
        Self::Failed(FailureClass::Client),
    ];

    /// Its place among all.
    fn index(self) -> usize {
        match self {
            Self::Ok => 0,
            Self::Cut => 1,
            Self::UnderWay => 2,
            Self::Failed(class) => 3 + class as usize,
        }
    }

    /// The name in tables of attempts and in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Cut => "cut",
            Self::UnderWay => "under_way",
            Self::Failed(class) => class.name(),
        }
    }
}

/// How far a whole object got, counted from the moment when its file arrived (open loop) or its mover
/// began with it (closed loop).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Milestone {
    /// A mover began with it; only in an open loop, where it may have waited.
    Begun,
    /// The end of its PutObject, its CompleteMultipartUpload or its last GetObject.
    Completed,
    /// All of it was compared with its source.
    Verified,
}

impl Milestone {
    /// The name in the result document.
    pub fn name(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Completed => "completed",
            Self::Verified => "verified",
        }
    }
}
