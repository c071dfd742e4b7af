//! How long trials last, and for how many of them there is time. The search asks when it goes on, the
//! estimate before anything is spent: the rule when to stop stands here alone.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Times;
use super::confirm;
use super::outcome::Outcome;

/// What a trial takes beside warm-up and window, until trials have been seen: to connect, and to delete what
/// it has left (ASSUMPTION).
const BESIDE_SHARE: f64 = 0.15;

/// A step on the way shows factors, not percents: half of a window is enough.
const STEP_SHARE: f64 = 0.5;

/// A soak outlasts the longest wait that was asked for by this factor: then what is seen of such waits is
/// their share, not their chance.
const SOAK_OF_WAIT: u32 = 5;

/// A soak is at most this many times as long as it is set, however much trials vary.
const SOAK_MAX: u32 = 3;

/// A soak's mean is to be known within this share of it, if its length allows.
const SOAK_WITHIN: f64 = 0.04;

/// Least trials that compare anything: two settings in two blocks.
pub(super) const COMPARISONS_MIN: u32 = 2 * confirm::BLOCKS_MIN;

/// Steps that the way to a knee takes at most links: up, and between.
pub(super) const STEPS_EXPECTED: u32 = 8;

/// How long a trial lasts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lasts {
    /// Not measured.
    pub warm_up: Duration,
    /// Measured.
    pub window: Duration,
}

impl Lasts {
    /// Both.
    pub fn all(self) -> Duration {
        self.warm_up + self.window
    }
}

/// What is known of the time that trials take.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    times: Times,
    /// Longest that an answer asked to wait.
    longest_wait: Duration,
    /// Of all trials, what they took beside warm-up and window: in all, the most, and of how many.
    beside: Duration,
    beside_most: Duration,
    trials: u32,
}

impl Schedule {
    pub(super) fn new(times: Times) -> Self {
        let (longest_wait, beside, beside_most, trials) = Default::default();
        Self { times, longest_wait, beside, beside_most, trials }
    }

    /// A trial that lasted so long is over.
    pub(super) fn tell(&mut self, lasts: Lasts, outcome: &Outcome) {
        self.longest_wait = self.longest_wait.max(outcome.longest_wait);
        if outcome.took > Duration::ZERO {
            let beside = outcome.took.saturating_sub(lasts.all());
            self.beside += beside;
            self.beside_most = self.beside_most.max(beside);
            self.trials += 1;
        }
    }

    /// Longest that an answer asked to wait so far.
    pub(super) fn longest_wait(&self) -> Duration {
        self.longest_wait
    }

    /// A step on the way.
    pub(super) fn step(&self) -> Lasts {
        let Times { warm_up, window, .. } = self.times;
        Lasts { warm_up, window: window.mul_f64(STEP_SHARE) }
    }

    /// A trial of a block.
    pub(super) fn comparison(&self) -> Lasts {
        Lasts { warm_up: self.times.warm_up, window: self.times.window }
    }

    /// The soak, where trials vary by `sd` (of the logarithm of one in a block): the more they do, the longer.
    pub(super) fn soak(&self, sd: Option<f64>) -> Lasts {
        let least = self.times.soak.max(self.longest_wait * SOAK_OF_WAIT);
        // The mean of so many windows varies by sd / sqrt(windows), and its interval is twice that.
        let windows = sd.map_or(0.0, |sd| (2.0 * sd / SOAK_WITHIN).powi(2));
        let wanted = self.times.window.mul_f64(windows.min(1e6));
        let window = wanted.clamp(least, least.max(self.times.soak * SOAK_MAX));
        Lasts { warm_up: self.times.warm_up, window }
    }

    /// What a trial takes with all that is beside it.
    pub(super) fn takes(&self, lasts: Lasts) -> Duration {
        let beside = match self.trials {
            0 => self.comparison().all().mul_f64(BESIDE_SHARE),
            trials => self.beside / trials,
        };
        lasts.all() + beside
    }

    /// What the soak takes: it comes last and must fit.
    fn takes_soak(&self) -> Duration {
        self.takes(self.soak(None)).max(self.soak(None).all() + self.beside_most)
    }

    /// Whether a trial and the soak after it fit.
    pub(super) fn fits_before_the_soak(&self, lasts: Lasts, left: Duration) -> bool {
        self.takes(lasts) + self.takes_soak() <= left
    }

    /// Trials of blocks that fit before so many soaks.
    pub(super) fn comparisons(&self, left: Duration, soaks: u32) -> u32 {
        self.comparisons_in(left.saturating_sub(self.takes_soak() * soaks))
    }

    /// Trials of blocks that fit.
    pub(super) fn comparisons_in(&self, left: Duration) -> u32 {
        (left.as_secs_f64() / self.takes(self.comparison()).as_secs_f64().max(1e-3)) as u32
    }

    /// Time in which the way can be found and the choice be held for a soak.
    pub(super) fn least(&self) -> Duration {
        self.takes(self.step()) * STEPS_EXPECTED + self.takes_soak()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn schedule() -> Schedule {
        Schedule::new(Times { warm_up: 2 * SECOND, window: 6 * SECOND, soak: 60 * SECOND })
    }

    #[test]
    fn the_soak_outlasts_the_longest_wait_five_times() {
        let mut schedule = schedule();
        assert_eq!(schedule.soak(None).window, 60 * SECOND);
        let outcome = Outcome { longest_wait: 20 * SECOND, ..Outcome::default() };
        schedule.tell(schedule.step(), &outcome);
        assert_eq!(schedule.soak(None).window, 100 * SECOND);
    }

    #[test]
    fn where_trials_vary_the_soak_is_longer_up_to_three_times() {
        assert_eq!(schedule().soak(Some(0.01)).window, 60 * SECOND);
        assert_eq!(schedule().soak(Some(0.08)).window, 96 * SECOND);
        assert_eq!(schedule().soak(Some(0.5)).window, 180 * SECOND);
    }

    #[test]
    fn comparisons_leave_time_for_the_soak() {
        let schedule = schedule();
        let left = schedule.takes(schedule.comparison()) * 3 + schedule.takes(schedule.soak(None));
        assert_eq!(schedule.comparisons(left + SECOND, 1), 3);
        assert_eq!(schedule.comparisons(schedule.takes(schedule.soak(None)), 1), 0);
    }

    #[test]
    fn what_trials_take_beside_is_learned() {
        let mut schedule = schedule();
        let took = Outcome { took: 16 * SECOND, ..Outcome::default() };
        schedule.tell(schedule.comparison(), &took);
        assert_eq!(schedule.takes(schedule.comparison()), 16 * SECOND);
    }
}
