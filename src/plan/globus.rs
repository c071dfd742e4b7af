//! Globus's own S0, t0 and R: what it adds to a transfer, as published, and as real tasks alone tell it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::task::Task;
use crate::stats;

/// Globus's own S0 and t0: the service starts a task and drives each file over a control channel. They come
/// on top of what tidegate measures at the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Startup {
    /// Once for each task.
    pub startup_s: f64,
    /// Each file of a mover.
    pub per_file_s: f64,
}

/// Where the defaults are from.
pub const SOURCE: &str = "startup 5.9 s: tasks of one file of 1 MB between a DTN and Google Drive, Box or the \
    like at 0.16-0.18 MB/s (University of Arizona 2019, SaraMWillis/Cloud_Storage_Benchmarking); per file 0 s: no \
    number is published for an S3 connector (arXiv:2009.03190 has figures only), an ASSUMPTION";

impl Default for Startup {
    /// The constant `SOURCE` says where they are from.
    fn default() -> Self {
        Self { startup_s: 5.9, per_file_s: 0.0 }
    }
}

impl Startup {
    /// Seconds that a task of so many files takes longer, with so many movers.
    pub fn seconds(&self, files: f64, movers: f64) -> f64 {
        self.startup_s + self.per_file_s * files / movers
    }
}

/// Tasks from which Globus's own numbers are fitted: at least so many.
const TASKS_MIN: usize = 6;

/// And their mean file sizes differ by at least this factor.
const SIZES_RATIO: f64 = 10.0;

/// A fit whose tasks, each told by the others, are missed by more than this in the median does not fit.
/// Regressions over Globus logs miss half of the links by up to 21 % (Z. Liu et al., MLN 2018).
const MISS_MAX: f64 = 0.21;

/// Globus's own numbers: T = S0 + N t0 + B / R with t0 for all movers together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OwnFit {
    /// S0.
    pub startup_s: f64,
    /// t0 / F: of a task, not of a mover.
    pub per_file_s: f64,
    /// R.
    pub bytes_per_second: f64,
    /// Each task told by the others: what half of them are missed by, as a share.
    pub median_error: f64,
    /// Bytes over the rate of the fastest task instead: what half are missed by.
    pub naive_median_error: f64,
    /// Whether it may be used.
    pub fits: bool,
}

impl OwnFit {
    /// Their own numbers; `None` if they are too few or too alike.
    pub fn of(tasks: &[Task]) -> Option<Self> {
        let size = |task: &Task| task.bytes as f64 / task.files as f64;
        let (small, large) = tasks
            .iter()
            .map(size)
            .fold((f64::MAX, 0.0_f64), |(low, high), size| (low.min(size), high.max(size)));
        if tasks.len() < TASKS_MIN || large / small < SIZES_RATIO {
            return None;
        }
        let rows: Vec<Row> = tasks.iter().map(row).collect();
        let numbers = fit(&rows)?;
        let left_out = |index: usize| {
            let others: Vec<Row> =
                rows.iter().enumerate().filter(|(i, _)| *i != index).map(|(_, row)| *row).collect();
            fit(&others).map(|numbers| error(&rows[index], numbers))
        };
        let errors: Option<Vec<f64>> = (0..rows.len()).map(left_out).collect();
        let median_error = stats::sample_quantile(&mut errors?, 0.5);
        let fastest = tasks.iter().map(Task::speed).fold(0.0, f64::max);
        let naive = |task: &Task| (task.bytes as f64 / fastest / task.seconds - 1.0).abs();
        let mut naive: Vec<f64> = tasks.iter().map(naive).collect();
        let [startup_s, per_file_s, per_byte] = numbers;
        Some(Self {
            startup_s,
            per_file_s,
            bytes_per_second: 1.0 / per_byte.max(f64::MIN_POSITIVE),
            median_error,
            naive_median_error: stats::sample_quantile(&mut naive, 0.5),
            fits: median_error <= MISS_MAX,
        })
    }
}

/// S0, t0 / F and 1 / R, each for a second of the task.
type Row = [f64; 3];

fn row(task: &Task) -> Row {
    [1.0, task.files as f64, task.bytes as f64].map(|count| count / task.seconds)
}

fn error(row: &Row, numbers: Row) -> f64 {
    (row.iter().zip(numbers).map(|(count, cost)| count * cost).sum::<f64>() - 1.0).abs()
}

/// Least squares of relative errors, nothing below zero.
fn fit(rows: &[Row]) -> Option<Row> {
    stats::parsimonious(rows).map(|(numbers, _)| numbers)
}
