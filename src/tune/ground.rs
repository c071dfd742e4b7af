//! What a recommendation's figures are worked out from; also from a saved result.

use super::blocks::Blocks;
use super::search::{Outcome, Search};
use super::{confirm, race};
use crate::result::{Comparison, Phase, Settings, Trial};
use crate::stats::{LogMean, Residual, log_mean};

/// The blocks of a race and of its confirmation.
#[derive(Clone, Debug, Default)]
pub struct Ground {
    raced: Blocks,
    /// With the duplicate's trials.
    confirmed: Blocks,
}

impl Ground {
    /// From the trials of one direction in a saved result: what the search compared.
    pub fn of<'a>(trials: impl Iterator<Item = &'a Trial>) -> Self {
        Self::by(trials, |trial| Outcome::from(trial))
    }

    /// The same by goodput, whatever the search compared.
    pub fn of_goodput<'a>(trials: impl Iterator<Item = &'a Trial>) -> Self {
        let goodput = |trial: &Trial| Outcome {
            goodput: trial.goodput_bytes_per_second,
            ..Outcome::from(trial)
        };
        Self::by(trials, goodput)
    }

    fn by<'a>(
        trials: impl Iterator<Item = &'a Trial>,
        outcome: impl Fn(&Trial) -> Outcome,
    ) -> Self {
        let (mut ground, mut duplicate) = (Self::default(), Blocks::default());
        for trial in trials {
            let blocks = match trial.phase {
                Phase::Race => &mut ground.raced,
                Phase::Confirmation => &mut ground.confirmed,
                Phase::Duplicate => &mut duplicate,
                Phase::Calibration | Phase::Ramp | Phase::BothWays | Phase::Run => continue,
            };
            blocks.insert(trial.settings, trial.block.unwrap_or_default(), outcome(trial));
        }
        ground.confirmed = ground.confirmed.sharpened_by(&duplicate);
        ground
    }

    pub(super) fn of_search(search: &Search) -> Self {
        let confirmed = search.confirmed().sharpened_by(search.duplicate());
        Self { raced: search.raced().clone(), confirmed }
    }

    pub(super) fn raced(&self) -> &Blocks {
        &self.raced
    }

    pub(super) fn confirmed(&self) -> &Blocks {
        &self.confirmed
    }

    /// Goodput over the blocks of the confirmation; over those of the race where fewer than two confirm it.
    pub fn goodput(&self, settings: Settings) -> Option<LogMean> {
        let fresh = self.confirmed.goodputs(settings);
        match fresh.len() {
            0 | 1 => log_mean(&self.raced.and(&self.confirmed).goodputs(settings)),
            _ => log_mean(&fresh),
        }
    }

    /// One against the other: by the confirmation where it holds both twice, else by the race.
    pub fn compare(&self, one: Settings, other: Settings) -> Option<Comparison> {
        if let Some(ratio) = self.confirmed.ratio(one, other)
            && let Some(interval_95) = self.confirmed_interval(one, other, &ratio)
        {
            let phase = Some(Phase::Confirmation);
            let interval_95 = Some(interval_95);
            return Some(Comparison { settings: other, ratio: ratio.mean, interval_95, phase });
        }
        let ratio = self.raced.ratio(one, other)?.mean;
        let bound = race::bound(&self.raced, one, other);
        let interval_95 = bound.map(|bound| around(ratio, bound));
        Some(Comparison { settings: other, ratio, interval_95, phase: Some(Phase::Race) })
    }

    /// The paired interval; of few blocks that of the block design.
    fn confirmed_interval(
        &self,
        one: Settings,
        other: Settings,
        ratio: &LogMean,
    ) -> Option<[f64; 2]> {
        let blocks = self.confirmed.common(&[one, other]).len();
        match self.common_noise(blocks) {
            Some(noise) => Some(around(ratio.mean, noise.bound(blocks, 0.025, 1))),
            None => ratio.interval_95,
        }
    }

    /// Noise of all that were confirmed, where a pair's own few blocks say too little of it.
    pub(super) fn common_noise(&self, blocks: usize) -> Option<Residual> {
        let all: Vec<Settings> = self.confirmed.settings().collect();
        let few = blocks < confirm::BLOCKS_WANTED_MIN as usize;
        self.confirmed.residual(&all).filter(|_| few)
    }
}

fn around(ratio: f64, bound: f64) -> [f64; 2] {
    [ratio * (-bound).exp(), ratio * bound.exp()]
}
