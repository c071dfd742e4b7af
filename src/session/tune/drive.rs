//! A search driven over a store.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::TuneOptions;
use super::budget::Spent;
use super::course::Course;
use super::follow::Asked as AskedOfAll;
use super::jobs::{Jobs, own};
use super::leg::Leg;
use super::said::{Left, line, why};
use crate::clock;
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::result::{Asked, Direction, DtnStep, Recommendation};
use crate::session::claim::Claim;
use crate::session::metrics::Doing;
use crate::session::progress::Progress;
use crate::session::record::Record;
use crate::session::run::prepare;
use crate::session::team::{Team, Together};
use crate::session::visit::both;
use crate::store::Place;
use crate::transfer::{Allowance, Dealt, Job};
use crate::trial::{self, Label, Load, Snapshot, Stop};
use crate::tune::{self, ForAll, Next, Outcome, Search, Searched};
use crate::words;

/// A search under way: asks for trials, runs them, saves each.
pub(super) struct Tuning<'a> {
    pub(super) options: &'a TuneOptions,
    pub(super) jobs: Jobs<'a>,
    pub(super) team: Team<'a>,
    pub(super) place: &'a Place,
    pub(super) claim: &'a Claim<'a>,
    pub(super) interrupt: &'a Interrupt,
    pub(super) progress: &'a mut Progress,
    pub(super) record: Record,
    pub(super) allowance: Arc<Allowance>,
    /// Where objects were uploaded that are downloaded.
    pub(super) prepared: BTreeSet<String>,
}

/// A trial in which the DTNs were busy at different times is done again so often.
const AGAIN_MAX: u32 = 2;

/// How far a trial came.
#[derive(PartialEq)]
enum Measured {
    Whole,
    /// The allowance was used up in it: it says nothing.
    Stopped,
}

impl Tuning<'_> {
    /// One search after the other; then what serves all.
    ///
    /// How many times as much as what is set now was met in the first.
    pub(super) async fn search(
        &mut self,
        mut legs: Vec<Leg>,
        mut spent: Spent,
    ) -> Result<Option<f64>> {
        for nth in 0..legs.len() {
            self.go(&mut legs, nth, &mut spent).await?;
        }
        // Another number of DTNs is no other task: one concurrency need not serve both.
        if legs.len() > 1 && self.options.search.dtns.len() == 1 {
            self.serve_all(&mut legs, &mut spent).await?;
        }
        self.recommend(&legs);
        Ok(legs.first().and_then(|leg| leg.search.growth()))
    }

    /// Sees to it that trials of this leg draw on its budget and have what they download.
    async fn make_ready(&mut self, leg: &Leg, spent: &mut Spent) -> Result<()> {
        self.allowance = spent.allowance();
        let course = &leg.course;
        if self.options.prepares(course.direction) && self.prepared.insert(course.objects()) {
            let began = clock::now();
            self.prepare(course).await?;
            spent.add_beside(began.elapsed());
        }
        Ok(())
    }

    /// The search of one leg, if that is not over; the last one leaves time for what serves all.
    async fn go(&mut self, legs: &mut [Leg], nth: usize, spent: &mut Spent) -> Result<()> {
        let is_last = nth + 1 == legs.len();
        let (before, rest) = legs.split_at_mut(nth);
        let leg = &mut rest[0];
        if leg.over {
            return Ok(());
        }
        let before: Vec<&Search> = before.iter().map(|leg| &leg.search).collect();
        spent.turn_to(leg.course.workload(), &leg.until);
        self.make_ready(leg, spent).await?;
        loop {
            let left = spent.time_left();
            let left = match is_last {
                true => ForAll::leaves(&before, &leg.search, &self.options.gcs, left),
                false => left,
            };
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

    /// Measures what would serve all searches where one of them does not know it well: with what they all left
    /// of the budget.
    async fn serve_all(&mut self, legs: &mut [Leg], spent: &mut Spent) -> Result<()> {
        if let Some((last, before)) = legs.split_last_mut() {
            before.iter_mut().for_each(|leg| leg.until = last.until.clone());
        }
        while let Some(open) = self.open_question(legs) {
            let leg = &mut legs[open.search];
            spent.turn_to(leg.course.workload(), &leg.until);
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

    /// What would show more of one concurrency for all.
    fn open_question(&self, legs: &[Leg]) -> Option<ForAll> {
        let searches: Vec<&Search> = legs.iter().map(|leg| &leg.search).collect();
        ForAll::next(&searches, &self.options.gcs)
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
        let (mut finished, mut cleared) = self.trial(next, leg, left).await?;
        for _ in 0..AGAIN_MAX {
            if !finished.apart || finished.stopped || cleared.is_err() {
                break;
            }
            self.progress.note(&format!(
                "trial {} does not count: the DTNs were busy at different times; once more",
                finished.trial.id
            ));
            (finished, cleared) = self.trial(next, leg, left).await?;
        }
        let trial::Finished { mut trial, records, stopped, .. } = finished;
        let (took, after) = (began.elapsed(), self.allowance.spent());
        if stopped {
            let (cap, is_shared) = (spent.stopped(took), self.options.searches() > 1);
            self.progress.note(&format!(
                "trial {} was stopped: {}{} is used up",
                trial.id,
                if is_shared { "its search's share of " } else { "" },
                cap.option()
            ));
            return cleared.map(|()| Measured::Stopped);
        }
        trial.dataset = leg.course.name.clone();
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
        if options.search.dtns.len() > 1 {
            let has_answer =
                |leg: &Leg| found.iter().any(|one| one.workload() == leg.course.workload());
            let without = legs.iter().filter(|leg| !has_answer(leg)).map(|leg| leg.course.dtns);
            document.more_dtns =
                tune::more_dtns(found.iter().map(step).collect(), without.collect());
            let pay = document.more_dtns.as_ref().map(|more| more.dtns_that_pay);
            let mut pays = found.iter().filter(|one| Some(one.dtns.unwrap_or(1)) <= pay);
            document.recommendation = pays.next_back().or(found.first()).cloned();
        } else if let ([_, _, ..], Some(first)) = (legs, found.first()) {
            let searched: Vec<Searched> =
                legs.iter().map(|leg| (leg.course.workload(), &leg.search)).collect();
            let part_size = first.settings.part_size_bytes;
            document.joint = tune::joint(&searched, part_size, &options.gcs);
        }
        document.recommendations = found;
    }

    /// One trial, and whether its objects are gone, as they must be before the next.
    async fn trial(
        &mut self,
        next: Next,
        leg: &Leg,
        left: Left,
    ) -> Result<(trial::Finished, Result<()>)> {
        let id = self.record.document.trials.len() as u32;
        let below = self.jobs.below(id, &leg.course);
        let tune::Lasts { warm_up, window } = next.lasts;
        let load = Load::Timed { warm_up, stop: Stop::at_once_after(window) };
        let label = Label { id, phase: next.phase, block: next.block };
        let why = why(next.phase, next.block);
        let what = format!("{} (trial {id}, {why})", words::settings(next.settings));
        self.progress.trial_begins();
        let metrics = self.progress.metrics().clone();
        let progress = &mut *self.progress;
        let mut show = |snapshot: &Snapshot| {
            progress.show(&what, snapshot, &left.after(snapshot.elapsed));
        };
        let (course, dtns) = (&leg.course, leg.course.dtns);
        // DTNs that cannot see what the others spend have shares of what may be spent.
        let allowance = match self.team.spends_apart(dtns) {
            true => Arc::new(self.allowance.share(dtns)),
            false => Arc::clone(&self.allowance),
        };
        let job = |dealt: Dealt| {
            let job = self.jobs.trial(id, next.settings, course, &allowance);
            let job = Job { dealt, ..job };
            if dealt.rank == 0 {
                metrics.job_begins(&job, Doing::Measuring(next.phase));
            }
            job
        };
        let (bytes_max, cost_max) = (allowance.caps().bytes, allowance.caps().cost);
        let order = &AskedOfAll { id, search: leg.number, next, bytes_max, cost_max };
        let trial = Together { dtns, order, job, load, label, place: self.place };
        let finished = self.team.trial(trial, self.interrupt, &mut show).await?;
        if let Some(spent) = finished.spent {
            self.allowance.add(spent);
        }
        if finished.interrupted {
            return Err(Error::interrupted());
        }
        let dealt = Dealt { rank: 0, of: dtns };
        let cleared = match course.direction {
            Direction::Up => self.claim.clear(&own(&below, dealt)).await,
            Direction::Down => Ok(()),
        };
        let others = self.team.cleared(dtns).await;
        Ok((finished, both(cleared, others)))
    }

    /// Uploads the objects that are downloaded in every trial.
    async fn prepare(&mut self, course: &Course) -> Result<()> {
        self.progress.note("preparing the objects to download");
        let job = self.jobs.preparation(course, &self.allowance);
        prepare(job, self.place, self.interrupt, self.progress).await
    }
}

/// What a number of DTNs brought.
fn step(found: &Recommendation) -> DtnStep {
    DtnStep {
        dtns: found.dtns.unwrap_or(1),
        settings: found.settings,
        goodput_bytes_per_second: found.goodput_bytes_per_second,
        interval_95: found.interval_95,
    }
}
