//! Which settings to try next, when to stop, which to recommend, how to say it to GCS, rclone, the
//! AWS CLI and s5cmd. Pure: asks for settings and is told outcomes, does no input or output.
//!
//! 1. **Ramp**: the concurrency is doubled until two steps in a row bring less than 20 % of a
//!    proportional gain (the rule of AzCopy's tuner, `ste/concurrencyTuner.go`).
//! 2. **Race**: candidates around the knee, for every part size, each once in every block and in
//!    random order within it (randomised complete blocks), so that drift hits all alike.
//! 3. **Decision** over the blocks: the cheapest settings whose lower 95 % bound on the ratio to
//!    every other candidate is at least 0.95. Cheapest is: fewest streams, then the smallest parts.

mod commands;
mod decide;
mod feasible;
mod plan;
mod ramp;
mod search;

pub use commands::{GcsOptions, commands, gcs_concurrency, untuned};
pub use decide::{MARGIN, recommend};
pub use feasible::{PART_COUNT_MAX, PART_SIZE_MIN_BYTES, feasible};
pub use plan::{Forecast, SD_ASSUMED};
pub use search::{Next, Outcome, Search};

use crate::result::Settings;

/// What to search.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Part sizes to try; at least one.
    pub part_sizes_bytes: Vec<u64>,
    /// Highest concurrency to try.
    pub concurrency_max: u32,
    /// Parts of one file in flight; 1 is what an in-order connector does.
    pub parts_in_flight: u32,
    /// What is set now: the recommendation is compared with it.
    pub current: Settings,
    /// Seed of the order within blocks.
    pub seed: u64,
}

/// Concurrency of `network_use: normal`, GCS's default: 2 preferred, 4 at most
/// (globus-cli, fixture `endpoint_introspect.yaml` of v5.4.71).
pub const GCS_NORMAL_CONCURRENCY: (u32, u32) = (2, 4);

/// Parallelism of `network_use: normal`: 4 preferred, 8 at most (same source).
pub const GCS_NORMAL_PARALLELISM: (u32, u32) = (4, 8);
