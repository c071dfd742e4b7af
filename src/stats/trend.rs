//! Whether a series rises or falls: the slope of the least-squares line through the means of ten batches, and
//! Student's t for it.
//!
//! Means of long batches depend little on each other ([`super::mean_interval_95`]), so the test keeps its
//! error rate where it would not for the values themselves, which depend on their neighbours. A slope that is
//! certain and small is no reason to distrust a mean, so its size counts as well.

use super::quantiles::quantile;

/// Batches into which a series is cut.
const BATCHES: usize = 10;

/// A change of less than this share of the mean, from the beginning of the series to its end, is none
/// (ASSUMPTION: the mean is then off by half of it at most).
const CHANGE_MIN: f64 = 0.1;

/// Error rate of the test: a series that neither rises nor falls is said to in at most so many of all cases.
const ALPHA: f64 = 0.01;

/// Whether the values, in the order of time, neither rise nor fall by an amount that matters. `None` with
/// fewer than two values for each batch, or where nothing is above zero. Values that do not fill a batch
/// are left out at the beginning.
pub fn is_level(values: &[f64]) -> Option<bool> {
    let length = values.len() / BATCHES;
    if length < 2 {
        return None;
    }
    let whole = &values[values.len() - BATCHES * length..];
    let means: Vec<f64> =
        whole.chunks(length).map(|batch| batch.iter().sum::<f64>() / length as f64).collect();
    let mean = means.iter().sum::<f64>() / BATCHES as f64;
    if mean <= 0.0 {
        return None;
    }
    let (slope, error) = slope(&means, mean);
    let change = (slope * BATCHES as f64 / mean).abs();
    let certain = slope.abs() > quantile(1.0 - ALPHA / 2.0, BATCHES - 2) * error;
    Some(change <= CHANGE_MIN || !certain)
}

/// Of the line through the batches, for each step, with its standard error.
fn slope(means: &[f64], mean: f64) -> (f64, f64) {
    let middle = (BATCHES - 1) as f64 / 2.0;
    let at = |index: usize| index as f64 - middle;
    let of_steps: f64 = (0..BATCHES).map(|index| at(index).powi(2)).sum();
    let products: f64 = means.iter().enumerate().map(|(index, value)| at(index) * value).sum();
    let slope = products / of_steps;
    let left = means.iter().enumerate().map(|(index, value)| value - mean - slope * at(index));
    let variance = left.map(|left| left * left).sum::<f64>() / (BATCHES - 2) as f64;
    (slope, (variance / of_steps).sqrt())
}

#[cfg(test)]
mod tests {
    use super::super::normal;
    use super::*;

    /// 80 bins around 1, each as far from it as the one before and a new draw make it.
    fn series(carry: f64, noise: f64, change: f64, seed: u64) -> Vec<f64> {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut off = 0.0;
        let bin = |bin: u32| {
            off = carry * off + noise * normal(&mut random);
            1.0 + off + change * (f64::from(bin) / 80.0 - 0.5)
        };
        (0..80).map(bin).collect()
    }

    #[test]
    fn a_series_that_does_not_change_is_called_level_in_98_of_100_also_if_its_values_hang_together()
    {
        for carry in [0.0, 0.3, 0.6] {
            let level =
                (0..2000).filter(|seed| is_level(&series(carry, 0.3, 0.0, *seed)) == Some(true));
            let level = level.count();
            assert!(level >= 1960, "{level} of 2000 with {carry}");
        }
    }

    #[test]
    fn a_rise_by_half_is_seen_through_noise() {
        let seen = (0..200).filter(|seed| is_level(&series(0.3, 0.1, 0.5, *seed)) == Some(false));
        assert!(seen.count() >= 195);
    }

    #[test]
    fn a_rise_by_a_twentieth_is_none_however_certain() {
        assert_eq!(is_level(&series(0.0, 0.0, 0.05, 1)), Some(true));
        assert_eq!(is_level(&series(0.0, 0.0, 0.2, 1)), Some(false));
    }

    #[test]
    fn of_too_few_values_and_of_none_above_zero_nothing_is_said() {
        assert_eq!(is_level(&[1.0; 19]), None);
        assert_eq!(is_level(&[0.0; 100]), None);
    }
}
