//! What was measured, as numbers with how sure each is.

use super::cell::Cell;
use super::features::{Feature, Features};

/// One number that was measured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Observation {
    /// The place of its cell.
    pub cell: usize,
    /// Which.
    pub feature: Feature,
    /// Its logarithm.
    pub ln: f64,
    /// Standard deviation of its difference from what is simulated.
    pub sd: f64,
}

/// ASSUMPTION, where neither trials nor simulations were repeated: trials of the same differ by so much.
const SD_UNKNOWN: f64 = 0.03;

/// No number varies less.
const SD_LEAST: f64 = 1e-4;

/// What all cells show counts as much as so many more trials of each.
const POOLED_WORTH: f64 = 2.0;

/// The rate of a window and the times of its requests are the same bytes looked at twice.
const SEEN_TWICE: f64 = std::f64::consts::SQRT_2;

/// Everything that was measured. Trials of the same differ as those of a cell do that were made several times, or as
/// simulations of it with other draws do, whichever is more.
pub(super) fn observations(cells: &[Cell], simulated: &[Vec<Features>]) -> Vec<Observation> {
    let mut all = Vec::new();
    for feature in Feature::ALL {
        let of_trials = |cell: usize| scatter(&cells[cell].trials, feature);
        let of_draws =
            |cell: usize| scatter(simulated.get(cell).map_or(&[], Vec::as_slice), feature);
        let pooled = [pooled(cells.len(), of_trials), pooled(cells.len(), of_draws)];
        for (place, cell) in cells.iter().enumerate() {
            let mean = Features::mean(&cell.trials);
            let Some(number) = mean.number(feature) else { continue };
            let sds = [shrunk(of_trials(place), pooled[0]), shrunk(of_draws(place), pooled[1])];
            let of_one = sds.into_iter().flatten().reduce(f64::max).unwrap_or(SD_UNKNOWN);
            let trials = told_by(&cell.trials, feature);
            let draws = simulated.get(place).map_or(0.0, |draws| told_by(draws, feature));
            let of_means = of_one * (trials.recip() + draws.max(1.0).recip()).sqrt();
            let sd = of_means.max(number.sd).hypot(feature.sd_min()) * shared(&mean, feature);
            all.push(Observation { cell: place, feature, ln: number.ln, sd });
        }
    }
    all
}

/// How many times less sure a number is for what another says of the same bytes.
fn shared(mean: &Features, feature: Feature) -> f64 {
    let times = [Feature::PartTime, Feature::PutTime, Feature::GetTime];
    let is_timed = times.iter().any(|time| mean.ln(*time).is_some());
    match feature {
        Feature::CallTime | Feature::FirstByte | Feature::Unevenness => 1.0,
        _ if is_timed => SEEN_TWICE,
        _ => 1.0,
    }
}

fn told_by(trials: &[Features], feature: Feature) -> f64 {
    trials.iter().filter(|one| one.ln(feature).is_some()).count() as f64
}

/// Squares of the differences from the mean, and how many of them are free.
fn scatter(trials: &[Features], feature: Feature) -> (f64, f64) {
    let values: Vec<f64> = trials.iter().filter_map(|one| one.ln(feature)).collect();
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
    let squares = values.iter().map(|value| (value - mean).powi(2)).sum();
    (squares, (values.len().max(1) - 1) as f64)
}

/// Standard deviation of one around the mean of its cell; `None` if nothing was repeated.
fn pooled(cells: usize, scatter: impl Fn(usize) -> (f64, f64)) -> Option<f64> {
    let (squares, freedom) =
        (0..cells).map(scatter).fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    (freedom > 0.0).then(|| (squares / freedom).sqrt())
}

/// The same of one cell, which is like the others as far as it does not say otherwise: the mean of the logarithms, for
/// a link that is full varies a hundred times less than one at its knee.
fn shrunk((squares, freedom): (f64, f64), pooled: Option<f64>) -> Option<f64> {
    let pooled = pooled?.max(SD_LEAST);
    let own = (squares / freedom.max(1.0)).sqrt().max(SD_LEAST);
    let ln = (freedom * own.ln() + POOLED_WORTH * pooled.ln()) / (freedom + POOLED_WORTH);
    Some(ln.exp())
}
