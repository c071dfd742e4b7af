//! The whole search on made-up links.

use std::time::Duration;

use super::*;
use crate::result::{Comparison, Direction, LimitedBy, Phase, Settings, Verdict};
use crate::units::MIB;

pub(super) fn config(seed: u64) -> Config {
    let second = Duration::from_secs(1);
    Config {
        part_sizes_bytes: vec![16 * MIB, 64 * MIB],
        concurrency_max: 128,
        parts_in_flight: vec![1],
        current: Settings { part_size_bytes: 64 * MIB, concurrency: 2, parts_in_flight: 1 },
        ceiling: Ceiling::Asked,
        objective: Objective::default(),
        rules: Rules {
            limits: Limits::default(),
            max_refused: 0.05,
            times: Times { warm_up: 2 * second, window: 6 * second, soak: 60 * second },
            seed,
        },
    }
}

/// Time for the soak and so many trials of a block.
pub(super) fn time_for(trials: u32) -> Duration {
    Duration::from_secs(75) + Duration::from_millis(9_200) * trials
}

/// A link that carries `knee` streams of parts of the best size, less with each part's cost.
fn goodput(settings: Settings, knee: u32, part_cost_bytes: f64) -> f64 {
    let part = settings.part_size_bytes as f64;
    let stream = part / (part + part_cost_bytes);
    let best = 64.0 * MIB as f64 / (64.0 * MIB as f64 + part_cost_bytes);
    (f64::from(settings.streams()) * stream).min(f64::from(knee) * best * 0.98)
}

fn outcome(goodput: f64, limited_by: LimitedBy) -> Outcome {
    Outcome::of(goodput, limited_by)
}

/// A standard normal value by the sum of twelve uniforms.
fn normal(random: &mut fastrand::Rng) -> f64 {
    (0..12).map(|_| random.f64()).sum::<f64>() - 6.0
}

/// Drives a search to its end, in time for the soak and so many trials, and returns what it asked for.
fn drive(
    config: Config,
    trials: u32,
    mut measure: impl FnMut(Next) -> Outcome,
) -> (Search, Vec<(Next, Outcome)>) {
    let mut search = Search::new(config);
    let mut record = Vec::new();
    let mut left = time_for(trials);
    while let Some(next) = search.ask(left) {
        let outcome = measure(next);
        search.tell(next, outcome);
        record.push((next, outcome));
        left = left.saturating_sub(next.lasts.all().mul_f64(1.15));
    }
    assert_eq!(search.ask(left), None);
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
            let number = for_gcs(&search, chosen, &options);
            assert_eq!(number.map(|found| found.concurrency), Some(chosen.concurrency), "{seed}");
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
        let number =
            for_gcs(&search, chosen, &GcsOptions::default()).map(|found| found.concurrency);
        assert!(number.is_some_and(|number| (16..=20).contains(&number)), "{seed}: {number:?}");
    }
}

#[test]
fn a_trial_that_moved_nothing_takes_the_number_for_gcs_from_no_other_settings() {
    // More streams than the knee, in one block.
    let measure = |next: Next| {
        let none = next.block == Some(1) && next.settings.streams() > 20;
        let goodput = if none { 0.0 } else { goodput(next.settings, 16, 0.0) };
        outcome(goodput, LimitedBy::GatewayOrNetwork)
    };
    let (search, record) = drive(config(3), 60, measure);
    assert!(record.iter().any(|(_, outcome)| outcome.goodput == 0.0));
    let chosen = recommend(&search, Direction::Up).unwrap().settings;
    let number = for_gcs(&search, chosen, &GcsOptions::default()).unwrap().concurrency;
    assert!((16..=20).contains(&number), "{number}");
}

#[test]
fn the_way_asks_for_no_settings_twice() {
    // Four parts of each file: one file is let in and two are not.
    let config = Config { parts_in_flight: vec![4], ..config(1) };
    let measure = |next: Next| match next.settings.streams() {
        ..=4 => outcome(1.0, LimitedBy::GatewayOrNetwork),
        _ => Outcome { refused: 0.5, ..outcome(0.1, LimitedBy::Throttled) },
    };
    let (search, record) = drive(config, 40, measure);
    let way = record.iter().filter(|(next, _)| next.phase == Phase::Ramp);
    let way: Vec<u32> = way.map(|(next, _)| next.settings.streams()).collect();
    let once: std::collections::BTreeSet<u32> = way.iter().copied().collect();
    assert_eq!(way.len(), once.len(), "{way:?}");
    assert!(recommend(&search, Direction::Up).unwrap().settings.streams() <= 4);
}

#[test]
fn what_is_chosen_is_within_the_margin_with_few_trials_too() {
    for budget in [10, 20, 30, 40] {
        let found = (0..200).filter(|seed| {
            let search = search(4, 16.0 * MIB as f64, 0.02, budget, *seed);
            let chosen = recommend(&search, Direction::Up).unwrap().settings;
            goodput(chosen, 4, 16.0 * MIB as f64) >= (1.0 - MARGIN) * 0.98 * 4.0 * 0.8
        });
        let found = found.count();
        assert!(found >= 192, "{found} of 200 with {budget} trials");
    }
}

#[test]
fn a_far_knee_is_found_in_spite_of_noise() {
    // Twenty streams of the better part size fill the link, and 38 of the other.
    let surface = |settings: Settings| {
        let stream = if settings.part_size_bytes == 64 * MIB { 1.6 } else { 1.6 / 1.9 };
        (f64::from(settings.streams()) * stream).min(32.0)
    };
    for (noise, least) in [(0.01, 198), (0.02, 185)] {
        let found = (0..200).filter(|seed| {
            let mut random = fastrand::Rng::with_seed(1000 + *seed);
            let measure = |next: Next| {
                let factor = (noise * normal(&mut random)).exp();
                outcome(factor * surface(next.settings), LimitedBy::GatewayOrNetwork)
            };
            let (search, _) = drive(config(*seed), 60, measure);
            let chosen = recommend(&search, Direction::Up).unwrap().settings;
            surface(chosen) >= 0.95 * 32.0 - 1e-9 && chosen.streams() <= 60
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
        let (rate, limit, refused) = match streams > 12 {
            true => (6.0, LimitedBy::Throttled, 0.5),
            false => (f64::from(streams), LimitedBy::GatewayOrNetwork, 0.0),
        };
        Outcome { refused, ..outcome(factor * rate, limit) }
    };
    let recommendation = recommend(&drive(config(7), 60, measure).0, Direction::Up).unwrap();
    let files = recommendation.settings.concurrency;
    assert!((11..=12).contains(&files), "{files}");
    assert!(recommendation.why.contains("throttling began at"), "{}", recommendation.why);
    let above = recommendation.trade.iter().find(|one| one.settings.concurrency > 12).unwrap();
    assert!(above.refused_share > 0.2, "what lies above is told: {above:?}");
}

/// A link that lets in what it likes at first, and refuses more than is allowed in a long run from some
/// number of streams on.
#[test]
fn what_is_refused_only_in_a_long_run_is_not_recommended() {
    let measure = |next: Next| {
        let (streams, long) = (next.settings.streams(), next.phase == Phase::Soak);
        let is_refused = long && next.settings.part_size_bytes == 16 * MIB;
        let jitter = 1.0 + 0.001 * f64::from(next.block.unwrap_or_default() % 3);
        let goodput = jitter * f64::from(streams.min(16));
        match is_refused {
            true => Outcome { refused: 0.2, ..outcome(0.7 * goodput, LimitedBy::Throttled) },
            false => outcome(goodput, LimitedBy::GatewayOrNetwork),
        }
    };
    let (search, record) = drive(config(3), 60, measure);
    let soaks = record.iter().filter(|(next, _)| next.phase == Phase::Soak);
    let soaked: Vec<u64> = soaks.map(|(next, _)| next.settings.part_size_bytes / MIB).collect();
    assert_eq!(soaked, [16, 64], "the cheaper one is held first");
    let found = recommend(&search, Direction::Up).unwrap();
    assert_eq!(found.settings.part_size_bytes, 64 * MIB);
    let off = found.goodput_bytes_per_second / record.last().unwrap().1.goodput - 1.0;
    assert!(off.abs() < 0.01, "what it carried in its soak: {off}");
}

/// A link that lets in twelve at a time: short trials of more are refused little, long ones much.
#[test]
fn where_all_that_were_raced_are_refused_fewer_streams_are_held() {
    let measure = |next: Next| {
        let streams = next.settings.streams();
        let goodput = 1.0 + f64::from(streams.min(16));
        let refused = match (next.phase, streams) {
            (_, ..=12) => 0.0,
            (Phase::Soak, _) => 0.2,
            _ => 0.1,
        };
        let limited_by = match refused > 0.0 {
            true => LimitedBy::Throttled,
            false => LimitedBy::GatewayOrNetwork,
        };
        Outcome { refused, ..outcome(goodput, limited_by) }
    };
    let one_part_size = Config { part_sizes_bytes: vec![64 * MIB], ..config(3) };
    let (search, record) = drive(one_part_size, 90, measure);
    let soaks = record.iter().filter(|(next, _)| next.phase == Phase::Soak);
    let soaked: Vec<u32> = soaks.map(|(next, _)| next.settings.streams()).collect();
    assert!(soaked[0] > 12, "{soaked:?}");
    let found = recommend(&search, Direction::Up).unwrap();
    assert!((8..=12).contains(&found.settings.streams()), "{:?}, {soaked:?}", found.settings);
    assert_eq!(found.refused_share, Some(0.0));
}

/// A link that lets in twelve at a time and asks the others to wait for longer than a short trial lasts: its window
/// sees none of them refused, and noise hides where more streams stop to carry more.
#[test]
fn a_cap_on_transfers_that_no_window_shows_is_found_by_soaks() {
    let mut no_answer = 0;
    for seed in 0..100 {
        let mut random = fastrand::Rng::with_seed(seed);
        let measure = |next: Next| {
            let streams = next.settings.streams();
            let beyond = f64::from(streams.saturating_sub(12)) / f64::from(streams);
            let limited_by = match streams {
                ..=12 => LimitedBy::GatewayOrNetwork,
                _ => LimitedBy::Throttled,
            };
            let noise = if next.phase == Phase::Soak { 0.01 } else { 0.05 };
            let goodput = (noise * normal(&mut random)).exp() * f64::from(streams.min(12));
            Outcome {
                refused: if next.phase == Phase::Soak { beyond } else { 0.0 },
                refused_or_waiting: beyond,
                longest_wait: Duration::from_secs(12),
                ..outcome(goodput, limited_by)
            }
        };
        let one_part_size = Config { part_sizes_bytes: vec![64 * MIB], ..config(seed) };
        let (search, _) = drive(one_part_size, 50, measure);
        match recommend(&search, Direction::Up) {
            Some(found) => {
                let files = found.settings.streams();
                assert!((10..=12).contains(&files), "{seed}: {files}");
                assert!(found.smallest_difference_seen.is_none_or(f64::is_finite), "{seed}");
            }
            None => no_answer += 1,
        }
    }
    assert!(no_answer <= 3, "{no_answer} of 100");
}

#[test]
fn still_rising_at_the_most_that_is_allowed_is_a_verdict_of_its_own() {
    let measure = |next: Next| {
        let jitter = 1.0 + 0.001 * f64::from(next.block.unwrap_or_default() % 3);
        outcome(jitter * f64::from(next.settings.streams()), LimitedBy::GatewayOrNetwork)
    };
    for (ceiling, said) in [
        (Ceiling::Asked, "try --max-concurrency 512"),
        (Ceiling::Endpoint, "the endpoint allows"),
        (Ceiling::Machine, "this machine"),
    ] {
        let config = Config { ceiling, ..config(1) };
        let found = recommend(&drive(config, 60, measure).0, Direction::Up).unwrap();
        assert_eq!((found.settings.concurrency, found.verdict), (128, Verdict::StillRising));
        assert!(found.why.contains(said), "{}", found.why);
    }
}

#[test]
fn a_budget_too_small_for_the_knee_and_a_soak_recommends_nothing_and_knows_how_much_more_there_is()
{
    let measure = |next: Next| {
        outcome(f64::from(next.settings.streams().min(64)), LimitedBy::GatewayOrNetwork)
    };
    for seconds in 0..90_u64 {
        let mut search = Search::new(config(1));
        let mut left = Duration::from_secs(seconds);
        while let Some(next) = search.ask(left) {
            search.tell(next, measure(next));
            left = left.saturating_sub(next.lasts.all());
        }
        assert_eq!(recommend(&search, Direction::Up), None, "{seconds} s");
        assert!(search.is_cut_short(), "{seconds} s");
    }
    let (search, _) = drive(config(1), 4, measure);
    assert!(search.growth().is_some_and(|growth| growth >= 16.0), "{:?}", search.growth());
}

#[test]
fn nothing_below_what_is_set_now_is_recommended_unless_that_was_measured_to_be_worse() {
    for (falls, most) in [(false, 8..=8), (true, 1..=4)] {
        let measure = |next: Next| {
            let streams = f64::from(next.settings.streams());
            let jitter = 1.0 + 0.001 * f64::from(next.block.unwrap_or_default() % 3);
            let goodput = if falls { 1.0 / streams.sqrt() } else { 1.0 };
            outcome(jitter * goodput, LimitedBy::GatewayOrNetwork)
        };
        let current = Settings { concurrency: 8, ..config(1).current };
        let found = drive(Config { current, ..config(1) }, 60, measure).0;
        let chosen = recommend(&found, Direction::Up).unwrap().settings.concurrency;
        assert!(most.contains(&chosen), "{chosen}");
    }
}

#[test]
fn a_rival_that_once_moved_nothing_is_out_and_vetoes_nothing() {
    let clear = (0..100).filter(|seed| {
        let mut random = fastrand::Rng::with_seed(*seed);
        let mut is_open = true;
        let measure = |next: Next| {
            let streams = next.settings.streams();
            let stalls = is_open && next.phase == Phase::Race && streams > 20;
            is_open &= !stalls;
            let factor = (0.01 * normal(&mut random)).exp();
            let rate = if stalls { 0.0 } else { factor * goodput(next.settings, 16, 16e6) };
            outcome(rate, LimitedBy::GatewayOrNetwork)
        };
        let found = recommend(&drive(config(*seed), 60, measure).0, Direction::Up);
        found.is_some_and(|found| found.verdict == Verdict::Clear)
    });
    let clear = clear.count();
    assert!(clear >= 90, "{clear} of 100");
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
        let factor = (0.01 * normal(&mut random)).exp();
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
    assert!(sizes[0] >= 4, "{sizes:?}");
    let entrants = |block: usize| {
        let of_block = record.iter().filter(|(next, _)| next.block == Some(block as u32));
        of_block.map(|(next, _)| next.settings).collect::<std::collections::BTreeSet<_>>()
    };
    let (first, last) = (entrants(1), entrants(sizes.len()));
    assert!(sizes.len() >= 2 && !first.is_subset(&last), "nobody was dropped: {sizes:?}");
}

#[test]
fn a_confirmation_holds_a_duplicate_and_the_current_default_is_compared() {
    // Two part sizes that are hard to tell apart.
    let search = search(4, 1.5 * MIB as f64, 0.03, 60, 5);
    let recommendation = recommend(&search, Direction::Up).unwrap();
    let twice = recommendation.same_settings_twice.expect("there is time for a duplicate");
    assert!(search.confirmed().settings().any(|settings| settings == twice.settings));
    let current = search.config().current;
    assert!(recommendation.compared_with.iter().any(|one| one.settings == current));
}

#[test]
fn what_is_out_of_the_question_gets_no_seat_and_is_compared_all_the_same() {
    let search = search(32, 16.0 * MIB as f64, 0.01, 60, 5);
    let current = search.config().current;
    let seats = [search.raced(), search.confirmed()];
    assert!(seats.iter().all(|blocks| blocks.outcomes(current).next().is_none()));
    let recommendation = recommend(&search, Direction::Up).unwrap();
    let against = recommendation.compared_with.iter().find(|one| one.settings == current).unwrap();
    assert_eq!(against.phase, Some(Phase::Ramp));
    assert!(recommendation.better_than_default_shown && against.ratio > 10.0);
}

#[test]
fn any_budget_is_kept_and_the_least_suffices() {
    let least = Forecast::new(&config(1), Duration::ZERO).least.as_secs();
    for seconds in 0..700_u64 {
        let budget = Duration::from_secs(seconds);
        let mut search = Search::new(config(1));
        let mut spent = Duration::ZERO;
        while let Some(next) = search.ask(budget.saturating_sub(spent)) {
            let jitter = 1.0 + 0.01 * f64::from(next.block.unwrap_or_default() % 3);
            search.tell(next, outcome(jitter * goodput(next.settings, 8, 1e6), LimitedBy::Unknown));
            spent += next.lasts.all();
        }
        assert!(spent <= budget, "{spent:?} of {budget:?}");
        let found = recommend(&search, Direction::Up);
        assert!(found.is_some() || seconds < least, "a budget of {seconds} s");
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

#[test]
fn several_parts_of_a_file_in_flight_say_nothing_of_gcs() {
    // What is set now, with one part in flight, is compared too.
    let config = Config { parts_in_flight: vec![2, 4], ..config(1) };
    let measure = |next: Next| outcome(goodput(next.settings, 8, 0.0), LimitedBy::GatewayOrNetwork);
    let (search, _) = drive(config, 40, measure);
    let chosen = recommend(&search, Direction::Up).unwrap().settings;
    assert_eq!(for_gcs(&search, chosen, &GcsOptions::default()), None);
    let connector = GcsOptions { connector_parts_in_flight: Some(4), ..GcsOptions::default() };
    assert_eq!(for_gcs(&search, Settings { parts_in_flight: 2, ..chosen }, &connector), None);
}

#[test]
fn nothing_is_clear_before_more_streams_were_compared() {
    let (mut clear, mut searches) = (0, 0);
    for (trials, seed) in (2..=40).flat_map(|trials| (1..=10).map(move |seed| (trials, seed))) {
        let mut random = fastrand::Rng::with_seed(seed);
        let knee = random.u32(2..=100);
        let search = search(knee, 4.0 * MIB as f64, 0.002, trials, seed);
        let Some(found) = recommend(&search, Direction::Up) else { continue };
        searches += 1;
        if found.verdict != Verdict::Clear {
            continue;
        }
        clear += 1;
        let blocks = [Some(Phase::Race), Some(Phase::Confirmation)];
        let is_more = |one: &Comparison| {
            blocks.contains(&one.phase) && one.settings.streams() > found.settings.streams()
        };
        assert!(found.compared_with.iter().any(is_more), "{trials} {seed}: {found:?}");
    }
    assert!(10 * clear > 3 * searches, "{clear} of {searches}");
}
