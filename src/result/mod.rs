//! The result document, schema `tidegate.result/4`, as plain types.
//!
//! Other programs rely on it: within a schema fields are added, never renamed, and every number carries its unit
//! in its name. Documents of older schemas are read as well, and are the same values then (`older`).
//! A value that was not measured is `null`, never zero.

mod chosen;
mod client;
mod commands;
mod direction;
mod dtn;
mod model;
mod number;
mod older;
mod operation;
mod recommendation;
mod requests;
mod saved;
mod scenario;
mod sensitivity;
mod trial;
mod workload;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::chosen::{Arrivals, Checksum, GetMode, PayloadSigning, RetryMode, Symlinks};
pub use self::client::{
    AddressUse, ClientUse, InterfaceUse, NetworkUse, SourceUse, TcpUse, ThreadUse,
};
pub use self::commands::{Command, GCS, GLOBUS_CLI};
pub use self::direction::{Direction, Traffic};
pub use self::dtn::{DtnShare, DtnStep, MoreDtns};
pub use self::model::{LinkModel, NodesModel, SelfHostedModel, WeatherModel};
pub use self::operation::Operation;
pub use self::recommendation::{
    Comparison, ForGcs, Joint, Recommendation, Scaling, Served, Trade, Verdict,
};
pub use self::requests::{
    Corrupt, Distances, ErrorCounts, ObjectTimes, OpenLoop, OperationSummary, Percentiles,
    TimeSpent,
};
pub use self::saved::{BINS_HEADER, BINS_MAX, Bin, RESULT, Saved, bins_name};
pub use self::scenario::{
    FileSizes, ForPlan, ForRun, ForTune, Load, Moved, Replayed, Scenario, SizeClass, SizeClasses,
    Verb, Whole,
};
pub use self::sensitivity::{End, Knee, Sensitivity, Varied};
pub use self::trial::{
    Asked, FileFailure, LimitedBy, Mixed, OneWay, Phase, TaskSummary, Trial, Verification, Window,
};
pub use self::workload::Workload;
use crate::error::{Error, Result};
use crate::outside::{self, DOCUMENT_MAX};

/// The `schema` field of every document this version writes.
pub const SCHEMA: &str = "tidegate.result/4";

/// One run of `tune`, `run` or `plan --measure`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Document {
    /// Version of this document.
    #[schemars(extend("const" = SCHEMA))]
    #[serde(deserialize_with = "older::schema")]
    pub schema: String,
    /// Unique name of the run; also the name of its directory and of its prefix in the bucket.
    pub id: String,
    /// Start of the run, RFC 3339, UTC.
    pub started: String,
    /// The command line, without secrets.
    pub command: Vec<String>,
    /// What measured.
    pub tool: Tool,
    /// Where it ran.
    pub host: Host,
    /// What was measured.
    pub target: Target,
    /// The scenario with every default filled in.
    #[serde(deserialize_with = "older::scenario")]
    pub scenario: Scenario,
    /// What the numbers rest on without a source.
    pub assumptions: Vec<String>,
    /// What the simulation cost this machine; absent if nothing was simulated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub simulation: Option<SimulationCost>,
    /// All trials, in the order in which they ran.
    pub trials: Vec<Trial>,
    /// What the trials say; only `tune` recommends. Of several searches that of the first.
    pub recommendation: Option<Recommendation>,
    /// One for each direction and dataset that was searched; of older documents only where there were two.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recommendations: Vec<Recommendation>,
    /// One concurrency for all of them, where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "older::joint")]
    pub joint: Option<Joint>,
    /// How many DTNs pay, if a search was made with several numbers of them: then the recommendation is that of the number
    /// that pays, or of the nearest below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub more_dtns: Option<MoreDtns>,
    /// What the recommendation hangs on; only of a simulated search. Of a search in both directions that of the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sensitivity: Option<Sensitivity>,
    /// What that took; only in `tune`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spent: Option<Spent>,
}

/// Name and version of the program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tool {
    /// Always `tidegate`.
    pub name: String,
    /// Cargo version.
    pub version: String,
}

/// The machine that measured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Host {
    /// Host name.
    pub name: String,
    /// Operating system and release.
    pub os: String,
    /// Processor architecture.
    pub arch: String,
    /// Logical processors available to the process.
    pub cores: u32,
    /// Physical memory; `None` where the platform does not say.
    pub memory_bytes: Option<u64>,
}

/// The bucket or the embedded gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Target {
    /// Base URL of the S3 endpoint.
    pub endpoint: String,
    /// Bucket name.
    pub bucket: String,
    /// What answered.
    pub kind: TargetKind,
    /// Whether anybody on the way could have read or answered: `--insecure` was given.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub insecure: bool,
}

/// What answered the requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TargetKind {
    /// tidegate's own gateway, started for this run on this machine: a demonstration.
    Embedded,
    /// An S3 endpoint that somebody runs.
    Endpoint,
    /// A model of Storj in simulated time: a forecast. Nothing was sent.
    Simulated,
}

/// What a simulation cost the machine that it ran on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SimulationCost {
    /// Seconds of simulated time, from the first request to the last of the whole run.
    #[serde(deserialize_with = "number::seconds")]
    pub simulated_s: f64,
    /// Times that simulated time moved something.
    pub events: u64,
    /// How long that took.
    #[serde(deserialize_with = "number::seconds")]
    pub real_s: f64,
    /// Highest resident set of the process; `None` where the platform does not say.
    pub rss_peak_bytes: Option<u64>,
}

/// The three numbers a gateway is tuned by. `streams = concurrency x parts_in_flight`.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub struct Settings {
    /// Bytes of a multipart part; on the way down the size of a ranged GET.
    pub part_size_bytes: u64,
    /// Files in flight, exactly Globus's term.
    pub concurrency: u32,
    /// Parts of one file in flight; 1 is what an in-order connector does.
    pub parts_in_flight: u32,
}

impl Settings {
    /// Requests that can carry data at the same time.
    pub fn streams(&self) -> u32 {
        self.concurrency.saturating_mul(self.parts_in_flight)
    }
}

/// What a search has spent in all. Housekeeping (listings, deletes, the marker) is not in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Spent {
    /// Preparation and trials.
    #[serde(deserialize_with = "number::seconds")]
    pub duration_s: f64,
    /// Payload to the bucket that passed the sockets, of failed attempts too.
    pub bytes_up: u64,
    /// Payload from the bucket, likewise.
    pub bytes_down: u64,
    /// Attempts of requests.
    pub requests: u64,
    /// Storage for its least time, and egress.
    #[serde(deserialize_with = "number::from_zero")]
    pub cost_usd: f64,
    /// The tier or the file of prices.
    pub prices: String,
    /// The budget that ended the search; `None` if it ended by itself.
    pub used_up: Option<Budget>,
}

/// What a search may spend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Budget {
    /// `--budget`.
    Time,
    /// `--max-bytes`.
    Bytes,
    /// `--max-cost`.
    Cost,
}

impl Budget {
    /// The option that sets it.
    pub fn option(self) -> &'static str {
        match self {
            Self::Time => "--budget",
            Self::Bytes => "--max-bytes",
            Self::Cost => "--max-cost",
        }
    }
}

impl Document {
    /// What is recommended: nothing, or settings for each direction and dataset that was searched.
    pub fn recommended(&self) -> &[Recommendation] {
        match self.recommendations.is_empty() {
            true => self.recommendation.as_slice(),
            false => &self.recommendations,
        }
    }

    /// What to set in GCS: one number for all searches where there were several, if there is one that serves all.
    pub fn for_gcs(&self) -> Option<&ForGcs> {
        match (&self.joint, self.recommended()) {
            (Some(joint), _) => joint.gcs.as_ref(),
            (None, [found]) => found.gcs.as_ref(),
            // Searches of one task with several numbers of DTNs: one of them is recommended.
            (None, _) if self.more_dtns.is_some() => self.recommendation.as_ref()?.gcs.as_ref(),
            (None, _) => None,
        }
    }

    /// What there is to paste: for all searches where one number serves all, else for the first.
    pub fn commands(&self) -> &[Command] {
        match (&self.joint, &self.recommendation) {
            (Some(joint), _) => &joint.commands,
            (None, Some(found)) => &found.commands,
            (None, None) => &[],
        }
    }

    /// Goodputs of the race by settings and, for each, by block.
    pub fn blocks(&self, workload: &Workload) -> BTreeMap<Settings, BTreeMap<u32, f64>> {
        let mut blocks = BTreeMap::<Settings, BTreeMap<u32, f64>>::new();
        for trial in self.trials.iter().filter(|trial| workload.is_of(trial)) {
            if let Some(block) = trial.block {
                let goodput = trial.goodput_bytes_per_second;
                blocks.entry(trial.settings).or_default().insert(block, goodput);
            }
        }
        blocks
    }

    /// Writes the document as pretty JSON; a crash leaves the previous one whole.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let fail = |error: &dyn std::fmt::Display| {
            Error::environment(format!("cannot write {}: {error}", path.display()))
                .hint("choose another directory with --results DIR")
        };
        let mut text = serde_json::to_string_pretty(self).map_err(|error| fail(&error))?;
        text.push('\n');
        let temporary = path.with_extension("json.tmp");
        let write = || {
            let mut file = File::create(&temporary)?;
            file.write_all(text.as_bytes())?;
            // On disk before it has the name: else a power failure could leave neither this one nor that before.
            file.sync_all()?;
            std::fs::rename(&temporary, path)
        };
        write().map_err(|error| fail(&error))
    }

    /// Reads a document.
    ///
    /// # Errors
    /// If the file cannot be read or is not a document of this schema.
    pub fn load(path: &Path) -> Result<Self> {
        let fail = |error: &dyn std::fmt::Display| {
            Error::environment(format!("{} is not a {SCHEMA} document: {error}", path.display()))
        };
        let text = outside::text(path, DOCUMENT_MAX).map_err(|error| fail(&error))?;
        if text.trim_ascii().is_empty() {
            return Err(fail(&"it is empty"));
        }
        let document: Self = serde_json::from_str(&text).map_err(|error| fail(&error))?;
        match is_name(&document.id) {
            true => Ok(document),
            false => Err(fail(&"its id is not the name of a run")),
        }
    }
}

/// Whether a run can have this name: it is that of a directory and of a prefix as well.
fn is_name(id: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=128).contains(&id.len()) && id.bytes().all(is_plain) && !id.starts_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(content: &[u8]) -> String {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join(RESULT);
        std::fs::write(&path, content).expect("a small file");
        Document::load(&path).expect_err("it is no result").to_string()
    }

    #[test]
    fn a_document_that_is_empty_deep_or_huge_is_refused_with_a_sentence() {
        assert!(refused(b"").contains("it is empty"));
        let deep = [r#"{"scenario":{"a":"#, &"[".repeat(100_000)].concat();
        assert!(refused(deep.as_bytes()).contains("recursion limit"));
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join(RESULT);
        let file = std::fs::File::create(&path).expect("a new file");
        file.set_len(2_000_000_000).expect("nothing of it is written");
        let error = Document::load(&path).unwrap_err().to_string();
        assert!(error.contains("more than 64 MiB"), "{error}");
    }

    #[test]
    fn a_name_that_leads_elsewhere_is_refused() {
        let document = crate::report::samples::tune();
        for id in ["", "..", "../x", "/x", "a/b", "a\u{1b}", ".x"] {
            let altered = Document { id: id.into(), ..document.clone() };
            let text = serde_json::to_string(&altered).expect("it serialises");
            assert!(refused(text.as_bytes()).contains("name of a run"), "{id}");
        }
    }

    #[test]
    fn numbers_that_no_run_has_are_refused() {
        let document = crate::report::samples::tune();
        for (place, number) in [
            ("/trials/0/window/end_s", 1e308),
            ("/trials/0/window/end_s", -1.0),
            ("/trials/0/window/start_s", 1e11),
            ("/trials/0/goodput_bytes_per_second", -5.0),
            ("/trials/0/client/cpu_seconds", -0.5),
            ("/recommendation/goodput_bytes_per_second", 1e300),
        ] {
            let mut altered = serde_json::to_value(&document).expect("it serialises");
            *altered.pointer_mut(place).expect("the sample has it") = number.into();
            let error = refused(altered.to_string().as_bytes());
            assert!(error.contains("go from 0 to") && error.contains("line 1"), "{error}");
        }
        let written = serde_json::to_string(&document).expect("it serialises");
        let infinite = written.replacen("\"end_s\":", "\"end_s\":1e999,\"was\":", 1);
        assert!(refused(infinite.as_bytes()).contains("number out of range"));
    }
}
