//! A plan's question in simulated time: the engine of every task of every DTN, on links of their own and
//! under the limits that they share.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::future::try_join_all;

use super::in_simulated_time;
use super::progress::Progress;
use crate::dataset::{Dataset, Synthetic};
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::plan::{Manner, Point, Question, Shape, Simulated};
use crate::result::{Direction, Phase, Trial};
use crate::scenario;
use crate::session::Work;
use crate::stats::sample_quantile;
use crate::store::Place;
use crate::store::model::{ModelStore, Retain};
use crate::storj::{Limits, Model};
use crate::transfer::{GetMode, Job, RetryMode, RetryPolicy};
use crate::trial::{self, Label, Load, Snapshot};
use crate::units::counted;
use crate::words;

/// What is to be simulated.
#[derive(Clone, Debug)]
pub struct SimulateOptions {
    /// A preset, or a file in TOML.
    pub scenario: PathBuf,
    /// The question; its limits count.
    pub question: Question,
    /// Simulations of each number of DTNs.
    pub seeds: u32,
    /// The first seed.
    pub seed: u64,
}

/// Files that are simulated, of each mover at least and at most, and of all movers where that lies between. Where a
/// limit binds, refusals and the waits that they ask for have to settle: so many files take some forty times
/// Storj's `Retry-After`.
const FILES_PER_MOVER: [f64; 2] = [150.0, 600.0];
const FILES: f64 = 20_000.0;

/// From where to where tasks are in steady state, as shares of the shortest: the tokens that Storj had saved up
/// are spent, and no mover has run out of files.
const STEADY: [f64; 2] = [0.3, 0.95];

/// What a simulation showed.
struct Seen {
    seconds: f64,
    attempts: u64,
    refused: u64,
    files: u64,
    failed: u64,
    /// Files of all tasks a second in steady state.
    files_per_second: f64,
}

/// Files that a task has moved or given up, looked at every so often.
type Course = Vec<(Duration, u64)>;

/// Simulates every number of DTNs with every seed.
///
/// # Errors
/// If the scenario cannot be read, or the user interrupts.
pub fn simulate<'a>(
    options: &'a SimulateOptions,
    interrupt: &'a Interrupt,
    progress: &'a mut Progress,
) -> Work<'a, Simulated> {
    Box::pin(async move {
        let scenario = scenario::read(&options.scenario)?;
        let question = &options.question;
        let [fewest, most] = question.nodes;
        let mut points = Vec::new();
        for nodes in fewest..=most {
            let mut times = Vec::new();
            let mut all: Vec<Seen> = Vec::new();
            for seed in 0..u64::from(options.seeds) {
                progress.say(
                    "trying",
                    format!(
                        "simulating {}, seed {} of {}",
                        counted(nodes, "DTN"),
                        seed + 1,
                        options.seeds
                    ),
                );
                let world = World {
                    model: scenario.model.clone(),
                    limits: question.limits.clone(),
                    manner: question.manner,
                    nodes,
                    tasks: question.tasks,
                    seed: options.seed + seed,
                    interrupt: interrupt.clone(),
                };
                let (seconds, seen) = world.time_of(&question.shape).await?;
                let read_back_s = match question.read_back() {
                    Some(manner) => {
                        World { manner, ..world.clone() }.time_of(&question.shape).await?.0
                    }
                    None => 0.0,
                };
                let globus_s = question.globus.seconds(question.shape.files(), world.movers());
                times.push(seconds + read_back_s + globus_s);
                all.push(seen);
            }
            points.push(point(nodes, question, &mut times, &all));
            let Point { p50_s, refused_share, .. } = points[points.len() - 1];
            progress.note(&format!(
                "simulated {:>8}: {}, {} of the attempts refused",
                counted(nodes, "DTN"),
                words::roughly(p50_s),
                words::percent(refused_share)
            ));
        }
        Ok(Simulated { scenario: scenario.name, seeds: options.seeds, points })
    })
}

fn point(nodes: u32, question: &Question, times: &mut [f64], all: &[Seen]) -> Point {
    let sum = |of: fn(&Seen) -> u64| all.iter().map(of).sum::<u64>() as f64;
    let p50_s = sample_quantile(times, 0.5);
    Point {
        nodes,
        files: all.last().map_or(0, |seen| seen.files),
        p50_s,
        p90_s: sample_quantile(times, 0.9),
        effective_speed_bytes_per_second: question.shape.bytes() / p50_s,
        refused_share: sum(|seen| seen.refused) / sum(|seen| seen.attempts).max(1.0),
        failed_share: sum(|seen| seen.failed) / sum(|seen| seen.files).max(1.0),
    }
}

/// DTNs, and the project that they share.
#[derive(Clone)]
struct World {
    model: Model,
    limits: Limits,
    manner: Manner,
    nodes: u32,
    tasks: u32,
    seed: u64,
    interrupt: Interrupt,
}

impl World {
    fn movers(&self) -> f64 {
        f64::from(self.nodes * self.tasks * self.manner.settings.concurrency)
    }

    /// The time of the whole shape, and what its first files showed: the further ones come as in steady state.
    async fn time_of(&self, shape: &Shape) -> Result<(f64, Seen)> {
        let all = shape.files().round();
        let [least, most] = FILES_PER_MOVER.map(|files| files * self.movers());
        let simulated = FILES.clamp(least, most).min(all);
        let seen = self.run(shape, simulated).await?;
        let further = all - simulated;
        let further_s = if further > 0.0 { further / seen.files_per_second } else { 0.0 };
        Ok((seen.seconds + further_s, seen))
    }

    /// So many files of the shape.
    async fn run(&self, shape: &Shape, files: f64) -> Result<Seen> {
        let sizes: Vec<u64> =
            shape.sample(files as usize, 0.0).into_iter().map(|size| size.round() as u64).collect();
        let world = self.clone();
        in_simulated_time(move || async move { world.move_all(&sizes).await }).await
    }

    /// In simulated time: every task of every DTN at once.
    async fn move_all(&self, sizes: &[u64]) -> Result<Seen> {
        let retain = match self.manner.direction {
            Direction::Up => Retain::Nothing,
            Direction::Down => Retain::Layout,
        };
        let first = ModelStore::new(self.model.clone(), self.limits.clone(), retain, self.seed);
        let tasks = (self.nodes * self.tasks) as usize;
        let node = |number: u32| match number {
            0 => first.clone(),
            _ => first
                .from_another_machine(self.seed.wrapping_mul(1009).wrapping_add(u64::from(number))),
        };
        let mut own_files = Vec::new();
        for number in 0..self.nodes {
            let store = node(number);
            for task in 0..self.tasks {
                let index = (number * self.tasks + task) as usize;
                let own: Vec<u64> = sizes.iter().skip(index).step_by(tasks).copied().collect();
                if !own.is_empty() {
                    let dataset = Arc::new(Dataset::Synthetic(Synthetic::of_sizes(own)?));
                    own_files.push((index, dataset, Place::Simulated(store.clone())));
                }
            }
        }
        let all = |direction| {
            let of = own_files.iter();
            try_join_all(
                of.map(move |(index, dataset, place)| self.job(direction, dataset, *index, place)),
            )
        };
        if self.manner.direction == Direction::Down {
            all(Direction::Up).await?;
        }
        Ok(seen(&all(self.manner.direction).await?))
    }

    async fn job(
        &self,
        direction: Direction,
        dataset: &Arc<Dataset>,
        index: usize,
        place: &Place,
    ) -> Result<(Trial, Course)> {
        let (settings, prefix) = (self.manner.settings, format!("task-{index}/"));
        let job = Job {
            get: if self.manner.ranged { GetMode::Ranged } else { GetMode::Whole },
            // As the plan that it is compared with.
            retry: RetryPolicy::of(RetryMode::Standard),
            seed: self.seed ^ (index as u64) << 20,
            ..Job::new(Arc::clone(dataset), direction.into(), settings, prefix)
        };
        let label = Label { id: 0, phase: Phase::Run, block: None };
        let mut course = Course::new();
        let mut note =
            |seen: &Snapshot| course.push((seen.elapsed, seen.files_done + seen.files_failed));
        let finished =
            trial::run(job, Load::WholeTask, label, place, &self.interrupt, &mut note).await?;
        match finished.interrupted {
            true => Err(Error::interrupted()),
            false => Ok((finished.trial, course)),
        }
    }
}

/// All tasks began together: the last to end tells the time.
fn seen(tasks: &[(Trial, Course)]) -> Seen {
    let files_per_second = files_per_second(tasks.iter().map(|(_, course)| course));
    let mut seen =
        Seen { seconds: 0.0, attempts: 0, refused: 0, files: 0, failed: 0, files_per_second };
    for (trial, _) in tasks {
        seen.attempts += trial.requests.values().map(|requests| requests.attempts).sum::<u64>();
        seen.refused += trial.errors.throttled;
        if let Some(task) = &trial.task {
            seen.seconds = seen.seconds.max(task.duration_s);
            seen.files += task.files;
            seen.failed += task.files - task.files_done;
        }
    }
    seen
}

/// Files of all tasks together, which were looked at at the same times.
fn files_per_second<'a>(courses: impl Iterator<Item = &'a Course> + Clone) -> f64 {
    let looks = courses.clone().map(Vec::len).min().unwrap_or(0);
    let [from, to] = STEADY.map(|share| (share * looks as f64) as usize);
    let at = |look: usize| courses.clone().map(move |course| course[look]);
    let files = |look| at(look).map(|(_, files)| files).sum::<u64>() as f64;
    let elapsed_s =
        |look| at(look).map(|(elapsed, _)| elapsed).max().unwrap_or_default().as_secs_f64();
    (files(to) - files(from)) / (elapsed_s(to) - elapsed_s(from))
}
