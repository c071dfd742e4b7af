//! Blocks of trials: settings measured once in each, so that drift hits all alike.

use std::collections::{BTreeMap, BTreeSet};

use super::outcome::Outcome;
use crate::result::Settings;
use crate::stats::{LogMean, Residual, log_mean, residual};

/// What each settings brought, by number of block.
#[derive(Clone, Debug, Default)]
pub(super) struct Blocks(BTreeMap<Settings, BTreeMap<u32, Outcome>>);

impl Blocks {
    pub(super) fn insert(&mut self, settings: Settings, block: u32, outcome: Outcome) {
        self.0.entry(settings).or_default().insert(block, outcome);
    }

    /// All settings that have been measured.
    pub(super) fn settings(&self) -> impl Iterator<Item = Settings> {
        self.0.keys().copied()
    }

    pub(super) fn outcomes(&self, settings: Settings) -> impl Iterator<Item = (u32, &Outcome)> {
        self.0.get(&settings).into_iter().flatten().map(|(block, outcome)| (*block, outcome))
    }

    /// The highest number of a block; 0 without any.
    pub(super) fn last(&self) -> u32 {
        self.0.values().flat_map(BTreeMap::keys).max().copied().unwrap_or(0)
    }

    pub(super) fn goodputs(&self, settings: Settings) -> Vec<f64> {
        self.outcomes(settings).map(|(_, outcome)| outcome.goodput).collect()
    }

    /// Both, whose blocks have different numbers.
    pub(super) fn and(&self, other: &Self) -> Self {
        let mut both = self.clone();
        for settings in other.settings() {
            for (block, outcome) in other.outcomes(settings) {
                both.insert(settings, block, *outcome);
            }
        }
        both
    }

    /// Goodput of one over that of the other, over the blocks that hold both. `None` without such
    /// blocks, or where nothing was moved.
    pub(super) fn ratio(&self, one: Settings, other: Settings) -> Option<LogMean> {
        let other = self.0.get(&other)?;
        let ratios = self.outcomes(one).filter_map(|(block, outcome)| {
            other.get(&block).map(|other| outcome.goodput / other.goodput)
        });
        log_mean(&ratios.collect::<Vec<f64>>())
    }

    /// The same where settings were measured twice in a block: the geometric mean of the two, so that
    /// the second trial sharpens what is said of them.
    pub(super) fn sharpened_by(&self, duplicate: &Self) -> Self {
        let mut both = self.clone();
        for (settings, outcomes) in &mut both.0 {
            for (block, outcome) in outcomes {
                if let Some(second) = duplicate.0.get(settings).and_then(|of| of.get(block)) {
                    outcome.goodput = (outcome.goodput * second.goodput).sqrt();
                }
            }
        }
        both
    }

    /// Settings with the highest goodput.
    pub(super) fn best(&self, among: &[Settings]) -> Option<Settings> {
        let levels = self.levels(among).into_iter();
        levels.max_by(|one, other| one.1.total_cmp(&other.1)).map(|(settings, _)| settings)
    }

    /// The goodput of each over that of the one that was measured most often, over the blocks that both
    /// were in: the means of all would compare blocks between which the link may have drifted. Who once
    /// moved nothing is left out.
    pub(super) fn levels(&self, among: &[Settings]) -> Vec<(Settings, f64)> {
        let moved = |settings: &Settings| log_mean(&self.goodputs(*settings)).is_some();
        let moved: Vec<Settings> = among.iter().copied().filter(moved).collect();
        let blocks = |settings: &&Settings| self.outcomes(**settings).count();
        let Some(anchor) = moved.iter().max_by_key(blocks) else { return Vec::new() };
        let level = |one: &Settings| Some((*one, self.ratio(*one, *anchor)?.mean));
        moved.iter().filter_map(level).collect()
    }

    /// Keeps only the settings whose outcomes are as wanted.
    pub(super) fn retain(&mut self, is_in: impl Fn(&[Outcome]) -> bool) {
        self.0.retain(|_, blocks| is_in(&blocks.values().copied().collect::<Vec<_>>()));
    }

    /// What is left when settings and blocks are taken out; `None` with fewer than two blocks.
    pub(super) fn residual(&self, among: &[Settings]) -> Option<Residual> {
        let common = self.common(among);
        let logs = |settings: &Settings| -> Vec<f64> {
            common.iter().map(|block| self.0[settings][block].goodput.ln()).collect()
        };
        let rows: Vec<Vec<f64>> = among.iter().map(logs).collect();
        residual(&rows).filter(|residual| residual.sd.is_finite())
    }

    /// Blocks that hold all of them.
    pub(super) fn common(&self, among: &[Settings]) -> BTreeSet<u32> {
        let blocks =
            |settings: &Settings| self.0.get(settings).into_iter().flat_map(BTreeMap::keys);
        let mut common: BTreeSet<u32> =
            among.first().into_iter().flat_map(blocks).copied().collect();
        for settings in among {
            let these: BTreeSet<u32> = blocks(settings).copied().collect();
            common.retain(|block| these.contains(block));
        }
        common
    }
}
