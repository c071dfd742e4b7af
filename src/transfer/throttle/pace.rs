//! The curve of a pace, and whose turn is when.

use std::time::Duration;

use crate::clock::Instant;

/// What a refusal leaves of the rate (BETA of the SDK).
const LEFT_BY_CUT: f64 = 0.7;

/// How steep the curve is (SCALE_CONSTANT of the SDK).
const STEEPNESS: f64 = 0.4;

/// Calls a second at the least (MIN_FILL_RATE of the SDK).
const RATE_MIN: f64 = 0.5;

/// A turn takes no longer, whatever a request costs: Storj lets as many calls come at once as in a second, and a
/// request of more makes most of them later, segment after segment.
const TURN_MAX_S: f64 = 1.0;

/// The curve since the last cut, and whose turn is when.
#[derive(Debug, Default)]
pub(super) struct Pace {
    cut: Instant,
    /// What was let in when it was cut, in calls a second: the curve comes back to it and goes on.
    let_in: f64,
    /// When the next request may begin.
    next: Instant,
}

impl Pace {
    pub(super) fn refused(&mut self, sent: Instant, now: Instant, let_in: f64) {
        if sent >= self.cut {
            (self.cut, self.let_in) = (now, let_in);
        }
    }

    /// Calls a second.
    pub(super) fn rate(&self, now: Instant) -> f64 {
        let since_s = now.since(self.cut).as_secs_f64();
        let curve = STEEPNESS * (since_s - self.recovery_s()).powi(3) + self.let_in;
        curve.max(RATE_MIN)
    }

    /// Seconds from a cut until the rate is again what it was.
    fn recovery_s(&self) -> f64 {
        (self.let_in * (1.0 - LEFT_BY_CUT) / STEEPNESS).cbrt()
    }

    /// Takes the next turn: how long until then.
    pub(super) fn reserve(&mut self, now: Instant, calls: u32) -> Duration {
        let turn = self.next.max(now);
        let takes_s = (f64::from(calls) / self.rate(turn)).min(TURN_MAX_S);
        self.next = turn + Duration::from_secs_f64(takes_s);
        turn.since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(ms: u64) -> Instant {
        Instant::default() + Duration::from_millis(ms)
    }

    fn cut_at_100() -> Pace {
        Pace { cut: at(0), let_in: 100.0, next: at(0) }
    }

    #[test]
    fn what_was_sent_before_the_last_cut_does_not_cut_again() {
        let mut pace = Pace::default();
        pace.refused(at(900), at(1000), 100.0);
        pace.refused(at(999), at(1500), 1.0);
        assert_eq!((pace.cut, pace.let_in), (at(1000), 100.0));
        pace.refused(at(1000), at(1501), 60.0);
        assert_eq!((pace.cut, pace.let_in), (at(1501), 60.0));
    }

    #[test]
    fn turns_come_in_order_and_as_far_apart_as_their_calls_cost() {
        let mut pace = cut_at_100();
        let waits: Vec<_> = (0..4).map(|_| pace.reserve(at(0), 7).as_millis()).collect();
        assert_eq!(waits[..2], [0, 100]);
        assert!(waits.is_sorted(), "{waits:?}");
        // The rate recovers meanwhile.
        assert!((250..300).contains(&waits[3]), "{waits:?}");
    }

    #[test]
    fn a_request_of_many_calls_holds_the_others_for_a_second_at_most() {
        let mut pace = cut_at_100();
        pace.reserve(at(0), 10_000);
        assert_eq!(pace.reserve(at(0), 1), Duration::from_secs(1));
    }

    proptest! {
        #[test]
        fn the_pace_is_always_a_rate_and_is_back_after_its_recovery(
            let_in in 0.0_f64..1e6,
            since_ms in 0_u64..1_000_000,
        ) {
            let pace = Pace { let_in, ..cut_at_100() };
            let rate = pace.rate(at(since_ms));
            prop_assert!(rate.is_finite() && rate >= RATE_MIN, "{rate}");
            let back = pace.rate(Instant::default() + Duration::from_secs_f64(pace.recovery_s()));
            prop_assert!((back - let_in.max(RATE_MIN)).abs() <= 1e-6 * let_in.max(1.0), "{back}");
            let later = pace.rate(at(since_ms + 1));
            prop_assert!(later >= rate, "{later} after {rate}");
        }

        #[test]
        fn turns_never_overtake_each_other_whatever_is_refused(
            steps in proptest::collection::vec((0_u64..2000, 0_u32..100, any::<bool>(), 0.0_f64..1e4), 1..100),
        ) {
            let (mut pace, mut now, mut last) = (Pace::default(), Instant::default(), Instant::default());
            for (pause_ms, calls, refused, let_in) in steps {
                now = now + Duration::from_millis(pause_ms);
                if refused {
                    pace.refused(now, now, let_in);
                }
                let turn = now + pace.reserve(now, calls);
                prop_assert!(turn >= last && turn >= now);
                last = turn;
            }
        }
    }
}
