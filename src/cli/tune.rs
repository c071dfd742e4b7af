//! `tidegate tune`: which part size and concurrency to set.

mod resume;

use std::path::PathBuf;
use std::time::Duration;

use clap::{ValueEnum, value_parser};

use super::connector::ConnectorFile;
use super::dtns;
use super::gcs::{self, Gcs};
use super::metrics::Metrics;
use super::options::{self, Dataset, Neighbour, Output, Proofs, Scratch, Simulate, Target};
use tidegate::crew::Crew;
use tidegate::dataset::Scale;
use tidegate::error::{Error, Result};
use tidegate::interrupt::Interrupt;
use tidegate::observe::Manner;
use tidegate::prices::{Prices, Usd};
use tidegate::result::Direction;
use tidegate::session::{
    self, FILES_MAX, Files, Means, SearchOptions, TargetOptions, TargetUrl, TuneOptions,
};
use tidegate::transfer::{Caps, Flow, GetMode, Mix};
use tidegate::tune::{self, GCS_NORMAL_CONCURRENCY, Limits, Rules};
use tidegate::units::{ByteSize, Rate};

/// Prepared for downloads when the user names no dataset; uploads go round and round in it.
const DEFAULT_SCALE: Scale = Scale { size: Some(ByteSize(2_000_000_000)), files: None };

/// Times of a demonstration on the embedded gateway: of the windows between 1.5 s and 3.5 s the one with which most
/// of its searches in simulated time end with a clear answer.
const DEMONSTRATION: Times = Times {
    budget: Duration::from_secs(55),
    warm_up: Duration::from_millis(300),
    window: Duration::from_secs(2),
    soak: Duration::from_secs(8),
};

/// Times at a real endpoint.
const ENDPOINT: Times = Times {
    budget: Duration::from_secs(600),
    warm_up: Duration::from_secs(2),
    window: Duration::from_secs(5),
    soak: Duration::from_secs(60),
};

/// A shorter window measures nothing (ASSUMPTION).
const WINDOW_MIN: Duration = Duration::from_millis(500);

/// With less there are too few batches for an interval ([`tidegate::stats::mean_interval_95`]).
const SOAK_MIN: Duration = Duration::from_secs(5);

/// Requests a second of one project (storj/storj, satellite/metainfo/config.go at 5dbec64f: the default of
/// `rate-limiter`).
const STORJ_REQUESTS_PER_SECOND: f64 = 100.0;

/// When a part fails all of it is sent again: what takes longer than this is too much (ASSUMPTION).
const PART_TAKES_MAX: Duration = Duration::from_secs(300);

struct Times {
    budget: Duration,
    warm_up: Duration,
    window: Duration,
    soak: Duration,
}

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Directions {
    /// To the bucket
    Up,
    /// From the bucket
    Down,
    /// Up, then down, with half of the budget each
    Both,
}

impl Directions {
    fn all(self) -> Vec<Direction> {
        match self {
            Self::Up => vec![Direction::Up],
            Self::Down => vec![Direction::Down],
            Self::Both => vec![Direction::Up, Direction::Down],
        }
    }

    fn flow(self) -> Flow {
        match self {
            Self::Up => Flow::Up,
            Self::Down => Flow::Down,
            Self::Both => Flow::Mixed(Mix::default()),
        }
    }
}

/// Options of `tune`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) target: Target,
    #[command(flatten)]
    search: Search,
    #[command(flatten)]
    pub(super) budgets: Budgets,
    #[command(flatten)]
    proofs: Proofs,
    #[command(flatten)]
    connector: ConnectorFile,
    /// Continue an interrupted run: its directory, its result.json, or its name below --results.
    /// Its options apply and its saved trials are kept. Target, sources and caps must be given again
    /// or confirmed
    #[arg(long, value_name = "RUN", help_heading = "Search")]
    pub(super) resume: Option<PathBuf>,
    /// Seed of the order of the trials
    #[arg(long, default_value_t = 1, help_heading = "Search")]
    seed: u64,
    #[command(flatten)]
    neighbour: Neighbour,
    #[command(flatten)]
    scratch: Scratch,
    #[command(flatten)]
    simulate: Simulate,
    #[command(flatten)]
    files: FilesMoved,
    #[command(flatten)]
    gcs: Gcs,
    #[command(flatten)]
    pub(super) output: Output,
    #[command(flatten)]
    pub(super) metrics: Metrics,
}

/// What is searched.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Search")]
struct Search {
    /// Direction to tune; `both` searches one after the other and also finds one concurrency for both,
    /// as GCS has only one
    #[arg(long, value_enum, default_value = "up")]
    direction: Directions,
    /// Part sizes to try [default: 64MiB,128MiB on Storj's gateway, whose segments are 64 MiB, else
    /// 16MiB,64MiB; larger ones where the largest file needs them]
    #[arg(long, value_name = "SIZE,...", value_delimiter = ',')]
    part_sizes: Vec<ByteSize>,
    /// Most files in flight to try; the search goes higher only while each step pays off [default: 500, Storj's limit
    /// for a project, or what this machine's memory and open files allow]
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..))]
    max_concurrency: Option<u32>,
    /// Highest share of the attempts that may be refused with 429 (slow down), such as 5%
    #[arg(long, value_name = "SHARE", default_value = "5%", value_parser = share)]
    max_refused: f64,
    /// Parts of one file in flight to try; an in-order connector has 1 [default: 1]
    #[arg(long, value_name = "K,...", value_delimiter = ',', value_parser = value_parser!(u32).range(1..))]
    parts_in_flight: Vec<u32>,
    /// Memory for parts in flight (streams x part size), for programs that hold each part whole, as rclone does;
    /// settings that need more are left out [default: no limit]
    #[arg(long, value_name = "SIZE")]
    memory: Option<ByteSize>,
    /// Search with so many DTNs each, such as 1,2,4, and say up to how many another pays: of those that an MPI launcher
    /// has started [default: 1, 2, 3 and 4; of more 1, 2, 4 and so on, and all], or with --simulate that are simulated
    /// [default: 1]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = value_parser!(u32).range(1..=64))]
    dtns: Vec<u32>,
    /// Concurrency that the endpoint is set to now; the recommendation is compared with it [default: that of
    /// --gcs-endpoint, else 2, GCS's normal]
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..))]
    current_concurrency: Option<u32>,
    /// Warm-up before each trial [default: 2s; 300ms without TARGET]
    #[arg(long, value_name = "TIME", value_parser = options::time)]
    warm_up: Option<Duration>,
    /// Measured time of a trial; the quick ones on the way to the knee have half of it [default: 5s; 2s without TARGET]
    #[arg(long, value_name = "TIME", value_parser = window)]
    window: Option<Duration>,
    /// Minimum time for which the choice is held before it is recommended [default: 60s; 8s without TARGET]
    #[arg(long, value_name = "TIME", value_parser = soak)]
    soak: Option<Duration>,
    /// Read each upload back and compare it before it counts, as Globus does, and look for the highest effective speed
    /// instead of the highest goodput
    #[arg(long)]
    verify: bool,
    /// How objects are fetched [default: whole]
    #[arg(long, value_enum)]
    get: Option<GetMode>,
}

/// What is moved.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Dataset")]
struct FilesMoved {
    #[command(flatten)]
    dataset: Dataset,
    /// Download these existing objects and write nothing; permission to read and list is enough
    #[arg(
        long, value_name = "s3://BUCKET/PREFIX/",
        value_parser = options::Unrepeated::<TargetUrl>::new(),
        conflicts_with_all = ["target", "model", "simulate", "dataset", "size", "files", "from", "stored_part_size"]
    )]
    objects: Option<TargetUrl>,
    /// Part size of the objects that are uploaded for downloads [default: that of the current settings]
    #[arg(long, value_name = "SIZE")]
    stored_part_size: Option<ByteSize>,
}

/// What may be spent.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Budget")]
pub(super) struct Budgets {
    /// Time for preparation and trials, such as 10m; a trial that has begun is finished, so the search may end later
    /// [default: 10m for each search; 55s without TARGET]
    #[arg(long, value_name = "TIME", value_parser = options::time)]
    budget: Option<Duration>,
    /// Most bytes to move, in both directions together; a trial stops before it exceeds this [default: 1TB at an
    /// endpoint, without --yes]
    #[arg(long, value_name = "SIZE")]
    max_bytes: Option<ByteSize>,
    /// Most money to spend, such as 5USD; a trial stops before it exceeds this [default: 10USD at an endpoint, without
    /// --yes]
    #[arg(long, value_name = "AMOUNT")]
    max_cost: Option<Usd>,
    /// Prices: a tier of Storj (standard, advanced, legacy), or a TOML file
    #[arg(long, value_name = "TIER|FILE", default_value = "standard")]
    prices: String,
    /// Rate that you expect from all streams together, such as 1GB/s, for the estimate before the search
    #[arg(long, value_name = "RATE")]
    expected_rate: Option<Rate>,
    /// Only print what the search would spend and what it could show
    #[arg(long, conflicts_with = "resume")]
    dry_run: bool,
    /// Allow more than 1 TB or 10 USD; with --resume, confirm what only the run's file says
    #[arg(long)]
    pub(super) yes: bool,
}

impl Budgets {
    /// Objects are kept for as long as the search may take: Storj counts in hours
    /// (storj/docs, `dcs/pricing/legacy`).
    fn resolve(self, usual: Duration) -> Result<Means> {
        let time = self.budget.unwrap_or(usual);
        let caps = Caps {
            bytes: self.max_bytes.map(|size| size.0),
            cost: self.max_cost,
            prices: Prices::read(&self.prices)?,
            kept: Duration::from_secs(time.as_secs().div_ceil(3600) * 3600),
        };
        Ok(Means { time, caps, expected_rate: self.expected_rate, yes: self.yes })
    }
}

impl FilesMoved {
    fn resolve(self) -> Result<Files> {
        if self.objects.is_some() {
            return Ok(Files::Existing);
        }
        Ok(Files::Datasets {
            datasets: self.dataset.resolve_each("climate", DEFAULT_SCALE)?,
            stored_part_size_bytes: self.stored_part_size.map(|size| size.0),
        })
    }
}

impl Search {
    /// Checks what only downloads have, or only uploads; of the `files` some are only downloaded.
    fn check_directions(&self, files: &FilesMoved) -> Result<()> {
        if self.verify && self.direction == Directions::Down {
            return Err(Error::environment(
                "--verify reads uploads back, and only downloads are searched",
            )
            .hint("leave --verify out, or search --direction up or both"));
        }
        let option = match (&files.objects, files.stored_part_size) {
            (Some(_), _) => "--objects",
            (None, Some(_)) => "--stored-part-size",
            (None, None) => return Ok(()),
        };
        match self.direction {
            Directions::Down => Ok(()),
            Directions::Both if files.objects.is_none() => Ok(()),
            _ => {
                let message = format!("{option} is about objects that are downloaded");
                Err(Error::environment(message).hint("add --direction down"))
            }
        }
    }

    /// How long things are measured, unless the user says.
    fn times(&self, usual: &Times) -> tune::Times {
        tune::Times {
            warm_up: self.warm_up.unwrap_or(usual.warm_up),
            window: self.window.unwrap_or(usual.window),
            soak: self.soak.unwrap_or(usual.soak),
        }
    }

    /// The parts of one file in flight to try: those named, else the connector's, else one.
    fn parts_in_flight(&self, connector: Manner) -> Vec<u32> {
        match self.parts_in_flight.is_empty() {
            true => vec![connector.parts_in_flight().unwrap_or(1)],
            false => self.parts_in_flight.clone(),
        }
    }

    /// The part sizes to try, as far as the user or the connector names them.
    fn part_sizes(&self, connector: Manner, gcs: &Gcs) -> Result<Option<Vec<u64>>> {
        let named: Vec<u64> = self.part_sizes.iter().map(|size| size.0).collect();
        if named.is_empty() {
            return Ok(connector.part_size().map(|size| vec![size.0]));
        }
        match gcs.connector_part_size {
            Some(connector) if !named.contains(&connector.0) => Err(Error::environment(format!(
                "--connector-part-size {connector} is not among the part sizes to try"
            ))
            .hint("add it to --part-sizes")),
            _ => Ok(Some(named)),
        }
    }

    /// What searches keep to at this target.
    fn rules(&self, times: tune::Times, target: &TargetOptions, seed: u64) -> Rules {
        let asked = target.paces.requests.as_ref().map(|turns| turns.per_second());
        let limits = Limits {
            memory_bytes: self.memory.map(|size| size.0),
            requests_per_second_max: asked
                .or(target.is_storj().then_some(STORJ_REQUESTS_PER_SECOND)),
            part_takes_max: Some(PART_TAKES_MAX),
        };
        Rules { limits, max_refused: self.max_refused, times, seed }
    }

    /// Streams at most.
    fn streams_max(&self, connector: Manner) -> u64 {
        let parts = self.parts_in_flight(connector).into_iter().max().unwrap_or(1);
        u64::from(self.max_concurrency.unwrap_or(FILES_MAX)) * u64::from(parts)
    }
}

/// A time in which something can be measured.
fn window(text: &str) -> std::result::Result<Duration, String> {
    at_least(
        WINDOW_MIN,
        text,
        "a window of less than half a second measures nothing: give 2s or more",
    )
}

/// A time that is long enough for an interval.
fn soak(text: &str) -> std::result::Result<Duration, String> {
    at_least(
        SOAK_MIN,
        text,
        "a soak of less than 5 seconds is too short for an interval: give 60s, or 5s at least",
    )
}

fn at_least(least: Duration, text: &str, why: &str) -> std::result::Result<Duration, String> {
    let time = options::time(text)?;
    (time >= least).then_some(time).ok_or_else(|| why.to_owned())
}

/// `5%` or `0.05`.
fn share(text: &str) -> std::result::Result<f64, &'static str> {
    let (number, unit) = match text.strip_suffix('%') {
        Some(number) => (number, 0.01),
        None => (text, 1.0),
    };
    let share = number.trim().parse::<f64>().ok().map(|number| number * unit);
    share.filter(|share| (0.0..1.0).contains(share)).ok_or("write a share below one, such as 5%")
}

pub(super) fn run(args: Args) -> Result<()> {
    let (args, cut_off) = resume::resolve(args)?;
    let simulated = args.simulate.is_asked();
    args.metrics.check(simulated)?;
    let (output, metrics, only_estimates) =
        (args.output.clone(), args.metrics.clone(), args.budgets.dry_run);
    let crew = dtns::crew(simulated, args.target.is_embedded() && args.files.objects.is_none())?;
    let options = args.resolve(crew.size())?;
    if only_estimates {
        return dry_run(&options, &output);
    }
    output.session(&metrics, crew.leads(), async move |interrupt, mut progress| {
        if !simulated {
            let tune = session::tune(&options, cut_off, &crew, &interrupt, &mut progress);
            let finished = tune.await;
            progress.end();
            return finished;
        }
        let tune = move || async move {
            let alone = Crew::alone();
            let tune = session::tune(&options, cut_off, &alone, &interrupt, &mut progress);
            let finished = tune.await;
            progress.end();
            finished
        };
        session::in_simulated_time(tune).await
    })
}

impl Args {
    fn resolve(mut self, crew: u32) -> Result<TuneOptions> {
        self.search.check_directions(&self.files)?;
        self.target.target = self.target.target.or(self.files.objects.clone());
        let is_demonstration = self.target.is_embedded() && !self.simulate.is_asked();
        let usual = if is_demonstration { DEMONSTRATION } else { ENDPOINT };
        let times = self.search.times(&usual);
        let flow = self.search.direction.flow();
        let connector = self.connector.read(flow)?;
        let manner = connector.as_ref().map(|connector| connector.manner).unwrap_or_default();
        let part_sizes = self.search.part_sizes(manner, &self.gcs)?;
        let mut target = self.target.resolve()?;
        // What is read back must still be there.
        let retained = if self.search.verify { Flow::Down } else { flow };
        self.simulate.set(&mut target, retained, self.seed);
        self.neighbour.set(&mut target, self.search.streams_max(manner))?;
        self.proofs.set(&mut target, flow)?;
        self.scratch.set(&mut target);
        let gcs = self.gcs.resolve(manner, target.is_storj().then_some(FILES_MAX))?;
        let rules = self.search.rules(times, &target, self.seed);
        let current = gcs::current_concurrency(self.search.current_concurrency, &gcs, manner)?;
        let files = self.files.resolve()?;
        let directions = self.search.direction.all();
        let others = directions.len() * files.searches();
        let dtns = dtns::searched(&self.search.dtns, crew, target.simulation.is_some(), others)?;
        let searches = (others * dtns.len()) as u32;
        let search = SearchOptions {
            directions,
            dtns,
            part_sizes,
            concurrency_max: self.search.max_concurrency,
            parts_in_flight: self.search.parts_in_flight(manner),
            current_concurrency: current.unwrap_or(GCS_NORMAL_CONCURRENCY.0),
            verify: self.search.verify,
            get: self.search.get.or(manner.get).unwrap_or_default(),
            rules,
        };
        let means = self.budgets.resolve(usual.budget * searches)?;
        let saving = self.output.saving();
        Ok(TuneOptions { target, search, files, connector, means, gcs, saving })
    }
}

/// Says what a search would spend, and stops there.
fn dry_run(options: &TuneOptions, output: &Output) -> Result<()> {
    let estimate = options::runtime()?.block_on(async {
        let interrupt = Interrupt::install()?;
        session::estimate(options, &interrupt, &output.progress()).await
    })?;
    output.print(&estimate, &estimate.text())
}
