//! Means and intervals of logarithms: rates are compared by ratios, not by differences.
//!
//! The t interval holds for few replicates, where a percentile bootstrap of a mean covers only about
//! 84 % at n = 6 (B. Efron, R. Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13).

use super::quantiles::quantile;

/// Mean of logarithms, back on the scale of the values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogMean {
    /// Geometric mean.
    pub mean: f64,
    /// 95 % t interval; `None` with fewer than two values.
    pub interval_95: Option<[f64; 2]>,
    /// Standard deviation of the logarithms; `None` with fewer than two values.
    pub sd: Option<f64>,
}

/// Geometric mean; `None` without values or with one that is not above zero.
pub fn geometric_mean(values: &[f64]) -> Option<f64> {
    log_mean(values).map(|mean| mean.mean)
}

/// Geometric mean with its interval; `None` without values or with one that is not above zero.
///
/// With the ratios of two settings over common blocks as `values` this is the paired t-test.
pub fn log_mean(values: &[f64]) -> Option<LogMean> {
    if values.is_empty() || values.iter().any(|value| !(*value > 0.0 && value.is_finite())) {
        return None;
    }
    let count = values.len() as f64;
    let mean = values.iter().map(|value| value.ln()).sum::<f64>() / count;
    if values.len() < 2 {
        return Some(LogMean { mean: mean.exp(), interval_95: None, sd: None });
    }
    let squares: f64 = values.iter().map(|value| (value.ln() - mean).powi(2)).sum();
    let sd = (squares / (count - 1.0)).sqrt();
    let half_width = quantile(0.975, values.len() - 1) * sd / count.sqrt();
    let interval_95 = [(mean - half_width).exp(), (mean + half_width).exp()];
    Some(LogMean { mean: mean.exp(), interval_95: Some(interval_95), sd: Some(sd) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A standard normal value by the sum of twelve uniforms.
    fn normal(random: &mut fastrand::Rng) -> f64 {
        (0..12).map(|_| random.f64()).sum::<f64>() - 6.0
    }

    #[test]
    fn the_interval_holds_the_truth_in_95_of_100() {
        let mut random = fastrand::Rng::with_seed(11);
        let holds = (0..4000).filter(|_| {
            let values: Vec<f64> = (0..5).map(|_| (0.1 * normal(&mut random)).exp()).collect();
            let [low, high] = log_mean(&values).unwrap().interval_95.unwrap();
            low <= 1.0 && 1.0 <= high
        });
        let share = holds.count() as f64 / 4000.0;
        assert!((0.94..0.96).contains(&share), "the interval held the truth in {share}");
    }

    #[test]
    fn nothing_is_said_of_no_values_or_of_a_zero() {
        assert_eq!(log_mean(&[]), None);
        assert_eq!(log_mean(&[1.0, 0.0]), None);
        assert_eq!(log_mean(&[3.0]).unwrap().interval_95, None);
    }

    proptest! {
        #[test]
        fn a_mean_scales_with_its_values(values in prop::collection::vec(0.1_f64..10.0, 2..9), factor in 0.5_f64..2.0) {
            let scaled: Vec<f64> = values.iter().map(|value| value * factor).collect();
            let (one, other) = (log_mean(&values).unwrap(), log_mean(&scaled).unwrap());
            prop_assert!((other.mean / one.mean / factor - 1.0).abs() < 1e-9);
            prop_assert!((other.sd.unwrap() - one.sd.unwrap()).abs() < 1e-9);
        }
    }
}
