//! The search in one direction: what is searched, and until when.

use super::budget::Until;
use super::estimate::{Estimate, SearchEstimate};
use super::{TuneOptions, resume};
use crate::dataset::Dataset;
use crate::error::Result;
use crate::result::{Budget, Direction, Phase, Recommendation, Settings, Traffic, Trial};
use crate::transfer::GetMode;
use crate::tune::{self, Forecast, Ground, Objective, Search, Way};

/// One direction of a session.
pub(super) struct Leg {
    pub(super) direction: Direction,
    pub(super) config: tune::Config,
    pub(super) search: Search,
    /// Trials that fit, before any was seen.
    pub(super) expected_trials: u32,
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
        let leg = |((number, (direction, config)), expected)| {
            let later = &options.directions[number as usize..];
            let expected: &SearchEstimate = expected;
            Ok(Self {
                direction,
                search: resume::search(&config, of(trials, direction))?,
                config,
                expected_trials: match expected.bound_by {
                    Budget::Time => expected.trials,
                    // Announced is what trials at the full rate move. One stream moves less: it is tried,
                    // and then more is known.
                    Budget::Bytes | Budget::Cost => expected.trials.max(Forecast::TRIALS_MIN + 1),
                },
                until: Until::share(options.budget, &caps, number, count),
                over: serves_both || later.iter().copied().any(has_trials),
            })
        };
        (1..).zip(configs).zip(&estimate.searches).map(leg).collect()
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
            found.effective_speed_interval_95 = Some(found.interval_95);
            let ground = Ground::of_goodput(of(trials, self.direction));
            let goodput = ground.goodput(found.settings);
            // A window in which all movers read back sent nothing: its logarithm has no mean.
            found.goodput_bytes_per_second = goodput.map_or(0.0, |goodput| goodput.mean);
            found.interval_95 = goodput.and_then(|goodput| goodput.interval_95).unwrap_or_default();
        }
        let concurrency = tune::gcs_concurrency(&self.search, found.settings, gcs);
        let way = match self.direction {
            Direction::Up => Way::Up,
            Direction::Down => Way::Down(options.get),
        };
        found.commands = tune::commands(found.settings, concurrency, gcs, way);
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
    let largest = part_sizes_bytes.iter().max().copied().unwrap_or_default();
    if direction == Direction::Down && options.get == GetMode::Whole {
        // Downloads of whole objects have no parts: one size stands for all.
        part_sizes_bytes = vec![largest];
    }
    tune::Config {
        part_sizes_bytes,
        concurrency_max: options.concurrency_max,
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
