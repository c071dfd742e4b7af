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

/// The levels of those settings, and what they leave open.
pub(super) struct Levels {
    pub(super) parts_in_flight: u32,
    /// The connector's part size, if it is known and was measured; else all that were.
    pub(super) part_sizes: BTreeSet<u64>,
    levels: Vec<(Settings, f64)>,
}

impl Levels {
    /// Of a connector that has so many parts of a file in flight, of this size if it is known.
    pub(super) fn of(
        blocks: &Blocks,
        parts_in_flight: u32,
        connector_part_size_bytes: Option<u64>,
    ) -> Self {
        let alike = blocks.settings().filter(|one| one.parts_in_flight == parts_in_flight);
        let levels = blocks.levels(&alike.collect::<Vec<_>>());
        let measured: BTreeSet<u64> = levels.iter().map(|(one, _)| one.part_size_bytes).collect();
        let of_connector = connector_part_size_bytes.filter(|size| measured.contains(size));
        let part_sizes = of_connector.map_or(measured, |size| BTreeSet::from([size]));
        Self { parts_in_flight, part_sizes, levels }
    }

    /// Numbers of files that have a level.
    pub(super) fn concurrencies(&self) -> BTreeSet<u32> {
        self.levels.iter().map(|(one, _)| one.concurrency).collect()
    }

    /// The best of a part size.
    pub(super) fn best(&self, part_size_bytes: u64) -> Option<Settings> {
        Some(self.highest(part_size_bytes)?.0)
    }

    /// What settings reach of the best of their part size.
    pub(super) fn share(&self, one: Settings) -> Option<f64> {
        let (_, level) = self.levels.iter().find(|(of, _)| *of == one)?;
        Some(level / self.highest(one.part_size_bytes)?.1)
    }

    /// So many files of a part size.
    pub(super) fn settings(&self, part_size_bytes: u64, concurrency: u32) -> Settings {
        Settings { part_size_bytes, concurrency, parts_in_flight: self.parts_in_flight }
    }

    fn highest(&self, part_size_bytes: u64) -> Option<&(Settings, f64)> {
        let same = self.levels.iter().filter(|(of, _)| of.part_size_bytes == part_size_bytes);
        same.max_by(|a, b| a.1.total_cmp(&b.1))
    }
}
