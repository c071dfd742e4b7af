//! The model's numbers from observations: least squares of relative errors, nothing below zero, no more
//! terms than the observations carry.

use serde::{Deserialize, Serialize};

use super::evidence::Observation;
use super::least_squares;
use super::model::{Crew, Model, Terms};
use super::shape::Shape;
use super::work::{Manner, Work};
use crate::error::{Error, Result};
use crate::stats::quantile;

/// S0, t0, Create and Complete, part, segment, byte, and a byte of the link.
const TERMS: usize = 7;

/// Different file sizes without which what files cost is not told from what bytes cost.
const SIZES_MIN: usize = 3;

/// Sizes that are closer than this are one.
const SIZES_RATIO: f64 = 1.5;

/// Passes in which the tails follow from the model so far.
const PASSES: usize = 2;

/// Steps of a search at most.
const STEPS: usize = 40;

/// Logarithm by which a number is moved to see what follows.
const SLOPE_STEP: f64 = 1e-4;

/// A model with how sure it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fitted {
    /// Its numbers.
    pub model: Model,
    /// Standard deviation of the logarithm of observed over predicted, each observation predicted by the
    /// others (leave one out).
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
}

/// How much whole sessions differ.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
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
        enough(observations)?;
        let found = starts(observations).into_iter().map(|start| search(observations, start));
        let best = found.min_by(|one, other| one.cost.total_cmp(&other.cost));
        let best = best.ok_or_else(|| {
            Error::environment("no model fits these results")
                .hint("measure again: tidegate plan --measure TARGET")
        })?;
        Ok(best.finish(observations, target_is_ours))
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
        let leverage = leverage(&slopes(&self.model, &self.used, told_s), &self.covariance);
        let of_sessions = self.between_sessions.sd().powi(2);
        // Few observations tell the residual's deviation badly: Student's t instead of the normal.
        let few = quantile(0.95, self.degrees_of_freedom.max(1) as usize) / quantile(0.95, NORMAL);
        let of_residuals = (few * self.residual_sd).powi(2) * (1.0 + leverage);
        let (_, tail_sd_s) = self.model.tail(shape, manner, crew.movers);
        let of_order = (tail_sd_s / terms.total_s().max(f64::MIN_POSITIVE)).powi(2);
        let sd = (of_residuals + of_order + of_sessions + MISFIT_SD.powi(2)).sqrt();
        (terms, Spread { sd })
    }
}

/// Refuses what cannot tell files from bytes.
fn enough(observations: &[&Observation]) -> Result<()> {
    let mut sizes: Vec<f64> = observations.iter().map(|one| one.shape.mean_bytes()).collect();
    sizes.sort_by(f64::total_cmp);
    let mut different = Vec::<f64>::new();
    for size in sizes {
        if different.last().is_none_or(|last| size / last > SIZES_RATIO) {
            different.push(size);
        }
    }
    if different.len() >= SIZES_MIN {
        return Ok(());
    }
    let message = format!(
        "a plan needs transfers of {SIZES_MIN} file sizes or more, and these results have {}",
        different.len()
    );
    Err(Error::environment(message).hint(
        "let tidegate measure what is missing with --measure TARGET (or --simulate PRESET), or add runs of other file sizes",
    ))
}

/// A model under way: the numbers that are in it, and what it says of each observation.
#[derive(Clone)]
struct Candidate {
    model: Model,
    used: Vec<usize>,
    cost: f64,
}

/// The numbers as they are searched: logarithms have no sign to break.
fn numbers(model: &Model) -> [f64; TERMS] {
    [
        model.startup_s,
        model.per_file_s,
        model.per_multipart_file_s,
        model.per_further_part_s,
        model.per_further_segment_s,
        model.seconds_per_byte,
        model.link_bytes_per_second.map_or(0.0, |link| 1.0 / link),
    ]
}

fn with_numbers(numbers: [f64; TERMS], in_step: f64) -> Model {
    let [startup_s, per_file_s, per_multipart_file_s, part_s, segment_s, seconds_per_byte, link] =
        numbers;
    Model {
        startup_s,
        per_file_s,
        per_multipart_file_s,
        per_further_part_s: part_s,
        per_further_segment_s: segment_s,
        seconds_per_byte,
        link_bytes_per_second: (link > 0.0).then(|| 1.0 / link),
        in_step: if link > 0.0 { in_step } else { 0.0 },
    }
}

/// Every start: the link never binds, or it does and movers stay in step or not.
fn starts(observations: &[&Observation]) -> Vec<Candidate> {
    let least = |of: &dyn Fn(&Observation) -> f64| {
        let values = observations.iter().map(|one| of(one)).filter(|value| value.is_finite());
        values.fold(f64::MAX, f64::min)
    };
    let movers = |one: &Observation| f64::from(one.manner.settings.concurrency);
    let per_file_s = 0.5 * least(&|one| one.seconds * movers(one) / one.shape.files());
    let per_byte =
        least(&|one| one.seconds * movers(one) / Work::of(&one.shape, one.manner).serial_bytes);
    let startup_s = 0.05 * least(&|one| one.seconds);
    let fastest = 1.0 / least(&|one| one.seconds / one.shape.bytes());
    let free = Model {
        startup_s: if observations.iter().any(|one| one.is_whole_task) { startup_s } else { 0.0 },
        per_file_s,
        per_multipart_file_s: 0.3 * per_file_s,
        per_further_part_s: 0.3 * per_file_s,
        per_further_segment_s: 0.3 * per_file_s,
        seconds_per_byte: 0.9 * per_byte,
        ..Model::default()
    };
    let bound = |in_step| Model { link_bytes_per_second: Some(1.02 * fastest), in_step, ..free };
    let models = [free, bound(0.0), bound(0.5), bound(1.0)];
    models
        .map(|model| Candidate { model, used: shown(observations, &model), cost: f64::MAX })
        .to_vec()
}

/// The numbers of which the observations can say anything.
fn shown(observations: &[&Observation], model: &Model) -> Vec<usize> {
    let start = numbers(model);
    let counts = |term: usize| {
        let of = |one: &&Observation| Work::of(&one.shape, one.manner).terms()[term - 1];
        observations.iter().map(of).sum::<f64>()
    };
    let is_shown = |term: &usize| {
        start[*term] > 0.0 && (*term == 0 || *term == TERMS - 1 || counts(*term) > 0.0)
    };
    (0..TERMS).filter(is_shown).collect()
}

/// Searches the numbers, then leaves out what brings nothing.
fn search(observations: &[&Observation], start: Candidate) -> Candidate {
    let mut best = descended(observations, start);
    loop {
        let without = |left_out: &usize| {
            let used: Vec<usize> =
                best.used.iter().copied().filter(|term| term != left_out).collect();
            (!used.is_empty()).then(|| descended(observations, Candidate { used, ..best.clone() }))
        };
        let simpler = best.used.iter().filter_map(without);
        match simpler.min_by(|one, other| one.cost.total_cmp(&other.cost)) {
            Some(simpler) if simpler.cost <= best.cost => best = simpler,
            _ => return best,
        }
    }
}

/// Levenberg's and Marquardt's method (K. Levenberg 1944; D. Marquardt 1963) on the logarithms of times and
/// numbers.
fn descended(observations: &[&Observation], start: Candidate) -> Candidate {
    let Candidate { model, used, .. } = start;
    let kept = numbers(&model);
    let all: [f64; TERMS] =
        std::array::from_fn(|term| if used.contains(&term) { kept[term].max(1e-15) } else { 0.0 });
    let mut model = with_numbers(all, model.in_step);
    for _ in 0..PASSES {
        let tails = tails(observations, &model);
        let mut damping = 1e-3;
        let mut squares = sum_of_squares(observations, &tails, &model);
        for _ in 0..STEPS {
            let step = step(observations, &tails, &model, &used, damping);
            let Some(moved) = step else { break };
            let moved_squares = sum_of_squares(observations, &tails, &moved);
            if moved_squares < squares {
                let gain = 1.0 - moved_squares / squares;
                (model, squares, damping) = (moved, moved_squares, damping / 5.0);
                if gain < 1e-6 {
                    break;
                }
            } else {
                damping *= 10.0;
                if damping > 1e6 {
                    break;
                }
            }
        }
    }
    let tails = tails(observations, &model);
    let squares = sum_of_squares(observations, &tails, &model);
    let cost = least_squares::akaike(squares, observations.len() as f64, used.len() as f64);
    Candidate { model, used, cost }
}

/// Each observation's tail over its steady time.
fn tails(observations: &[&Observation], model: &Model) -> Vec<f64> {
    let tail = |one: &&Observation| {
        let movers = f64::from(one.manner.settings.concurrency);
        let steady_s = model.mover_seconds(&Work::of(&one.shape, one.manner)) / movers;
        match one.is_whole_task && steady_s > 0.0 {
            true => model.tail_s(&one.shape, one.manner, movers) / steady_s,
            false => 0.0,
        }
    };
    observations.iter().map(tail).collect()
}

/// What the model says of an observation.
fn told_s(observation: &Observation, tail: f64, model: &Model) -> f64 {
    let Observation { shape, manner, .. } = observation;
    let movers = f64::from(manner.settings.concurrency);
    let link_bytes_per_second = model.link_bytes_per_second;
    let steady = model.steady(shape, *manner, Crew { movers, links: 1.0, link_bytes_per_second });
    let told = match observation.is_whole_task {
        true => model.with_tail(steady, tail * (steady.total_s() - steady.link_s)),
        false => steady,
    };
    told.total_s().max(f64::MIN_POSITIVE)
}

/// Logarithms of observed over told.
fn residuals(observations: &[&Observation], tails: &[f64], model: &Model) -> Vec<f64> {
    let pairs = observations.iter().zip(tails);
    pairs.map(|(one, tail)| (one.seconds / told_s(one, *tail, model)).ln()).collect()
}

fn sum_of_squares(observations: &[&Observation], tails: &[f64], model: &Model) -> f64 {
    residuals(observations, tails, model).iter().map(|residual| residual.powi(2)).sum()
}

/// How the logarithm of a time follows those of the numbers.
fn slopes(model: &Model, used: &[usize], told_s: impl Fn(&Model) -> f64) -> [f64; TERMS] {
    let (now_s, now) = (told_s(model), numbers(model));
    std::array::from_fn(|term| {
        if !used.contains(&term) {
            return 0.0;
        }
        let mut moved = now;
        moved[term] *= SLOPE_STEP.exp();
        (told_s(&with_numbers(moved, model.in_step)) / now_s).ln() / SLOPE_STEP
    })
}

fn all_slopes(
    observations: &[&Observation],
    tails: &[f64],
    model: &Model,
    used: &[usize],
) -> Vec<[f64; TERMS]> {
    let pairs = observations.iter().zip(tails);
    pairs.map(|(one, tail)| slopes(model, used, |model| told_s(one, *tail, model))).collect()
}

/// The next model; `None` when there is nowhere to go.
fn step(
    observations: &[&Observation],
    tails: &[f64],
    model: &Model,
    used: &[usize],
    damping: f64,
) -> Option<Model> {
    let mut rows = all_slopes(observations, tails, model, used);
    let residuals = residuals(observations, tails, model);
    let right: Vec<f64> = used
        .iter()
        .map(|term| rows.iter().zip(&residuals).map(|(row, residual)| row[*term] * residual).sum())
        .collect();
    rows.extend(used.iter().map(|term| {
        let mut row = [0.0; TERMS];
        row[*term] = damping.sqrt();
        row
    }));
    let inverse = least_squares::inverse_of_squares(&rows, used)?;
    let mut moved = numbers(model);
    for (i, term) in used.iter().enumerate() {
        let change: f64 = inverse[i].iter().zip(&right).map(|(one, other)| one * other).sum();
        moved[*term] = (moved[*term] * change.clamp(-2.0, 2.0).exp()).clamp(1e-15, 1e6);
    }
    Some(with_numbers(moved, model.in_step))
}

impl Candidate {
    fn finish(self, observations: &[&Observation], target_is_ours: bool) -> Fitted {
        let Self { model, used, .. } = self;
        let tails = tails(observations, &model);
        let rows = all_slopes(observations, &tails, &model, &used);
        let small = least_squares::inverse_of_squares(&rows, &used).unwrap_or_default();
        let mut covariance = vec![vec![0.0; TERMS]; TERMS];
        for (i, row) in small.iter().enumerate() {
            for (j, value) in row.iter().enumerate() {
                covariance[used[i]][used[j]] = *value;
            }
        }
        let residuals = residuals(observations, &tails, &model);
        let sizes = observations.iter().map(|one| one.shape.mean_bytes());
        let mut sessions: Vec<&str> = observations.iter().map(|one| one.session.as_str()).collect();
        sessions.sort_unstable();
        sessions.dedup();
        let mut part_sizes: Vec<u64> =
            observations.iter().map(|one| one.manner.settings.part_size_bytes).collect();
        part_sizes.sort_unstable();
        part_sizes.dedup();
        Fitted {
            model,
            residual_sd: left_out_sd(&rows, &covariance, &residuals),
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
        }
    }
}

/// How unsure the model is of a time with these slopes, per squared unit of the residual.
fn leverage(row: &[f64; TERMS], covariance: &[Vec<f64>]) -> f64 {
    let pairs = (0..TERMS).flat_map(|i| (0..TERMS).map(move |j| (i, j)));
    pairs.map(|(i, j)| row[i] * covariance[i][j] * row[j]).sum()
}

/// Each residual as it would be if the observation had not been fitted to: e / (1 - h) (D. Allen,
/// Technometrics 1974).
fn left_out_sd(rows: &[[f64; TERMS]], covariance: &[Vec<f64>], residuals: &[f64]) -> f64 {
    let left_out = |(row, residual): (&[f64; TERMS], &f64)| {
        let leverage = leverage(row, covariance);
        // An observation that decides alone says nothing about errors.
        (leverage < 0.95).then(|| (residual / (1.0 - leverage)).powi(2))
    };
    let squares: Vec<f64> = rows.iter().zip(residuals).filter_map(left_out).collect();
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
