//! What is asked of a plan.

use std::io::ErrorKind;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use crate::cli::options::time;
use crate::cli::serve::read_limits;
use tidegate::dataset::{self, Dataset, PROFILES, Scale, Symlinks, Synthetic};
use tidegate::error::{Error, Result};
use tidegate::outside::{self, DOCUMENT_MAX};
use tidegate::plan::{self, Manner, Question, Shape, Startup};
use tidegate::prices::Prices;
use tidegate::result::{Direction, Document, Settings};
use tidegate::storj::Limits;
use tidegate::transfer::GetMode;
use tidegate::units::{ByteSize, MIB, Rate};

/// Storj's segments are as large (storj/storj satellite/metainfo/config.go).
const PART_SIZE: ByteSize = ByteSize(64 * MIB);

/// GCS's `normal` has 4 at most (globus-cli, endpoint introspection).
const CONCURRENCY: u32 = 4;

/// A plan is of no more bytes and files than this: an exabyte, and a thousand million million.
const BYTES_MAX: f64 = 1e18;
const FILES_MAX: f64 = 1e15;

/// Streams of a DTN: what is measured first grows with them. Storj admits 500 transfers of a project.
const STREAMS_MAX: u64 = 2_000;

/// Streams of all DTNs: movers are followed one by one where limits bind.
const MOVERS_MAX: u64 = 100_000;

/// The question.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Question")]
pub(super) struct Asked {
    /// What to move: a named dataset (as for `run`), a directory, or a manifest with rows `path,size_bytes`
    #[arg(long, value_name = "NAME|DIR|FILE")]
    dataset: Option<String>,
    /// Total size of the dataset, such as 500TB; the mix of file sizes stays the same
    #[arg(long)]
    size: Option<ByteSize>,
    /// Number of files of a named dataset
    #[arg(long, value_name = "N")]
    files: Option<u64>,
    /// Which way the data goes
    #[arg(long, value_enum, default_value = "up")]
    pub(super) direction: Direction,
    /// Time in which the transfer has to be done: the plan says how many DTNs that takes
    #[arg(long, value_name = "TIME", value_parser = time)]
    deadline: Option<Duration>,
    /// Number of DTNs, or a range such as 1..8
    #[arg(long, value_name = "N|A..B", default_value = "1")]
    nodes: Range,
    /// Tasks that each DTN runs at a time; the dataset is divided among them
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    tasks: u32,
    /// Read everything back after the upload, as Globus does by default
    #[arg(long)]
    verify: bool,
    /// Bytes of a part [default: those recommended or measured]
    #[arg(long, value_name = "SIZE")]
    part_size: Option<ByteSize>,
    /// Files in flight of a task [default: those recommended or measured]
    #[arg(long, short = 'c', value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    concurrency: Option<u32>,
    /// Parts of one file in flight [default: those recommended or measured]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..))]
    parts_in_flight: Option<u32>,
    /// How objects are fetched
    #[arg(long, value_enum, default_value_t)]
    pub(super) get: GetMode,
    /// Capacity that all DTNs share on the way to Storj, such as a site's uplink of 100Gbit/s
    #[arg(long, value_name = "RATE")]
    shared_link: Option<Rate>,
    /// Limits of the project: `storj` for the published ones, `none`, or a TOML file [default: those of
    /// the simulation, otherwise storj]
    #[arg(long, value_name = "LIMITS")]
    limits: Option<String>,
    /// Prices: standard, advanced, legacy, or a file in TOML
    #[arg(long, value_name = "TIER|FILE", default_value = "standard")]
    prices: String,
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

impl Asked {
    /// The question, but for the settings, which follow from results; with the limits of a simulation, if there is one.
    ///
    /// # Errors
    /// If the dataset, the limits or the prices cannot be read.
    pub(super) fn question(&self, globus: Startup, simulated: Option<Limits>) -> Result<Question> {
        Ok(Question {
            dataset: self.dataset().to_owned(),
            shape: self.shape()?,
            manner: self.manner(&[]),
            nodes: self.nodes.0,
            tasks: self.tasks,
            verify: self.verify,
            deadline: self.deadline,
            shared_link_bytes_per_second: self.shared_link.map(|rate| rate.0),
            limits: match &self.limits {
                Some(name) => read_limits(name)?,
                None => simulated.unwrap_or_else(Limits::storj),
            },
            globus,
            prices: Prices::read(&self.prices)?,
        })
    }

    /// The ways that a plan needs to know: to verify an upload it is read back.
    pub(super) fn directions(&self) -> Vec<Direction> {
        match (self.direction, self.verify) {
            (Direction::Up, true) => vec![Direction::Up, Direction::Down],
            (direction, _) => vec![direction],
        }
    }

    /// The files that are to be moved.
    fn shape(&self) -> Result<Shape> {
        let shape = self.sizes()?;
        if shape.bytes() > BYTES_MAX || shape.files() > FILES_MAX {
            let what = format!("{:.1e} files of {:.1e} bytes in all", shape.files(), shape.bytes());
            return Err(Error::environment(format!("the transfer is too large to plan: {what}"))
                .hint("a dataset has at most 1e15 files and 1e18 bytes (1 EB)"));
        }
        Ok(shape)
    }

    /// What is to be moved, by its name.
    fn dataset(&self) -> &str {
        self.dataset.as_deref().unwrap_or("climate")
    }

    fn sizes(&self) -> Result<Shape> {
        let name = self.dataset();
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
            Shape::of_sizes(
                dataset::scan(path, Symlinks::Ignore)?
                    .files
                    .into_iter()
                    .map(|file| file.size_bytes),
            )?
        } else if path.is_file() {
            let file = outside::open(path).map_err(|error| unreadable(path, &error))?;
            plan::manifest(file).map_err(|error| named(path, &error))?
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
            _ => Err(Error::environment("the dataset has no bytes to plan for")
                .hint("name a dataset with bytes in it, or a --size above zero")),
        }
    }

    /// As the user says, else as recommended, else as most recently measured.
    pub(super) fn manner(&self, documents: &[Document]) -> Manner {
        let direction = self.direction;
        let recommended = documents.iter().rev().filter_map(|one| one.recommendation.as_ref());
        let recommended =
            recommended.filter(|one| one.direction == direction).map(|one| one.settings).next();
        let measured = || documents.iter().rev().flat_map(|one| one.trials.iter().rev()).next();
        let found = recommended.or_else(|| measured().map(|trial| trial.settings));
        Manner { direction, settings: self.settings(found), ranged: self.get == GetMode::Ranged }
    }

    /// As the user says, else as they were found.
    pub(super) fn settings(&self, found: Option<Settings>) -> Settings {
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

    /// Refuses more streams than can be followed.
    pub(super) fn check_streams(&self, settings: Settings) -> Result<()> {
        let [_, nodes] = self.nodes.0;
        let of_node = u64::from(settings.concurrency)
            .saturating_mul(settings.parts_in_flight.into())
            .saturating_mul(self.tasks.into());
        let message = match () {
            () if of_node > STREAMS_MAX => {
                format!(
                    "{of_node} streams of a DTN are more than the {STREAMS_MAX} that a plan can be made for"
                )
            }
            () if of_node * u64::from(nodes) > MOVERS_MAX => format!(
                "{nodes} DTNs with {of_node} streams each are more than the {MOVERS_MAX} that a plan follows"
            ),
            () => return Ok(()),
        };
        Err(Error::environment(message)
            .hint("lower --nodes, --tasks, --concurrency or --parts-in-flight"))
    }
}

/// Reads a file and what is in it.
pub(super) fn read<T>(path: &Path, parse: impl Fn(&str) -> Result<T>) -> Result<T> {
    let text = outside::text(path, DOCUMENT_MAX).map_err(|error| unreadable(path, &error))?;
    parse(&text).map_err(|error| named(path, &error))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    let what_next = match error.kind() {
        ErrorKind::InvalidData => "name another file, or save it as UTF-8",
        _ => "name a file that you may read",
    };
    Error::environment(format!("cannot read {}: {error}", path.display())).hint(what_next)
}

fn named(path: &Path, error: &Error) -> Error {
    Error::environment(format!("{}: {error}", path.display()))
}
