//! Doubling the concurrency until it no longer pays.

/// A step that brings less than this share of a proportional gain does not pay
/// (AzCopy, `ste/concurrencyTuner.go`: accept if new > old x (1 + 0.2 x (multiplier - 1))).
const SHARE_OF_PROPORTIONAL: f64 = 0.2;

/// The ramp ends after this many steps in a row that did not pay: one may be noise.
const STEPS_WITHOUT_GAIN: usize = 2;

/// The settings that reach this share of the ramp's best are at the knee.
const KNEE_SHARE: f64 = 0.95;

/// Concurrencies tried so far and what they brought.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Ramp {
    steps: Vec<(u32, f64)>,
}

impl Ramp {
    /// The next concurrency; `None` when the ramp is over.
    pub(super) fn next(&self, concurrency_max: u32) -> Option<u32> {
        let Some((last, _)) = self.steps.last() else { return Some(1) };
        let next = (last * 2).min(concurrency_max);
        (next > *last && !self.has_stopped_paying()).then_some(next)
    }

    /// The goodput at a concurrency.
    pub(super) fn tell(&mut self, concurrency: u32, goodput: f64) {
        self.steps.push((concurrency, goodput));
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

    /// The smallest concurrency that came close to the best.
    pub(super) fn knee(&self) -> u32 {
        let best = self.steps.iter().map(|(_, goodput)| *goodput).fold(0.0, f64::max);
        let close = self.steps.iter().find(|(_, goodput)| *goodput >= KNEE_SHARE * best);
        close.map_or(1, |(concurrency, _)| *concurrency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp_over(goodput: impl Fn(u32) -> f64, concurrency_max: u32) -> Ramp {
        let mut ramp = Ramp::default();
        while let Some(concurrency) = ramp.next(concurrency_max) {
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
