//! What the budgets of one search afford, and what its trials spend.

use std::time::Duration;

use super::super::budget::{Until, expected_trial};
use super::TuneOptions;
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::prices::Usd;
use crate::result::{Budget, Direction};
use crate::transfer::{Caps, GetMode, Spent};
use crate::tune::{self, Forecast};
use crate::units::{ByteSize, Rate};

/// The budgets of one search, and what they are spent on.
pub(super) struct Budgets<'a> {
    options: &'a TuneOptions,
    /// What it may spend.
    share: Until,
    /// Objects that are downloaded are uploaded before.
    prepared: Spent,
    pub(super) preparing: Duration,
    /// Time of a trial.
    pub(super) trial: Duration,
    /// At the expected rate, if there is one.
    per_trial: Option<Spent>,
}

impl<'a> Budgets<'a> {
    pub(super) fn new(
        options: &'a TuneOptions,
        direction: Direction,
        config: &tune::Config,
        dataset: &Dataset,
        rate: Option<Rate>,
    ) -> Self {
        let trial = expected_trial(options);
        let smallest = config.part_sizes_bytes.iter().copied().min().unwrap_or(u64::MAX);
        let files = Files { options, mean_bytes: dataset.bytes() / dataset.files().max(1) };
        let prepares = options.prepares(direction);
        let stored = stored_part_size(options, config);
        let prepared = match prepares {
            true => files.up(dataset.bytes() as f64, stored),
            false => Spent::default(),
        };
        let per_trial = rate.map(|Rate(rate)| {
            let bytes = rate * trial.as_secs_f64();
            match direction {
                Direction::Up if options.verify => {
                    files.up(bytes, smallest) + files.read_back(bytes)
                }
                Direction::Up => files.up(bytes, smallest),
                Direction::Down => files.down(bytes, smallest),
            }
        });
        let preparing = rate.map_or(Duration::ZERO, |Rate(rate)| {
            Duration::from_secs_f64(prepared.bytes() as f64 / rate)
        });
        let share = share(options, &options.caps);
        Self { options, share, prepared, preparing, trial, per_trial }
    }

    /// How many trials fit all budgets, and the one that allows no more.
    pub(super) fn trials(&self) -> (u32, Budget) {
        let Caps { bytes, cost, .. } = &self.share.caps;
        let left = self.share.time.saturating_sub(self.preparing);
        let by_time = left.as_secs_f64() / self.trial.as_secs_f64();
        let by_bytes = bytes.zip(self.per_trial).map(|(cap, each)| {
            cap.saturating_sub(self.prepared.bytes()) as f64 / each.bytes() as f64
        });
        let by_cost = cost
            .zip(self.per_trial)
            .map(|(cap, each)| (cap.0 - self.prepared.cost.0).max(0.0) / each.cost.0);
        let all =
            [(Some(by_time), Budget::Time), (by_bytes, Budget::Bytes), (by_cost, Budget::Cost)];
        let known = all.into_iter().filter_map(|(trials, budget)| Some((trials?, budget)));
        let least = known.min_by(|one, other| one.0.total_cmp(&other.0));
        least.map_or((0, Budget::Time), |(trials, budget)| (trials as u32, budget))
    }

    /// Too small a budget is refused, with one that is enough.
    pub(super) fn check(&self, forecast: &Forecast, bound_by: Budget) -> Result<()> {
        // Preparing alone may be too much even if nothing is known of the trials.
        self.check_prepared()?;
        let least = Forecast::TRIALS_MIN;
        if forecast.trials >= least {
            return Ok(());
        }
        let (part, searches) = (part_of(self.options), self.options.directions.len() as u32);
        let enough = self.total(least).unwrap_or(self.prepared);
        let (budget, needed) = match bound_by {
            Budget::Time => {
                let needed = (self.preparing + self.trial * least) * searches;
                let seconds = Duration::from_secs(needed.as_secs_f64().ceil() as u64);
                ("the budget", format!("--budget {}", humantime::format_duration(seconds)))
            }
            Budget::Bytes => {
                let needed = enough.bytes().saturating_mul(searches.into());
                ("--max-bytes", format!("--max-bytes {}MB", needed.div_ceil(1_000_000)))
            }
            Budget::Cost => {
                let needed = enough.cost.0 * f64::from(searches);
                ("--max-cost", format!("--max-cost {:.2}USD", needed + 0.005))
            }
        };
        let affords = forecast.trials;
        let message = format!("{part}{budget} affords {affords} trials and {least} are the least");
        Err(Error::environment(message).hint(format!("give {needed} or more")))
    }

    fn check_prepared(&self) -> Result<()> {
        let Caps { bytes, cost, .. } = &self.share.caps;
        let (part, prepared) = (part_of(self.options), self.prepared);
        let (what, option) = if bytes.is_some_and(|cap| prepared.bytes() > cap) {
            let bytes = ByteSize(prepared.bytes());
            (format!("the objects to download are {bytes}"), "--max-bytes")
        } else if cost.is_some_and(|cap| prepared.cost > cap) {
            (format!("storing the objects to download costs {}", prepared.cost), "--max-cost")
        } else {
            return Ok(());
        };
        Err(Error::environment(format!("{what}: more than {part}{option}"))
            .hint(format!("give a larger {option}, or fewer bytes with --size")))
    }

    /// Preparation and so many trials; `None` if nothing is known of them.
    pub(super) fn total(&self, trials: u32) -> Option<Spent> {
        let (before, each, trials) = (self.prepared, self.per_trial?, u64::from(trials));
        Some(Spent {
            bytes_up: before.bytes_up + each.bytes_up * trials,
            bytes_down: before.bytes_down + each.bytes_down * trials,
            requests: before.requests + each.requests * trials,
            cost: Usd(before.cost.0 + each.cost.0 * trials as f64),
        })
    }
}

/// Files as they are on average.
struct Files<'a> {
    options: &'a TuneOptions,
    mean_bytes: u64,
}

impl Files<'_> {
    fn up(&self, bytes: f64, part_size_bytes: u64) -> Spent {
        let Caps { prices, kept, .. } = &self.options.caps;
        let requests = match self.mean_bytes.div_ceil(part_size_bytes) {
            0 | 1 => 1,
            // With CreateMultipartUpload and CompleteMultipartUpload.
            parts => parts + 2,
        };
        let files = bytes / self.mean_bytes.max(1) as f64;
        let each = prices.storage(prices.object(self.mean_bytes, part_size_bytes), *kept);
        Spent {
            bytes_up: bytes as u64,
            bytes_down: 0,
            requests: (files * requests as f64).ceil() as u64,
            cost: Usd(files * each.0),
        }
    }

    fn down(&self, bytes: f64, part_size_bytes: u64) -> Spent {
        match self.options.get {
            GetMode::Whole => self.read_back(bytes),
            GetMode::Ranged => {
                self.fetched(bytes, self.mean_bytes.div_ceil(part_size_bytes).max(1))
            }
        }
    }

    /// Each whole.
    fn read_back(&self, bytes: f64) -> Spent {
        self.fetched(bytes, 1)
    }

    fn fetched(&self, bytes: f64, requests: u64) -> Spent {
        let files = bytes / self.mean_bytes.max(1) as f64;
        Spent {
            bytes_up: 0,
            bytes_down: bytes as u64,
            requests: (files * requests as f64).ceil() as u64,
            cost: self.options.caps.prices.egress(bytes as u64),
        }
    }
}

/// How the objects that are downloaded are stored: as told, else as the settings of now would do.
pub(in super::super) fn stored_part_size(options: &TuneOptions, config: &tune::Config) -> u64 {
    options.stored_part_size_bytes.unwrap_or(config.current.part_size_bytes)
}

/// What each search may spend.
pub(super) fn share(options: &TuneOptions, caps: &Caps) -> Until {
    Until::share(options.budget, caps, 1, options.directions.len() as u32)
}

/// Before the name of a budget, of which each search has a share.
pub(super) fn part_of(options: &TuneOptions) -> &'static str {
    if options.directions.len() > 1 { "half of " } else { "" }
}
