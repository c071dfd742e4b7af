//! When a failed attempt is tried again: exponential backoff with full jitter, `Retry-After` honoured.

use std::time::Duration;

use crate::result::RetryMode;
use crate::store::StoreError;

/// Full jitter is from M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Whether requests learn from each other.
    pub mode: RetryMode,
    /// Attempts of one request, the first included. rclone's `--low-level-retries` and warp's
    /// hidden limit are 10 too.
    pub attempts_max: u32,
    /// Upper end of the first delay (ASSUMPTION).
    pub delay_first: Duration,
    /// Upper end of every delay (ASSUMPTION; the AWS SDKs stop at 20 s).
    pub delay_max: Duration,
    /// A server that asks for more patience than this is asked no more (ASSUMPTION).
    pub retry_after_max: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            mode: RetryMode::default(),
            attempts_max: 10,
            delay_first: Duration::from_millis(200),
            delay_max: Duration::from_secs(20),
            retry_after_max: Duration::from_secs(300),
        }
    }
}

/// Who was asked to wait waits for up to this share of it more, so that those who were refused together do not
/// come back together (ASSUMPTION).
const ASKED_JITTER: f64 = 0.25;

impl RetryPolicy {
    /// The default in this mode.
    pub fn of(mode: RetryMode) -> Self {
        Self { mode, ..Self::default() }
    }

    /// How long to wait before attempt `attempts_made + 1`; `None` when it would be of no use.
    pub fn delay_after(
        &self,
        attempts_made: u32,
        error: &StoreError,
        random: &mut fastrand::Rng,
    ) -> Option<Duration> {
        let attempts_max = match error.class.can_be_retried() && !error.settled {
            true => self.attempts_max,
            false => 1,
        };
        let asked = error.retry_after.unwrap_or_default();
        if attempts_made >= attempts_max || asked > self.retry_after_max {
            return None;
        }
        let doubled = self.delay_first.saturating_mul(1 << (attempts_made - 1).min(20));
        let jitter = doubled.min(self.delay_max).mul_f64(random.f64());
        let apart = match self.mode {
            RetryMode::Adaptive => asked.mul_f64(ASKED_JITTER * random.f64()),
            RetryMode::Standard => Duration::ZERO,
        };
        Some(asked + apart + jitter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::FailureClass;
    use proptest::prelude::*;

    fn throttled(retry_after: Option<Duration>) -> StoreError {
        StoreError { retry_after, ..StoreError::new(FailureClass::Throttled, "slow down") }
    }

    #[test]
    fn a_refusal_that_will_not_change_is_not_retried() {
        let refusal = StoreError::new(FailureClass::Client, "no such bucket");
        let delay =
            RetryPolicy::default().delay_after(1, &refusal, &mut fastrand::Rng::with_seed(1));
        assert_eq!(delay, None);
    }

    #[test]
    fn a_server_that_asks_for_a_day_is_not_waited_for() {
        let error = throttled(Some(Duration::from_secs(86_400)));
        let mut random = fastrand::Rng::with_seed(1);
        assert_eq!(RetryPolicy::default().delay_after(1, &error, &mut random), None);
    }

    proptest! {
        #[test]
        fn a_delay_is_never_shorter_than_the_server_asked(attempt in 1_u32..10, ask in 0_u64..60, seed: u64) {
            let ask = Duration::from_secs(ask);
            let mut random = fastrand::Rng::with_seed(seed);
            let policy = RetryPolicy::default();
            let delay = policy.delay_after(attempt, &throttled(Some(ask)), &mut random).unwrap();
            prop_assert!(delay >= ask);
            prop_assert!(delay <= ask.mul_f64(1.0 + ASKED_JITTER) + policy.delay_max);
        }

        #[test]
        fn attempts_end(seed: u64) {
            let mut random = fastrand::Rng::with_seed(seed);
            prop_assert_eq!(RetryPolicy::default().delay_after(10, &throttled(None), &mut random), None);
        }
    }
}
