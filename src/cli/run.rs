//! `tidegate run`: one dataset, one direction, one setting.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{ArgGroup, value_parser};

use super::connector::ConnectorFile;
use super::dtns;
use super::metrics::Metrics;
use super::options::{Dataset, Neighbour, Output, Proofs, Scratch, Simulate, Target, time};
use tidegate::crew::Crew;
use tidegate::dataset::Scale;
use tidegate::error::{Error, Result};
use tidegate::result::{Settings, Traffic};
use tidegate::session::{self, Expiry, Objects, Replay, RunOptions};
use tidegate::transfer::{Arrivals, Flow, Found, GetMode, Mix};
use tidegate::trial::{Load, Stop};
use tidegate::units::{ByteSize, MIB};

/// Moved when the user names no dataset: seconds on the embedded gateway, cents at an endpoint.
const DEFAULT_SCALE: Scale = Scale { size: Some(ByteSize(2_000_000_000)), files: None };

/// Storj's segments are as large (storj/storj satellite/metainfo/config.go).
const PART_SIZE: ByteSize = ByteSize(64 * MIB);

/// Longest that a run looks for stability when the user sets no end (a limit on everything).
const STABLE_WITHIN: Duration = Duration::from_secs(600);

/// Shortest stretch that can be called stable: ten batches of half a second.
const STRETCH_MIN: Duration = Duration::from_secs(5);

/// A time that can show something stable.
fn stretch(text: &str) -> std::result::Result<Duration, String> {
    let stretch = time(text)?;
    let is_enough = stretch >= STRETCH_MIN;
    let why = "less than 5 seconds do not show that anything is stable: give 10s or more";
    is_enough.then_some(stretch).ok_or_else(|| why.to_owned())
}

/// The size of a part, which has at least one byte.
fn part_size(text: &str) -> std::result::Result<ByteSize, String> {
    match text.parse().map_err(|why: <ByteSize as FromStr>::Err| why.to_string())? {
        ByteSize(0) => Err("parts have at least one byte".into()),
        size => Ok(size),
    }
}

/// Options of `run`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    target: Target,
    /// Which way the data goes
    #[arg(long, value_enum, default_value = "up", help_heading = "Transfer")]
    direction: Traffic,
    /// Files up and files down in a mixed run, such as 70:30 [default: 50:50]
    #[arg(long, value_name = "UP:DOWN", help_heading = "Load")]
    mix: Option<Mix>,
    /// Size of a multipart part, and of a range with --get ranged [default: 64MiB]
    #[arg(long, value_name = "SIZE", help_heading = "Transfer")]
    part_size: Option<ByteSize>,
    /// Files in flight: Globus's concurrency [default: 4]
    #[arg(long, short = 'c', value_name = "N", help_heading = "Transfer")]
    concurrency: Option<u32>,
    /// Parts of one file in flight; an in-order connector has 1 [default: 1]
    #[arg(long, value_name = "K", help_heading = "Transfer")]
    parts_in_flight: Option<u32>,
    /// How objects are fetched [default: whole]
    #[arg(long, value_enum, help_heading = "Transfer")]
    get: Option<GetMode>,
    #[command(flatten)]
    proofs: Proofs,
    #[command(flatten)]
    connector: ConnectorFile,
    #[command(flatten)]
    load: Rounds,
    #[command(flatten)]
    objects: Fate,
    /// Repeat the requests of a client that `serve --log FILE` recorded: its files, sizes, parts and order, and the
    /// time that it took between an answer and the next request. The data is synthetic, and is written below a prefix
    /// of the run's own
    #[arg(long, value_name = "FILE", help_heading = "Connector", conflicts_with_all = [
        "direction", "mix", "part_size", "concurrency", "parts_in_flight", "get", "connector", "stop", "arrivals",
        "verify", "no_verify", "keep", "to", "dataset", "size", "files", "from",
    ])]
    replay: Option<PathBuf>,
    /// How many DTNs the simulation has, each with a link of its own to one project: the concurrency is that of each
    #[arg(long, value_name = "N", requires = "simulate", value_parser = value_parser!(u32).range(1..), help_heading = "Load")]
    dtns: Option<u32>,
    /// Seed of all random choices [default: 1 with --simulate or several DTNs, otherwise a new one each time]
    #[arg(long, value_name = "N", help_heading = "Load")]
    seed: Option<u64>,
    #[command(flatten)]
    neighbour: Neighbour,
    #[command(flatten)]
    scratch: Scratch,
    #[command(flatten)]
    simulate: Simulate,
    #[command(flatten)]
    dataset: Dataset,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    metrics: Metrics,
}

/// What becomes of objects.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Transfer")]
struct Fate {
    /// Verify each object: read it back after an upload and compare it with its source (the default with
    /// --from), or compare an existing object with its ETag
    #[arg(long, overrides_with = "no_verify")]
    verify: bool,
    /// Do not verify objects
    #[arg(long)]
    no_verify: bool,
    /// Part size with which existing objects were uploaded, for --verify on endpoints that do not report it, such as
    /// Storj
    #[arg(long, value_name = "SIZE", value_parser = part_size, requires = "verify")]
    etag_part_size: Option<ByteSize>,
    /// Leave the uploaded objects at TARGET, whose prefix must be empty; an interrupted run deletes them
    #[arg(long)]
    keep: bool,
    /// Write downloads into this directory, which must be new or empty unless --resume is given; by default
    /// the bytes are discarded
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    /// Continue an interrupted download: files in DIR that have the size of their object (with --verify: its
    /// ETag) are kept, missing ones are downloaded, and different ones fail
    #[arg(long, requires = "to")]
    resume: bool,
}

impl Fate {
    fn resolve(self) -> Objects {
        Objects {
            verify: match (self.verify, self.no_verify) {
                (true, _) => Some(true),
                (false, true) => Some(false),
                (false, false) => None,
            },
            etag_part_size_bytes: self.etag_part_size.map(|size| size.0),
            keep: self.keep,
            to: self.to,
            found: if self.resume { Found::Taken } else { Found::Refused },
        }
    }
}

/// How long files are moved, and when they begin.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Load", group(ArgGroup::new("stop").multiple(true)))]
struct Rounds {
    /// Keep moving files, over and over, for this long, instead of moving the dataset once
    #[arg(long = "for", value_name = "TIME", value_parser = time, group = "stop")]
    duration: Option<Duration>,
    /// Keep moving files until this many have been started, and finish those
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..), group = "stop")]
    stop_after_objects: Option<u64>,
    /// Keep moving files until this many bytes have been started, and finish those files
    #[arg(long, value_name = "SIZE", group = "stop")]
    stop_after_bytes: Option<ByteSize>,
    /// Keep moving files until the rate has been stable for TIME, for at most --for, or 10 minutes [default TIME: 10s]
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true, default_missing_value = "10s", value_parser = stretch, group = "stop")]
    stop_when_stable: Option<Duration>,
    /// Minimum warm-up before the measured time
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = time, requires = "stop")]
    warm_up: Duration,
    /// Start files at a rate of constant:RATE or poisson:RATE files per second, instead of whenever another file ends
    /// (open loop)
    #[arg(long, value_name = "RATE")]
    arrivals: Option<Arrivals>,
}

impl Rounds {
    /// The dataset once, unless the user says how it ends.
    fn resolve(&self) -> Load {
        let stop = Stop {
            window: match self.stop_when_stable {
                Some(_) => self.duration.or(Some(STABLE_WITHIN)),
                None => self.duration,
            },
            objects: self.stop_after_objects,
            bytes: self.stop_after_bytes.map(|size| size.0),
            stable: self.stop_when_stable,
            ..Stop::default()
        };
        match stop == Stop::default() {
            true => Load::WholeTask,
            false => Load::Timed { warm_up: self.warm_up, stop },
        }
    }
}

impl Args {
    fn flow(&self) -> Flow {
        match self.direction {
            Traffic::Up => Flow::Up,
            Traffic::Down => Flow::Down,
            Traffic::Mixed => Flow::Mixed(self.mix.unwrap_or_default()),
        }
    }

    /// Whether what lies at the target is downloaded.
    fn is_about_existing_objects(&self) -> bool {
        self.direction == Traffic::Down && !self.target.is_embedded() && !self.dataset.is_named()
    }
}

pub(super) fn run(args: Args) -> Result<()> {
    refuse_contradictions(&args)?;
    let crew = dtns::crew(args.simulate.is_asked(), args.target.is_embedded())?;
    refuse_together(&args, !crew.is_alone() || args.dtns.is_some())?;
    let replay = args.replay.as_deref().map(Replay::read).transpose()?;
    let direction = replay.as_ref().map_or(args.flow(), |replay| replay.direction().into());
    let existing = args.is_about_existing_objects();
    let dataset =
        (!existing && replay.is_none()).then(|| args.dataset.resolve("climate", DEFAULT_SCALE));
    let simulated = args.simulate.is_asked();
    args.metrics.check(simulated)?;
    let is_given = simulated || !crew.is_alone();
    let seed = args.seed.unwrap_or_else(|| if is_given { 1 } else { fastrand::u64(..) });
    let connector = args.connector.read(direction)?;
    let manner = connector.as_ref().map(|connector| connector.manner).unwrap_or_default();
    let named = Settings {
        part_size_bytes: args.part_size.or(manner.part_size()).unwrap_or(PART_SIZE).0,
        concurrency: args.concurrency.or(manner.concurrency()).unwrap_or(4),
        parts_in_flight: args.parts_in_flight.or(manner.parts_in_flight()).unwrap_or(1),
    };
    let settings = replay.as_ref().map_or(named, Replay::settings);
    let mut target = args.target.resolve()?;
    // What a replay has uploaded it may ask for again.
    let asked_again = if replay.is_some() { Flow::Down } else { direction };
    args.simulate.set(&mut target, asked_again, seed);
    args.neighbour.set(&mut target, settings.streams().into())?;
    args.proofs.set(&mut target, direction)?;
    args.scratch.set(&mut target);
    if args.objects.keep {
        target.expire = Expiry::Never;
    }
    let options = RunOptions {
        target,
        dtns: args.dtns.unwrap_or(1),
        seed,
        direction,
        dataset,
        replay,
        settings,
        get: args.get.or(manner.get).unwrap_or_default(),
        connector,
        load: args.load.resolve(),
        arrivals: args.load.arrivals.unwrap_or_default(),
        objects: args.objects.resolve(),
        saving: args.output.saving(),
    };
    let metrics = args.metrics;
    args.output.session(&metrics, crew.leads(), async move |interrupt, mut progress| {
        if !simulated {
            let finished = session::run(&options, &crew, &interrupt, &mut progress).await;
            progress.end();
            return finished;
        }
        let run = move || async move {
            let finished = session::run(&options, &Crew::alone(), &interrupt, &mut progress).await;
            progress.end();
            finished
        };
        session::in_simulated_time(run).await
    })
}

/// What a DTN measures by itself.
fn refuse_together(args: &Args, several: bool) -> Result<()> {
    let is_simple = match args.load.resolve() {
        Load::WholeTask => true,
        Load::Timed { stop, .. } => {
            stop.objects.is_none() && stop.bytes.is_none() && stop.stable.is_none()
        }
    };
    let what = match several {
        true if args.direction == Traffic::Mixed => "--direction mixed",
        true if args.replay.is_some() => "--replay",
        true if args.load.arrivals.is_some() => "--arrivals",
        true if !is_simple => "--stop-...",
        _ => return Ok(()),
    };
    Err(Error::environment(format!("{what} is measured by one DTN alone"))
        .hint("leave it out, or start one process"))
}

/// Refuses what one direction, or one kind of load, does not have. The first that is met is told.
fn refuse_contradictions(args: &Args) -> Result<()> {
    use Traffic::{Down, Mixed, Up};

    let (way, existing) = (args.direction, args.is_about_existing_objects());
    let (keep, to, verify) = (args.objects.keep, args.objects.to.is_some(), args.objects.verify);
    let contradictions = [
        (
            args.load.resolve() != Load::WholeTask && (keep || to),
            "--for and --stop-... move the same files again and again",
            "leave them out to keep what arrives, or --keep and --to to measure",
        ),
        (
            args.simulate.is_asked() && (verify || keep || to),
            "a simulation moves no bytes: there is nothing to verify or to keep",
            "leave --verify, --keep and --to out",
        ),
        (
            way != Mixed && args.mix.is_some(),
            "--mix is for mixed runs",
            "add --direction mixed, or leave --mix out",
        ),
        (
            way == Mixed && (keep || to || verify),
            "a mixed run measures only: nothing is kept, and nothing is compared",
            "leave out --keep, --to and --verify",
        ),
        (way == Up && to, "--to is for downloads", "add --direction down, or leave --to out"),
        (
            way == Down && keep,
            "--keep is for uploads",
            "a download leaves existing objects as they are",
        ),
        (
            way == Down && args.dataset.is_directory(),
            "--from is for uploads",
            "a download takes what lies at TARGET, or a --dataset",
        ),
        (
            args.objects.resume && !existing,
            "--resume is for objects that exist, not for those of this run",
            "leave it out, or download what lies at a target",
        ),
        (
            args.objects.etag_part_size.is_some() && !existing,
            "--etag-part-size is for objects that exist, not for those of this run",
            "leave it out, or download what lies at a target",
        ),
        (
            verify && existing && args.get == Some(GetMode::Ranged),
            "an ETag is of an object as a whole, and does not come from ranges",
            "leave --get ranged out, or --verify",
        ),
        (
            way == Up && keep && args.target.is_embedded(),
            "--keep needs a target",
            "the embedded gateway ends with the run",
        ),
    ];
    match contradictions.into_iter().find(|(is_met, ..)| *is_met) {
        Some((_, what, hint)) => Err(Error::environment(what).hint(hint)),
        None => Ok(()),
    }
}
