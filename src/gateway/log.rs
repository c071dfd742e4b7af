//! The request log: one line of JSON for each request, written when the request ends.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use super::asked::Asked;
use crate::clock::{self, Instant};

/// The log of all requests.
#[derive(Debug)]
pub struct RequestLog {
    started: Instant,
    file: Mutex<BufWriter<File>>,
}

impl RequestLog {
    /// Makes the file anew. Times are counted from `started`.
    pub fn create(path: &Path, started: Instant) -> io::Result<Arc<Self>> {
        let file = Mutex::new(BufWriter::new(File::create(path)?));
        Ok(Arc::new(Self { started, file }))
    }

    /// A request that begins now.
    pub fn begin(
        self: &Arc<Self>,
        connection: u64,
        request: u64,
        asked: Asked,
        traffic: Arc<Traffic>,
    ) -> Entry {
        Entry {
            log: Arc::clone(self),
            connection,
            request,
            asked,
            start: clock::now(),
            traffic,
            bytes_out: 0,
            answer: Answer::None,
        }
    }

    /// Hands all lines to the operating system.
    pub fn flush(&self) {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = file.flush() {
            tracing::warn!("cannot write the request log: {error}");
        }
    }

    fn write(&self, line: &Line<'_>) {
        let mut text = serde_json::to_vec(line).unwrap_or_default();
        text.push(b'\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = file.write_all(&text) {
            tracing::warn!("cannot write the request log: {error}");
        }
    }
}

/// One line.
#[derive(Serialize)]
struct Line<'a> {
    connection: u64,
    request: u64,
    operation: &'a str,
    bucket: Option<&'a str>,
    key: Option<&'a str>,
    upload_id: Option<&'a str>,
    part_number: Option<i64>,
    range: Option<&'a str>,
    bytes_in: u64,
    bytes_out: u64,
    start_us: u64,
    end_us: u64,
    status: Option<u16>,
    error: Option<&'a str>,
}

/// What came in with a request; its body counts here.
#[derive(Debug, Default)]
pub struct Traffic {
    /// Body bytes received.
    pub bytes_in: AtomicU64,
    /// Whether the body was read to its end.
    pub ended: AtomicBool,
    /// Whether the connection ended before the body did.
    pub client_gone: AtomicBool,
}

/// How far the answer is.
#[derive(Debug)]
enum Answer {
    /// There is none.
    None,
    /// Its head is made.
    Begun { status: u16, error: Option<String> },
    /// All of it was handed over.
    Sent { status: u16, error: Option<String> },
}

/// One request under way. Its line is written when it is dropped, be it that all was sent, or that
/// the client went away.
#[derive(Debug)]
pub struct Entry {
    log: Arc<RequestLog>,
    connection: u64,
    request: u64,
    asked: Asked,
    start: Instant,
    traffic: Arc<Traffic>,
    /// Body bytes handed over.
    pub bytes_out: u64,
    answer: Answer,
}

impl Entry {
    /// The head of the answer is made.
    pub fn answered(&mut self, status: u16, error: Option<String>) {
        self.answer = Answer::Begun { status, error };
    }

    /// All of the answer was handed over.
    pub fn sent(&mut self) {
        if let Answer::Begun { status, error } = &mut self.answer {
            self.answer = Answer::Sent { status: *status, error: error.take() };
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let microseconds =
            |at: Instant| u64::try_from(at.since(self.log.started).as_micros()).unwrap_or(u64::MAX);
        let (status, error) = match &self.answer {
            Answer::Sent { status, error } if !self.traffic.client_gone.load(Ordering::Relaxed) => {
                (Some(*status), error.as_deref())
            }
            _ => (None, None),
        };
        self.log.write(&Line {
            connection: self.connection,
            request: self.request,
            operation: self.asked.operation,
            bucket: self.asked.bucket.as_deref(),
            key: self.asked.key.as_deref(),
            upload_id: self.asked.upload_id.as_deref(),
            part_number: self.asked.part_number,
            range: self.asked.range.as_deref(),
            bytes_in: self.traffic.bytes_in.load(Ordering::Relaxed),
            bytes_out: self.bytes_out,
            start_us: microseconds(self.start),
            end_us: microseconds(clock::now()),
            status,
            error,
        });
    }
}
