//! How far the settings that the connector can have came in the blocks of trials.

use std::collections::BTreeSet;

use super::blocks::Blocks;
use crate::result::Settings;

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
