//! The race: candidates in randomised complete blocks; between blocks those go that cannot be chosen.
//!
//! This is subset selection (S. S. Gupta, "On some multiple decision (selection and ranking) rules",
//! Technometrics 7 (1965) 225-245) in the frame of a race (M. Birattari and others, "A racing algorithm
//! for configuring metaheuristics", GECCO 2002, 11-18). Instead of Friedman's test, which with six
//! candidates cannot reject before the third block, the t-test of the additive model of the block design
//! on logarithms is used; its bounds hold for all comparisons and all looks together (Bonferroni).

use super::blocks::Blocks;
use super::confirm;
use super::margin::{MARGIN, cost};
use crate::result::Settings;
use crate::stats::Residual;

/// Looks at the race, hence blocks: who is not beaten by then goes on to the confirmation or is left
/// as not told apart.
pub(super) const BLOCKS_MAX: u32 = 4;

/// Before this block is over the race does not leave it to the confirmation to tell all apart.
const BLOCKS_BEFORE_ALL: u32 = 3;

/// Neighbours of the best may join before this block: later they would get too few.
const NEIGHBOURS_UNTIL: u32 = 3;

/// Probability that any of the bounds of a race is wrong, all looks together.
const ALPHA: f64 = 0.05;

/// With fewer degrees of freedom the noise of some is taken from that of all.
const FREEDOM_MIN: usize = 4;

/// A race under way.
#[derive(Debug)]
pub(super) struct Race {
    /// Who still takes part, in order of worth.
    pub(super) alive: Vec<Settings>,
    /// Who began.
    pub(super) began: Vec<Settings>,
    /// Of the current block, last first.
    to_run: Vec<Settings>,
    /// Number of the current block, from 1.
    pub(super) block: u32,
    /// Trials kept for the confirmation.
    reserve: u32,
    /// The race is over when no more than this many are left.
    wanted: usize,
}

impl Race {
    pub(super) fn new(candidates: Vec<Settings>, reserve: u32, wanted: usize) -> Self {
        let began = candidates.clone();
        Self { alive: candidates, began, to_run: Vec::new(), block: 0, reserve, wanted }
    }

    /// Who is next, when so many trials are affordable; `None` when the race is over.
    ///
    /// A block is begun only if it can be finished without touching the reserve.
    pub(super) fn next(
        &mut self,
        affordable: u32,
        blocks: &Blocks,
        neighbours: impl Fn(Settings) -> Vec<Settings>,
        random: &mut fastrand::Rng,
    ) -> Option<(Settings, u32)> {
        if self.to_run.is_empty() {
            self.drop_hopeless(blocks);
            let invited = self.invited(blocks, neighbours);
            let few = self.block > 0 && self.alive.len() + invited.len() <= self.wanted;
            let at_most = noise_at_most(blocks, &self.alive);
            // To confirm all that are left takes three blocks with a duplicate; another block of the race
            // may leave one, and then there is nothing to confirm.
            let decided = few
                || self.block >= BLOCKS_BEFORE_ALL
                    && invited.is_empty()
                    && confirm::shows_all(self.alive.len(), at_most, affordable.saturating_sub(1));
            let affords = |trials: usize| affordable >= self.reserve + trials as u32;
            if decided || self.block >= BLOCKS_MAX || self.alive.is_empty() {
                return None;
            }
            // Neighbours with a single block would only take from the others.
            if affords(2 * (self.alive.len() + invited.len())) {
                self.alive.extend(&invited);
                self.began.extend(&invited);
            } else if !affords(self.alive.len()) {
                return None;
            }
            self.block += 1;
            self.to_run = self.alive.clone();
            random.shuffle(&mut self.to_run);
        }
        self.to_run.last().map(|settings| (*settings, self.block))
    }

    pub(super) fn told(&mut self) {
        self.to_run.pop();
    }

    /// Drops who moved nothing, and who is shown to be out of the question.
    fn drop_hopeless(&mut self, blocks: &Blocks) {
        self.alive.retain(|settings| blocks.goodputs(*settings).iter().all(|rate| *rate > 0.0));
        let highest = |one: Settings, other: Settings| {
            let bound = bound(blocks, one, other)?;
            Some(blocks.ratio(one, other)?.mean.ln() + bound)
        };
        let is_below = |one: Settings, other: Settings, most: f64| {
            highest(one, other).is_some_and(|highest| highest < most)
        };
        let is_beaten = |one: &Settings| {
            self.alive.iter().any(|other| is_below(*one, *other, (1.0 - MARGIN).ln()))
        };
        // Not better by more than the margin than what will likely be chosen, at more cost.
        let likely = likely(&self.alive, blocks);
        let is_needless = |one: &Settings| {
            likely.is_some_and(|likely| {
                cost(likely) < cost(*one) && is_below(*one, likely, -(1.0 - MARGIN).ln())
            })
        };
        let kept = self.alive.iter().filter(|one| !is_beaten(one) && !is_needless(one));
        self.alive = kept.copied().collect();
    }

    /// Some fewer and more streams than the likely choice has, if they are new: the knee of another part size may
    /// be elsewhere.
    fn invited(
        &self,
        blocks: &Blocks,
        neighbours: impl Fn(Settings) -> Vec<Settings>,
    ) -> Vec<Settings> {
        if !(1..NEIGHBOURS_UNTIL).contains(&self.block) {
            return Vec::new();
        }
        let near = likely(&self.alive, blocks).map_or_else(Vec::new, neighbours);
        near.into_iter().filter(|settings| !self.began.contains(settings)).collect()
    }
}

/// The cheapest that came within the margin of the best.
pub(super) fn likely(alive: &[Settings], blocks: &Blocks) -> Option<Settings> {
    let best = blocks.best(alive)?;
    let share = |one: &Settings| blocks.ratio(*one, best).map_or(0.0, |ratio| ratio.mean);
    let close = alive.iter().copied().filter(|one| share(one) >= 1.0 - MARGIN);
    close.min_by_key(|one| cost(*one))
}

/// By how much the log-ratio of two that were raced may be off, for all comparisons and looks together;
/// `None` as long as nothing is known of the noise, or if they shared no block.
pub(super) fn bound(blocks: &Blocks, one: Settings, other: Settings) -> Option<f64> {
    let shared = blocks.common(&[one, other]).len();
    let residual = noise_after(blocks, shared).filter(|_| shared > 0)?;
    let comparisons = blocks.settings().count().saturating_sub(1);
    Some(residual.bound(shared, ALPHA / f64::from(BLOCKS_MAX), comparisons))
}

/// The noise of a comparison in so many blocks.
pub(super) fn noise_after(blocks: &Blocks, shared: usize) -> Option<Residual> {
    noise_of_those_left(blocks, shared).or_else(|| noise(blocks))
}

/// The noise of settings that are in at least so many blocks, if they say enough of it: those that were dropped
/// before vary as they like.
fn noise_of_those_left(blocks: &Blocks, shared: usize) -> Option<Residual> {
    let stayed = |settings: &Settings| blocks.outcomes(*settings).count() >= shared;
    let left = blocks.settings().filter(stayed).collect::<Vec<_>>();
    noise_among(blocks, &left).filter(|residual| residual.degrees_of_freedom >= FREEDOM_MIN)
}

/// What is left of the race's logarithms when settings and blocks are taken out, from that complete part
/// of the table that says most of it.
pub(super) fn noise(blocks: &Blocks) -> Option<Residual> {
    noise_among(blocks, &blocks.settings().collect::<Vec<_>>())
}

/// The most that the standard deviation likely is for some of the settings.
pub(super) fn noise_at_most(blocks: &Blocks, among: &[Settings]) -> Option<f64> {
    noise_among(blocks, among).map(|residual| residual.sd_at_most(0.9))
}

fn noise_among(blocks: &Blocks, among: &[Settings]) -> Option<Residual> {
    let tables = (2..=BLOCKS_MAX as usize).filter_map(|least| {
        let stayed = |settings: &Settings| blocks.outcomes(*settings).count() >= least;
        blocks.residual(&among.iter().copied().filter(stayed).collect::<Vec<_>>())
    });
    tables.max_by_key(|residual| residual.degrees_of_freedom)
}
