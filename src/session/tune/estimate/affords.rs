//! How long the budgets of one search last, and what its trials spend.

use std::time::Duration;

use super::super::budget::Until;
use super::super::course::Course;
use super::TuneOptions;
use crate::error::{Error, Result};
use crate::prices::Usd;
use crate::result::{Budget, Direction};
use crate::transfer::{Caps, GetMode, Spent};
use crate::tune::{self, Forecast};
use crate::units::{ByteSize, Rate};
use crate::words;

/// The budgets of one search, and what they are spent on.
pub(super) struct Budgets<'a> {
    options: &'a TuneOptions,
    /// What it may spend.
    share: Until,
    /// Objects that are downloaded are uploaded before.
    prepared: Spent,
    pub(super) preparing: Duration,
    /// At the expected rate, if there is one.
    per_second: Option<Spent>,
}

impl<'a> Budgets<'a> {
    pub(super) fn new(options: &'a TuneOptions, course: &Course, rate: Option<Rate>) -> Self {
        let Course { direction, config, dataset, .. } = course;
        let smallest = config.part_sizes_bytes.iter().copied().min().unwrap_or(u64::MAX);
        let files = Files { options, mean_bytes: dataset.bytes() / dataset.files().max(1) };
        let prepares = options.prepares(*direction);
        let stored = stored_part_size(options, config);
        let prepared = match prepares {
            true => files.up(dataset.bytes() as f64, stored),
            false => Spent::default(),
        };
        let per_second = rate.map(|Rate(bytes)| match direction {
            Direction::Up if options.search.verify => {
                files.up(bytes, smallest) + files.read_back(bytes)
            }
            Direction::Up => files.up(bytes, smallest),
            Direction::Down => files.down(bytes, smallest),
        });
        let preparing = rate.map_or(Duration::ZERO, |Rate(rate)| {
            Duration::from_secs_f64(prepared.bytes() as f64 / rate)
        });
        let share = share(options, &options.means.caps);
        Self { options, share, prepared, preparing, per_second }
    }

    /// How long the smallest of the budgets lasts, and which that is.
    pub(super) fn lasts(&self) -> (Duration, Budget) {
        let Caps { bytes, cost, .. } = &self.share.caps;
        let time = self.share.time.saturating_sub(self.preparing);
        let lasts = |left: f64, pace: f64| {
            Duration::try_from_secs_f64(left / pace).unwrap_or(Duration::MAX)
        };
        let by_bytes = bytes.zip(self.per_second).map(|(cap, each)| {
            lasts(cap.saturating_sub(self.prepared.bytes()) as f64, each.bytes() as f64)
        });
        let by_cost = cost
            .zip(self.per_second)
            .map(|(cap, each)| lasts((cap.0 - self.prepared.cost.0).max(0.0), each.cost.0));
        let all = [(Some(time), Budget::Time), (by_bytes, Budget::Bytes), (by_cost, Budget::Cost)];
        let known = all.into_iter().filter_map(|(lasts, budget)| Some((lasts?, budget)));
        known.min_by_key(|(lasts, _)| *lasts).unwrap_or((time, Budget::Time))
    }

    /// Too small a budget is refused, with one that is enough.
    pub(super) fn check(&self, forecast: &Forecast, lasts: Duration, by: Budget) -> Result<()> {
        // Preparing alone may be too much even if nothing is known of the trials.
        self.check_prepared()?;
        if lasts >= forecast.least {
            return Ok(());
        }
        let (part, searches) = (part_of(self.options), self.options.searches());
        let enough = self.total(forecast.least).unwrap_or(self.prepared);
        let (budget, needed) = match by {
            Budget::Time => {
                let needed = (self.preparing + forecast.least) * searches;
                ("the budget", format!("--budget {}", seconds(needed)))
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
        let (affords, least) = (seconds(lasts), seconds(forecast.least));
        let soak = seconds(forecast.soak);
        let message = format!(
            "{part}{budget} lasts for {affords}, and an answer takes {least} at least: the way to the knee, and a soak of {soak}"
        );
        Err(Error::environment(message).hint(format!("give {needed} or more, or a shorter --soak")))
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

    /// Preparation and trials for so long; `None` if nothing is known of them.
    pub(super) fn total(&self, time: Duration) -> Option<Spent> {
        let (before, each, seconds) = (self.prepared, self.per_second?, time.as_secs_f64());
        let times = |each: u64| (each as f64 * seconds) as u64;
        Some(Spent {
            bytes_up: before.bytes_up + times(each.bytes_up),
            bytes_down: before.bytes_down + times(each.bytes_down),
            requests: before.requests + times(each.requests),
            cost: Usd(before.cost.0 + each.cost.0 * seconds),
        })
    }
}

/// In whole seconds, for a person and for an option.
fn seconds(time: Duration) -> String {
    let seconds = Duration::from_secs(time.as_secs_f64().ceil() as u64);
    words::as_set(seconds).replace(' ', "")
}

/// Files as they are on average.
struct Files<'a> {
    options: &'a TuneOptions,
    mean_bytes: u64,
}

impl Files<'_> {
    fn up(&self, bytes: f64, part_size_bytes: u64) -> Spent {
        let Caps { prices, kept, .. } = &self.options.means.caps;
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
        match self.options.search.get {
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
            cost: self.options.means.caps.prices.egress(bytes as u64),
        }
    }
}

/// How the objects that are downloaded are stored: as told, else as the settings of now would do.
pub(in super::super) fn stored_part_size(options: &TuneOptions, config: &tune::Config) -> u64 {
    options.files.stored_part_size_bytes().unwrap_or(config.current.part_size_bytes)
}

/// What each search may spend.
pub(super) fn share(options: &TuneOptions, caps: &Caps) -> Until {
    Until::share(options.means.time, caps, 1, options.searches())
}

/// Before the name of a budget, of which each search has a share.
pub(super) fn part_of(options: &TuneOptions) -> &'static str {
    match options.searches() {
        1 => "",
        2 => "half of ",
        _ => "its share of ",
    }
}
