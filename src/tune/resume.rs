//! A search that was cut off is told again what it was told, and goes on.

use std::time::Duration;

use super::Config;
use super::outcome::Outcome;
use super::search::{Next, Search};
use crate::result::{Phase, Settings, Trial};

impl Search {
    /// The search that was asked this with so much time left, and told that. `None` if it would have asked
    /// for something else: then it is another search.
    pub fn resumed(
        config: Config,
        told: impl IntoIterator<Item = (Duration, Question, Outcome)>,
    ) -> Option<Self> {
        let mut search = Self::new(config);
        for (left, question, outcome) in told {
            let next = match question.phase {
                // What serves both directions is not one search's question.
                Phase::BothWays => question.of_comparison(&search),
                _ => search.ask(left).filter(|next| Question::from(next) == question)?,
            };
            search.tell(next, outcome);
        }
        Some(search)
    }
}

/// A trial that was asked for, as it was saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    settings: Settings,
    phase: Phase,
    block: Option<u32>,
}

impl Question {
    fn of_comparison(self, search: &Search) -> Next {
        let Self { settings, phase, block } = self;
        Next { settings, phase, block, lasts: search.comparison() }
    }
}

impl From<&Trial> for Question {
    fn from(trial: &Trial) -> Self {
        Self { settings: trial.settings, phase: trial.phase, block: trial.block }
    }
}

impl From<&Next> for Question {
    fn from(next: &Next) -> Self {
        Self { settings: next.settings, phase: next.phase, block: next.block }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{recommend, tests::config};
    use super::*;
    use crate::result::{Direction, LimitedBy};

    type Told = (Duration, Next, Outcome);

    /// Any outcome, so that searches take every turn: some streams move nothing.
    fn measured(random: &mut fastrand::Rng, next: Next) -> Outcome {
        let streams = f64::from(next.settings.streams());
        let noise = 1.0 + 0.2 * random.f64();
        let limited_by =
            *random.choice(&[LimitedBy::GatewayOrNetwork, LimitedBy::Throttled]).unwrap();
        let goodput =
            if random.u8(..) < 8 { 0.0 } else { noise * streams.min(1.0 + 16.0 * random.f64()) };
        Outcome {
            steady: *random.choice(&[None, Some(true), Some(false)]).unwrap(),
            refused: if random.u8(..) < 30 { 0.3 } else { 0.0 },
            longest_wait: Duration::from_secs(random.u64(0..3)),
            took: next.lasts.all().mul_f64(1.0 + random.f64()),
            ..Outcome::of(goodput, limited_by)
        }
    }

    /// Drives a search to its end, beginning with so much time.
    fn driven(seed: u64, budget: Duration) -> (Search, Vec<Told>) {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut search = Search::new(config(seed));
        let mut told = Vec::new();
        let mut left = budget;
        while let Some(next) = search.ask(left) {
            let outcome = measured(&mut random, next);
            search.tell(next, outcome);
            told.push((left, next, outcome));
            left = left.saturating_sub(outcome.took);
        }
        (search, told)
    }

    fn resumed(seed: u64, told: &[Told]) -> Option<Search> {
        let told = told.iter().map(|(left, next, outcome)| (*left, Question::from(next), *outcome));
        Search::resumed(config(seed), told)
    }

    proptest! {
        #[test]
        fn a_search_that_is_told_again_asks_the_same_and_recommends_the_same(
            seed: u64, budget_s in 20_u64..1200, cut in 0.0..1.0,
        ) {
            let (whole, told) = driven(seed, Duration::from_secs(budget_s));
            let cut = (told.len() as f64 * cut) as usize;
            let mut resumed = resumed(seed, &told[..cut]).unwrap();
            for (left, next, outcome) in &told[cut..] {
                prop_assert_eq!(resumed.ask(*left), Some(*next));
                resumed.tell(*next, *outcome);
            }
            prop_assert_eq!(recommend(&resumed, Direction::Up), recommend(&whole, Direction::Up));
        }

        #[test]
        fn trials_of_another_search_are_not_taken(seed: u64, at in 0.0..1.0) {
            let (_, mut told) = driven(seed, Duration::from_secs(600));
            let at = (told.len() as f64 * at) as usize;
            told[at].1.settings.concurrency += 1;
            prop_assert!(resumed(seed, &told).is_none());
        }
    }
}
