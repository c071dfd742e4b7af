//! The search as an ask/tell object.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Config;
use super::blocks::Blocks;
use super::candidates;
use super::confirm::{Confirmation, Noise};
use super::decide;
use super::outcome::Outcome;
use super::pairs::Pairs;
use super::race::{self, Race};
use super::schedule::{Lasts, Schedule};
use super::seen::Seen;
use crate::result::{Phase, Settings};

/// Fewer blocks in a race compare nothing.
const RACE_BLOCKS_MIN: u32 = 2;

/// With fewer in a race the knee is not compared with both more streams and what is set now, and nothing is clear.
const SEATS_MIN: u32 = 3;

/// How many settings are held for a soak, at most.
const SOAKS_MAX: usize = 4;

/// Time for a third soak is kept only if so many trials of blocks still fit: with half of them a race of three.
const COMPARISONS_BESIDE_3_SOAKS: u32 = 12;

/// A trial to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Next {
    /// What to set.
    pub settings: Settings,
    /// What it is for.
    pub phase: Phase,
    /// Which block of trials.
    pub block: Option<u32>,
    /// How long.
    pub lasts: Lasts,
}

/// A search under way: asked for the next trial, told what that brought.
///
/// It is deterministic: the same configuration, the same times left and the same outcomes lead to the
/// same questions, so that a search that was cut off goes on when its trials are told again.
#[derive(Debug)]
pub struct Search {
    seen: Seen,
    stage: Stage,
    schedule: Schedule,
    race: Option<Race>,
    confirmation: Option<Confirmation>,
    /// For how many soaks time is kept.
    soaks: u32,
    is_cut_short: bool,
    /// Time ran out before the knee was found.
    is_lost: bool,
    random: fastrand::Rng,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// To the knee of one part size.
    Way,
    /// The other part sizes there.
    Sizes,
    Race,
    Confirmation,
    Soak,
    Over,
}

impl Stage {
    fn after(self) -> Self {
        match self {
            Self::Way => Self::Sizes,
            Self::Sizes => Self::Race,
            Self::Race => Self::Confirmation,
            Self::Confirmation => Self::Soak,
            Self::Soak | Self::Over => Self::Over,
        }
    }
}

impl Search {
    /// A search that has asked for nothing yet.
    pub fn new(mut config: Config) -> Self {
        config.part_sizes_bytes.sort_unstable();
        config.part_sizes_bytes.dedup();
        config.parts_in_flight.sort_unstable();
        config.parts_in_flight.dedup();
        let random = fastrand::Rng::with_seed(config.rules.seed);
        let schedule = Schedule::new(config.rules.times);
        Self {
            seen: Seen::new(config),
            stage: Stage::Way,
            schedule,
            race: None,
            confirmation: None,
            soaks: 1,
            is_cut_short: false,
            is_lost: false,
            random,
        }
    }

    /// The next trial, when so much time is left; `None` when the search is over.
    pub fn ask(&mut self, left: Duration) -> Option<Next> {
        while self.stage != Stage::Over {
            let next = match self.stage {
                Stage::Way => self.next_of_the_way(left),
                Stage::Sizes => self.next_of_sizes(left),
                Stage::Race => self.next_of_race(left),
                Stage::Confirmation => self.next_of_confirmation(self.comparisons(left)),
                Stage::Soak => self.next_of_soak(left),
                Stage::Over => None,
            };
            if next.is_some() {
                return next;
            }
            self.stage = self.stage.after();
        }
        None
    }

    /// What the trial last asked for brought.
    pub fn tell(&mut self, next: Next, outcome: Outcome) {
        let Next { settings, phase, block, lasts } = next;
        let block = block.unwrap_or_default();
        self.schedule.tell(lasts, &outcome);
        match phase {
            Phase::Race => self.seen.raced.insert(settings, block, outcome),
            Phase::Confirmation => self.seen.confirmed.insert(settings, block, outcome),
            Phase::Duplicate => self.seen.duplicate.insert(settings, block, outcome),
            Phase::Soak => self.seen.soaked.push((settings, outcome)),
            Phase::BothWays => {
                let before = self.seen.last_block();
                self.seen.pairs.insert(settings, block.saturating_sub(before), outcome);
            }
            Phase::Calibration => self.seen.found_the_way.push((settings, outcome)),
            Phase::Ramp | Phase::Run => {
                self.seen.way.tell(settings.streams(), &outcome);
                self.seen.found_the_way.push((settings, outcome));
            }
        }
        match (phase, &mut self.race, &mut self.confirmation) {
            (Phase::Race, Some(race), _) => race.told(),
            (Phase::Confirmation | Phase::Duplicate, _, Some(confirmation)) => confirmation.told(),
            _ => {}
        }
    }

    /// Whether it would have gone on with more time, now that it is over.
    pub fn is_cut_short(&self) -> bool {
        self.is_cut_short || self.confirmation.as_ref().is_some_and(|one| one.is_cut_short)
    }

    /// How many times as much as what is set now the best that was met carries; `None` before two steps.
    pub fn growth(&self) -> Option<f64> {
        self.seen.way.growth().filter(|_| self.seen.way.tried() > 1)
    }

    /// Trials of a block for which so much time leaves room, beside the soak unless that is over.
    pub fn comparisons(&self, left: Duration) -> u32 {
        match self.seen.soaked.is_empty() {
            true => self.schedule.comparisons(left, self.soaks),
            false => self.schedule.comparisons_in(left),
        }
    }

    /// For how many soaks time is kept. Where calls are refused the first choice may not hold, and another must be
    /// tried; a third where the best that was met was refused too, which short trials show little of, if that leaves
    /// enough to compare.
    fn soaks_expected(&self, left: Duration) -> u32 {
        let best = self.seen.found_the_way.iter().map(|(_, outcome)| outcome);
        let best = best.max_by(|one, other| one.goodput.total_cmp(&other.goodput));
        let is_refused =
            best.is_some_and(|best| best.refused_or_waiting > self.seen.config.rules.max_refused);
        if self.schedule.longest_wait().is_zero() {
            1
        } else if is_refused && self.schedule.comparisons(left, 3) >= COMPARISONS_BESIDE_3_SOAKS {
            3
        } else {
            2
        }
    }

    /// What a trial of a block takes.
    pub(super) fn takes_comparison(&self) -> Duration {
        self.schedule.takes(self.schedule.comparison())
    }

    /// How long a trial of a block lasts.
    pub(super) fn comparison(&self) -> Lasts {
        self.schedule.comparison()
    }

    /// What was seen so far.
    pub(super) fn seen(&self) -> &Seen {
        &self.seen
    }

    pub(super) fn config(&self) -> &Config {
        &self.seen.config
    }

    /// Blocks of the race.
    pub(super) fn raced(&self) -> &Blocks {
        &self.seen.raced
    }

    /// Blocks of the confirmation.
    pub(super) fn confirmed(&self) -> &Blocks {
        &self.seen.confirmed
    }

    /// What was measured for the concurrency that serves both directions.
    pub(super) fn pairs(&self) -> &Pairs {
        &self.seen.pairs
    }

    /// The next trial of a pair: of the one under way, else of a `new` one. The search itself is over.
    pub(super) fn next_of_pair(&self, new: impl FnOnce() -> Option<[Settings; 2]>) -> Option<Next> {
        let (settings, block) = self.seen.pairs.next(new)?;
        let block = Some(self.seen.last_block() + block);
        Some(Next { settings, phase: Phase::BothWays, block, lasts: self.schedule.comparison() })
    }

    /// Trials before the race.
    pub(super) fn found_the_way(&self) -> &[(Settings, Outcome)] {
        &self.seen.found_the_way
    }

    fn next_of_the_way(&mut self, left: Duration) -> Option<Next> {
        let (start, most) = (self.seen.config.current.streams(), self.seen.config.streams_max());
        let streams = self.seen.way.next(start, most)?;
        let settings = self.seen.config.with_streams(self.seen.first_part_size(), streams);
        // Whole files in flight may make up no other number than those that were tried.
        if self.seen.has_found(settings) {
            return None;
        }
        let next = Next { settings, phase: Phase::Ramp, block: None, lasts: self.schedule.step() };
        let next = self.if_it_fits(next, left);
        self.is_lost = next.is_none();
        next
    }

    fn next_of_sizes(&mut self, left: Duration) -> Option<Next> {
        let others = self.seen.config.part_sizes_bytes.iter().rev().skip(1).copied();
        let mut at_the_knee =
            others.map(|part_size| self.seen.config.with_streams(part_size, self.seen.way.knee()));
        let settings = at_the_knee.find(|one| !self.seen.has_found(*one))?;
        let (phase, lasts) = (Phase::Calibration, self.schedule.step());
        self.if_it_fits(Next { settings, phase, block: None, lasts }, left)
    }

    fn if_it_fits(&mut self, next: Next, left: Duration) -> Option<Next> {
        let fits = self.schedule.fits_before_the_soak(next.lasts, left);
        self.is_cut_short |= !fits;
        fits.then_some(next)
    }

    fn next_of_race(&mut self, left: Duration) -> Option<Next> {
        if self.race.is_none() {
            self.soaks = self.soaks_expected(left);
            self.race = Some(self.begin_race(self.comparisons(left)));
        }
        let affordable = self.comparisons(left);
        let race = self.race.as_mut()?;
        let (config, way) = (&self.seen.config, &self.seen.way);
        let neighbours = |settings| candidates::neighbours(config, way, settings);
        let (settings, block) =
            race.next(affordable, &self.seen.raced, neighbours, &mut self.random)?;
        let lasts = self.schedule.comparison();
        Some(Next { settings, phase: Phase::Race, block: Some(block), lasts })
    }

    fn next_of_confirmation(&mut self, affordable: u32) -> Option<Next> {
        if self.confirmation.is_none() {
            self.confirmation = Some(self.begin_confirmation(affordable));
        }
        let confirmation = self.confirmation.as_mut()?;
        let (settings, phase, block) = confirmation.next(&mut self.random)?;
        if affordable == 0 {
            self.is_cut_short = true;
            return None;
        }
        Some(Next { settings, phase, block: Some(block), lasts: self.schedule.comparison() })
    }

    /// What would be recommended by all that was seen so far, unless it has been held already.
    fn next_of_soak(&mut self, left: Duration) -> Option<Next> {
        let settings = decide::to_soak(&self.seen).filter(|_| !self.is_lost)?;
        let lasts = self.soak_in(settings, left);
        // What is beside it may end later, as of any trial that has begun.
        let fits = self.seen.soaked.len() < SOAKS_MAX && lasts.all() <= left;
        self.is_cut_short |= !fits && self.seen.soaked.is_empty();
        fits.then_some(Next { settings, phase: Phase::Soak, block: None, lasts })
    }

    /// As long as trials of these settings vary, if there is so much time.
    fn soak_in(&self, settings: Settings, left: Duration) -> Lasts {
        let goodputs = self.seen.raced.and(&self.seen.confirmed).goodputs(settings);
        let sd = crate::stats::log_mean(&goodputs).and_then(|mean| mean.sd);
        let (wanted, least) = (self.schedule.soak(sd), self.schedule.soak(None));
        let share = left.as_secs_f64() / self.schedule.takes(wanted).as_secs_f64();
        let window = wanted.window.mul_f64(share.min(1.0) * 0.98).max(least.window);
        Lasts { window: window.min(wanted.window), ..wanted }
    }

    /// Half of what is left is kept for the confirmation, less if the race would have too few seats. A race of
    /// fewer than two settings in two blocks is none: then all goes into the confirmation.
    fn begin_race(&mut self, affordable: u32) -> Race {
        let most = affordable / RACE_BLOCKS_MIN;
        let seats = (most / 2).max(SEATS_MIN.min(most));
        let reserve = affordable.div_ceil(2).min(affordable - seats * RACE_BLOCKS_MIN);
        let part_sizes = self.seen.part_sizes();
        let mut candidates = candidates::around(&self.seen.config, &self.seen.way, &part_sizes);
        candidates.include(self.seen.rival_of_now(), 2);
        candidates.leave_out_from(if seats < 2 { 0 } else { seats as usize });
        let racers = candidates.raced.clone();
        self.seen.candidates = candidates;
        Race::new(racers, reserve, race_enough(affordable))
    }

    fn begin_confirmation(&mut self, affordable: u32) -> Confirmation {
        let alive = self.race.as_ref().map_or(Vec::new(), |race| race.alive.clone());
        let blocks_before = self.race.as_ref().map_or(0, |race| race.block);
        let noise = Noise {
            of_all: race::noise(&self.seen.raced).map(|residual| residual.sd),
            of_finalists_at_most: race::noise_at_most(&self.seen.raced, &alive),
        };
        let mut finalists = self.seen.finalists(&alive);
        if finalists.is_empty() {
            // No race: as many as there is room for, in order of worth.
            let part_sizes = self.seen.part_sizes();
            finalists = candidates::around(&self.seen.config, &self.seen.way, &part_sizes).raced;
        }
        // What the race has shown to be worse needs no second trial.
        let current = self
            .seen
            .rival_of_now()
            .filter(|now| alive.contains(now) || self.seen.raced.outcomes(*now).next().is_none());
        if finalists.len() == 1 {
            // What had no seat in the race may still be better.
            finalists.extend(&self.seen.candidates.left_out);
        }
        if let [_] = finalists[..]
            && current.is_none_or(|now| finalists.contains(&now))
        {
            // There is nobody left to tell apart.
            return Confirmation::none(blocks_before);
        }
        // One is kept back: how many are affordable is an estimate, and a block that lacks one is lost.
        let planned =
            affordable.saturating_sub(1).max(affordable.min(super::schedule::COMPARISONS_MIN));
        let confirmation = Confirmation::new(&finalists, current, noise, planned, blocks_before);
        self.seen.candidates.left_out.retain(|one| !confirmation.entrants.contains(one));
        confirmation
    }
}

/// With so few left a race is over: three only where each still gets enough blocks of confirmation.
fn race_enough(affordable: u32) -> usize {
    if affordable >= 5 * super::confirm::BLOCKS_WANTED_MIN { 3 } else { 2 }
}
