//! The search in one direction: what is searched, and until when.

use super::budget::Until;
use super::estimate::Estimate;
use super::{TuneOptions, resume};
use crate::dataset::Dataset;
use crate::error::Result;
use crate::result::{Direction, Phase, Recommendation, Settings, Traffic, Trial};
use crate::transfer::GetMode;
use crate::tune::{self, Objective, Search, Way};

/// One direction of a session.
pub(super) struct Leg {
    pub(super) direction: Direction,
    pub(super) config: tune::Config,
    pub(super) search: Search,
    pub(super) until: Until,
    /// What comes after it had begun when the run was cut off.
    pub(super) over: bool,
}

impl Leg {
    /// All legs, after these trials of a run that was cut off.
    ///
    /// # Errors
    /// If the trials are not those of these options.
    pub(super) fn all(
        options: &TuneOptions,
        configs: Vec<(Direction, tune::Config)>,
        estimate: &Estimate,
        trials: &[Trial],
    ) -> Result<Vec<Self>> {
        let count = configs.len() as u32;
        let caps = estimate.caps(options);
        let has_trials = |direction: Direction| of(trials, direction).next().is_some();
        let serves_both = trials.iter().any(|trial| trial.phase == Phase::BothWays);
        let leg = |(number, (direction, config)): (u32, (Direction, tune::Config))| {
            let later = &options.directions[number as usize..];
            Ok(Self {
                direction,
                search: resume::search(&config, of(trials, direction))?,
                config,
                until: Until::share(options.budget, &caps, number, count),
                over: serves_both || later.iter().copied().any(has_trials),
            })
        };
        (1..).zip(configs).map(leg).collect()
    }

    /// What its trials say.
    pub(super) fn recommendation(
        &self,
        trials: &[Trial],
        options: &TuneOptions,
    ) -> Option<Recommendation> {
        let gcs = &options.gcs;
        let mut found = tune::recommend(&self.search, self.direction)?;
        if self.config.objective == Objective::EffectiveSpeed {
            found.effective_speed_bytes_per_second = Some(found.goodput_bytes_per_second);
            if let Some(soak) = found.soak(trials) {
                let goodput = soak.goodput_bytes_per_second;
                found.goodput_bytes_per_second = goodput;
                found.interval_95 = soak.goodput_interval_95.unwrap_or([goodput; 2]);
            }
        }
        let way = match self.direction {
            Direction::Up => Way::Up,
            Direction::Down => Way::Down(options.get),
        };
        found.gcs = tune::for_gcs(&self.search, found.settings, gcs);
        found.commands = tune::commands(found.settings, found.gcs.as_ref(), gcs, way);
        found.scaling = tune::scaling(&self.search, found.settings);
        Some(found)
    }
}

/// The trials of one direction.
pub(super) fn of(trials: &[Trial], direction: Direction) -> impl Iterator<Item = &Trial> {
    trials.iter().filter(move |trial| trial.direction == Traffic::from(direction))
}

/// What is searched.
pub(super) fn config(
    options: &TuneOptions,
    direction: Direction,
    dataset: &Dataset,
) -> tune::Config {
    let offered = || tune::offered_part_sizes(options.has_segments, dataset.largest_bytes());
    let mut part_sizes_bytes = options.part_sizes.clone().unwrap_or_else(offered);
    // Of what the connector sends nothing is known to the GCS command unless it is tried.
    part_sizes_bytes.extend(options.gcs.connector_part_size_bytes);
    // Parts above the largest file are one and the same: it goes in one piece.
    let whole =
        part_sizes_bytes.iter().copied().filter(|size| *size >= dataset.largest_bytes()).min();
    part_sizes_bytes.retain(|size| whole.is_none_or(|whole| *size <= whole));
    let largest = part_sizes_bytes.iter().max().copied().unwrap_or_default();
    if direction == Direction::Down && options.get == GetMode::Whole {
        // Downloads of whole objects have no parts: one size stands for all.
        part_sizes_bytes = vec![largest];
    }
    let (concurrency_max, ceiling) = options.most.resolve(options, largest, dataset);
    tune::Config {
        part_sizes_bytes,
        concurrency_max,
        ceiling,
        max_refused: options.max_refused,
        times: options.times,
        parts_in_flight: options.parts_in_flight.clone(),
        current: Settings {
            concurrency: options.current_concurrency,
            parts_in_flight: options.gcs.connector_parts_in_flight.unwrap_or(1),
            ..tune::untuned(largest)
        },
        limits: options.limits,
        objective: match options.reads_back(direction) {
            true => Objective::EffectiveSpeed,
            false => Objective::Goodput,
        },
        seed: options.seed,
    }
}
