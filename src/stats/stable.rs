//! When a running series has become stable: the rule behind fio's `steadystate` (fio's HOWTO,
//! `steadystate`: stop when the least-squares slope, or each value's distance from the mean, is within
//! a limit), here both at once, on means of ten batches, which single slow values do not move much.
//!
//! A series that is watched until it looks stable looks more stable than it is: this says when to
//! stop, not how sure the mean is.

/// Batches into which the stretch is cut.
const BATCHES: usize = 10;

/// The fitted line may rise or fall by this share of the mean over the whole stretch (ASSUMPTION).
const DRIFT_MAX: f64 = 0.05;

/// Each batch may lie this share of the mean away from it (ASSUMPTION).
const DEVIATION_MAX: f64 = 0.10;

/// Whether all these values, in the order of time, are stable.
///
/// Values that do not fill a batch are left out at the beginning; fewer than ten say nothing, and
/// neither does a series whose mean is not above zero.
pub fn is_stable(values: &[f64]) -> bool {
    let length = values.len() / BATCHES;
    if length == 0 {
        return false;
    }
    let whole = &values[values.len() - BATCHES * length..];
    let means: Vec<f64> =
        whole.chunks(length).map(|batch| batch.iter().sum::<f64>() / length as f64).collect();
    let mean = means.iter().sum::<f64>() / BATCHES as f64;
    let near = |batch: &f64| (batch - mean).abs() <= DEVIATION_MAX * mean;
    mean > 0.0
        && means.iter().all(near)
        && (slope(&means) * BATCHES as f64).abs() <= DRIFT_MAX * mean
}

/// Of the least-squares line over 0, 1, 2, ...
fn slope(values: &[f64]) -> f64 {
    let middle = (values.len() - 1) as f64 / 2.0;
    let at = |index: usize| index as f64 - middle;
    let products: f64 = values.iter().enumerate().map(|(index, value)| at(index) * value).sum();
    let squares: f64 = (0..values.len()).map(|index| at(index).powi(2)).sum();
    products / squares
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A line from `from` to `to`.
    fn line(from: f64, to: f64, count: usize) -> Vec<f64> {
        (0..count).map(|index| from + (to - from) * index as f64 / (count - 1) as f64).collect()
    }

    #[test]
    fn a_drift_within_the_limit_is_stable_and_one_beyond_it_is_not() {
        assert!(is_stable(&line(98.0, 102.0, 100)));
        assert!(!is_stable(&line(97.0, 103.0, 100)));
        assert!(!is_stable(&line(103.0, 97.0, 100)));
    }

    #[test]
    fn one_batch_far_from_the_mean_is_enough() {
        let mut values = vec![100.0; 100];
        values[50..60].fill(80.0);
        assert!(!is_stable(&values));
        // The same loss over all of the stretch is nothing.
        assert!(is_stable(&[98.0; 100]));
    }

    #[test]
    fn single_slow_values_do_not_matter() {
        let mut values = vec![100.0; 100];
        values[5] = 20.0;
        values[57] = 20.0;
        assert!(is_stable(&values));
    }

    #[test]
    fn nothing_is_stable_that_is_too_short_or_stands_still() {
        assert!(!is_stable(&[]));
        assert!(!is_stable(&[1.0; 9]));
        assert!(!is_stable(&[0.0; 100]));
    }

    proptest! {
        #[test]
        fn it_depends_neither_on_the_unit_nor_on_the_direction_of_time(
            values in prop::collection::vec(80.0_f64..120.0, 10..60),
            factor in 0.01_f64..100.0,
        ) {
            let whole = values.len() - values.len() % BATCHES;
            let values = &values[..whole];
            let scaled: Vec<f64> = values.iter().map(|value| value * factor).collect();
            let reversed: Vec<f64> = values.iter().rev().copied().collect();
            prop_assert_eq!(is_stable(values), is_stable(&scaled));
            prop_assert_eq!(is_stable(values), is_stable(&reversed));
        }
    }
}
