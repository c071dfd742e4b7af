//! Metric families, each written with all its samples at once.

use std::fmt;

use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, MetricEncoder, NoLabelSet,
};
use prometheus_client::metrics::MetricType;
pub use prometheus_client::registry::Unit;

use crate::measure::DurationCounts;

/// Labels and their values. A value is one of a few words that are known beforehand, never what strangers wrote: each is a
/// series that is kept for ever.
pub type Labels<'a> = Vec<(&'static str, &'a str)>;

/// Writes families. One without samples is left out.
///
/// Names are written without the program's prefix, the unit and `_total`, which are put around them
/// (<https://prometheus.io/docs/practices/naming/>).
pub struct Families<'e>(DescriptorEncoder<'e>);

impl<'e> Families<'e> {
    /// To where a collector is asked to write.
    pub fn new(encoder: DescriptorEncoder<'e>) -> Self {
        Self(encoder)
    }

    /// What only grows.
    ///
    /// # Errors
    /// If a value cannot be written.
    pub fn counters<'a, V: EncodeCounterValue>(
        &mut self,
        (name, unit): (&str, Option<Unit>),
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'a>, V)>,
    ) -> fmt::Result {
        self.family((name, unit), help, MetricType::Counter, samples, |sample, value| {
            sample.encode_counter::<NoLabelSet, V, f64>(value, None)
        })
    }

    /// What goes up and down.
    ///
    /// # Errors
    /// If a value cannot be written.
    pub fn gauges<'a, V: EncodeGaugeValue>(
        &mut self,
        (name, unit): (&str, Option<Unit>),
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'a>, V)>,
    ) -> fmt::Result {
        self.family((name, unit), help, MetricType::Gauge, samples, |sample, value| {
            sample.encode_gauge(value)
        })
    }

    /// How long something took, in seconds.
    ///
    /// # Errors
    /// If a value cannot be written.
    pub fn durations<'a>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'a>, DurationCounts)>,
    ) -> fmt::Result {
        let name = (name, Some(Unit::Seconds));
        self.family(name, help, MetricType::Histogram, samples, |sample, times| {
            let buckets: Vec<_> = times.buckets().collect();
            sample.encode_histogram::<NoLabelSet>(times.sum_s(), times.count(), &buckets, None)
        })
    }

    fn family<'a, V>(
        &mut self,
        (name, unit): (&str, Option<Unit>),
        help: &str,
        kind: MetricType,
        samples: impl IntoIterator<Item = (Labels<'a>, V)>,
        write: impl Fn(&mut MetricEncoder<'_>, &V) -> fmt::Result,
    ) -> fmt::Result {
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_none() {
            return Ok(());
        }
        let mut family = self.0.encode_descriptor(name, help, unit.as_ref(), kind)?;
        for (labels, value) in samples {
            write(&mut family.encode_family(&labels)?, &value)?;
        }
        Ok(())
    }
}
