//! What a search is asked for.

use std::path::PathBuf;
use std::time::Duration;

use crate::dataset::Dataset;
use crate::observe::Followed;
use crate::result::{Direction, Settings};
use crate::session::limits;
use crate::session::target::TargetOptions;
use crate::session::upwards::Upwards;
use crate::transfer::{Caps, Flow, GetMode, Mix};
use crate::tune::{Ceiling, GcsOptions, Limits, Times};
use crate::units::Rate;

/// What `tune` was asked to do.
#[derive(Clone, Debug)]
pub struct TuneOptions {
    /// Where.
    pub target: TargetOptions,
    /// Which way: a search for each, in this order; all searches have equal shares of the budget.
    pub directions: Vec<Direction>,
    /// The files that are moved round and round: a search for each dataset, in this order; never empty.
    pub datasets: Vec<Upwards>,
    /// Part sizes to try; `None` is what suits the endpoint and the largest file.
    pub part_sizes: Option<Vec<u64>>,
    /// Whether the endpoint cuts objects into Storj's segments.
    pub has_segments: bool,
    /// Highest concurrency to try.
    pub most: Most,
    /// Share of the attempts that may be told to slow down.
    pub max_refused: f64,
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
    /// How long things are measured.
    pub times: Times,
    /// What the GCS command depends on.
    pub gcs: GcsOptions,
    /// Seed of the order of trials.
    pub seed: u64,
    /// Whether each attempt is kept and written.
    pub attempts: bool,
    /// Directory of results.
    pub results: PathBuf,
}

/// How many files in flight may be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Most {
    /// As the user says.
    Files(u32),
    /// As many as the endpoint, this machine and the caps allow.
    Possible {
        /// Transfers at a time that the endpoint is known to allow.
        endpoint: Option<u32>,
    },
}

/// Files in flight to try at most where nobody says what the endpoint allows: what Storj allows a project
/// (storj/edge pkg/server/config.go, ConcurrentRequests; of other endpoints an ASSUMPTION).
pub const FILES_MAX: u32 = 500;

impl Most {
    /// The number, and who says that there may be no more.
    pub(super) fn resolve(
        self,
        options: &TuneOptions,
        part_size_bytes: u64,
        dataset: &Dataset,
    ) -> (u32, Ceiling) {
        let endpoint = match self {
            Self::Files(files) => return (files, Ceiling::Asked),
            Self::Possible { endpoint } => endpoint,
        };
        let parts_in_flight = options.parts_in_flight.iter().max().copied().unwrap_or(1);
        let most = endpoint.unwrap_or(FILES_MAX) / parts_in_flight;
        let capped = options.room_for(part_size_bytes, dataset) / parts_in_flight;
        let settings = |concurrency| Settings { part_size_bytes, concurrency, parts_in_flight };
        let fits = |files: &u32| {
            options.target.simulation.is_some()
                || limits::check(settings(*files), dataset, options.target.proof).is_ok()
        };
        let fewer =
            std::iter::successors(Some(most.min(capped).max(1)), |files| Some(files * 3 / 4));
        let possible = fewer.take_while(|files| *files > 0).find(fits).unwrap_or(1);
        let possible = possible.max(options.current_concurrency);
        match endpoint {
            _ if possible < most.min(capped) => (possible, Ceiling::Machine),
            _ if capped < most => (possible, Ceiling::Caps),
            Some(_) => (possible, Ceiling::Endpoint),
            None => (possible, Ceiling::Asked),
        }
    }
}

impl TuneOptions {
    /// Requests in flight that fit the cap on bytes together: each takes all of its own before it begins.
    fn room_for(&self, part_size_bytes: u64, dataset: &Dataset) -> u32 {
        let is_whole =
            self.verify || self.directions.contains(&Direction::Down) && self.get == GetMode::Whole;
        let largest = dataset.largest_bytes();
        let request = if is_whole { largest } else { part_size_bytes.min(largest) };
        let share = self.caps.bytes.map(|bytes| bytes / u64::from(self.searches()));
        let fit = share.map(|bytes| bytes / request.max(1));
        fit.map_or(u32::MAX, |fit| u32::try_from(fit).unwrap_or(u32::MAX))
    }

    /// How many there are.
    pub(super) fn searches(&self) -> u32 {
        (self.directions.len() * self.datasets.len()) as u32
    }

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
