//! The families that all processes have. The usual names, such as `process_cpu_seconds_total`, are those of the process
//! that is scraped: in a file they would be node_exporter's own, which refuses a series that it has already.

use std::fmt;
use std::time::SystemTime;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::families::{Families, Unit};
use crate::clock;
use crate::measure;

/// This process.
#[derive(Debug)]
pub(super) struct Process {
    started: SystemTime,
}

impl Process {
    pub(super) fn new() -> Self {
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
