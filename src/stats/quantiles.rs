//! Quantiles of values and of Student's t, the smallest difference that an experiment can show, and normal draws.

use std::f64::consts::TAU;

use statrs::distribution::{ContinuousCDF, StudentsT};

/// Quantile of Student's t distribution.
///
/// # Panics
/// If `degrees_of_freedom` is zero or `p` is not between 0 and 1.
pub fn quantile(p: f64, degrees_of_freedom: usize) -> f64 {
    assert!(p > 0.0 && p < 1.0, "a quantile's p is between 0 and 1");
    let t = StudentsT::new(0.0, 1.0, degrees_of_freedom as f64)
        .expect("a t distribution has at least one degree of freedom");
    t.inverse_cdf(p)
}

/// Smallest log-ratio of two settings that `blocks` paired blocks show with 80 % power at the
/// two-sided 5 % level, when the paired log-ratios have the standard deviation `sd`:
/// (t(.975) + t(.80)) sd / sqrt(n) (J. Cohen, "Statistical Power Analysis", 1988, section 2.4,
/// for the paired t-test). `None` with fewer than two blocks.
pub fn smallest_difference(sd: f64, blocks: usize) -> Option<f64> {
    let degrees_of_freedom = blocks.checked_sub(1).filter(|df| *df > 0)?;
    let t = quantile(0.975, degrees_of_freedom) + quantile(0.8, degrees_of_freedom);
    Some(t * sd / (blocks as f64).sqrt())
}

/// The value that a share of the values stays below, by linear interpolation (R. Hyndman, Y. Fan, "Sample
/// Quantiles in Statistical Packages", 1996, definition 7).
pub fn sample_quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let place = share * (values.len().max(1) - 1) as f64;
    let (below, above) = (place.floor() as usize, place.ceil() as usize);
    match (values.get(below), values.get(above)) {
        (Some(low), Some(high)) => low + (high - low) * place.fract(),
        _ => f64::NAN,
    }
}

/// A standard normal value (G. E. P. Box, M. E. Muller, "A Note on the Generation of Random Normal Deviates",
/// 1958).
pub fn normal(random: &mut fastrand::Rng) -> f64 {
    (-2.0 * (1.0 - random.f64()).ln()).sqrt() * (TAU * random.f64()).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_printed_table() {
        for (p, df, table) in
            [(0.975, 1, 12.706), (0.975, 5, 2.571), (0.975, 30, 2.042), (0.95, 10, 1.812)]
        {
            assert!((quantile(p, df) - table).abs() < 5e-4, "t({p}, {df})");
        }
    }

    #[test]
    fn the_smallest_difference_is_that_of_the_power_table() {
        for (sd, blocks, percent) in
            [(0.05, 6, 7.1), (0.05, 8, 5.8), (0.05, 16, 3.7), (0.10, 8, 11.5)]
        {
            let shown = 100.0 * smallest_difference(sd, blocks).unwrap();
            assert!((shown - percent).abs() < 0.06, "sd {sd}, {blocks} blocks: {shown}");
        }
        assert_eq!(smallest_difference(0.05, 1), None);
    }
}
