//! What a search has seen: all that its decisions rest on.

use std::collections::BTreeSet;

use super::Config;
use super::blocks::Blocks;
use super::candidates::Candidates;
use super::margin::FAR;
use super::outcome::Outcome;
use super::pairs::Pairs;
use super::race;
use super::way::Way;
use crate::result::Settings;

/// What a search was asked for, and what its trials have brought so far.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) config: Config,
    pub(super) way: Way,
    /// Blocks of the race.
    pub(super) raced: Blocks,
    /// Blocks of the confirmation.
    pub(super) confirmed: Blocks,
    /// The duplicate's trials in the blocks of the confirmation.
    pub(super) duplicate: Blocks,
    /// What was held for a soak, in this order.
    pub(super) soaked: Vec<(Settings, Outcome)>,
    /// For the concurrency that serves several searches.
    pub(super) pairs: Pairs,
    /// Everything before the race.
    pub(super) found_the_way: Vec<(Settings, Outcome)>,
    /// What was raced, and what was not and why.
    pub(super) candidates: Candidates,
}

impl Seen {
    /// Nothing yet.
    pub(super) fn new(config: Config) -> Self {
        Self {
            config,
            way: Way::default(),
            raced: Blocks::default(),
            confirmed: Blocks::default(),
            duplicate: Blocks::default(),
            soaked: Vec::new(),
            pairs: Pairs::default(),
            found_the_way: Vec::new(),
            candidates: Candidates::default(),
        }
    }

    /// Part sizes in order of what they brought at the knee; those not tried come last.
    pub(super) fn part_sizes(&self) -> Vec<u64> {
        let first = self.first_part_size();
        let all = || self.found_the_way.iter();
        let others = all().filter(|(one, _)| one.part_size_bytes != first);
        let at_the_knee =
            all().filter(|(one, _)| one.part_size_bytes == first && one.streams() == self.knee());
        let goodput = |(one, outcome): &(Settings, Outcome)| (one.part_size_bytes, outcome.goodput);
        let mut tried: Vec<(u64, f64)> = others.chain(at_the_knee).map(goodput).collect();
        tried.sort_by(|one, other| other.1.total_cmp(&one.1));
        let rest = self.config.part_sizes_bytes.iter().rev().copied();
        let mut seen = BTreeSet::new();
        tried
            .into_iter()
            .map(|(size, _)| size)
            .chain(rest)
            .filter(|size| seen.insert(*size))
            .collect()
    }

    /// Of the race and the confirmation; no two blocks of a direction have the same number.
    pub(super) fn last_block(&self) -> u32 {
        self.raced.last().max(self.confirmed.last())
    }

    /// The part size of the way: the largest, which has the fewest requests.
    pub(super) fn first_part_size(&self) -> u64 {
        self.config.part_sizes_bytes.last().copied().unwrap_or_default()
    }

    /// Streams that whole files make up.
    pub(super) fn knee(&self) -> u32 {
        self.config.with_streams(self.first_part_size(), self.way.knee()).streams()
    }

    /// Whether these settings were tried before the race.
    pub(super) fn has_found(&self, settings: Settings) -> bool {
        self.found_the_way.iter().any(|(one, _)| *one == settings)
    }

    /// What is set now, unless it is out of the question.
    pub(super) fn rival_of_now(&self) -> Option<Settings> {
        Some(self.config.current).filter(|current| !self.is_out_of_reach(*current))
    }

    /// Whether the way has shown these settings to carry so little that a seat would be wasted on them.
    pub(super) fn is_out_of_reach(&self, settings: Settings) -> bool {
        let mut trials = self.found_the_way.iter().filter(|(one, _)| *one == settings);
        trials.next().is_some_and(|(_, outcome)| outcome.goodput * FAR < self.way.best())
    }

    /// In order of promise: the likely choice, which is the cheapest that came within the margin of the
    /// best; the best; the others from the best on.
    pub(super) fn finalists(&self, alive: &[Settings]) -> Vec<Settings> {
        let Some(best) = self.raced.best(alive) else { return Vec::new() };
        let share =
            |settings: &Settings| self.raced.ratio(*settings, best).map_or(0.0, |ratio| ratio.mean);
        let mut others: Vec<Settings> = alive.to_vec();
        others.sort_by(|one, other| share(other).total_cmp(&share(one)));
        let likely = race::likely(alive, &self.raced);
        let mut seen = BTreeSet::new();
        likely
            .into_iter()
            .chain([best])
            .chain(others)
            .filter(|settings| seen.insert(*settings))
            .collect()
    }
}
