//! Ends an attempt in which nothing moves any more.

use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use crate::clock::{Sleep, sleep};
use crate::measure::Probe;

/// An attempt without progress for longer than allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stalled;

/// How often the watchdog looks within its time limit: it overshoots by one look at most, 10 %.
const LOOKS: u32 = 10;

/// How long something may not move: a timer that is looked at, not set anew for each byte.
pub(super) struct Patience {
    every: Duration,
    look: Sleep,
    idle_looks: u32,
}

impl Patience {
    /// Lasts for `limit`, and a tenth of it at most.
    pub(super) fn new(limit: Duration) -> Self {
        let every = limit / LOOKS;
        Self { every, look: sleep(every), idle_looks: 0 }
    }

    /// Something moved.
    pub(super) fn renew(&mut self) {
        self.idle_looks = 0;
    }

    /// Ready when nothing has moved for too long. Time in which nobody asks counts for one look.
    pub(super) fn poll_exhausted(&mut self, context: &mut Context<'_>) -> Poll<Stalled> {
        while Pin::new(&mut self.look).poll(context).is_ready() {
            self.idle_looks += 1;
            // The first look comes any time after the last movement.
            if self.idle_looks > LOOKS {
                return Poll::Ready(Stalled);
            }
            self.look = sleep(self.every);
        }
        Poll::Pending
    }
}

/// Runs `attempt` as long as payload moves.
///
/// Progress is looked at, not reported: the bytes do not have to reset a timer each time.
pub(super) async fn watch<T>(
    probe: &Probe,
    stall_timeout: Duration,
    attempt: impl Future<Output = T>,
) -> Result<T, Stalled> {
    let mut attempt = pin!(attempt);
    let mut seen = progress(probe);
    let mut idle_looks = 0;
    loop {
        tokio::select! {
            biased;
            output = &mut attempt => return Ok(output),
            () = sleep(stall_timeout / LOOKS) => {}
        }
        let now = progress(probe);
        idle_looks = if now == seen { idle_looks + 1 } else { 0 };
        seen = now;
        if idle_looks >= LOOKS {
            return Err(Stalled);
        }
    }
}

/// Payload moves, then the whole request is sent, then the answer begins.
fn progress(probe: &Probe) -> (u64, bool, bool) {
    (probe.payload_bytes(), probe.sent_at().is_some(), probe.first_byte_at().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use std::sync::Arc;

    const LIMIT: Duration = Duration::from_secs(60);

    #[test]
    fn an_attempt_in_which_nothing_moves_is_ended() {
        let ended = clock::simulate(async {
            let probe = Probe::begin(&Arc::default(), clock::now());
            watch(&probe, LIMIT, std::future::pending::<()>()).await
        });
        assert_eq!(ended, Err(Stalled));
    }

    #[test]
    fn patience_lasts_for_its_limit_from_the_last_movement_and_a_tenth_more_at_most() {
        for moved_after in [0, 1, 59, 61, 333] {
            let waited = clock::simulate(async {
                let mut patience = Patience::new(LIMIT);
                let moving = sleep(Duration::from_secs(moved_after));
                let exhausted = std::future::poll_fn(|context| patience.poll_exhausted(context));
                // While it moves nobody asks.
                moving.await;
                drop(exhausted);
                patience.renew();
                let since = clock::now();
                std::future::poll_fn(|context| patience.poll_exhausted(context)).await;
                since.elapsed()
            });
            assert!(waited >= LIMIT && waited <= LIMIT * 11 / 10, "{moved_after}: {waited:?}");
        }
    }

    #[test]
    fn a_slow_attempt_is_left_alone_while_bytes_pass() {
        let ended = clock::simulate(async {
            let probe = Probe::begin(&Arc::default(), clock::now());
            let slow = async {
                for _ in 0..100 {
                    sleep(LIMIT * 9 / 10).await;
                    probe.payload_passed(1);
                }
            };
            watch(&probe, LIMIT, slow).await
        });
        assert_eq!(ended, Ok(()));
    }
}
