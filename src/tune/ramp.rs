//! Doubling the streams until it no longer pays, or until the endpoint says to slow down: then the most
//! that it lets in is looked for between that step and the one before.

use crate::stats::{Observed, Usl};

/// A step that brings less than this share of a proportional gain does not pay
/// (AzCopy, `ste/concurrencyTuner.go`: accept if new > old x (1 + 0.2 x (multiplier - 1))).
const SHARE_OF_PROPORTIONAL: f64 = 0.2;

/// The ramp ends after this many steps in a row that did not pay: one may be noise.
const STEPS_WITHOUT_GAIN: usize = 2;

/// The settings that reach this share of the ramp's best are at the knee.
const KNEE_SHARE: f64 = 0.95;

/// Between the most streams that were let in and the fewest that were told to slow down it is looked no more
/// when this share of the former is left.
const THROTTLING_KNOWN_TO: u32 = 4;

/// Streams tried so far and what they brought.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Ramp {
    steps: Vec<(u32, f64)>,
    /// Of these, the fewest that were told to slow down.
    throttled: Option<u32>,
}

impl Ramp {
    /// The next number of streams; `None` when the ramp is over.
    pub(super) fn next(&self, streams_max: u32) -> Option<u32> {
        let Some((last, _)) = self.steps.last() else { return Some(1) };
        if let Some((let_in, throttled)) = self.throttling() {
            let unknown = throttled - let_in;
            return (unknown > (let_in / THROTTLING_KNOWN_TO).max(1))
                .then_some(let_in + unknown / 2);
        }
        let next = (last * 2).min(streams_max);
        (next > *last && !self.has_stopped_paying()).then_some(next)
    }

    /// The goodput with so many streams, and whether they were told to slow down.
    pub(super) fn tell(&mut self, streams: u32, goodput: f64, throttled: bool) {
        self.steps.push((streams, goodput));
        if throttled {
            self.throttled = Some(self.throttled.map_or(streams, |fewest| fewest.min(streams)));
        }
    }

    /// The most streams that were let in below the fewest that were told to slow down; `None` if none were,
    /// or already the first.
    fn throttling(&self) -> Option<(u32, u32)> {
        let throttled = self.throttled?;
        let below = self.steps.iter().map(|(streams, _)| *streams).filter(|one| *one < throttled);
        Some((below.max()?, throttled))
    }

    /// More streams than this are not worth a trial: they would be told to slow down more often.
    pub(super) fn streams_max(&self, streams_max: u32) -> u32 {
        self.throttling().map_or(streams_max, |(_, throttled)| throttled.min(streams_max))
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

    /// Whether so many streams were tried.
    pub(super) fn holds(&self, streams: u32) -> bool {
        self.steps.iter().any(|(tried, _)| *tried == streams)
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
        let close = self.steps.iter().filter(|(_, goodput)| *goodput >= KNEE_SHARE * best);
        close.map(|(concurrency, _)| *concurrency).min().unwrap_or(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp_over(goodput: impl Fn(u32) -> f64, streams_max: u32) -> Ramp {
        let mut ramp = Ramp::default();
        while let Some(concurrency) = ramp.next(streams_max) {
            ramp.tell(concurrency, goodput(concurrency), false);
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

    #[test]
    fn where_throttling_begins_is_found_between_two_doublings() {
        for (let_in, found) in [(12, 12), (10, 10), (31, 28), (7, 7)] {
            let mut ramp = Ramp::default();
            let mut tried = Vec::new();
            while let Some(streams) = ramp.next(256) {
                ramp.tell(streams, f64::from(streams.min(let_in)), streams > let_in);
                tried.push(streams);
            }
            assert_eq!(ramp.throttling().unwrap().0, found, "{let_in}: {tried:?}");
            assert!(tried.len() <= 2 + tried.iter().max().unwrap().ilog2() as usize + 1);
            assert!(ramp.streams_max(256) <= let_in + let_in / 2, "{let_in}: {tried:?}");
        }
    }

    #[test]
    fn where_one_stream_is_throttled_already_the_ramp_goes_on() {
        let mut ramp = Ramp::default();
        ramp.tell(1, 1.0, true);
        assert_eq!((ramp.next(256), ramp.streams_max(256)), (Some(2), 256));
    }
}
