//! At most so much a second, for all threads together: what a run leaves to others.
//!
//! One number says until when all that was taken is paid for. Who takes more than is paid for waits
//! until then: those who wait are served in the order in which they came, nothing is counted in
//! intervals, and nobody looks again and again. (The "virtual scheduling" form of the generic cell rate
//! algorithm: ITU-T Recommendation I.371, 2004, annex A.)

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::clock::{self, Instant};

/// Timers wake up to a millisecond late (tokio), and on a busy machine later: what was not taken in this
/// time may be taken afterwards.
const CREDIT: Duration = Duration::from_millis(20);

/// So many units a second, and no more.
#[derive(Debug)]
pub struct Pace {
    per_second: f64,
    credit: Duration,
    /// Nanoseconds of [`clock`].
    paid_at_ns: AtomicU64,
}

/// What a run takes at most.
#[derive(Clone, Debug, Default)]
pub struct Paces {
    /// Bytes through the sockets, both ways together.
    pub bytes: Option<Arc<Pace>>,
    /// Requests that begin.
    pub requests: Option<Arc<Pace>>,
}

impl Pace {
    /// For bytes: short pauses are made up for.
    pub fn of_bytes(per_second: f64) -> Arc<Self> {
        Self::new(per_second, CREDIT)
    }

    /// For requests: two are never closer than the rate says.
    pub fn of_requests(per_second: f64) -> Arc<Self> {
        Self::new(per_second, Duration::ZERO)
    }

    fn new(per_second: f64, credit: Duration) -> Arc<Self> {
        Arc::new(Self { per_second, credit, paid_at_ns: AtomicU64::new(0) })
    }

    /// The rate.
    pub fn per_second(&self) -> f64 {
        self.per_second
    }

    /// Takes `units`: how long to wait before more is taken.
    pub fn take(&self, units: u64) -> Duration {
        let now_ns = clock::now().nanoseconds_since(Instant::default());
        let least_ns = now_ns.saturating_sub(self.credit.as_nanos() as u64);
        let cost_ns = self.cost(units).as_nanos() as u64;
        let paid = |paid_at_ns: u64| paid_at_ns.max(least_ns).saturating_add(cost_ns);
        // The closure never declines.
        let before = self.paid_at_ns.fetch_update(Relaxed, Relaxed, |before| Some(paid(before)));
        let paid_at_ns = before.map_or(now_ns, paid);
        Duration::from_nanos(paid_at_ns.saturating_sub(now_ns))
    }

    /// Waits for the turn of one unit.
    pub async fn turn(&self) {
        let wait = self.take(1).saturating_sub(self.cost(1));
        if wait > Duration::ZERO {
            clock::sleep(wait).await;
        }
    }

    fn cost(&self, units: u64) -> Duration {
        // A rate of next to nothing is one of never.
        Duration::try_from_secs_f64(units as f64 / self.per_second).unwrap_or(Duration::MAX / 2)
    }
}

impl Paces {
    /// Waits until another request may begin.
    pub async fn request(&self) {
        if let Some(pace) = &self.requests {
            pace.turn().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::StreamExt;
    use futures::stream::FuturesUnordered;
    use proptest::prelude::*;
    use std::cell::RefCell;

    const SECONDS: u64 = 10;

    /// Bytes that streams move in ten seconds, if each waits up to `late` longer than it must.
    fn moved(rate: f64, streams: u64, piece: u64, late: Duration) -> u64 {
        let pace = Pace::of_bytes(rate);
        let moved = std::cell::Cell::new(0);
        let stream = |seed| {
            let (pace, moved) = (&pace, &moved);
            async move {
                let mut random = fastrand::Rng::with_seed(seed);
                while clock::now().since(Instant::default()) < Duration::from_secs(SECONDS) {
                    moved.set(moved.get() + piece);
                    let wait = pace.take(piece);
                    if wait > Duration::ZERO {
                        clock::sleep(wait + late.mul_f64(random.f64())).await;
                    }
                }
            }
        };
        clock::simulate(async {
            (0..streams).map(stream).collect::<FuturesUnordered<_>>().collect::<Vec<()>>().await
        });
        moved.get()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn streams_together_move_what_is_allowed_to_two_percent(
            rate in 1e7_f64..1e9,
            streams in 1_u64..32,
            piece in 1_000_u64..65_536,
            late_us in 0_u64..1_500,
        ) {
            let moved = moved(rate, streams, piece, Duration::from_micros(late_us));
            // Each stream begins with a piece that it pays for afterwards.
            let first = (streams * piece) as f64;
            let ratio = (moved as f64 - first) / (rate * SECONDS as f64);
            prop_assert!((0.98..1.02).contains(&ratio), "{ratio}");
        }

        #[test]
        fn requests_begin_in_turn_and_never_closer_than_allowed(rate in 1_u32..1000, movers in 1_usize..20) {
            let pace = Pace::of_requests(rate.into());
            let begun = RefCell::new(Vec::new());
            clock::simulate(async {
                let mover = |_| async {
                    for _ in 0..5 {
                        pace.turn().await;
                        begun.borrow_mut().push(clock::now());
                    }
                };
                (0..movers).map(mover).collect::<FuturesUnordered<_>>().collect::<Vec<()>>().await
            });
            let begun = begun.into_inner();
            let apart = Duration::from_secs_f64(1.0 / f64::from(rate));
            for pair in begun.windows(2) {
                let apart_ns = pair[1].since(pair[0]).as_nanos();
                prop_assert!(apart_ns.abs_diff(apart.as_nanos()) <= 1, "{apart_ns} ns");
            }
        }
    }

    #[test]
    fn what_was_not_taken_for_long_is_lost() {
        let pace = Pace::of_bytes(1000.0);
        let wait = clock::simulate(async {
            clock::sleep(Duration::from_secs(60)).await;
            pace.take(1000)
        });
        assert_eq!(wait, Duration::from_secs(1) - CREDIT);
    }
}
