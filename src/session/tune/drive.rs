//! A search driven over a store.

use std::sync::Arc;
use std::time::Duration;

use super::TuneOptions;
use super::budget::Spent;
use super::estimate::stored_part_size;
use super::leg::Leg;
use super::said::{Left, line, why};
use crate::clock;
use crate::dataset::{Dataset, Pattern};
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::result::{Asked, Direction, Recommendation, Settings};
use crate::session::claim::Claim;
use crate::session::metrics::Doing;
use crate::session::progress::Progress;
use crate::session::record::Record;
use crate::session::run::prepare;
use crate::store::Place;
use crate::transfer::{Allowance, Job, Order, RetryPolicy, Start};
use crate::trial::{self, Label, Load, Snapshot, Stop};
use crate::tune::{self, ForBoth, Next, Outcome, Search};
use crate::words;

/// A search under way: asks for trials, runs them, saves each.
pub(super) struct Tuning<'a> {
    pub(super) options: &'a TuneOptions,
    pub(super) dataset: Arc<Dataset>,
    pub(super) pattern: Pattern,
    pub(super) place: &'a Place,
    pub(super) claim: &'a Claim<'a>,
    pub(super) interrupt: &'a Interrupt,
    pub(super) progress: &'a mut Progress,
    pub(super) record: Record,
    pub(super) allowance: Arc<Allowance>,
    /// Whether the objects that are downloaded have been uploaded.
    pub(super) has_objects: bool,
}

/// How far a trial came.
#[derive(PartialEq)]
enum Measured {
    Whole,
    /// The allowance was used up in it: it says nothing.
    Stopped,
}

impl Tuning<'_> {
    /// All directions, one after the other; then what serves both.
    ///
    /// How many times as much as what is set now was met in the first.
    pub(super) async fn search(
        &mut self,
        mut legs: Vec<Leg>,
        mut spent: Spent,
    ) -> Result<Option<f64>> {
        if let Some((first, rest)) = legs.split_first_mut() {
            self.go(first, None, &mut spent).await?;
            if let [second] = rest {
                self.go(second, Some(&first.search), &mut spent).await?;
                self.serve_both(first, second, &mut spent).await?;
            }
        }
        self.recommend(&legs);
        Ok(legs.first().and_then(|leg| leg.search.growth()))
    }

    /// Sees to it that trials of this leg draw on its budget and have what they download.
    async fn make_ready(&mut self, leg: &Leg, spent: &mut Spent) -> Result<()> {
        self.allowance = spent.allowance();
        if self.options.prepares(leg.direction) && !self.has_objects {
            let began = clock::now();
            self.prepare(&leg.config).await?;
            self.has_objects = true;
            spent.add_beside(began.elapsed());
        }
        Ok(())
    }

    /// Searches in one direction, if that is not over; after the `first` one, if there is one.
    async fn go(&mut self, leg: &mut Leg, first: Option<&Search>, spent: &mut Spent) -> Result<()> {
        if leg.over {
            return Ok(());
        }
        spent.turn_to(leg);
        self.make_ready(leg, spent).await?;
        loop {
            let left = spent.time_left();
            let left = first
                .map_or(left, |first| ForBoth::leaves(first, &leg.search, &self.options.gcs, left));
            let Some(next) = leg.search.ask(left) else {
                if leg.search.is_cut_short() {
                    spent.ends_the_search();
                }
                break;
            };
            if self.measure(next, left, leg, spent).await? == Measured::Stopped {
                break;
            }
        }
        self.record.document.spent = Some(spent.total());
        Ok(())
    }

    /// Measures what would serve both directions where one of them does not know it well: with what both
    /// searches left of the budget.
    async fn serve_both(&mut self, up: &mut Leg, down: &mut Leg, spent: &mut Spent) -> Result<()> {
        up.until = down.until.clone();
        while let Some(open) = ForBoth::next(&up.search, &down.search, &self.options.gcs) {
            let leg = if open.direction == up.direction { &mut *up } else { &mut *down };
            spent.turn_to(leg);
            let left = spent.time_left();
            if leg.search.comparisons(left) < open.trials_needed {
                spent.ends_the_search();
                break;
            }
            self.make_ready(leg, spent).await?;
            if self.measure(open.next, left, leg, spent).await? == Measured::Stopped {
                break;
            }
        }
        self.record.document.spent = Some(spent.total());
        Ok(())
    }

    /// Runs what the search asked for, tells it and saves it.
    async fn measure(
        &mut self,
        next: Next,
        time_left: Duration,
        leg: &mut Leg,
        spent: &mut Spent,
    ) -> Result<Measured> {
        let (began, before) = (clock::now(), self.allowance.spent());
        let affordable_trials = leg.search.comparisons(time_left);
        let left = Left { trials: affordable_trials, time: time_left };
        let (finished, cleared) = self.trial(next, leg.direction, left).await?;
        let trial::Finished { mut trial, records, stopped, .. } = finished;
        let (took, after) = (began.elapsed(), self.allowance.spent());
        if stopped {
            let (cap, is_shared) = (spent.stopped(took), self.options.directions.len() > 1);
            self.progress.note(&format!(
                "trial {} was stopped: {}{} is used up",
                trial.id,
                if is_shared { "its direction's share of " } else { "" },
                cap.option()
            ));
            return cleared.map(|()| Measured::Stopped);
        }
        trial.asked = Some(Asked {
            affordable_trials,
            left_us: time_left.as_micros() as u64,
            took_s: took.as_secs_f64(),
            bytes: after.bytes() - before.bytes(),
            cost_usd: after.cost.0 - before.cost.0,
        });
        leg.search.tell(next, Outcome::from(&trial));
        self.progress.note(&line(&trial));
        self.progress.metrics().trial_ended(&trial);
        spent.add(&trial);
        self.record.document.spent = Some(spent.total());
        self.record.add(trial, &records)?;
        cleared.map(|()| Measured::Whole)
    }

    fn recommend(&mut self, legs: &[Leg]) {
        let (options, document) = (self.options, &mut self.record.document);
        let found = legs.iter().filter_map(|leg| leg.recommendation(&document.trials, options));
        let found: Vec<Recommendation> = found.collect();
        document.recommendation = found.first().cloned();
        if let ([up, down], Some(first)) = (legs, found.first()) {
            let part_size = first.settings.part_size_bytes;
            document.joint = tune::joint(&up.search, &down.search, part_size, &options.gcs);
        }
        document.recommendations = found;
    }

    /// One trial, and whether its objects are gone, as they must be before the next.
    async fn trial(
        &mut self,
        next: Next,
        direction: Direction,
        left: Left,
    ) -> Result<(trial::Finished, Result<()>)> {
        let id = self.record.document.trials.len() as u32;
        let options = self.options;
        let below = match direction {
            Direction::Up => format!("t{id}/"),
            Direction::Down if options.objects => String::new(),
            Direction::Down => String::from("objects/"),
        };
        // Each trial draws anew: the same draw in all would be a bias of its own.
        let seed = self.options.seed.wrapping_add(u64::from(id) << 16);
        let job = Job { seed, ..self.job(next.settings, direction, &below) };
        let tune::Lasts { warm_up, window } = next.lasts;
        let load = Load::Timed { warm_up, stop: Stop::at_once_after(window) };
        let label = Label { id, phase: next.phase, block: next.block };
        let why = why(next.phase, next.block);
        let what = format!("{} (trial {id}, {why})", words::settings(next.settings));
        self.progress.trial_begins();
        self.progress.metrics().job_begins(&job, Doing::Measuring(next.phase));
        let progress = &mut *self.progress;
        let mut show = |snapshot: &Snapshot| {
            progress.show(&what, snapshot, &left.after(snapshot.elapsed));
        };
        let finished = trial::run(job, load, label, self.place, self.interrupt, &mut show).await?;
        if finished.interrupted {
            return Err(Error::interrupted());
        }
        let cleared = match direction {
            Direction::Up => self.claim.clear(&below).await,
            Direction::Down => Ok(()),
        };
        Ok((finished, cleared))
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
            start: Start::Fresh,
            verify: false,
            keep_attempts: false,
            ..self.job(settings, Direction::Up, "objects/")
        };
        prepare(job, self.place, self.interrupt, self.progress).await
    }

    fn job(&self, settings: Settings, direction: Direction, below: &str) -> Job {
        let prefix = format!("{}{below}", self.claim.prefix());
        Job {
            // Its bytes are made once for all trials.
            pattern: self.pattern.clone(),
            get: self.options.get,
            verify: self.options.reads_back(direction),
            retry: RetryPolicy::of(self.options.target.retry),
            order: Order::ForEver,
            paces: self.options.target.paces.clone(),
            spread: self.options.times.warm_up.mul_f64(0.5),
            start: Start::Midway,
            seed: self.options.seed,
            keep_attempts: self.options.attempts,
            allowance: Some(Arc::clone(&self.allowance)),
            ledger: self.claim.ledger(),
            ..Job::new(Arc::clone(&self.dataset), direction.into(), settings, prefix)
        }
    }
}
