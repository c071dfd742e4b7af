//! `tidegate plan`: how long, how many DTNs, what does it cost.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::ValueEnum;

use super::options::{Endpoint, print_data, runtime};
use super::serve::read_limits;
use crate::dataset::{self, Dataset, PROFILES, Scale, Synthetic};
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::plan::{
    self, Evidence, Fitted, Given, Gridftp, Iperf3, Manner, Models, Plan, Question, Shape,
    Simulated, Startup, Task, Tasks,
};
use crate::prices::Prices;
use crate::report::{self, Format};
use crate::result::{self, Document, Saved, Settings, TargetKind};
use crate::scenario;
use crate::session::{self, MeasureOptions, Progress, SimulateOptions, Simulation, TargetUrl};
use crate::store::model::Retain;
use crate::storj::Limits;
use crate::transfer::GetMode;
use crate::units::{ByteSize, MIB, Rate};

/// Storj's segments are as large (storj/storj satellite/metainfo/config.go).
const PART_SIZE: ByteSize = ByteSize(64 * MIB);

/// GCS's `normal` has 4 at most (globus-cli, endpoint introspection).
const CONCURRENCY: u32 = 4;

/// What `--measure` alone means.
const EMBEDDED: &str = "embedded";

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Direction {
    /// To the bucket
    Up,
    /// From the bucket
    Down,
}

impl From<Direction> for result::Direction {
    fn from(direction: Direction) -> Self {
        match direction {
            Direction::Up => Self::Up,
            Direction::Down => Self::Down,
        }
    }
}

/// Options of `plan`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Runs that the model is fitted to: directories of runs, or of results
    #[arg(value_name = "RESULT")]
    results_read: Vec<PathBuf>,
    /// What is to be moved: a profile (as of `run`), a directory, or a manifest of rows `path,size_bytes`
    #[arg(long, value_name = "NAME|DIR|FILE", help_heading = "Question")]
    dataset: Option<String>,
    /// Bytes of the dataset in all, such as 500TB; the mix of sizes stays
    #[arg(long, help_heading = "Question")]
    size: Option<ByteSize>,
    /// Number of files of a profile
    #[arg(long, value_name = "N", help_heading = "Question")]
    files: Option<u64>,
    /// Which way the data goes
    #[arg(long, value_enum, default_value = "up", help_heading = "Question")]
    direction: Direction,
    /// When it has to be done: how many DTNs does that take?
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, help_heading = "Question")]
    deadline: Option<Duration>,
    /// DTNs, one number or a range such as 1..8
    #[arg(long, value_name = "N|A..B", default_value = "1", help_heading = "Question")]
    nodes: Range,
    /// Tasks of each DTN at a time, among which the dataset is divided
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100), help_heading = "Question")]
    tasks: u32,
    /// Everything is read back after it was uploaded, as Globus does by default
    #[arg(long, help_heading = "Question")]
    verify: bool,
    /// Bytes of a part [default: those recommended or measured]
    #[arg(long, value_name = "SIZE", help_heading = "Question")]
    part_size: Option<ByteSize>,
    /// Files in flight of a task [default: those recommended or measured]
    #[arg(long, short = 'c', value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Question")]
    concurrency: Option<u32>,
    /// Parts of one file in flight [default: those recommended or measured]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Question")]
    parts_in_flight: Option<u32>,
    /// How objects are fetched
    #[arg(long, value_enum, default_value_t, help_heading = "Question")]
    get: GetMode,
    /// What all DTNs share of the way to Storj, such as a site's uplink of 100Gbit/s
    #[arg(long, value_name = "RATE", help_heading = "Question")]
    shared_link: Option<Rate>,
    /// Limits of the project: as `storj` publishes them, `none`, or as a TOML file says [default: those of
    /// the simulation, otherwise storj]
    #[arg(long, value_name = "LIMITS", help_heading = "Question")]
    limits: Option<String>,
    /// Prices: standard, advanced, legacy, or a file in TOML
    #[arg(long, value_name = "TIER|FILE", default_value = "standard", help_heading = "Question")]
    prices: String,
    /// What Globus adds to each task [default: 5.9s, from published tasks of one small file]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, help_heading = "Globus")]
    globus_startup: Option<Duration>,
    /// What Globus adds to each file of a mover [default: 0s; nobody publishes it]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, help_heading = "Globus")]
    globus_per_file: Option<Duration>,
    /// A real task to compare with: what `globus task show TASK_ID -F json` prints; repeat for more
    #[arg(long, value_name = "FILE", help_heading = "Globus")]
    globus_task: Vec<PathBuf>,
    /// Its events: what `globus task event-list TASK_ID -F json` prints
    #[arg(long, value_name = "FILE", help_heading = "Globus")]
    globus_events: Vec<PathBuf>,
    /// A test between the two DTNs: what `iperf3 --client HOST --json` prints
    #[arg(long, value_name = "FILE", help_heading = "Globus")]
    iperf3: Option<PathBuf>,
    /// Measure what a plan needs at this target, s3://bucket/prefix [default: the embedded gateway]
    #[arg(long, value_name = "TARGET", num_args = 0..=1, default_missing_value = EMBEDDED, help_heading = "Measuring")]
    measure: Option<String>,
    /// Link of the embedded gateway (a preset, or TOML as for `serve --model`)
    #[arg(long, value_name = "FILE", requires = "measure", help_heading = "Measuring")]
    model: Option<PathBuf>,
    /// Time for measuring; a series of tasks that has begun goes on to its end
    #[arg(long, value_name = "TIME", default_value = "3m", value_parser = humantime::parse_duration, help_heading = "Measuring")]
    budget: Duration,
    #[command(flatten)]
    endpoint: Endpoint,
    /// Simulate the question, by a preset or a file as for `serve --model`; without RESULT what the model is
    /// fitted to is simulated as well
    #[arg(
        long,
        value_name = "PRESET|FILE",
        conflicts_with = "measure",
        help_heading = "Simulation"
    )]
    simulate: Option<PathBuf>,
    /// Simulations of each number of DTNs, each with a seed of its own
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000), help_heading = "Simulation")]
    seeds: u32,
    /// First seed, and the order of measured tasks
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Simulation")]
    seed: u64,
    /// What the plan is written in
    #[arg(long, short, value_enum, default_value_t, help_heading = "Output")]
    format: Format,
    /// Print the plan as JSON (schema tidegate.plan/1), as --format json does
    #[arg(long, help_heading = "Output", conflicts_with = "format")]
    json: bool,
    /// Directory below which the plan and what was measured get their own
    #[arg(long, value_name = "DIR", default_value = "results", help_heading = "Output")]
    results: PathBuf,
    /// No progress, only the plan
    #[arg(long, short, help_heading = "Output")]
    quiet: bool,
}

/// One number, or all from one to another.
#[derive(Clone, Copy, Debug)]
struct Range([u32; 2]);

impl FromStr for Range {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.trim().parse::<u32>().ok().filter(|number| *number > 0);
        let ends = match text.split_once("..") {
            Some((from, to)) => number(from).zip(number(to)),
            None => number(text).map(|one| (one, one)),
        };
        let (from, to) = ends.filter(|(from, to)| from <= to && *to <= 1000).ok_or_else(|| {
            format!("`{text}` is not a number of DTNs such as 4, or a range such as 1..8")
        })?;
        Ok(Self([from, to]))
    }
}

/// What measuring and simulating run on: one Ctrl-C for both.
struct Ground {
    runtime: tokio::runtime::Runtime,
    interrupt: Interrupt,
}

impl Ground {
    fn prepare() -> Result<Self> {
        let runtime = runtime()?;
        let interrupt = runtime.block_on(async { Interrupt::install() })?;
        Ok(Self { runtime, interrupt })
    }
}

/// Fits, asks, and says.
pub(super) fn run(args: Args) -> Result<()> {
    let shape = args.shape()?;
    let limits = args.limits()?;
    let prices = Prices::read(&args.prices)?;
    let tasks: Vec<Task> =
        args.globus_task.iter().map(|file| read(file, Task::read)).collect::<Result<_>>()?;
    let events: Vec<Vec<String>> =
        args.globus_events.iter().map(|file| read(file, plan::events)).collect::<Result<_>>()?;
    let iperf3 = args.iperf3.as_ref().map(|file| read(file, Iperf3::read)).transpose()?;
    let mut documents = args.documents()?;
    let ground = Ground::prepare()?;
    documents.extend(args.measured(&documents, &ground)?);
    let evidence = Evidence::of(&documents)?;
    let manner = args.manner(&documents);
    let needed = needed(args.direction.into(), args.verify);
    let models = models(&evidence, &needed)?;
    let question = Question {
        dataset: args.dataset.clone().unwrap_or_else(|| "climate".into()),
        shape,
        manner,
        nodes: args.nodes.0,
        tasks: args.tasks,
        verify: args.verify,
        deadline: args.deadline,
        shared_link_bytes_per_second: args.shared_link.map(|rate| rate.0),
        limits,
        globus: args.globus(),
        prices,
    };
    crate::tune::feasible(manner.settings, question.shape.largest_bytes() as u64)?;
    let globus_tasks = match tasks.is_empty() {
        true => None,
        false => Some(Tasks::compare(tasks, events.concat(), &question, &models)?),
    };
    let process = question
        .ask(&models, &question.shape, &question.setup(1))?
        .effective_speed_bytes_per_second
        / f64::from(manner.settings.concurrency * args.tasks);
    let given = Given {
        runs: documents.iter().map(|document| document.id.clone()).collect(),
        cpu_seconds_per_gb: evidence.cpu_seconds_per_gb,
        globus_tasks,
        gridftp: Gridftp::of(iperf3, process),
        simulated: args.simulated(&question, &ground)?,
        warnings: evidence.left_out.clone(),
    };
    let plan = question.answer(models, given)?;
    let plan = session::save_plan(plan, &args.results)?;
    args.say(&plan)
}

impl Args {
    fn say(&self, (plan, directory): &(Plan, PathBuf)) -> Result<()> {
        let format = if self.json { Format::Json } else { self.format };
        print_data(report::plan(plan, format)?.trim_end());
        if format == Format::Text {
            print_data(&format!("{:<12} {}", "report", directory.join(report::PAGE).display()));
        }
        Ok(())
    }

    fn shape(&self) -> Result<Shape> {
        let name = self.dataset.as_deref().unwrap_or("climate");
        if PROFILES.iter().any(|profile| profile.name == name) {
            let scale = Scale { size: self.size, files: self.files };
            return Shape::of(&Dataset::Synthetic(Synthetic::new(name, scale)?));
        }
        if self.files.is_some() {
            return Err(Error::environment("--files is for profiles")
                .hint("scale a directory or a manifest with --size"));
        }
        let path = Path::new(name);
        let shape = if path.is_dir() {
            Shape::of_sizes(dataset::scan(path)?.files.into_iter().map(|file| file.size_bytes))?
        } else if path.is_file() {
            read(path, plan::manifest)?
        } else {
            let names: Vec<&str> = PROFILES.iter().map(|profile| profile.name).collect();
            let message = format!("there is no profile, directory or manifest `{name}`");
            return Err(
                Error::environment(message).hint(format!("profiles are: {}", names.join(", ")))
            );
        };
        match self.size {
            None if shape.bytes() > 0.0 => Ok(shape),
            Some(ByteSize(bytes)) if bytes > 0 && shape.bytes() > 0.0 => {
                Ok(shape.scaled(bytes as f64 / shape.bytes()))
            }
            _ => Err(Error::environment("a dataset without bytes needs no plan")
                .hint("name a dataset with bytes in it, or a --size above zero")),
        }
    }

    fn limits(&self) -> Result<Limits> {
        match (&self.limits, &self.simulate) {
            (Some(name), _) => read_limits(name),
            (None, Some(scenario)) => Ok(scenario::read(scenario)?.limits.unwrap_or_default()),
            (None, None) => Ok(Limits::storj()),
        }
    }

    fn documents(&self) -> Result<Vec<Document>> {
        let runs = self.results_read.iter().map(|path| Saved::load_all(path));
        let runs: Vec<Vec<Saved>> = runs.collect::<Result<_>>()?;
        Ok(runs.into_iter().flatten().map(|run| run.document).collect())
    }

    fn globus(&self) -> Startup {
        let published = Startup::default();
        let seconds =
            |time: Option<Duration>, default| time.map_or(default, |time| time.as_secs_f64());
        Startup {
            startup_s: seconds(self.globus_startup, published.startup_s),
            per_file_s: seconds(self.globus_per_file, published.per_file_s),
        }
    }

    /// As the user says, else as recommended, else as most recently measured.
    fn manner(&self, documents: &[Document]) -> Manner {
        let direction = self.direction.into();
        let recommended = documents.iter().rev().filter_map(|one| one.recommendation.as_ref());
        let recommended =
            recommended.filter(|one| one.direction == direction).map(|one| one.settings).next();
        let measured = || documents.iter().rev().flat_map(|one| one.trials.iter().rev()).next();
        let found = recommended.or_else(|| measured().map(|trial| trial.settings));
        Manner { direction, settings: self.settings(found), ranged: self.get == GetMode::Ranged }
    }

    fn settings(&self, found: Option<Settings>) -> Settings {
        let part_size = found.map_or(PART_SIZE.0, |settings| settings.part_size_bytes);
        Settings {
            part_size_bytes: self.part_size.map_or(part_size, |size| size.0),
            concurrency: self
                .concurrency
                .or(found.map(|settings| settings.concurrency))
                .unwrap_or(CONCURRENCY),
            parts_in_flight: self
                .parts_in_flight
                .or(found.map(|settings| settings.parts_in_flight))
                .unwrap_or(1),
        }
    }

    /// What is measured or simulated now, if anything is to be.
    fn measured(&self, documents: &[Document], ground: &Ground) -> Result<Option<Document>> {
        let simulation = match (&self.measure, &self.simulate) {
            (Some(_), _) => None,
            (None, Some(scenario)) if documents.is_empty() => Some(scenario),
            (None, Some(_)) => return Ok(None),
            (None, None) if documents.is_empty() => {
                return Err(Error::environment("a plan needs results to rest on").hint(
                    "name runs, or measure with --measure TARGET, or --simulate hosted-10g-near",
                ));
            }
            (None, None) => return Ok(None),
        };
        let url = match self.measure.as_deref() {
            None | Some(EMBEDDED) => None,
            Some(url) => Some(url.parse::<TargetUrl>().map_err(Error::environment)?),
        };
        let simulation = simulation.map(|scenario| Simulation {
            scenario: scenario.clone(),
            retain: Retain::Layout,
            seed: self.seed,
        });
        let simulated = simulation.is_some();
        let mut target = self.endpoint.clone().resolve(url, self.model.clone());
        target.simulation = simulation;
        let options = MeasureOptions {
            target,
            directions: needed(self.direction.into(), self.verify),
            settings: self.settings(
                documents.last().and_then(|one| one.trials.last()).map(|one| one.settings),
            ),
            get: self.get,
            budget: self.budget,
            seed: self.seed,
            results: self.results.clone(),
        };
        let (interrupt, mut progress) = (ground.interrupt.clone(), Progress::new(self.quiet));
        let finished = ground.runtime.block_on(async {
            let measure = move || async move {
                let finished = session::measure(&options, &interrupt, &mut progress).await;
                progress.end();
                finished
            };
            if simulated { session::in_simulated_time(measure).await } else { measure().await }
        })?;
        Ok(Some(finished.document))
    }

    fn simulated(&self, question: &Question, ground: &Ground) -> Result<Option<Simulated>> {
        let Some(scenario) = self.simulate.clone() else { return Ok(None) };
        let options = SimulateOptions {
            scenario,
            question: question.clone(),
            seeds: self.seeds,
            seed: self.seed,
        };
        let mut progress = Progress::new(self.quiet);
        let simulate = session::simulate(&options, &ground.interrupt, &mut progress);
        let simulated = ground.runtime.block_on(simulate);
        progress.end();
        simulated.map(Some)
    }
}

/// The ways that a plan needs to know: to verify an upload it is read back.
fn needed(direction: result::Direction, verify: bool) -> Vec<result::Direction> {
    match (direction, verify) {
        (result::Direction::Up, true) => vec![result::Direction::Up, result::Direction::Down],
        (direction, _) => vec![direction],
    }
}

fn models(evidence: &Evidence, needed: &[result::Direction]) -> Result<Models> {
    let ours = evidence.kinds.iter().all(|kind| *kind != TargetKind::Endpoint);
    let fit = |direction| {
        let observations = evidence.one_way(direction);
        match needed.contains(&direction) {
            true => Fitted::to(&observations, ours).map(Some),
            false => Ok(Fitted::to(&observations, ours).ok()),
        }
    };
    Ok(Models { up: fit(result::Direction::Up)?, down: fit(result::Direction::Down)? })
}

/// Reads a file and what is in it.
fn read<T>(path: &Path, parse: impl Fn(&str) -> Result<T>) -> Result<T> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Error::environment(format!("cannot read {}: {error}", path.display())))?;
    parse(&text).map_err(|error| Error::environment(format!("{}: {error}", path.display())))
}
