//! A fitted model, and how far it may be off.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::evidence::{Observation, RequestTimes};
use super::fit::{self, Candidate, TERMS};
use super::model::{Crew, Model, Terms};
use super::shape::Shape;
use super::work::Manner;
use crate::error::{Error, Result};
use crate::stats::{self, quantile};

/// A model with how sure it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Fitted {
    /// Its numbers.
    pub model: Model,
    /// Standard deviation of the logarithm of observed over predicted.
    pub residual_sd: f64,
    /// The same between sessions.
    pub between_sessions: BetweenSessions,
    /// Observations that it was fitted to.
    pub observations: u32,
    /// Runs that they are from.
    pub sessions: u32,
    /// Whether S0 could be told: only whole tasks show it.
    pub startup_is_known: bool,
    /// Observations less the terms that are in the model.
    degrees_of_freedom: u32,
    /// Of the terms, per squared unit of the residual: what the model is unsure of.
    covariance: Vec<Vec<f64>>,
    /// The terms that are in the model.
    used: Vec<usize>,
    /// Smallest and largest mean file size that was observed.
    pub file_bytes: [f64; 2],
    /// Part sizes that were observed.
    pub part_sizes_bytes: Vec<u64>,
    /// How even requests were, as far as observations tell.
    #[serde(default)]
    pub request_times: Vec<RequestTimes>,
}

/// ASSUMPTION, where no observation tells how much the times of like requests differ: so much that movers keep no
/// order. Then the limits of a project refuse more than they would of even ones.
const REQUEST_SD: f64 = 0.3;

/// How much whole sessions differ.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "from", content = "sd")]
pub enum BetweenSessions {
    /// Two or more were compared.
    Measured(f64),
    /// One session tells nothing of the others; see [`UNSEEN_SESSIONS_SD`].
    Assumed(f64),
    /// The target is a model of this program, which does not change.
    None,
}

/// ASSUMPTION: sessions differ as much as regressions over logs of Globus tasks miss: 4.6 to 7.8 % in the
/// median (Z. Liu et al., HPDC 2017), which is a standard deviation of 6.2 % / 0.6745.
pub const UNSEEN_SESSIONS_SD: f64 = 0.092;

impl BetweenSessions {
    /// Standard deviation of logarithms.
    pub fn sd(self) -> f64 {
        match self {
            Self::Measured(sd) | Self::Assumed(sd) => sd,
            Self::None => 0.0,
        }
    }
}

/// What the model's form misses beside the noise of what it was fitted to: the standard deviation of errors
/// over datasets of other sizes and mixes than those measured, on three simulated links, where there is no
/// noise (`cargo test --test integration were_not_measured -- --nocapture`).
pub const MISFIT_SD: f64 = 0.02;

/// Where a model's answer lies with a probability, as a factor on its time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// Of the logarithm, as of a normal distribution.
    sd: f64,
}

impl Spread {
    /// The factor that so many of 100 tasks stay below.
    pub fn factor(self, percent: f64) -> f64 {
        (self.sd * quantile(percent / 100.0, NORMAL)).exp()
    }
}

/// Student's t with so many degrees of freedom is the normal distribution.
const NORMAL: usize = 1_000_000;

impl Fitted {
    /// Fits the model to one way's observations. `target_is_ours` if it is a model of this program.
    ///
    /// # Errors
    /// If there are fewer than three file sizes, or too few observations.
    pub fn to(observations: &[&Observation], target_is_ours: bool) -> Result<Self> {
        fit::enough(observations)?;
        let best = fit::best(observations).ok_or_else(|| {
            Error::environment("no model fits these results")
                .hint("measure again: tidegate plan --measure TARGET")
        })?;
        Ok(Self::of(best, observations, target_is_ours))
    }

    /// The time of a task, and how far it may be off.
    pub fn predict(&self, shape: &Shape, manner: Manner, crew: Crew) -> (Terms, Spread) {
        let terms = self.model.time(shape, manner, crew);
        let told_s = |model: &Model| {
            // A link that was measured is a number of the model, one that was not is none.
            let factor = match (model.link_bytes_per_second, self.model.link_bytes_per_second) {
                (Some(moved), Some(own)) => moved / own,
                _ => 1.0,
            };
            let link_bytes_per_second = crew.link_bytes_per_second.map(|link| link * factor);
            let steady = model.steady(shape, manner, Crew { link_bytes_per_second, ..crew });
            model.with_tail(steady, terms.tail_s).total_s()
        };
        let leverage = leverage(&fit::slopes(&self.model, &self.used, told_s), &self.covariance);
        let of_sessions = self.between_sessions.sd().powi(2);
        // Few observations tell the residual's deviation badly: Student's t instead of the normal.
        let few = quantile(0.95, self.degrees_of_freedom.max(1) as usize) / quantile(0.95, NORMAL);
        let of_residuals = (few * self.residual_sd).powi(2) * (1.0 + leverage);
        let (_, tail_sd_s) = self.model.tail(shape, manner, crew.movers);
        let of_order = (tail_sd_s / terms.total_s().max(f64::MIN_POSITIVE)).powi(2);
        let sd = (of_residuals + of_order + of_sessions + MISFIT_SD.powi(2)).sqrt();
        (terms, Spread { sd })
    }

    /// The same for sessions of which none was measured, where it is of a model that does not change.
    #[must_use]
    pub fn of_unseen_sessions(mut self) -> Self {
        if self.between_sessions == BetweenSessions::None {
            self.between_sessions = BetweenSessions::Assumed(UNSEEN_SESSIONS_SD);
        }
        self
    }

    /// Standard deviation of the logarithm of the times of requests of so many bytes: as of the observed size that is
    /// nearest.
    pub fn request_sd(&self, bytes: f64) -> f64 {
        let far = |one: &RequestTimes| (one.bytes.max(1.0) / bytes.max(1.0)).ln().abs();
        let nearest = self.request_times.iter().map(far).fold(f64::MAX, f64::min);
        let near = self.request_times.iter().filter(|one| far(one) <= nearest);
        let sds: Vec<f64> = near.map(|one| one.sd).collect();
        match sds.len() {
            0 => REQUEST_SD,
            count => sds.iter().sum::<f64>() / count as f64,
        }
    }

    fn of(found: Candidate, observations: &[&Observation], target_is_ours: bool) -> Self {
        let Candidate { model, used, .. } = found;
        let tails = fit::tails(observations, &model);
        let rows = fit::all_slopes(observations, &tails, &model, &used);
        let small = stats::inverse_of_squares(&rows, &used).unwrap_or_default();
        let mut covariance = vec![vec![0.0; TERMS]; TERMS];
        for (i, row) in small.iter().enumerate() {
            for (j, value) in row.iter().enumerate() {
                covariance[used[i]][used[j]] = *value;
            }
        }
        let residuals = fit::residuals(observations, &tails, &model);
        let sizes = observations.iter().map(|one| one.shape.mean_bytes());
        let mut sessions: Vec<&str> = observations.iter().map(|one| one.session.as_str()).collect();
        sessions.sort_unstable();
        sessions.dedup();
        let mut part_sizes: Vec<u64> =
            observations.iter().map(|one| one.manner.settings.part_size_bytes).collect();
        part_sizes.sort_unstable();
        part_sizes.dedup();
        Self {
            model,
            residual_sd: residual_sd(&rows, &covariance, &residuals),
            between_sessions: between(observations, &residuals, &sessions, target_is_ours),
            observations: observations.len() as u32,
            sessions: sessions.len() as u32,
            startup_is_known: observations.iter().any(|one| one.is_whole_task),
            degrees_of_freedom: observations.len().saturating_sub(used.len()).max(1) as u32,
            covariance,
            used,
            file_bytes: sizes
                .fold([f64::MAX, 0.0], |[low, high], size| [low.min(size), high.max(size)]),
            part_sizes_bytes: part_sizes,
            request_times: observations.iter().filter_map(|one| one.requests).collect(),
        }
    }
}

/// How unsure the model is of a time with these slopes, per squared unit of the residual.
fn leverage(row: &[f64; TERMS], covariance: &[Vec<f64>]) -> f64 {
    let pairs = (0..TERMS).flat_map(|i| (0..TERMS).map(move |j| (i, j)));
    pairs.map(|(i, j)| row[i] * covariance[i][j] * row[j]).sum()
}

/// The standard deviation of what residuals e would be without the fit's own freedom at each: e^2 / (1 - h) in the mean,
/// with the leverage h (J. MacKinnon and H. White, J. Econometrics 29, 1985, HC2).
fn residual_sd(rows: &[[f64; TERMS]], covariance: &[Vec<f64>], residuals: &[f64]) -> f64 {
    let square = |(row, residual): (&[f64; TERMS], &f64)| {
        let leverage = leverage(row, covariance);
        // An observation that decides alone says nothing about errors.
        (leverage < 0.95).then(|| residual.powi(2) / (1.0 - leverage))
    };
    let squares: Vec<f64> = rows.iter().zip(residuals).filter_map(square).collect();
    let mean = squares.iter().sum::<f64>() / squares.len().max(1) as f64;
    mean.sqrt()
}

/// Variance of the sessions' means beyond what their trials explain.
fn between(
    observations: &[&Observation],
    residuals: &[f64],
    sessions: &[&str],
    target_is_ours: bool,
) -> BetweenSessions {
    if target_is_ours {
        return BetweenSessions::None;
    }
    if sessions.len() < 2 {
        return BetweenSessions::Assumed(UNSEEN_SESSIONS_SD);
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let of_session = |session: &&str| {
        let own = observations.iter().zip(residuals).filter(|(one, _)| one.session == **session);
        mean(&own.map(|(_, residual)| *residual).collect::<Vec<_>>())
    };
    let means: Vec<f64> = sessions.iter().map(of_session).collect();
    let overall = mean(&means);
    let squares: f64 = means.iter().map(|value| (value - overall).powi(2)).sum();
    BetweenSessions::Measured((squares / (means.len() - 1) as f64).sqrt())
}
