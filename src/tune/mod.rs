//! Which settings to try next, when to stop, which to recommend, how to say it to GCS, rclone, the
//! AWS CLI and s5cmd. Pure: asks for settings and is told outcomes, does no input or output.
//!
//! 1. **The way** to the knee, of the largest part size: from what is set now on four times as many streams as
//!    long as a step pays, then between. A step lasts seconds and waits for no part to end.
//! 2. **Part sizes** are compared at the knee, where the choice will be, and not at one stream.
//! 3. **Race**: up to twelve candidates around the knee, each once in every block and in random order
//!    within it (randomised complete blocks), so that drift hits all alike. Between blocks those are
//!    dropped that are shown not to be worth choosing, so that the budget goes to those that may be.
//! 4. **Confirmation** on fresh data, in a number of blocks fixed beforehand: the leaders, what is set
//!    now unless that is out of the question, and a duplicate of the likely choice. Where the race has left one,
//!    those for which it had no seats.
//! 5. **Soak**: the choice is held for a minute and more. What it carries then is what is told. If more is
//!    refused than is allowed, or it falls behind what its trials promised, the next best is held instead.
//! 6. **Decision**: the cheapest settings whose lower 95 % bound on the ratio to every other candidate
//!    is at least 0.95. Cheapest is: fewest streams, then the smallest parts. It is clear only if more streams
//!    were among the candidates, or cannot be had: a claim is about the range, not about the sample.
//! 7. **Both ways**, after a search in each direction, with what is left of the budget: the concurrency
//!    that serves both, in blocks of two against the best of each direction that does not know it well.
//!
//! Finding is cheap and claiming is separate: a smaller budget leaves out the duplicate first, then finalists,
//! candidates, and at last all blocks; the soak stays. Without the knee and a soak nothing is recommended.

mod blocks;
mod candidates;
mod confirm;
mod decide;
mod dtns;
mod feasible;
mod gcs;
mod gcs_endpoint;
mod globus;
mod ground;
mod joint;
mod margin;
mod outcome;
mod pairs;
mod plan;
mod programs;
mod race;
mod resume;
mod scaling;
mod schedule;
mod search;
mod seen;
mod standing;
#[cfg(test)]
mod tests;
mod way;
mod why;

pub use dtns::more_dtns;
pub use feasible::{PART_COUNT_MAX, PART_SIZE_MIN_BYTES, feasible, offered_part_sizes};
pub use gcs::{GcsOptions, for_gcs, untuned};
pub use gcs_endpoint::{GcsEndpoint, NetworkLevels};
pub use ground::Ground;
pub use joint::{ForAll, Searched, joint};
pub use margin::MARGIN;
pub use outcome::Outcome;
pub use plan::{Forecast, SD_ASSUMED};
pub use programs::{Way, commands};
pub use resume::Question;
pub use scaling::scaling;
pub use schedule::Lasts;
pub use search::{Next, Search};

use std::time::Duration;

use crate::result::{Direction, Recommendation, Settings};

/// The recommendation of a search; `None` when nothing that was held for a soak may be recommended.
pub fn recommend(search: &Search, direction: Direction) -> Option<Recommendation> {
    decide::recommend(search.seen(), direction)
}

/// What to search.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Part sizes to try; at least one.
    pub part_sizes_bytes: Vec<u64>,
    /// Highest concurrency to try.
    pub concurrency_max: u32,
    /// Parts of one file in flight to try, at least one; 1 is what an in-order connector does.
    pub parts_in_flight: Vec<u32>,
    /// What is set now: the recommendation is compared with it.
    pub current: Settings,
    /// Who says that there may be no more files in flight.
    pub ceiling: Ceiling,
    /// What outcomes are; only for the words of a recommendation.
    pub objective: Objective,
    /// What it keeps to.
    pub rules: Rules,
}

/// What every search keeps to, whatever it searches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    /// What no candidate may exceed.
    pub limits: Limits,
    /// Share of the attempts that may be told to slow down.
    pub max_refused: f64,
    /// How long things are measured.
    pub times: Times,
    /// Seed of the order within blocks.
    pub seed: u64,
}

/// Who says that there may be no more files in flight than the highest number that is tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ceiling {
    /// The user, or a default.
    #[default]
    Asked,
    /// The endpoint, which refuses more transfers at a time.
    Endpoint,
    /// This machine's memory or its open files.
    Machine,
    /// A cap on bytes: what is in flight together must fit it.
    Caps,
}

/// How long things are measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// Before each window.
    pub warm_up: Duration,
    /// Of a trial in a block; steps on the way have half of it.
    pub window: Duration,
    /// Least time for which the choice is held.
    pub soak: Duration,
}

/// What a search makes as high as it can.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Objective {
    /// What passes the sockets.
    #[default]
    Goodput,
    /// The same with each object verified before it counts, as Globus reports it.
    EffectiveSpeed,
}

impl std::fmt::Display for Objective {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Goodput => "goodput",
            Self::EffectiveSpeed => "effective speed",
        })
    }
}

impl Config {
    /// Settings with so many streams, with as few parts of a file in flight as that takes.
    fn with_streams(&self, part_size_bytes: u64, streams: u32) -> Settings {
        let mut shapes = self.parts_in_flight.iter().copied();
        let fits = shapes.find(|parts| streams <= parts.saturating_mul(self.concurrency_max));
        let parts_in_flight = fits.or(self.parts_in_flight.last().copied()).unwrap_or(1);
        self.with_shape(part_size_bytes, streams, parts_in_flight)
    }

    /// As nearly so many streams as this shape allows.
    fn with_shape(&self, part_size_bytes: u64, streams: u32, parts_in_flight: u32) -> Settings {
        let concurrency = (streams / parts_in_flight).clamp(1, self.concurrency_max);
        Settings { part_size_bytes, concurrency, parts_in_flight }
    }

    fn streams_max(&self) -> u32 {
        self.concurrency_max * self.parts_in_flight.last().copied().unwrap_or(1)
    }
}

/// What no candidate may exceed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Limits {
    /// Memory of a connector that holds every part in flight whole: streams x part size.
    pub memory_bytes: Option<u64>,
    /// Requests a second that the endpoint allows; the parts of a full link are as many.
    pub requests_per_second_max: Option<f64>,
    /// How long a part may take when all are in flight.
    pub part_takes_max: Option<Duration>,
}

/// Concurrency of `network_use: normal`, GCS's default: 2 preferred, 4 at most
/// (globus-cli, fixture `endpoint_introspect.yaml` of v5.4.71).
pub const GCS_NORMAL_CONCURRENCY: (u32, u32) = (2, 4);

/// Parallelism of `network_use: normal`: 4 preferred, 8 at most (same source).
pub const GCS_NORMAL_PARALLELISM: (u32, u32) = (4, 8);
