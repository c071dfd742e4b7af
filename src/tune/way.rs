//! The way to the knee. From what is set now on four times as many streams, as long as that pays; then twice
//! as many, as long as that brings anything; then between those that were tried. Where more are refused than
//! is allowed, the most that are let in are looked for.

use std::collections::BTreeMap;

use super::outcome::Outcome;

/// A step that brings less than this share of a proportional gain does not pay
/// (AzCopy, `ste/concurrencyTuner.go`: accept if new > old x (1 + 0.2 x (multiplier - 1))).
const SHARE_OF_PROPORTIONAL: f64 = 0.2;

/// How many times as many streams the next step has while that pays (AzCopy too begins with four).
const STEP: u32 = 4;

/// A step that brings less than this factor is on the plateau: nothing beyond it is within reach of the margin.
const GAIN_MIN: f64 = 1.04;

/// The fewest streams that reach this share of the best are at the knee. It is more than the margin leaves,
/// for one short trial reads some percent too high.
const KNEE_SHARE: f64 = 0.97;

/// Two numbers of streams between which nothing more is looked for.
const NEAR: f64 = 1.3;

/// Above the best, where a fall was seen beyond it.
const NEAR_A_PEAK: f64 = 1.6;

/// The same where none was: two numbers that carry the same may have a peak between them.
const NEAR_A_PLATEAU: f64 = 3.0;

/// Each stream carries as much as with fewer, but for noise.
const PROPORTIONAL: f64 = 0.9;

/// A prediction is on the safe side by this factor.
const MORE: f64 = 1.03;

/// In a step of some seconds chance and the saved-up calls decide how much is refused, and a long run may refuse
/// far less; more than this it will hardly make up for. What is allowed is asked of the soak.
const REFUSED_MAX: f64 = 0.25;

/// The way has an end: by then a bracket of one to a thousand has been narrowed down to nothing.
const STEPS_MAX: usize = 18;

/// Streams tried so far and what they brought.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Way {
    let_in: BTreeMap<u32, f64>,
    /// Those of which so many were refused that no long run would bear them.
    refused: BTreeMap<u32, f64>,
}

impl Way {
    /// The next number of streams, the first being `start`; `None` when the way has been found.
    pub(super) fn next(&self, start: u32, most: u32) -> Option<u32> {
        if self.tried() >= STEPS_MAX {
            return None;
        }
        let wanted = [
            self.further(start, most),
            self.most_let_in(),
            self.below_the_knee(),
            self.around_the_peak(),
            self.fewer(),
        ];
        wanted.into_iter().flatten().find(|streams| !self.holds(*streams))
    }

    pub(super) fn tell(&mut self, streams: u32, outcome: &Outcome) {
        let tried =
            if outcome.refused > REFUSED_MAX { &mut self.refused } else { &mut self.let_in };
        tried.insert(streams, outcome.goodput);
    }

    /// More streams: the way up.
    fn further(&self, start: u32, most: u32) -> Option<u32> {
        if self.tried() == 0 {
            return Some(start.min(most));
        }
        let (top, goodput) = self.let_in.last_key_value()?;
        let is_open = *top < most && self.refused.is_empty();
        let factor = match self.let_in.range(..top).next_back() {
            None => STEP,
            Some((fewer, before)) if pays((*fewer, *before), (*top, *goodput)) => STEP,
            Some((_, before)) if *goodput >= GAIN_MIN * before => 2,
            Some(_) => return None,
        };
        is_open.then(|| top.saturating_mul(factor).min(most))
    }

    /// Between the most that were let in and the fewest that were refused; fewer than all if all were.
    fn most_let_in(&self) -> Option<u32> {
        let (refused, _) = self.refused.first_key_value()?;
        let Some((let_in, goodput)) = self.let_in.range(..refused).next_back() else {
            return (*refused > 1).then_some(refused / 2);
        };
        let matters = *goodput >= KNEE_SHARE * self.best();
        (matters && is_wide(*let_in, *refused, NEAR)).then(|| middle(*let_in, *refused))
    }

    /// Between the knee and the next that was tried below it: where that one's streams would be as many as
    /// carry the best if each carried as much, if this lies between the two, else in the middle.
    fn below_the_knee(&self) -> Option<u32> {
        let knee = self.knee();
        let (below, goodput) = self.let_in.range(..knee).next_back()?;
        if self.is_proportional(*below, knee) || !is_wide(*below, knee, NEAR) {
            return None;
        }
        let predicted = f64::from(*below) * self.best() / goodput.max(f64::MIN_POSITIVE) * MORE;
        let lies_between = predicted > 1.1 * f64::from(*below) && predicted < 0.9 * f64::from(knee);
        Some(if lies_between {
            (predicted.ceil() as u32).min(knee - 1)
        } else {
            middle(*below, knee)
        })
    }

    /// Whether each of more streams still carries as much as each of fewer: then what lies between carries less.
    fn is_proportional(&self, fewer: u32, more: u32) -> bool {
        let each = |streams: u32| self.let_in[&streams] / f64::from(streams);
        each(more) >= PROPORTIONAL * each(fewer)
    }

    /// Beside the best: the peak may be higher than what was met, the more so where more streams were seen to
    /// carry less.
    fn around_the_peak(&self) -> Option<u32> {
        let (peak, best) = self.peak()?;
        let falls = self.let_in.range(peak..).any(|(_, goodput)| *goodput < KNEE_SHARE * best);
        let above = self.let_in.range(peak + 1..).next().map(|(streams, _)| *streams);
        let near = if falls { NEAR_A_PEAK } else { NEAR_A_PLATEAU };
        let above = above.filter(|above| is_wide(peak, *above, near));
        let below = self.let_in.range(..peak).next_back().map(|(streams, _)| *streams);
        let below = below
            .filter(|below| is_wide(*below, peak, near))
            .filter(|below| falls || !self.is_proportional(*below, peak));
        let gap = above.map(|above| (peak, above)).or(below.map(|below| (below, peak)));
        gap.map(|(one, other)| middle(one, other))
    }

    /// Fewer than what is set now, where that already carries more than its double.
    fn fewer(&self) -> Option<u32> {
        let mut from_the_first = self.let_in.iter();
        let ((first, goodput), (_, after)) = (from_the_first.next()?, from_the_first.next()?);
        (*first > 1 && *after < KNEE_SHARE * goodput).then_some(first / 2)
    }

    /// More streams than this are not worth a trial: they would be refused more often than is allowed.
    pub(super) fn streams_max(&self, most: u32) -> u32 {
        let refused = self.refused.keys().copied().find(|streams| *streams > self.knee());
        refused.map_or(most, |refused| (refused - 1).min(most))
    }

    /// Whether so many streams were tried.
    fn holds(&self, streams: u32) -> bool {
        self.let_in.contains_key(&streams) || self.refused.contains_key(&streams)
    }

    /// How many numbers of streams were.
    pub(super) fn tried(&self) -> usize {
        self.let_in.len() + self.refused.len()
    }

    /// The highest goodput of any step that was let in; 0 without one.
    pub(super) fn best(&self) -> f64 {
        self.peak().map_or(0.0, |(_, goodput)| goodput)
    }

    /// The step with the highest goodput.
    pub(super) fn peak(&self) -> Option<(u32, f64)> {
        let steps = self.let_in.iter().map(|(streams, goodput)| (*streams, *goodput));
        steps.max_by(|one, other| one.1.total_cmp(&other.1))
    }

    /// The fewest streams that came close to the best.
    pub(super) fn knee(&self) -> u32 {
        let close = self.let_in.iter().find(|(_, goodput)| **goodput >= KNEE_SHARE * self.best());
        close.map_or(1, |(streams, _)| *streams)
    }

    /// How many times as much as the first step the best one carries.
    pub(super) fn growth(&self) -> Option<f64> {
        let (_, first) = self.let_in.first_key_value()?;
        Some(self.best() / first).filter(|growth| growth.is_finite())
    }
}

fn pays((fewer, before): (u32, f64), (more, after): (u32, f64)) -> bool {
    let proportional = f64::from(more) / f64::from(fewer) - 1.0;
    after >= before * (1.0 + SHARE_OF_PROPORTIONAL * proportional)
}

fn is_wide(fewer: u32, more: u32, near: f64) -> bool {
    more > fewer + 1 && f64::from(more) > near * f64::from(fewer)
}

/// Geometric, and neither of the two, between which there must be a number.
pub(super) fn middle(fewer: u32, more: u32) -> u32 {
    let middle = (f64::from(fewer) * f64::from(more)).sqrt().round() as u32;
    middle.clamp(fewer + 1, more - 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::result::LimitedBy;

    /// The way over a link, and the numbers of streams in their order.
    fn way_over(goodput: impl Fn(u32) -> f64, let_in: u32, most: u32) -> (Way, Vec<u32>) {
        let (mut way, mut tried) = (Way::default(), Vec::new());
        while let Some(streams) = way.next(2, most) {
            let refused = if streams > let_in { 0.5 } else { 0.0 };
            let outcome = Outcome::of(goodput(streams), LimitedBy::GatewayOrNetwork);
            way.tell(streams, &Outcome { refused, ..outcome });
            tried.push(streams);
        }
        (way, tried)
    }

    proptest! {
        #[test]
        fn the_knee_of_a_link_that_is_full_is_found_within_a_third_and_never_too_low(knee in 2_u32..400) {
            let (way, tried) = way_over(|n| f64::from(n.min(knee)), u32::MAX, 500);
            prop_assert!(f64::from(way.knee()) >= KNEE_SHARE * f64::from(knee), "{tried:?}");
            prop_assert!(f64::from(way.knee()) <= 1.31 * f64::from(knee) + 1.0, "{tried:?}");
            prop_assert!(tried.len() <= 9, "{tried:?}");
        }

        #[test]
        fn the_most_streams_that_are_let_in_are_found(let_in in 2_u32..400) {
            let (way, tried) = way_over(f64::from, let_in, 500);
            prop_assert!(way.knee() <= let_in, "{tried:?}");
            prop_assert!(1.31 * f64::from(way.knee()) + 1.0 >= f64::from(let_in), "{tried:?}");
        }

        #[test]
        fn a_soft_knee_is_followed_to_its_plateau(knee in 4.0_f64..100.0) {
            let law = |n: u32| f64::from(n) / (1.0 + f64::from(n) / knee);
            let (way, tried) = way_over(law, u32::MAX, 10_000);
            prop_assert!(law(way.knee()) >= 0.9 * knee, "{tried:?}");
        }

        #[test]
        fn a_peak_is_met_within_a_twentieth(peak in 3.0_f64..100.0) {
            let law = |n: u32| {
                let n = f64::from(n) / peak;
                2.0 * n / (1.0 + n * n)
            };
            let (way, tried) = way_over(law, u32::MAX, 500);
            prop_assert!(way.best() >= 0.95, "{} after {tried:?}", way.best());
        }
    }

    #[test]
    fn a_way_that_always_pays_ends_at_the_most_with_few_steps() {
        let (way, tried) = way_over(f64::from, u32::MAX, 500);
        assert_eq!((way.knee(), &tried[..]), (500, &[2, 8, 32, 128, 500][..]));
    }

    #[test]
    fn where_what_is_set_now_is_refused_fewer_are_tried() {
        let (way, tried) = way_over(f64::from, 1, 500);
        assert_eq!((way.knee(), &tried[..]), (1, &[2, 1][..]));
    }
}
