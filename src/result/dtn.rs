//! What each of several DTNs did in a trial.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ClientUse, LimitedBy, NetworkUse, Settings};

/// What one of several DTNs did in a trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DtnShare {
    /// `dtn1` leads.
    pub name: String,
    /// Name of its host; `None` in a simulation.
    pub host: Option<String>,
    /// Logical processors available to its process; `None` in a simulation.
    pub cores: Option<u32>,
    /// Its part of the goodput, in the window of all.
    #[serde(deserialize_with = "super::number::from_zero")]
    pub goodput_bytes_per_second: f64,
    /// Payload bytes that it moved by successful requests over the whole trial.
    pub bytes: u64,
    /// What held it down.
    pub limited_by: LimitedBy,
    /// The numbers behind `limited_by`, in one sentence.
    pub evidence: String,
    /// What its process used.
    pub client: ClientUse,
    /// What its connections and interfaces say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkUse>,
    /// How far its calendar's clock was ahead of that of `dtn1` before the trial, in seconds, negative if it was behind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_ahead_s: Option<f64>,
    /// How far that may be off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_error_s: Option<f64>,
    /// How much later than the first of all it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began_after_s: Option<f64>,
    /// Share of its own window that lies in the window of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap: Option<f64>,
}

/// How many DTNs pay, from a search with each number of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MoreDtns {
    /// Up to so many, another brought at least half of what each of those before it carried.
    pub dtns_that_pay: u32,
    /// Whether more were measured, and did not pay.
    pub end_seen: bool,
    /// Whether the number lies between two that were measured.
    pub interpolated: bool,
    /// Whether what was measured, with its intervals, allows no other number.
    pub certain: bool,
    /// Numbers of DTNs for which no settings could be recommended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without_answer: Vec<u32>,
    /// Why, in a sentence with the figures.
    pub why: String,
    /// What was measured, the fewest DTNs first.
    pub steps: Vec<DtnStep>,
}

/// The best that so many DTNs carried together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DtnStep {
    /// How many.
    pub dtns: u32,
    /// What is to be set on each.
    pub settings: Settings,
    /// Of all together.
    #[serde(deserialize_with = "super::number::from_zero")]
    pub goodput_bytes_per_second: f64,
    /// Its 95 % interval.
    pub interval_95: [f64; 2],
}
