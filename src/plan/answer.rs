//! The answer to a question about a dataset: as it is saved, and how it is made.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::advice;
use super::forecast::{Forecast, Models};
use super::globus::Startup;
use super::gridftp::Gridftp;
use super::question::Question;
use super::shape::Shape;
use super::tasks::Tasks;
use super::work::Work;
use crate::dataset::{Dataset, Scale, Synthetic};
use crate::error::Result;
use crate::prices::{Stored, Usd};
use crate::result::{Direction, Settings, SizeClass};

/// The `schema` field of every plan this version writes.
pub const SCHEMA: &str = "tidegate.plan/1";

/// More DTNs than this are not tried for a deadline.
const NODES_TRIED: u32 = 256;

/// File sizes of the chart of time against file size, from 64 kB in steps of four.
const FILE_SIZES: u32 = 10;
const FILE_SIZE_FIRST: f64 = 65_536.0;

/// ESnet's trees, which DTN scorecards are about (fasterdata.es.net/performance-testing/DTNs).
const SCORECARD: [&str; 4] = ["esnet-5MB", "esnet-5GB", "esnet-50GB", "esnet-500GB"];

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

/// Simulations of the engine, of each number of DTNs with several seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Simulated {
    /// The model of the link and of Storj.
    pub scenario: String,
    /// Seeds of each.
    pub seeds: u32,
    /// One for each number of DTNs.
    pub points: Vec<Point>,
}

/// A number of DTNs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Point {
    /// DTNs.
    pub nodes: u32,
    /// Files that were simulated with each seed; a task of more files takes as much longer as the
    /// simulated ones took in steady state.
    pub files: u64,
    /// Median over the seeds.
    pub p50_s: f64,
    /// 90th percentile over the seeds.
    pub p90_s: f64,
    /// Dataset bytes over the median.
    pub effective_speed_bytes_per_second: f64,
    /// Share of the attempts that were answered with 429.
    pub refused_share: f64,
    /// Share of the files that did not arrive.
    pub failed_share: f64,
}

/// What the answer is made from beside the question.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// The runs.
    pub runs: Vec<String>,
    /// Processor time of tidegate per 10^9 bytes.
    pub cpu_seconds_per_gb: Option<f64>,
    /// Real tasks.
    pub globus_tasks: Option<Tasks>,
    /// What is known of the GridFTP leg.
    pub gridftp: Gridftp,
    /// The same in simulated time.
    pub simulated: Option<Simulated>,
    /// What could not be used.
    pub warnings: Vec<String>,
}

impl Question {
    /// The answer.
    ///
    /// # Errors
    /// If a way that is needed was not measured.
    pub fn answer(&self, models: Models, given: Given) -> Result<Plan> {
        let [fewest, most] = self.nodes;
        let ask = |shape: &Shape, nodes| self.ask(&models, shape, &self.setup(nodes));
        let forecasts: Vec<Forecast> =
            (fewest..=most).map(|nodes| ask(&self.shape, nodes)).collect::<Result<_>>()?;
        let scorecard = SCORECARD.into_iter().map(|name| self.score(&models, name));
        let [mut warnings, assumptions] = advice::caution(self, &models, &forecasts);
        warnings.extend(given.warnings);
        if given.simulated.is_some() && self.shared_link_bytes_per_second.is_some() {
            warnings.push("the simulation has no link that DTNs share, only the model has".into());
        }
        Ok(Plan {
            schema: SCHEMA.into(),
            made: String::new(),
            command: Vec::new(),
            runs: given.runs,
            dataset: self.summary(),
            direction: self.manner.direction,
            settings: self.manner.settings,
            tasks: self.tasks,
            verify: self.verify,
            globus: self.globus,
            nodes_at_knee: knee(&forecasts),
            deadline: self.deadline(&models)?,
            resources: self.resources(&forecasts[0], given.cpu_seconds_per_gb),
            cost: self.cost(),
            by_file_size: self.by_file_size(&models)?,
            scorecard: scorecard.collect::<Result<_>>()?,
            advice: advice::advise(self, &models, &forecasts)?,
            globus_tasks: given.globus_tasks,
            gridftp: given.gridftp,
            simulated: given.simulated,
            warnings,
            assumptions,
            forecasts,
            models,
        })
    }

    fn summary(&self) -> Summary {
        let shape = &self.shape;
        Summary {
            name: self.dataset.clone(),
            files: shape.files().round() as u64,
            bytes: shape.bytes().round() as u64,
            mean_file_bytes: shape.mean_bytes().round() as u64,
            largest_file_bytes: shape.largest_bytes().round() as u64,
        }
    }

    fn deadline(&self, models: &Models) -> Result<Option<Deadline>> {
        let Some(deadline) = self.deadline else { return Ok(None) };
        let seconds = deadline.as_secs_f64();
        let is_met = |nodes| {
            self.ask(models, &self.shape, &self.setup(nodes)).map(|one| one.p90_s <= seconds)
        };
        // More DTNs are never slower: the fewest lies between the last that is not enough and one that is.
        let (mut too_few, mut enough) = (0, 1);
        while enough <= NODES_TRIED && !is_met(enough)? {
            (too_few, enough) = (enough, 2 * enough);
        }
        let can_be_met = enough <= NODES_TRIED;
        while can_be_met && enough - too_few > 1 {
            let middle = too_few + (enough - too_few) / 2;
            if is_met(middle)? { enough = middle } else { too_few = middle }
        }
        let nodes = can_be_met.then_some(enough);
        let bits_per_second = 8.0 * self.shape.bytes() / seconds;
        Ok(Some(Deadline { seconds, nodes, bits_per_second }))
    }

    fn resources(&self, forecast: &Forecast, cpu_seconds_per_gb: Option<f64>) -> Resources {
        let work = Work::of(&self.shape, self.manner);
        let settings = self.manner.settings;
        let files = settings.concurrency * self.tasks;
        let part_bytes = (settings.part_size_bytes as f64).min(self.shape.largest_bytes());
        let streams = f64::from(settings.streams() * self.tasks);
        let gb_per_second =
            forecast.effective_speed_bytes_per_second / f64::from(forecast.nodes) / 1e9;
        Resources {
            parts: work.parts.round() as u64,
            segments: work.segments.round() as u64,
            requests: work.requests.round() as u64,
            memory_bytes_per_node: (streams * part_bytes).round() as u64,
            cores_per_node: files,
            cores_of_tidegate: cpu_seconds_per_gb.map(|seconds| seconds * gb_per_second),
        }
    }

    fn cost(&self) -> Cost {
        let part_size = self.manner.settings.part_size_bytes;
        let stored = |class: &SizeClass| {
            let each = self.prices.object(class.file_bytes.round() as u64, part_size);
            Stored {
                billed_bytes: (each.billed_bytes as f64 * class.files).round() as u64,
                segments: (each.segments as f64 * class.files).round() as u64,
            }
        };
        let stored: Stored = self.shape.classes().iter().map(stored).sum();
        let download_usd = self.prices.egress(self.shape.bytes().round() as u64);
        let downloads = self.verify || self.manner.direction == Direction::Down;
        Cost {
            prices: self.prices.name.clone(),
            storage_usd_per_month: self.prices.month(self.prices.storage_per_month(stored)),
            egress_usd_once: if downloads { download_usd } else { Usd::default() },
            download_usd,
        }
    }

    fn by_file_size(&self, models: &Models) -> Result<Vec<BySize>> {
        let bytes = self.shape.bytes();
        let sizes = (0..FILE_SIZES).map(|step| FILE_SIZE_FIRST * 4_f64.powi(step as i32));
        let sizes = sizes.filter(|size| *size <= bytes);
        sizes
            .map(|size| {
                let shape = Shape::equal((bytes / size).max(1.0), bytes);
                let forecast = self.ask(models, &shape, &self.setup(self.nodes[0]))?;
                let (p50_s, p90_s) = (forecast.p50_s, forecast.p90_s);
                Ok(BySize { file_bytes: size as u64, p50_s, p90_s })
            })
            .collect()
    }

    fn score(&self, models: &Models, name: &str) -> Result<Score> {
        let dataset = Dataset::Synthetic(Synthetic::new(name, Scale::default())?);
        let shape = Shape::of(&dataset)?;
        let forecast = self.ask(models, &shape, &self.setup(1))?;
        let tb_per_hour = forecast.effective_speed_bytes_per_second * 3600.0 / 1e12;
        Ok(Score { dataset: name.into(), p50_s: forecast.p50_s, tb_per_hour })
    }
}

/// The last number of DTNs before one falls short of its share.
fn knee(forecasts: &[Forecast]) -> Option<u32> {
    let first = forecasts.first().filter(|_| forecasts.len() > 1)?;
    forecasts.iter().take_while(|one| one.brings_its_share(first)).last().map(|one| one.nodes)
}
