//! How a run was asked for, with every default filled in.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::{Map, Value};

use super::{
    Arrivals, Checksum, Direction, GetMode, LinkModel, PayloadSigning, RetryMode, Symlinks, Traffic,
};
use crate::prices::{Prices, Usd};

/// How a run was asked for: what all verbs have, and beside it what its own has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Scenario {
    /// What was moved.
    pub dataset: Moved,
    /// The sizes of its files, for a plan; absent where they are not known beforehand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset_shape: Option<FileSizes>,
    /// How objects are fetched.
    pub get: GetMode,
    /// The parameters of the simulation; `None` if it is none.
    pub model: Option<LinkModel>,
    /// Whether requests learn from those that were refused; before there was a choice they did not.
    #[serde(default = "standard")]
    pub retry: RetryMode,
    /// Seed of all that is drawn.
    pub seed: u64,
    /// How the connector was found out that trials do as; absent where none was followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connector: Option<String>,
    /// How the payload of uploads was signed; absent unless this or a checksum was asked for: it was unsigned then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<PayloadSigning>,
    /// The checksum that went with uploads; absent unless this or a way of signing was asked for: there was none then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<Checksum>,
    /// `--max-rate`, if it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_rate_bytes_per_second: Option<f64>,
    /// `--max-requests-per-second`, if it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_requests_per_second: Option<f64>,
    /// What only this verb has.
    #[serde(flatten)]
    pub verb: Verb,
}

fn standard() -> RetryMode {
    RetryMode::Standard
}

/// The verb that ran, with what it was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub enum Verb {
    /// `tidegate tune`.
    Tune(Box<ForTune>),
    /// `tidegate run`.
    Run(ForRun),
    /// `tidegate plan --measure`.
    Plan(ForPlan),
}

/// What a search was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ForTune {
    /// Which way: a search for each, in this order.
    #[serde(default)]
    pub directions: Vec<Direction>,
    /// What is set now.
    pub current_concurrency: u32,
    /// Highest concurrency to try.
    pub concurrency_max: u32,
    /// Part sizes to try.
    pub part_sizes_bytes: Vec<u64>,
    /// Parts of one file in flight to try.
    pub parts_in_flight: Vec<u32>,
    /// The parts of the connector, if they are known.
    pub connector_part_size_bytes: Option<u64>,
    /// The parts in which objects to download were prepared; absent where none were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored_part_size_bytes: Option<u64>,
    /// Whether each upload was read back before it counted.
    #[serde(default)]
    pub verify: bool,
    /// Share of the attempts that may be told to slow down; `None` in documents from before there was a limit.
    pub max_refused: Option<f64>,
    /// Memory that no candidate may exceed.
    pub memory_bytes: Option<u64>,
    /// Requests that no candidate may exceed.
    pub requests_per_second_max: Option<f64>,
    /// `--budget`.
    #[serde(deserialize_with = "super::number::seconds")]
    pub budget_s: f64,
    /// `--max-bytes`; `None`: any number.
    pub max_bytes: Option<u64>,
    /// `--max-cost`; `None`: any.
    pub max_cost_usd: Option<Usd>,
    /// What things cost; `None` in documents from before that was counted.
    pub prices: Option<Prices>,
    /// Least time before a window opens.
    #[serde(deserialize_with = "super::number::seconds")]
    pub warm_up_s: f64,
    /// A window.
    #[serde(deserialize_with = "super::number::seconds")]
    pub window_s: f64,
    /// How long what is recommended was held; `None` in documents from before anything was.
    #[serde(default, deserialize_with = "super::number::seconds_if_any")]
    pub soak_s: Option<f64>,
}

/// What a run was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ForRun {
    /// Which way.
    pub direction: Traffic,
    /// When files began; before there was a choice, when a mover was free.
    #[serde(default)]
    pub arrivals: Arrivals,
    /// How much load there was, and for how long.
    pub load: Load,
    /// Whether each object was compared with its source.
    pub verify: bool,
    /// The parts in which existing objects were uploaded, if the user told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag_part_size_bytes: Option<u64>,
    /// Whether uploaded objects stay.
    pub keep: bool,
}

/// What the measuring for a plan was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ForPlan {
    /// `--budget`.
    #[serde(deserialize_with = "super::number::seconds")]
    pub budget_s: f64,
}

/// What was moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Moved {
    /// A synthetic profile by its name; several of them, in words.
    Named(String),
    /// Objects that were there.
    Existing {
        /// Where.
        existing: String,
    },
    /// The requests of a log, made again.
    Replayed {
        /// Which, and what the log says of them.
        replayed: Replayed,
    },
    /// The files below a directory.
    Directory {
        /// Its path.
        from: String,
        /// What became of symbolic links; absent if they were ignored.
        #[serde(default, skip_serializing_if = "is_ignored")]
        recursive_symlinks: Symlinks,
    },
}

/// Requests that a client made and a server logged, made again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Replayed {
    /// The file.
    pub log: String,
    /// Requests that are made again.
    pub requests: u64,
    /// Requests that are not, by S3's name of the operation: they failed, or change what is not the run's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub left_out: BTreeMap<String, u64>,
    /// From the beginning of the first to the end of the last, when they were recorded.
    pub recorded_us: u64,
    /// Payload that they carried then, in the direction of the trial.
    pub recorded_bytes: u64,
}

impl Replayed {
    /// Payload a second when it was recorded.
    pub fn recorded_bytes_per_second(&self) -> f64 {
        self.recorded_bytes as f64 / (self.recorded_us as f64 / 1e6).max(f64::MIN_POSITIVE)
    }
}

fn is_ignored(links: &Symlinks) -> bool {
    *links == Symlinks::Ignore
}

/// How much load there was, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Load {
    /// All files once.
    Whole(Whole),
    /// Files round and round, until the first of what is given.
    Timed {
        /// Least time before the window opened.
        #[serde(deserialize_with = "super::number::seconds")]
        warm_up_s: f64,
        /// So much later.
        #[serde(default, deserialize_with = "super::number::seconds_if_any")]
        window_s: Option<f64>,
        /// When so many objects had begun.
        stop_after_objects: Option<u64>,
        /// When objects of so many bytes had begun.
        stop_after_bytes: Option<u64>,
        /// When the last so much of it was stable.
        #[serde(default, deserialize_with = "super::number::seconds_if_any")]
        stable_s: Option<f64>,
    },
}

/// The word for a load that is not timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Whole {
    /// The whole dataset once.
    WholeDataset,
}

/// The sizes of a run's files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum FileSizes {
    /// Of all trials.
    OfAll(SizeClasses),
    /// Of each dataset.
    OfDatasets {
        /// By its name.
        datasets: BTreeMap<String, SizeClasses>,
    },
    /// Of each trial, by its id.
    OfTrials(BTreeMap<String, SizeClasses>),
}

/// Files by size; never empty.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct SizeClasses(#[serde(deserialize_with = "plausible")] pub Vec<SizeClass>);

/// Files of one size.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SizeClass {
    /// Bytes of each.
    pub file_bytes: f64,
    /// How many; not always a whole number when a dataset was scaled.
    pub files: f64,
}

/// More bytes and files than these no dataset has.
const AMOUNT_MAX: f64 = 1e18;

/// What somebody else may have written: models rely on it.
fn plausible<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<SizeClass>, D::Error> {
    let classes = Vec::<SizeClass>::deserialize(from)?;
    let is_plausible = |class: &SizeClass| {
        (0.0..=AMOUNT_MAX).contains(&class.file_bytes) && (0.0..=AMOUNT_MAX).contains(&class.files)
    };
    match !classes.is_empty() && classes.iter().all(is_plausible) {
        true => Ok(classes),
        false => Err(de::Error::custom("these are not the sizes of a dataset's files")),
    }
}

impl Scenario {
    /// Every field by its name, as the document has it.
    pub fn fields(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(fields)) => fields,
            _ => Map::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_that_no_dataset_has_are_refused() {
        for bad in [
            "[]",
            r#"[{"file_bytes":-1.0,"files":1.0}]"#,
            r#"[{"file_bytes":1e300,"files":1.0}]"#,
            r#"{"0":[{"file_bytes":1.0,"files":-5.0}]}"#,
        ] {
            assert!(serde_json::from_str::<FileSizes>(bad).is_err(), "{bad}");
        }
    }
}
