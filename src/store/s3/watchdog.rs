//! Ends an attempt in which nothing moves any more, or next to nothing.

use std::fmt;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use crate::clock::{Sleep, sleep};
use crate::measure::Probe;

/// An attempt without enough progress for longer than allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stalled;

/// Payload that moves slower counts as not moving (ASSUMPTION: with it a part of 64 MiB takes 18 hours, and
/// keeps a mover all that time).
const LEAST_BYTES_PER_SECOND: f64 = 1000.0;

/// A rate that the user allows to all connections may leave one of them so small a share of it (ASSUMPTION: no
/// more than a thousand connections).
const LEAST_SHARE: f64 = 1e-3;

/// How often the watchdog looks within its time limit: it overshoots by one look at most, 10 %.
const LOOKS: u32 = 10;

/// When an attempt counts as stalled: if in no tenth of this time the payload reaches the least rate, and the
/// attempt gets no further otherwise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct StallLimit {
    pub(super) time: Duration,
    least_bytes_per_second: f64,
}

impl StallLimit {
    /// So long; `shared` is what all connections together may carry, in bytes a second.
    pub(super) fn new(time: Duration, shared: Option<f64>) -> Self {
        let share = shared.map_or(f64::INFINITY, |shared| shared * LEAST_SHARE);
        Self { time, least_bytes_per_second: LEAST_BYTES_PER_SECOND.min(share) }
    }

    fn between_looks(&self) -> Duration {
        self.time / LOOKS
    }

    /// Whether so much between two looks is progress.
    fn is_progress(&self, bytes: u64) -> bool {
        let least = self.least_bytes_per_second * self.between_looks().as_secs_f64();
        bytes > 0 && bytes as f64 >= least
    }
}

impl fmt::Display for StallLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rate, seconds) = (self.least_bytes_per_second, self.time.as_secs_f64());
        write!(f, "for {seconds} s (less than {rate:.0} bytes a second)")
    }
}

/// How long too little may move: a timer that is looked at, not set anew for each byte.
pub(super) struct Patience {
    limit: StallLimit,
    look: Sleep,
    /// Since the last look.
    moved_bytes: u64,
    idle_looks: u32,
}

impl Patience {
    /// Lasts for the limit's time, and two tenths of it more at most.
    pub(super) fn new(limit: StallLimit) -> Self {
        Self { limit, look: sleep(limit.between_looks()), moved_bytes: 0, idle_looks: 0 }
    }

    /// So much moved.
    pub(super) fn moved(&mut self, bytes: u64) {
        self.moved_bytes += bytes;
        // Who reads fast never waits, and nobody looks: what it has read still counts.
        if self.limit.is_progress(self.moved_bytes) {
            self.idle_looks = 0;
        }
    }

    /// Ready when too little has moved for too long. Time in which nobody asks counts for one look.
    pub(super) fn poll_exhausted(&mut self, context: &mut Context<'_>) -> Poll<Stalled> {
        while Pin::new(&mut self.look).poll(context).is_ready() {
            let moved_bytes = std::mem::take(&mut self.moved_bytes);
            self.idle_looks = match self.limit.is_progress(moved_bytes) {
                true => 0,
                false => self.idle_looks + 1,
            };
            // The first look comes any time after the last movement.
            if self.idle_looks > LOOKS {
                return Poll::Ready(Stalled);
            }
            self.look = sleep(self.limit.between_looks());
        }
        Poll::Pending
    }
}

/// Runs `attempt` as long as payload moves.
///
/// Progress is looked at, not reported: the bytes do not have to reset a timer each time.
pub(super) async fn watch<T>(
    probe: &Probe,
    limit: StallLimit,
    attempt: impl Future<Output = T>,
) -> Result<T, Stalled> {
    let mut attempt = pin!(attempt);
    let (mut seen_bytes, mut seen_steps) = (probe.payload_bytes(), steps(probe));
    let mut idle_looks = 0;
    loop {
        tokio::select! {
            biased;
            output = &mut attempt => return Ok(output),
            () = sleep(limit.between_looks()) => {}
        }
        let (bytes, steps) = (probe.payload_bytes(), steps(probe));
        let is_progress = steps != seen_steps || limit.is_progress(bytes - seen_bytes);
        idle_looks = if is_progress { 0 } else { idle_looks + 1 };
        (seen_bytes, seen_steps) = (bytes, steps);
        if idle_looks >= LOOKS {
            return Err(Stalled);
        }
    }
}

/// The whole request is sent, then the answer begins.
fn steps(probe: &Probe) -> (bool, bool) {
    (probe.sent_at().is_some(), probe.first_byte_at().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use std::sync::Arc;

    const TIME: Duration = Duration::from_secs(60);

    fn limit() -> StallLimit {
        StallLimit::new(TIME, None)
    }

    /// What a tenth of the limit's time needs.
    const ENOUGH: u64 = 6000;

    #[test]
    fn an_attempt_in_which_nothing_moves_is_ended() {
        let ended = clock::simulate(async {
            let probe = Probe::begin(&Arc::default(), clock::now());
            watch(&probe, limit(), std::future::pending::<()>()).await
        });
        assert_eq!(ended, Err(Stalled));
    }

    #[test]
    fn patience_lasts_for_its_limit_from_the_last_movement_and_two_tenths_more_at_most() {
        for moved_after in [0, 1, 59, 61, 333] {
            let waited = clock::simulate(async {
                let mut patience = Patience::new(limit());
                let moving = sleep(Duration::from_secs(moved_after));
                let exhausted = std::future::poll_fn(|context| patience.poll_exhausted(context));
                // While it moves nobody asks.
                moving.await;
                drop(exhausted);
                patience.moved(ENOUGH);
                let since = clock::now();
                std::future::poll_fn(|context| patience.poll_exhausted(context)).await;
                since.elapsed()
            });
            assert!(waited >= TIME && waited <= TIME * 12 / 10, "{moved_after}: {waited:?}");
        }
    }

    /// Sends so many bytes every so often, a hundred times.
    fn send(bytes: u64, every: Duration) -> Result<(), Stalled> {
        clock::simulate(async {
            let probe = Probe::begin(&Arc::default(), clock::now());
            let sending = async {
                for _ in 0..100 {
                    sleep(every).await;
                    probe.payload_sent(bytes);
                }
            };
            watch(&probe, limit(), sending).await
        })
    }

    /// Reads so many bytes every so often, a hundred times.
    fn read(bytes: u64, every: Duration) -> Result<(), Stalled> {
        clock::simulate(async {
            let mut patience = Patience::new(limit());
            for _ in 0..100 {
                let mut pause = pin!(sleep(every));
                let next = std::future::poll_fn(|context| {
                    if pause.as_mut().poll(context).is_ready() {
                        return Poll::Ready(Ok(()));
                    }
                    patience.poll_exhausted(context).map(Err)
                });
                next.await?;
                patience.moved(bytes);
            }
            Ok(())
        })
    }

    #[test]
    fn less_than_the_least_rate_for_the_whole_time_is_a_stall() {
        for (bytes, every_ms) in [(1, 1000), (100, 1000), (1, 5000), (ENOUGH - 1, 6000)] {
            let every = Duration::from_millis(every_ms);
            assert_eq!(send(bytes, every), Err(Stalled), "{bytes} bytes each {every:?} up");
            assert_eq!(read(bytes, every), Err(Stalled), "{bytes} bytes each {every:?} down");
        }
    }

    #[test]
    fn a_slow_attempt_is_left_alone_while_the_least_rate_is_reached_now_and_then() {
        for (bytes, every_s) in [(1100, 1), (ENOUGH, 6), (ENOUGH, 54)] {
            let every = Duration::from_secs(every_s);
            assert_eq!(send(bytes, every), Ok(()), "{bytes} bytes each {every:?} up");
            assert_eq!(read(bytes, every), Ok(()), "{bytes} bytes each {every:?} down");
        }
    }

    #[test]
    fn a_rate_that_the_user_caps_lowers_the_least_rate() {
        let capped = StallLimit::new(TIME, Some(10_000.0));
        assert!(capped.is_progress(60) && !capped.is_progress(59));
        assert_eq!(StallLimit::new(TIME, Some(1e9)), limit());
        assert!(!StallLimit::new(TIME, Some(1e-9)).is_progress(0));
    }
}
