//! What a recommendation's figures are worked out from; also from a saved result.

use super::blocks::Blocks;
use super::margin::FAR;
use super::outcome::Outcome;
use super::seen::Seen;
use super::{confirm, race};
use crate::result::{Comparison, Phase, Settings, Trial};
use crate::stats::{LogMean, Residual, log_mean};

/// How much a trial on the way may differ from one in a block, by drift and noise: standard deviation of the
/// logarithm (ASSUMPTION).
const SD_ON_THE_WAY: f64 = 0.3;

/// The blocks of a race and of its confirmation, and the way to them.
#[derive(Clone, Debug, Default)]
pub struct Ground {
    raced: Blocks,
    /// With the duplicate's trials.
    confirmed: Blocks,
    /// One trial of each number of streams.
    way: Vec<(Settings, f64)>,
    soaked: Vec<(Settings, Outcome)>,
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
                Phase::Ramp | Phase::Calibration => {
                    ground.way.push((trial.settings, outcome(trial).goodput));
                    continue;
                }
                Phase::Soak => {
                    ground.soaked.push((trial.settings, outcome(trial)));
                    continue;
                }
                Phase::BothWays | Phase::Run => continue,
            };
            blocks.insert(trial.settings, trial.block.unwrap_or_default(), outcome(trial));
        }
        ground.confirmed = ground.confirmed.sharpened_by(&duplicate);
        ground
    }

    pub(super) fn of_seen(seen: &Seen) -> Self {
        let confirmed = seen.confirmed.sharpened_by(&seen.duplicate);
        let way = seen.found_the_way.iter();
        let way = way.map(|(settings, outcome)| (*settings, outcome.goodput)).collect();
        Self { raced: seen.raced.clone(), confirmed, way, soaked: seen.soaked.clone() }
    }

    /// What settings that were held for a soak carry: in the soak and, if nothing was refused, in their trials of
    /// blocks before it, all that was measured counting by its time. A link drifts: a session sees more of that
    /// than its last minute.
    ///
    /// The interval is that of the soak, and holds what the trials say as well.
    pub fn told(&self, settings: Settings) -> Option<(f64, [f64; 2])> {
        let (_, soak) = self.soaked.iter().rev().find(|(of, _)| *of == settings)?;
        let blocks = self.raced.and(&self.confirmed);
        // Where calls are refused short trials say less of the long run than the soak alone.
        let is_let_in = blocks.outcomes(settings).all(|(_, outcome)| outcome.refused == 0.0);
        let trials = || blocks.outcomes(settings).map(|(_, outcome)| outcome).filter(|_| is_let_in);
        let weight = |outcome: &Outcome| outcome.measured.as_secs_f64().max(1.0);
        let (sum, weights) = trials().chain([soak]).fold((0.0, 0.0), |(sum, weights), one| {
            (sum + weight(one) * one.goodput, weights + weight(one))
        });
        let told = sum / weights;
        let [low, high] = soak.interval_95.unwrap_or([soak.goodput; 2]);
        let (goodputs, count) = (trials().map(|one| one.goodput).sum::<f64>(), trials().count());
        let before = if count > 0 { goodputs / count as f64 } else { told };
        Some((told, [low.min(before), high.max(before)]))
    }

    pub(super) fn raced(&self) -> &Blocks {
        &self.raced
    }

    pub(super) fn confirmed(&self) -> &Blocks {
        &self.confirmed
    }

    /// Whether the confirmation says something of these settings by itself.
    pub(super) fn confirms(&self, settings: Settings) -> bool {
        self.confirmed.outcomes(settings).count() > 1
    }

    /// Goodput over the blocks of the confirmation; over those of the race where fewer than two confirm it.
    pub fn goodput(&self, settings: Settings) -> Option<LogMean> {
        let fresh = self.confirmed.goodputs(settings);
        match fresh.len() {
            0 | 1 => log_mean(&self.raced.and(&self.confirmed).goodputs(settings)),
            _ => log_mean(&fresh),
        }
    }

    /// One against the other: by the confirmation where it holds both twice, else by the race; by a trial on
    /// the way where that shows the other to be out of the question.
    pub fn compare(&self, one: Settings, other: Settings) -> Option<Comparison> {
        if let Some(ratio) = self.confirmed.ratio(one, other)
            && let Some(interval_95) = self.confirmed_interval(one, other, &ratio)
        {
            let phase = Some(Phase::Confirmation);
            let interval_95 = Some(interval_95);
            return Some(Comparison { settings: other, ratio: ratio.mean, interval_95, phase });
        }
        let Some(ratio) = self.raced.ratio(one, other).map(|ratio| ratio.mean) else {
            return self.compare_far(one, other);
        };
        let bound = race::bound(&self.raced, one, other);
        let interval_95 = bound.map(|bound| around(ratio, bound));
        Some(Comparison { settings: other, ratio, interval_95, phase: Some(Phase::Race) })
    }

    fn compare_far(&self, one: Settings, other: Settings) -> Option<Comparison> {
        let (_, far) =
            self.way.iter().find(|(settings, goodput)| *settings == other && *goodput > 0.0)?;
        let near = self.goodput(one).map(|goodput| goodput.mean);
        let on_the_way = self.way.iter().find(|(settings, _)| *settings == one).map(|(_, of)| *of);
        let ratio = near.or(on_the_way)? / far;
        let interval_95 = (ratio >= FAR).then(|| around(ratio, 1.96 * SD_ON_THE_WAY));
        Some(Comparison { settings: other, ratio, interval_95, phase: Some(Phase::Ramp) })
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
