//! The request log: one line of JSON for each request, written when the request ends.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::mem::take;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::asked::Asked;
use super::manner::Manner;
use crate::clock::{self, Instant};

/// The log of all requests.
#[derive(Debug)]
pub struct RequestLog {
    started: Instant,
    file: Mutex<BufWriter<File>>,
}

impl RequestLog {
    /// Makes the file, or uses an empty one. Times are counted from `started` and connections from 1: a log that
    /// another process wrote can neither be lost nor go on.
    ///
    /// # Errors
    /// If something is in the file.
    pub fn create(path: &Path, started: Instant) -> io::Result<Arc<Self>> {
        let file = File::options().append(true).create(true).open(path)?;
        if file.metadata()?.len() > 0 {
            let message = "there is something in it, and one process's times are not another's";
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
        }
        let file = Mutex::new(BufWriter::new(file));
        Ok(Arc::new(Self { started, file }))
    }

    /// A request that begins now.
    pub fn begin(
        self: &Arc<Self>,
        connection: u64,
        request: u64,
        asked: Asked,
        manner: Manner,
        traffic: Arc<Traffic>,
    ) -> Entry {
        Entry {
            log: Arc::clone(self),
            connection,
            request,
            asked,
            manner,
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

    fn write(&self, line: &LoggedRequest) {
        let mut text = serde_json::to_vec(line).unwrap_or_default();
        text.push(b'\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = file.write_all(&text) {
            tracing::warn!("cannot write the request log: {error}");
        }
    }
}

/// One line. Fields are added, never renamed: logs are read by [`crate::observe`] and by others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggedRequest {
    /// The connection it came on, from 1.
    pub connection: u64,
    /// Its number on the connection, from 1.
    pub request: u64,
    /// S3's name of the operation.
    pub operation: Cow<'static, str>,
    /// First component of the path.
    pub bucket: Option<String>,
    /// Rest of the path, decoded.
    pub key: Option<String>,
    /// The upload that a part belongs to.
    pub upload_id: Option<String>,
    /// The part's number, as the client wrote it.
    pub part_number: Option<i64>,
    /// The header `Range`.
    pub range: Option<String>,
    /// Body bytes received, as they came over the wire.
    pub bytes_in: u64,
    /// Bytes of content that they were announced to hold, if they came in chunks of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_bytes: Option<u64>,
    /// Body bytes handed over.
    pub bytes_out: u64,
    /// When its head had been read, since the server's start.
    pub start_us: u64,
    /// When its answer was handed over, or nobody was left to take it.
    pub end_us: u64,
    /// HTTP status; `None` if the answer did not reach its end.
    pub status: Option<u16>,
    /// S3 error code.
    pub error: Option<String>,
    /// The header `User-Agent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// How the body is signed: `SHA-256`, or the keyword that stands instead of its digest, such as
    /// `UNSIGNED-PAYLOAD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload_signing: Option<String>,
    /// Names of the checksums that came with it, as their headers are called.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checksums: Vec<String>,
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
#[derive(Debug, Default)]
enum Answer {
    /// There is none.
    #[default]
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
    manner: Manner,
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
        let started = self.log.started;
        let microseconds =
            |at: Instant| u64::try_from(at.since(started).as_micros()).unwrap_or(u64::MAX);
        let (status, error) = match take(&mut self.answer) {
            Answer::Sent { status, error } if !self.traffic.client_gone.load(Ordering::Relaxed) => {
                (Some(status), error)
            }
            _ => (None, None),
        };
        let (asked, manner) = (&mut self.asked, &mut self.manner);
        self.log.write(&LoggedRequest {
            connection: self.connection,
            request: self.request,
            operation: Cow::Borrowed(asked.operation),
            bucket: asked.bucket.take(),
            key: asked.key.take(),
            upload_id: asked.upload_id.take(),
            part_number: asked.part_number,
            range: asked.range.take(),
            bytes_in: self.traffic.bytes_in.load(Ordering::Relaxed),
            content_bytes: manner.content_bytes,
            bytes_out: self.bytes_out,
            start_us: microseconds(self.start),
            end_us: microseconds(clock::now()),
            status,
            error,
            user_agent: manner.user_agent.take(),
            payload_signing: manner.payload_signing.take(),
            checksums: take(&mut manner.checksums),
        });
    }
}
