//! What a search will spend and can show, said before anything is spent.

mod affords;
mod words;

use serde::Serialize;

pub(super) use self::affords::stored_part_size;

use self::affords::{Budgets, part_of, share};
use super::TuneOptions;
use super::course::Course;
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
    /// The search in each direction and of each dataset that is asked for, in this order.
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
    /// Payload that it likely moves, both ways together.
    pub likely_bytes: Option<u64>,
    /// What that costs.
    pub likely_cost_usd: Option<Usd>,
    /// What things cost.
    pub prices: Prices,
    /// With the largest settings; `None` in a simulation.
    pub memory_bytes: Option<u64>,
    /// Enforced while it runs; `None` is no cap.
    pub max_bytes: Option<u64>,
    /// Enforced while it runs; `None` is no cap.
    pub max_cost_usd: Option<Usd>,
}

/// What one search is expected to show.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SearchEstimate {
    /// Which way.
    pub direction: Direction,
    /// Which dataset of several, by its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dataset: Option<String>,
    /// With how many DTNs, if with several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dtns: Option<u32>,
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
    /// Time for its trials and the preparation, at most.
    pub duration_s: f64,
    /// Of it, how long the choice is held for at least.
    pub soak_s: f64,
    /// Time that it likely takes: where trials hardly vary it ends when there is an answer.
    pub likely_duration_s: f64,
    /// All streams together; `None` if nothing is known before the first trial.
    pub rate_bytes_per_second: Option<f64>,
    /// How that is known.
    pub rate_from: RateFrom,
    /// What it spends at that rate.
    #[serde(skip)]
    total: Option<Spent>,
    /// What it likely spends.
    #[serde(skip)]
    likely: Option<Spent>,
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
    fn new(options: &TuneOptions, course: &Course) -> Result<Self> {
        let (rate, rate_from) = expected_rate(options, course)?;
        let budgets = Budgets::new(options, course, rate);
        let (lasts, bound_by) = budgets.lasts();
        let forecast = Forecast::new(&course.config, lasts);
        budgets.check(&forecast, lasts, bound_by)?;
        let takes = forecast.takes.min(lasts);
        let likely = forecast.likely.min(takes);
        Ok(Self {
            direction: course.direction,
            dataset: course.name.clone(),
            dtns: course.of_several(),
            trials: forecast.trials,
            bound_by,
            trials_to_the_knee: forecast.to_the_knee,
            blocks: forecast.blocks,
            smallest_difference: forecast.smallest_difference.map(f64::exp_m1),
            duration_s: (budgets.preparing + takes).as_secs_f64(),
            soak_s: forecast.soak.as_secs_f64(),
            likely_duration_s: (budgets.preparing + likely).as_secs_f64(),
            rate_bytes_per_second: rate.map(|rate| rate.0),
            rate_from,
            total: budgets.total(takes),
            likely: budgets.total(likely),
        })
    }
}

impl Estimate {
    /// Before anything is spent.
    ///
    /// # Errors
    /// If the budgets afford too few trials, or allow so much that it takes a `--yes`.
    pub(super) fn new(options: &TuneOptions, courses: &[Course]) -> Result<Self> {
        let search = |course: &Course| SearchEstimate::new(options, course);
        let searches = courses.iter().map(search).collect::<Result<Vec<_>>>()?;
        let sum = |of: fn(&SearchEstimate) -> Option<Spent>| {
            searches.iter().map(of).try_fold(Spent::default(), |all, one| Some(all + one?))
        };
        let (total, likely) = (sum(|search| search.total), sum(|search| search.likely));
        let is_real = options.target.simulation.is_none();
        let memory = |course: &Course| {
            let largest = largest(options, &course.config);
            limits::memory_needed(largest, &course.dataset, options.target.proof)
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
            likely_bytes: likely.map(|likely| likely.bytes()),
            likely_cost_usd: likely.map(|likely| likely.cost),
            prices: options.means.caps.prices.clone(),
            memory_bytes: courses.iter().map(memory).max().filter(|_| is_real),
            max_bytes: options.means.caps.bytes,
            max_cost_usd: options.means.caps.cost,
        };
        let estimate = estimate.permitted(options)?;
        for course in courses {
            estimate.check_in_flight(options, course)?;
        }
        Ok(estimate)
    }

    /// The same with what is enforced at an endpoint without `--yes`; what is more needs one.
    fn permitted(mut self, options: &TuneOptions) -> Result<Self> {
        let pays = options.target.url.is_some() && options.target.simulation.is_none();
        if options.means.yes || !pays {
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
    fn check_in_flight(&self, options: &TuneOptions, course: &Course) -> Result<()> {
        let Course { direction, dataset, config, .. } = course;
        let largest = largest(options, config);
        let request = match (direction, options.search.get) {
            (Direction::Down, GetMode::Whole) => dataset.largest_bytes(),
            (Direction::Up, _) if options.search.verify => dataset.largest_bytes(),
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
        Caps { bytes: self.max_bytes, cost: self.max_cost_usd, ..options.means.caps.clone() }
    }
}

/// What the user expects; else what the model of the link lets through.
fn expected_rate(options: &TuneOptions, course: &Course) -> Result<(Option<Rate>, RateFrom)> {
    if options.means.expected_rate.is_some() {
        return Ok((options.means.expected_rate, RateFrom::User));
    }
    let Some(model) = options.target.model_of_the_link() else {
        return Ok((None, RateFrom::Unknown));
    };
    let settings = largest(options, &course.config);
    let rate = scenario::read(model)?.rate(settings, course.direction).map(Rate);
    Ok((rate, if rate.is_some() { RateFrom::Model } else { RateFrom::Unknown }))
}

/// The most that may be tried.
pub(super) fn largest(options: &TuneOptions, config: &tune::Config) -> Settings {
    Settings {
        part_size_bytes: config.part_sizes_bytes.iter().copied().max().unwrap_or_default(),
        concurrency: config.concurrency_max.max(config.current.concurrency),
        parts_in_flight: options.search.parts_in_flight.iter().copied().max().unwrap_or(1),
    }
}
