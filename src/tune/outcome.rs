//! What a trial brought, as far as a search looks at it.

use std::time::Duration;

use crate::result::{LimitedBy, Trial};

/// A trial that was run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// Bytes per second: goodput, or effective speed where that is the objective.
    pub goodput: f64,
    /// Its interval within this one trial, if it was long enough to have one.
    pub interval_95: Option<[f64; 2]>,
    /// What held it down.
    pub limited_by: LimitedBy,
    /// Whether it was found to be steady; `None` if that was not judged.
    pub steady: Option<bool>,
    /// Share of the attempts that were told to slow down.
    pub refused: f64,
    /// The same with those whose wait reached into the window: what a short one does not see.
    pub refused_or_waiting: f64,
    /// Longest that an answer asked to wait.
    pub longest_wait: Duration,
    /// How long it was measured; zero if that is not known.
    pub measured: Duration,
    /// Until its objects were gone; zero if that is not known.
    pub took: Duration,
}

impl Default for Outcome {
    fn default() -> Self {
        Self {
            goodput: 0.0,
            interval_95: None,
            limited_by: LimitedBy::Unknown,
            steady: None,
            refused: 0.0,
            refused_or_waiting: 0.0,
            longest_wait: Duration::ZERO,
            measured: Duration::ZERO,
            took: Duration::ZERO,
        }
    }
}

impl Outcome {
    /// One of which no more is known.
    pub fn of(goodput: f64, limited_by: LimitedBy) -> Self {
        Self { goodput, limited_by, ..Self::default() }
    }
}

impl From<&Trial> for Outcome {
    fn from(trial: &Trial) -> Self {
        Self {
            goodput: trial.objective_bytes_per_second(),
            // That of an effective speed is not known from one trial.
            interval_95: trial.goodput_interval_95.filter(|_| trial.verification.is_none()),
            limited_by: trial.limited_by,
            steady: trial.window.steady,
            refused: trial.refused_in_window.unwrap_or_default(),
            refused_or_waiting: trial.refused_or_waiting.unwrap_or_default(),
            longest_wait: duration(trial.retry_after_max_s.unwrap_or_default()),
            measured: duration(trial.window.end_s - trial.window.start_s),
            took: duration(trial.asked.map_or(0.0, |asked| asked.took_s)),
        }
    }
}

/// A document may claim any number.
fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}
