//! What deciding costs: the statistics and the search between two trials must not be felt.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use tidegate::result::{Direction, LimitedBy, Settings};
use tidegate::stats::{log_mean, quantile};
use tidegate::tune::{Config, Limits, Objective, Outcome, Search, recommend};
use tidegate::units::MIB;

/// Trials within the default budget of ten minutes at eleven seconds each.
const TRIALS: u32 = 54;

fn statistics(criterion: &mut Criterion) {
    let ratios: Vec<f64> = (0..16).map(|block| 1.0 + f64::from(block) / 100.0).collect();
    let mut group = criterion.benchmark_group("statistics");
    for blocks in [3, 16] {
        group.bench_function(format!("log_mean_of_{blocks}"), |bencher| {
            bencher.iter(|| log_mean(black_box(&ratios[..blocks])));
        });
    }
    group.bench_function("quantile", |bencher| {
        bencher.iter(|| quantile(black_box(0.975), black_box(5)));
    });
    group.finish();
}

fn deciding(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("search_of_54_trials");
    group.bench_function("ask_and_tell", |bencher| bencher.iter(searched));
    let search = searched();
    assert!(recommend(&search, Direction::Up).is_some(), "the search came to a race");
    group.bench_function("recommend", |bencher| {
        bencher.iter(|| recommend(black_box(&search), Direction::Up));
    });
    group.finish();
}

/// A search on a made-up surface: proportional up to 12 streams, flat beyond, with 3 % of noise.
fn searched() -> Search {
    let current = Settings { part_size_bytes: 64 * MIB, concurrency: 2, parts_in_flight: 1 };
    let mut search = Search::new(Config {
        part_sizes_bytes: vec![16 * MIB, 64 * MIB],
        concurrency_max: 64,
        parts_in_flight: vec![1],
        current,
        limits: Limits::default(),
        objective: Objective::default(),
        seed: 1,
    });
    let mut random = fastrand::Rng::with_seed(1);
    for left in (1..=TRIALS).rev() {
        let Some(next) = search.ask(left) else { break };
        let streams = next.settings.streams().min(12);
        let goodput = 1e8 * streams as f64 * (1.0 + 0.03 * random.f64());
        search.tell(next, Outcome { goodput, limited_by: LimitedBy::Unknown, steady: None });
    }
    search
}

criterion_group!(benches, statistics, deciding);
criterion_main!(benches);
