//! A search that was cut off is told again what it was told, and goes on.

use super::Config;
use super::search::{Next, Outcome, Search};
use crate::result::{Phase, Trial};

impl Search {
    /// The search that was asked this with so many trials affordable, and told that. `None` if it would
    /// have asked for something else: then it is another search.
    pub fn resumed(
        config: Config,
        told: impl IntoIterator<Item = (u32, Next, Outcome)>,
    ) -> Option<Self> {
        let mut search = Self::new(config);
        for (affordable, next, outcome) in told {
            // What serves both directions is not one search's question.
            if next.phase != Phase::BothWays && search.ask(affordable) != Some(next) {
                return None;
            }
            search.tell(next, outcome);
        }
        Some(search)
    }
}

impl From<&Trial> for Next {
    fn from(trial: &Trial) -> Self {
        Self { settings: trial.settings, phase: trial.phase, block: trial.block }
    }
}

impl From<&Trial> for Outcome {
    fn from(trial: &Trial) -> Self {
        Self {
            goodput: trial.objective_bytes_per_second(),
            limited_by: trial.limited_by,
            steady: trial.window.steady,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{recommend, tests::config};
    use super::*;
    use crate::result::{Direction, LimitedBy};

    type Told = (u32, Next, Outcome);

    /// Any outcome, so that searches take every turn: some streams move nothing.
    fn measured(random: &mut fastrand::Rng, next: Next) -> Outcome {
        let streams = f64::from(next.settings.streams());
        let noise = 1.0 + 0.2 * random.f64();
        let limited_by =
            *random.choice(&[LimitedBy::GatewayOrNetwork, LimitedBy::Throttled]).unwrap();
        let goodput =
            if random.u8(..) < 8 { 0.0 } else { noise * streams.min(1.0 + 16.0 * random.f64()) };
        Outcome {
            goodput,
            limited_by,
            steady: *random.choice(&[None, Some(true), Some(false)]).unwrap(),
        }
    }

    /// Drives a search to its end, beginning with so many trials; the budget dwindles unevenly.
    fn driven(seed: u64, budget: u32) -> (Search, Vec<Told>) {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut search = Search::new(config(seed));
        let mut told = Vec::new();
        let mut affordable = budget;
        while let Some(next) = search.ask(affordable) {
            let outcome = measured(&mut random, next);
            search.tell(next, outcome);
            told.push((affordable, next, outcome));
            affordable = affordable.saturating_sub(random.u32(0..3));
        }
        (search, told)
    }

    proptest! {
        #[test]
        fn a_search_that_is_told_again_asks_the_same_and_recommends_the_same(
            seed: u64, budget in 4_u32..120, cut in 0.0..1.0,
        ) {
            let (whole, told) = driven(seed, budget);
            let cut = (told.len() as f64 * cut) as usize;
            let mut resumed = Search::resumed(config(seed), told[..cut].iter().copied()).unwrap();
            for (affordable, next, outcome) in &told[cut..] {
                prop_assert_eq!(resumed.ask(*affordable), Some(*next));
                resumed.tell(*next, *outcome);
            }
            prop_assert_eq!(recommend(&resumed, Direction::Up), recommend(&whole, Direction::Up));
        }

        #[test]
        fn trials_of_another_search_are_not_taken(seed: u64, at in 0.0..1.0) {
            let (_, mut told) = driven(seed, 60);
            let at = (told.len() as f64 * at) as usize;
            told[at].1.settings.concurrency += 1;
            prop_assert!(Search::resumed(config(seed), told).is_none());
        }
    }
}
