//! `tidegate run`: one dataset, one direction, one settings.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::claim::Claim;
use super::conditions::{assumptions, load};
use super::existing::{self, Existing, tell};
use super::metrics::Doing;
use super::progress::Progress;
use super::record::{Record, Saving};
use super::replay::Replay;
use super::target::{Open, TargetOptions, needs_target};
use super::team::{Follower, Ground, Hello, Order as Orders, Team, Together};
use super::upwards::{Upwards, local_dataset};
use super::visit::{Visit, both, conclude};
use super::{Finished, journal, limits};
use crate::crew::Crew;
use crate::dataset::{Dataset, Skipped};
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::observe::Followed;
use crate::result::{
    Direction, FileFailure, ForRun, Moved, Phase, Scenario, Settings, Trial, Verb,
};
use crate::session::Work;
use crate::store::Place;
use crate::transfer::{
    Arrivals, Dealt, Flow, Folder, Found, GetMode, Job, Ledger, MIXED_DOWN, Order, Script, Sink,
};
use crate::trial::{self, Label, Load};
use crate::tune;
use crate::words::{self, to_the_second};

/// What `run` was asked to do.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Where.
    pub target: TargetOptions,
    /// Which way.
    pub direction: Flow,
    /// What; `None` on the way down is what lies at the target.
    pub dataset: Option<Upwards>,
    /// The requests to make again, instead of moving a dataset.
    pub replay: Option<Replay>,
    /// Part size, files and parts in flight.
    pub settings: Settings,
    /// How objects are fetched.
    pub get: GetMode,
    /// The connector that the settings come from.
    pub connector: Option<Followed>,
    /// The whole dataset once, or round and round for a time.
    pub load: Load,
    /// When files begin.
    pub arrivals: Arrivals,
    /// What becomes of objects.
    pub objects: Objects,
    /// How many DTNs a simulation has; others are as many as work together.
    pub dtns: u32,
    /// Seed of all that is drawn.
    pub seed: u64,
    /// What is kept.
    pub saving: Saving,
}

/// What becomes of the objects that a run moves.
#[derive(Clone, Debug)]
pub struct Objects {
    /// Whether each object is compared with its source; `None` is yes for uploads of real files.
    pub verify: Option<bool>,
    /// Bytes of the parts in which existing objects were uploaded, where their store does not tell.
    pub etag_part_size_bytes: Option<u64>,
    /// Whether uploaded objects stay.
    pub keep: bool,
    /// Where downloads go.
    pub to: Option<PathBuf>,
    /// What becomes of files that are there.
    pub found: Found,
}

/// Runs one task, on all DTNs of a crew. `None` is of those that do not lead.
///
/// # Errors
/// [`crate::error::ErrorKind::AnswerIsNo`] is not among them: failed files are in the document.
pub fn run<'a>(
    options: &'a RunOptions,
    crew: &'a Crew,
    interrupt: &'a Interrupt,
    progress: &'a mut Progress,
) -> Work<'a, Option<Finished>> {
    let work = async move |interrupt: Interrupt| one_of(options, crew, &interrupt, progress).await;
    Box::pin(crew.beside(interrupt, work))
}

/// What one DTN does.
fn one_of<'a>(
    options: &'a RunOptions,
    crew: &'a Crew,
    interrupt: &'a Interrupt,
    progress: &'a mut Progress,
) -> Work<'a, Option<Finished>> {
    Box::pin(async move {
        let dealt = Dealt { rank: crew.rank(), of: crew.size() };
        let open = |to: &PathBuf| Folder::open_among(to, options.objects.found, dealt);
        let folder = options.objects.to.as_ref().map(open).transpose()?;
        let local = options.dataset.as_ref().map(|dataset| local_dataset(dataset, progress));
        let (local, skipped) = local.transpose()?.unzip();
        let mut skipped = skipped.unwrap_or_default();
        if let Some(dataset) = &local {
            tune::feasible(options.settings, dataset.largest_bytes())?;
            if options.target.simulation.is_none() {
                limits::check(options.settings, dataset, options.target.proof)?;
            }
        }
        let visit = if local.is_some() || options.replay.is_some() {
            let at_least = options.load.at_least();
            Visit::to_write(&options.target, at_least, interrupt, progress).await?
        } else {
            Visit::to_read(&options.target, interrupt).await?
        };
        let dtns = if options.target.simulation.is_some() { options.dtns } else { crew.size() };
        let team = Team::new(crew, &visit.open.place, dtns, options.seed);
        let session = Session { options, visit, interrupt, folder, team, dtns };
        if !crew.leads() {
            return session.follow(crew, local.map(Arc::new)).await.map(|()| None);
        }
        let mut record = session.begin(progress)?;
        if let Some(dataset) = &local {
            record.note_shape(dataset)?;
        }
        let local = local.map(Arc::new);
        let after = match (&options.replay, options.direction, local) {
            (Some(replay), ..) => session.again(replay, &mut record, progress).await?,
            (None, Flow::Up, Some(dataset)) => session.up(dataset, &mut record, progress).await?,
            (None, Flow::Down | Flow::Mixed(_), Some(dataset)) => {
                session.down_of_prepared(dataset, &mut record, progress).await?
            }
            (None, Flow::Down, None) => {
                let (after, of_listing) = session.down_of_existing(&mut record, progress).await?;
                skipped = of_listing;
                after
            }
            (None, Flow::Up | Flow::Mixed(_), None) => {
                return Err(needs_target("an upload without a dataset"));
            }
        };
        let skipped =
            skipped.into_iter().map(|Skipped { path, reason }| FileFailure { path, reason });
        if let Some(task) = record.document.trials.last_mut().and_then(|trial| trial.task.as_mut())
        {
            task.files += skipped.len() as u64;
            task.failures.extend(skipped);
        }
        record.document.simulation = session.open().simulation_cost(progress);
        record.finish(after).map(Some)
    })
}

struct Session<'a> {
    options: &'a RunOptions,
    visit: Visit<'a>,
    interrupt: &'a Interrupt,
    folder: Option<Arc<Folder>>,
    team: Team<'a>,
    /// That move files.
    dtns: u32,
}

impl Session<'_> {
    fn open(&self) -> &Open {
        &self.visit.open
    }

    fn begin(&self, progress: &Progress) -> Result<Record> {
        let options = self.options;
        // Of two ways the one that takes more calls.
        let direction = match options.direction {
            Flow::Up | Flow::Mixed(_) => Direction::Up,
            Flow::Down => Direction::Down,
        };
        let connector = options.connector.as_ref();
        let of_the_client = match &options.replay {
            // It does as it was seen to do.
            Some(_) => Vec::new(),
            None => assumptions(options.direction, options.get, connector, options.target.retry),
        };
        let assumptions =
            [of_the_client, self.open().assumptions(options.settings, direction, progress)];
        self.visit.begin(&options.saving.results, self.scenario(), assumptions.concat())
    }

    fn scenario(&self) -> Scenario {
        let options = self.options;
        let existing = || Moved::Existing { existing: self.open().describe() };
        let dataset = match (&options.replay, &options.dataset) {
            (Some(replay), _) => replay.moved(),
            (None, Some(dataset)) => dataset.moved(),
            (None, None) => existing(),
        };
        let verb = Verb::Run(ForRun {
            direction: options.direction.traffic(),
            arrivals: options.arrivals,
            load: load(options.load),
            verify: self.verify(),
            etag_part_size_bytes: options.objects.etag_part_size_bytes,
            keep: options.objects.keep,
        });
        let connector = options.connector.as_ref();
        self.visit.scenario(dataset, (options.get, options.seed), connector, verb)
    }

    fn verify(&self) -> bool {
        let real = matches!(self.options.dataset, Some(Upwards::Directory { .. }));
        self.options.objects.verify.unwrap_or(real && self.options.direction == Flow::Up)
    }

    async fn up(
        &self,
        dataset: Arc<Dataset>,
        record: &mut Record,
        progress: &mut Progress,
    ) -> Result<Option<Error>> {
        self.team.gather(|| Ok(self.hello(&dataset))).await?;
        let (prefix, identity) = (&self.open().prefix, &record.identity.clone());
        let claim = match self.options.objects.keep {
            true => {
                let journal = journal::open(record.directory())?;
                let bucket = &self.visit.bucket;
                Claim::to_keep(bucket, prefix, identity, Some(journal), self.interrupt).await?
            }
            false => Claim::unique(&self.visit.bucket, prefix, identity).await?,
        };
        self.team.begin(&Ground::new(&claim, identity));
        let job = || self.job(Arc::clone(&dataset), Flow::Up, claim.prefix(), claim.ledger());
        let moved = claim.while_alive(self.measure(&job, progress)).await;
        // Objects that arrived stay, whatever becomes of the result on this machine's disk.
        let arrived = moved.as_ref().is_ok_and(|finished| !finished.interrupted);
        let saved = save(moved, record);
        let others = self.team.end(&saved).await;
        let ended = match self.options.objects.keep && arrived {
            true => self.visit.keep(claim, identity.name()).await,
            false => self.visit.give_back(claim, identity.name()).await,
        };
        conclude(saved, both(others, ended))
    }

    /// The files to download are uploaded first, unmeasured; they go again at the end. In a mixed run
    /// others are uploaded meanwhile.
    async fn down_of_prepared(
        &self,
        dataset: Arc<Dataset>,
        record: &mut Record,
        progress: &mut Progress,
    ) -> Result<Option<Error>> {
        self.team.gather(|| Ok(self.hello(&dataset))).await?;
        let identity = &record.identity.clone();
        let claim = Claim::unique(&self.visit.bucket, &self.open().prefix, identity).await?;
        self.team.begin(&Ground::new(&claim, identity));
        let flow = self.options.direction;
        let prepared = match flow {
            Flow::Mixed(_) => format!("{}{MIXED_DOWN}", claim.prefix()),
            Flow::Up | Flow::Down => claim.prefix().to_owned(),
        };
        let work = async {
            self.prepare(Arc::clone(&dataset), &prepared, &claim, progress).await?;
            let job = || self.job(Arc::clone(&dataset), flow, claim.prefix(), claim.ledger());
            self.measure(&job, progress).await
        };
        let saved = save(claim.while_alive(work).await, record);
        let others = self.team.end(&saved).await;
        let given_back = self.visit.give_back(claim, identity.name()).await;
        conclude(saved, both(self.sync(), both(others, given_back)))
    }

    /// Makes the requests of a log again. What it downloads and has not uploaded itself is put there first, unmeasured.
    async fn again(
        &self,
        replay: &Replay,
        record: &mut Record,
        progress: &mut Progress,
    ) -> Result<Option<Error>> {
        progress.note(&replay.sentence());
        let identity = &record.identity.clone();
        let claim = Claim::unique(&self.visit.bucket, &self.open().prefix, identity).await?;
        let job = |script: Arc<Script>| {
            let (flow, dataset) = (script.direction().into(), Dataset::Objects(script.files()));
            let job = self.job(Arc::new(dataset), flow, claim.prefix(), claim.ledger());
            Job { script: Some(script), ..job }
        };
        let work = async {
            if let Some(first) = replay.script().preparation() {
                progress.note("preparing the objects to download");
                let unmeasured = Job { keep_attempts: false, ..job(Arc::new(first)) };
                prepare(unmeasured, &self.open().place, self.interrupt, progress).await?;
            }
            self.measure(&|| job(replay.script()), progress).await
        };
        let saved = save(claim.while_alive(work).await, record);
        let given_back = self.visit.give_back(claim, identity.name()).await;
        conclude(saved, given_back)
    }

    async fn prepare(
        &self,
        dataset: Arc<Dataset>,
        prefix: &str,
        claim: &Claim<'_>,
        progress: &mut Progress,
    ) -> Result<()> {
        progress.note("preparing the objects to download");
        let unmeasured = Job {
            verify: false,
            etag_part_size_bytes: None,
            order: Order::Once,
            arrivals: Arrivals::Closed,
            keep_attempts: false,
            spread: Duration::ZERO,
            ..self.job(dataset, Flow::Up, prefix, claim.ledger())
        };
        prepare(unmeasured, &self.open().place, self.interrupt, progress).await
    }

    /// How it went after the work, and what of it cannot be moved.
    async fn down_of_existing(
        &self,
        record: &mut Record,
        progress: &mut Progress,
    ) -> Result<(Option<Error>, Vec<Skipped>)> {
        let Existing { prefix, objects, directories, skipped } =
            existing::objects(self.open(), &self.visit.bucket, self.interrupt).await?;
        tell(&skipped, progress);
        let dataset = Dataset::Objects(objects);
        tune::feasible(self.options.settings, 1)?;
        limits::check(self.options.settings, &dataset, None)?;
        let dataset = Arc::new(dataset);
        self.team.gather(|| Ok(self.hello(&dataset))).await?;
        self.team.begin(&Ground::of_nobody(&prefix));
        let job = || self.job(Arc::clone(&dataset), Flow::Down, &prefix, Arc::default());
        let mut moved = self.measure(&job, progress).await;
        if let Ok(trial::Finished { trial: Trial { task: Some(task), .. }, .. }) = &mut moved {
            task.directory_markers = directories.len() as u64;
            task.failures.extend(self.make(&directories));
        }
        let saved = save(moved, record);
        let others = self.team.end(&saved).await;
        Ok((conclude(saved, both(self.sync(), others))?, skipped))
    }

    /// Makes the directories that objects only stand for; those that cannot be made.
    fn make(&self, directories: &[String]) -> Vec<FileFailure> {
        let Some(folder) = &self.folder else { return Vec::new() };
        let make = |path: &String| {
            let reason = match path.is_empty() {
                true => None,
                false => folder.make_directory(path).err(),
            };
            reason.map(|error| FileFailure { path: path.clone(), reason: error.0 })
        };
        directories.iter().filter_map(make).collect()
    }

    /// What was downloaded stays, whatever happens to this machine.
    fn sync(&self) -> Result<()> {
        self.folder.as_ref().map_or(Ok(()), |folder| folder.sync())
    }

    /// What came to the user's place since it was seen to be empty is not written over.
    fn place(&self) -> Place {
        match self.options.objects.keep {
            true => self.open().place.only_new(),
            false => self.open().place.clone(),
        }
    }

    fn hello(&self, dataset: &Dataset) -> Hello {
        Hello::new(&self.scenario(), vec![(dataset.files(), dataset.bytes())])
    }

    fn job(
        &self,
        dataset: Arc<Dataset>,
        direction: Flow,
        prefix: &str,
        ledger: Arc<Ledger>,
    ) -> Job {
        let sink = self.folder.clone().map_or(Sink::Discard, Sink::Directory);
        Job {
            sink,
            get: self.options.get,
            verify: self.verify(),
            etag_part_size_bytes: self.options.objects.etag_part_size_bytes,
            order: self.options.load.order(),
            arrivals: self.options.arrivals,
            spread: match self.options.load {
                Load::WholeTask => Duration::ZERO,
                Load::Timed { warm_up, .. } => warm_up.mul_f64(0.5),
            },
            seed: self.options.seed,
            keep_attempts: self.options.saving.attempts,
            ledger,
            ..self.options.target.job(dataset, direction, self.options.settings, prefix.to_owned())
        }
    }

    async fn measure(
        &self,
        job: &dyn Fn() -> Job,
        progress: &mut Progress,
    ) -> Result<trial::Finished> {
        progress.trial_begins();
        let metrics = progress.metrics().clone();
        let job = |dealt: Dealt| {
            let job = Job { dealt, ..job() };
            if dealt.rank == 0 {
                metrics.job_begins(&job, Doing::Measuring(UNCOUNTED.phase));
            }
            job
        };
        let what = words::settings(self.options.settings);
        let mut show = |snapshot: &trial::Snapshot| {
            if self.options.target.simulation.is_none() {
                progress.marker(snapshot);
            }
            progress.show(&what, snapshot, &time_left(self.options.load, snapshot));
        };
        let (place, load, label) = (&self.place(), self.options.load, UNCOUNTED);
        let trial = Together { dtns: self.dtns, order: &(), job, load, label, place };
        let finished = self.team.trial(trial, self.interrupt, &mut show).await?;
        progress.metrics().trial_ended(&finished.trial);
        Ok(finished)
    }
}

/// What a DTN does that follows.
impl Session<'_> {
    async fn follow(&self, crew: &Crew, dataset: Option<Arc<Dataset>>) -> Result<()> {
        let follower = Follower { crew, interrupt: self.interrupt };
        let (dataset, existing) = match dataset {
            Some(dataset) => (dataset, None),
            None => {
                let Existing { prefix, objects, .. } =
                    existing::objects(self.open(), &self.visit.bucket, self.interrupt).await?;
                (Arc::new(Dataset::Objects(objects)), Some(prefix))
            }
        };
        let ground = follower.join(&self.hello(&dataset)).await?;
        let claim = match &existing {
            Some(prefix) => Claim::to_read(&self.visit.bucket, prefix),
            None => self.guest(&ground)?,
        };
        let dealt = Dealt { rank: crew.rank(), of: crew.size() };
        let work = async {
            while let Orders::Measure(()) = follower.order().await? {
                let flow = self.options.direction;
                let job = self.job(Arc::clone(&dataset), flow, claim.prefix(), claim.ledger());
                let (job, load) = (Job { dealt, ..job }, self.options.load);
                follower.measure(job, load, UNCOUNTED, &self.place()).await?;
            }
            Ok(())
        };
        let worked = claim.while_alive(work).await;
        let ended = match self.options.objects.keep && worked.is_ok() {
            true => claim.keep().await,
            false => claim.release().await,
        };
        let ended = both(self.sync(), ended);
        follower.cleared(&ended);
        both(worked, ended)
    }

    fn guest(&self, ground: &Ground) -> Result<Claim<'_>> {
        let journal = match (self.options.objects.keep, ground.identity()) {
            (true, Some(identity)) => {
                let directory = self.options.saving.results.join(identity.name());
                Some(journal::join(&directory, &identity)?)
            }
            _ => None,
        };
        Ok(Claim::guest(&self.visit.bucket, &ground.prefix, ground.marker.clone(), journal))
    }
}

/// The label of a trial that is the only one.
const UNCOUNTED: Label = Label { id: 0, phase: Phase::Run, block: None };

/// Saves what was measured, before anything else can go wrong.
fn save(moved: Result<trial::Finished>, record: &mut Record) -> Result<()> {
    let finished = moved?;
    record.add(finished.trial, &finished.records)?;
    if finished.interrupted { Err(Error::interrupted()) } else { Ok(()) }
}

/// Uploads the objects that are to be downloaded; all must arrive.
pub(super) async fn prepare(
    job: Job,
    place: &Place,
    interrupt: &Interrupt,
    progress: &mut Progress,
) -> Result<()> {
    progress.metrics().job_begins(&job, Doing::Preparing);
    let what = "to upload what is to be downloaded";
    let mut show = |snapshot: &trial::Snapshot| {
        progress.show(what, snapshot, &time_left(Load::WholeTask, snapshot));
    };
    let prepared = trial::run(job, Load::WholeTask, UNCOUNTED, place, interrupt, &mut show).await?;
    if prepared.interrupted {
        return Err(Error::interrupted());
    }
    if prepared.stopped {
        return Err(Error::environment("the budget was used up by the objects to download")
            .hint("give a larger --max-bytes or --max-cost, or a smaller --size"));
    }
    let Some(task) = prepared.trial.task else { return Ok(()) };
    let (done, files) = (task.files_done, task.files);
    match task.failures.into_iter().next() {
        Some(FileFailure { path, reason }) => {
            Err(Error::environment(format!("cannot prepare {path}: {reason}")))
        }
        // An endpoint that is gone ends the task with files under way.
        None if done < files => {
            Err(Error::environment(format!("only {done} of {files} objects to download are there")))
        }
        None => Ok(()),
    }
}

/// How long it takes until the bytes of the dataset have passed at the rate so far, or the window closes.
fn time_left(load: Load, snapshot: &trial::Snapshot) -> String {
    match (load, snapshot.bytes) {
        (Load::WholeTask, Some(bytes)) if snapshot.wire_bytes > 0 => {
            let share =
                bytes.saturating_sub(snapshot.wire_bytes) as f64 / snapshot.wire_bytes as f64;
            let left = Duration::try_from_secs_f64(snapshot.elapsed.as_secs_f64() * share);
            left.map_or_else(|_| String::new(), |left| format!("about {}", to_the_second(left)))
        }
        (Load::Timed { warm_up, stop }, _) => stop.window.map_or_else(String::new, |window| {
            let left = (warm_up + window).saturating_sub(snapshot.elapsed);
            format!("{} at most", to_the_second(left))
        }),
        (Load::WholeTask, _) => String::new(),
    }
}
