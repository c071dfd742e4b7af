//! Bytes, or attempts, over time in bins of 100 ms, the resolution at which the steady state is judged.
//!
//! Memory is bounded: after [`BINS_MAX`] bins (28 hours) ten become one, and again.

use std::ops::Range;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Instant;

/// Width of a bin.
pub const BIN: Duration = Duration::from_millis(100);

const BIN_NS: u64 = BIN.as_nanos() as u64;

/// Bins that are kept, 8 bytes each.
const BINS_MAX: usize = 1_000_000;

/// Amounts per bin since an origin: bytes, or a number of attempts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Series {
    /// Each of `width` bins.
    kept: Vec<u64>,
    width: usize,
}

impl Default for Series {
    fn default() -> Self {
        Self { kept: Vec::new(), width: 1 }
    }
}

impl Series {
    /// The bin into which `at` falls.
    pub fn bin_of(origin: Instant, at: Instant) -> usize {
        (at.nanoseconds_since(origin) / BIN_NS) as usize
    }

    /// Adds an amount to a bin.
    pub fn add(&mut self, bin: usize, amount: u64) {
        let place = self.place(bin);
        self.kept[place] += amount;
    }

    /// Adds an amount that came evenly over a while, `origin` being the start of the first bin.
    pub fn add_evenly(&mut self, origin: Instant, over: Range<Instant>, amount: u64) {
        let last = self.place(Self::bin_of(origin, over.end));
        let first = Self::bin_of(origin, over.start) / self.width;
        let per_ns = amount as f64 / (over.end.nanoseconds_since(over.start) as f64).max(1.0);
        let place_ns = BIN_NS as f64 * self.width as f64;
        let mut passed_ns =
            (first + 1) as f64 * place_ns - over.start.nanoseconds_since(origin) as f64;
        let mut before = 0;
        for kept in &mut self.kept[first..last] {
            let by_then = ((per_ns * passed_ns) as u64).min(amount);
            *kept += by_then - before;
            before = by_then;
            passed_ns += place_ns;
        }
        self.kept[last] += amount - before;
    }

    /// Makes room for a bin; the place in which it is.
    fn place(&mut self, bin: usize) -> usize {
        while bin / self.width >= BINS_MAX {
            self.coarsen();
        }
        let place = bin / self.width;
        if place >= self.kept.len() {
            self.kept.resize(place + 1, 0);
        }
        place
    }

    /// All of it so many bins later.
    pub(super) fn delay(&mut self, bins: usize) {
        let places = bins / self.width;
        self.kept.splice(0..0, std::iter::repeat_n(0, places));
    }

    /// Adds another series bin by bin.
    pub fn merge(&mut self, other: &Self) {
        while self.width < other.width {
            self.coarsen();
        }
        for (place, amount) in other.kept.iter().enumerate() {
            self.add(place * other.width, *amount);
        }
    }

    /// The sum of the bins `from..to`. Where ten became one, each has an even share.
    pub fn sum(&self, from: usize, to: usize) -> u64 {
        let to = to.min(self.len());
        if from >= to {
            return 0;
        }
        let (first, last) = (from / self.width, (to - 1) / self.width);
        let whole: u64 = self.kept[first..=last].iter().sum();
        let before = self.share(first, from - first * self.width);
        let behind = self.kept[last] - self.share(last, to - last * self.width);
        whole - before - behind
    }

    /// Bins from the origin to the last that holds something.
    pub fn len(&self) -> usize {
        self.kept.len() * self.width
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// How many bins have one amount together.
    pub fn width(&self) -> usize {
        self.width
    }

    /// What the first `bins` of those at `place` have.
    fn share(&self, place: usize, bins: usize) -> u64 {
        (u128::from(self.kept[place]) * bins as u128 / self.width as u128) as u64
    }

    fn coarsen(&mut self) {
        self.width *= 10;
        self.kept = self.kept.chunks(10).map(|ten| ten.iter().sum()).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn series(amounts: &[(usize, u64)]) -> Series {
        let mut series = Series::default();
        amounts.iter().for_each(|(bin, amount)| series.add(*bin, *amount));
        series
    }

    fn amounts(last: usize) -> impl Strategy<Value = Vec<(usize, u64)>> {
        prop::collection::vec((0..last, 0..1_u64 << 40), 1..30)
    }

    proptest! {
        #[test]
        fn short_series_are_exact(amounts in amounts(5000), from in 0_usize..5000, to in 0_usize..6000) {
            let within = amounts.iter().filter(|(bin, _)| (from..to).contains(bin));
            prop_assert_eq!(series(&amounts).sum(from, to), within.map(|(_, amount)| amount).sum::<u64>());
        }

        #[test]
        fn long_series_lose_nothing_and_take_little_memory(
            amounts in amounts(300_000_000),
            others in amounts(300_000_000),
            cut in 0_usize..300_000_000,
        ) {
            let total = |amounts: &[(usize, u64)]| amounts.iter().map(|(_, amount)| amount).sum::<u64>();
            let (one, other) = (series(&amounts), series(&others));
            prop_assert!(one.kept.len() <= BINS_MAX);
            prop_assert_eq!(one.sum(0, usize::MAX), total(&amounts));
            prop_assert_eq!(one.sum(0, cut) + one.sum(cut, usize::MAX), total(&amounts));
            let mut merged = one;
            merged.merge(&other);
            prop_assert_eq!(merged.sum(0, usize::MAX), total(&amounts) + total(&others));
        }
    }
}
