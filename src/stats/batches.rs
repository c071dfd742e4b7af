//! The mean of one long series of values that depend on their neighbours, with an interval.
//!
//! Means of long batches depend little on each other, so Student's t holds for them where it would
//! not for the values themselves. Ten batches: more add little and are shorter (B. Schmeiser, "Batch
//! size effects in the analysis of simulation output", Operations Research 30 (1982) 556-568, finds
//! 10 to 30 enough).
//!
//! The interval says how well this one series fixes its own mean. It knows nothing of how much
//! another trial would differ.

use super::quantiles::quantile;

/// Batches into which a series is cut.
const BATCHES: usize = 10;

/// Least number of values in a batch (ASSUMPTION: half a second of 100 ms bins is longer than most of
/// the dependence between them).
const VALUES_MIN: usize = 5;

/// 95 % interval of the mean; `None` if the series is too short.
///
/// Values that do not fill a batch are left out at the beginning.
pub fn mean_interval_95(values: &[f64]) -> Option<[f64; 2]> {
    let length = values.len() / BATCHES;
    if length < VALUES_MIN {
        return None;
    }
    let whole = &values[values.len() - BATCHES * length..];
    let means: Vec<f64> =
        whole.chunks(length).map(|batch| batch.iter().sum::<f64>() / length as f64).collect();
    let count = BATCHES as f64;
    let mean = means.iter().sum::<f64>() / count;
    let squares: f64 = means.iter().map(|value| (value - mean).powi(2)).sum();
    let error = (squares / (count - 1.0) / count).sqrt();
    let half_width = quantile(0.975, BATCHES - 1) * error;
    Some([mean - half_width, mean + half_width])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(random: &mut fastrand::Rng) -> f64 {
        (0..12).map(|_| random.f64()).sum::<f64>() - 6.0
    }

    /// How often the interval holds the truth when each value is `memory` times the one before, plus
    /// noise.
    fn coverage(memory: f64, count: usize) -> f64 {
        let mut random = fastrand::Rng::with_seed(3);
        let holds = (0..2000).filter(|_| {
            let mut state = normal(&mut random) / (1.0 - memory * memory).sqrt();
            let values: Vec<f64> = (0..count)
                .map(|_| {
                    state = memory * state + normal(&mut random);
                    50.0 + state
                })
                .collect();
            let [low, high] = mean_interval_95(&values).expect("the series is long enough");
            low <= 50.0 && 50.0 <= high
        });
        holds.count() as f64 / 2000.0
    }

    #[test]
    fn independent_values_are_covered_in_95_of_100() {
        let share = coverage(0.0, 100);
        assert!((0.94..0.96).contains(&share), "{share}");
    }

    #[test]
    fn dependent_values_are_covered_nearly_as_often() {
        // Eight seconds of 100 ms bins that remember half of the bin before.
        let share = coverage(0.5, 80);
        assert!((0.88..0.96).contains(&share), "{share}");
    }

    #[test]
    fn a_short_series_has_no_interval() {
        assert_eq!(mean_interval_95(&[1.0; 49]), None);
        assert_eq!(mean_interval_95(&[1.0; 50]), Some([1.0, 1.0]));
    }
}
