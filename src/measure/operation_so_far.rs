//! What became of the requests of one operation so far, for those who watch from outside while a trial runs.

use std::array;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::Outcome;
use super::durations::{DurationCounts, Durations};

/// Plain atomics, which all threads add to: some for each attempt, none for each block.
#[derive(Debug, Default)]
pub struct OperationSoFar {
    requests: AtomicU64,
    begun: AtomicU64,
    ended: [AtomicU64; Outcome::ALL.len()],
    payload_bytes: AtomicU64,
    times: Durations,
}

/// The same at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OperationCounts {
    /// Logical requests.
    pub requests: u64,
    /// Attempts under way.
    pub in_flight: u64,
    /// Attempts that ended, in the order of [`Outcome::ALL`].
    pub ended: [u64; Outcome::ALL.len()],
    /// Body bytes of the successful ones.
    pub payload_bytes: u64,
    /// How long these took.
    pub times: DurationCounts,
}

impl OperationSoFar {
    /// A logical request begins.
    pub fn request_began(&self) {
        self.requests.fetch_add(1, Relaxed);
    }

    /// An attempt begins.
    pub fn attempt_began(&self) {
        self.begun.fetch_add(1, Relaxed);
    }

    /// An attempt ended so, after so long, having carried so much.
    pub fn attempt_ended(&self, outcome: Outcome, took: Duration, payload_bytes: u64) {
        if outcome == Outcome::Ok {
            self.payload_bytes.fetch_add(payload_bytes, Relaxed);
            self.times.add(took);
        }
        self.ended[outcome.index()].fetch_add(1, Relaxed);
    }

    /// As of now.
    pub fn counts(&self) -> OperationCounts {
        let ended = array::from_fn(|outcome| self.ended[outcome].load(Relaxed));
        // Read last: what has ended has begun.
        let begun = self.begun.load(Relaxed);
        OperationCounts {
            requests: self.requests.load(Relaxed),
            in_flight: begun.saturating_sub(ended.iter().sum()),
            ended,
            payload_bytes: self.payload_bytes.load(Relaxed),
            times: self.times.so_far(),
        }
    }
}

impl OperationCounts {
    /// Whether there was any request.
    pub fn is_used(&self) -> bool {
        self.requests > 0
    }

    /// Adds those of another.
    pub fn merge(&mut self, other: &Self) {
        self.requests += other.requests;
        self.in_flight += other.in_flight;
        self.ended.iter_mut().zip(other.ended).for_each(|(count, more)| *count += more);
        self.payload_bytes += other.payload_bytes;
        self.times.merge(&other.times);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_has_a_place_of_its_own() {
        let so_far = OperationSoFar::default();
        for outcome in Outcome::ALL {
            so_far.attempt_began();
            so_far.attempt_ended(outcome, Duration::from_secs(1), 7);
        }
        so_far.attempt_began();
        let counts = so_far.counts();
        assert_eq!(counts.ended, [1; Outcome::ALL.len()]);
        assert_eq!((counts.in_flight, counts.payload_bytes, counts.times.count()), (1, 7, 1));
    }
}
