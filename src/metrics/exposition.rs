//! The formats: OpenMetrics, and the text format that was there before.

use std::fmt;
use std::time::SystemTime;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, prometheus_text, text};
use prometheus_client::registry::Registry;

use super::families::{Families, Unit};
use crate::clock;
use crate::measure;

/// What every name begins with.
const PREFIX: &str = "tidegate";

/// All that this process tells.
#[derive(Debug)]
pub struct Exposition(Registry);

impl Exposition {
    /// What a collector tells, and what all processes do.
    pub fn of(told: impl Collector) -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        registry.register_collector(Box::new(Process::new()));
        registry.register_collector(Box::new(told));
        Self(registry)
    }

    /// OpenMetrics 1.0 (<https://github.com/prometheus/OpenMetrics>).
    ///
    /// # Errors
    /// If a value cannot be written.
    pub fn open_metrics(&self) -> Result<String, fmt::Error> {
        let mut page = String::new();
        text::encode(&mut page, &self.0)?;
        Ok(page)
    }

    /// Prometheus's text format 0.0.4, which node_exporter and promtool read
    /// (<https://prometheus.io/docs/instrumenting/exposition_formats/>).
    ///
    /// # Errors
    /// If a value cannot be written.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut page = String::new();
        prometheus_text::encode(&mut page, &self.0)?;
        Ok(page)
    }
}

/// The families that all processes have. The usual names, such as `process_cpu_seconds_total`, are those of the process
/// that is scraped: in a file they would be node_exporter's own, which refuses a series that it has already.
#[derive(Debug)]
struct Process {
    started: SystemTime,
}

impl Process {
    fn new() -> Self {
        Self { started: clock::calendar() }
    }
}

impl Collector for Process {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut families = Families::new(encoder);
        let started = self.started.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let version = vec![("version", env!("CARGO_PKG_VERSION"))];
        families.gauges(("build_info", None), "The version of tidegate.", [(version, 1_u64)])?;
        families.gauges(
            ("process_start_time", Some(Unit::Seconds)),
            "When the process began to tell metrics, Unix time.",
            [(vec![], started.as_secs_f64())],
        )?;
        families.counters(
            ("process_cpu", Some(Unit::Seconds)),
            "User and system time of the process.",
            [(vec![], measure::process_cpu().as_secs_f64())],
        )?;
        families.gauges(
            ("process_resident_memory", Some(Unit::Bytes)),
            "Resident set of the process.",
            measure::resident_bytes().map(|bytes| (vec![], bytes as f64)),
        )
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use prometheus_client::encoding::DescriptorEncoder;

    use super::*;
    use crate::measure::DurationCounts;
    use crate::metrics::{Families, Unit};

    #[derive(Debug)]
    struct Sample;

    impl Collector for Sample {
        fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
            let mut families = Families::new(encoder);
            let up = vec![("direction", "up")];
            let mut times = DurationCounts::default();
            times.add(Duration::from_millis(1500));
            families.counters(("wire", Some(Unit::Bytes)), "Body bytes.", [(up.clone(), 7_u64)])?;
            families.gauges(
                ("files", None),
                "No samples.",
                [(up.clone(), 1_u64)].into_iter().skip(1),
            )?;
            families.gauges(("in_flight", None), "Without labels.", [(vec![], 3_u64)])?;
            families.durations("attempt_duration", "Times.", [(up, times)])
        }
    }

    fn lines_of<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
        text.lines().filter(|line| line.contains(name)).collect()
    }

    #[test]
    fn both_formats_tell_the_same_each_in_its_way() {
        let exposition = Exposition::of(Sample);
        let open = exposition.open_metrics().unwrap();
        assert_eq!(
            lines_of(&open, "tidegate_wire"),
            [
                "# HELP tidegate_wire_bytes Body bytes.",
                "# TYPE tidegate_wire_bytes counter",
                "# UNIT tidegate_wire_bytes bytes",
                "tidegate_wire_bytes_total{direction=\"up\"} 7",
            ]
        );
        assert!(open.ends_with("# EOF\n"));
        let text = exposition.text().unwrap();
        assert_eq!(
            lines_of(&text, "tidegate_wire"),
            [
                "# HELP tidegate_wire_bytes_total Body bytes.",
                "# TYPE tidegate_wire_bytes_total counter",
                "tidegate_wire_bytes_total{direction=\"up\"} 7",
            ]
        );
        assert!(!text.contains("EOF") && !text.contains("UNIT"), "{text}");
        for text in [&open, &text] {
            assert_eq!(lines_of(text, "tidegate_files"), [""; 0]);
            assert_eq!(lines_of(text, "tidegate_in_flight").last(), Some(&"tidegate_in_flight 3"));
            // The formats order labels differently.
            let last = |line: &&str| line.contains("_bucket{") && line.contains("le=\"+Inf\"");
            let last: Vec<_> =
                lines_of(text, "tidegate_attempt").into_iter().filter(last).collect();
            assert!(matches!(last[..], [line] if line.ends_with("} 1")), "{text}");
        }
    }
}
