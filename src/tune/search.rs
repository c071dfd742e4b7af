//! The search as an ask/tell object.

use std::collections::{BTreeMap, BTreeSet};

use super::Config;
use super::ramp::Ramp;
use crate::result::{LimitedBy, Phase, Settings};

/// Candidates around the knee for each part size: half of it, the knee, twice of it.
pub(super) const CANDIDATES_PER_PART_SIZE: usize = 3;

/// With fewer blocks there is no interval: candidates are dropped until this many fit.
pub(super) const BLOCKS_MIN: u32 = 2;

/// Blocks for which candidates are dropped rather than raced less often.
const BLOCKS_WANTED: u32 = 3;

/// More blocks than this bring little and cost much.
const BLOCKS_MAX: u32 = 16;

/// A trial to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Next {
    /// What to set.
    pub settings: Settings,
    /// What it is for.
    pub phase: Phase,
    /// Which block of trials.
    pub block: Option<u32>,
}

/// A trial that was run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// Bytes per second.
    pub goodput: f64,
    /// What held it down.
    pub limited_by: LimitedBy,
    /// Whether it was found to be steady; `None` if that was not judged.
    pub steady: Option<bool>,
}

/// Blocks by settings: goodput by number of block.
pub(super) type Blocks = BTreeMap<Settings, BTreeMap<u32, Outcome>>;

/// A search under way.
#[derive(Debug)]
pub struct Search {
    config: Config,
    ramp: Ramp,
    race: Option<Race>,
    random: fastrand::Rng,
}

#[derive(Debug)]
struct Race {
    candidates: Vec<Settings>,
    left_out: usize,
    /// Of the current block, last first.
    to_run: Vec<Settings>,
    block: u32,
    blocks: Blocks,
}

impl Search {
    /// A search that has asked for nothing yet.
    pub fn new(mut config: Config) -> Self {
        config.part_sizes_bytes.sort_unstable();
        config.part_sizes_bytes.dedup();
        let random = fastrand::Rng::with_seed(config.seed);
        Self { config, ramp: Ramp::default(), race: None, random }
    }

    /// The next trial, when `affordable` more fit the budget; `None` when the search is over.
    ///
    /// A block is begun only if it can be finished: half a block compares nothing.
    pub fn ask(&mut self, affordable: u32) -> Option<Next> {
        if self.race.is_none() {
            let reserved = BLOCKS_MIN * self.config.part_sizes_bytes.len() as u32;
            let next = self.ramp.next(self.config.concurrency_max);
            if let Some(concurrency) = next.filter(|_| affordable > reserved) {
                let settings = self.settings(self.ramp_part_size(), concurrency);
                return Some(Next { settings, phase: Phase::Ramp, block: None });
            }
            let Candidates { raced: candidates, left_out } = self.candidates(affordable);
            let (to_run, blocks) = (Vec::new(), Blocks::new());
            self.race = Some(Race { candidates, left_out, to_run, block: 0, blocks });
        }
        let race = self.race.as_mut()?;
        if race.to_run.is_empty() {
            let affords = affordable >= race.candidates.len() as u32;
            if race.candidates.is_empty() || !affords || race.block >= BLOCKS_MAX {
                return None;
            }
            race.block += 1;
            race.to_run = race.candidates.clone();
            self.random.shuffle(&mut race.to_run);
        }
        let settings = *race.to_run.last()?;
        Some(Next { settings, phase: Phase::Race, block: Some(race.block) })
    }

    /// What the trial last asked for brought.
    pub fn tell(&mut self, next: Next, outcome: Outcome) {
        match (next.phase, &mut self.race) {
            (Phase::Race, Some(race)) => {
                race.to_run.pop();
                race.blocks.entry(next.settings).or_default().insert(race.block, outcome);
            }
            _ => self.ramp.tell(next.settings.concurrency, outcome.goodput),
        }
    }

    /// The blocks so far; empty before the race.
    pub(super) fn blocks(&self) -> Blocks {
        self.race.as_ref().map(|race| race.blocks.clone()).unwrap_or_default()
    }

    /// Candidates that were not raced because the budget was short.
    pub(super) fn left_out(&self) -> usize {
        self.race.as_ref().map_or(0, |race| race.left_out)
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    fn settings(&self, part_size_bytes: u64, concurrency: u32) -> Settings {
        Settings { part_size_bytes, concurrency, parts_in_flight: self.config.parts_in_flight }
    }

    /// The largest part size has the fewest requests, so its knee is where the link's is.
    fn ramp_part_size(&self) -> u64 {
        self.config.part_sizes_bytes.last().copied().unwrap_or_default()
    }

    /// All part sizes x concurrencies around the knee, and what is set now, in order of worth: those
    /// at the knee first, then cheaper ones.
    fn wanted(&self) -> Vec<Settings> {
        let knee = self.ramp.knee();
        let twice = (knee * 2).min(self.config.concurrency_max);
        let mut wanted = Vec::new();
        for concurrency in [knee, (knee / 2).max(1), twice] {
            let sizes = self.config.part_sizes_bytes.iter();
            wanted.extend(sizes.map(|part_size| self.settings(*part_size, concurrency)));
        }
        wanted.push(self.config.current);
        let mut seen = BTreeSet::new();
        wanted.retain(|settings| seen.insert(*settings));
        wanted
    }

    /// As many of those wanted as can be raced often enough; all part sizes at the knee in any case.
    fn candidates(&self, affordable: u32) -> Candidates {
        let wanted = self.wanted();
        let at_the_knee = self.config.part_sizes_bytes.len();
        let often = (affordable / BLOCKS_WANTED) as usize;
        let count = match affordable >= BLOCKS_MIN * at_the_knee as u32 {
            true => often.clamp(at_the_knee, wanted.len()),
            false => 0,
        };
        Candidates { left_out: wanted.len() - count, raced: wanted[..count].to_vec() }
    }
}

/// What is raced.
struct Candidates {
    raced: Vec<Settings>,
    /// How many more there would have been with a larger budget.
    left_out: usize,
}

#[cfg(test)]
mod tests {
    use super::super::recommend;
    use super::*;
    use crate::result::{Direction, Verdict};
    use crate::units::MIB;

    /// A link that carries `knee` streams of parts of the best size, less with each part's cost.
    fn goodput(settings: Settings, knee: u32, part_cost_bytes: f64) -> f64 {
        let part = settings.part_size_bytes as f64;
        let stream = part / (part + part_cost_bytes);
        let best = 64.0 * MIB as f64 / (64.0 * MIB as f64 + part_cost_bytes);
        (f64::from(settings.streams()) * stream).min(f64::from(knee) * best * 0.98)
    }

    fn outcome(goodput: f64, limited_by: LimitedBy) -> Outcome {
        Outcome { goodput, limited_by, steady: None }
    }

    fn search(knee: u32, part_cost_bytes: f64, noise: f64, seed: u64) -> Search {
        let network = |_, goodput| outcome(goodput, LimitedBy::GatewayOrNetwork);
        search_with(knee, part_cost_bytes, noise, seed, network)
    }

    fn search_with(
        knee: u32,
        part_cost_bytes: f64,
        noise: f64,
        seed: u64,
        outcome: impl Fn(Settings, f64) -> Outcome,
    ) -> Search {
        let sizes = vec![16 * MIB, 64 * MIB];
        let current = Settings { part_size_bytes: 64 * MIB, concurrency: 2, parts_in_flight: 1 };
        let config = Config {
            part_sizes_bytes: sizes,
            concurrency_max: 128,
            parts_in_flight: 1,
            current,
            seed,
        };
        let mut random = fastrand::Rng::with_seed(seed);
        let mut search = Search::new(config);
        let mut affordable = 60;
        while let Some(next) = search.ask(affordable) {
            let factor = 1.0 + noise * (random.f64() + random.f64() - 1.0);
            let goodput = factor * goodput(next.settings, knee, part_cost_bytes);
            search.tell(next, outcome(next.settings, goodput));
            affordable -= 1;
        }
        search
    }

    #[test]
    fn the_recommendation_moves_with_the_knee_and_the_cost_of_a_part() {
        for knee in [2, 8, 32] {
            for (part_cost, part_size) in [(0.0, 16 * MIB), (16.0 * MIB as f64, 64 * MIB)] {
                let search = search(knee, part_cost, 0.01, 7);
                let chosen = recommend(&search, Direction::Up).unwrap().settings;
                assert_eq!((chosen.part_size_bytes, chosen.concurrency), (part_size, knee));
            }
        }
    }

    #[test]
    fn a_plateau_that_the_client_makes_is_not_an_optimum() {
        // From the knee on it is the client's processor, not the link, that holds the rate down.
        let search = search_with(8, 0.0, 0.01, 7, |settings, goodput| {
            let busy = settings.concurrency > 8;
            let limit = if busy { LimitedBy::ClientCpu } else { LimitedBy::GatewayOrNetwork };
            outcome(goodput, limit)
        });
        let recommendation = recommend(&search, Direction::Up).unwrap();
        assert_eq!(recommendation.settings.concurrency, 8);
        assert_eq!(recommendation.verdict, Verdict::Limited);
    }

    #[test]
    fn trials_that_had_not_become_steady_show_nothing() {
        let search = search_with(8, 0.0, 0.01, 7, |_, goodput| Outcome {
            steady: Some(false),
            ..outcome(goodput, LimitedBy::GatewayOrNetwork)
        });
        assert_eq!(recommend(&search, Direction::Up).unwrap().verdict, Verdict::NotSteady);
    }

    #[test]
    fn a_clear_case_is_called_clear() {
        let search = search(8, 16.0 * MIB as f64, 0.01, 7);
        let recommendation = recommend(&search, Direction::Up).unwrap();
        assert_eq!(recommendation.verdict, Verdict::Clear, "{}", recommendation.why);
        assert!(recommendation.within_margin_shown && recommendation.better_than_default_shown);
    }

    #[test]
    fn a_block_holds_every_candidate_once() {
        let search = search(8, 1e6, 0.01, 3);
        let blocks = search.blocks();
        let counts: Vec<usize> = blocks.values().map(BTreeMap::len).collect();
        assert!(counts.len() >= 6, "{} candidates", counts.len());
        assert!(counts.iter().all(|count| *count == counts[0]), "{counts:?}");
    }

    #[test]
    fn a_search_never_asks_for_more_than_it_can_afford() {
        let sizes = vec![16 * MIB, 64 * MIB];
        let current = Settings { part_size_bytes: 64 * MIB, concurrency: 2, parts_in_flight: 1 };
        for budget in 0..80_u32 {
            let config = Config {
                part_sizes_bytes: sizes.clone(),
                concurrency_max: 128,
                parts_in_flight: 1,
                current,
                seed: 1,
            };
            let mut search = Search::new(config);
            let mut left = budget;
            while let Some(next) = search.ask(left) {
                assert!(left > 0, "asked for trial {budget} + 1");
                left -= 1;
                let goodput = goodput(next.settings, 8, 1e6);
                search.tell(next, outcome(goodput, LimitedBy::Unknown));
            }
        }
    }
}
