//! The options of `plan`.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::cli::options::{Endpoint, time};
use tidegate::report::Format;
use tidegate::result::Direction;
use tidegate::transfer::{GetMode, RetryMode};
use tidegate::units::{ByteSize, Rate};

/// What `--measure` alone means.
pub const EMBEDDED: &str = "embedded";

/// Options of `plan`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Runs that the model is fitted to: directories of runs, or of results
    #[arg(value_name = "RESULT")]
    pub results_read: Vec<PathBuf>,
    /// What to move: a named dataset (as for `run`), a directory, or a manifest with rows `path,size_bytes`
    #[arg(long, value_name = "NAME|DIR|FILE", help_heading = "Question")]
    pub dataset: Option<String>,
    /// Total size of the dataset, such as 500TB; the mix of file sizes stays the same
    #[arg(long, help_heading = "Question")]
    pub size: Option<ByteSize>,
    /// Number of files of a named dataset
    #[arg(long, value_name = "N", help_heading = "Question")]
    pub files: Option<u64>,
    /// Which way the data goes
    #[arg(long, value_enum, default_value = "up", help_heading = "Question")]
    pub direction: Direction,
    /// Time in which it has to be done: the plan says how many DTNs that takes
    #[arg(long, value_name = "TIME", value_parser = time, help_heading = "Question")]
    pub deadline: Option<Duration>,
    /// Number of DTNs, or a range such as 1..8
    #[arg(long, value_name = "N|A..B", default_value = "1", help_heading = "Question")]
    pub nodes: Range,
    /// Tasks that each DTN runs at a time; the dataset is divided among them
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100), help_heading = "Question")]
    pub tasks: u32,
    /// Read everything back after the upload, as Globus does by default
    #[arg(long, help_heading = "Question")]
    pub verify: bool,
    /// Bytes of a part [default: those recommended or measured]
    #[arg(long, value_name = "SIZE", help_heading = "Question")]
    pub part_size: Option<ByteSize>,
    /// Files in flight of a task [default: those recommended or measured]
    #[arg(long, short = 'c', value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Question")]
    pub concurrency: Option<u32>,
    /// Parts of one file in flight [default: those recommended or measured]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Question")]
    pub parts_in_flight: Option<u32>,
    /// How objects are fetched
    #[arg(long, value_enum, default_value_t, help_heading = "Question")]
    pub get: GetMode,
    /// Capacity that all DTNs share on the way to Storj, such as a site's uplink of 100Gbit/s
    #[arg(long, value_name = "RATE", help_heading = "Question")]
    pub shared_link: Option<Rate>,
    /// Limits of the project: `storj` for the published ones, `none`, or a TOML file [default: those of
    /// the simulation, otherwise storj]
    #[arg(long, value_name = "LIMITS", help_heading = "Question")]
    pub limits: Option<String>,
    /// Prices: standard, advanced, legacy, or a file in TOML
    #[arg(long, value_name = "TIER|FILE", default_value = "standard", help_heading = "Question")]
    pub prices: String,
    /// Time that Globus adds to each task [default: 5.9s, from published tasks of one small file]
    #[arg(long, value_name = "TIME", value_parser = time, help_heading = "Globus")]
    pub globus_startup: Option<Duration>,
    /// Time that Globus adds to each file of a worker [default: 0s; no figure is published]
    #[arg(long, value_name = "TIME", value_parser = time, help_heading = "Globus")]
    pub globus_per_file: Option<Duration>,
    /// Real task to compare with: the output of `globus task show TASK_ID -F json`; can be repeated
    #[arg(long, value_name = "FILE", help_heading = "Globus")]
    pub globus_task: Vec<PathBuf>,
    /// Its events: the output of `globus task event-list TASK_ID -F json`
    #[arg(long, value_name = "FILE", help_heading = "Globus")]
    pub globus_events: Vec<PathBuf>,
    /// Test between the two DTNs: the output of `iperf3 --client HOST --json`
    #[arg(long, value_name = "FILE", help_heading = "Globus")]
    pub iperf3: Option<PathBuf>,
    /// Measure what a plan needs at this target, s3://bucket/prefix [default: the embedded gateway]
    #[arg(long, value_name = "TARGET", num_args = 0..=1, default_missing_value = EMBEDDED, help_heading = "Measuring")]
    pub measure: Option<String>,
    /// Link of the embedded gateway (a preset, or TOML as for `serve --model`)
    #[arg(long, value_name = "FILE", requires = "measure", help_heading = "Measuring")]
    pub model: Option<PathBuf>,
    /// Time for measuring; a series of tasks that has begun is finished
    #[arg(long, value_name = "TIME", default_value = "3m", value_parser = time, help_heading = "Measuring")]
    pub budget: Duration,
    /// How requests slow down after a 429 or 503 SlowDown
    #[arg(long, value_enum, value_name = "MODE", default_value_t, help_heading = "Measuring")]
    pub retry: RetryMode,
    #[command(flatten)]
    pub endpoint: Endpoint,
    /// Simulate the transfer on a preset or a file as for `serve --model`; without RESULT the runs that the model is
    /// fitted to are simulated as well
    #[arg(
        long,
        value_name = "PRESET|FILE",
        conflicts_with = "measure",
        help_heading = "Simulation"
    )]
    pub simulate: Option<PathBuf>,
    /// Simulations for each number of DTNs, each with its own seed
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000), help_heading = "Simulation")]
    pub seeds: u32,
    /// Seed of the first simulation and of the order of measured tasks
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Simulation")]
    pub seed: u64,
    /// Format of the plan; csv has a row for each number of DTNs
    #[arg(long, short, value_enum, default_value_t, help_heading = "Output")]
    pub format: Format,
    /// Print the plan as JSON (schema tidegate.plan/1), as --format json does
    #[arg(long, help_heading = "Output", conflicts_with = "format")]
    pub json: bool,
    /// Directory below which the plan and each measured run get a directory of their own
    #[arg(long, value_name = "DIR", default_value = "results", help_heading = "Output")]
    pub results: PathBuf,
    /// Print no progress, only the plan
    #[arg(long, short, help_heading = "Output")]
    pub quiet: bool,
}

/// One number, or all from one to another.
#[derive(Clone, Copy, Debug)]
pub struct Range(pub [u32; 2]);

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
