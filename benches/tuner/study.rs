//! What the strategies lose, and whether the tuner's claims hold.

use std::collections::BTreeMap;

use tidegate::result::{Phase, Verdict};
use tidegate::tune::MARGIN;

use super::strategies::{Strategy, Tuned, tuned};
use super::surface::{Budget, Shape, Surface, World};

/// Noise of a trial: standard deviation of its logarithm.
pub const NOISES: [f64; 4] = [0.02, 0.05, 0.1, 0.2];

/// With more noise the claims are judged, not the regret.
pub const NOISE_JUDGED_MAX: f64 = 0.05;

/// Losses of one strategy, one for each surface.
#[derive(Default)]
pub struct Losses {
    /// max(0, 0.95 x best - chosen) / best, where something was chosen.
    pub excess_regret: Vec<f64>,
    /// How often the budget was too small for an answer.
    pub unanswered: u32,
    /// Bytes over those of the reference grid.
    pub bytes_share: Vec<f64>,
}

/// Claims in one stratum of shape and noise.
#[derive(Default)]
pub struct Claims {
    pub searches: u32,
    /// Intervals from the confirmation, and how many hold the true ratio.
    pub intervals: u32,
    pub hold: u32,
    /// Their width over that with known variance.
    pub widths: Vec<f64>,
    /// The same of the race's simultaneous intervals.
    pub raced: u32,
    pub raced_hold: u32,
    pub clear: u32,
    /// "clear" though something on the grid that took part is better by more than the margin.
    pub clear_but_wrong: u32,
    /// Settings measured twice, and how often they were told apart.
    pub twice: u32,
    pub twice_differ: u32,
}

pub struct Study {
    pub losses: BTreeMap<Strategy, Losses>,
    pub claims: BTreeMap<(Shape, usize), Claims>,
    pub surfaces: u32,
}

/// Draws so many surfaces of each shape and noise for the claims, and of them so many for the losses.
pub fn study(searches: u32, compared: u32) -> Study {
    let mut study = Study { losses: BTreeMap::new(), claims: BTreeMap::new(), surfaces: 0 };
    for (place, shape) in Shape::ALL.into_iter().enumerate() {
        for (level, noise) in NOISES.into_iter().enumerate() {
            for index in 0..searches {
                let seed = u64::from(index) * 100 + (place * 10 + level) as u64;
                let surface = Surface::drawn(shape, noise, &mut fastrand::Rng::with_seed(seed));
                study.surfaces += 1;
                study.claim(&surface, level, seed);
                if noise <= NOISE_JUDGED_MAX && index < compared {
                    study.compare(&surface, seed);
                }
            }
        }
    }
    study
}

impl Study {
    fn compare(&mut self, surface: &Surface, seed: u64) {
        let budget = Budget::of(surface);
        for strategy in Strategy::ALL {
            let mut world = World::new(surface, seed);
            let chosen = strategy.choose(&mut world, budget, seed);
            let losses = self.losses.entry(strategy).or_default();
            let regret = |settings| 1.0 - MARGIN - surface.goodput(settings) / surface.best();
            losses.excess_regret.extend(chosen.map(|settings| regret(settings).max(0.0)));
            losses.unanswered += u32::from(chosen.is_none());
            losses.bytes_share.push(world.bytes / surface.grid_bytes());
        }
    }

    fn claim(&mut self, surface: &Surface, level: usize, seed: u64) {
        let mut world = World::new(surface, seed);
        let claims = self.claims.entry((surface.shape, level)).or_default();
        claims.searches += 1;
        // A fifth of the grid's trials; the bytes are the losses' concern.
        let budget = Budget { bytes: f64::INFINITY, ..Budget::of(surface) };
        if let Some(tuned) = tuned(&mut world, budget, seed) {
            claims.add(surface, &tuned);
        }
    }
}

impl Claims {
    fn add(&mut self, surface: &Surface, tuned: &Tuned) {
        let found = &tuned.recommendation;
        let truth = |of| surface.goodput(of);
        for comparison in &found.compared_with {
            let Some([low, high]) = comparison.interval_95 else { continue };
            let ratio = truth(found.settings) / truth(comparison.settings);
            let holds = u32::from(low <= ratio && ratio <= high);
            if comparison.phase != Some(Phase::Confirmation) {
                self.raced += 1;
                self.raced_hold += holds;
                continue;
            }
            self.intervals += 1;
            self.hold += holds;
            let (blocks, duplicate) = tuned.confirmation();
            let share = |of| if Some(of) == duplicate { 0.5 } else { 1.0 };
            let shares = share(found.settings) + share(comparison.settings);
            let known = 2.0 * 1.96 * surface.sd() * (shares / blocks as f64).sqrt();
            self.widths.push((high / low).ln() / known);
        }
        if found.verdict == Verdict::Clear {
            self.clear += 1;
            let compared = found.compared_with.iter().map(|one| truth(one.settings));
            let best = compared.fold(truth(found.settings), f64::max);
            self.clear_but_wrong += u32::from(truth(found.settings) < (1.0 - MARGIN) * best);
        }
        if let Some([low, high]) = found.same_settings_twice.and_then(|twice| twice.interval_95) {
            self.twice += 1;
            self.twice_differ += u32::from(low > 1.0 || high < 1.0);
        }
    }
}

/// The value below which such a share of all lies.
pub fn percentile(values: &[f64], share: f64) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values
        .get(((values.len().max(1) - 1) as f64 * share).round() as usize)
        .copied()
        .unwrap_or(f64::NAN)
}

pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
