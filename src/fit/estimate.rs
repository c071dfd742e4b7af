//! What a fit found: each number with how sure it is, and what the fitted link does beside what was measured.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cell::{Asked, Measured};
use super::features::{Feature, Features};
use super::parameter::Parameter;
use crate::result::{Direction, Settings};
use crate::storj::Model;

/// A number of the link.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Estimate {
    /// Which.
    pub parameter: Parameter,
    /// In seconds, bytes, bytes per second or as a share.
    pub value: f64,
    /// It lies between these in 9 of 10 such fits; absent where the measurements say nothing about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval_90: Option<[f64; 2]>,
    /// What it rests on.
    pub held: Held,
}

/// What a number rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Held {
    /// What was measured.
    Measured,
    /// The link that this one is like: the measurements say nothing about it.
    Taken,
    /// The same, or what was carried, whichever is more: it was never reached.
    NotReached,
    /// What was measured, which has none of it.
    Absent,
}

/// What trials of the same showed, and what the fitted link does when it is asked for them.
#[derive(Clone, Debug)]
pub struct Told {
    /// What was asked for.
    pub asked: Asked,
    /// Trials of it.
    pub trials: usize,
    /// What they showed on average.
    pub measured: Features,
    /// What the fitted link shows.
    pub simulated: Features,
    /// Standard deviation of the logarithm of one rate over the other, by chance alone.
    pub rate_sd: f64,
}

/// The rate is told worse than that, and it is not chance.
const MISSED: f64 = 0.05;
const CHANCE: f64 = 3.0;

impl Told {
    /// Rate of the fitted link over the measured one.
    pub fn ratio(&self) -> Option<f64> {
        let [measured, simulated] =
            [&self.measured, &self.simulated].map(|of| of.ln(Feature::Rate));
        Some((simulated? - measured?).exp())
    }

    /// Whether the fitted link has another rate than what was measured.
    pub fn is_missed(&self) -> bool {
        let far = self.ratio().map_or(f64::INFINITY, |ratio| ratio.ln().abs());
        far > MISSED && far > CHANCE * self.rate_sd
    }
}

/// A link that was fitted to what was measured.
#[derive(Clone, Debug)]
pub struct Fitted {
    /// The link.
    pub model: Model,
    /// Its numbers.
    pub estimates: Vec<Estimate>,
    /// How many times further apart what was measured and what is simulated lie than chance alone would have them;
    /// at least 1. The intervals are as much wider.
    pub misfit: f64,
    /// What was measured beside what the link does.
    pub told: Vec<Told>,
}

/// The `schema` field of a [`Fit`].
pub const SCHEMA: &str = "tidegate.fit/1";

/// A fit as it is printed.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Fit {
    /// Version of this document.
    #[schemars(extend("const" = SCHEMA))]
    pub schema: String,
    /// The runs that it was fitted to.
    pub runs: Vec<String>,
    /// The link that it is like.
    pub like: String,
    /// Whether the link may be used at all: it has the rate of at least half of the settings to a quarter.
    pub is_usable: bool,
    /// The numbers of the link. What cannot be told apart is a sum.
    pub parameters: Vec<Estimate>,
    /// Seconds between client and gateway and back that the link has, taken from the one that it is like, or less
    /// where requests were faster: the sums are right for any.
    pub round_trip_s: f64,
    /// How many times further apart what was measured and what is simulated lie than chance alone would have them;
    /// at least 1. The intervals are as much wider.
    pub misfit: f64,
    /// What was measured beside what the fitted link does, by settings.
    pub settings: Vec<Row>,
    /// Why trials could not be used, a sentence for each reason and run.
    pub left_out: Vec<String>,
    /// What is taken for something that a run does not tell, a sentence each.
    pub taken_for: Vec<String>,
}

/// Trials of the same beside the fitted link.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Row {
    /// Which way.
    pub direction: Direction,
    /// What was set.
    pub settings: Settings,
    /// Files on average.
    pub mean_file_bytes: f64,
    /// Trials.
    pub trials: usize,
    /// What they carried, bytes per second on average.
    pub measured_bytes_per_second: f64,
    /// What the fitted link carries.
    pub simulated_bytes_per_second: Option<f64>,
    /// Mean time of requests with payload, measured.
    pub measured_request_s: Option<f64>,
    /// The same, simulated.
    pub simulated_request_s: Option<f64>,
    /// Whether the fitted link carries something else, by more than 5 % and more than chance.
    pub missed: bool,
}

/// Of a link that misses more than this at half of the settings nothing can be told.
const USELESS: f64 = 0.25;

impl Fit {
    /// Of a fit.
    pub fn of(fitted: &Fitted, measured: &Measured, like: &str) -> Self {
        let off = |told: &&Told| told.ratio().is_none_or(|ratio| (ratio - 1.0).abs() > USELESS);
        Self {
            schema: SCHEMA.into(),
            runs: measured.runs.clone(),
            like: like.into(),
            is_usable: 2 * fitted.told.iter().filter(off).count() <= fitted.told.len(),
            parameters: fitted.estimates.clone(),
            round_trip_s: fitted.model.round_trip.as_secs_f64(),
            misfit: fitted.misfit,
            settings: fitted.told.iter().map(row).collect(),
            left_out: measured.left_out.clone(),
            taken_for: measured.taken_for.clone(),
        }
    }

    /// Rows of which the link has another rate.
    pub fn missed(&self) -> usize {
        self.settings.iter().filter(|row| row.missed).count()
    }
}

fn row(told: &Told) -> Row {
    let value = |of: &Features, feature| of.ln(feature).map(f64::exp);
    let request = |of: &Features| {
        let data = [Feature::PartTime, Feature::PutTime, Feature::GetTime];
        data.into_iter().find_map(|feature| value(of, feature))
    };
    Row {
        direction: told.asked.manner.direction,
        settings: told.asked.manner.settings,
        mean_file_bytes: told.asked.shape.mean_bytes(),
        trials: told.trials,
        measured_bytes_per_second: value(&told.measured, Feature::Rate).unwrap_or(0.0),
        simulated_bytes_per_second: value(&told.simulated, Feature::Rate),
        measured_request_s: request(&told.measured),
        simulated_request_s: request(&told.simulated),
        missed: told.is_missed(),
    }
}
