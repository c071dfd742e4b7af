//! Where the warm-up of a series ends: the marginal standard error rule on batches of five (MSER-5).
//!
//! K. P. White Jr., "An effective truncation heuristic for bias reduction in simulation output",
//! Simulation 69 (1997) 323-334: cut off so much of the beginning that the standard error of the mean
//! of the rest, taken as if its values were independent, is least. What is cut off and what is left
//! balance bias against variance without a parameter. On means of five values the rule is robust
//! (K. P. White, M. J. Cobb, S. C. Spratt, "A comparison of five steady-state truncation heuristics
//! for simulation", WSC 2000, 755-760). When the least lies beyond the middle, the series has no
//! steady part to speak of: it was too short. As the least of a short rest may be an accident, it must
//! there be clearly less.

use std::ops::Range;

/// Values of a batch.
const BATCH: usize = 5;

/// The last batches are not cut into: the variance of a handful is small by chance (White, Cobb and
/// Spratt leave five).
const BATCHES_KEPT: usize = 5;

/// Beyond the middle the standard error must be less than this share of the least before it. Five of
/// twenty independent batches come below it by accident in about 2 of 100 series (ASSUMPTION: rare
/// enough).
const CLEARLY_LESS: f64 = 0.5;

/// The first value of the steady part, or `None` if more than half would have to go, or if there are
/// too few values to say.
///
/// A constant series is steady from its first value.
pub fn steady_from(values: &[f64]) -> Option<usize> {
    let batches: Vec<f64> = values.chunks_exact(BATCH).map(|batch| batch.iter().sum()).collect();
    let cuts = batches.len().checked_sub(BATCHES_KEPT - 1)?;
    let errors = squared_standard_errors(&batches);
    let middle = batches.len() / 2;
    // Of equals the first: nothing is cut off without a reason.
    let least = |range: Range<usize>| range.min_by(|a, b| errors[*a].total_cmp(&errors[*b]));
    let from = least(0..cuts.min(middle + 1))?;
    let late = least(middle + 1..cuts).map_or(f64::INFINITY, |cut| errors[cut].sqrt());
    let is_steady = from < middle && late >= CLEARLY_LESS * errors[from].sqrt();
    is_steady.then_some(BATCH * from)
}

/// For each number of values cut off at the beginning, that of the mean of the rest.
fn squared_standard_errors(values: &[f64]) -> Vec<f64> {
    // Relative to the last, so that the sums of squares stay small.
    let origin = values.last().copied().unwrap_or_default();
    let (mut sum, mut squares, mut count) = (0.0, 0.0, 0.0);
    let mut errors: Vec<f64> = values
        .iter()
        .rev()
        .map(|value| {
            sum += value - origin;
            squares += (value - origin).powi(2);
            count += 1.0;
            (squares - sum * sum / count).max(0.0) / (count * count)
        })
        .collect();
    errors.reverse();
    errors
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A first-order autoregression around `level`, as throughput in short bins is.
    fn noisy(random: &mut fastrand::Rng, level: f64, noise: f64, count: usize) -> Vec<f64> {
        let mut state = 0.0;
        let mut next = || {
            let normal = (0..12).map(|_| random.f64()).sum::<f64>() - 6.0;
            state = 0.5 * state + noise * normal;
            level + state
        };
        (0..count).map(|_| next()).collect()
    }

    /// A hundred bins of which the first twenty rise from nothing.
    fn with_a_slow_start(random: &mut fastrand::Rng) -> Vec<f64> {
        let mut values = noisy(random, 100.0, 2.0, 100);
        for (index, value) in values.iter_mut().take(20).enumerate() {
            *value *= index as f64 / 20.0;
        }
        values
    }

    #[test]
    fn a_slow_start_is_cut_off() {
        let mut random = fastrand::Rng::with_seed(5);
        let cuts: Vec<Option<usize>> =
            (0..200).map(|_| steady_from(&with_a_slow_start(&mut random))).collect();
        assert!(cuts.iter().flatten().all(|from| *from >= 20), "{cuts:?}");
        let unsteady = cuts.iter().filter(|cut| cut.is_none()).count();
        assert!(unsteady <= 25, "{unsteady} of 200 steady series were not found so");
    }

    #[test]
    fn the_mean_of_the_steady_part_is_not_biased_by_the_start() {
        let mut random = fastrand::Rng::with_seed(6);
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let (mut whole, mut steady) = (Vec::new(), Vec::new());
        for _ in 0..200 {
            let values = with_a_slow_start(&mut random);
            whole.push(mean(&values));
            steady.extend(steady_from(&values).map(|from| mean(&values[from..])));
        }
        assert!((mean(&steady) - 100.0).abs() < 0.2, "{}", mean(&steady));
        assert!(mean(&whole) < 92.0, "the bias that is removed: {}", mean(&whole));
    }

    #[test]
    fn a_series_that_rises_to_its_end_is_not_steady() {
        let rising: Vec<f64> = (0..100).map(f64::from).collect();
        assert_eq!(steady_from(&rising), None);
        let late: Vec<f64> = (0..100).map(|index| if index < 70 { 0.0 } else { 100.0 }).collect();
        assert_eq!(steady_from(&late), None);
    }

    #[test]
    fn too_few_values_say_nothing() {
        assert_eq!(steady_from(&[]), None);
        assert_eq!(steady_from(&[1.0; 24]), None);
    }

    proptest! {
        #[test]
        fn a_constant_series_is_steady_from_the_start(value in -1e9_f64..1e9, count in 25_usize..200) {
            prop_assert_eq!(steady_from(&vec![value; count]), Some(0));
        }

        #[test]
        fn it_does_not_depend_on_the_unit(seed: u64, factor in 0.01_f64..100.0) {
            let mut random = fastrand::Rng::with_seed(seed);
            let values = noisy(&mut random, 100.0, 5.0, 60);
            let scaled: Vec<f64> = values.iter().map(|value| value * factor).collect();
            prop_assert_eq!(steady_from(&values), steady_from(&scaled));
        }
    }
}
