//! What the answer of a simulated search hangs on: the knee again, on links of which one assumed number is another.
//!
//! A search on each of them would take long and tell less: its own draws would be among what differs. Long runs with
//! 1, 2, 4, ... files in flight draw the same.

use std::cmp::Ordering;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::TuneOptions;
use super::course::Course;
use crate::clock;
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::result::{Direction, End, Knee, Phase, Recommendation, Sensitivity, Settings, Varied};
use crate::scenario::Scenario;
use crate::store::Place;
use crate::store::model::{ModelStore, Retain};
use crate::storj::{Limits, Model};
use crate::transfer::{Job, Order, Start};
use crate::trial::{self, Label, Load, Stop};

/// Of each run, in simulated time.
const WARM_UP: Duration = Duration::from_secs(20);
const WINDOW: Duration = Duration::from_secs(60);

/// Within this share of the most a number of files carries as much, as in a recommendation.
const AS_MUCH: f64 = 0.95;

/// When so many numbers in a row carry no more, nothing more is to be expected.
const IN_VAIN: usize = 2;

/// What all runs have in common.
struct Ladder<'a> {
    options: &'a TuneOptions,
    dataset: Arc<Dataset>,
    direction: Direction,
    settings: Settings,
    concurrency_max: u32,
    limits: Limits,
    interrupt: &'a Interrupt,
}

/// What the recommendation hangs on; `None` where nothing is assumed.
///
/// # Errors
/// If the user interrupts.
pub(super) fn sensitivity(
    options: &TuneOptions,
    (scenario, course): (&Scenario, &Course),
    found: &Recommendation,
    interrupt: &Interrupt,
) -> Result<Option<Sensitivity>> {
    if scenario.variations.is_empty() {
        return Ok(None);
    }
    let ladder = Ladder {
        options,
        dataset: Arc::clone(&course.dataset),
        direction: found.direction,
        settings: found.settings,
        concurrency_max: course.config.concurrency_max,
        limits: scenario.limits.clone().unwrap_or_default(),
        interrupt,
    };
    let ends = scenario.variations.iter().flat_map(|variation| &variation.ends);
    let models = [&scenario.model].into_iter().chain(ends.map(|end| &end.model));
    let knees = ladder.knees(models.cloned().collect())?;
    let (base, of_ends) = knees.split_first().ok_or_else(broken)?;
    let mut parameters: Vec<Varied> = scenario
        .variations
        .iter()
        .zip(of_ends.chunks_exact(2))
        .map(|(variation, knees)| {
            let [low, high] = variation.ends.each_ref().map(|end| end.value.clone());
            Varied {
                parameter: variation.parameter.clone(),
                value: variation.value.clone(),
                ends: [End { value: low, knee: knees[0] }, End { value: high, knee: knees[1] }],
            }
        })
        .collect();
    parameters.sort_by(|one, other| {
        let [one, other] = [one, other].map(Varied::effect);
        other.partial_cmp(&one).unwrap_or(Ordering::Equal)
    });
    Ok(Some(Sensitivity {
        direction: found.direction,
        part_size_bytes: found.settings.part_size_bytes,
        parts_in_flight: found.settings.parts_in_flight,
        base: *base,
        parameters,
    }))
}

fn broken() -> Error {
    Error::environment("a simulation panicked: this is a bug")
}

impl Ladder<'_> {
    /// One for each model, on threads of their own: each has a clock of its own, beside that of the search.
    fn knees(&self, models: Vec<Model>) -> Result<Vec<Knee>> {
        thread::scope(|scope| {
            let climb = |model| scope.spawn(move || clock::simulate(self.knee(model)));
            let under_way: Vec<_> = models.into_iter().map(climb).collect();
            under_way.into_iter().map(|thread| thread.join().map_err(|_| broken())?).collect()
        })
    }

    /// The fewest files in flight that carry nearly the most.
    async fn knee(&self, model: Model) -> Result<Knee> {
        let retain = match self.direction {
            Direction::Up => Retain::Nothing,
            Direction::Down => Retain::Layout,
        };
        let seed = self.options.search.rules.seed;
        let place = Place::Simulated(ModelStore::new(model, self.limits.clone(), retain, seed));
        if self.direction == Direction::Down {
            let job = Job { order: Order::Once, ..self.job(Direction::Up, 4) };
            self.run(job, Load::WholeTask, &place).await?;
        }
        let mut rungs: Vec<Knee> = Vec::new();
        let mut most = 0.0_f64;
        let mut in_vain = 0;
        for concurrency in doubled(self.concurrency_max) {
            let job = self.job(self.direction, concurrency);
            let load = Load::Timed { warm_up: WARM_UP, stop: Stop::at_once_after(WINDOW) };
            let goodput_bytes_per_second = self.run(job, load, &place).await?;
            rungs.push(Knee { concurrency, goodput_bytes_per_second });
            in_vain = if goodput_bytes_per_second * AS_MUCH > most { 0 } else { in_vain + 1 };
            most = most.max(goodput_bytes_per_second);
            if in_vain == IN_VAIN {
                break;
            }
        }
        let knee = rungs.into_iter().find(|rung| rung.goodput_bytes_per_second >= AS_MUCH * most);
        knee.ok_or_else(broken)
    }

    fn job(&self, direction: Direction, concurrency: u32) -> Job {
        let options = self.options;
        let settings = Settings { concurrency, ..self.settings };
        Job {
            get: options.search.get,
            order: Order::ForEver,
            spread: WARM_UP.mul_f64(0.5),
            start: Start::Fresh,
            seed: options.search.rules.seed,
            ..options.target.job(
                Arc::clone(&self.dataset),
                direction.into(),
                settings,
                String::new(),
            )
        }
    }

    /// Goodput of a job.
    async fn run(&self, job: Job, load: Load, place: &Place) -> Result<f64> {
        let label = Label { id: 0, phase: Phase::Run, block: None };
        let finished = trial::run(job, load, label, place, self.interrupt, &mut |_| {}).await?;
        if finished.interrupted {
            return Err(Error::interrupted());
        }
        Ok(finished.trial.goodput_bytes_per_second)
    }
}

/// 1, 2, 4, ... and the most.
fn doubled(most: u32) -> impl Iterator<Item = u32> {
    let doubled = std::iter::successors(Some(1_u32), |count| count.checked_mul(2));
    doubled.take_while(move |count| *count < most).chain([most])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_doubled_up_to_the_most() {
        assert_eq!(doubled(1).collect::<Vec<_>>(), [1]);
        assert_eq!(doubled(4).collect::<Vec<_>>(), [1, 2, 4]);
        assert_eq!(doubled(6).collect::<Vec<_>>(), [1, 2, 4, 6]);
    }
}
