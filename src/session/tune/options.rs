//! What a search is asked for.

use std::time::Duration;

use crate::dataset::Dataset;
use crate::observe::Followed;
use crate::result::{Direction, Settings};
use crate::session::limits;
use crate::session::record::Saving;
use crate::session::target::TargetOptions;
use crate::session::upwards::Upwards;
use crate::transfer::{Caps, Flow, GetMode, Mix};
use crate::tune::{Ceiling, GcsOptions, Rules};
use crate::units::Rate;

/// What `tune` was asked to do.
#[derive(Clone, Debug)]
pub struct TuneOptions {
    /// Where.
    pub target: TargetOptions,
    /// What is searched.
    pub search: SearchOptions,
    /// The files that are moved.
    pub files: Files,
    /// The connector that the settings come from.
    pub connector: Option<Followed>,
    /// What may be spent.
    pub means: Means,
    /// What the GCS command depends on.
    pub gcs: GcsOptions,
    /// What is kept.
    pub saving: Saving,
}

/// What is searched.
#[derive(Clone, Debug)]
pub struct SearchOptions {
    /// Which way: a search for each, in this order; all searches have equal shares of the budget.
    pub directions: Vec<Direction>,
    /// How many DTNs move files together: a search for each number, in this order; never empty.
    pub dtns: Vec<u32>,
    /// Part sizes to try; `None` is what suits the endpoint and the largest file.
    pub part_sizes: Option<Vec<u64>>,
    /// Highest concurrency to try; `None` is as many as the endpoint, this machine and the caps allow.
    pub concurrency_max: Option<u32>,
    /// Parts of one file in flight to try.
    pub parts_in_flight: Vec<u32>,
    /// What is set now.
    pub current_concurrency: u32,
    /// Whether each upload is read back before it counts: then the effective speed decides.
    pub verify: bool,
    /// How objects are fetched.
    pub get: GetMode,
    /// What all searches keep to.
    pub rules: Rules,
}

/// The files that trials move.
#[derive(Clone, Debug)]
pub enum Files {
    /// These, round and round: a search for each dataset, in this order; never empty.
    Datasets {
        /// Each.
        datasets: Vec<Upwards>,
        /// Parts of the objects that are prepared for downloads; `None` is as the settings of now do.
        stored_part_size_bytes: Option<u64>,
    },
    /// Objects that exist: those at the target, which is only read.
    Existing,
}

impl Files {
    /// Whether they are objects that exist.
    pub(super) fn exist(&self) -> bool {
        matches!(self, Self::Existing)
    }

    /// A search for each.
    pub fn searches(&self) -> usize {
        match self {
            Self::Datasets { datasets, .. } => datasets.len(),
            Self::Existing => 1,
        }
    }

    /// Parts of the objects that are prepared for downloads, if the user says.
    pub(super) fn stored_part_size_bytes(&self) -> Option<u64> {
        match self {
            Self::Datasets { stored_part_size_bytes, .. } => *stored_part_size_bytes,
            Self::Existing => None,
        }
    }

    /// The name of one of several.
    pub(super) fn name(&self, nth: usize) -> Option<String> {
        match self {
            Self::Datasets { datasets, .. } if datasets.len() > 1 => {
                Some(datasets[nth].to_string())
            }
            Self::Datasets { .. } | Self::Existing => None,
        }
    }
}

/// What may be spent.
#[derive(Clone, Debug)]
pub struct Means {
    /// Time for preparation and trials.
    pub time: Duration,
    /// Bytes and money, and what things cost.
    pub caps: Caps,
    /// All streams together, if the user expects a rate.
    pub expected_rate: Option<Rate>,
    /// Whether more than 1 TB or 10 USD may be spent at an endpoint.
    pub yes: bool,
}

/// Files in flight to try at most where nobody says what the endpoint allows: what Storj allows a project
/// (storj/edge pkg/server/config.go, ConcurrentRequests; of other endpoints an ASSUMPTION).
pub const FILES_MAX: u32 = 500;

impl TuneOptions {
    /// Most files in flight to try, and who says that there may be no more.
    pub(super) fn most(
        &self,
        part_size_bytes: u64,
        dataset: &Dataset,
        dtns: u32,
    ) -> (u32, Ceiling) {
        if let Some(files) = self.search.concurrency_max {
            return (files, Ceiling::Asked);
        }
        let parts_in_flight = self.search.parts_in_flight.iter().max().copied().unwrap_or(1);
        let most = (FILES_MAX / dtns / parts_in_flight).max(1);
        let capped = self.room_for(part_size_bytes, dataset) / dtns / parts_in_flight;
        let settings = |concurrency| Settings { part_size_bytes, concurrency, parts_in_flight };
        let fits = |files: &u32| {
            self.target.simulation.is_some()
                || limits::check(settings(*files), dataset, self.target.proof).is_ok()
        };
        let fewer =
            std::iter::successors(Some(most.min(capped).max(1)), |files| Some(files * 3 / 4));
        let possible = fewer.take_while(|files| *files > 0).find(fits).unwrap_or(1);
        let possible = possible.max(self.search.current_concurrency);
        match self.target.is_storj() {
            _ if possible < most.min(capped) => (possible, Ceiling::Machine),
            _ if capped < most => (possible, Ceiling::Caps),
            true => (possible, Ceiling::Endpoint),
            false => (possible, Ceiling::Asked),
        }
    }

    /// Requests in flight that fit the cap on bytes together: each takes all of its own before it begins.
    fn room_for(&self, part_size_bytes: u64, dataset: &Dataset) -> u32 {
        let SearchOptions { directions, verify, get, .. } = &self.search;
        let downloads_whole = directions.contains(&Direction::Down) && *get == GetMode::Whole;
        let largest = dataset.largest_bytes();
        let request =
            if *verify || downloads_whole { largest } else { part_size_bytes.min(largest) };
        let share = self.means.caps.bytes.map(|bytes| bytes / u64::from(self.searches()));
        let fit = share.map(|bytes| bytes / request.max(1));
        fit.map_or(u32::MAX, |fit| u32::try_from(fit).unwrap_or(u32::MAX))
    }

    /// How many there are.
    pub(super) fn searches(&self) -> u32 {
        (self.search.directions.len() * self.files.searches() * self.search.dtns.len()) as u32
    }

    /// Which way, in the words of a job.
    pub(super) fn flow(&self) -> Flow {
        match self.search.directions[..] {
            [direction] => direction.into(),
            _ => Flow::Mixed(Mix::default()),
        }
    }

    /// Whether what is uploaded is read back.
    pub(super) fn reads_back(&self, direction: Direction) -> bool {
        self.search.verify && direction == Direction::Up
    }

    /// Whether objects are uploaded first.
    pub(super) fn prepares(&self, direction: Direction) -> bool {
        direction == Direction::Down && !self.files.exist()
    }
}
