//! One attempt under observation: made by the engine, filled by the store and its HTTP client.

use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::live::Live;
use super::series::Series;
use super::tcp::SocketUse;
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
    socket: OnceLock<SocketUse>,
    passed: Mutex<Passed>,
}

/// Body bytes that passed the socket, by bin of time, or evenly over a while.
#[derive(Debug, Default)]
struct Passed {
    total: u64,
    bins: Vec<(usize, u64)>,
    evenly: Vec<(Range<Instant>, u64)>,
}

impl Passed {
    fn add(&mut self, bin: usize, bytes: u64) {
        self.total += bytes;
        match self.bins.last_mut() {
            Some((last, sum)) if *last == bin => *sum += bytes,
            _ => self.bins.push((bin, bytes)),
        }
    }
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
            socket: OnceLock::new(),
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

    /// The connection is done with this attempt, and was so used by it.
    pub fn socket_left(&self, used: SocketUse) {
        let _ = self.socket.set(used);
    }

    /// `bytes` of payload passed the socket on their way to the bucket.
    pub fn payload_sent(&self, bytes: u64) {
        Live::add(&self.live.sent_bytes, bytes);
        self.payload_passed(bytes);
    }

    /// `bytes` of payload passed the socket on their way from the bucket.
    pub fn payload_received(&self, bytes: u64) {
        Live::add(&self.live.received_bytes, bytes);
        self.payload_passed(bytes);
    }

    fn payload_passed(&self, bytes: u64) {
        let bin = self.bin_of(clock::now());
        let mut passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
        passed.add(bin, bytes);
    }

    /// `bytes` of payload were sent evenly over a while: for a store that moves them as one.
    pub fn payload_sent_over(&self, over: Range<Instant>, bytes: u64) {
        Live::add(&self.live.sent_bytes, bytes);
        self.payload_passed_over(over, bytes);
    }

    /// The same of payload that was received.
    pub fn payload_received_over(&self, over: Range<Instant>, bytes: u64) {
        Live::add(&self.live.received_bytes, bytes);
        self.payload_passed_over(over, bytes);
    }

    fn payload_passed_over(&self, over: Range<Instant>, bytes: u64) {
        let mut passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
        passed.total += bytes;
        passed.evenly.push((over, bytes));
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

    /// How the attempt used its connection; `None` before it has left it.
    pub fn socket(&self) -> Option<&SocketUse> {
        self.socket.get()
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
        for (over, bytes) in &passed.evenly {
            series.add_evenly(self.origin, over.clone(), *bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bytes_that_passed_evenly_are_in_the_bins_of_their_time(
            (after_ms, took_ms) in (0_u64..1000, 0_u64..3000),
            bytes in 0_u64..1 << 40,
        ) {
            let mut series = Series::default();
            clock::simulate(async {
                let probe = Probe::begin(&Arc::default(), clock::now());
                clock::sleep(Duration::from_millis(after_ms)).await;
                let from = clock::now();
                clock::sleep(Duration::from_millis(took_ms)).await;
                probe.payload_sent_over(from..clock::now(), bytes);
                probe.add_to(&mut series);
            });
            prop_assert_eq!(series.sum(0, usize::MAX), bytes);
            for bin in 0..series.len() {
                let passed = series.sum(bin, bin + 1);
                let (from, to) = (bin as u64 * 100, (bin as u64 + 1) * 100);
                let within = to.min(after_ms + took_ms).saturating_sub(from.max(after_ms));
                let expected = match took_ms {
                    0 => bytes * u64::from((from..to).contains(&after_ms)),
                    _ => (u128::from(bytes) * u128::from(within) / u128::from(took_ms)) as u64,
                };
                prop_assert!(passed.abs_diff(expected) <= 1, "{passed} for {expected} in bin {bin}");
            }
        }
    }
}
