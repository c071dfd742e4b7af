//! The whole search on made-up links.

use super::*;
use crate::result::{Direction, LimitedBy, Phase, Settings, Verdict};
use crate::units::MIB;

pub(super) fn config(seed: u64) -> Config {
    Config {
        part_sizes_bytes: vec![16 * MIB, 64 * MIB],
        concurrency_max: 128,
        parts_in_flight: vec![1],
        current: Settings { part_size_bytes: 64 * MIB, concurrency: 2, parts_in_flight: 1 },
        limits: Limits::default(),
        objective: Objective::default(),
        seed,
    }
}

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

/// A standard normal value by the sum of twelve uniforms.
fn normal(random: &mut fastrand::Rng) -> f64 {
    (0..12).map(|_| random.f64()).sum::<f64>() - 6.0
}

/// Drives a search to its end and returns what it asked for.
fn drive(
    config: Config,
    budget: u32,
    mut measure: impl FnMut(Next) -> Outcome,
) -> (Search, Vec<(Next, Outcome)>) {
    let mut search = Search::new(config);
    let mut record = Vec::new();
    for left in (1..=budget).rev() {
        let Some(next) = search.ask(left) else { break };
        let outcome = measure(next);
        search.tell(next, outcome);
        record.push((next, outcome));
    }
    assert_eq!(search.ask(0), None);
    (search, record)
}

fn search(knee: u32, part_cost_bytes: f64, noise: f64, budget: u32, seed: u64) -> Search {
    let mut random = fastrand::Rng::with_seed(seed);
    let measure = |next: Next| {
        let factor = (noise * normal(&mut random)).exp();
        outcome(factor * goodput(next.settings, knee, part_cost_bytes), LimitedBy::GatewayOrNetwork)
    };
    drive(config(seed), budget, measure).0
}

#[test]
fn the_recommendation_moves_with_the_knee_and_the_cost_of_a_part() {
    for knee in [2, 8, 32] {
        for (part_cost, part_size) in [(0.0, 16 * MIB), (16.0 * MIB as f64, 64 * MIB)] {
            let search = search(knee, part_cost, 0.01, 60, 7);
            let chosen = recommend(&search, Direction::Up).unwrap().settings;
            assert_eq!((chosen.part_size_bytes, chosen.concurrency), (part_size, knee));
        }
    }
}

#[test]
fn where_the_connectors_part_size_is_known_gcs_gets_the_number_that_is_recommended() {
    for seed in 0..40 {
        let mut random = fastrand::Rng::with_seed(seed);
        let measure = |next: Next| {
            let factor = (0.1 * normal(&mut random)).exp();
            outcome(factor * goodput(next.settings, 24, 0.0), LimitedBy::GatewayOrNetwork)
        };
        let config = Config { part_sizes_bytes: vec![64 * MIB], ..config(seed) };
        let (search, _) = drive(config, 60, measure);
        let chosen = recommend(&search, Direction::Up).unwrap().settings;
        for connector_part_size_bytes in [Some(64 * MIB), None] {
            let options = GcsOptions { connector_part_size_bytes, ..GcsOptions::default() };
            let number = gcs_concurrency(&search, chosen, &options);
            assert_eq!(number, Some(chosen.concurrency), "{seed}");
        }
    }
}

#[test]
fn gcs_gets_the_same_number_though_the_link_has_slowed_down_since_the_race() {
    for seed in 0..20 {
        let mut random = fastrand::Rng::with_seed(seed);
        let measure = |next: Next| {
            // More streams than the knee are in the first blocks only.
            let drift = if next.phase == Phase::Confirmation { 0.7 } else { 1.0 };
            let factor = drift * (0.005 * normal(&mut random)).exp();
            outcome(factor * goodput(next.settings, 16, 0.0), LimitedBy::GatewayOrNetwork)
        };
        let (search, _) = drive(config(seed), 60, measure);
        let chosen = recommend(&search, Direction::Up).unwrap().settings;
        let number = gcs_concurrency(&search, chosen, &GcsOptions::default());
        assert_eq!(number, Some(16), "{seed}");
    }
}

#[test]
fn a_trial_that_moved_nothing_takes_the_number_for_gcs_from_no_other_settings() {
    // The last of all in order, in one block.
    let measure = |next: Next| {
        let is_last = next.settings.part_size_bytes == 64 * MIB && next.block == Some(1);
        let none = is_last && next.settings.streams() > 16;
        let goodput = if none { 0.0 } else { goodput(next.settings, 16, 0.0) };
        outcome(goodput, LimitedBy::GatewayOrNetwork)
    };
    let (search, record) = drive(config(3), 60, measure);
    assert!(record.iter().any(|(_, outcome)| outcome.goodput == 0.0));
    let chosen = recommend(&search, Direction::Up).unwrap().settings;
    assert_eq!(gcs_concurrency(&search, chosen, &GcsOptions::default()), Some(16));
}

#[test]
fn the_ramp_asks_for_no_settings_twice() {
    // Four parts of each file: one file is let in and two are not.
    let config = Config { parts_in_flight: vec![4], ..config(1) };
    let measure = |next: Next| match next.settings.streams() {
        ..=4 => outcome(1.0, LimitedBy::GatewayOrNetwork),
        _ => outcome(0.1, LimitedBy::Throttled),
    };
    let (_, record) = drive(config, 40, measure);
    let ramp = record.iter().filter(|(next, _)| next.phase == Phase::Ramp);
    let ramp: Vec<u32> = ramp.map(|(next, _)| next.settings.streams()).collect();
    let once: std::collections::BTreeSet<u32> = ramp.iter().copied().collect();
    assert_eq!(ramp.len(), once.len(), "{ramp:?}");
    assert!(record.iter().any(|(next, _)| next.phase == Phase::Confirmation));
}

#[test]
fn the_knee_is_found_with_few_trials_too() {
    for budget in [20, 25, 30, 40] {
        let found = (0..200).filter(|seed| {
            let search = search(4, 16.0 * MIB as f64, 0.02, budget, *seed);
            let chosen = recommend(&search, Direction::Up).unwrap().settings;
            (chosen.part_size_bytes, chosen.concurrency) == (64 * MIB, 4)
        });
        let found = found.count();
        assert!(found >= 180, "{found} of 200 with {budget} trials");
    }
}

#[test]
fn a_far_knee_is_found_in_spite_of_noise() {
    // Half of the streams bring 80 % of the rate, as many of the worse part size 84 %.
    let surface = |settings: Settings| {
        let stream = if settings.part_size_bytes == 64 * MIB { 1.6 } else { 1.6 / 1.9 };
        (f64::from(settings.streams()) * stream).min(32.0)
    };
    for (noise, least) in [(0.01, 199), (0.02, 192)] {
        let found = (0..200).filter(|seed| {
            let mut random = fastrand::Rng::with_seed(1000 + *seed);
            let measure = |next: Next| {
                let factor = (noise * normal(&mut random)).exp();
                outcome(factor * surface(next.settings), LimitedBy::GatewayOrNetwork)
            };
            let (search, _) = drive(config(*seed), 60, measure);
            let chosen = recommend(&search, Direction::Up).unwrap().settings;
            (chosen.part_size_bytes, chosen.concurrency) == (64 * MIB, 32)
        });
        let found = found.count();
        assert!(found >= least, "{found} of 200 with noise of {noise}");
    }
}

#[test]
fn a_plateau_that_the_client_makes_is_not_an_optimum() {
    // From the knee on it is the client's processor, not the link, that holds the rate down.
    let measure = |next: Next| {
        let busy = next.settings.concurrency > 8;
        let limit = if busy { LimitedBy::ClientCpu } else { LimitedBy::GatewayOrNetwork };
        let jitter = 1.0 + 0.001 * f64::from(next.block.unwrap_or_default() % 3);
        outcome(jitter * goodput(next.settings, 8, 0.0), limit)
    };
    let recommendation = recommend(&drive(config(7), 60, measure).0, Direction::Up).unwrap();
    assert_eq!(recommendation.settings.concurrency, 8);
    assert_eq!(recommendation.verdict, Verdict::Limited);
    assert_eq!(recommendation.limited_by, Some(LimitedBy::ClientCpu));
    assert!(recommendation.why.contains("processor"), "{}", recommendation.why);
}

#[test]
fn the_most_streams_that_are_let_in_are_found_and_throttling_beyond_is_named() {
    let mut random = fastrand::Rng::with_seed(1);
    let measure = |next: Next| {
        let factor = (0.01 * normal(&mut random)).exp();
        let streams = next.settings.streams();
        let (rate, limit) = match streams > 12 {
            true => (6.0, LimitedBy::Throttled),
            false => (f64::from(streams), LimitedBy::GatewayOrNetwork),
        };
        outcome(factor * rate, limit)
    };
    let recommendation = recommend(&drive(config(7), 60, measure).0, Direction::Up).unwrap();
    assert_eq!(recommendation.settings.concurrency, 12, "the most that are let in");
    assert!(recommendation.why.contains("from 14 streams on there was throttling"));
}

#[test]
fn trials_that_had_not_become_steady_show_nothing() {
    let measure = |next: Next| Outcome {
        steady: Some(false),
        ..outcome(goodput(next.settings, 8, 0.0), LimitedBy::GatewayOrNetwork)
    };
    let search = drive(config(7), 60, measure).0;
    assert_eq!(recommend(&search, Direction::Up).unwrap().verdict, Verdict::NotSteady);
}

#[test]
fn a_clear_case_is_called_clear() {
    let search = search(8, 16.0 * MIB as f64, 0.01, 60, 7);
    let recommendation = recommend(&search, Direction::Up).unwrap();
    assert_eq!(recommendation.verdict, Verdict::Clear, "{}", recommendation.why);
    assert!(recommendation.within_margin_shown && recommendation.better_than_default_shown);
}

#[test]
fn a_block_holds_every_entrant_once_and_who_is_beaten_costs_no_more_trials() {
    let mut random = fastrand::Rng::with_seed(3);
    let measure = |next: Next| {
        let factor = (0.02 * normal(&mut random)).exp();
        outcome(factor * goodput(next.settings, 8, 1e6), LimitedBy::GatewayOrNetwork)
    };
    let (_, record) = drive(config(3), 80, measure);
    let mut sizes = Vec::new();
    for block in 1.. {
        let of_block: Vec<_> = record
            .iter()
            .filter(|(next, _)| next.block == Some(block))
            .map(|(next, _)| next)
            .collect();
        if of_block.is_empty() {
            break;
        }
        let mut entrants: Vec<_> =
            of_block.iter().map(|next| (next.settings, next.phase == Phase::Duplicate)).collect();
        entrants.sort_unstable();
        entrants.dedup();
        assert_eq!(entrants.len(), of_block.len(), "block {block} holds one twice");
        if of_block[0].phase == Phase::Race {
            sizes.push(of_block.len());
        }
    }
    assert!(sizes[0] >= 6, "{sizes:?}");
    assert!(sizes.len() >= 2 && sizes.last() < sizes.first(), "{sizes:?}");
}

#[test]
fn the_confirmation_holds_the_current_default_and_a_duplicate() {
    let search = search(8, 16.0 * MIB as f64, 0.01, 60, 5);
    let recommendation = recommend(&search, Direction::Up).unwrap();
    let twice = recommendation.same_settings_twice.expect("a budget of 60 has a duplicate");
    assert_eq!(twice.settings, recommendation.settings);
    let current = search.config().current;
    let against = recommendation.compared_with.iter().find(|one| one.settings == current).unwrap();
    assert_eq!(against.phase, Some(Phase::Confirmation));
}

#[test]
fn any_budget_is_kept_and_the_least_suffices() {
    for budget in 0..80_u32 {
        let measure = |next: Next| {
            let jitter = 1.0 + 0.01 * f64::from(next.block.unwrap_or_default() % 3);
            outcome(jitter * goodput(next.settings, 8, 1e6), LimitedBy::Unknown)
        };
        let (search, record) = drive(config(1), budget, measure);
        assert!(record.len() as u32 <= budget);
        let enough = budget >= Forecast::TRIALS_MIN;
        assert!(!enough || recommend(&search, Direction::Up).is_some(), "a budget of {budget}");
    }
}

#[test]
fn told_again_what_it_was_told_a_search_goes_on_as_if_nothing_had_happened() {
    let measure = |random: &mut fastrand::Rng, next: Next| {
        let factor = (0.05 * normal(random)).exp();
        outcome(factor * goodput(next.settings, 8, 1e6), LimitedBy::GatewayOrNetwork)
    };
    let mut random = fastrand::Rng::with_seed(9);
    let (_, record) = drive(config(3), 50, |next| measure(&mut random, next));
    for cut in [0, 3, 11, 30, record.len()] {
        let mut again = record.iter();
        let (_, replayed) = drive(config(3), 50, |next| {
            let (asked, outcome) = again.next().expect("no more questions than before");
            assert_eq!(*asked, next, "after {cut}");
            *outcome
        });
        assert_eq!(replayed, record);
    }
}

#[test]
fn settings_that_move_nothing_are_never_recommended() {
    let measure = |next: Next| {
        let fails = next.settings.concurrency >= 8;
        let rate = if fails { 0.0 } else { f64::from(next.settings.concurrency) };
        outcome(rate, if fails { LimitedBy::Errors } else { LimitedBy::Unknown })
    };
    let (search, _) = drive(config(1), 50, measure);
    let recommendation = recommend(&search, Direction::Up).unwrap();
    assert!(recommendation.settings.concurrency < 8, "{recommendation:?}");
}
