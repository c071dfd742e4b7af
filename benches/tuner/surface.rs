//! Made-up links whose best settings are known, measured with noise, drift and outliers.

use std::f64::consts::TAU;

use tidegate::result::{LimitedBy, Settings};
use tidegate::stats::normal;
use tidegate::tune::Outcome;
use tidegate::units::MIB;

/// The reference grid.
pub const PART_SIZES_MIB: [u64; 5] = [8, 16, 32, 64, 128];
/// Files in flight.
pub const CONCURRENCIES: [u32; 8] = [1, 2, 4, 8, 16, 32, 64, 128];
/// Parts of one file in flight.
pub const PARTS_IN_FLIGHT: [u32; 3] = [1, 2, 4];
/// Trials of each cell of the grid.
pub const REPEATS: u32 = 3;

/// What `tune` allows to be refused by default.
const REFUSED_MAX: f64 = 0.05;

/// What is refused where calls are limited: movers learn from refusals and keep one pace (0.1 to 3 % on drawn links,
/// results/links).
const PACED_REFUSED: f64 = 0.02;

/// Share of a trial's time before its window opens: 2 s of 7 s.
const WARM_UP: f64 = 2.0 / 7.0;

/// Share of trials that are disturbed from outside, and what of their rate is left (ASSUMPTION).
const OUTLIERS: f64 = 0.03;
const OUTLIER_LEFT: [f64; 2] = [0.4, 0.8];

/// How the rate depends on the streams, or on the part size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shape {
    /// Every stream adds as much as the first.
    Linear,
    /// The universal scalability law without crosstalk, or a link that is full.
    Saturating,
    /// The law with crosstalk: a peak, and less beyond.
    Retrograde,
    /// Nothing makes a difference.
    Flat,
    /// Full at a number of streams, and told to slow down beyond.
    Throttled,
    /// Saturating, with two good part sizes that are not neighbours.
    TwoHumps,
    /// Saturating, with a limit on calls a second that saved-up ones exceed for a while: what a trial spends, the
    /// next one lacks.
    SavedUpCalls,
}

impl Shape {
    pub const ALL: [Self; 7] = [
        Self::Linear,
        Self::Saturating,
        Self::Retrograde,
        Self::Flat,
        Self::Throttled,
        Self::TwoHumps,
        Self::SavedUpCalls,
    ];
}

/// A link.
#[derive(Clone, Debug)]
pub struct Surface {
    pub shape: Shape,
    /// Standard deviation of the logarithm of one trial.
    pub noise: f64,
    drifts: bool,
    has_outliers: bool,
    /// What one part costs in bytes that could have been sent instead.
    part_cost_bytes: f64,
    /// Share of a stream that is lost by each doubling of the parts in flight.
    shape_cost: f64,
    alpha: f64,
    beta: f64,
    knee: f64,
    /// Of each part size, where there are two humps.
    humps: [f64; 5],
    calls: Calls,
}

/// A limit on calls, of which each part takes one.
#[derive(Clone, Copy, Debug)]
struct Calls {
    per_trial: f64,
    /// How many can be saved up.
    saved_max: f64,
}

impl Surface {
    pub fn drawn(shape: Shape, noise: f64, random: &mut fastrand::Rng) -> Self {
        let knee = between(random, 2.0, 100.0);
        let sharp = between(random, 1.0, 4.0) < 2.0;
        let (part_cost_mib, shape_cost) = (between(random, 0.1, 8.0), between(random, 0.001, 0.05));
        let good = between(random, 0.92, 1.0);
        let humps = match between(random, 1.0, 4.0) < 2.0 {
            true => [0.7, 1.0, 0.75, good, 0.8],
            false => [good, 0.75, 0.7, 1.0, 0.85],
        };
        let (drifts, has_outliers) = (random.bool(), random.bool());
        let alpha = match shape {
            Shape::Saturating | Shape::TwoHumps | Shape::SavedUpCalls if sharp => 0.0,
            Shape::Saturating | Shape::TwoHumps | Shape::SavedUpCalls => 1.0 / knee,
            Shape::Retrograde => 0.02,
            Shape::Linear | Shape::Flat | Shape::Throttled => 0.0,
        };
        // Of parts of 64 MiB, two streams are let in at the least.
        let let_in = between(random, 2.0, 2.0 * knee.max(2.0));
        let calls_per_trial = let_in * 1e8 / (64 * MIB) as f64;
        // Storj lets a second's calls be saved up, and a trial takes seven; others save up more.
        let calls = Calls {
            per_trial: calls_per_trial,
            saved_max: calls_per_trial * between(random, 0.05, 0.5),
        };
        let beta = if shape == Shape::Retrograde { 1.0 / (knee * knee) } else { 0.0 };
        let part_cost_bytes = part_cost_mib * MIB as f64;
        Self {
            shape,
            noise,
            drifts,
            has_outliers,
            part_cost_bytes,
            shape_cost,
            alpha,
            beta,
            knee,
            humps,
            calls,
        }
    }

    /// The true goodput: what is carried in the long run.
    pub fn goodput(&self, settings: Settings) -> f64 {
        let unlimited = self.unlimited(settings);
        match self.shape {
            Shape::SavedUpCalls => {
                unlimited.min(self.calls.per_trial * settings.part_size_bytes as f64)
            }
            _ => unlimited,
        }
    }

    /// The same if calls were not limited.
    fn unlimited(&self, settings: Settings) -> f64 {
        if self.shape == Shape::Flat {
            return 1e8;
        }
        let part = settings.part_size_bytes as f64;
        let in_vain = self.shape_cost * f64::from(settings.parts_in_flight).log2();
        let streams =
            f64::from(settings.streams()) * part / (part + self.part_cost_bytes) * (1.0 - in_vain);
        let is_sharp = self.alpha == 0.0 && self.beta == 0.0;
        let scaled = match self.shape {
            Shape::Linear => streams,
            Shape::Throttled if self.is_throttled(settings) => 0.6 * self.knee,
            _ if is_sharp => streams.min(0.8 * self.knee),
            _ => {
                let more = streams - 1.0;
                streams / (1.0 + self.alpha * more + self.beta * streams * more).max(0.1)
            }
        };
        let hump = match self.shape {
            Shape::TwoHumps => {
                let place =
                    PART_SIZES_MIB.iter().position(|mib| mib * MIB == settings.part_size_bytes);
                place.map_or(0.7, |place| self.humps[place])
            }
            _ => 1.0,
        };
        1e8 * scaled * hump
    }

    /// Share of the attempts that are told to slow down, in the long run.
    fn refused(&self, settings: Settings) -> f64 {
        match self.shape {
            Shape::SavedUpCalls if self.goodput(settings) < self.unlimited(settings) => {
                PACED_REFUSED
            }
            _ if self.is_throttled(settings) => 0.3,
            _ => 0.0,
        }
    }

    fn is_throttled(&self, settings: Settings) -> bool {
        self.shape == Shape::Throttled && f64::from(settings.streams()) > self.knee
    }

    /// The highest true goodput on the grid, where no more is refused than a recommendation may be.
    pub fn best(&self) -> f64 {
        let allowed = grid().filter(|settings| self.refused(*settings) <= REFUSED_MAX);
        allowed.map(|settings| self.goodput(settings)).fold(0.0, f64::max)
    }

    /// What all trials of the reference grid move, for trials of one second.
    pub fn grid_bytes(&self) -> f64 {
        f64::from(REPEATS) * grid().map(|settings| self.goodput(settings)).sum::<f64>()
    }

    /// Standard deviation of one trial's logarithm, outliers included.
    pub fn sd(&self) -> f64 {
        if !self.has_outliers {
            return self.noise;
        }
        let [low, high] = OUTLIER_LEFT;
        let steps =
            (0..1000).map(|step| (low + (high - low) * (f64::from(step) + 0.5) / 1000.0).ln());
        let (sum, squares) =
            steps.fold((0.0, 0.0), |(sum, squares), log| (sum + log, squares + log * log));
        let (mean, square) = (OUTLIERS * sum / 1000.0, OUTLIERS * squares / 1000.0);
        (self.noise.powi(2) + square - mean * mean).sqrt()
    }
}

/// Log-uniform.
fn between(random: &mut fastrand::Rng, low: f64, high: f64) -> f64 {
    low * (high / low).powf(random.f64())
}

/// All cells.
pub fn grid() -> impl Iterator<Item = Settings> {
    PART_SIZES_MIB.into_iter().flat_map(|mib| {
        CONCURRENCIES.into_iter().flat_map(move |concurrency| {
            PARTS_IN_FLIGHT.into_iter().map(move |parts_in_flight| Settings {
                part_size_bytes: mib * MIB,
                concurrency,
                parts_in_flight,
            })
        })
    })
}

/// A link that is measured: each trial takes one second.
pub struct World<'a> {
    pub surface: &'a Surface,
    random: fastrand::Rng,
    phase: f64,
    pub trials: u32,
    pub bytes: f64,
    highest: f64,
    saved_up_calls: f64,
}

impl<'a> World<'a> {
    pub fn new(surface: &'a Surface, seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let phase = random.f64();
        let saved_up_calls = surface.calls.saved_max;
        Self { surface, random, phase, trials: 0, bytes: 0.0, highest: 0.0, saved_up_calls }
    }

    pub fn measure(&mut self, settings: Settings) -> Outcome {
        let surface = self.surface;
        let mut log = surface.noise * normal(&mut self.random);
        if surface.drifts {
            // A third up and down, once in a hundred trials.
            log += 0.3 * (TAU * (self.phase + f64::from(self.trials) / 100.0)).sin();
        }
        if surface.has_outliers && self.random.f64() < OUTLIERS {
            let [low, high] = OUTLIER_LEFT;
            log += (low + (high - low) * self.random.f64()).ln();
        }
        let goodput = self.carried(settings) * log.exp();
        self.trials += 1;
        self.bytes += goodput;
        self.highest = self.highest.max(goodput);
        Outcome { goodput, ..self.measured(settings) }
    }

    /// What the link carries in a window, beside noise: saved-up calls last for a while.
    fn carried(&mut self, settings: Settings) -> f64 {
        if self.surface.shape != Shape::SavedUpCalls {
            return self.surface.goodput(settings);
        }
        let part = settings.part_size_bytes as f64;
        let asked = self.surface.unlimited(settings) / part;
        self.pass(asked, WARM_UP);
        self.pass(asked, 1.0 - WARM_UP) * part / (1.0 - WARM_UP)
    }

    /// Calls that are let through in such a share of a trial's time.
    fn pass(&mut self, asked_per_trial: f64, share: f64) -> f64 {
        let Calls { per_trial, saved_max } = self.surface.calls;
        let passed = (asked_per_trial * share).min(self.saved_up_calls + per_trial * share);
        let left = self.saved_up_calls + per_trial * share - passed;
        self.saved_up_calls = left.min(saved_max);
        passed
    }

    /// What a trial shows beside its goodput.
    pub fn measured(&self, settings: Settings) -> Outcome {
        let refused = self.surface.refused(settings);
        let limited_by = match refused {
            0.0 => LimitedBy::GatewayOrNetwork,
            _ => LimitedBy::Throttled,
        };
        Outcome { refused, ..Outcome::of(0.0, limited_by) }
    }

    /// The mean of so many trials in a row.
    pub fn held(&mut self, settings: Settings, trials: u32) -> f64 {
        let sum: f64 = (0..trials).map(|_| self.measure(settings).goodput).sum();
        sum / f64::from(trials)
    }

    /// Trials that are sure to fit a budget, at the highest goodput so far.
    pub fn affordable(&self, budget: Budget) -> u32 {
        let trials = budget.trials.saturating_sub(self.trials);
        let bytes = (budget.bytes - self.bytes).max(0.0);
        let fit = if self.highest > 0.0 { bytes / self.highest } else { f64::from(trials) };
        trials.min(fit as u32)
    }
}

/// What a strategy may spend.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    pub trials: u32,
    pub bytes: f64,
}

impl Budget {
    /// A fifth of the reference grid's trials and bytes.
    pub fn of(surface: &Surface) -> Self {
        let trials = grid().count() as u32 * REPEATS / 5;
        Self { trials, bytes: surface.grid_bytes() / 5.0 }
    }
}
