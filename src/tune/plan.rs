//! What a budget can show, said before it is spent.

use std::time::Duration;

use super::search::{BLOCKS_MIN, CANDIDATES_PER_PART_SIZE};
use crate::stats::smallest_difference;

/// Standard deviation of paired log-ratios between trials until some have been seen (ASSUMPTION:
/// 5 %; on shared networks it is often more).
pub const SD_ASSUMED: f64 = 0.05;

/// What a budget affords.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forecast {
    /// Trials that fit.
    pub trials: u32,
    /// Blocks left for the race after a ramp to the highest concurrency.
    pub blocks: u32,
    /// Smallest log-ratio those blocks show; `None` with fewer than two.
    pub smallest_difference: Option<f64>,
}

impl Forecast {
    /// For a budget and the expected time of one trial.
    pub fn new(budget: Duration, trial: Duration, part_sizes: usize, concurrency_max: u32) -> Self {
        let trials = (budget.as_secs_f64() / trial.as_secs_f64()) as u32;
        let ramp = concurrency_max.max(1).next_power_of_two().ilog2() + 1;
        // One more candidate: what is set now.
        let candidates = (part_sizes * CANDIDATES_PER_PART_SIZE + 1) as u32;
        let blocks = trials.saturating_sub(ramp) / candidates;
        Self {
            trials,
            blocks,
            smallest_difference: smallest_difference(SD_ASSUMED, blocks as usize),
        }
    }

    /// Trials below which nothing can be recommended.
    pub fn trials_min(part_sizes: usize) -> u32 {
        1 + BLOCKS_MIN * part_sizes as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_longer_budget_shows_a_smaller_difference() {
        let forecast = |minutes: u64| {
            Forecast::new(Duration::from_secs(60 * minutes), Duration::from_secs(5), 2, 64)
        };
        assert_eq!(forecast(1).smallest_difference, None);
        assert!(forecast(20).smallest_difference < forecast(10).smallest_difference);
    }
}
