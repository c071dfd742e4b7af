//! What `tune` recommends.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Command, Direction, LimitedBy, Phase, Settings, Trial, Workload};

/// What `tune` recommends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Recommendation {
    /// The settings to use.
    pub settings: Settings,
    /// For which direction.
    pub direction: Direction,
    /// For which of the run's datasets, by its name; absent where there is only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<String>,
    /// What the soak and, where nothing was refused, the blocks of trials before it carried, by time; in older
    /// documents the geometric mean over the blocks.
    #[serde(deserialize_with = "super::number::from_zero")]
    pub goodput_bytes_per_second: f64,
    /// 95 % interval from batch means of the soak, wide enough for those blocks; in older documents over the
    /// blocks of trials.
    pub interval_95: [f64; 2],
    /// How sure.
    pub verdict: Verdict,
    /// The lower 95 % bound of its ratio to the leader is at least 0.95.
    pub within_margin_shown: bool,
    /// The lower 95 % bound of its ratio to the current default is above 1.
    pub better_than_default_shown: bool,
    /// Smallest ratio minus one that these trials could have shown, 80 % power at the 5 % level.
    #[serde(default, deserialize_with = "super::number::from_zero_if_any")]
    pub smallest_difference_seen: Option<f64>,
    /// Share of the soak's attempts that were told to slow down.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "super::number::from_zero_if_any"
    )]
    pub refused_share: Option<f64>,
    /// Why, in a sentence or two.
    pub why: String,
    /// What other numbers of files bring, and what is refused then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trade: Vec<Trade>,
    /// The recommended settings against each other candidate, paired over blocks.
    pub compared_with: Vec<Comparison>,
    /// What to set in GCS; `None` where the trials say nothing of it, and in older documents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gcs: Option<ForGcs>,
    /// Ready to paste.
    #[serde(deserialize_with = "super::commands::list_or_map")]
    pub commands: Vec<Command>,
    /// What held the rate down where the verdict is `limited`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limited_by: Option<LimitedBy>,
    /// Settings against themselves on fresh data (an A/A test): an interval without 1 says that trials
    /// vary more than the intervals know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_settings_twice: Option<Comparison>,
    /// Where uploads were read back: the same of the effective speeds. Then the settings were chosen by it, and
    /// the ratios are its.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "super::number::from_zero_if_any"
    )]
    pub effective_speed_bytes_per_second: Option<f64>,
    /// Its 95 % interval over the blocks of trials; only in older documents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_speed_interval_95: Option<[f64; 2]>,
    /// How goodput scales with streams.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scaling: Option<Scaling>,
    /// How many DTNs moved data together, each with these settings; absent of one alone. The goodput is that of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dtns: Option<u32>,
}

impl Recommendation {
    /// The trial in which the settings were held for a soak; older documents have none.
    pub fn soak<'a>(&self, trials: &'a [Trial]) -> Option<&'a Trial> {
        let workload = self.workload();
        trials.iter().rev().find(|trial| {
            trial.phase == Phase::Soak && trial.settings == self.settings && workload.is_of(trial)
        })
    }

    /// What it is for.
    pub fn workload(&self) -> Workload {
        Workload {
            direction: self.direction.into(),
            dataset: self.dataset.clone(),
            dtns: self.dtns,
        }
    }
}

/// One concurrency for all searches of a run, whichever way and of whichever dataset: GCS has a single one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Joint {
    /// Files in flight.
    pub concurrency: u32,
    /// What it is in each search, in their order.
    pub serves: Vec<Served>,
    /// Whether all ratios are at least 0.95.
    pub within_margin: bool,
    /// Whether the lower 95 % bounds of all are.
    pub within_margin_shown: bool,
    /// Why, in a sentence with the figures.
    pub why: String,
    /// What to set in GCS; `None` in older documents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gcs: Option<ForGcs>,
    /// Ready to paste.
    #[serde(deserialize_with = "super::commands::list_or_map")]
    pub commands: Vec<Command>,
}

/// One concurrency for all, in one of the searches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Served {
    /// Which way.
    pub direction: Direction,
    /// Which dataset; absent where there is only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<String>,
    /// Against the settings that were best there at the same part size.
    pub comparison: Comparison,
}

/// The universal scalability law through the trials of the recommended part size:
/// rate = gamma N / (1 + alpha (N - 1) + beta N (N - 1)) for N streams.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Scaling {
    /// Always `usl`.
    pub model: String,
    /// Rate of one stream.
    #[serde(deserialize_with = "super::number::from_zero")]
    pub gamma_bytes_per_second: f64,
    /// Contention: what streams wait for each other.
    pub alpha: f64,
    /// From a bootstrap of whole blocks; `None` with fewer than six that compare numbers of streams.
    pub alpha_interval_95: Option<[f64; 2]>,
    /// Crosstalk: what streams disturb each other.
    pub beta: f64,
    /// From a bootstrap of whole blocks; `None` with fewer than six that compare numbers of streams.
    pub beta_interval_95: Option<[f64; 2]>,
    /// Streams with the highest rate; `None` when no peak is shown: the interval of `beta` includes 0.
    #[serde(default, deserialize_with = "super::number::from_zero_if_any")]
    pub peak_streams: Option<f64>,
    /// Of the peak, where it is shown and every resample had one.
    pub peak_streams_interval_95: Option<[f64; 2]>,
    /// Trials that the law was fitted to.
    pub trials: u32,
}

/// How sure a recommendation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Within the margin of the best and better than the default: both shown.
    Clear,
    /// The trials do not tell the candidates apart.
    Indistinguishable,
    /// Too few trials reached a steady state.
    NotSteady,
    /// Something other than the settings held the rate down.
    Limited,
    /// The most files in flight that were allowed carry more than any fewer: more may carry more.
    StillRising,
}

/// Settings that were tried, and what they bring.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Trade {
    /// Which.
    pub settings: Settings,
    /// Mean of its trials.
    #[serde(deserialize_with = "super::number::from_zero")]
    pub goodput_bytes_per_second: f64,
    /// Share of their attempts that were told to slow down.
    #[serde(deserialize_with = "super::number::from_zero")]
    pub refused_share: f64,
    /// How many there were.
    pub trials: u32,
}

/// The recommended settings against another.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    /// The other.
    pub settings: Settings,
    /// Goodput of the recommended over goodput of the other; effective speeds where those were compared.
    #[serde(deserialize_with = "super::number::from_zero")]
    pub ratio: f64,
    /// 95 % interval of the ratio; `None` with fewer than two common blocks. From the race it holds for
    /// all of the race's comparisons together.
    pub interval_95: Option<[f64; 2]>,
    /// Where the trials come from that were compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
}

/// What to set in Globus Connect Server, whose connector has a part size of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ForGcs {
    /// Files in flight of the endpoint, preferred and at most.
    pub concurrency: u32,
    /// Servers of the endpoint that share them.
    #[serde(default = "one_server")]
    pub servers: u32,
    /// The connector's part size; `None` if it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part_size_bytes: Option<u64>,
    /// Sentences: why it is another number than the measured best, and what may hold it down.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
}

/// In documents from before endpoints of several servers.
fn one_server() -> u32 {
    1
}

impl ForGcs {
    /// Whether these settings are what GCS will have on each server, as far as its part size is known.
    pub fn is(&self, settings: Settings) -> bool {
        self.concurrency == settings.concurrency.saturating_mul(self.servers)
            && self.part_size_bytes.is_none_or(|size| size == settings.part_size_bytes)
    }
}
