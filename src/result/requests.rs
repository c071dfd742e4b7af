//! What the requests of a trial took, and how they ended.

use std::iter::Sum;
use std::ops::AddAssign;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// All requests of one S3 operation in a trial.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OpenLoop {
    /// How they were distributed.
    pub distances: Distances,
    /// Mean rate.
    #[serde(deserialize_with = "super::number::from_zero")]
    pub files_per_second: f64,
    /// Files that had arrived when the window closed and for which no mover was free.
    pub backlog_files: u64,
}

/// Times between arrivals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Distances {
    /// All equal.
    Constant,
    /// Exponentially distributed: a Poisson process.
    Poisson,
}

/// A distribution by its percentiles, from merged histograms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    #[serde(deserialize_with = "super::number::from_zero")]
    pub mean: f64,
}

pub(super) fn saturating_sum(counts: impl IntoIterator<Item = u64>) -> u64 {
    counts.into_iter().fold(0, u64::saturating_add)
}

/// Failed attempts by class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
