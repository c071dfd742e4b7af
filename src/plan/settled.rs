//! Where movers settle under the limits of a project, and what is counted to see it.

use crate::clock::Instant;

/// Where it settles.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settled {
    /// How much longer files take than without limits, from 1.
    pub slowdown: f64,
    /// Share of the attempts that are let in.
    pub let_in: f64,
    /// Share of the files that fail: all attempts of a request were refused.
    pub failing: f64,
    /// What refuses most of the attempts; `None`: nothing is refused.
    pub by: Option<Refuses>,
}

/// Which limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refuses {
    /// Calls to the satellite.
    Calls,
    /// Transfers at a time.
    Transfers,
}

impl Settled {
    /// Nothing is refused.
    pub const FREE: Self = Self { slowdown: 1.0, let_in: 1.0, failing: 0.0, by: None };
}

/// What happened since it is counted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// From when it is counted.
    pub since: Instant,
    /// Attempts.
    pub asked: u64,
    /// Of these, refused for want of a token.
    pub refused_calls: u64,
    /// Of these, refused for too many at a time.
    pub refused_transfers: u64,
    /// Seconds without limits of what was moved or given up.
    pub passed_s: f64,
    /// Files that were moved.
    pub done: u64,
    /// Files that were given up.
    pub failed: u64,
}

impl Counts {
    /// What that amounts to for so many movers.
    pub fn settled(self, now: Instant, movers: usize) -> Settled {
        let share = |part: u64, all: u64| part as f64 / all.max(1) as f64;
        let elapsed_s = now.since(self.since).as_secs_f64();
        let refused = self.refused_calls + self.refused_transfers;
        let by = match self.refused_transfers > self.refused_calls {
            true => Refuses::Transfers,
            false => Refuses::Calls,
        };
        let slowdown = movers as f64 * elapsed_s / self.passed_s.max(f64::MIN_POSITIVE);
        Settled {
            slowdown: slowdown.max(1.0),
            let_in: 1.0 - share(refused, self.asked),
            failing: share(self.failed, self.done + self.failed),
            by: (refused > 0).then_some(by),
        }
    }
}
