//! A log whose requests are made again.

use std::path::Path;
use std::sync::Arc;

use super::observe::{LOG_MAX, Logged, logged};
use crate::error::{Error, Result};
use crate::observe::{Finding, Observation, Recording, of_requests, recording_of};
use crate::result::{Direction, Moved, Replayed, Settings};
use crate::transfer::Script;
use crate::units::{MIB, counted};

/// What a client did, as a server logged it.
#[derive(Clone, Debug)]
pub struct Replay {
    script: Arc<Script>,
    settings: Settings,
    replayed: Replayed,
}

/// Said of the parts of a client that sent none (storj/storj satellite/metainfo/config.go, the largest segment).
const PART_BYTES: u64 = 64 * MIB;

impl Replay {
    /// Reads the log of `tidegate serve --log`.
    ///
    /// # Errors
    /// If it cannot be read as a whole, or no request in it can be made again.
    pub fn read(log: &Path) -> Result<Self> {
        let name = log.display();
        let Logged { requests, is_whole } = logged(log)?;
        if !is_whole {
            return Err(Error::environment(format!("{name} is longer than {LOG_MAX}"))
                .hint("a replay is of a whole log: record a shorter transfer"));
        }
        let Recording { script, left_out, time, bytes } = recording_of(&requests);
        if script.files().is_empty() {
            return Err(Error::environment(format!(
                "{name} has no upload or download that succeeded: there is nothing to repeat"
            ))
            .hint("record a transfer with `tidegate serve --log FILE`"));
        }
        let settings = settings(&of_requests(&requests), script.direction());
        let replayed = Replayed {
            log: log.to_string_lossy().into_owned(),
            requests: script.steps.len() as u64,
            left_out,
            recorded_us: u64::try_from(time.as_micros()).unwrap_or(u64::MAX),
            recorded_bytes: bytes,
        };
        Ok(Self { script: Arc::new(script), settings, replayed })
    }

    /// Which way the data goes.
    pub fn direction(&self) -> Direction {
        self.script.direction()
    }

    /// What the client had in flight, and in which parts: what a log shows of it.
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// What the result says of it.
    pub(super) fn moved(&self) -> Moved {
        Moved::Replayed { replayed: self.replayed.clone() }
    }

    pub(super) fn script(&self) -> Arc<Script> {
        Arc::clone(&self.script)
    }

    /// What is said before it begins.
    pub(super) fn sentence(&self) -> String {
        let Replayed { log, requests, left_out, .. } = &self.replayed;
        let counts: Vec<String> =
            left_out.iter().map(|(operation, count)| format!("{count} {operation}")).collect();
        let left_out = if counts.is_empty() {
            String::new()
        } else {
            format!(
                "; left out, because they failed or would change what is not this run's: {}",
                counts.join(", ")
            )
        };
        format!("repeating {} of {log}{left_out}", counted(*requests, "request"))
    }
}

/// As far as they were seen.
fn settings(observed: &Observation, direction: Direction) -> Settings {
    let way = match direction {
        Direction::Up => observed.up.as_ref(),
        Direction::Down => observed.down.as_ref(),
    };
    let value = |finding: Option<&Finding>| finding.map(|finding| finding.value);
    let count = |finding| value(finding).and_then(|count| u32::try_from(count).ok()).unwrap_or(1);
    Settings {
        part_size_bytes: way
            .and_then(|way| value(way.part_size_bytes.as_ref()))
            .unwrap_or(PART_BYTES),
        concurrency: count(way.and_then(|way| way.files_in_flight.as_ref())),
        parts_in_flight: count(way.and_then(|way| way.parts_in_flight.as_ref())),
    }
}
