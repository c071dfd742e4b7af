//! The same question in simulated time, as its answer is saved.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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

/// The value that a share of the values stays below, by linear interpolation (R. Hyndman, Y. Fan, "Sample
/// Quantiles in Statistical Packages", 1996, definition 7).
pub fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let place = share * (values.len().max(1) - 1) as f64;
    let (below, above) = (place.floor() as usize, place.ceil() as usize);
    match (values.get(below), values.get(above)) {
        (Some(low), Some(high)) => low + (high - low) * place.fract(),
        _ => f64::NAN,
    }
}
