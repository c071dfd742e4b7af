//! A plan's question in simulated time: the engine of every task of every DTN, on links of their own and
//! under the limits that they share.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::future::try_join_all;

use super::in_simulated_time;
use super::progress::Progress;
use super::run::PATTERN_SEED;
use crate::dataset::{Dataset, Pattern, Synthetic};
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::pace::Paces;
use crate::plan::{Manner, Point, Question, Shape, Simulated, quantile};
use crate::result::{Direction, Phase, Trial};
use crate::scenario;
use crate::store::Place;
use crate::store::model::{ModelStore, Retain};
use crate::storj::{Limits, Model};
use crate::transfer::{Arrivals, GetMode, Job, Order, RetryPolicy, Sink};
use crate::trial::{self, Label, Load};

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

/// Files of each mover in a short and in a long simulation. A task of more files is as much longer as the
/// long one is longer than the short one, file by file: beginning and end are in both.
const FILES_PER_MOVER: [f64; 2] = [40.0, 120.0];

/// What a simulation showed.
struct Seen {
    seconds: f64,
    attempts: u64,
    refused: u64,
    files: u64,
    failed: u64,
}

/// Simulates every number of DTNs with every seed.
///
/// # Errors
/// If the scenario cannot be read, or the user interrupts.
pub async fn simulate(
    options: &SimulateOptions,
    interrupt: &Interrupt,
    progress: &mut Progress,
) -> Result<Simulated> {
    let scenario = scenario::read(&options.scenario)?;
    let [fewest, most] = options.question.nodes;
    let mut points = Vec::new();
    for nodes in fewest..=most {
        let mut times = Vec::new();
        let mut all: Vec<Seen> = Vec::new();
        for seed in 0..u64::from(options.seeds) {
            progress.say(
                "trying",
                format!("simulating {nodes} DTNs, seed {} of {}", seed + 1, options.seeds),
            );
            let world = World {
                model: scenario.model.clone(),
                limits: options.question.limits.clone(),
                manner: options.question.manner,
                nodes,
                tasks: options.question.tasks,
                seed: options.seed + seed,
                interrupt: interrupt.clone(),
            };
            let (seconds, seen) = world.time_of(&options.question.shape).await?;
            times.push(seconds);
            all.push(seen);
        }
        points.push(point(nodes, &options.question, &mut times, &all));
        let Point { p50_s, refused_share, .. } = points[points.len() - 1];
        progress.note(&format!(
            "simulated {nodes:>3} DTNs: {}, {:.1} % of the attempts refused",
            crate::plan::duration(p50_s),
            100.0 * refused_share
        ));
    }
    Ok(Simulated { scenario: scenario.name, seeds: options.seeds, points })
}

fn point(nodes: u32, question: &Question, times: &mut [f64], all: &[Seen]) -> Point {
    let sum = |of: fn(&Seen) -> u64| all.iter().map(of).sum::<u64>() as f64;
    let p50_s = quantile(times, 0.5);
    Point {
        nodes,
        files: all.last().map_or(0, |seen| seen.files),
        p50_s,
        p90_s: quantile(times, 0.9),
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
    /// The time of the whole shape, and what the longest simulation showed.
    async fn time_of(&self, shape: &Shape) -> Result<(f64, Seen)> {
        let all = shape.files();
        let movers = f64::from(self.nodes * self.tasks * self.manner.settings.concurrency);
        let [short, long] = FILES_PER_MOVER.map(|files| (files * movers).min(all).round());
        let long_seen = self.run(shape, long).await?;
        if long >= all.round() {
            return Ok((long_seen.seconds, long_seen));
        }
        let short_seen = self.run(shape, short).await?;
        let per_file = (long_seen.seconds - short_seen.seconds) / (long - short);
        Ok((long_seen.seconds + (all - long) * per_file, long_seen))
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
        let mut moves = Vec::new();
        for number in 0..self.nodes {
            let store = node(number);
            for task in 0..self.tasks {
                let index = (number * self.tasks + task) as usize;
                let own: Vec<u64> = sizes.iter().skip(index).step_by(tasks).copied().collect();
                if !own.is_empty() {
                    let dataset = Arc::new(Dataset::Synthetic(Synthetic::of_sizes(own)?));
                    moves.push(self.task(index, dataset, Place::Simulated(store.clone())));
                }
            }
        }
        let trials = try_join_all(moves).await?;
        Ok(seen(&trials))
    }

    async fn task(&self, index: usize, dataset: Arc<Dataset>, place: Place) -> Result<Trial> {
        if self.manner.direction == Direction::Down {
            self.job(Direction::Up, &dataset, index, &place).await?;
        }
        self.job(self.manner.direction, &dataset, index, &place).await
    }

    async fn job(
        &self,
        direction: Direction,
        dataset: &Arc<Dataset>,
        index: usize,
        place: &Place,
    ) -> Result<Trial> {
        let job = Job {
            dataset: Arc::clone(dataset),
            direction: direction.into(),
            settings: self.manner.settings,
            prefix: format!("task-{index}/"),
            pattern: Pattern::new(PATTERN_SEED),
            sink: Sink::Discard,
            get: if self.manner.ranged { GetMode::Ranged } else { GetMode::Whole },
            verify: false,
            retry: RetryPolicy::default(),
            order: Order::Once,
            arrivals: Arrivals::Closed,
            spread: Duration::ZERO,
            seed: self.seed ^ (index as u64) << 20,
            keep_attempts: false,
            allowance: None,
            paces: Paces::default(),
        };
        let label = Label { id: 0, phase: Phase::Run, block: None };
        let finished =
            trial::run(job, Load::WholeTask, label, place, &self.interrupt, &mut |_| ()).await?;
        match finished.interrupted {
            true => Err(Error::interrupted()),
            false => Ok(finished.trial),
        }
    }
}

/// All tasks began together: the last to end tells the time.
fn seen(trials: &[Trial]) -> Seen {
    let mut seen = Seen { seconds: 0.0, attempts: 0, refused: 0, files: 0, failed: 0 };
    for trial in trials {
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
