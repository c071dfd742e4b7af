//! Latency histograms: one shape for all, so that those of all threads can be added.

use hdrhistogram::Histogram;

use crate::clock::Instant;
use crate::result::Percentiles;

/// Longest latency a histogram can hold, in microseconds: one hour.
const LATENCY_US_MAX: u64 = 3_600_000_000;

/// Relative error of a percentile: 3 significant digits, 0.1 %.
const SIGNIFICANT_DIGITS: u8 = 3;

/// Latencies in microseconds; 184 KiB.
#[derive(Clone, Debug)]
pub(super) struct Latencies(Histogram<u64>);

impl Default for Latencies {
    fn default() -> Self {
        Self(
            Histogram::new_with_bounds(1, LATENCY_US_MAX, SIGNIFICANT_DIGITS)
                .expect("constant bounds are valid"),
        )
    }
}

impl Latencies {
    pub(super) fn record(&mut self, from: Instant, to: Instant) {
        self.record_value(u64::try_from(to.since(from).as_micros()).unwrap_or(u64::MAX));
    }

    /// Microseconds, or whatever else this one holds.
    pub(super) fn record_value(&mut self, value: u64) {
        self.0.saturating_record(value.max(1));
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.0.add(&other.0).expect("all histograms have the same bounds");
    }

    pub(super) fn histogram(&self) -> &Histogram<u64> {
        &self.0
    }

    pub(super) fn percentiles(&self) -> Percentiles {
        if self.0.is_empty() {
            return Percentiles::default();
        }
        Percentiles {
            samples: self.0.len(),
            p50: self.0.value_at_quantile(0.5),
            p90: self.0.value_at_quantile(0.9),
            p99: self.0.value_at_quantile(0.99),
            p999: self.0.value_at_quantile(0.999),
            max: self.0.max(),
            mean: self.0.mean(),
        }
    }
}
