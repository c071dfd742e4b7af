//! What one direction's trials say of numbers of files in flight.

use std::collections::{BTreeMap, BTreeSet};

use super::blocks::{Blocks, Levels};
use super::gcs::GcsOptions;
use super::ground::Ground;
use super::margin::{MARGIN, is_shown_within_margin};
use super::outcome::Outcome;
use super::search::Search;
use crate::result::{Comparison, Phase, Settings};
use crate::stats::geometric_mean;

/// One direction's trials of settings that the connector can have.
pub(super) struct Standing<'a> {
    search: &'a Search,
    ground: Ground,
    /// The race and its confirmation.
    blocks: Blocks,
    levels: Levels,
}

impl<'a> Standing<'a> {
    pub(super) fn of(search: &'a Search, options: &GcsOptions) -> Self {
        let ground = Ground::of_seen(search.seen());
        let blocks = ground.raced().and(ground.confirmed());
        let levels = options.levels_of(&blocks);
        Self { search, ground, blocks, levels }
    }

    /// Each number of files that was tried against the best, at that part size at which it loses most.
    pub(super) fn by_files(&self) -> BTreeMap<u32, Comparison> {
        let standing = |files| self.in_blocks(files).or_else(|| self.on_the_way(files));
        self.tried().into_iter().filter_map(|files| Some((files, standing(files)?))).collect()
    }

    /// One number of files: what was not tried and lies between two that were is taken to bring no less than
    /// both (a link with one peak).
    pub(super) fn of_files(&self, files: u32) -> Option<Comparison> {
        let known = self.by_files();
        if let Some(found) = known.get(&files) {
            return Some(*found);
        }
        let (_, below) = known.range(..files).next_back()?;
        let (_, above) = known.range(files..).next()?;
        let least = if below.ratio < above.ratio { below } else { above };
        Some(Comparison { interval_95: None, phase: Some(Phase::Ramp), ..*least })
    }

    fn tried(&self) -> BTreeSet<u32> {
        let trials = self.search.found_the_way().iter().map(|(one, _)| *one);
        let pairs = self.search.pairs().blocks().settings();
        let alike = |one: &Settings| one.parts_in_flight == self.levels.parts_in_flight;
        let others = trials.chain(pairs).filter(alike).map(|one| one.concurrency);
        self.levels.concurrencies().into_iter().chain(others).collect()
    }

    /// Whether the part size is known, or only one was measured.
    pub(super) fn is_of_one_part_size(&self) -> bool {
        self.levels.part_sizes.len() < 2
    }

    /// Whether more files than were ever tried may serve as well: the most that were tried do.
    pub(super) fn may_serve_beyond(&self, files: u32) -> bool {
        let known = self.by_files();
        let most = known.last_key_value();
        files <= self.search.config().concurrency_max
            && most.is_some_and(|(most, found)| *most < files && found.ratio >= 1.0 - MARGIN)
    }

    /// The first pair, of so many files and of the best of a part size, that is not shown to be within the
    /// margin and might be if it were measured.
    pub(super) fn unshown(&self, files: u32) -> Option<[Settings; 2]> {
        let pair = |part_size_bytes: &u64| {
            let best = self.levels.best(*part_size_bytes)?;
            let goodput = geometric_mean(&self.blocks.goodputs(best))?;
            let one = self.levels.settings(*part_size_bytes, files);
            let limits = &self.search.config().rules.limits;
            (one != best && limits.refuse(one, goodput).is_none()).then_some([one, best])
        };
        self.levels.part_sizes.iter().filter_map(pair).find(|[one, best]| {
            let found = self.compare(*one, *best);
            let is_open = found
                .is_none_or(|found| found.ratio >= 1.0 - MARGIN && !is_shown_within_margin(&found));
            is_open && !self.search.pairs().hold([*one, *best])
        })
    }

    /// By blocks of trials; `None` if some part size is missing.
    fn in_blocks(&self, files: u32) -> Option<Comparison> {
        let at = |part_size_bytes: &u64| {
            let best = self.levels.best(*part_size_bytes)?;
            let one = self.levels.settings(*part_size_bytes, files);
            self.compare(one, best).or_else(|| {
                let (ratio, interval_95, phase) = (self.levels.share(one)?, None, None);
                Some(Comparison { settings: best, ratio, interval_95, phase })
            })
        };
        let all: Option<Vec<Comparison>> = self.levels.part_sizes.iter().map(at).collect();
        all?.into_iter().min_by(|one, other| one.ratio.total_cmp(&other.ratio))
    }

    /// By blocks of just the two, else by those of the confirmation and the race.
    fn compare(&self, one: Settings, best: Settings) -> Option<Comparison> {
        if one == best {
            let interval_95 = Some([1.0, 1.0]);
            return Some(Comparison { settings: best, ratio: 1.0, interval_95, phase: None });
        }
        let paired = self.search.pairs().blocks().ratio(one, best);
        match paired.filter(|ratio| ratio.interval_95.is_some()) {
            Some(ratio) => {
                let (interval_95, phase) = (ratio.interval_95, Some(Phase::BothWays));
                Some(Comparison { settings: best, ratio: ratio.mean, interval_95, phase })
            }
            None => self.ground.compare(one, best),
        }
    }

    /// By single trials before the race.
    fn on_the_way(&self, files: u32) -> Option<Comparison> {
        let trials = || {
            let trials = self.search.found_the_way().iter();
            trials.filter(|(one, _)| one.parts_in_flight == self.levels.parts_in_flight)
        };
        let against_best = |(one, outcome): &(Settings, Outcome)| {
            let same = trials().filter(|(of, _)| of.part_size_bytes == one.part_size_bytes);
            let (best, most) = same.max_by(|a, b| a.1.goodput.total_cmp(&b.1.goodput))?;
            let ratio = outcome.goodput / most.goodput;
            let phase = Some(Phase::Ramp);
            Some(Comparison { settings: *best, ratio, interval_95: None, phase })
        };
        let same = trials().filter(|(one, _)| one.concurrency == files);
        let all = same.filter_map(against_best).filter(|found| found.ratio.is_finite());
        all.min_by(|one, other| one.ratio.total_cmp(&other.ratio))
    }
}
