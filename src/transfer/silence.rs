//! Whether anybody still answers. Without it a task whose endpoint is gone for good would make all attempts for each
//! of its files.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::{self, Instant};

/// A job ends when nothing was answered for so long (ASSUMPTION: a gateway that starts anew and a route that fails
/// over are back by then; the ten attempts of one request take about half of it).
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// And so many attempts in a row had no answer.
const ATTEMPTS_MIN: u64 = 10;

/// How an attempt ended, as far as the other end showed itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// There was one, good or bad.
    Came,
    /// No connection, or no answer over it.
    NeverCame,
    /// Nobody waited for it.
    NotAwaited,
}

/// Shared by all movers of a job. While answers come nobody locks it.
#[derive(Debug, Default)]
pub(super) struct Silence {
    under_way: AtomicU64,
    is_silent: AtomicBool,
    is_gone: AtomicBool,
    since: Mutex<Option<Since>>,
}

/// The attempts since the last answer.
#[derive(Debug)]
struct Since {
    began: Instant,
    unanswered: u64,
    /// Attempts from before that may still be answered: bytes may move in them.
    older: u64,
}

/// What is told of an endpoint that is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone {
    /// Attempts in a row that had no answer.
    pub attempts: u64,
    /// Since the first of them ended.
    pub silent_for: Duration,
}

impl Silence {
    /// An attempt begins.
    pub(super) fn attempt_begins(&self) {
        self.under_way.fetch_add(1, Relaxed);
    }

    /// An attempt that began then has ended.
    pub(super) fn attempt_ended(&self, began: Instant, answer: Answer) {
        let under_way = self.under_way.fetch_sub(1, Relaxed) - 1;
        if answer == Answer::Came {
            if self.is_silent.swap(false, Relaxed) {
                *self.since() = None;
            }
            return;
        }
        if answer == Answer::NotAwaited && !self.is_silent.load(Relaxed) {
            return;
        }
        let (mut since, now) = (self.since(), clock::now());
        match &mut *since {
            Some(since) => {
                since.unanswered += u64::from(answer == Answer::NeverCame);
                since.older = since.older.saturating_sub(u64::from(began < since.began));
                if since.is_over(now) {
                    self.is_gone.store(true, Relaxed);
                }
            }
            None => {
                self.is_silent.store(true, Relaxed);
                *since = Some(Since { began: now, unanswered: 1, older: under_way });
            }
        }
    }

    /// Whether nobody is there any more.
    pub(super) fn is_gone(&self) -> bool {
        self.is_gone.load(Relaxed)
    }

    /// The same in figures.
    pub(super) fn gone(&self) -> Option<Gone> {
        let since = self.since();
        let since = since.as_ref().filter(|_| self.is_gone())?;
        Some(Gone { attempts: since.unanswered, silent_for: since.began.elapsed() })
    }

    fn since(&self) -> MutexGuard<'_, Option<Since>> {
        self.since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Since {
    fn is_over(&self, now: Instant) -> bool {
        let silent_for = now.since(self.began);
        self.older == 0 && self.unanswered >= ATTEMPTS_MIN && silent_for >= SILENCE_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    async fn attempt(silence: &Silence, takes: Duration, answer: Answer) {
        silence.attempt_begins();
        let began = clock::now();
        clock::sleep(takes).await;
        silence.attempt_ended(began, answer);
    }

    #[test]
    fn an_endpoint_is_gone_after_a_minute_and_ten_attempts_without_an_answer() {
        let gone = clock::simulate(async {
            let silence = Silence::default();
            while !silence.is_gone() {
                attempt(&silence, SECOND, Answer::NeverCame).await;
            }
            silence.gone()
        });
        assert_eq!(gone, Some(Gone { attempts: 61, silent_for: SILENCE_MAX }));
        let slow = clock::simulate(async {
            let silence = Silence::default();
            while !silence.is_gone() {
                attempt(&silence, SILENCE_MAX, Answer::NeverCame).await;
            }
            silence.gone().map(|gone| gone.attempts)
        });
        assert_eq!(slow, Some(ATTEMPTS_MIN));
    }

    #[test]
    fn one_answer_of_any_kind_shows_that_it_is_there() {
        clock::simulate(async {
            let silence = Silence::default();
            for round in 0..500 {
                let answer = if round % 50 == 0 { Answer::Came } else { Answer::NeverCame };
                attempt(&silence, SECOND, answer).await;
                assert!(!silence.is_gone(), "{round}");
            }
        });
    }

    #[test]
    fn what_is_under_way_from_before_may_still_be_answered() {
        clock::simulate(async {
            let silence = Silence::default();
            silence.attempt_begins();
            let began = clock::now();
            for _ in 0..200 {
                attempt(&silence, SECOND, Answer::NeverCame).await;
            }
            assert!(!silence.is_gone());
            silence.attempt_ended(began, Answer::NotAwaited);
            attempt(&silence, SECOND, Answer::NeverCame).await;
            assert!(silence.is_gone());
        });
    }
}
