//! Ends an attempt in which nothing moves any more.

use std::pin::pin;
use std::time::Duration;

use crate::clock::sleep;
use crate::measure::Probe;

/// An attempt without progress for longer than allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stalled;

/// How often the watchdog looks within its time limit: it overshoots by one look at most, 10 %.
const LOOKS: u32 = 10;

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
