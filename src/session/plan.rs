//! What a plan rests on: the same bytes moved in files of several sizes, as whole tasks.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::claim::Claim;
use super::conditions::assumptions;
use super::progress::Progress;
use super::record::Record;
use super::run::prepare;
use super::target::TargetOptions;
use super::visit::{Visit, conclude};
use super::{Finished, limits};
use crate::clock;
use crate::dataset::{Dataset, Scale, Synthetic};
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::plan::Shape;
use crate::result::{Direction, FileSizes, ForPlan, Moved, Phase, Settings, Verb};
use crate::session::Work;
use crate::store::Place;
use crate::transfer::{GetMode, Job};
use crate::trial::{self, Label, Load, Snapshot};
use crate::tune;
use crate::units::{ByteSize, Rate, counted};
use crate::words;

/// What is to be measured for a plan.
#[derive(Clone, Debug)]
pub struct MeasureOptions {
    /// Where.
    pub target: TargetOptions,
    /// Which ways.
    pub directions: Vec<Direction>,
    /// Part size, files and parts in flight.
    pub settings: Settings,
    /// How objects are fetched.
    pub get: GetMode,
    /// Time for all tasks; a series that has begun goes on to its end.
    pub budget: Duration,
    /// Seed of the order of tasks.
    pub seed: u64,
    /// Directory of results.
    pub results: PathBuf,
}

/// File sizes of a series, in parts of the settings' size: far below a part, one, and several.
const SIZES_IN_PARTS: [(u64, u64); 5] = [(1, 32), (1, 8), (1, 1), (3, 1), (6, 1)];

/// Files in flight while files far below a part are measured: more would meet Storj's limit on calls, and
/// what a file costs is told of each mover anyway.
const CONCURRENCY_OF_SMALL: u32 = 4;

/// Beside these a few small files by themselves, so many for each mover: their task is little more than what
/// a task costs once.
const ALONE_PER_MOVER: u64 = 2;

/// And files with hardly a byte, so many for each mover: where a link is full with all larger ones, only these tell
/// what a file costs from what its bytes cost.
const TINY_IN_PARTS: (u64, u64) = (1, 1024);
const TINY_PER_MOVER: u64 = 16;

/// Files of the largest size that each mover moves in the first series; the next series have twice the
/// bytes of the one before, which tells a task's startup from its bytes.
const LARGEST_PER_MOVER: u64 = 1;

/// More series than this bring little.
const SERIES_MAX: u32 = 5;

/// A series has this dataset as well: sizes that differ widely in one task.
const MIX: &str = "genomics";

/// Of the mix, for each mover.
const MIX_FILES_PER_MOVER: u64 = 8;

/// Moves the same bytes in files of different sizes, series after series while the budget lasts.
///
/// # Errors
/// If the target cannot be used, not all of the first series arrives, or the user interrupts.
pub fn measure<'a>(
    options: &'a MeasureOptions,
    interrupt: &'a Interrupt,
    progress: &'a mut Progress,
) -> Work<'a, Finished> {
    Box::pin(async move {
        let first = series(options.settings, 0)?;
        for dataset in &first {
            tune::feasible(options.settings, dataset.largest_bytes())?;
            if options.target.simulation.is_none() {
                limits::check(options.settings, dataset, options.target.proof)?;
            }
        }
        progress.note(&format!(
            "measuring tasks of {} and more in files of {} sizes, {} at a time, for about {}",
            ByteSize(first[0].bytes()),
            SIZES_IN_PARTS.len(),
            options.settings.concurrency,
            words::as_set(options.budget),
        ));
        let visit = Visit::to_write(&options.target, options.budget, interrupt, progress).await?;
        let Visit { open, bucket, .. } = &visit;
        let record = begin(options, &visit, progress)?;
        let claim = Claim::unique(bucket, &open.prefix, &record.identity).await?;
        let mut measuring =
            Measuring { options, place: &open.place, claim: &claim, interrupt, progress, record };
        let measured = claim.while_alive(measuring.all()).await;
        let mut record = measuring.record;
        record.document.simulation = open.simulation_cost(progress);
        if measured.is_err() {
            let (saved, directory) = (record.document.trials.len(), record.directory().display());
            let saved = counted(saved, "task");
            progress.note(&format!("{saved} saved: `tidegate plan {directory}` rests on them"));
        }
        let given_back = visit.give_back(claim, &record.document.id).await;
        let after = conclude(measured, given_back)?;
        record.finish(after)
    })
}

fn begin(options: &MeasureOptions, visit: &Visit, progress: &Progress) -> Result<Record> {
    let direction = options.directions.first().copied().unwrap_or(Direction::Up);
    let open = &visit.open;
    let dataset = Moved::Named("files of several sizes at equal bytes".into());
    let verb = Verb::Plan(ForPlan { budget_s: options.budget.as_secs_f64() });
    let mut scenario = visit.scenario(dataset, (options.get, options.seed), None, verb);
    scenario.dataset_shape = Some(FileSizes::OfTrials(BTreeMap::new()));
    let assumptions = [
        assumptions(direction, options.get, None, options.target.retry),
        open.assumptions(options.settings, direction, progress),
    ];
    visit.begin(&options.results, scenario, assumptions.concat())
}

/// The datasets of a series: all but the last two have the same bytes.
fn series(settings: Settings, number: u32) -> Result<Vec<Dataset>> {
    let movers = u64::from(settings.concurrency);
    let largest = SIZES_IN_PARTS.iter().map(|(parts, per)| parts.div_ceil(*per)).max().unwrap_or(1);
    let factors = [largest, movers, LARGEST_PER_MOVER, 1 << number.min(16)];
    let bytes = factors
        .into_iter()
        .try_fold(settings.part_size_bytes, u64::checked_mul)
        .ok_or_else(|| {
            let message = format!("{movers} files in flight are too many to measure");
            Error::environment(message).hint("choose a lower --concurrency")
        })?;
    let of = |name: &str, files: u64| {
        let scale = Scale { size: Some(ByteSize(bytes)), files: Some(files) };
        Synthetic::new(name, scale).map(Dataset::Synthetic)
    };
    let size =
        |(parts, per): (u64, u64)| of("equal", bytes * per / parts / settings.part_size_bytes);
    let of_small = |per_mover: u64, (parts, per): (u64, u64)| {
        let files = per_mover * movers.min(u64::from(CONCURRENCY_OF_SMALL));
        let size = Some(ByteSize(files * settings.part_size_bytes * parts / per));
        Synthetic::new("equal", Scale { size, files: Some(files) }).map(Dataset::Synthetic)
    };
    let others = [
        of(MIX, MIX_FILES_PER_MOVER * movers),
        of_small(ALONE_PER_MOVER, SIZES_IN_PARTS[0]),
        of_small(TINY_PER_MOVER, TINY_IN_PARTS),
    ];
    SIZES_IN_PARTS.into_iter().map(size).chain(others).collect()
}

struct Measuring<'a> {
    options: &'a MeasureOptions,
    place: &'a Place,
    claim: &'a Claim<'a>,
    interrupt: &'a Interrupt,
    progress: &'a mut Progress,
    record: Record,
}

impl Measuring<'_> {
    async fn all(&mut self) -> Result<()> {
        let started = clock::now();
        let mut random = fastrand::Rng::with_seed(self.options.seed);
        for number in 0..SERIES_MAX {
            let began = clock::now();
            let datasets = series(self.options.settings, number)?.into_iter().map(Arc::new);
            let ways = self.options.directions.clone();
            let mut tasks: Vec<_> = datasets
                .flat_map(|one| ways.iter().map(move |way| (Arc::clone(&one), *way)))
                .collect();
            random.shuffle(&mut tasks);
            for (dataset, direction) in tasks {
                self.task(dataset, direction).await?;
            }
            // The next takes twice as long as this one.
            if started.elapsed() + 2 * began.elapsed() > self.options.budget {
                break;
            }
        }
        Ok(())
    }

    /// One task; its objects are gone before the next.
    async fn task(&mut self, dataset: Arc<Dataset>, direction: Direction) -> Result<()> {
        let id = self.record.document.trials.len() as u32;
        let below = format!("t{id}/");
        if direction == Direction::Down {
            let job = self.job(&dataset, Direction::Up, &below);
            prepare(job, self.place, self.interrupt, self.progress).await?;
        }
        let files = counted(dataset.files(), "file");
        let what = format!("task {}: {} in {files}", id + 1, ByteSize(dataset.bytes()));
        let label = Label { id, phase: Phase::Run, block: None };
        let mut job = self.job(&dataset, direction, &below);
        if dataset.bytes() / dataset.files() < job.settings.part_size_bytes / 4 {
            job.settings.concurrency = job.settings.concurrency.min(CONCURRENCY_OF_SMALL);
        }
        self.progress.trial_begins();
        let progress = &mut *self.progress;
        let mut show = |snapshot: &Snapshot| progress.show(&what, snapshot, "");
        let finished =
            trial::run(job, Load::WholeTask, label, self.place, self.interrupt, &mut show).await?;
        if finished.interrupted {
            return Err(Error::interrupted());
        }
        self.progress.note(&line(&what, &finished.trial));
        self.note_shape(id, &dataset)?;
        self.record.add(finished.trial, &finished.records)?;
        self.claim.clear(&below).await
    }

    fn note_shape(&mut self, id: u32, dataset: &Dataset) -> Result<()> {
        let shape = Shape::of(dataset)?;
        let noted = &mut self.record.document.scenario.dataset_shape;
        if let Some(FileSizes::OfTrials(sizes)) = noted {
            sizes.insert(id.to_string(), shape.into());
        }
        Ok(())
    }

    fn job(&self, dataset: &Arc<Dataset>, direction: Direction, below: &str) -> Job {
        let prefix = format!("{}{below}", self.claim.prefix());
        let (target, settings) = (&self.options.target, self.options.settings);
        Job {
            get: self.options.get,
            seed: self.options.seed,
            ledger: self.claim.ledger(),
            ..target.job(Arc::clone(dataset), direction.into(), settings, prefix)
        }
    }
}

fn line(what: &str, trial: &crate::result::Trial) -> String {
    let Some(task) = &trial.task else { return what.to_owned() };
    let direction = trial.direction.word();
    format!(
        "{what:<40} {direction:<5} {:>8.1} s  {}",
        task.duration_s,
        Rate(task.effective_speed_bytes_per_second),
    )
}
