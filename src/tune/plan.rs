//! What a budget can show, said before it is spent.

use std::time::Duration;

use super::Config;
use super::confirm::Confirmation;
use super::schedule::{STEPS_EXPECTED, Schedule};
use crate::stats::smallest_difference;

/// Standard deviation of a trial's logarithm, less what its block explains, until some have been seen
/// (ASSUMPTION: 4 %, hence 6 % for a ratio of two; on shared networks it is often more).
pub const SD_ASSUMED: f64 = 0.04;

/// Trials in blocks that are enough where trials hardly vary: a race of six in two blocks, and five in three to
/// confirm (what half of the links of `results/links` take, or less).
const COMPARISONS_LIKELY: u32 = 25;

/// What a budget affords.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forecast {
    /// Trials that fit, the soak included.
    pub trials: u32,
    /// Of them, those of the way to the knee.
    pub to_the_knee: u32,
    /// Blocks of the confirmation, if the race takes its whole share.
    pub blocks: u32,
    /// Smallest log-ratio those blocks show; `None` with fewer than two.
    pub smallest_difference: Option<f64>,
    /// How long the soak is at least.
    pub soak: Duration,
    /// What all of it takes.
    pub takes: Duration,
    /// What it takes where trials hardly vary.
    pub likely: Duration,
    /// With less time there may be no answer.
    pub least: Duration,
}

impl Forecast {
    /// For a search that may take so long.
    pub fn new(config: &Config, time: Duration) -> Self {
        let schedule = Schedule::new(config.rules.times);
        let sizes = config.part_sizes_bytes.len() as u32 - 1;
        let to_the_knee = STEPS_EXPECTED + sizes;
        let way = schedule.takes(schedule.step()) * to_the_knee;
        let compared = schedule.comparisons(time.saturating_sub(way), 1);
        let blocks = Confirmation::blocks_of(compared.div_ceil(2), SD_ASSUMED);
        let smallest_difference = smallest_difference(SD_ASSUMED * 2.0_f64.sqrt(), blocks as usize);
        let soak = schedule.soak(None);
        Self {
            trials: to_the_knee + compared + 1,
            to_the_knee,
            blocks,
            smallest_difference,
            soak: soak.window,
            takes: way + schedule.takes(schedule.comparison()) * compared + schedule.takes(soak),
            likely: way
                + schedule.takes(schedule.comparison()) * compared.min(COMPARISONS_LIKELY)
                + schedule.takes(soak),
            least: schedule.least(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::config;
    use super::*;

    #[test]
    fn a_longer_budget_shows_a_smaller_difference() {
        let forecast = |seconds: u64| Forecast::new(&config(1), Duration::from_secs(seconds));
        let least = forecast(0).least.as_secs();
        assert_eq!(forecast(least).smallest_difference, None);
        assert!(forecast(3000).smallest_difference < forecast(400).smallest_difference);
    }
}
