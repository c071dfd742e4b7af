//! What a gateway did so far: requests by operation and status, bytes, connections, refusals.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use super::gate::Gate;
use super::log::Traffic;
use crate::clock::{self, Instant};
use crate::measure::DurationCounts;
use crate::storj::Limited;

/// The longest code of an error that is counted, and how many kinds there may be.
const CODE_MOST_BYTES: usize = 64;
const KINDS_MOST: usize = 1000;

/// The counters, shared by all connections.
#[derive(Debug)]
pub struct Statistics {
    started: Instant,
    gate: Arc<Gate>,
    connections: Gauge,
    requests: Gauge,
    answers: Mutex<BTreeMap<Answer, Sums>>,
    refused: Refused<AtomicU64>,
    ruled: Mutex<BTreeMap<Ruled, u64>>,
}

/// How many there are now, were at most at one time, and were in all.
#[derive(Debug, Default)]
struct Gauge {
    now: AtomicU64,
    peak: AtomicU64,
    total: AtomicU64,
}

/// One of a [`Gauge`], until it is dropped.
#[derive(Debug)]
pub struct One {
    statistics: Arc<Statistics>,
    of: fn(&Statistics) -> &Gauge,
}

/// Operation and HTTP status; without a status the connection ended before the answer did.
type Answer = (&'static str, Option<u16>);

#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    requests: u64,
    bytes_in: u64,
    bytes_out: u64,
    times: DurationCounts,
}

/// Refusals by the limit that was reached.
#[derive(Debug, Default, Serialize)]
pub struct Refused<N> {
    /// Transfers at a time.
    pub transfers: N,
    /// Calls to the satellite.
    pub calls: N,
    /// Beginnings of one key.
    pub key_writes: N,
}

impl Statistics {
    /// Counts from now.
    pub fn new(gate: Arc<Gate>) -> Arc<Self> {
        Arc::new(Self {
            started: clock::now(),
            gate,
            connections: Gauge::default(),
            requests: Gauge::default(),
            answers: Mutex::default(),
            refused: Refused::default(),
            ruled: Mutex::default(),
        })
    }

    /// A connection that begins.
    pub fn connection(self: &Arc<Self>) -> One {
        self.one(|statistics| &statistics.connections)
    }

    /// A request that begins, and whose body counts in `traffic`.
    pub fn request(self: &Arc<Self>, operation: &'static str, traffic: Arc<Traffic>) -> Counted {
        let under_way = self.one(|statistics| &statistics.requests);
        Counted {
            under_way,
            operation,
            began: clock::now(),
            traffic,
            status: None,
            is_sent: false,
            bytes_out: 0,
        }
    }

    /// A request that was not let in.
    pub fn refused(&self, limited: Limited) {
        let counter = match limited {
            Limited::Transfers(_) => &self.refused.transfers,
            Limited::Calls => &self.refused.calls,
            Limited::KeyWrites => &self.refused.key_writes,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// An error was answered. Those that AWS would not have answered with are counted.
    pub fn failed(&self, operation: &'static str, status: u16, code: &str) {
        let Some(why) = not_of_aws(operation, status, code) else { return };
        // Another server behind this one writes what it likes.
        let is_code =
            code.len() <= CODE_MOST_BYTES && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let mut counts = self.ruled.lock().unwrap_or_else(PoisonError::into_inner);
        let ruled = Ruled { operation, status, code: code.to_owned(), why };
        if is_code && (counts.len() < KINDS_MOST || counts.contains_key(&ruled)) {
            *counts.entry(ruled).or_default() += 1;
        }
    }

    /// Requests under way.
    pub fn requests_now(&self) -> u64 {
        self.requests.now.load(Ordering::Relaxed)
    }

    fn one(self: &Arc<Self>, of: fn(&Self) -> &Gauge) -> One {
        of(self).rise();
        One { statistics: Arc::clone(self), of }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Answer, Sums>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ruled(&self) -> Vec<RuledCount> {
        let counts = self.ruled.lock().unwrap_or_else(PoisonError::into_inner);
        let count = |(ruled, requests): (&Ruled, &u64)| RuledCount {
            ruled: ruled.clone(),
            requests: *requests,
        };
        counts.iter().map(count).collect()
    }

    /// The counters as they are now.
    pub fn snapshot(&self) -> Snapshot {
        let answers: Vec<AnswerCount> = self.lock().iter().map(AnswerCount::of).collect();
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (now, peak, most) = self.gate.transfers();
        Snapshot {
            uptime_s: self.started.elapsed().as_secs_f64(),
            connections: self.connections.count(),
            requests: self.requests.count(),
            transfers: Transfers { now, peak, limit: most },
            refused: Refused {
                transfers: load(&self.refused.transfers),
                calls: load(&self.refused.calls),
                key_writes: load(&self.refused.key_writes),
            },
            not_of_aws: self.ruled(),
            bytes_in: answers.iter().map(|answer| answer.bytes_in).sum(),
            bytes_out: answers.iter().map(|answer| answer.bytes_out).sum(),
            answers,
        }
    }
}

impl Gauge {
    fn rise(&self) {
        let now = self.now.fetch_add(1, Ordering::Relaxed) + 1;
        self.peak.fetch_max(now, Ordering::Relaxed);
        self.total.fetch_add(1, Ordering::Relaxed);
    }

    fn count(&self) -> Count {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Count { now: load(&self.now), peak: load(&self.peak), total: load(&self.total) }
    }
}

impl Drop for One {
    fn drop(&mut self) {
        (self.of)(&self.statistics).now.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One request under way. It is summed up when it is dropped.
#[derive(Debug)]
pub struct Counted {
    under_way: One,
    operation: &'static str,
    began: Instant,
    traffic: Arc<Traffic>,
    status: Option<u16>,
    is_sent: bool,
    /// Body bytes handed over.
    pub bytes_out: u64,
}

impl Counted {
    /// The head of the answer is made.
    pub fn answered(&mut self, status: u16) {
        self.status = Some(status);
    }

    /// All of the answer was handed over.
    pub fn sent(&mut self) {
        self.is_sent = true;
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let whole = self.is_sent && !self.traffic.client_gone.load(Ordering::Relaxed);
        let status = self.status.filter(|_| whole);
        let mut answers = self.under_way.statistics.lock();
        let sums = answers.entry((self.operation, status)).or_default();
        sums.requests += 1;
        sums.bytes_in += self.traffic.bytes_in.load(Ordering::Relaxed);
        sums.bytes_out += self.bytes_out;
        sums.times.add(self.began.elapsed());
    }
}

/// The counters at one time, as `stats.json` shows them.
#[derive(Debug, Serialize)]
pub struct Snapshot {
    /// Since the gateway listens.
    pub uptime_s: f64,
    /// Connections.
    pub connections: Count,
    /// Requests, those that were refused included.
    pub requests: Count,
    /// PutObjects, UploadParts and GetObjects that were let in.
    pub transfers: Transfers,
    /// Requests that were not.
    pub refused: Refused<u64>,
    /// Errors that AWS S3 would not have answered with.
    pub not_of_aws: Vec<RuledCount>,
    /// Body bytes of requests that are over.
    pub bytes_in: u64,
    /// Body bytes of their answers.
    pub bytes_out: u64,
    /// Requests that are over.
    pub answers: Vec<AnswerCount>,
}

/// An error that AWS S3 would not have answered with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Ruled {
    /// S3's name.
    pub operation: &'static str,
    /// HTTP status.
    pub status: u16,
    /// The error's code.
    pub code: String,
    /// Storj's rule or limit.
    pub why: &'static str,
}

/// How many there were.
#[derive(Clone, Debug, Serialize)]
pub struct RuledCount {
    /// Of this kind.
    #[serde(flatten)]
    pub ruled: Ruled,
    /// Requests.
    pub requests: u64,
}

/// A gauge at one time.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Count {
    /// Now.
    pub now: u64,
    /// The most at one time.
    pub peak: u64,
    /// In all.
    pub total: u64,
}

/// Transfers at one time.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Transfers {
    /// Now.
    pub now: u32,
    /// The most at one time.
    pub peak: u32,
    /// The most there may be.
    pub limit: Option<u32>,
}

/// Requests of one operation that had one status.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct AnswerCount {
    /// S3's name.
    pub operation: &'static str,
    /// HTTP status; without one the connection ended before the answer did.
    pub status: Option<u16>,
    /// How many.
    pub requests: u64,
    /// Body bytes received.
    pub bytes_in: u64,
    /// Body bytes sent.
    pub bytes_out: u64,
    /// How long they took.
    #[serde(skip)]
    pub times: DurationCounts,
}

impl AnswerCount {
    fn of(((operation, status), sums): (&Answer, &Sums)) -> Self {
        let Sums { requests, bytes_in, bytes_out, times } = *sums;
        Self { operation, status: *status, requests, bytes_in, bytes_out, times }
    }
}

/// Why an error is one that AWS S3 would not have answered with, if it is: rules of Storj's that a client which was made
/// for AWS should know.
fn not_of_aws(operation: &str, status: u16, code: &str) -> Option<&'static str> {
    Some(match (operation, status, code) {
        (_, 429, _) => "more than Storj allows at a time or in a second; AWS has other limits",
        ("DeleteObjects", _, "MissingContentMD5") => {
            "Storj wants a Content-MD5; AWS takes another checksum instead"
        }
        ("PutObject" | "UploadPart", 400, "InvalidRequest") => {
            "most often a checksum in a trailer, which Storj does not take: compute it only when required"
        }
        ("PutObject" | "UploadPart", 411, _) => "Storj wants a Content-Length",
        ("CompleteMultipartUpload" | "ListParts", 500, "InternalError") => {
            "the upload was begun, or has a part, under another key"
        }
        ("GetObject" | "HeadObject", 416, "InvalidPartNumber") => {
            "Storj does not know where the parts of an object begin"
        }
        (_, _, "XMinioInvalidResourceName" | "XMinioInvalidObjectName") => {
            "no component of a key may be `.` or `..`, nor a key only `/`"
        }
        (_, _, "InvalidStorageClass") => "Storj has one storage class, STANDARD",
        (_, 501, _) => "Storj does not have this",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_aws_answers_as_well_is_not_named() {
        for (operation, status, code) in [
            ("GetObject", 404, "NoSuchKey"),
            ("GetObject", 412, "PreconditionFailed"),
            ("PutObject", 400, "BadDigest"),
            ("CompleteMultipartUpload", 400, "EntityTooSmall"),
            ("GetObject", 403, "SignatureDoesNotMatch"),
        ] {
            assert_eq!(not_of_aws(operation, status, code), None, "{operation} {code}");
        }
        assert!(not_of_aws("GetObject", 429, "SlowDown").is_some());
        assert!(not_of_aws("Other", 501, "NotImplemented").is_some());
    }
}
