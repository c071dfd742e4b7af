//! How far the clocks of the others are ahead of the leader's.
//!
//! The leader asks each some times; the answer that came fastest counts, and half of its round trip is how far it may be
//! off (F. Cristian, "Probabilistic clock synchronization", Distributed Computing 3 (1989) 146-158).

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::{Crew, Message, let_others_run, name};
use crate::clock::{self, Instant};
use crate::error::{Error, Result};
use crate::words;

/// Questions to each: so many, and more while the best is further off than is good enough, but no longer than
/// [`ASK_FOR`]. Where processors are busy an answer takes 40 ms, and this is done before each trial.
const QUESTIONS: u32 = 32;
const GOOD_ENOUGH_S: f64 = 1e-4;
const ASK_FOR: Duration = Duration::from_millis(250);

/// An answer is waited for so long.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// What the clocks of a process show: that of its engine, in nanoseconds since it began, and the calendar's, in seconds.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct Reading {
    engine_ns: i64,
    calendar_s: f64,
}

impl Reading {
    pub(super) fn now() -> Self {
        let since_1970 = clock::calendar().duration_since(SystemTime::UNIX_EPOCH);
        Self {
            engine_ns: clock::now().nanoseconds_since(Instant::default()) as i64,
            calendar_s: since_1970.unwrap_or_default().as_secs_f64(),
        }
    }
}

/// How far the clocks of a DTN are ahead of the leader's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Clock {
    engine_ahead_ns: i64,
    /// Of the calendar's clock, in seconds.
    pub calendar_ahead_s: f64,
    /// How far that may be off, in seconds.
    pub error_s: f64,
}

impl Clock {
    /// Of an engine whose clock is ahead.
    #[cfg(test)]
    pub(crate) fn ahead(by: Duration) -> Self {
        Self { engine_ahead_ns: by.as_nanos() as i64, ..Self::default() }
    }

    /// A moment of the leader's, as this DTN's engine has it.
    pub fn of_leader(&self, at: Instant) -> Instant {
        shifted(at, self.engine_ahead_ns)
    }

    /// A moment of this DTN's engine, as the leader has it; moments before the leader's beginning are its beginning.
    pub fn to_leader(&self, at: Instant) -> Instant {
        shifted(at, -self.engine_ahead_ns)
    }
}

fn shifted(at: Instant, by_ns: i64) -> Instant {
    let ns = (at.nanoseconds_since(Instant::default()) as i64).saturating_add(by_ns);
    Instant::default() + Duration::from_nanos(ns.max(0) as u64)
}

impl Crew {
    /// Asks each of the first so many for its clocks.
    ///
    /// # Errors
    /// If one does not answer.
    pub async fn set_clocks(&self, of: u32) -> Result<()> {
        for rank in self.others().filter(|rank| *rank < of) {
            let clock = self.clock_of(rank).await?;
            self.clocks.borrow_mut()[rank as usize] = clock;
        }
        Ok(())
    }

    async fn clock_of(&self, rank: u32) -> Result<Clock> {
        let began = clock::now();
        let mut best: Option<(u64, Clock)> = None;
        for questions in 0.. {
            let is_good = best.is_some_and(|(_, clock)| clock.error_s <= GOOD_ENOUGH_S);
            let is_enough = is_good && questions >= QUESTIONS;
            if is_enough || (best.is_some() && began.elapsed() >= ASK_FOR) {
                break;
            }
            let (asked_at, asked) = (clock::now(), Reading::now());
            self.send(rank, &Message::Ask);
            let answer = self.answer_of(rank, asked_at).await?;
            let round_trip_ns = clock::now().nanoseconds_since(asked_at);
            let half_ns = round_trip_ns / 2;
            let clock = Clock {
                engine_ahead_ns: answer.engine_ns - asked.engine_ns - half_ns as i64,
                calendar_ahead_s: answer.calendar_s - asked.calendar_s - half_ns as f64 / 1e9,
                error_s: half_ns as f64 / 1e9,
            };
            if best.as_ref().is_none_or(|(least_ns, _)| round_trip_ns < *least_ns) {
                best = Some((round_trip_ns, clock));
            }
        }
        Ok(best.map(|(_, clock)| clock).unwrap_or_default())
    }

    async fn answer_of(&self, rank: u32, asked_at: Instant) -> Result<Reading> {
        loop {
            self.look()?;
            match self.reading.take() {
                Some((from, reading)) if from == rank => return Ok(reading),
                _ if asked_at.elapsed() > ANSWER_WITHIN => {
                    let within = words::to_the_second(ANSWER_WITHIN);
                    return Err(Error::environment(format!(
                        "{} did not answer what its clock shows within {within}",
                        name(rank)
                    )));
                }
                _ => let_others_run().await,
            }
        }
    }
}
