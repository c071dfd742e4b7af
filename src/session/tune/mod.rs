//! `tidegate tune`: a search driven over a store, each trial saved before the next.

mod budget;
mod estimate;
mod leg;
mod resume;
mod said;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

pub use self::estimate::{Estimate, RateFrom, SearchEstimate};

use self::budget::{Spent, Until};
use self::estimate::{largest, stored_part_size};
use self::leg::Leg;
use self::said::{Left, line, why};
use super::bucket::Bucket;
use super::claim::Claim;
use super::clean::remove_leftover;
use super::progress::Progress;
use super::record::{Beginning, Record, new_id};
use super::run::{
    PATTERN_SEED, Upwards, assumptions, both, capped, describe, existing_objects, local_dataset,
    may_write, prepare, seen,
};
use super::target::{Open, TargetOptions, needs_target};
use super::{Finished, limits};
use crate::clock;
use crate::dataset::{Dataset, Pattern, Skipped};
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::observe::Followed;
use crate::result::{Asked, Direction, Recommendation, Saved, Settings};
use crate::store::Place;
use crate::transfer::{
    Allowance, Arrivals, Caps, Flow, GetMode, Job, Mix, Order, RetryPolicy, Sink,
};
use crate::trial::{self, Label, Load, Snapshot, Stop};
use crate::tune::{self, GcsOptions, Limits, Next, Outcome};
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

/// Searches for settings and recommends some; goes on with a run that was `cut_off`, if there is one.
///
/// # Errors
/// If the target cannot be used, the budget is too small, nothing could be measured, the run that was
/// cut off was another one, or the user interrupts.
pub async fn tune(
    options: &TuneOptions,
    cut_off: Option<Saved>,
    interrupt: &Interrupt,
    progress: &mut Progress,
) -> Result<Finished> {
    let Ahead { dataset, configs, estimate, opened } =
        look_ahead(options, interrupt, progress).await?;
    let before = cut_off.as_ref().map(|saved| &saved.document);
    let trials = before.map_or(&[][..], |document| &document.trials);
    let legs = Leg::all(options, configs, &estimate, trials)?;
    let whole = Until { time: options.budget, caps: estimate.caps(options) };
    let spent = Spent::new(whole, before);
    match &cut_off {
        None => progress.note(&estimate.text()),
        Some(saved) => progress.note(&format!(
            "run {} goes on after {} trials; of its budget {} are left",
            saved.document.id,
            trials.len(),
            humantime::format_duration(Duration::from_secs(spent.left().as_secs()))
        )),
    }
    let (open, bucket) = match opened {
        Some(opened) => opened,
        None => interrupt.unless_asked(options.target.open_bucket()).await?,
    };
    if !options.objects {
        may_write(&bucket, interrupt, progress).await?;
    }
    let of_the_model = of_the_model(options, &legs, &open, progress);
    let scenario = scenario(options, &legs, &open);
    let record = match cut_off {
        Some(saved) => resume::record(saved, &scenario, &open.result)?,
        None => Record::begin(Beginning {
            id: new_id(),
            results: options.results.clone(),
            target: open.result.clone(),
            scenario,
            assumptions: [
                assumptions(options.flow(), options.get, options.connector.as_ref()),
                of_the_model,
                existing(options),
            ]
            .concat(),
        })?,
    };
    // From here on it can be resumed.
    record.save()?;
    let claim = match options.objects {
        true => Claim::to_read(&bucket, &open.prefix),
        false => {
            let left = remove_leftover(&bucket, &open.prefix, &record.document.id);
            interrupt.unless_asked(left).await?;
            Claim::unique(&bucket, &open.prefix, &record.document.id).await?
        }
    };
    let mut tuning = Tuning {
        options,
        dataset: Arc::new(dataset),
        pattern: Pattern::new(PATTERN_SEED),
        place: &open.place,
        claim: &claim,
        interrupt,
        progress,
        record,
        allowance: spent.allowance(),
    };
    let searched = claim.while_alive(tuning.search(legs, spent)).await;
    let mut record = tuning.record;
    record.document.simulation = open.simulation_cost(progress);
    if searched.is_err() {
        let (saved, directory) = (record.document.trials.len(), record.directory().display());
        progress.note(&format!(
            "{saved} trials are saved: `tidegate tune --resume {directory}` goes on"
        ));
    }
    both(searched, claim.release().await)?;
    if record.document.recommendation.is_none() {
        record.save()?;
        return Err(Error::answer_is_no(
            "no settings could be recommended: no two blocks of trials were finished",
        )
        .hint(format!("look at {} and give a larger --budget", record.directory().display())));
    }
    record.finish()
}

/// What a search would spend and could show: nothing is written anywhere.
///
/// # Errors
/// As for [`tune()`], before anything is spent.
pub async fn estimate(
    options: &TuneOptions,
    interrupt: &Interrupt,
    progress: &Progress,
) -> Result<Estimate> {
    Ok(look_ahead(options, interrupt, progress).await?.estimate)
}

/// What is known before anything is spent.
struct Ahead {
    dataset: Dataset,
    configs: Vec<(Direction, tune::Config)>,
    estimate: Estimate,
    /// Where the dataset lies already.
    opened: Option<(Open, Bucket)>,
}

async fn look_ahead(
    options: &TuneOptions,
    interrupt: &Interrupt,
    progress: &Progress,
) -> Result<Ahead> {
    let (dataset, opened) = match options.objects {
        true => {
            let (open, bucket) = interrupt.unless_asked(options.target.open_bucket()).await?;
            let objects = existing_objects(&open, &bucket, interrupt).await?;
            (Dataset::Objects(objects), Some((open, bucket)))
        }
        false => {
            let (dataset, skipped) = local_dataset(Some(&options.dataset))?;
            for Skipped { path, reason } in &skipped {
                progress.note(&format!("skipped {path}: {reason}"));
            }
            (dataset.ok_or_else(|| needs_target("tuning without a dataset"))?, None)
        }
    };
    let config = |way: &Direction| (*way, leg::config(options, *way, &dataset));
    let configs: Vec<_> = options.directions.iter().map(config).collect();
    for (_, config) in &configs {
        check_settings(options, config, &dataset)?;
    }
    let estimate = Estimate::new(options, &configs, &dataset)?;
    Ok(Ahead { dataset, configs, estimate, opened })
}

/// What follows from objects that somebody else has stored.
fn existing(options: &TuneOptions) -> Vec<String> {
    let note = "The objects that were downloaded existed before: their bytes are not known here and not verified (unverifiable), nor is how they were stored.";
    if options.objects { vec![note.to_owned()] } else { Vec::new() }
}

impl TuneOptions {
    /// Which way, in the words of a job.
    fn flow(&self) -> Flow {
        match self.directions[..] {
            [direction] => direction.into(),
            _ => Flow::Mixed(Mix::default()),
        }
    }

    /// Whether what is uploaded is read back.
    fn reads_back(&self, direction: Direction) -> bool {
        self.verify && direction == Direction::Up
    }

    /// Whether objects are uploaded first.
    fn prepares(&self, direction: Direction) -> bool {
        direction == Direction::Down && !self.objects
    }
}

/// Sees that every settings that may be tried is possible.
fn check_settings(options: &TuneOptions, config: &tune::Config, dataset: &Dataset) -> Result<()> {
    let concurrency = config.concurrency_max.max(config.current.concurrency);
    for part_size_bytes in config.part_sizes_bytes.iter().copied() {
        let parts_in_flight = config.parts_in_flight.iter().max().copied().unwrap_or(1);
        let settings = Settings { part_size_bytes, concurrency, parts_in_flight };
        tune::feasible(settings, dataset.largest_bytes())?;
        if options.target.simulation.is_none() {
            limits::check(settings, dataset)?;
        }
    }
    Ok(())
}

/// What the model of a simulation cannot be relied on for, in every direction.
fn of_the_model(
    options: &TuneOptions,
    legs: &[Leg],
    open: &Open,
    progress: &Progress,
) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for leg in legs {
        let more = open.assumptions(largest(options, &leg.config), leg.direction, progress);
        all.extend(more.into_iter().filter(|one| !all.contains(one)).collect::<Vec<_>>());
    }
    all
}

fn scenario(options: &TuneOptions, legs: &[Leg], open: &Open) -> BTreeMap<String, Value> {
    let dataset = match &options.dataset {
        _ if options.objects => json!({ "existing": open.describe() }),
        Upwards::Synthetic { name, .. } => json!(name),
        Upwards::Directory(root) => json!({ "from": root.to_string_lossy() }),
    };
    // Downloads of whole objects stand for all sizes.
    let part_sizes =
        legs.iter().map(|leg| &leg.config.part_sizes_bytes).max_by_key(|all| all.len());
    let mut scenario = BTreeMap::from([
        ("budget_s".into(), json!(options.budget.as_secs_f64())),
        ("concurrency_max".into(), json!(options.concurrency_max)),
        ("connector_part_size_bytes".into(), json!(options.gcs.connector_part_size_bytes)),
        ("current_concurrency".into(), json!(options.current_concurrency)),
        ("dataset".into(), dataset),
        ("directions".into(), json!(options.directions)),
        ("get".into(), json!(format!("{:?}", options.get).to_lowercase())),
        ("memory_bytes".into(), json!(options.limits.memory_bytes)),
        ("model".into(), open.model()),
        ("part_sizes_bytes".into(), json!(part_sizes)),
        ("parts_in_flight".into(), json!(options.parts_in_flight)),
        ("requests_per_second_max".into(), json!(options.limits.requests_per_second_max)),
        ("seed".into(), json!(options.seed)),
        ("verify".into(), json!(options.verify)),
        ("warm_up_s".into(), json!(options.warm_up.as_secs_f64())),
        ("window_s".into(), json!(options.window.as_secs_f64())),
    ]);
    scenario.extend([
        ("max_bytes".into(), json!(options.caps.bytes)),
        ("max_cost_usd".into(), json!(options.caps.cost)),
        ("prices".into(), json!(options.caps.prices)),
    ]);
    for leg in legs.iter().filter(|leg| options.prepares(leg.direction)) {
        let stored = stored_part_size(options, &leg.config);
        scenario.insert("stored_part_size_bytes".into(), json!(stored));
    }
    scenario.extend(seen(options.connector.as_ref()));
    scenario.extend(capped(&options.target.paces));
    scenario
}

struct Tuning<'a> {
    options: &'a TuneOptions,
    dataset: Arc<Dataset>,
    pattern: Pattern,
    place: &'a Place,
    claim: &'a Claim<'a>,
    interrupt: &'a Interrupt,
    progress: &'a mut Progress,
    record: Record,
    allowance: Arc<Allowance>,
}

impl Tuning<'_> {
    async fn search(&mut self, mut legs: Vec<Leg>, mut spent: Spent) -> Result<()> {
        for leg in legs.iter_mut().filter(|leg| !leg.over) {
            spent.turn_to(leg);
            self.allowance = spent.allowance();
            self.go(leg, &mut spent).await?;
        }
        self.recommend(&legs);
        Ok(())
    }

    /// Searches in one direction.
    async fn go(&mut self, leg: &mut Leg, spent: &mut Spent) -> Result<()> {
        if self.options.prepares(leg.direction) {
            let began = clock::now();
            self.prepare(&leg.config).await?;
            spent.add_beside(began.elapsed());
        }
        loop {
            let affordable_trials = spent.affordable();
            let Some(next) = leg.search.ask(affordable_trials) else { break };
            let (began, before) = (clock::now(), self.allowance.spent());
            let left = Left { trials: affordable_trials, time: spent.left() };
            let finished = self.trial(next, leg.direction, left).await?;
            let trial::Finished { mut trial, records, stopped, .. } = finished;
            let (took, after) = (began.elapsed(), self.allowance.spent());
            if stopped {
                let (cap, is_shared) = (spent.stopped(took), self.options.directions.len() > 1);
                self.progress.note(&format!(
                    "trial {} was stopped: {}{} is used up",
                    trial.id + 1,
                    if is_shared { "its direction's share of " } else { "" },
                    cap.option()
                ));
                break;
            }
            trial.asked = Some(Asked {
                affordable_trials,
                took_s: took.as_secs_f64(),
                bytes: after.bytes() - before.bytes(),
                cost_usd: after.cost.0 - before.cost.0,
            });
            leg.search.tell(next, Outcome::from(&trial));
            self.progress.note(&line(&trial));
            spent.add(&trial);
            self.record.document.spent = Some(spent.total());
            self.record.add(trial, &records)?;
        }
        self.record.document.spent = Some(spent.total());
        Ok(())
    }

    fn recommend(&mut self, legs: &[Leg]) {
        let (options, document) = (self.options, &mut self.record.document);
        let found = legs.iter().filter_map(|leg| leg.recommendation(&document.trials, options));
        let found: Vec<Recommendation> = found.collect();
        document.recommendation = found.first().cloned();
        if let ([up, down], Some(first)) = (legs, found.first()) {
            let part_size = first.settings.part_size_bytes;
            document.joint = tune::joint(&up.search, &down.search, part_size, &options.gcs);
            document.recommendations = found;
        }
    }

    /// One trial; its objects are gone before the next.
    async fn trial(
        &mut self,
        next: Next,
        direction: Direction,
        left: Left,
    ) -> Result<trial::Finished> {
        let id = self.record.document.trials.len() as u32;
        let options = self.options;
        let below = match direction {
            Direction::Up => format!("t{id}/"),
            Direction::Down if options.objects => String::new(),
            Direction::Down => String::from("objects/"),
        };
        let job = self.job(next.settings, direction, &below);
        let load = Load::Timed { warm_up: options.warm_up, stop: Stop::after(options.window) };
        let label = Label { id, phase: next.phase, block: next.block };
        let why = why(next.phase, next.block);
        let what = format!("{} (trial {}, {why})", describe(next.settings), id + 1);
        self.progress.trial_begins();
        let progress = &mut *self.progress;
        let mut show = |snapshot: &Snapshot| {
            progress.show(&what, snapshot, &left.after(snapshot.elapsed));
        };
        let finished = trial::run(job, load, label, self.place, self.interrupt, &mut show).await?;
        self.claim.leaves_open(finished.open_uploads.clone());
        if finished.interrupted {
            return Err(Error::interrupted());
        }
        if direction == Direction::Up {
            self.claim.clear(&below).await?;
        }
        Ok(finished)
    }

    /// Uploads the objects that are downloaded in every trial.
    async fn prepare(&mut self, config: &tune::Config) -> Result<()> {
        self.progress.note("preparing the objects to download");
        let settings = Settings {
            part_size_bytes: stored_part_size(self.options, config),
            concurrency: self.options.current_concurrency,
            parts_in_flight: 1,
        };
        let job = Job {
            order: Order::Once,
            verify: false,
            keep_attempts: false,
            ..self.job(settings, Direction::Up, "objects/")
        };
        prepare(job, self.place, self.claim, self.interrupt, self.progress).await
    }

    fn job(&self, settings: Settings, direction: Direction, below: &str) -> Job {
        Job {
            dataset: Arc::clone(&self.dataset),
            direction: direction.into(),
            settings,
            prefix: format!("{}{below}", self.claim.prefix()),
            pattern: self.pattern.clone(),
            sink: Sink::Discard,
            get: self.options.get,
            verify: self.options.reads_back(direction),
            retry: RetryPolicy::default(),
            order: Order::ForEver,
            arrivals: Arrivals::Closed,
            paces: self.options.target.paces.clone(),
            spread: self.options.warm_up.mul_f64(0.5),
            seed: self.options.seed,
            keep_attempts: self.options.attempts,
            allowance: Some(Arc::clone(&self.allowance)),
        }
    }
}
