//! What a budget can show, said before it is spent.

use super::Config;
use super::candidates::calibrated;
use super::confirm::Confirmation;
use super::search::LEAST_AFTER;
use crate::stats::smallest_difference;

/// Standard deviation of a trial's logarithm, less what its block explains, until some have been seen
/// (ASSUMPTION: 4 %, hence 6 % for a ratio of two; on shared networks it is often more).
pub const SD_ASSUMED: f64 = 0.04;

/// What a budget affords.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forecast {
    /// Trials that fit.
    pub trials: u32,
    /// Of them, calibration and a ramp to the highest concurrency.
    pub to_the_knee: u32,
    /// Blocks of the confirmation, if the race takes its whole share.
    pub blocks: u32,
    /// Smallest log-ratio those blocks show; `None` with fewer than two.
    pub smallest_difference: Option<f64>,
}

impl Forecast {
    /// For a search that may run so many trials.
    pub fn new(config: &Config, trials: u32) -> Self {
        let ramp = config.concurrency_max.max(1).next_power_of_two().ilog2();
        let sizes = calibrated(&config.part_sizes_bytes, trials).len() as u32;
        let to_the_knee = (sizes + ramp).min(trials.saturating_sub(LEAST_AFTER));
        let confirmed = (trials - to_the_knee).div_ceil(2);
        let blocks = Confirmation::blocks_of(confirmed, SD_ASSUMED);
        let smallest_difference = smallest_difference(SD_ASSUMED * 2.0_f64.sqrt(), blocks as usize);
        Self { trials, to_the_knee, blocks, smallest_difference }
    }

    /// Trials below which nothing can be recommended.
    pub const TRIALS_MIN: u32 = LEAST_AFTER;
}

#[cfg(test)]
mod tests {
    use super::super::tests::config;
    use super::*;

    #[test]
    fn a_longer_budget_shows_a_smaller_difference() {
        let forecast = |trials: u32| Forecast::new(&config(1), trials);
        assert_eq!(forecast(1).smallest_difference, None);
        assert!(forecast(Forecast::TRIALS_MIN).smallest_difference.is_some());
        assert!(forecast(80).smallest_difference < forecast(30).smallest_difference);
    }
}
