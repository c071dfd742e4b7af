//! Housekeeping at an endpoint that does not answer: bounded in time, so that a run whose endpoint is gone ends.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures::future::{Either, select};

use crate::clock::{self, Instant};
use crate::store::StoreError;

/// A call whose attempts had no answer for so long is given up (ASSUMPTION: the user waits for it). Once one was,
/// the next ones are tried once, and for no longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// And after each of these not at all for so long: a hundred uploads to abort are not a hundred waits.
const PAUSE: Duration = Duration::from_secs(2);

/// What is known of an endpoint's silence.
#[derive(Default)]
pub(super) struct Silence {
    /// When nobody answered last, and why, since a call was given up; `None` once anything is answered.
    given_up: RefCell<Option<(Instant, StoreError)>>,
    /// Whether the last attempt had no answer.
    unanswered: Cell<bool>,
}

impl Silence {
    /// One attempt, as far as it is of any use.
    pub(super) async fn attempt<T>(
        &self,
        attempt: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let given_up = self.given_up.borrow().clone();
        let result = match given_up {
            None => attempt.await,
            Some((at, error)) if at.elapsed() < PAUSE => return Err(error),
            Some((_, error)) => match select(pin!(attempt), pin!(clock::sleep(PATIENCE))).await {
                Either::Left((result, _)) => result,
                Either::Right(_) => Err(error),
            },
        };
        let unanswered = result.as_ref().is_err_and(StoreError::is_unanswered);
        self.unanswered.set(unanswered);
        match &mut *self.given_up.borrow_mut() {
            Some((at, _)) if unanswered => *at = clock::now(),
            answered => *answered = None,
        }
        result
    }

    /// Whether a call that began then is to be given up.
    pub(super) fn is_over(&self, began: Instant) -> bool {
        self.unanswered.get() && (self.is_silent() || began.elapsed() >= PATIENCE)
    }

    /// A call was given up.
    pub(super) fn gave_up(&self, error: &StoreError) {
        if error.is_unanswered() {
            self.given_up.borrow_mut().get_or_insert_with(|| (clock::now(), error.clone()));
        }
    }

    /// Whether a call was given up and nothing was answered since.
    pub(super) fn is_silent(&self) -> bool {
        self.given_up.borrow().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::FailureClass;

    fn no_answer() -> StoreError {
        StoreError::new(FailureClass::Connection, "no answer")
    }

    #[test]
    fn many_calls_to_an_endpoint_that_is_gone_take_seconds() {
        let took = clock::simulate(async {
            let (silence, began) = (Silence::default(), clock::now());
            silence.gave_up(&no_answer());
            clock::sleep(PAUSE).await;
            for _ in 0..100 {
                let gone = silence.attempt(std::future::pending::<Result<(), _>>()).await;
                let error = gone.unwrap_err();
                assert!(silence.is_silent());
                silence.gave_up(&error);
            }
            began.elapsed()
        });
        assert!(took <= PATIENCE + PAUSE, "{took:?}");
    }

    #[test]
    fn an_answer_ends_the_silence_also_one_that_says_no() {
        clock::simulate(async {
            for answer in [Ok(()), Err(StoreError { status: Some(503), ..no_answer() })] {
                let silence = Silence::default();
                silence.gave_up(&no_answer());
                clock::sleep(PAUSE).await;
                let _ = silence.attempt(async { answer }).await;
                assert!(!silence.is_silent());
            }
        });
    }

    #[test]
    fn an_endpoint_that_is_slow_to_refuse_is_given_up_by_the_clock_and_not_by_attempts() {
        clock::simulate(async {
            let (silence, began) = (Silence::default(), clock::now());
            let slow = async {
                clock::sleep(PATIENCE).await;
                Err::<(), _>(no_answer())
            };
            assert!(!silence.is_over(began));
            assert!(silence.attempt(slow).await.is_err() && silence.is_over(began));
        });
    }
}
