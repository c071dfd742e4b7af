//! The answer to a question about a dataset, as it is saved.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::forecast::{Forecast, Models};
use super::globus::Startup;
use super::gridftp::Gridftp;
use super::simulated::Simulated;
use super::tasks::Tasks;
use crate::prices::Usd;
use crate::result::{Direction, Settings};

/// The `schema` field of every plan this version writes.
pub const SCHEMA: &str = "tidegate.plan/1";

/// The answer, as it is saved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// Version of this document.
    #[schemars(extend("const" = SCHEMA))]
    pub schema: String,
    /// When it was made, RFC 3339, UTC.
    pub made: String,
    /// The command line.
    pub command: Vec<String>,
    /// The runs that it rests on.
    pub runs: Vec<String>,
    /// What is to be moved.
    pub dataset: Summary,
    /// Which way.
    pub direction: Direction,
    /// Part size, files and parts in flight.
    pub settings: Settings,
    /// Tasks of each DTN at a time.
    pub tasks: u32,
    /// Whether everything is read back.
    pub verify: bool,
    /// The models.
    pub models: Models,
    /// What Globus adds.
    pub globus: Startup,
    /// A forecast for each number of DTNs.
    pub forecasts: Vec<Forecast>,
    /// Most DTNs that bring at least 95 % of what so many single ones would; `None`: one does not know, for
    /// only one number was looked at.
    pub nodes_at_knee: Option<u32>,
    /// What the deadline takes.
    pub deadline: Option<Deadline>,
    /// What it takes beside time.
    pub resources: Resources,
    /// What it costs.
    pub cost: Cost,
    /// The same bytes in files of other sizes, with the fewest DTNs.
    pub by_file_size: Vec<BySize>,
    /// ESnet's trees with one DTN.
    pub scorecard: Vec<Score>,
    /// What to do.
    pub advice: Vec<String>,
    /// Real tasks beside what the model says of them.
    pub globus_tasks: Option<Tasks>,
    /// What is known of the GridFTP leg.
    pub gridftp: Gridftp,
    /// The same in simulated time.
    pub simulated: Option<Simulated>,
    /// What could not be used, and what goes beyond what was measured.
    pub warnings: Vec<String>,
    /// What it rests on without a source.
    pub assumptions: Vec<String>,
}

/// A dataset in numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// Its name.
    pub name: String,
    /// Files.
    pub files: u64,
    /// Bytes.
    pub bytes: u64,
    /// Mean size of a file.
    pub mean_file_bytes: u64,
    /// Size of the largest file.
    pub largest_file_bytes: u64,
}

/// What a deadline takes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Deadline {
    /// From the first byte to the last.
    pub seconds: f64,
    /// Fewest DTNs of which nine of ten such tasks are done in time; `None`: no number of them.
    pub nodes: Option<u32>,
    /// What must pass on average.
    pub bits_per_second: f64,
}

/// What it takes beside time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Resources {
    /// Parts, and objects that have none.
    pub parts: u64,
    /// Segments that Storj stores.
    pub segments: u64,
    /// Requests to the gateway.
    pub requests: u64,
    /// Memory of each DTN if its connector holds every part in flight whole.
    pub memory_bytes_per_node: u64,
    /// Cores of each DTN by Storj's rule, one for each file in flight.
    pub cores_per_node: u32,
    /// Cores that tidegate itself would use at this speed; `None` in a simulation.
    pub cores_of_tidegate: Option<f64>,
}

/// What it costs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cost {
    /// The tier, or the file of prices.
    pub prices: String,
    /// Storing the dataset for a month.
    pub storage_usd_per_month: Usd,
    /// Once: what is downloaded, by the task itself or to verify it.
    pub egress_usd_once: Usd,
    /// Downloading the dataset once.
    pub download_usd: Usd,
}

/// The same bytes in files of one size.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BySize {
    /// Size of each file.
    pub file_bytes: u64,
    /// Half of such tasks take less.
    pub p50_s: f64,
    /// Nine of ten take less.
    pub p90_s: f64,
}

/// A line of a scorecard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Score {
    /// The dataset.
    pub dataset: String,
    /// Half of such tasks take less.
    pub p50_s: f64,
    /// 10^12 bytes in an hour.
    pub tb_per_hour: f64,
}
