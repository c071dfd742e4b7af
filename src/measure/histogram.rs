//! Latency histograms: one shape for all, so that those of all threads can be added.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2Serializer};
use serde::{Deserialize, Serialize};

use crate::clock::Instant;
use crate::result::Percentiles;

/// Longest latency a histogram can hold, in microseconds: one hour.
const LATENCY_US_MAX: u64 = 3_600_000_000;

/// Relative error of a percentile: 3 significant digits, 0.1 %.
const SIGNIFICANT_DIGITS: u8 = 3;

/// Latencies in microseconds; 184 KiB. As text it is HdrHistogram's V2 in Base64.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(super) struct Latencies(Histogram<u64>);

impl From<Latencies> for String {
    fn from(latencies: Latencies) -> Self {
        let mut bytes = Vec::new();
        let written = V2Serializer::new().serialize(&latencies.0, &mut bytes);
        written.expect("a vector takes all bytes");
        BASE64.encode(bytes)
    }
}

impl TryFrom<String> for Latencies {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let bytes = BASE64.decode(text).map_err(|error| error.to_string())?;
        let read = Deserializer::new().deserialize(&mut &bytes[..]);
        let read: Histogram<u64> = read.map_err(|error| error.to_string())?;
        // With bounds of its own it could not be added to others.
        let mut latencies = Self::default();
        latencies.0.add(&read).map_err(|error| error.to_string())?;
        Ok(latencies)
    }
}

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
