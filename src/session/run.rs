//! `tidegate run`: one dataset, one direction, one settings.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::bucket::Bucket;
use super::claim::Claim;
use super::progress::Progress;
use super::record::{Beginning, Record, new_id};
use super::target::{Open, TargetOptions, needs_target};
use super::{Finished, limits};
use crate::dataset::{Dataset, Pattern, Scale, Skipped, Synthetic, scan};
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::result::{Direction, FileFailure, Phase, Settings};
use crate::transfer::{GetMode, Job, Order, RetryPolicy, Sink, check_destination};
use crate::trial::{self, Label, Load};
use crate::tune;

/// Seed of the synthetic bytes. The embedded gateway makes the same bytes when it discards.
pub(crate) const PATTERN_SEED: u64 = 0;

/// What to upload.
#[derive(Clone, Debug)]
pub enum Upwards {
    /// A synthetic profile.
    Synthetic {
        /// Its name.
        name: String,
        /// How much of it.
        scale: Scale,
    },
    /// The files below a directory.
    Directory(PathBuf),
}

/// What `run` was asked to do.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Where.
    pub target: TargetOptions,
    /// Which way.
    pub direction: Direction,
    /// What; `None` on the way down is what lies at the target.
    pub dataset: Option<Upwards>,
    /// Part size, files and parts in flight.
    pub settings: Settings,
    /// How objects are fetched.
    pub get: GetMode,
    /// Whether each object is compared with its source; `None` is yes for uploads of real files.
    pub verify: Option<bool>,
    /// Whether uploaded objects stay.
    pub keep: bool,
    /// Where downloads go.
    pub to: Option<PathBuf>,
    /// Directory of results.
    pub results: PathBuf,
}

/// Runs one task.
///
/// # Errors
/// [`crate::error::ErrorKind::AnswerIsNo`] is not among them: failed files are in the document.
pub async fn run(
    options: &RunOptions,
    interrupt: &Interrupt,
    progress: &mut Progress,
) -> Result<Finished> {
    if let Some(directory) = &options.to {
        check_destination(directory)?;
    }
    let (local, skipped) = local_dataset(options.dataset.as_ref())?;
    for Skipped { path, reason } in &skipped {
        progress.note(&format!("skipped {path}: {reason}"));
    }
    if let Some(dataset) = &local {
        tune::feasible(options.settings, dataset.largest_bytes())?;
        limits::check(options.settings, dataset)?;
    }
    let open = options.target.open().await?;
    let bucket = Bucket::open(&open.connection);
    bucket.check().await?;

    let id = new_id();
    let session = Session { options, open: &open, bucket: &bucket, interrupt };
    let mut record = session.begin(id)?;
    match (options.direction, local) {
        (Direction::Up, Some(dataset)) => session.up(dataset, &mut record, progress).await?,
        (Direction::Down, Some(dataset)) => {
            session.down_of_synthetic(dataset, &mut record, progress).await?;
        }
        (Direction::Down, None) => session.down_of_existing(&mut record, progress).await?,
        (Direction::Up, None) => return Err(needs_target("an upload without a dataset")),
    }
    if interrupt.is_asked() {
        return Err(Error::interrupted());
    }
    let skipped = skipped.into_iter().map(|Skipped { path, reason }| FileFailure { path, reason });
    if let Some(task) = record.document.trials.last_mut().and_then(|trial| trial.task.as_mut()) {
        task.failures.extend(skipped);
    }
    record.finish()
}

/// A dataset that is made up or lies in a directory.
pub(super) fn local_dataset(dataset: Option<&Upwards>) -> Result<(Option<Dataset>, Vec<Skipped>)> {
    match dataset {
        None => Ok((None, Vec::new())),
        Some(Upwards::Synthetic { name, scale }) => {
            Ok((Some(Dataset::Synthetic(Synthetic::new(name, *scale)?)), Vec::new()))
        }
        Some(Upwards::Directory(root)) => {
            let scan = scan(root)?;
            let dataset = Dataset::Directory { root: root.clone(), files: scan.files };
            Ok((Some(dataset), scan.skipped))
        }
    }
}

struct Session<'a> {
    options: &'a RunOptions,
    open: &'a Open,
    bucket: &'a Bucket,
    interrupt: &'a Interrupt,
}

impl Session<'_> {
    fn begin(&self, id: String) -> Result<Record> {
        Record::begin(Beginning {
            id,
            results: self.options.results.clone(),
            target: self.open.result.clone(),
            scenario: self.scenario(),
            assumptions: assumptions(self.options.direction, self.options.get),
        })
    }

    fn scenario(&self) -> BTreeMap<String, Value> {
        let options = self.options;
        let dataset = match &options.dataset {
            Some(Upwards::Synthetic { name, .. }) => json!(name),
            Some(Upwards::Directory(root)) => json!({ "from": root }),
            None => json!({ "existing": self.open.describe() }),
        };
        BTreeMap::from([
            ("dataset".into(), dataset),
            ("get".into(), json!(format!("{:?}", options.get).to_lowercase())),
            ("keep".into(), json!(options.keep)),
            ("verify".into(), json!(self.verify())),
        ])
    }

    fn verify(&self) -> bool {
        let real = matches!(self.options.dataset, Some(Upwards::Directory(_)));
        self.options.verify.unwrap_or(real && self.options.direction == Direction::Up)
    }

    async fn up(
        &self,
        dataset: Dataset,
        record: &mut Record,
        progress: &mut Progress,
    ) -> Result<()> {
        let (prefix, id) = (&self.open.prefix, record.document.id.clone());
        let claim = match self.options.keep {
            true => Claim::to_keep(self.bucket, prefix, &id, &dataset).await?,
            false => Claim::unique(self.bucket, prefix, &id).await?,
        };
        let job = self.job(dataset, Direction::Up, claim.prefix());
        let moved = self.task(job, &claim, record, progress).await;
        if moved.is_ok() && self.options.keep && !self.interrupt.is_asked() {
            return claim.keep().await;
        }
        claim.release().await.and(moved)
    }

    /// Synthetic files are uploaded first, unmeasured; they go again at the end.
    async fn down_of_synthetic(
        &self,
        dataset: Dataset,
        record: &mut Record,
        progress: &mut Progress,
    ) -> Result<()> {
        let id = record.document.id.clone();
        let claim = Claim::unique(self.bucket, &self.open.prefix, &id).await?;
        let moved = async {
            let dataset = self.prepare(dataset, &claim, progress).await?;
            let job = self.job(dataset, Direction::Down, claim.prefix());
            self.task(job, &claim, record, progress).await
        };
        let moved = moved.await;
        claim.release().await.and(moved)
    }

    async fn prepare(
        &self,
        dataset: Dataset,
        claim: &Claim<'_>,
        progress: &mut Progress,
    ) -> Result<Dataset> {
        progress.note("preparing the objects to download");
        let again = local_dataset(self.options.dataset.as_ref())?.0;
        let job = Job { verify: false, ..self.job(dataset, Direction::Up, claim.prefix()) };
        let mut show = |snapshot: &trial::Snapshot| progress.show("preparing", snapshot, None);
        let label = Label { id: 0, phase: Phase::Run, block: None };
        let prepared = trial::run(
            job,
            Load::WholeTask,
            label,
            &self.open.connection,
            self.interrupt,
            &mut show,
        );
        let failures = prepared.await?.trial.task.map(|task| task.failures).unwrap_or_default();
        match failures.first() {
            Some(FileFailure { path, reason }) => {
                Err(Error::environment(format!("cannot prepare {path}: {reason}")))
            }
            None => again.ok_or_else(|| needs_target("a download without a dataset")),
        }
    }

    async fn down_of_existing(&self, record: &mut Record, progress: &mut Progress) -> Result<()> {
        let objects = self.bucket.list(&self.open.prefix).await?;
        if objects.is_empty() {
            let message = format!("there are no objects at {}", self.open.describe());
            return Err(Error::environment(message)
                .hint("on Storj, keys with another passphrase see none of its objects"));
        }
        let dataset = Dataset::Objects(objects);
        tune::feasible(self.options.settings, 1)?;
        limits::check(self.options.settings, &dataset)?;
        let job = self.job(dataset, Direction::Down, &self.open.prefix);
        self.measure(job, record, progress).await
    }

    fn job(&self, dataset: Dataset, direction: Direction, prefix: &str) -> Job {
        let sink = self.options.to.clone().map_or(Sink::Discard, Sink::Directory);
        Job {
            dataset,
            direction,
            settings: self.options.settings,
            prefix: prefix.to_owned(),
            pattern: Pattern::new(PATTERN_SEED),
            sink,
            get: self.options.get,
            verify: self.verify(),
            retry: RetryPolicy::default(),
            order: Order::Once,
            spread: std::time::Duration::ZERO,
            seed: fastrand::u64(..),
        }
    }

    /// Measures while the claim gives its signs of life.
    async fn task(
        &self,
        job: Job,
        claim: &Claim<'_>,
        record: &mut Record,
        progress: &mut Progress,
    ) -> Result<()> {
        tokio::select! {
            biased;
            measured = self.measure(job, record, progress) => measured,
            () = claim.keep_beating() => unreachable!("a claim beats for ever"),
        }
    }

    async fn measure(&self, job: Job, record: &mut Record, progress: &mut Progress) -> Result<()> {
        progress.trial_begins();
        let mut show = |snapshot: &trial::Snapshot| {
            progress.marker(snapshot);
            progress.show("task", snapshot, None);
        };
        let label = Label { id: 0, phase: Phase::Run, block: None };
        let finished = trial::run(
            job,
            Load::WholeTask,
            label,
            &self.open.connection,
            self.interrupt,
            &mut show,
        )
        .await?;
        record.add(finished.trial)
    }
}

/// What the numbers rest on without a source.
pub(super) fn assumptions(direction: Direction, get: GetMode) -> Vec<String> {
    let mut assumptions = vec![
        "A Globus S3 connector sends the blocks of a file in order, so one part of a file is in flight at a time (parts_in_flight = 1).".to_owned(),
        "The part size of Globus's S3 connector is not documented.".to_owned(),
    ];
    if direction == Direction::Down && get == GetMode::Whole {
        assumptions.push("A Globus S3 connector fetches an object with one GetObject.".to_owned());
    }
    assumptions
}
