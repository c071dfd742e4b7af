//! What each search of a session is about.

use std::sync::Arc;

use super::TuneOptions;
use crate::dataset::Dataset;
use crate::result::{Direction, Settings, Workload};
use crate::transfer::GetMode;
use crate::tune::{self, Objective};

/// What one search is about: a direction and a dataset.
#[derive(Clone)]
pub(super) struct Course {
    pub(super) direction: Direction,
    /// Name of the dataset among several.
    pub(super) name: Option<String>,
    /// DTNs that move it together.
    pub(super) dtns: u32,
    pub(super) dataset: Arc<Dataset>,
    pub(super) config: tune::Config,
}

impl Course {
    /// Of every direction, dataset and number of DTNs.
    pub(super) fn all(options: &TuneOptions, datasets: &[Arc<Dataset>]) -> Vec<Self> {
        let mut courses = Vec::new();
        for direction in options.search.directions.iter().copied() {
            for (nth, dataset) in datasets.iter().enumerate() {
                courses.extend(options.search.dtns.iter().map(|dtns| Self {
                    direction,
                    name: options.files.name(nth),
                    dtns: *dtns,
                    dataset: Arc::clone(dataset),
                    config: config(options, direction, dataset, *dtns),
                }));
            }
        }
        courses
    }

    /// How many DTNs there are, if there are several.
    pub(super) fn of_several(&self) -> Option<u32> {
        Some(self.dtns).filter(|dtns| *dtns > 1)
    }

    pub(super) fn workload(&self) -> Workload {
        let (direction, dataset) = (self.direction.into(), self.name.clone());
        Workload { direction, dataset, dtns: self.of_several() }
    }

    /// Where its objects lie that are downloaded, below the run's prefix.
    pub(super) fn objects(&self) -> String {
        self.name.as_ref().map_or_else(|| "objects/".into(), |name| format!("objects/{name}/"))
    }
}

/// What is searched.
fn config(
    options: &TuneOptions,
    direction: Direction,
    dataset: &Dataset,
    dtns: u32,
) -> tune::Config {
    let offered = || tune::offered_part_sizes(options.target.is_storj(), dataset.largest_bytes());
    let mut part_sizes_bytes = options.search.part_sizes.clone().unwrap_or_else(offered);
    // Of what the connector sends nothing is known to the GCS command unless it is tried.
    part_sizes_bytes.extend(options.gcs.connector_part_size_bytes);
    // Parts above the largest file are one and the same: it goes in one piece.
    let whole =
        part_sizes_bytes.iter().copied().filter(|size| *size >= dataset.largest_bytes()).min();
    part_sizes_bytes.retain(|size| whole.is_none_or(|whole| *size <= whole));
    let largest = part_sizes_bytes.iter().max().copied().unwrap_or_default();
    if direction == Direction::Down && options.search.get == GetMode::Whole {
        // Downloads of whole objects have no parts: one size stands for all.
        part_sizes_bytes = vec![largest];
    }
    let (concurrency_max, ceiling) = options.most(largest, dataset, dtns);
    let mut rules = options.search.rules;
    if options.target.paces.requests.is_none() {
        // What one project may ask for, all have together.
        let share = |all: f64| all / f64::from(dtns);
        rules.limits.requests_per_second_max = rules.limits.requests_per_second_max.map(share);
    }
    tune::Config {
        part_sizes_bytes,
        concurrency_max,
        ceiling,
        parts_in_flight: options.search.parts_in_flight.clone(),
        current: Settings {
            concurrency: options.search.current_concurrency,
            parts_in_flight: options.gcs.connector_parts_in_flight.unwrap_or(1),
            ..tune::untuned(largest)
        },
        objective: match options.reads_back(direction) {
            true => Objective::EffectiveSpeed,
            false => Objective::Goodput,
        },
        rules,
    }
}
