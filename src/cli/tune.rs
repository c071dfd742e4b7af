//! `tidegate tune`: which part size and concurrency to set.

use std::time::Duration;

use clap::value_parser;

use super::connector::ConnectorFile;
use super::options::{self, Dataset, Output, Simulate, Target};
use crate::dataset::Scale;
use crate::error::{Error, Result};
use crate::observe::Manner;
use crate::result::Direction;
use crate::session::{self, TargetOptions, TuneOptions};
use crate::transfer::GetMode;
use crate::tune::{GCS_NORMAL_CONCURRENCY, GcsOptions};
use crate::units::{ByteSize, MIB};

/// Prepared for downloads when the user names no dataset; uploads go round and round in it.
const DEFAULT_SCALE: Scale = Scale { size: Some(ByteSize(2_000_000_000)), files: None };

/// Tried when nothing is known of the connector: a segment of Storj's, and a quarter of it.
const PART_SIZES_BYTES: [u64; 2] = [16 * MIB, 64 * MIB];

/// Times of a demonstration on the embedded gateway.
const DEMONSTRATION: Times = Times {
    budget: Duration::from_secs(75),
    warm_up: Duration::from_millis(500),
    window: Duration::from_millis(1200),
};

/// Times at a real endpoint.
const ENDPOINT: Times = Times {
    budget: Duration::from_secs(600),
    warm_up: Duration::from_secs(3),
    window: Duration::from_secs(8),
};

struct Times {
    budget: Duration,
    warm_up: Duration,
    window: Duration,
}

/// Options of `tune`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    target: Target,
    /// Which way to tune
    #[arg(long, value_enum, default_value = "up", help_heading = "Search")]
    direction: options::Direction,
    /// Part sizes to try [default: 16MiB,64MiB]
    #[arg(long, value_name = "SIZE,...", value_delimiter = ',', help_heading = "Search")]
    part_sizes: Vec<ByteSize>,
    /// Highest number of files in flight to try
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = value_parser!(u32).range(1..), help_heading = "Search")]
    max_concurrency: u32,
    /// Parts of one file in flight; an in-order connector has 1 [default: 1]
    #[arg(long, value_name = "K", value_parser = value_parser!(u32).range(1..), help_heading = "Search")]
    parts_in_flight: Option<u32>,
    /// Concurrency that is set now, to compare with [default: 2, GCS's normal]
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..), help_heading = "Search")]
    current_concurrency: Option<u32>,
    /// Time for all trials, such as 10m [default: 10m; 75s without TARGET]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, help_heading = "Search")]
    budget: Option<Duration>,
    /// Least warm-up of a trial [default: 3s; 500ms without TARGET]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, help_heading = "Search")]
    warm_up: Option<Duration>,
    /// Measured time of a trial [default: 8s; 1200ms without TARGET]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, help_heading = "Search")]
    window: Option<Duration>,
    /// How objects are fetched [default: whole]
    #[arg(long, value_enum, help_heading = "Search")]
    get: Option<GetMode>,
    #[command(flatten)]
    connector: ConnectorFile,
    /// Seed of the order of the trials
    #[arg(long, default_value_t = 1, help_heading = "Search")]
    seed: u64,
    #[command(flatten)]
    simulate: Simulate,
    #[command(flatten)]
    dataset: Dataset,
    #[command(flatten)]
    gcs: Gcs,
    #[command(flatten)]
    output: Output,
}

/// What the Globus Connect Server commands depend on; the measurements do not.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Globus commands")]
struct Gcs {
    /// Part size of the S3 connector, if you know it
    #[arg(long, value_name = "SIZE")]
    connector_part_size: Option<ByteSize>,
    /// Cores of the DTN: caps the number that is printed
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..))]
    dtn_cores: Option<u32>,
    /// Preferred concurrency of the other endpoint
    #[arg(long, value_name = "N", requires = "peer_max")]
    peer_preferred: Option<u32>,
    /// Highest concurrency of the other endpoint
    #[arg(long, value_name = "N", requires = "peer_preferred")]
    peer_max: Option<u32>,
    /// Preferred parallelism as it is now [default: 4, GCS's normal]
    #[arg(long, value_name = "N", requires = "max_parallelism")]
    preferred_parallelism: Option<u32>,
    /// Highest parallelism as it is now [default: 8, GCS's normal]
    #[arg(long, value_name = "N", requires = "preferred_parallelism")]
    max_parallelism: Option<u32>,
}

impl Gcs {
    fn resolve(self, connector: Manner) -> GcsOptions {
        let part_size = self.connector_part_size.or(connector.part_size());
        GcsOptions {
            connector_part_size_bytes: part_size.map(|size| size.0),
            connector_parts_in_flight: connector.parts_in_flight(),
            dtn_cores: self.dtn_cores,
            peer: self.peer_preferred.zip(self.peer_max),
            parallelism: self.preferred_parallelism.zip(self.max_parallelism),
        }
    }
}

pub(super) fn run(args: Args) -> Result<()> {
    let simulated = args.simulate.is_asked();
    let demonstration = args.target.is_embedded() && !simulated;
    let times = if demonstration { DEMONSTRATION } else { ENDPOINT };
    let window = args.window.unwrap_or(times.window);
    if window < Duration::from_millis(500) {
        return Err(Error::environment("a window of less than half a second measures nothing")
            .hint("give --window 2s or more"));
    }
    let direction = Direction::from(args.direction);
    let connector = args.connector.read(direction.into())?;
    let manner = connector.as_ref().map(|connector| connector.manner).unwrap_or_default();
    let get = args.get.or(manner.get).unwrap_or_default();
    let part_sizes_bytes = part_sizes(&args, manner, get)?;
    let simulation = args.simulate.resolve(direction, args.seed);
    let options = TuneOptions {
        target: TargetOptions { simulation, ..args.target.resolve() },
        direction,
        dataset: args.dataset.resolve("climate", DEFAULT_SCALE),
        part_sizes_bytes,
        concurrency_max: args.max_concurrency,
        parts_in_flight: args.parts_in_flight.or(manner.parts_in_flight()).unwrap_or(1),
        current_concurrency: args
            .current_concurrency
            .or(manner.concurrency())
            .unwrap_or(GCS_NORMAL_CONCURRENCY.0),
        get,
        connector,
        budget: args.budget.unwrap_or(times.budget),
        warm_up: args.warm_up.unwrap_or(times.warm_up),
        window,
        gcs: args.gcs.resolve(manner),
        seed: args.seed,
        attempts: args.output.attempts,
        results: args.output.results.clone(),
    };
    args.output.session(async move |interrupt, mut progress| {
        let tune = move || async move {
            let finished = session::tune(&options, &interrupt, &mut progress).await;
            progress.end();
            finished
        };
        if simulated { session::in_simulated_time(tune).await } else { tune().await }
    })
}

/// The part sizes to try. Downloads of whole objects have no parts: one size stands for all.
fn part_sizes(args: &Args, connector: Manner, get: GetMode) -> Result<Vec<u64>> {
    let mut sizes: Vec<u64> = args.part_sizes.iter().map(|size| size.0).collect();
    if sizes.is_empty() {
        sizes = connector.part_size().map_or(PART_SIZES_BYTES.to_vec(), |size| vec![size.0]);
    }
    if let Some(connector) = args.gcs.connector_part_size
        && !sizes.contains(&connector.0)
    {
        return Err(Error::environment(format!(
            "--connector-part-size {connector} is not among the part sizes to try"
        ))
        .hint("add it to --part-sizes"));
    }
    if args.direction == options::Direction::Down && get == GetMode::Whole {
        sizes = sizes.into_iter().max().into_iter().collect();
    }
    Ok(sizes)
}
