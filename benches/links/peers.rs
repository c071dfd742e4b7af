//! What else chooses settings, each with as many bytes as `tidegate tune` spent on the link.
//!
//! Each trial is a run of its own of 5 s after its warm-up, on the link with its weather. A trial is begun
//! while bytes are left, so the last one may go beyond. What a peer may set is what the truth looks at.

use std::collections::BTreeMap;

use tidegate::result::Settings;

use crate::Result;
use crate::answer::{Answer, Recommended};
use crate::draw::{Link, settings};
use crate::program::{Bench, Load};
use crate::truth::{CONCURRENCY_MAX, PART_SIZES_MIB, Truths};

/// Of a trial.
const WINDOW_S: f64 = 5.0;

/// A search that spends nothing ends, too.
const TRIALS_MAX: u64 = 200;

/// What Storj's guide names.
const PART_SIZE_MIB: u64 = 64;

/// Of the grid; each with both part sizes.
const CONCURRENCIES: [u32; 6] = [2, 8, 32, 128, 256, 500];

/// Who chooses.
#[derive(Clone, Copy, Debug)]
pub enum Peer {
    Grid,
    Random,
    AzCopy,
    Falcon,
}

impl Peer {
    pub const ALL: [Self; 4] = [Self::Grid, Self::Random, Self::AzCopy, Self::Falcon];

    /// In the report.
    pub fn name(self) -> &'static str {
        match self {
            Self::Grid => "grid of 12 cells",
            Self::Random => "random search",
            Self::AzCopy => "AzCopy's rule, 64 MiB",
            Self::Falcon => "Falcon's utility, 64 MiB",
        }
    }

    /// What it answers with as many bytes.
    pub fn answer(self, own: &Answer, bench: &Bench, truths: &Truths) -> Result<Answer> {
        let link = &own.link;
        let mut answer = Answer::nothing(link, bench, truths, self.name(), &own.budget)?;
        let mut world = World { link, bench, bytes_max: own.bytes, bytes: 0.0, trials: 0 };
        let chosen = match self {
            Self::Grid => world.best_of(cells_of_the_grid(link))?,
            Self::Random => world.best_of(cells_at_random(link))?,
            Self::AzCopy => Some(azcopy(&mut world)?),
            Self::Falcon => Some(falcon(&mut world)?),
        };
        answer.bytes = world.bytes;
        answer.recommended = match chosen {
            Some((settings, told)) => {
                let worth = truths.worth(link, bench, settings)?;
                Some(Recommended { settings, verdict: None, told, worth })
            }
            None => None,
        };
        Ok(answer)
    }
}

/// Settings, and the goodput that was measured.
type Choice = (Settings, f64);

/// What can be measured, and what that cost so far.
struct World<'a> {
    link: &'a Link,
    bench: &'a Bench<'a>,
    bytes_max: f64,
    bytes: f64,
    trials: u64,
}

impl World<'_> {
    fn is_over(&self) -> bool {
        self.bytes >= self.bytes_max || self.trials >= TRIALS_MAX
    }

    fn measure(&mut self, settings: Settings) -> Result<f64> {
        self.trials += 1;
        // Other times are drawn in each trial of each link.
        let seed = self.link.number * TRIALS_MAX + self.trials;
        let measured =
            self.bench.measure_in_weather(Load { settings, window_s: WINDOW_S, seed })?;
        self.bytes += measured.bytes;
        Ok(measured.cell.goodput)
    }

    /// Measures cells in turn and takes the one with the highest mean.
    fn best_of(&mut self, cells: impl Iterator<Item = Settings>) -> Result<Option<Choice>> {
        let mut sums = BTreeMap::<Settings, (f64, f64)>::new();
        for settings in cells {
            if self.is_over() {
                break;
            }
            let goodput = self.measure(settings)?;
            let (sum, count) = sums.entry(settings).or_default();
            *sum += goodput;
            *count += 1.0;
        }
        let means = sums.into_iter().map(|(settings, (sum, count))| (settings, sum / count));
        Ok(means.max_by(|one, other| one.1.total_cmp(&other.1)))
    }
}

/// All in random order, again and again.
fn cells_of_the_grid(link: &Link) -> impl Iterator<Item = Settings> {
    let mut random = fastrand::Rng::with_seed(link.number).fork();
    let all = |mib| CONCURRENCIES.map(|concurrency| settings(mib, concurrency));
    let cells: Vec<Settings> = PART_SIZES_MIB.into_iter().flat_map(all).collect();
    std::iter::repeat_with(move || {
        let mut shuffled = cells.clone();
        random.shuffle(&mut shuffled);
        shuffled
    })
    .flatten()
}

fn cells_at_random(link: &Link) -> impl Iterator<Item = Settings> {
    let mut random = fastrand::Rng::with_seed(link.number).fork();
    std::iter::repeat_with(move || {
        let concurrency = f64::from(CONCURRENCY_MAX).powf(random.f64()).round() as u32;
        let part_size = PART_SIZES_MIB[random.usize(..PART_SIZES_MIB.len())];
        settings(part_size, concurrency)
    })
}

/// Azure/azure-storage-azcopy, `ste/concurrencyTuner.go`: from 4 on times 4, later times 2; a step is taken
/// if it brings a fifth of what is proportional, else a smaller one is tried.
fn azcopy(world: &mut World) -> Result<Choice> {
    let at = |concurrency| settings(PART_SIZE_MIB, concurrency);
    let (mut now, mut multiplier) = (4, 4);
    let mut rate = world.measure(at(now))?;
    while multiplier >= 2 && !world.is_over() {
        let next = (now * multiplier).min(CONCURRENCY_MAX);
        let brought = world.measure(at(next))?;
        let wanted = rate * (1.0 + 0.2 * (f64::from(next) / f64::from(now) - 1.0));
        if next > now && brought > wanted {
            (now, rate) = (next, brought);
        } else {
            multiplier /= 2;
        }
    }
    Ok((at(now), rate))
}

/// M. Arifuzzaman, E. Arslan, "Online optimization of file transfers in high-speed networks", SC 2021:
/// gradient ascent of U(n) = X / K^n with K = 1.02 (arif-zaman/Falcon-File-Transfer-Optimizer); the step
/// grows while its direction stays.
fn falcon(world: &mut World) -> Result<Choice> {
    let at = |files| settings(PART_SIZE_MIB, files);
    let utility = |goodput: f64, files: u32| goodput / 1.02_f64.powi(files as i32);
    let (mut files, mut step) = (2_u32, 1.0_f64);
    let mut best = (0.0, at(files), 0.0);
    while !world.is_over() {
        let [fewer, more] = [files.saturating_sub(1).max(1), (files + 1).min(CONCURRENCY_MAX)];
        let goodputs = [world.measure(at(fewer))?, world.measure(at(more))?];
        let utilities = [utility(goodputs[0], fewer), utility(goodputs[1], more)];
        let up = utilities[1] > utilities[0];
        let higher = usize::from(up);
        if utilities[higher] > best.0 {
            best = (utilities[higher], at(files), goodputs[higher]);
        }
        step = if up == (step > 0.0) { step * 1.5 } else { -step.signum() };
        files = (f64::from(files) + step).round().clamp(1.0, f64::from(CONCURRENCY_MAX)) as u32;
    }
    Ok((best.1, best.2))
}
