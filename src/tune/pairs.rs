//! Pairs of settings measured in blocks, one pair after the other: what a single concurrency for both
//! directions loses against the best of one of them.

use std::collections::BTreeSet;

use super::blocks::Blocks;
use super::outcome::Outcome;
use crate::result::Settings;

/// Blocks of a pair, fixed before the first: looking after each and stopping when it pleases would make
/// the intervals too narrow. With four a pair of equals is shown to be within 5 % where trials vary by 1 %.
const BLOCKS: u32 = 4;

/// Trials of a pair.
pub(super) const TRIALS: u32 = 2 * BLOCKS;

/// Pairs measured so far. The blocks of all pairs are numbered through.
#[derive(Clone, Debug, Default)]
pub(super) struct Pairs {
    blocks: Blocks,
    told: u32,
}

impl Pairs {
    pub(super) fn insert(&mut self, settings: Settings, block: u32, outcome: Outcome) {
        self.blocks.insert(settings, block, outcome);
        self.told += 1;
    }

    pub(super) fn blocks(&self) -> &Blocks {
        &self.blocks
    }

    /// Whether the two have been measured in a block.
    pub(super) fn hold(&self, pair: [Settings; 2]) -> bool {
        !self.blocks.common(&pair).is_empty()
    }

    /// Whether no pair is under way.
    pub(super) fn is_between(&self) -> bool {
        self.told.is_multiple_of(TRIALS)
    }

    /// What is next and in which block: of the pair under way, else of a `new` one. Who comes first in a
    /// block alternates, so that a steady drift hits both alike.
    pub(super) fn next(
        &self,
        new: impl FnOnce() -> Option<[Settings; 2]>,
    ) -> Option<(Settings, u32)> {
        let [one, other] = self.under_way().or_else(new)?;
        let block = self.told / 2 + 1;
        let has_begun = |settings| self.blocks.outcomes(settings).any(|(of, _)| of == block);
        let first = if block.is_multiple_of(2) { one } else { other };
        let second = if first == one { other } else { one };
        Some((if has_begun(first) { second } else { first }, block))
    }

    /// `None` between two pairs and in the first block of one: nothing has been compared by then, so
    /// that the `new` pair is still the same.
    fn under_way(&self) -> Option<[Settings; 2]> {
        if self.is_between() {
            return None;
        }
        let first_block = self.told / TRIALS * BLOCKS + 1;
        let is_in = |settings: &Settings| {
            self.blocks.outcomes(*settings).any(|(block, _)| block == first_block)
        };
        let pair: BTreeSet<Settings> = self.blocks.settings().filter(is_in).collect();
        pair.into_iter().collect::<Vec<_>>().try_into().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::LimitedBy;
    use crate::units::MIB;

    fn settings(concurrency: u32) -> Settings {
        Settings { part_size_bytes: 64 * MIB, concurrency, parts_in_flight: 1 }
    }

    #[test]
    fn each_block_holds_both_of_a_pair_and_the_next_pair_waits_for_the_last_block() {
        let outcome = Outcome::of(1.0, LimitedBy::GatewayOrNetwork);
        let mut pairs = Pairs::default();
        let mut order = Vec::new();
        for number in 0..2 * TRIALS {
            // Another pair is wanted as soon as the first has been compared once.
            let wanted = if number < 2 { [8, 16] } else { [16, 32] }.map(settings);
            let (next, block) = pairs.next(|| Some(wanted)).unwrap();
            assert_eq!(block, number / 2 + 1);
            pairs.insert(next, block, outcome);
            order.push(next.concurrency);
        }
        let (first, second) = order.split_at(TRIALS as usize);
        assert_eq!(first[..4], [16, 8, 8, 16], "who is first alternates");
        for (of, pair) in [(first, [8, 16]), (second, [16, 32])] {
            let sorted = |block: &[u32]| [block[0].min(block[1]), block[0].max(block[1])];
            assert!(of.chunks(2).all(|block| sorted(block) == pair), "{of:?}");
        }
        assert!(pairs.is_between());
        assert_eq!(pairs.next(|| None), None, "no pair is wanted any more");
        assert_eq!(pairs.blocks().common(&[8, 16].map(settings)).len(), BLOCKS as usize);
    }
}
