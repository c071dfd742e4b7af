//! What the movers' time goes into where each upload is read back.

use std::ops::Range;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::series::Series;
use crate::clock::Instant;

/// What a mover does with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// It sends it, retries and the waits before them included.
    Uploading,
    /// It reads it back and compares it, likewise.
    ReadingBack,
}

/// Nanoseconds of all movers by what they did, over the time of the trial.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct MoversTime {
    uploading: Series,
    reading_back: Series,
}

impl MoversTime {
    /// A mover did this for so long; `origin` is the start of the trial.
    pub fn add(&mut self, doing: Doing, origin: Instant, over: Range<Instant>) {
        let nanoseconds = over.end.nanoseconds_since(over.start);
        let series = match doing {
            Doing::Uploading => &mut self.uploading,
            Doing::ReadingBack => &mut self.reading_back,
        };
        series.add_evenly(origin, over, nanoseconds);
    }

    /// All of it so many bins later.
    pub(super) fn delay(&mut self, bins: usize) {
        self.uploading.delay(bins);
        self.reading_back.delay(bins);
    }

    /// Adds what another thread saw.
    pub fn merge(&mut self, other: &Self) {
        self.uploading.merge(&other.uploading);
        self.reading_back.merge(&other.reading_back);
    }

    /// Time of all movers together in the bins `from..to`.
    pub fn spent(&self, doing: Doing, from: usize, to: usize) -> Duration {
        let series = match doing {
            Doing::Uploading => &self.uploading,
            Doing::ReadingBack => &self.reading_back,
        };
        Duration::from_nanos(series.sum(from, to))
    }
}
