//! Doubling the streams until it no longer pays.

use crate::stats::{Observed, Usl};

/// A step that brings less than this share of a proportional gain does not pay
/// (AzCopy, `ste/concurrencyTuner.go`: accept if new > old x (1 + 0.2 x (multiplier - 1))).
const SHARE_OF_PROPORTIONAL: f64 = 0.2;

/// The ramp ends after this many steps in a row that did not pay: one may be noise.
const STEPS_WITHOUT_GAIN: usize = 2;

/// The settings that reach this share of the ramp's best are at the knee.
const KNEE_SHARE: f64 = 0.95;

/// Streams tried so far and what they brought.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Ramp {
    steps: Vec<(u32, f64)>,
}

impl Ramp {
    /// The next number of streams; `None` when the ramp is over.
    pub(super) fn next(&self, streams_max: u32) -> Option<u32> {
        let Some((last, _)) = self.steps.last() else { return Some(1) };
        let next = (last * 2).min(streams_max);
        (next > *last && !self.has_stopped_paying()).then_some(next)
    }

    /// The goodput with so many streams.
    pub(super) fn tell(&mut self, streams: u32, goodput: f64) {
        self.steps.push((streams, goodput));
    }

    fn has_stopped_paying(&self) -> bool {
        let pays = |pair: &[(u32, f64)]| {
            let [(fewer, before), (more, after)] = pair else { return true };
            let proportional = f64::from(*more) / f64::from(*fewer) - 1.0;
            *after >= before * (1.0 + SHARE_OF_PROPORTIONAL * proportional)
        };
        let without_gain = self.steps.windows(2).rev().take_while(|pair| !pays(pair)).count();
        without_gain >= STEPS_WITHOUT_GAIN
    }

    pub(super) fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The highest goodput of any step; 0 without one.
    pub(super) fn best(&self) -> f64 {
        self.steps.iter().map(|(_, goodput)| *goodput).fold(0.0, f64::max)
    }

    /// The same as [`Ramp::knee`] by the law that fits all steps, which may lie beyond the last of them;
    /// among the doublings, as the ramp's own steps are. `None` when too few steps fit a law.
    pub(super) fn knee_of_law(&self, streams_max: u32) -> Option<u32> {
        let observed: Vec<Observed> = self
            .steps
            .iter()
            .map(|(concurrency, rate)| Observed {
                block: 0,
                streams: f64::from(*concurrency),
                rate: *rate,
            })
            .collect();
        let law = Usl::fit(&observed)?;
        let doublings: Vec<u32> =
            (0..32).map(|power| 1 << power).take_while(|n| *n <= streams_max).collect();
        let rate = |concurrency: &u32| law.at(f64::from(*concurrency));
        let best = doublings.iter().map(rate).fold(0.0, f64::max);
        doublings.iter().find(|concurrency| rate(concurrency) >= KNEE_SHARE * best).copied()
    }

    /// The fewest streams that came close to the best.
    pub(super) fn knee(&self) -> u32 {
        let best = self.best();
        let close = self.steps.iter().find(|(_, goodput)| *goodput >= KNEE_SHARE * best);
        close.map_or(1, |(concurrency, _)| *concurrency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp_over(goodput: impl Fn(u32) -> f64, streams_max: u32) -> Ramp {
        let mut ramp = Ramp::default();
        while let Some(concurrency) = ramp.next(streams_max) {
            ramp.tell(concurrency, goodput(concurrency));
        }
        ramp
    }

    #[test]
    fn the_knee_of_a_saturating_link_is_where_it_saturates() {
        for knee in [1, 2, 8, 32] {
            let ramp = ramp_over(|n| f64::from(n.min(knee)), 256);
            assert_eq!(ramp.knee(), knee);
            assert_eq!(ramp.steps.last().unwrap().0, knee * 4, "two steps beyond the knee");
        }
    }

    #[test]
    fn a_ramp_that_always_pays_ends_at_the_limit() {
        let ramp = ramp_over(f64::from, 48);
        assert_eq!(ramp.knee(), 48);
    }

    #[test]
    fn a_retrograde_link_has_its_knee_at_the_top() {
        let ramp = ramp_over(|n| f64::from(n) / (1.0 + f64::from(n * n) / 64.0), 256);
        assert_eq!(ramp.knee(), 8);
    }
}
