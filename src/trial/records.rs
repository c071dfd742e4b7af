//! What a trial measured beyond its summary, for the files beside the result.

use std::io::{self, Write};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::window::Rule;
use crate::clock::Instant;
use crate::measure::Recorder;
use crate::transfer::Job;

/// Histograms, series and attempts of a trial, not yet in any format.
#[derive(Debug)]
pub struct Records {
    pub(super) job: Arc<Job>,
    pub(super) recorder: Recorder,
    /// The start of the trial by the engine's clock, and by the calendar.
    pub(super) origin: Instant,
    pub(super) started: SystemTime,
    pub(super) window: Range<Duration>,
    /// By which a part of it was chosen.
    pub(super) rule: Rule,
}

impl Records {
    /// The histograms of the window as an interval log of HdrHistogram's.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn write_histogram_log(&self, out: &mut impl Write) -> io::Result<()> {
        self.recorder.write_histogram_log(out, self.started, &self.window)
    }

    /// Bytes and attempts per second as CSV.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write_series(&self, out: &mut impl Write) -> io::Result<()> {
        self.recorder.write_series(out)
    }

    /// Bytes per 100 ms as CSV: from them the window of a timed trial was chosen and measured.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write_bins(&self, out: &mut impl Write) -> io::Result<()> {
        self.recorder.write_bins(out)
    }

    /// Whether each attempt has a record.
    pub fn has_attempts(&self) -> bool {
        self.recorder.keeps_attempts()
    }

    /// Every attempt as CSV.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write_attempts(&self, out: &mut impl Write) -> io::Result<()> {
        let key_of = |file| self.job.object(file).map_or_else(String::new, |(key, _)| key);
        self.recorder.write_attempts(out, self.origin, key_of)
    }
}
