//! One attempt under observation: made by the engine, filled by the store and its HTTP client.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::live::Live;
use super::series::Series;
use crate::clock::{self, Instant};

/// What it took to get a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connecting {
    /// An idle connection was used again.
    Reused,
    /// A new one was made.
    New {
        /// Name look-up.
        dns: Duration,
        /// TCP handshake.
        tcp: Duration,
        /// TLS handshake; zero on plain HTTP.
        tls: Duration,
    },
}

/// The record of one attempt while it is under way.
///
/// The HTTP client of the SDK must be `Sync`, hence the once-cells and the mutex; all run on one
/// thread, so the lock is never contended (about 15 ns beside a write of 64 KiB or more).
#[derive(Debug)]
pub struct Probe {
    live: Arc<Live>,
    origin: Instant,
    /// When the attempt began.
    pub began: Instant,
    connecting: OnceLock<Connecting>,
    sent: OnceLock<Instant>,
    first_byte: OnceLock<Instant>,
    passed: Mutex<Passed>,
}

/// Body bytes that passed the socket, by bin of time.
#[derive(Debug, Default)]
struct Passed {
    total: u64,
    bins: Vec<(usize, u64)>,
}

impl Probe {
    /// A new attempt, beginning now. `origin` is the start of the trial.
    pub fn begin(live: &Arc<Live>, origin: Instant) -> Arc<Self> {
        Arc::new(Self {
            live: Arc::clone(live),
            origin,
            began: clock::now(),
            connecting: OnceLock::new(),
            sent: OnceLock::new(),
            first_byte: OnceLock::new(),
            passed: Mutex::default(),
        })
    }

    /// A connection was found or made.
    pub fn connected(&self, connecting: Connecting) {
        let _ = self.connecting.set(connecting);
    }

    /// The last byte of the request was handed to the socket.
    pub fn request_sent(&self) {
        let _ = self.sent.set(clock::now());
    }

    /// The first byte of the answer arrived.
    pub fn answer_began(&self) {
        let _ = self.first_byte.set(clock::now());
    }

    /// `bytes` of payload passed the socket, either way.
    pub fn payload_passed(&self, bytes: u64) {
        Live::add(&self.live.wire_bytes, bytes);
        let bin = self.bin_of(clock::now());
        let mut passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
        passed.total += bytes;
        match passed.bins.last_mut() {
            Some((last, sum)) if *last == bin => *sum += bytes,
            _ => passed.bins.push((bin, bytes)),
        }
    }

    /// How the connection was come by; `None` if the attempt failed before.
    pub fn connecting(&self) -> Option<Connecting> {
        self.connecting.get().copied()
    }

    /// When the request was sent whole.
    pub fn sent_at(&self) -> Option<Instant> {
        self.sent.get().copied()
    }

    /// When the answer began.
    pub fn first_byte_at(&self) -> Option<Instant> {
        self.first_byte.get().copied()
    }

    /// Payload bytes that passed the socket so far; a watchdog sees progress by it.
    pub fn payload_bytes(&self) -> u64 {
        self.passed.lock().unwrap_or_else(PoisonError::into_inner).total
    }

    /// The bin of a series into which a moment of this trial falls.
    pub(super) fn bin_of(&self, at: Instant) -> usize {
        Series::bin_of(self.origin, at)
    }

    /// Adds the payload bytes to a series.
    pub fn add_to(&self, series: &mut Series) {
        let passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
        for (bin, bytes) in &passed.bins {
            series.add(*bin, *bytes);
        }
    }
}
