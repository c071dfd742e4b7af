//! The marker object: the first that a run writes below its prefix, the last that it takes away.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::record::now_rfc3339;
use crate::measure;

/// Name of the marker below a run's prefix.
const NAME: &str = ".tidegate-run.json";

/// What the prefix of a run begins with, below the target's prefix.
const RUN: &str = "tidegate-";

/// The value of [`Marker::tool`].
const TOOL: &str = "tidegate";

/// Whose a prefix is, and since when nothing was heard of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Marker {
    tool: String,
    pub(super) run: String,
    pub(super) owner: String,
    /// RFC 3339, by the owner's clock.
    heartbeat: String,
}

impl Marker {
    /// Of this run, alive now.
    pub(super) fn alive(run: &str) -> Self {
        Self {
            tool: TOOL.into(),
            run: run.into(),
            owner: measure::host().name,
            heartbeat: now_rfc3339(),
        }
    }

    /// What a marker object holds; `None` if that was not written by tidegate.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let marker: Self = serde_json::from_str(text).ok()?;
        (marker.tool == TOOL && marker.heartbeat_at().is_some()).then_some(marker)
    }

    /// Time since its last sign of life. One of the future (the clocks of two machines differ) is
    /// one of now.
    pub(crate) fn silent_for(&self, now: SystemTime) -> Duration {
        let heartbeat = self.heartbeat_at().unwrap_or(now);
        now.duration_since(heartbeat).unwrap_or_default()
    }

    fn heartbeat_at(&self) -> Option<SystemTime> {
        humantime::parse_rfc3339(&self.heartbeat).ok()
    }
}

/// What all prefixes of runs below a target's begin with.
pub(super) fn run_prefixes(target_prefix: &str) -> String {
    format!("{target_prefix}{RUN}")
}

/// The prefix of one run below a target's.
pub(super) fn run_prefix(target_prefix: &str, run: &str) -> String {
    format!("{target_prefix}{RUN}{run}/")
}

/// The key of the marker below a run's prefix.
pub(super) fn marker_key(run_prefix: &str) -> String {
    format!("{run_prefix}{NAME}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_marker_is_read_as_it_was_written() {
        let marker = Marker::alive("20260101T000000Z-abcd");
        let text = serde_json::to_string(&marker).unwrap();
        assert_eq!(Marker::read(&text), Some(marker));
    }

    #[test]
    fn what_only_looks_like_a_marker_is_none() {
        let heartbeat = "2026-01-01T00:00:00Z";
        let text = |tool: &str, heartbeat: &str| {
            format!(r#"{{"tool":"{tool}","run":"r","owner":"o","heartbeat":"{heartbeat}"}}"#)
        };
        assert!(Marker::read(&text("tidegate", heartbeat)).is_some());
        for other in [
            text("another", heartbeat),
            text("tidegate", "yesterday"),
            r#"{"tool":"tidegate"}"#.into(),
            String::new(),
        ] {
            assert_eq!(Marker::read(&other), None, "{other}");
        }
    }

    #[test]
    fn silence_is_counted_from_the_heartbeat_and_never_negative() {
        let text =
            r#"{"tool":"tidegate","run":"r","owner":"o","heartbeat":"2026-01-01T00:10:00Z"}"#;
        let marker = Marker::read(text).unwrap();
        let at = |text| humantime::parse_rfc3339(text).unwrap();
        assert_eq!(marker.silent_for(at("2026-01-01T00:25:00Z")), Duration::from_secs(900));
        assert_eq!(marker.silent_for(at("2026-01-01T00:00:00Z")), Duration::ZERO);
    }

    proptest! {
        #[test]
        fn no_text_makes_reading_panic(text in ".*") {
            let _ = Marker::read(&text);
        }
    }
}
