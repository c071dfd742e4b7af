//! The tuner and what it is compared with, each with the same budget.

use std::collections::BTreeMap;
use std::time::Duration;

use tidegate::result::{Direction, Phase, Recommendation, Settings};
use tidegate::tune::{
    Ceiling, Config, Limits, Next, Objective, Outcome, Rules, Search, Times, recommend,
};
use tidegate::units::MIB;

use super::surface::{
    Budget, CONCURRENCIES, PART_SIZES_MIB, PARTS_IN_FLIGHT, REPEATS, World, grid,
};

/// Who chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strategy {
    Tidegate,
    Grid,
    CoarseGrid,
    Random,
    AzCopy,
    Falcon,
    Cores,
}

impl Strategy {
    pub const ALL: [Self; 7] = [
        Self::Tidegate,
        Self::Grid,
        Self::CoarseGrid,
        Self::Random,
        Self::AzCopy,
        Self::Falcon,
        Self::Cores,
    ];

    /// In the report.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tidegate => "tidegate",
            Self::Grid => "reference grid, five times the budget",
            Self::CoarseGrid => "grid of 24 cells",
            Self::Random => "random search",
            Self::AzCopy => "AzCopy's rule, 64 MiB",
            Self::Falcon => "Falcon's utility, 64 MiB",
            Self::Cores => "as many as 16 cores, 64 MiB",
        }
    }

    /// What it chooses.
    pub fn choose(self, world: &mut World, budget: Budget, seed: u64) -> Option<Settings> {
        let mut random = fastrand::Rng::with_seed(seed);
        match self {
            Self::Tidegate => Some(tuned(world, budget, seed)?.recommendation.settings),
            Self::Grid => {
                let all = (0..REPEATS).flat_map(|_| grid()).collect();
                let without = Budget { trials: u32::MAX, bytes: f64::INFINITY };
                best_of(world, without, all, &mut random)
            }
            Self::CoarseGrid => best_of(world, budget, coarse_grid(), &mut random),
            Self::Random => {
                let mut cells: Vec<Settings> = grid().collect();
                random.shuffle(&mut cells);
                best_of(world, budget, cells, &mut random)
            }
            Self::AzCopy => Some(azcopy(world, budget)),
            Self::Falcon => Some(falcon(world, budget)),
            Self::Cores => Some(at(16)),
        }
    }
}

/// A trial takes a second, and the choice is held for six of them.
const TIMES: Times =
    Times { warm_up: Duration::ZERO, window: Duration::from_secs(1), soak: Duration::from_secs(6) };

/// A search and all that it measured.
pub struct Tuned {
    pub recommendation: Recommendation,
    pub trials: Vec<Next>,
}

pub fn tuned(world: &mut World, budget: Budget, seed: u64) -> Option<Tuned> {
    let mut search = Search::new(Config {
        part_sizes_bytes: PART_SIZES_MIB.map(|mib| mib * MIB).to_vec(),
        concurrency_max: CONCURRENCIES[CONCURRENCIES.len() - 1],
        parts_in_flight: PARTS_IN_FLIGHT.to_vec(),
        current: at(2),
        ceiling: Ceiling::Asked,
        objective: Objective::default(),
        rules: Rules { limits: Limits::default(), max_refused: 0.05, times: TIMES, seed },
    });
    let mut trials = Vec::new();
    while let Some(next) = search.ask(Duration::from_secs(world.affordable(budget).into())) {
        let goodput = match next.phase {
            Phase::Soak => world.held(next.settings, TIMES.soak.as_secs() as u32),
            _ => world.measure(next.settings).goodput,
        };
        let outcome = Outcome { goodput, took: next.lasts.all(), ..world.measured(next.settings) };
        search.tell(next, outcome);
        trials.push(next);
    }
    Some(Tuned { recommendation: recommend(&search, Direction::Up)?, trials })
}

impl Tuned {
    /// Blocks of the confirmation, and the settings that were measured twice in each.
    pub fn confirmation(&self) -> (usize, Option<Settings>) {
        let duplicate = self.trials.iter().find(|next| next.phase == Phase::Duplicate);
        let current = |next: &&Next| next.phase == Phase::Confirmation;
        let first = self.trials.iter().find(current).map(|next| next.settings);
        let blocks = self.trials.iter().filter(current).filter(|next| Some(next.settings) == first);
        (blocks.count(), duplicate.map(|next| next.settings))
    }
}

/// What Storj's guide names as part size; one part in flight.
fn at(concurrency: u32) -> Settings {
    Settings { part_size_bytes: 64 * MIB, concurrency, parts_in_flight: 1 }
}

/// Every other part size and concurrency, the least and the most parts in flight; again while it lasts.
fn coarse_grid() -> Vec<Settings> {
    let is_in = |one: &Settings| {
        [8, 32, 128].contains(&(one.part_size_bytes / MIB))
            && [2, 8, 32, 128].contains(&one.concurrency)
            && [1, 4].contains(&one.parts_in_flight)
    };
    (0..REPEATS).flat_map(|_| grid().filter(is_in)).collect()
}

/// Measures cells in turn and takes the one with the highest mean.
fn best_of(
    world: &mut World,
    budget: Budget,
    mut cells: Vec<Settings>,
    random: &mut fastrand::Rng,
) -> Option<Settings> {
    if cells.len() > grid().count() {
        random.shuffle(&mut cells);
    }
    let mut sums = BTreeMap::<Settings, (f64, f64)>::new();
    for settings in cells {
        if world.affordable(budget) == 0 {
            break;
        }
        let (sum, count) = sums.entry(settings).or_default();
        *sum += world.measure(settings).goodput;
        *count += 1.0;
    }
    let mean = |settings: &Settings| sums[settings].0 / sums[settings].1;
    sums.keys().copied().max_by(|one, other| mean(one).total_cmp(&mean(other)))
}

/// Azure/azure-storage-azcopy, `ste/concurrencyTuner.go`: from 4 on times 4, later times 2; a step is taken
/// if it brings a fifth of what is proportional, else a smaller one is tried.
fn azcopy(world: &mut World, budget: Budget) -> Settings {
    let (mut now, mut multiplier) = (4, 4);
    let mut rate = world.measure(at(now)).goodput;
    while multiplier >= 2 && world.affordable(budget) > 0 {
        let next = (now * multiplier).min(128);
        let brought = world.measure(at(next)).goodput;
        let wanted = rate * (1.0 + 0.2 * (f64::from(next) / f64::from(now) - 1.0));
        if next > now && brought > wanted {
            (now, rate) = (next, brought);
        } else {
            multiplier /= 2;
        }
    }
    at(now)
}

/// M. Arifuzzaman, E. Arslan, "Online optimization of file transfers in high-speed networks", SC 2021:
/// gradient ascent of U(n) = X / K^n with K = 1.02 (arif-zaman/Falcon-File-Transfer-Optimizer); the step
/// grows while its direction stays.
fn falcon(world: &mut World, budget: Budget) -> Settings {
    let utility = |world: &mut World, files: u32| {
        world.measure(at(files)).goodput / 1.02_f64.powi(files as i32)
    };
    let (mut files, mut step) = (2_u32, 1.0_f64);
    let mut best = (0.0, files);
    while world.affordable(budget) >= 2 {
        let fewer = utility(world, files.saturating_sub(1).max(1));
        let more = utility(world, (files + 1).min(128));
        if more.max(fewer) > best.0 {
            best = (more.max(fewer), files);
        }
        let up = more > fewer;
        step = if up == (step > 0.0) { step * 1.5 } else { -step.signum() };
        files = (f64::from(files) + step).round().clamp(1.0, 128.0) as u32;
    }
    at(best.1)
}
