//! The universal scalability law: rate against the number of streams.
//!
//! X(N) = gamma N / (1 + alpha (N - 1) + beta N (N - 1)): alpha is what the streams wait for each other,
//! beta what they disturb each other (N. J. Gunther, "Guerrilla Capacity Planning", 2007, chapter 4;
//! its peak is at sqrt((1 - alpha) / beta)). Fitted by least squares on the logarithms, because the
//! noise of a rate is proportional to it, with alpha and beta held at or above zero: what lies below
//! has no meaning. Every block of observations has a level of its own, so that drift between blocks
//! does not look like scaling.

use std::collections::{BTreeMap, BTreeSet};

/// Steps of the fit; it needs ten or so.
const STEPS_MAX: usize = 100;

/// Resamples of the bootstrap (B. Efron, R. Tibshirani, "An Introduction to the Bootstrap", 1993,
/// section 14.3, ask for 500 and more for the ends of an interval).
const RESAMPLES: usize = 600;

/// Resamples stay between the least and the most of the blocks, and all n lie on one side of the truth once
/// in 2^(n - 1): of five or fewer no such interval holds 95 %.
const BLOCKS_MIN: usize = 6;

/// One observed rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Observed {
    /// Observations of one block were made close to each other in time.
    pub block: u32,
    /// Streams.
    pub streams: f64,
    /// Rate above zero, in any unit.
    pub rate: f64,
}

/// A fitted law.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usl {
    /// Rate of one stream.
    pub gamma: f64,
    /// Contention.
    pub alpha: f64,
    /// Crosstalk.
    pub beta: f64,
}

/// Ends of 95 % intervals.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UslIntervals {
    /// Of contention.
    pub alpha: [f64; 2],
    /// Of crosstalk; from 0 on when no peak is shown.
    pub beta: [f64; 2],
    /// Of the peak; infinite where a resample had none.
    pub peak: [f64; 2],
}

impl Usl {
    /// The rate with so many streams.
    pub fn at(&self, streams: f64) -> f64 {
        self.gamma * streams / denominator(self.alpha, self.beta, streams)
    }

    /// Streams with the highest rate; infinite when it only rises.
    pub fn peak(&self) -> f64 {
        if self.beta > 0.0 {
            ((1.0 - self.alpha).max(0.0) / self.beta).sqrt().max(1.0)
        } else {
            f64::INFINITY
        }
    }

    /// The law nearest to what was observed; `None` with fewer than four different numbers of streams in
    /// blocks that hold more than one, or a rate that is not above zero.
    pub fn fit(observed: &[Observed]) -> Option<Self> {
        let usable = |one: &Observed| one.rate > 0.0 && one.rate.is_finite() && one.streams >= 1.0;
        if streams_compared(observed) < 4 || !observed.iter().all(usable) {
            return None;
        }
        let starts = [[0.05, 1e-4], [0.5, 0.0], [0.0, 1e-3]];
        let fits = starts.map(|start| descend(observed, start));
        let (_, [alpha, beta]) = fits.into_iter().min_by(|one, other| one.0.total_cmp(&other.0))?;
        let logs: f64 = observed.iter().map(|one| one.rate.ln() - shape(one, [alpha, beta])).sum();
        Some(Self { gamma: (logs / observed.len() as f64).exp(), alpha, beta })
    }

    /// 95 % percentile intervals from resampling whole blocks; `None` with fewer than six that hold more
    /// than one number of streams, or if fewer than half of the resamples could be fitted.
    pub fn intervals(observed: &[Observed], seed: u64) -> Option<UslIntervals> {
        let mut blocks = BTreeMap::<u32, Vec<Observed>>::new();
        for one in observed {
            blocks.entry(one.block).or_default().push(*one);
        }
        // The others have no part in a fit.
        let tells = |block: &Vec<Observed>| streams_compared(block) > 0;
        let blocks: Vec<Vec<Observed>> = blocks.into_values().filter(tells).collect();
        if blocks.len() < BLOCKS_MIN {
            return None;
        }
        let mut random = fastrand::Rng::with_seed(seed);
        let fits: Vec<Self> = (0..RESAMPLES)
            .filter_map(|_| {
                let drawn = (0..blocks.len() as u32).flat_map(|block| {
                    let one = &blocks[random.usize(..blocks.len())];
                    one.iter().map(move |observed| Observed { block, ..*observed })
                });
                Self::fit(&drawn.collect::<Vec<_>>())
            })
            .collect();
        (2 * fits.len() >= RESAMPLES).then(|| UslIntervals {
            alpha: percentile_interval(fits.iter().map(|fit| fit.alpha)),
            beta: percentile_interval(fits.iter().map(|fit| fit.beta)),
            peak: percentile_interval(fits.iter().map(Self::peak)),
        })
    }
}

/// How far a law misses blocks that it was not fitted to: the sum over all blocks of the squared distance between
/// what was observed and what `fitted` to the others says, each block at its own level (leave-one-out
/// cross-validation: M. Stone, "Cross-Validatory Choice and Assessment of Statistical Predictions", Journal of
/// the Royal Statistical Society B 36 (1974) 111-147). `None` if a block could not be predicted.
pub fn left_out_error<L: Fn(f64) -> f64>(
    observed: &[Observed],
    fitted: impl Fn(&[Observed]) -> Option<L>,
) -> Option<f64> {
    let blocks: BTreeSet<u32> = observed.iter().map(|one| one.block).collect();
    let error = |block: &u32| {
        let (left_out, rest): (Vec<Observed>, Vec<Observed>) =
            observed.iter().partition(|one| one.block == *block);
        Some(centred_squares(&left_out, fitted(&rest)?))
    };
    blocks.iter().map(error).sum()
}

/// Squared distances between the logarithms of the rates and of a law, each block at its own level.
pub(super) fn centred_squares(observed: &[Observed], shape: impl Fn(f64) -> f64) -> f64 {
    let mut values: Vec<f64> =
        observed.iter().map(|one| one.rate.ln() - shape(one.streams)).collect();
    centre(observed, &mut values);
    squares(&values)
}

/// How many numbers of streams were seen beside another one in the same block: a block of one has a level
/// and no slope.
fn streams_compared(observed: &[Observed]) -> usize {
    let beside_another = |one: &&Observed| {
        observed.iter().any(|other| other.block == one.block && other.streams != one.streams)
    };
    let compared = observed.iter().filter(beside_another).map(|one| one.streams.to_bits());
    compared.collect::<BTreeSet<u64>>().len()
}

fn denominator(alpha: f64, beta: f64, streams: f64) -> f64 {
    1.0 + alpha * (streams - 1.0) + beta * streams * (streams - 1.0)
}

/// Logarithm of the law with gamma = 1.
fn shape(one: &Observed, [alpha, beta]: [f64; 2]) -> f64 {
    one.streams.ln() - denominator(alpha, beta, one.streams).ln()
}

/// Subtracts each block's mean: what is left does not depend on the block's level.
fn centre(observed: &[Observed], values: &mut [f64]) {
    let mut sums = BTreeMap::<u32, (f64, f64)>::new();
    for (one, value) in observed.iter().zip(values.iter()) {
        let (sum, count) = sums.entry(one.block).or_default();
        *sum += value;
        *count += 1.0;
    }
    for (one, value) in observed.iter().zip(values) {
        let (sum, count) = sums[&one.block];
        *value -= sum / count;
    }
}

fn residuals(observed: &[Observed], parameters: [f64; 2]) -> Vec<f64> {
    let mut values: Vec<f64> =
        observed.iter().map(|one| one.rate.ln() - shape(one, parameters)).collect();
    centre(observed, &mut values);
    values
}

fn squares(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum()
}

/// Levenberg and Marquardt's descent, projected on alpha, beta >= 0 and alpha <= 1: the sum of squares and where.
fn descend(observed: &[Observed], start: [f64; 2]) -> (f64, [f64; 2]) {
    let mut at = start;
    let mut residual = residuals(observed, at);
    let mut error = squares(&residual);
    let mut damping = 1e-2;
    for _ in 0..STEPS_MAX {
        let (gradient, curvature) = derivatives(observed, at, &residual);
        let step = step(at, gradient, curvature, damping);
        let next = [(at[0] + step[0]).clamp(0.0, 1.0), (at[1] + step[1]).max(0.0)];
        let there = residuals(observed, next);
        let less = squares(&there);
        if less < error {
            let gain = (error - less) / error.max(f64::MIN_POSITIVE);
            (at, residual, error) = (next, there, less);
            damping = (damping / 5.0).max(1e-9);
            if gain < 1e-9 {
                break;
            }
        } else {
            damping *= 5.0;
            if damping > 1e9 {
                break;
            }
        }
    }
    (error, at)
}

/// Gradient and approximate curvature of half the sum of squares.
fn derivatives(
    observed: &[Observed],
    [alpha, beta]: [f64; 2],
    residual: &[f64],
) -> ([f64; 2], [[f64; 2]; 2]) {
    let by = |slope: &dyn Fn(f64) -> f64| {
        let slope = |one: &Observed| slope(one.streams) / denominator(alpha, beta, one.streams);
        let mut column: Vec<f64> = observed.iter().map(slope).collect();
        centre(observed, &mut column);
        column
    };
    let columns = [by(&|n| n - 1.0), by(&|n| n * (n - 1.0))];
    let dot = |one: &[f64], other: &[f64]| one.iter().zip(other).map(|(a, b)| a * b).sum::<f64>();
    let gradient = [0, 1].map(|row| dot(&columns[row], residual));
    let curvature = [0, 1].map(|row| [0, 1].map(|column| dot(&columns[row], &columns[column])));
    (gradient, curvature)
}

/// A damped step downwards over the parameters that are not held at their bound.
fn step(at: [f64; 2], gradient: [f64; 2], curvature: [[f64; 2]; 2], damping: f64) -> [f64; 2] {
    let held = |index: usize| at[index] <= 0.0 && gradient[index] > 0.0;
    let [[a, b], [_, d]] = curvature;
    let (a, d) = (a * (1.0 + damping), d * (1.0 + damping));
    let alone = |gradient: f64, curvature: f64| {
        if curvature > 0.0 { -gradient / curvature } else { 0.0 }
    };
    match (held(0), held(1)) {
        (true, true) => [0.0, 0.0],
        (true, false) => [0.0, alone(gradient[1], d)],
        (false, true) => [alone(gradient[0], a), 0.0],
        (false, false) => {
            let determinant = a * d - b * b;
            if determinant <= 0.0 {
                return [alone(gradient[0], a), alone(gradient[1], d)];
            }
            let [g, h] = gradient;
            [-(d * g - b * h) / determinant, -(a * h - b * g) / determinant]
        }
    }
}

fn percentile_interval(values: impl Iterator<Item = f64>) -> [f64; 2] {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values[((values.len() - 1) as f64 * share).round() as usize];
    [at(0.025), at(0.975)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn observe(law: Usl, blocks: u32, noise: impl FnMut() -> f64) -> Vec<Observed> {
        let mut noise = noise;
        let streams = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0];
        let blocks = (0..blocks).flat_map(|block| streams.map(|streams| (block, streams)));
        let mut observed = Vec::new();
        for (block, streams) in blocks {
            // Each block has a level of its own.
            let rate = law.at(streams) * (1.0 + 0.3 * f64::from(block)) * noise();
            observed.push(Observed { block, streams, rate });
        }
        observed
    }

    fn noise(random: &mut fastrand::Rng, sd: f64) -> f64 {
        let normal = (0..12).map(|_| random.f64()).sum::<f64>() - 6.0;
        (sd * normal).exp()
    }

    proptest! {
        #[test]
        fn an_exact_law_is_found_again(alpha in 0.0_f64..0.5, beta in 0.0_f64..0.02) {
            let law = Usl { gamma: 1e8, alpha, beta };
            let found = Usl::fit(&observe(law, 1, || 1.0)).unwrap();
            prop_assert!((found.gamma / law.gamma - 1.0).abs() < 1e-3, "{found:?}");
            prop_assert!((found.alpha - alpha).abs() < 1e-3, "{found:?}");
            prop_assert!((found.beta - beta).abs() < 1e-4 + 1e-2 * beta, "{found:?}");
        }
    }

    #[test]
    fn drift_between_blocks_does_not_look_like_scaling() {
        let law = Usl { gamma: 5.0, alpha: 0.1, beta: 0.001 };
        let found = Usl::fit(&observe(law, 3, || 1.0)).unwrap();
        assert!((found.alpha - 0.1).abs() < 1e-3 && (found.beta - 0.001).abs() < 1e-4, "{found:?}");
    }

    #[test]
    fn a_peak_is_claimed_where_there_is_one_and_hardly_where_there_is_none() {
        let mut random = fastrand::Rng::with_seed(2);
        let mut claims = |beta: f64| {
            let law = Usl { gamma: 1e8, alpha: 0.05, beta };
            let peaks = (0..40).filter(|seed| {
                let observed = observe(law, 6, || noise(&mut random, 0.05));
                Usl::intervals(&observed, *seed).unwrap().beta[0] > 0.0
            });
            peaks.count()
        };
        assert!(claims(0.002) >= 38);
        assert!(claims(0.0) <= 6);
    }

    #[test]
    fn three_numbers_of_streams_fit_no_law() {
        let law = Usl { gamma: 1.0, alpha: 0.1, beta: 0.0 };
        let observed = observe(law, 1, || 1.0);
        assert_eq!(Usl::fit(&observed[..3]), None);
        // Nor does another one that has a block of its own.
        let alone = Observed { block: 9, ..observed[3] };
        assert_eq!(Usl::fit(&[&observed[..3], &[alone]].concat()), None);
        let five = observe(law, 5, || 1.0);
        assert_eq!(Usl::intervals(&five, 1), None);
        assert_eq!(Usl::intervals(&[&five[..], &[alone]].concat(), 1), None);
    }
}
