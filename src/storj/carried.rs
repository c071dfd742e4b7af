//! How much a flow had carried when: its bytes are told by stretches of time in which it was even.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use crate::clock::Instant;

/// Finer than this nothing is told: a fifth of a bin of the series.
const FINEST: Duration = Duration::from_millis(20);

/// A stretch is even if no quarter of it is off by more than this share of its bytes.
const UNEVEN: f64 = 1.0 / 256.0;

/// Bytes that passed evenly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// When.
    pub over: Range<Instant>,
    /// How many.
    pub bytes: u64,
}

/// By `at` a flow which never ended would have carried so many bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) at: Instant,
    pub(super) bytes: f64,
}

/// Moments in the past; between two of them it is a straight line.
#[derive(Debug, Default)]
pub(super) struct Carried(VecDeque<Moment>);

impl Carried {
    /// Forgets all.
    pub(super) fn restart(&mut self) {
        self.0.clear();
    }

    /// What comes too soon after the last is not kept.
    pub(super) fn note(&mut self, moment: Moment) {
        if self.0.back().is_none_or(|last| moment.at.since(last.at) >= FINEST) {
            self.0.push_back(moment);
        }
    }

    /// How many are held.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Nothing will be asked about what was before.
    pub(super) fn forget_before(&mut self, at: Instant) {
        let needed = self.0.partition_point(|moment| moment.at <= at).saturating_sub(1);
        self.0.drain(..needed);
    }

    /// A flow's bytes by stretches of its time.
    pub(super) fn stretches(&self, began: Moment, ended: Moment, bytes: u64) -> Vec<Stretch> {
        let mut stretches = Vec::new();
        self.split(began, ended, bytes, &mut stretches);
        stretches
    }

    fn split(&self, from: Moment, to: Moment, bytes: u64, into: &mut Vec<Stretch>) {
        let nanoseconds = to.at.nanoseconds_since(from.at);
        let after = |quarters: u64| {
            let at = from.at + Duration::from_nanos(nanoseconds / 4 * quarters);
            self.moment(at, from, to)
        };
        let share = |moment: Moment| (moment.bytes - from.bytes) / (to.bytes - from.bytes).max(1.0);
        let is_off =
            |quarters: u64| (share(after(quarters)) - quarters as f64 / 4.0).abs() > UNEVEN;
        if nanoseconds <= FINEST.as_nanos() as u64 || ![1, 2, 3].into_iter().any(is_off) {
            into.push(Stretch { over: from.at..to.at, bytes });
            return;
        }
        let middle = after(2);
        let first = ((bytes as f64 * share(middle)) as u64).min(bytes);
        self.split(from, middle, first, into);
        self.split(middle, to, bytes - first, into);
    }

    /// What was carried by a moment between two.
    fn moment(&self, at: Instant, from: Moment, to: Moment) -> Moment {
        let next = self.0.partition_point(|moment| moment.at < at);
        let before = next.checked_sub(1).and_then(|before| self.0.get(before));
        let before = before.copied().filter(|moment| moment.at > from.at).unwrap_or(from);
        let next = self.0.get(next).copied().filter(|moment| moment.at < to.at).unwrap_or(to);
        let nanoseconds = |from: Moment, to: Instant| to.nanoseconds_since(from.at) as f64;
        let share = nanoseconds(before, at) / nanoseconds(before, next.at).max(1.0);
        Moment { at, bytes: before.bytes + share * (next.bytes - before.bytes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: f64) -> Instant {
        Instant::default() + Duration::from_secs_f64(seconds)
    }

    fn moment(at: f64, bytes: f64) -> Moment {
        Moment { at: seconds(at), bytes }
    }

    /// 1000 B/s for a second, then 100 B/s for nine.
    fn carried() -> Carried {
        let mut carried = Carried::default();
        [(0.0, 0.0), (1.0, 1000.0), (10.0, 1900.0)]
            .into_iter()
            .for_each(|(at, bytes)| carried.note(moment(at, bytes)));
        carried
    }

    #[test]
    fn a_flow_that_was_even_is_one_stretch() {
        let one = Stretch { over: seconds(2.0)..seconds(9.0), bytes: 700 };
        let (began, ended) = (moment(2.0, 1100.0), moment(9.0, 1800.0));
        assert_eq!(carried().stretches(began, ended, 700), [one]);
    }

    #[test]
    fn a_flow_that_slowed_down_is_told_by_stretches_that_follow_it() {
        let stretches = carried().stretches(moment(0.0, 0.0), moment(10.0, 1900.0), 1900);
        assert_eq!(stretches.iter().map(|one| one.bytes).sum::<u64>(), 1900);
        assert!(stretches.windows(2).all(|two| two[0].over.end == two[1].over.start));
        let in_the_first_second = stretches.iter().map(|Stretch { over, bytes }| {
            let within = over.end.min(seconds(1.0)).since(over.start).as_secs_f64();
            *bytes as f64 * within / over.end.since(over.start).as_secs_f64()
        });
        let in_the_first_second: f64 = in_the_first_second.sum();
        assert!((in_the_first_second - 1000.0).abs() < 10.0, "{in_the_first_second}");
    }

    #[test]
    fn moments_that_come_thick_and_fast_are_not_all_kept() {
        let mut carried = Carried::default();
        (0..100_000).for_each(|i| carried.note(moment(f64::from(i) * 1e-4, f64::from(i))));
        assert!(carried.len() <= 501, "{}", carried.len());
        carried.forget_before(seconds(9.0));
        assert!(carried.len() <= 52, "{}", carried.len());
        let (began, ended) = (moment(9.0, 9e4), moment(10.0, 1e5));
        let stretches = carried.stretches(began, ended, 10_000);
        assert_eq!(stretches.len(), 1, "it still knows what is after");
    }
}
