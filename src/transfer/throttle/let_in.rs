//! How many calls that were sent in the last second were not refused.
//!
//! They count from when they are sent, for it is then that a server counts them: an upload that takes ten seconds
//! and ends well says nothing new at its end.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::clock::Instant;

/// Bins of [`LetIn`], which make a second.
const BINS: usize = 16;
const BIN_NS: u64 = 1_000_000_000 / BINS as u64;

/// Calls of the last second. Each bin holds the number of the sixteenth of a second that it is about and the calls
/// in that, in one word, so that a second later it is taken over in one step and without a lock.
#[derive(Debug, Default)]
pub(super) struct LetIn([AtomicU64; BINS]);

impl LetIn {
    /// Calls that are sent now.
    pub(super) fn add(&self, now: Instant, calls: u32) {
        let number = Self::number(now);
        let added = |bin: u64| match bin >> 32 == number {
            true => bin + u64::from(calls),
            false => number << 32 | u64::from(calls),
        };
        // The closure never declines.
        let _ =
            self.0[number as usize % BINS].fetch_update(Relaxed, Relaxed, |bin| Some(added(bin)));
    }

    /// Calls that were sent then have been refused.
    pub(super) fn take_back(&self, sent: Instant, calls: u32) {
        let number = Self::number(sent);
        let less = |bin: u64| {
            let left = (bin & u64::from(u32::MAX)).saturating_sub(u64::from(calls));
            (bin >> 32 == number).then_some(number << 32 | left)
        };
        // It declines where the bin is about another time by now: then there is nothing to take back.
        let _ = self.0[number as usize % BINS].fetch_update(Relaxed, Relaxed, less);
    }

    pub(super) fn in_last_second(&self, now: Instant) -> f64 {
        let number = Self::number(now);
        let bins = self.0.iter().map(|bin| bin.load(Relaxed));
        let recent = bins.filter(|bin| (bin >> 32) + BINS as u64 > number);
        recent.map(|bin| bin & u64::from(u32::MAX)).sum::<u64>() as f64
    }

    /// 32 bits of it last for eight years.
    fn number(now: Instant) -> u64 {
        now.nanoseconds_since(Instant::default()) / BIN_NS
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(ms: u64) -> Instant {
        Instant::default() + Duration::from_millis(ms)
    }

    #[test]
    fn what_was_sent_more_than_a_second_ago_does_not_count_nor_what_was_refused() {
        let let_in = LetIn::default();
        let_in.add(at(0), 5);
        let_in.add(at(500), 7);
        assert_eq!([990, 1100, 1600].map(|ms| let_in.in_last_second(at(ms))), [12.0, 7.0, 0.0]);
        let_in.add(at(1000), 1);
        assert_eq!(let_in.in_last_second(at(1000)), 8.0);
        let_in.take_back(at(500), 3);
        let_in.take_back(at(0), 3);
        assert_eq!(let_in.in_last_second(at(1000)), 5.0);
    }
}
