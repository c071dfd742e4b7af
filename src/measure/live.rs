//! Counters that all threads share while a trial runs: for the progress line, the markers, the stop rule and those who
//! read metrics.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::Operation;
use super::operation_so_far::OperationSoFar;
use super::so_far::SoFar;
use super::waits::Waits;

/// Plain atomics; nothing is decided from two of them at once. Waits are counted where one waits anyway.
#[derive(Debug, Default)]
pub struct Live {
    /// Body bytes that passed the sockets to the bucket.
    pub sent_bytes: AtomicU64,
    /// Body bytes that passed them from the bucket.
    pub received_bytes: AtomicU64,
    /// Files that movers are at.
    pub files_in_flight: AtomicU64,
    /// Files that arrived.
    pub files_done: AtomicU64,
    /// Of these, those that went up.
    pub files_up_done: AtomicU64,
    /// Of these, those whose bytes were shown to be right.
    pub files_verified: AtomicU64,
    /// Files that were there before, whole.
    pub files_there: AtomicU64,
    /// Of these, those whose bytes were shown to be right.
    pub files_there_verified: AtomicU64,
    /// Bytes of files that arrived.
    pub bytes_done: AtomicU64,
    /// Files that did not.
    pub files_failed: AtomicU64,
    /// Failed attempts.
    pub failed_attempts: AtomicU64,
    /// Movers that have begun their first request with payload.
    pub movers_begun: AtomicU64,
    /// Movers that have finished it.
    pub movers_warm: AtomicU64,
    /// Longest time that a successful request with payload took, in nanoseconds.
    pub slowest_ns: AtomicU64,
    /// The longest that an answer asked to wait, in nanoseconds.
    pub retry_after_max_ns: AtomicU64,
    /// Requests that wait at present because an answer asked for it.
    pub asked_to_wait: AtomicU64,
    /// Service times in the window of successful requests with payload.
    pub times: SoFar,
    /// Bytes read from files.
    pub source_read_bytes: AtomicU64,
    /// How long movers waited for the source.
    pub source: Arc<Waits>,
    /// How long movers waited for what they download to be written.
    pub destination: Arc<Waits>,
    operations: [OperationSoFar; Operation::ALL.len()],
}

impl Live {
    /// Adds to a counter.
    pub fn add(counter: &AtomicU64, amount: u64) {
        counter.fetch_add(amount, Relaxed);
    }

    /// Reads a counter.
    pub fn get(counter: &AtomicU64) -> u64 {
        counter.load(Relaxed)
    }

    /// Body bytes that passed the sockets, either way.
    pub fn wire_bytes(&self) -> u64 {
        Self::get(&self.sent_bytes) + Self::get(&self.received_bytes)
    }

    /// What became of the requests of an operation.
    pub fn of(&self, operation: Operation) -> &OperationSoFar {
        &self.operations[operation as usize]
    }
}
