//! The confirmation: the leaders of the race on fresh data, in a number of blocks fixed beforehand.
//!
//! The best of several noisy means looks better than it is, so the race's own numbers cannot say how good
//! its winner is. What is set now takes part, and so does a duplicate of the likely choice: the same
//! settings twice must not be told apart (an A/A test: R. Kohavi, D. Tang, Y. Xu, "Trustworthy Online
//! Controlled Experiments", 2020, chapter 19).

use crate::result::{Phase, Settings};
use crate::stats::quantile;

use super::margin::MARGIN;

/// More blocks than this bring little and cost much.
const BLOCKS_MAX: u32 = 16;

/// Fewer blocks make intervals much wider than the noise alone would: with six Student's interval is at
/// the median 1.2 times as wide as one with known variance, with three 1.8 times.
pub(super) const BLOCKS_WANTED_MIN: u32 = 6;

/// Fewer blocks have no interval.
pub(super) const BLOCKS_MIN: u32 = 2;

/// With three blocks Student's quantile for the goodput of one is 4.3, with two 12.7.
const BLOCKS_OF_ALL_MIN: u32 = 3;

/// What the race says of the noise of one trial: standard deviations of its logarithm.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Noise {
    /// Of all that were raced.
    pub(super) of_all: Option<f64>,
    /// Most that it likely is for those that are left.
    pub(super) of_finalists_at_most: Option<f64>,
}

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
    /// With a larger budget there would be more blocks.
    pub(super) is_cut_short: bool,
}

impl Confirmation {
    /// `finalists` in order of promise, then what is set now unless that is out of the question, as far as so
    /// many trials go. The first finalist is duplicated if the blocks stay enough for it.
    pub(super) fn new(
        finalists: &[Settings],
        current: Option<Settings>,
        noise: Noise,
        affordable: u32,
        blocks_before: u32,
    ) -> Self {
        let mut entrants = finalists.to_vec();
        let seats = seats(finalists.len(), noise, affordable);
        // Beside them what is set now and, from four seats on, the duplicate.
        let now = usize::from(current.is_some_and(|current| !finalists.contains(&current)));
        entrants
            .truncate(seats.saturating_sub(1 + now).max(2).min(seats.saturating_sub(now)).max(1));
        if let Some(current) = current.filter(|current| !entrants.contains(current))
            && entrants.len() < seats
        {
            entrants.push(current);
        }
        let duplicate = entrants.first().copied().filter(|_| entrants.len() < seats);
        let seats = (entrants.len() + usize::from(duplicate.is_some())) as u32;
        let (affords, wanted) =
            (affordable / seats.max(1), blocks_that_show_the_margin(noise.of_all, entrants.len()));
        // Where not even all that is affordable shows the margin, more than a few blocks show no more.
        let blocks = if affords < wanted { affords.min(BLOCKS_WANTED_MIN) } else { wanted };
        let enough = blocks >= BLOCKS_MIN && !entrants.is_empty();
        let last_block = blocks_before + if enough { blocks } else { 0 };
        let is_cut_short = affords < wanted;
        let (to_run, block) = (Vec::new(), blocks_before);
        Self { entrants, duplicate, to_run, block, last_block, is_cut_short }
    }

    /// Of nothing: it is over.
    pub(super) fn none(blocks_before: u32) -> Self {
        let (block, last_block) = (blocks_before, blocks_before);
        let (entrants, to_run) = Default::default();
        Self { entrants, duplicate: None, to_run, block, last_block, is_cut_short: false }
    }

    /// How many blocks a plan for two finalists beside the current default has.
    pub(super) fn blocks_of(affordable: u32, sd: f64) -> u32 {
        let settings =
            |concurrency| Settings { part_size_bytes: 1, concurrency, parts_in_flight: 1 };
        let noise = Noise { of_all: Some(sd), of_finalists_at_most: None };
        Self::new(&[settings(2), settings(3)], Some(settings(1)), noise, affordable, 0).last_block
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

/// How many take part, with what is set now and the duplicate: all, if that shows something, otherwise
/// rather fewer finalists than blocks that show nothing.
fn seats(finalists: usize, noise: Noise, affordable: u32) -> usize {
    if shows_all(finalists, noise.of_finalists_at_most, affordable) {
        return finalists + 2;
    }
    (affordable / BLOCKS_WANTED_MIN).max(2).min(affordable / BLOCKS_MIN) as usize
}

/// Whether the noise is so small that all finalists can be confirmed in few blocks: `sd_at_most` is the
/// most that it likely is.
pub(super) fn shows_all(finalists: usize, sd_at_most: Option<f64>, affordable: u32) -> bool {
    let seats = finalists + 2;
    let blocks = affordable / seats as u32;
    let shows = |sd: f64| shows_the_margin(sd, blocks, (seats - 1) * (blocks as usize - 1));
    blocks >= BLOCKS_OF_ALL_MIN && sd_at_most.is_some_and(shows)
}

/// Whether two equals are shown to be within the margin in 95 of 100 searches: with the usual power of
/// 80 % one search in five would pass over the cheaper of the two.
fn shows_the_margin(sd: f64, blocks: u32, degrees_of_freedom: usize) -> bool {
    let t = quantile(0.975, degrees_of_freedom) + quantile(0.95, degrees_of_freedom);
    t * sd * (2.0 / f64::from(blocks)).sqrt() <= -(1.0 - MARGIN).ln()
}

/// Blocks after which a pair shows that it is within the margin: few if the noise of several settings together
/// is known after them.
fn blocks_that_show_the_margin(sd: Option<f64>, entrants: usize) -> u32 {
    let Some(sd) = sd else { return BLOCKS_MAX };
    let degrees_of_freedom = |blocks: u32| match blocks < BLOCKS_WANTED_MIN {
        true => (entrants - 1) * (blocks as usize - 1),
        false => blocks as usize - 1,
    };
    let shows = |blocks: &u32| shows_the_margin(sd, *blocks, degrees_of_freedom(*blocks));
    let least = if entrants > 2 { BLOCKS_OF_ALL_MIN } else { BLOCKS_WANTED_MIN };
    (least..BLOCKS_MAX).find(shows).unwrap_or(BLOCKS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::MIB;

    fn settings(concurrency: u32) -> Settings {
        Settings { part_size_bytes: 64 * MIB, concurrency, parts_in_flight: 1 }
    }

    fn plan(affordable: u32, sd: f64) -> (usize, bool, u32) {
        let noise = Noise { of_all: Some(sd), of_finalists_at_most: Some(sd) };
        let finalists = [settings(8), settings(16), settings(32)];
        let planned = Confirmation::new(&finalists, Some(settings(2)), noise, affordable, 3);
        (planned.entrants.len(), planned.duplicate.is_some(), planned.last_block - 3)
    }

    #[test]
    fn little_noise_needs_few_blocks_much_noise_more_and_what_cannot_be_shown_gets_six() {
        assert_eq!(plan(100, 0.01), (4, true, 3));
        assert_eq!(plan(100, 0.05), (4, true, 16));
        assert_eq!(plan(40, 0.05), (4, true, 6));
    }

    #[test]
    fn a_short_budget_confirms_fewer_settings() {
        assert_eq!(plan(18, 0.05), (3, false, 6));
        assert_eq!(plan(12, 0.05), (2, false, 6));
        assert_eq!(plan(5, 0.05), (2, false, 2));
        assert_eq!(plan(1, 0.05).2, 0);
    }

    #[test]
    fn blocks_that_a_larger_budget_would_add_are_told() {
        let is_cut_short = |affordable, sd| {
            let noise = Noise { of_all: Some(sd), of_finalists_at_most: Some(sd) };
            Confirmation::new(&[settings(8)], Some(settings(2)), noise, affordable, 3).is_cut_short
        };
        assert!(!is_cut_short(100, 0.01) && !is_cut_short(100, 0.05));
        assert!(is_cut_short(40, 0.05) && is_cut_short(3, 0.01));
    }

    #[test]
    fn where_the_noise_is_small_a_short_budget_still_confirms_all() {
        assert_eq!(plan(16, 0.003), (4, true, 3));
        assert_eq!(plan(16, 0.05), (2, false, 6));
    }
}
