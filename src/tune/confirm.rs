//! The confirmation: the leaders of the race on fresh data, in a number of blocks fixed beforehand.
//!
//! The best of several noisy means looks better than it is, so the race's own numbers cannot say how good
//! its winner is. What is set now takes part, and so does a duplicate of the likely choice: the same
//! settings twice must not be told apart (an A/A test: R. Kohavi, D. Tang, Y. Xu, "Trustworthy Online
//! Controlled Experiments", 2020, chapter 19).

use crate::result::{Phase, Settings};
use crate::stats::quantile;

use super::decide::MARGIN;

/// More blocks than this bring little and cost much.
const BLOCKS_MAX: u32 = 16;

/// Fewer blocks make intervals much wider than the noise alone would: with six Student's interval is at
/// the median 1.2 times as wide as one with known variance, with three 1.8 times.
pub(super) const BLOCKS_WANTED_MIN: u32 = 6;

/// Fewer blocks have no interval.
pub(super) const BLOCKS_MIN: u32 = 2;

/// A confirmation under way.
#[derive(Debug)]
pub(super) struct Confirmation {
    /// Who takes part, without the duplicate.
    pub(super) entrants: Vec<Settings>,
    duplicate: Option<Settings>,
    /// Of the current block, last first.
    to_run: Vec<(Settings, Phase)>,
    /// Number of the current block; those of the race come before.
    block: u32,
    /// Number of the last block.
    last_block: u32,
}

impl Confirmation {
    /// `finalists` in order of promise, then what is set now, as far as so many trials go. The first
    /// finalist is duplicated if the blocks stay enough for it. `sd` is that of one trial, if known.
    pub(super) fn new(
        finalists: &[Settings],
        current: Settings,
        sd: Option<f64>,
        affordable: u32,
        blocks_before: u32,
    ) -> Self {
        let mut entrants = finalists.to_vec();
        // Rather fewer finalists than blocks that show nothing.
        let seats = (affordable / BLOCKS_WANTED_MIN).max(2).min(affordable / BLOCKS_MIN) as usize;
        entrants.truncate(seats.saturating_sub(1).max(1));
        if !entrants.contains(&current) && entrants.len() < seats {
            entrants.push(current);
        }
        let duplicate = entrants.first().copied().filter(|_| entrants.len() < seats);
        let seats = (entrants.len() + usize::from(duplicate.is_some())) as u32;
        let blocks = (affordable / seats.max(1)).min(blocks_that_show_the_margin(sd));
        let enough = blocks >= BLOCKS_MIN && !entrants.is_empty();
        let last_block = blocks_before + if enough { blocks } else { 0 };
        Self { entrants, duplicate, to_run: Vec::new(), block: blocks_before, last_block }
    }

    /// How many blocks a plan for two finalists beside the current default has.
    pub(super) fn blocks_of(affordable: u32, sd: f64) -> u32 {
        let settings =
            |concurrency| Settings { part_size_bytes: 1, concurrency, parts_in_flight: 1 };
        Self::new(&[settings(2), settings(3)], settings(1), Some(sd), affordable, 0).last_block
    }

    pub(super) fn next(&mut self, random: &mut fastrand::Rng) -> Option<(Settings, Phase, u32)> {
        if self.to_run.is_empty() {
            if self.block >= self.last_block {
                return None;
            }
            self.block += 1;
            let duplicate = self.duplicate.map(|settings| (settings, Phase::Duplicate));
            let entrants = self.entrants.iter().map(|settings| (*settings, Phase::Confirmation));
            self.to_run = entrants.chain(duplicate).collect();
            random.shuffle(&mut self.to_run);
        }
        self.to_run.last().map(|(settings, phase)| (*settings, *phase, self.block))
    }

    pub(super) fn told(&mut self) {
        self.to_run.pop();
    }
}

/// Blocks after which two equals are shown to be within the margin in 95 of 100 searches: with the usual
/// power of 80 % one search in five would pass over the cheaper of the two.
fn blocks_that_show_the_margin(sd: Option<f64>) -> u32 {
    let Some(sd) = sd else { return BLOCKS_MAX };
    let shows = |blocks: &u32| {
        let degrees_of_freedom = *blocks as usize - 1;
        let t = quantile(0.975, degrees_of_freedom) + quantile(0.95, degrees_of_freedom);
        t * sd * (2.0 / f64::from(*blocks)).sqrt() <= -(1.0 - MARGIN).ln()
    };
    (BLOCKS_WANTED_MIN..BLOCKS_MAX).find(shows).unwrap_or(BLOCKS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::MIB;

    fn settings(concurrency: u32) -> Settings {
        Settings { part_size_bytes: 64 * MIB, concurrency, parts_in_flight: 1 }
    }

    fn plan(affordable: u32, sd: f64) -> (usize, bool, u32) {
        let finalists = [settings(8), settings(16), settings(32)];
        let planned = Confirmation::new(&finalists, settings(2), Some(sd), affordable, 3);
        (planned.entrants.len(), planned.duplicate.is_some(), planned.last_block - 3)
    }

    #[test]
    fn little_noise_needs_few_blocks_and_much_noise_as_many_as_there_are() {
        assert_eq!(plan(100, 0.01), (4, true, 6));
        assert_eq!(plan(100, 0.05), (4, true, 16));
        assert_eq!(plan(40, 0.05), (4, true, 8));
    }

    #[test]
    fn a_short_budget_confirms_fewer_settings() {
        assert_eq!(plan(18, 0.05), (3, false, 6));
        assert_eq!(plan(12, 0.05), (2, false, 6));
        assert_eq!(plan(5, 0.05), (2, false, 2));
        assert_eq!(plan(1, 0.05).2, 0);
    }
}
