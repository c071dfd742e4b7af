//! When files begin: as soon as a mover is free (closed loop), or at times of their own (open loop).
//!
//! In a closed loop a slow answer delays the next request, so the slowness is asked about less often
//! than it would be met: coordinated omission (G. Tene, wrk2). In an open loop files arrive whatever
//! the system does, as those of independent users do, and their times count from the arrival
//! (B. Schroeder, A. Wierman, M. Harchol-Balter, "Open Versus Closed: A Cautionary Tale", NSDI 2006).
//! Movers bound how many are in flight; an arrival that finds none free waits, and the wait counts.

use std::time::Duration;

use crate::result::Arrivals;

/// Longer than any job, and short enough to be added to any moment.
const NEVER: Duration = Duration::from_secs(1 << 33);

/// The arrivals of one job, in order; the same for the same seed.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    arrivals: Arrivals,
    /// Since the start of the job.
    next: Duration,
    random: fastrand::Rng,
}

impl Schedule {
    pub(super) fn new(arrivals: Arrivals, seed: u64) -> Self {
        Self { arrivals, next: Duration::ZERO, random: fastrand::Rng::with_seed(seed) }
    }

    /// How many have arrived by `now` that were not taken yet.
    pub(super) fn waiting(&self, now: Duration) -> u64 {
        let mut rest = self.clone();
        std::iter::from_fn(|| rest.next()).take_while(|at| *at <= now).count() as u64
    }
}

impl Iterator for Schedule {
    /// Since the start of the job.
    type Item = Duration;

    /// The next arrival; `None` in a closed loop.
    fn next(&mut self) -> Option<Duration> {
        let distance_s = match self.arrivals {
            Arrivals::Closed => return None,
            Arrivals::Constant { files_per_second } => 1.0 / files_per_second,
            // Inversion; 1 - u is never 0.
            Arrivals::Poisson { files_per_second } => {
                -(1.0 - self.random.f64()).ln() / files_per_second
            }
        };
        let arrival = self.next;
        // A rate of next to nothing is one of never.
        let distance = Duration::try_from_secs_f64(distance_s).unwrap_or(NEVER);
        self.next = (self.next + distance).min(NEVER);
        Some(arrival)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constant_arrivals_have_equal_distances() {
        let schedule = Schedule::new(Arrivals::Constant { files_per_second: 4.0 }, 1);
        let at: Vec<f64> = schedule.take(4).map(|at| at.as_secs_f64()).collect();
        assert_eq!(at, [0.0, 0.25, 0.5, 0.75]);
    }

    #[test]
    fn poisson_arrivals_have_the_mean_and_the_spread_of_the_exponential_distribution() {
        let schedule = Schedule::new(Arrivals::Poisson { files_per_second: 10.0 }, 1);
        let at: Vec<f64> = schedule.take(20_001).map(|at| at.as_secs_f64()).collect();
        let distances: Vec<f64> = at.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let mean = distances.iter().sum::<f64>() / 20_000.0;
        let variance = distances.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / 20_000.0;
        assert!((mean / 0.1 - 1.0).abs() < 0.03, "{mean}");
        // Its standard deviation is its mean.
        assert!((variance.sqrt() / 0.1 - 1.0).abs() < 0.05, "{variance}");
    }

    #[test]
    fn arrivals_that_are_too_rare_to_be_told_never_come() {
        let schedule = Schedule::new(Arrivals::Constant { files_per_second: 1e-300 }, 1);
        assert_eq!(schedule.take(3).collect::<Vec<_>>(), [Duration::ZERO, NEVER, NEVER]);
    }

    #[test]
    fn a_closed_loop_has_no_arrivals() {
        let mut schedule = Schedule::new(Arrivals::Closed, 1);
        assert_eq!((schedule.next(), schedule.waiting(Duration::MAX)), (None, 0));
    }

    #[test]
    fn those_wait_that_have_arrived_and_were_not_taken() {
        let mut schedule = Schedule::new(Arrivals::Constant { files_per_second: 1.0 }, 1);
        let now = Duration::from_secs(9);
        assert_eq!(schedule.waiting(now), 10);
        assert_eq!(schedule.by_ref().take(4).count(), 4);
        assert_eq!(schedule.waiting(now), 6);
    }
}
