//! At most so much a second, for all threads together: what a run leaves to others.
//!
//! Of bytes, one number says until when all that was taken is paid for. Who takes more than is paid for
//! waits until then: nothing is counted in intervals, and nobody looks again and again. (The "virtual
//! scheduling" form of the generic cell rate algorithm: ITU-T Recommendation I.371, 2004, annex A.)
//! Requests queue, so that one which is given up leaves its turn to the next.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::Mutex;

use crate::clock::{self, Instant};

/// Timers wake up to a millisecond late (tokio), and on a busy machine later: what was not taken in this
/// time may be taken afterwards.
const CREDIT: Duration = Duration::from_millis(20);

/// So many bytes a second, and no more. Short pauses are made up for.
#[derive(Debug)]
pub struct Pace {
    per_second: f64,
    /// Nanoseconds of [`clock`].
    paid_at_ns: AtomicU64,
}

/// What a run takes at most.
#[derive(Clone, Debug, Default)]
pub struct Paces {
    /// Bytes through the sockets, both ways together.
    pub bytes: Option<Arc<Pace>>,
    /// Requests that begin.
    pub requests: Option<Arc<Turns>>,
}

impl Pace {
    /// The pace of a rate.
    pub fn new(per_second: f64) -> Arc<Self> {
        Arc::new(Self { per_second, paid_at_ns: AtomicU64::new(0) })
    }

    /// The rate.
    pub fn per_second(&self) -> f64 {
        self.per_second
    }

    /// Takes `bytes`: how long to wait before more is taken.
    pub fn take(&self, bytes: u64) -> Duration {
        let now_ns = clock::now().nanoseconds_since(Instant::default());
        let least_ns = now_ns.saturating_sub(CREDIT.as_nanos() as u64);
        let cost_ns = cost(bytes, self.per_second).as_nanos() as u64;
        let paid = |paid_at_ns: u64| paid_at_ns.max(least_ns).saturating_add(cost_ns);
        // The closure never declines.
        let before = self.paid_at_ns.fetch_update(Relaxed, Relaxed, |before| Some(paid(before)));
        let paid_at_ns = before.map_or(now_ns, paid);
        Duration::from_nanos(paid_at_ns.saturating_sub(now_ns))
    }
}

/// So many requests a second, one after the other, in the order in which they came.
#[derive(Debug)]
pub struct Turns {
    per_second: f64,
    /// When the next may begin. Its holder is the first in the queue.
    next: Mutex<Instant>,
}

impl Turns {
    /// Turns at a rate.
    pub fn new(per_second: f64) -> Arc<Self> {
        Arc::new(Self { per_second, next: Mutex::default() })
    }

    /// The rate.
    pub fn per_second(&self) -> f64 {
        self.per_second
    }

    /// Waits for the next turn and takes it.
    pub async fn turn(&self) {
        let came = clock::now();
        let mut next = self.next.lock().await;
        // A timer that woke the one before too late does not move the turns after it.
        let turn = came.max(*next);
        let wait = turn.since(clock::now());
        if wait > Duration::ZERO {
            clock::sleep(wait).await;
        }
        *next = turn + cost(1, self.per_second);
    }
}

fn cost(units: u64, per_second: f64) -> Duration {
    // A rate of next to nothing is one of never.
    Duration::try_from_secs_f64(units as f64 / per_second).unwrap_or(Duration::MAX / 2)
}

impl Paces {
    /// Waits until another request may begin.
    pub async fn request(&self) {
        if let Some(turns) = &self.requests {
            turns.turn().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::stream::FuturesUnordered;
    use futures::{FutureExt, StreamExt};
    use proptest::prelude::*;
    use std::cell::RefCell;

    const SECONDS: u64 = 10;

    /// Bytes that streams move in ten seconds, if each waits up to `late` longer than it must.
    fn moved(rate: f64, streams: u64, piece: u64, late: Duration) -> u64 {
        let pace = Pace::new(rate);
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
            let turns = Turns::new(rate.into());
            let begun = RefCell::new(Vec::new());
            clock::simulate(async {
                let mover = |_| async {
                    for _ in 0..5 {
                        turns.turn().await;
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
    fn who_gives_up_waiting_leaves_the_turn_to_the_next() {
        let turns = Turns::new(1.0);
        let took = clock::simulate(async {
            turns.turn().await;
            {
                let mut movers: FuturesUnordered<_> = (0..100).map(|_| turns.turn()).collect();
                assert_eq!(movers.next().now_or_never(), None, "all wait");
            }
            turns.turn().await;
            clock::now().since(Instant::default())
        });
        assert_eq!(took, Duration::from_secs(1));
    }

    #[test]
    fn what_was_not_taken_for_long_is_lost() {
        let pace = Pace::new(1000.0);
        let wait = clock::simulate(async {
            clock::sleep(Duration::from_secs(60)).await;
            pace.take(1000)
        });
        assert_eq!(wait, Duration::from_secs(1) - CREDIT);
    }
}
