//! The search as an ask/tell object.

use std::collections::BTreeSet;

use super::Config;
use super::blocks::Blocks;
use super::candidates::{self, Candidates};
use super::confirm::{self, Confirmation, Noise};
use super::pairs::Pairs;
use super::race::{self, Race};
use super::ramp::Ramp;
use crate::result::{LimitedBy, Phase, Settings};

/// Fewer blocks in a race compare nothing.
const RACE_BLOCKS_MIN: u32 = 2;

/// Trials that must remain when the way has been found, so that anything can be said at all.
pub(super) const LEAST_AFTER: u32 = 2 * confirm::BLOCKS_MIN;

/// A trial to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Next {
    /// What to set.
    pub settings: Settings,
    /// What it is for.
    pub phase: Phase,
    /// Which block of trials.
    pub block: Option<u32>,
}

/// A trial that was run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// Bytes per second: goodput, or effective speed where that is the objective.
    pub goodput: f64,
    /// What held it down.
    pub limited_by: LimitedBy,
    /// Whether it was found to be steady; `None` if that was not judged.
    pub steady: Option<bool>,
}

/// A search under way: asked for the next trial, told what that brought.
///
/// It is deterministic: the same configuration, the same budgets and the same outcomes lead to the
/// same questions, so that a search that was cut off goes on when its trials are told again.
#[derive(Debug)]
pub struct Search {
    config: Config,
    stage: Stage,
    /// Part sizes of which one stream is tried; chosen when the budget is first known.
    calibrated: Option<Vec<u64>>,
    /// One stream of each, and what it brought.
    single: Vec<(Settings, Outcome)>,
    ramp: Ramp,
    race: Option<Race>,
    raced: Blocks,
    confirmation: Option<Confirmation>,
    confirmed: Blocks,
    duplicate: Blocks,
    /// For the concurrency that serves both directions.
    pairs: Pairs,
    /// Everything before the race.
    found_the_way: Vec<(Settings, Outcome)>,
    candidates: Candidates,
    random: fastrand::Rng,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Calibration,
    Ramp,
    Race,
    Confirmation,
}

impl Search {
    /// A search that has asked for nothing yet.
    pub fn new(mut config: Config) -> Self {
        config.part_sizes_bytes.sort_unstable();
        config.part_sizes_bytes.dedup();
        config.parts_in_flight.sort_unstable();
        config.parts_in_flight.dedup();
        let random = fastrand::Rng::with_seed(config.seed);
        Self {
            config,
            stage: Stage::Calibration,
            calibrated: None,
            single: Vec::new(),
            ramp: Ramp::default(),
            race: None,
            raced: Blocks::default(),
            confirmation: None,
            confirmed: Blocks::default(),
            duplicate: Blocks::default(),
            pairs: Pairs::default(),
            found_the_way: Vec::new(),
            candidates: Candidates::default(),
            random,
        }
    }

    /// The next trial, when `affordable` more fit the budget; `None` when the search is over.
    pub fn ask(&mut self, affordable: u32) -> Option<Next> {
        if affordable == 0 {
            return None;
        }
        loop {
            let next = match self.stage {
                Stage::Calibration => self.next_of_calibration(affordable),
                Stage::Ramp => self.next_of_ramp(affordable),
                Stage::Race => self.next_of_race(affordable),
                Stage::Confirmation => return self.next_of_confirmation(affordable),
            };
            if next.is_some() {
                return next;
            }
            self.stage = match self.stage {
                Stage::Calibration => Stage::Ramp,
                Stage::Ramp => Stage::Race,
                Stage::Race | Stage::Confirmation => Stage::Confirmation,
            };
        }
    }

    /// What the trial last asked for brought.
    pub fn tell(&mut self, next: Next, outcome: Outcome) {
        let Next { settings, phase, block } = next;
        let block = block.unwrap_or_default();
        match phase {
            Phase::Race => self.raced.insert(settings, block, outcome),
            Phase::Confirmation => self.confirmed.insert(settings, block, outcome),
            Phase::Duplicate => self.duplicate.insert(settings, block, outcome),
            Phase::BothWays => {
                let before = self.last_block();
                self.pairs.insert(settings, block.saturating_sub(before), outcome);
            }
            Phase::Calibration => {
                self.single.push((settings, outcome));
                self.found_the_way.push((settings, outcome));
            }
            Phase::Ramp | Phase::Run => {
                let throttled = outcome.limited_by == LimitedBy::Throttled;
                self.ramp.tell(settings.streams(), outcome.goodput, throttled);
                self.found_the_way.push((settings, outcome));
            }
        }
        match (phase, &mut self.race, &mut self.confirmation) {
            (Phase::Race, Some(race), _) => race.told(),
            (Phase::Confirmation | Phase::Duplicate, _, Some(confirmation)) => confirmation.told(),
            _ => {}
        }
    }

    /// Whether it would have gone on with a larger budget, now that it is over.
    pub fn is_cut_short(&self) -> bool {
        self.confirmation.as_ref().is_some_and(|confirmation| confirmation.is_cut_short)
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// Blocks of the race.
    pub(super) fn raced(&self) -> &Blocks {
        &self.raced
    }

    /// Blocks of the confirmation.
    pub(super) fn confirmed(&self) -> &Blocks {
        &self.confirmed
    }

    /// The duplicate's trials in the blocks of the confirmation.
    pub(super) fn duplicate(&self) -> &Blocks {
        &self.duplicate
    }

    /// What was measured for the concurrency that serves both directions.
    pub(super) fn pairs(&self) -> &Pairs {
        &self.pairs
    }

    /// The next trial of a pair: of the one under way, else of a `new` one. The search itself is over.
    pub(super) fn next_of_pair(&self, new: impl FnOnce() -> Option<[Settings; 2]>) -> Option<Next> {
        let (settings, block) = self.pairs.next(new)?;
        let block = Some(self.last_block() + block);
        Some(Next { settings, phase: Phase::BothWays, block })
    }

    /// Trials before the race.
    pub(super) fn found_the_way(&self) -> &[(Settings, Outcome)] {
        &self.found_the_way
    }

    /// What was raced, and what was not and why.
    pub(super) fn candidates(&self) -> &Candidates {
        &self.candidates
    }

    /// Of the race and the confirmation; no two blocks of a direction have the same number.
    fn last_block(&self) -> u32 {
        self.raced.last().max(self.confirmed.last())
    }

    fn next_of_calibration(&mut self, affordable: u32) -> Option<Next> {
        let all = &self.config.part_sizes_bytes;
        let sizes = self.calibrated.get_or_insert_with(|| candidates::calibrated(all, affordable));
        let part_size = *sizes.get(self.single.len()).filter(|_| affordable > LEAST_AFTER)?;
        let settings = self.config.with_streams(part_size, 1);
        Some(Next { settings, phase: Phase::Calibration, block: None })
    }

    fn next_of_ramp(&mut self, affordable: u32) -> Option<Next> {
        if self.ramp.is_empty()
            && let Some((settings, outcome)) = self.best_single()
        {
            let throttled = outcome.limited_by == LimitedBy::Throttled;
            self.ramp.tell(settings.streams(), outcome.goodput, throttled);
        }
        let streams = self.ramp.next(self.config.streams_max())?;
        let settings = self.config.with_streams(self.part_sizes()[0], streams);
        // Whole files in flight may make up no other number than those that were tried.
        if self.ramp.holds(settings.streams()) {
            return None;
        }
        (affordable > LEAST_AFTER).then_some(Next { settings, phase: Phase::Ramp, block: None })
    }

    fn next_of_race(&mut self, affordable: u32) -> Option<Next> {
        if self.race.is_none() {
            self.race = Some(self.begin_race(affordable));
        }
        let race = self.race.as_mut()?;
        let (config, ramp) = (&self.config, &self.ramp);
        let neighbours = |settings| candidates::neighbours(config, ramp, settings);
        let (settings, block) = race.next(affordable, &self.raced, neighbours, &mut self.random)?;
        Some(Next { settings, phase: Phase::Race, block: Some(block) })
    }

    fn next_of_confirmation(&mut self, affordable: u32) -> Option<Next> {
        if self.confirmation.is_none() {
            self.confirmation = Some(self.begin_confirmation(affordable));
        }
        let confirmation = self.confirmation.as_mut()?;
        let (settings, phase, block) = confirmation.next(&mut self.random)?;
        Some(Next { settings, phase, block: Some(block) })
    }

    /// Half of what is left is kept for the confirmation. A race of fewer than two settings in two
    /// blocks is none: then all goes into the confirmation.
    fn begin_race(&mut self, affordable: u32) -> Race {
        let reserve = affordable.div_ceil(2);
        let seats = ((affordable - reserve) / RACE_BLOCKS_MIN) as usize;
        let part_sizes = self.part_sizes();
        let mut candidates = candidates::around(&self.config, &self.ramp, &part_sizes);
        if seats < 2 {
            candidates.leave_out_from(0);
        } else {
            candidates.leave_out_from(seats);
        }
        let racers = candidates.raced.clone();
        self.candidates = candidates;
        Race::new(racers, reserve, race_enough(affordable))
    }

    fn begin_confirmation(&mut self, affordable: u32) -> Confirmation {
        let alive = self.race.as_ref().map_or(Vec::new(), |race| race.alive.clone());
        let blocks_before = self.race.as_ref().map_or(0, |race| race.block);
        let noise = Noise {
            of_all: race::noise(&self.raced).map(|residual| residual.sd),
            of_finalists_at_most: race::noise_at_most(&self.raced, &alive),
        };
        let mut finalists = self.finalists(&alive);
        if finalists.is_empty() {
            // No race: as many as there is room for, in order of worth.
            let part_sizes = self.part_sizes();
            finalists = candidates::around(&self.config, &self.ramp, &part_sizes).raced;
        }
        let current = self.config.current;
        // One is kept back: how many are affordable is an estimate, and a block that lacks one is lost.
        let planned = affordable.saturating_sub(1).max(affordable.min(LEAST_AFTER));
        Confirmation::new(&finalists, current, noise, planned, blocks_before)
    }

    /// In order of promise: the likely choice, which is the cheapest that came within the margin of the
    /// best; the best; the others from the best on.
    fn finalists(&self, alive: &[Settings]) -> Vec<Settings> {
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

    /// Part sizes in order of what one stream of them brought; those not tried come last.
    fn part_sizes(&self) -> Vec<u64> {
        let mut tried = self.single.clone();
        tried.sort_by(|one, other| other.1.goodput.total_cmp(&one.1.goodput));
        let tried = tried.into_iter().map(|(settings, _)| settings.part_size_bytes);
        // Without a trial the largest goes first: it has the fewest requests.
        let rest = self.config.part_sizes_bytes.iter().rev().copied();
        let mut seen = BTreeSet::new();
        tried.chain(rest).filter(|size| seen.insert(*size)).collect()
    }

    fn best_single(&self) -> Option<(Settings, Outcome)> {
        let first = *self.part_sizes().first()?;
        self.single.iter().copied().find(|(settings, _)| settings.part_size_bytes == first)
    }
}

/// With so few left a race is over: three only where each still gets enough blocks of confirmation.
fn race_enough(affordable: u32) -> usize {
    if affordable >= 5 * confirm::BLOCKS_WANTED_MIN { 3 } else { 2 }
}
