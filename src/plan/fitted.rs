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

/// [`UNSEEN_SESSIONS_SD`] counts as much as so many degrees of freedom of what was measured. With more, sessions that
/// differ by 20 % would be believed too late; with fewer, two sessions would tell nothing.
const PRIOR_WORTH: f64 = 1.0;

/// Student's t with one degree of freedom would leave room for a factor of 2.3 after one session.
const SESSIONS_DF_MIN: usize = 2;

/// How far another session lies from the mean of those that were measured: a t distribution of logarithms.
#[derive(Clone, Copy, Debug, PartialEq)]
struct NextSession {
    scale: f64,
    degrees_of_freedom: usize,
}

impl BetweenSessions {
    /// After so many sessions. Their deviation and its prior have a scaled inverse chi-squared distribution, and the mean
    /// of S sessions is off by itself, which is (1 + 1/S) (A. Gelman et al., "Bayesian Data Analysis", 3rd ed., 2.6 and
    /// 3.2).
    fn next(self, sessions: u32) -> NextSession {
        let seen = f64::from(sessions.max(1));
        let squares = match self {
            Self::Measured(sd) => (seen - 1.0) * sd.powi(2),
            Self::Assumed(_) => 0.0,
            Self::None => return NextSession { scale: 0.0, degrees_of_freedom: NORMAL },
        };
        let worth = PRIOR_WORTH + seen - 1.0;
        let variance = (PRIOR_WORTH * UNSEEN_SESSIONS_SD.powi(2) + squares) / worth;
        NextSession {
            scale: (variance * (1.0 + seen.recip())).sqrt(),
            degrees_of_freedom: (worth as usize).max(SESSIONS_DF_MIN),
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
    /// Of the logarithm within a session, as of a normal distribution.
    sd: f64,
    session: NextSession,
}

impl Spread {
    /// The factor that so many of 100 tasks stay below. The two distributions are added up as if both were normal with
    /// these quantiles.
    pub fn factor(self, percent: f64) -> f64 {
        let of = |sd: f64, degrees_of_freedom| sd * quantile(percent / 100.0, degrees_of_freedom);
        let NextSession { scale, degrees_of_freedom } = self.session;
        let [within, between] = [of(self.sd, NORMAL), of(scale, degrees_of_freedom)];
        within.hypot(between).copysign(percent - 50.0).exp()
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
        // Few observations tell the residual's deviation badly: Student's t instead of the normal.
        let few = quantile(0.95, self.degrees_of_freedom.max(1) as usize) / quantile(0.95, NORMAL);
        let of_residuals = (few * self.residual_sd).powi(2) * (1.0 + leverage);
        let (_, tail_sd_s) = self.model.tail(shape, manner, crew.movers);
        let of_order = (tail_sd_s / terms.total_s().max(f64::MIN_POSITIVE)).powi(2);
        let sd = (of_residuals + of_order + MISFIT_SD.powi(2)).sqrt();
        (terms, Spread { sd, session: self.between_sessions.next(self.sessions) })
    }

    /// The same for sessions of which none was measured, where it is of a model that does not change.
    #[must_use]
    pub fn of_unseen_sessions(mut self) -> Self {
        if self.between_sessions == BetweenSessions::None {
            self.sessions = 1;
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
    BetweenSessions::Measured(deviation(&means))
}

/// Standard deviation of a sample.
fn deviation(sample: &[f64]) -> f64 {
    let mean = sample.iter().sum::<f64>() / sample.len() as f64;
    let squares: f64 = sample.iter().map(|value| (value - mean).powi(2)).sum();
    (squares / (sample.len() - 1) as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a normal distribution with this deviation.
    fn drawn(random: &mut fastrand::Rng, sd: f64) -> f64 {
        sd * quantile(random.f64().clamp(1e-9, 1.0 - 1e-9), NORMAL)
    }

    /// How often the interval of 90 % holds another session after so many.
    fn held(sessions: u32, true_sd: f64) -> f64 {
        const WORLDS: u32 = 2_000;
        let mut random = fastrand::Rng::with_seed(u64::from(sessions));
        let holds = |_: &u32| {
            let seen: Vec<f64> = (0..sessions).map(|_| drawn(&mut random, true_sd)).collect();
            let mean = seen.iter().sum::<f64>() / seen.len() as f64;
            let between = match seen.len() {
                1 => BetweenSessions::Assumed(UNSEEN_SESSIONS_SD),
                _ => BetweenSessions::Measured(deviation(&seen)),
            };
            let spread = Spread { sd: 0.0, session: between.next(sessions) };
            let interval = [5.0, 95.0].map(|percent| mean + spread.factor(percent).ln());
            let next = drawn(&mut random, true_sd);
            (interval[0]..=interval[1]).contains(&next)
        };
        f64::from((0..WORLDS).filter(holds).count() as u32) / f64::from(WORLDS)
    }

    #[test]
    fn nine_of_ten_further_sessions_are_held_whether_they_differ_by_9_or_20_percent() {
        for (sessions, of_9_percent, of_20_percent) in
            [(1, 0.99, 0.80), (2, 0.95, 0.80), (3, 0.92, 0.84), (5, 0.89, 0.85), (10, 0.88, 0.86)]
        {
            let [calm, stormy] = [held(sessions, 0.09), held(sessions, 0.20)];
            assert!(calm >= of_9_percent, "{sessions} sessions of 9 %: {calm}");
            assert!(stormy >= of_20_percent, "{sessions} sessions of 20 %: {stormy}");
        }
    }

    #[test]
    fn a_model_that_does_not_change_has_no_further_sessions() {
        let spread = Spread { sd: 0.1, session: BetweenSessions::None.next(3) };
        assert!((spread.factor(90.0) - (0.1_f64 * 1.28155).exp()).abs() < 1e-4);
        assert_eq!(spread.factor(50.0), 1.0);
    }
}
