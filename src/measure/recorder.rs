//! What one thread saw: requests, attempts, outcomes, latencies and bytes over time.
//!
//! A thread owns its recorder; recorders are merged when the trial is over. Histograms are made at
//! first use and record only attempts that ended while the window was open, so that percentiles
//! come from the measured part of a trial alone. Memory is bounded: 184 KiB a histogram, two for
//! each operation used, and 8 bytes for each 100 ms of the trial.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use super::probe::Probe;
use super::series::Series;
use super::{FailureClass, Operation, Outcome};
use crate::clock::Instant;
use crate::result::{ErrorCounts, OperationSummary, Percentiles};

/// Longest latency a histogram can hold, in microseconds: one hour.
const LATENCY_US_MAX: u64 = 3_600_000_000;

/// Relative error of a percentile: 3 significant digits, 0.1 %.
const SIGNIFICANT_DIGITS: u8 = 3;

/// All requests of one operation.
#[derive(Debug)]
pub struct OperationRecord {
    requests: u64,
    attempts: u64,
    service_time_us: Histogram<u64>,
    ttfb_us: Histogram<u64>,
}

/// What one thread, or all of them merged, saw in a trial.
#[derive(Debug, Default)]
pub struct Recorder {
    operations: BTreeMap<Operation, OperationRecord>,
    errors: ErrorCounts,
    cut: u64,
    payload_bytes: u64,
    wire: Series,
    lost: Series,
}

impl Default for OperationRecord {
    fn default() -> Self {
        let histogram = || {
            Histogram::new_with_bounds(1, LATENCY_US_MAX, SIGNIFICANT_DIGITS)
                .expect("constant bounds are valid")
        };
        Self { requests: 0, attempts: 0, service_time_us: histogram(), ttfb_us: histogram() }
    }
}

impl OperationRecord {
    fn merge(&mut self, other: &Self) {
        let same = "all histograms have the same bounds";
        self.requests += other.requests;
        self.attempts += other.attempts;
        self.service_time_us.add(&other.service_time_us).expect(same);
        self.ttfb_us.add(&other.ttfb_us).expect(same);
    }

    fn summary(&self) -> OperationSummary {
        OperationSummary {
            count: self.requests,
            attempts: self.attempts,
            retries: self.attempts.saturating_sub(self.requests),
            service_time_us: percentiles(&self.service_time_us),
            ttfb_us: percentiles(&self.ttfb_us),
        }
    }
}

impl Recorder {
    /// A logical request begins.
    pub fn request_began(&mut self, operation: Operation) {
        self.operations.entry(operation).or_default().requests += 1;
    }

    /// An attempt ended now. `measuring` says whether the window is open.
    pub fn attempt_ended(
        &mut self,
        operation: Operation,
        probe: &Probe,
        outcome: Outcome,
        ended: Instant,
        measuring: bool,
    ) {
        let record = self.operations.entry(operation).or_default();
        record.attempts += 1;
        probe.add_to(&mut self.wire);
        match outcome {
            Outcome::Ok => {
                self.payload_bytes += probe.payload_bytes();
                if measuring {
                    record.service_time_us.saturating_record(micros(probe.began, ended));
                    let first_byte = probe.first_byte_at().unwrap_or(ended);
                    record.ttfb_us.saturating_record(micros(probe.began, first_byte));
                }
            }
            Outcome::Failed(class) => {
                *count_of(&mut self.errors, class) += 1;
                probe.add_to(&mut self.lost);
            }
            Outcome::Cut => {
                self.cut += 1;
                probe.add_to(&mut self.lost);
            }
        }
    }

    /// Adds what another thread saw.
    pub fn merge(&mut self, other: &Self) {
        for (operation, record) in &other.operations {
            self.operations.entry(*operation).or_default().merge(record);
        }
        for class in FailureClass::ALL {
            *count_of(&mut self.errors, class) += *count_of(&mut other.errors.clone(), class);
        }
        self.cut += other.cut;
        self.payload_bytes += other.payload_bytes;
        self.wire.merge(&other.wire);
        self.lost.merge(&other.lost);
    }

    /// The requests by the operation's name.
    pub fn summaries(&self) -> BTreeMap<String, OperationSummary> {
        let named = |(operation, record): (&Operation, &OperationRecord)| {
            (operation.name().to_owned(), record.summary())
        };
        self.operations.iter().map(named).collect()
    }

    /// Attempts of all operations.
    pub fn attempts(&self) -> u64 {
        self.operations.values().map(|record| record.attempts).sum()
    }

    /// Failed attempts by class.
    pub fn errors(&self) -> ErrorCounts {
        self.errors
    }

    /// Attempts that were still under way when the drain ended.
    pub fn cut(&self) -> u64 {
        self.cut
    }

    /// Payload bytes of successful attempts.
    pub fn payload_bytes(&self) -> u64 {
        self.payload_bytes
    }

    /// Body bytes that passed the sockets in the bins `from..to`.
    pub fn wire_bytes(&self, from: usize, to: usize) -> u64 {
        self.wire.sum(from, to)
    }

    /// Body bytes of the bins `from..to` in attempts that succeeded.
    pub fn good_bytes(&self, from: usize, to: usize) -> u64 {
        self.wire.sum(from, to) - self.lost.sum(from, to)
    }
}

fn micros(from: Instant, to: Instant) -> u64 {
    u64::try_from(to.since(from).as_micros()).unwrap_or(u64::MAX).max(1)
}

fn count_of(errors: &mut ErrorCounts, class: FailureClass) -> &mut u64 {
    match class {
        FailureClass::Throttled => &mut errors.throttled,
        FailureClass::Timeout => &mut errors.timeout,
        FailureClass::Connection => &mut errors.connection,
        FailureClass::Checksum => &mut errors.checksum,
        FailureClass::Server => &mut errors.server,
        FailureClass::Client => &mut errors.client,
    }
}

fn percentiles(histogram: &Histogram<u64>) -> Percentiles {
    if histogram.is_empty() {
        return Percentiles::default();
    }
    Percentiles {
        samples: histogram.len(),
        p50: histogram.value_at_quantile(0.5),
        p90: histogram.value_at_quantile(0.9),
        p99: histogram.value_at_quantile(0.99),
        p999: histogram.value_at_quantile(0.999),
        max: histogram.max(),
        mean: histogram.mean(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::measure::Live;

    fn ended(recorder: &mut Recorder, bytes: u64, outcome: Outcome) {
        let probe = Probe::begin(&Arc::new(Live::default()), crate::clock::now());
        probe.payload_passed(bytes);
        recorder.request_began(Operation::Part);
        recorder.attempt_ended(Operation::Part, &probe, outcome, crate::clock::now(), true);
    }

    #[test]
    fn bytes_of_failed_attempts_are_on_the_wire_but_not_in_the_goodput() {
        let mut recorder = Recorder::default();
        ended(&mut recorder, 100, Outcome::Ok);
        ended(&mut recorder, 30, Outcome::Failed(FailureClass::Server));
        ended(&mut recorder, 7, Outcome::Cut);
        assert_eq!(recorder.wire_bytes(0, usize::MAX), 137);
        assert_eq!(recorder.good_bytes(0, usize::MAX), 100);
        assert_eq!(recorder.payload_bytes(), 100);
        assert_eq!((recorder.errors().server, recorder.cut()), (1, 1));
    }

    #[test]
    fn merged_recorders_count_what_both_saw() {
        let (mut one, mut other) = (Recorder::default(), Recorder::default());
        ended(&mut one, 100, Outcome::Ok);
        ended(&mut other, 50, Outcome::Failed(FailureClass::Throttled));
        ended(&mut other, 50, Outcome::Ok);
        one.merge(&other);
        let part = &one.summaries()["part"];
        assert_eq!((part.count, part.attempts, part.service_time_us.samples), (3, 3, 2));
        assert_eq!(one.errors().throttled, 1);
        assert_eq!(one.good_bytes(0, usize::MAX), 150);
    }
}
