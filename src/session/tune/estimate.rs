//! What a search will spend and can show, said before anything is spent.

use std::time::Duration;

use serde::Serialize;

use super::TuneOptions;
use super::budget::{Until, expected_trial};
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::prices::{Prices, Usd};
use crate::result::{Budget, Direction, Settings};
use crate::scenario;
use crate::session::limits;
use crate::transfer::{Caps, GetMode, Spent};
use crate::tune::{self, Forecast};
use crate::units::{ByteSize, Rate};

/// The `schema` field of an estimate.
const SCHEMA: &str = "tidegate.estimate/1";

/// More than this is moved at an endpoint only with `--yes`.
const BYTES_WITHOUT_YES: u64 = 1_000_000_000_000;

/// The same for money.
const COST_WITHOUT_YES: Usd = Usd(10.0);

/// What a session is expected to spend and to show.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// Always `tidegate.estimate/1`.
    pub schema: &'static str,
    /// The search in each direction that is asked for, in this order.
    pub searches: Vec<SearchEstimate>,
    /// Trials of all of them.
    pub trials: u32,
    /// Standard deviation of a trial's logarithm (ASSUMPTION).
    pub sd_assumed: f64,
    /// Time for all of it.
    pub duration_s: f64,
    /// Payload to the bucket at the rates of the searches, preparation included: an upper estimate;
    /// `None` if nothing is known before the first trial.
    pub bytes_up: Option<u64>,
    /// Payload from the bucket.
    pub bytes_down: Option<u64>,
    /// With the smallest of the part sizes.
    pub requests: Option<u64>,
    /// At these prices.
    pub cost_usd: Option<Usd>,
    /// What things cost.
    pub prices: Prices,
    /// With the largest settings; `None` in a simulation.
    pub memory_bytes: Option<u64>,
    /// Enforced while it runs; `None` is no cap.
    pub max_bytes: Option<u64>,
    /// Enforced while it runs; `None` is no cap.
    pub max_cost_usd: Option<Usd>,
}

/// What the search in one direction is expected to show.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SearchEstimate {
    /// Which way.
    pub direction: Direction,
    /// Trials that the smallest of the budgets affords.
    pub trials: u32,
    /// That budget.
    pub bound_by: Budget,
    /// Of the trials, those that find the knee.
    pub trials_to_the_knee: u32,
    /// Blocks of the confirmation.
    pub blocks: u32,
    /// Smallest ratio minus one that these blocks show if trials vary by `sd_assumed`; `None` with fewer
    /// than two.
    pub smallest_difference: Option<f64>,
    /// Time for its trials and the preparation.
    pub duration_s: f64,
    /// All streams together; `None` if nothing is known before the first trial.
    pub rate_bytes_per_second: Option<f64>,
    /// How that is known.
    pub rate_from: RateFrom,
    /// What it spends at that rate.
    #[serde(skip)]
    total: Option<Spent>,
}

/// How a rate is known before it is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RateFrom {
    /// The user said it.
    User,
    /// The most that the model of the link lets through.
    Model,
    /// It is not.
    Unknown,
}

impl SearchEstimate {
    fn new(
        options: &TuneOptions,
        direction: Direction,
        config: &tune::Config,
        dataset: &Dataset,
    ) -> Result<Self> {
        let (rate, rate_from) = expected_rate(options, direction, config)?;
        let budgets = Budgets::new(options, direction, config, dataset, rate);
        let (trials, bound_by) = budgets.trials();
        let forecast = Forecast::new(config, trials);
        budgets.check(&forecast, bound_by)?;
        Ok(Self {
            direction,
            trials,
            bound_by,
            trials_to_the_knee: forecast.to_the_knee,
            blocks: forecast.blocks,
            smallest_difference: forecast.smallest_difference.map(f64::exp_m1),
            duration_s: (budgets.preparing + budgets.trial * trials).as_secs_f64(),
            rate_bytes_per_second: rate.map(|rate| rate.0),
            rate_from,
            total: budgets.total(trials),
        })
    }

    fn text(&self, sd_assumed: f64) -> String {
        let shows = self.smallest_difference.map_or("no differences at all".into(), |smallest| {
            let (percent, sd) = (100.0 * smallest, 100.0 * sd_assumed);
            format!(
                "differences of {percent:.0} % or more, if trials vary by {sd:.0} % (ASSUMPTION)"
            )
        });
        format!(
            "about {} trials in {}, for {} allows no more: {} to find the knee, then a race and {} blocks of confirmation, which show {shows}",
            self.trials,
            humantime::format_duration(Duration::from_secs(self.duration_s.round() as u64)),
            self.bound_by.option(),
            self.trials_to_the_knee,
            self.blocks,
        )
    }
}

impl Estimate {
    /// Before anything is spent.
    ///
    /// # Errors
    /// If the budgets afford too few trials, or allow so much that it takes a `--yes`.
    pub(super) fn new(
        options: &TuneOptions,
        configs: &[(Direction, tune::Config)],
        dataset: &Dataset,
    ) -> Result<Self> {
        let search =
            |(way, config): &(Direction, _)| SearchEstimate::new(options, *way, config, dataset);
        let searches = configs.iter().map(search).collect::<Result<Vec<_>>>()?;
        let total: Option<Vec<Spent>> = searches.iter().map(|search| search.total).collect();
        let total = total.map(|each| each.into_iter().fold(Spent::default(), sum));
        let is_real = options.target.simulation.is_none();
        let memory = |(_, config): &(_, tune::Config)| {
            limits::memory_needed(largest(options, config), dataset)
        };
        let estimate = Self {
            schema: SCHEMA,
            trials: searches.iter().map(|search| search.trials).sum(),
            sd_assumed: tune::SD_ASSUMED,
            duration_s: searches.iter().map(|search| search.duration_s).sum(),
            searches,
            bytes_up: total.map(|total| total.bytes_up),
            bytes_down: total.map(|total| total.bytes_down),
            requests: total.map(|total| total.requests),
            cost_usd: total.map(|total| total.cost),
            prices: options.caps.prices.clone(),
            memory_bytes: configs.iter().map(memory).max().filter(|_| is_real),
            max_bytes: options.caps.bytes,
            max_cost_usd: options.caps.cost,
        };
        let estimate = estimate.permitted(options)?;
        for (direction, config) in configs {
            let largest = largest(options, config);
            estimate.check_in_flight(options, *direction, largest, dataset)?;
        }
        Ok(estimate)
    }

    /// The same with what is enforced at an endpoint without `--yes`; what is more needs one.
    fn permitted(mut self, options: &TuneOptions) -> Result<Self> {
        let pays = options.target.url.is_some() && options.target.simulation.is_none();
        if options.yes || !pays {
            return Ok(self);
        }
        let bytes = self.bytes_up.zip(self.bytes_down).map(|(up, down)| up.saturating_add(down));
        let bytes = bytes.or(self.max_bytes).unwrap_or_default();
        let cost = self.cost_usd.or(self.max_cost_usd).unwrap_or_default();
        if bytes > BYTES_WITHOUT_YES || cost > COST_WITHOUT_YES {
            let message = format!(
                "this may move {} and cost {cost}: more than 1 TB or 10 USD needs --yes",
                ByteSize(bytes)
            );
            return Err(Error::environment(message)
                .hint("give --yes, or less with --budget, --max-bytes and --max-cost"));
        }
        self.max_bytes =
            Some(self.max_bytes.map_or(BYTES_WITHOUT_YES, |max| max.min(BYTES_WITHOUT_YES)));
        let cost_max = self.max_cost_usd.unwrap_or(COST_WITHOUT_YES);
        self.max_cost_usd =
            Some(if cost_max < COST_WITHOUT_YES { cost_max } else { COST_WITHOUT_YES });
        Ok(self)
    }

    /// Each stream takes all of its request from the cap before it begins: they must fit together.
    fn check_in_flight(
        &self,
        options: &TuneOptions,
        direction: Direction,
        largest: Settings,
        dataset: &Dataset,
    ) -> Result<()> {
        let request = match (direction, options.get) {
            (Direction::Down, GetMode::Whole) => dataset.largest_bytes(),
            (Direction::Up, _) if options.verify => dataset.largest_bytes(),
            _ => largest.part_size_bytes.min(dataset.largest_bytes()),
        };
        let max_bytes = share(options, &self.caps(options)).caps.bytes;
        let fit = max_bytes.map(|max| max / request.max(1));
        let Some(fit) = fit.filter(|fit| *fit < u64::from(largest.streams())) else {
            return Ok(());
        };
        let message = format!(
            "{} requests of {} in flight are more than {}--max-bytes allows",
            largest.streams(),
            ByteSize(request),
            part_of(options),
        );
        let files = (fit / u64::from(largest.parts_in_flight)).max(1);
        Err(Error::environment(message)
            .hint(format!("give a larger --max-bytes, or --max-concurrency {files}")))
    }

    /// What is enforced.
    pub(super) fn caps(&self, options: &TuneOptions) -> Caps {
        Caps { bytes: self.max_bytes, cost: self.max_cost_usd, ..options.caps.clone() }
    }

    /// For a person.
    pub fn text(&self) -> String {
        let memory = self
            .memory_bytes
            .map_or(String::new(), |bytes| format!("; up to {} of memory", ByteSize(bytes)));
        let search = |search: &SearchEstimate| match self.searches.len() {
            1 => search.text(self.sd_assumed),
            _ => format!("{}: {}", way(search.direction), search.text(self.sd_assumed)),
        };
        let searches: Vec<String> = self.searches.iter().map(search).collect();
        format!("{}\n{}{memory}", searches.join("\n"), self.spending())
    }

    fn spending(&self) -> String {
        let stops = match (self.max_bytes, self.max_cost_usd) {
            (None, None) => "no cap on bytes or money".to_owned(),
            (Some(bytes), None) => format!("it stops at {}", ByteSize(bytes)),
            (None, Some(cost)) => format!("it stops at {cost}"),
            (Some(bytes), Some(cost)) => format!("it stops at {} or {cost}", ByteSize(bytes)),
        };
        let tier = &self.prices.name;
        let Some(cost) = self.cost_usd else {
            return format!(
                "how much that moves is not known before the first trials (--expected-rate gives an estimate); {stops} at {tier} prices"
            );
        };
        format!(
            "at most {} up and {} down in {} requests, {cost} at {tier} prices, at {}; {stops}",
            ByteSize(self.bytes_up.unwrap_or_default()),
            ByteSize(self.bytes_down.unwrap_or_default()),
            self.requests.unwrap_or_default(),
            self.rates(),
        )
    }

    /// `1 Gbit/s (as expected)`; of two rates that differ both.
    fn rates(&self) -> String {
        let from = |search: &SearchEstimate| match search.rate_from {
            RateFrom::User => "as expected",
            RateFrom::Model | RateFrom::Unknown => "the most that the model lets through",
        };
        let rate = |search: &SearchEstimate| Rate(search.rate_bytes_per_second.unwrap_or_default());
        let mut rates: Vec<String> =
            self.searches.iter().map(|one| rate(one).to_string()).collect();
        rates.dedup();
        let from = self.searches.first().map(from).unwrap_or_default();
        format!("{} ({from})", rates.join(" and "))
    }
}

fn sum(one: Spent, other: Spent) -> Spent {
    Spent {
        bytes_up: one.bytes_up.saturating_add(other.bytes_up),
        bytes_down: one.bytes_down.saturating_add(other.bytes_down),
        requests: one.requests.saturating_add(other.requests),
        cost: Usd(one.cost.0 + other.cost.0),
    }
}

fn way(direction: Direction) -> &'static str {
    match direction {
        Direction::Up => "up",
        Direction::Down => "down",
    }
}

/// What each search may spend.
fn share(options: &TuneOptions, caps: &Caps) -> Until {
    Until::share(options.budget, caps, 1, options.directions.len() as u32)
}

/// Before the name of a budget, of which each search has a share.
fn part_of(options: &TuneOptions) -> &'static str {
    if options.directions.len() > 1 { "half of " } else { "" }
}

/// What the user expects; else what the model of the link lets through.
fn expected_rate(
    options: &TuneOptions,
    direction: Direction,
    config: &tune::Config,
) -> Result<(Option<Rate>, RateFrom)> {
    if options.expected_rate.is_some() {
        return Ok((options.expected_rate, RateFrom::User));
    }
    let Some(model) = options.target.model_of_the_link() else {
        return Ok((None, RateFrom::Unknown));
    };
    let settings = largest(options, config);
    let rate = scenario::read(model)?.rate(settings, direction).map(Rate);
    Ok((rate, if rate.is_some() { RateFrom::Model } else { RateFrom::Unknown }))
}

/// The most that may be tried.
pub(super) fn largest(options: &TuneOptions, config: &tune::Config) -> Settings {
    Settings {
        part_size_bytes: config.part_sizes_bytes.iter().copied().max().unwrap_or_default(),
        concurrency: options.concurrency_max.max(config.current.concurrency),
        parts_in_flight: options.parts_in_flight.iter().copied().max().unwrap_or(1),
    }
}

/// The budgets of one search, and what they are spent on.
struct Budgets<'a> {
    options: &'a TuneOptions,
    /// What it may spend.
    share: Until,
    /// Objects that are downloaded are uploaded before.
    prepared: Spent,
    preparing: Duration,
    /// Time of a trial.
    trial: Duration,
    /// At the expected rate, if there is one.
    per_trial: Option<Spent>,
}

impl<'a> Budgets<'a> {
    fn new(
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
                    sum(files.up(bytes, smallest), files.read_back(bytes))
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
    fn trials(&self) -> (u32, Budget) {
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
    fn check(&self, forecast: &Forecast, bound_by: Budget) -> Result<()> {
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
    fn total(&self, trials: u32) -> Option<Spent> {
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
pub(super) fn stored_part_size(options: &TuneOptions, config: &tune::Config) -> u64 {
    options.stored_part_size_bytes.unwrap_or(config.current.part_size_bytes)
}
