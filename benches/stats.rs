//! What deciding costs: the statistics and the search between two trials must not be felt.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use tidegate::result::{Direction, LimitedBy, Settings};
use tidegate::stats::{log_mean, quantile};
use tidegate::tune::{
    Ceiling, Config, Limits, Objective, Outcome, Rules, Search, Times, recommend,
};
use tidegate::units::MIB;

/// The default budget.
const BUDGET: Duration = Duration::from_secs(600);

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
    let mut group = criterion.benchmark_group("search_of_ten_minutes");
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
    let second = Duration::from_secs(1);
    let mut search = Search::new(Config {
        part_sizes_bytes: vec![16 * MIB, 64 * MIB],
        concurrency_max: 64,
        parts_in_flight: vec![1],
        current,
        ceiling: Ceiling::Asked,
        objective: Objective::default(),
        rules: Rules {
            limits: Limits::default(),
            max_refused: 0.05,
            times: Times { warm_up: 2 * second, window: 5 * second, soak: 60 * second },
            seed: 1,
        },
    });
    let mut random = fastrand::Rng::with_seed(1);
    let mut left = BUDGET;
    while let Some(next) = search.ask(left) {
        let streams = next.settings.streams().min(12);
        let goodput = 1e8 * streams as f64 * (1.0 + 0.03 * random.f64());
        search.tell(next, Outcome::of(goodput, LimitedBy::Unknown));
        left = left.saturating_sub(next.lasts.all());
    }
    search
}

criterion_group!(benches, statistics, deciding);
criterion_main!(benches);
