//! What the answer of a simulation hangs on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Direction;

/// What other values of the assumed parameters of a model do to the concurrency and the rate. Found by long simulated
/// runs with 1, 2, 4, ... files in flight, not by searches: compare it with `base`, not with the recommendation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sensitivity {
    /// Which way.
    pub direction: Direction,
    /// Of all runs: that of the recommendation.
    pub part_size_bytes: u64,
    /// The same.
    pub parts_in_flight: u32,
    /// With the model as it is.
    pub base: Knee,
    /// The parameters that have no source; that on which most hangs comes first.
    pub parameters: Vec<Varied>,
}

/// The fewest files in flight that carry 95 % of the most.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Knee {
    /// How many.
    pub concurrency: u32,
    /// What they carry.
    pub goodput_bytes_per_second: f64,
}

/// A parameter and what its values do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Varied {
    /// Its name in the file of the model.
    pub parameter: String,
    /// What it is there.
    pub value: String,
    /// The ends of its range in the file; of a parameter without one, half and twice its value.
    pub ends: [End; 2],
}

/// A value, and the knee with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct End {
    /// Of the parameter.
    pub value: String,
    /// All else being as it is.
    pub knee: Knee,
}

impl Varied {
    /// How much the concurrency changes over the range, and then the rate, as logarithms.
    pub fn effect(&self) -> [f64; 2] {
        let [low, high] = self.ends.each_ref().map(|end| end.knee);
        let ratio = |low: f64, high: f64| (high / low).ln().abs();
        [
            ratio(low.concurrency.into(), high.concurrency.into()),
            ratio(low.goodput_bytes_per_second, high.goodput_bytes_per_second),
        ]
    }
}
