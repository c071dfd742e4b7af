//! Whether a run's signs of life arrive: without them others may take it for dead while it works.

use std::cell::Cell;

use super::marker::SILENCE_MIN;
use crate::clock::{self, Instant};
use crate::error::Result;
use crate::words::to_the_second;

/// Signs of life in a row that did not arrive, from which on it is told: well before anybody may act on it.
const MISSED_MAX: u32 = 3;

/// The signs of life of one run.
#[derive(Debug)]
pub(super) struct Beats {
    arrived: Cell<Instant>,
    missed: Cell<u32>,
}

impl Beats {
    /// The first arrives now.
    pub(super) fn begin() -> Self {
        Self { arrived: Cell::new(clock::now()), missed: Cell::new(0) }
    }

    /// Another was sent. What the user is to be told, once for each silence.
    pub(super) fn sent(&self, sent: &Result<()>) -> Option<String> {
        let Err(error) = sent else {
            self.arrived.set(clock::now());
            self.missed.set(0);
            return None;
        };
        self.missed.set(self.missed.get() + 1);
        (self.missed.get() == MISSED_MAX).then(|| {
            format!(
                "warning: for {} no sign of life of this run could be written: {}; after {} of that `tidegate clean` \
                 takes it for dead and removes what it has uploaded",
                to_the_second(self.arrived.get().elapsed()),
                error.message(),
                to_the_second(SILENCE_MIN),
            )
        })
    }

    /// How many in a row did not arrive.
    #[cfg(test)]
    pub(super) fn missed(&self) -> u32 {
        self.missed.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use std::time::Duration;

    #[test]
    fn signs_of_life_that_do_not_arrive_are_told_of_once_for_each_silence() {
        clock::simulate(async {
            let (beats, mut told) = (Beats::begin(), Vec::new());
            for arrives in
                [false, false, true, false, false, false, false, true, false, false, false]
            {
                clock::sleep(Duration::from_secs(60)).await;
                let sent = if arrives { Ok(()) } else { Err(Error::environment("503 SlowDown")) };
                told.push(beats.sent(&sent));
            }
            let at: Vec<_> = (0..told.len()).filter(|index| told[*index].is_some()).collect();
            assert_eq!(at, [5, 10], "{told:?}");
            let sentence = told[5].as_deref().unwrap_or_default();
            assert!(sentence.contains("for 3m no sign of life"), "{sentence}");
            assert!(sentence.contains("503 SlowDown; after 10m"), "{sentence}");
        });
    }
}
