//! How many were in flight at once, and whether that is a limit the client keeps to.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::{Certainty, Finding};

/// From the beginning to the end of a request, or of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span {
    pub(super) start_us: u64,
    pub(super) end_us: u64,
}

impl Span {
    /// The span of both and of what is between.
    pub(super) fn with(self, other: Self) -> Self {
        Self { start_us: self.start_us.min(other.start_us), end_us: self.end_us.max(other.end_us) }
    }
}

/// What the overlaps in groups of spans show: the parts of each file, say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InFlight {
    /// The most at once in any group.
    pub(super) max: u64,
    /// Begun when as many as `max` had begun before in their group. Each of them could have raised
    /// `max`, had the client begun it earlier.
    pub(super) later: u64,
    /// Of these, those during which `max` were in flight at some time.
    pub(super) kept: u64,
}

/// Fewer later ones are no proof of a limit.
const LATER_MIN: u64 = 2;

impl InFlight {
    /// `None` without any span.
    pub(super) fn of<'a>(groups: impl Iterator<Item = &'a [Span]>) -> Option<Self> {
        let groups: Vec<Vec<u64>> = groups.map(most_beside).collect();
        let max = groups.iter().flatten().copied().max()?;
        let later = groups.iter().flat_map(|group| group.iter().skip(max as usize));
        let kept = later.clone().filter(|most| **most == max).count() as u64;
        Some(Self { max, later: later.count() as u64, kept })
    }

    /// As a finding about `things` such as "parts of a file".
    pub(super) fn finding(self, things: &str) -> Finding {
        let Self { max, later, kept } = self;
        let limit = later >= LATER_MIN && 2 * kept >= later;
        let evidence = match (later, max) {
            (0, _) => format!("there were no more {things} to begin"),
            (_, 1) => format!("{later} {things} that came later waited for the one before"),
            (_, 2) => {
                format!("{kept} of {later} {things} that came later met one other, none met more")
            }
            (_, _) => format!(
                "{kept} of {later} {things} that came later met {} others, none met more",
                max - 1
            ),
        };
        let certainty = if limit { Certainty::Observed } else { Certainty::AtLeast };
        Finding { value: max, certainty, evidence }
    }
}

/// The most that are in flight at once during each span, itself included, in order of beginning.
fn most_beside(spans: &[Span]) -> Vec<u64> {
    let mut spans = spans.to_vec();
    spans.sort_unstable();
    let at_begin = in_flight_at_begin(&spans);
    let most = |(number, span): (usize, &Span)| {
        // It becomes more only when another begins.
        let during = spans[number..].iter().take_while(|other| other.start_us < span.end_us);
        let most = at_begin[number..].iter().take(during.count()).max();
        most.copied().unwrap_or(at_begin[number])
    };
    spans.iter().enumerate().map(most).collect()
}

/// How many are in flight when each begins, itself included; `spans` are in order of beginning.
fn in_flight_at_begin(spans: &[Span]) -> Vec<u64> {
    let mut ends = BinaryHeap::new();
    let count = |span: &Span| {
        // At the same microsecond the end comes first.
        while ends.peek().is_some_and(|Reverse(end)| *end <= span.start_us) {
            ends.pop();
        }
        ends.push(Reverse(span.end_us));
        ends.len() as u64
    };
    spans.iter().map(count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn spans(pairs: &[(u64, u64)]) -> Vec<Span> {
        pairs.iter().map(|&(start_us, end_us)| Span { start_us, end_us }).collect()
    }

    fn seen(groups: &[&[(u64, u64)]]) -> InFlight {
        let groups: Vec<Vec<Span>> = groups.iter().map(|group| spans(group)).collect();
        InFlight::of(groups.iter().map(Vec::as_slice)).unwrap()
    }

    #[test]
    fn what_ends_when_another_begins_does_not_overlap_it() {
        let one_by_one = seen(&[&[(0, 10), (10, 20), (20, 30), (31, 40)]]);
        assert_eq!(one_by_one, InFlight { max: 1, later: 3, kept: 3 });
        assert_eq!(one_by_one.finding("parts").certainty, Certainty::Observed);
    }

    #[test]
    fn what_begins_and_ends_together_keeps_to_its_limit() {
        let waves = seen(&[&[(0, 10), (1, 11), (12, 20), (13, 21), (22, 30), (23, 31)]]);
        assert_eq!(waves, InFlight { max: 2, later: 4, kept: 4 });
    }

    #[test]
    fn a_peak_that_is_not_kept_to_is_no_limit() {
        let peak = seen(&[&[(0, 10), (1, 11), (20, 30), (40, 50), (60, 70)]]);
        assert_eq!(peak, InFlight { max: 2, later: 3, kept: 0 });
        assert_eq!(peak.finding("parts").certainty, Certainty::AtLeast);
    }

    #[test]
    fn with_nothing_left_to_begin_there_may_be_more() {
        let all = seen(&[&[(0, 10), (1, 11), (2, 12)]]).finding("files");
        assert_eq!((all.value, all.certainty), (3, Certainty::AtLeast));
        assert!(all.evidence.contains("no more files"), "{}", all.evidence);
    }

    proptest! {
        /// A client with `limit` slots: each begins its next when it is done, after a short pause.
        #[test]
        fn a_limit_that_is_kept_to_is_found(
            limit in 1_usize..12,
            more in 3_usize..40,
            times in prop::collection::vec(1000_u64..5000, 64),
        ) {
            let mut free_at = vec![0; limit];
            let one = |number: usize| {
                let slot = (0..limit).min_by_key(|slot| free_at[*slot]).unwrap();
                let start_us = free_at[slot];
                let end_us = start_us + times[number % times.len()];
                free_at[slot] = end_us + 3;
                Span { start_us, end_us }
            };
            let spans: Vec<Span> = (0..limit + more).map(one).collect();
            let found = InFlight::of([spans.as_slice()].into_iter()).unwrap().finding("parts");
            prop_assert_eq!((found.value, found.certainty), (limit as u64, Certainty::Observed));
        }
    }
}
