//! Bytes, or attempts, over time in bins of 100 ms, the resolution at which the steady state is judged.

use std::time::Duration;

use crate::clock::Instant;

/// Width of a bin.
pub const BIN: Duration = Duration::from_millis(100);

/// Amounts per bin since an origin: bytes, or a number of attempts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Series {
    bins: Vec<u64>,
}

impl Series {
    /// The bin into which `at` falls.
    pub fn bin_of(origin: Instant, at: Instant) -> usize {
        (at.since(origin).as_nanos() / BIN.as_nanos()) as usize
    }

    /// When a bin ends.
    pub fn end_of(origin: Instant, bin: usize) -> Instant {
        let bins = u32::try_from(bin + 1).unwrap_or(u32::MAX);
        origin + BIN * bins
    }

    /// Adds an amount to a bin.
    pub fn add(&mut self, bin: usize, amount: u64) {
        if bin >= self.bins.len() {
            self.bins.resize(bin + 1, 0);
        }
        self.bins[bin] += amount;
    }

    /// Adds another series bin by bin.
    pub fn merge(&mut self, other: &Self) {
        for (bin, amount) in other.bins.iter().enumerate() {
            self.add(bin, *amount);
        }
    }

    /// The sum of the bins `from..to`.
    pub fn sum(&self, from: usize, to: usize) -> u64 {
        let to = to.min(self.bins.len());
        self.bins.get(from..to).map_or(0, |bins| bins.iter().sum())
    }

    /// The amount of each bin.
    pub fn bins(&self) -> &[u64] {
        &self.bins
    }
}
