//! What a search is asked for.

use std::path::PathBuf;
use std::time::Duration;

use crate::observe::Followed;
use crate::result::Direction;
use crate::session::run::Upwards;
use crate::session::target::TargetOptions;
use crate::transfer::{Caps, Flow, GetMode, Mix};
use crate::tune::{GcsOptions, Limits};
use crate::units::Rate;

/// What `tune` was asked to do.
#[derive(Clone, Debug)]
pub struct TuneOptions {
    /// Where.
    pub target: TargetOptions,
    /// Which way: a search for each, in this order, with equal shares of the budget.
    pub directions: Vec<Direction>,
    /// The files that are moved round and round.
    pub dataset: Upwards,
    /// Part sizes to try; `None` is what suits the endpoint and the largest file.
    pub part_sizes: Option<Vec<u64>>,
    /// Whether the endpoint cuts objects into Storj's segments.
    pub has_segments: bool,
    /// Highest concurrency to try.
    pub concurrency_max: u32,
    /// Parts of one file in flight to try.
    pub parts_in_flight: Vec<u32>,
    /// What no candidate may exceed.
    pub limits: Limits,
    /// What is set now.
    pub current_concurrency: u32,
    /// Whether each upload is read back before it counts: then the effective speed decides.
    pub verify: bool,
    /// How objects are fetched.
    pub get: GetMode,
    /// The connector that the settings come from.
    pub connector: Option<Followed>,
    /// Existing objects are downloaded: those at the target, which is only read.
    pub objects: bool,
    /// Parts of the objects that are prepared for downloads; `None` is as the settings of now do.
    pub stored_part_size_bytes: Option<u64>,
    /// Time for preparation and trials.
    pub budget: Duration,
    /// Bytes and money, and what things cost.
    pub caps: Caps,
    /// All streams together, if the user expects a rate.
    pub expected_rate: Option<Rate>,
    /// Whether more than 1 TB or 10 USD may be spent at an endpoint.
    pub yes: bool,
    /// Least warm-up of a trial.
    pub warm_up: Duration,
    /// Window of a trial.
    pub window: Duration,
    /// What the GCS command depends on.
    pub gcs: GcsOptions,
    /// Seed of the order of trials.
    pub seed: u64,
    /// Whether each attempt is kept and written.
    pub attempts: bool,
    /// Directory of results.
    pub results: PathBuf,
}

impl TuneOptions {
    /// Which way, in the words of a job.
    pub(super) fn flow(&self) -> Flow {
        match self.directions[..] {
            [direction] => direction.into(),
            _ => Flow::Mixed(Mix::default()),
        }
    }

    /// Whether what is uploaded is read back.
    pub(super) fn reads_back(&self, direction: Direction) -> bool {
        self.verify && direction == Direction::Up
    }

    /// Whether objects are uploaded first.
    pub(super) fn prepares(&self, direction: Direction) -> bool {
        direction == Direction::Down && !self.objects
    }
}
