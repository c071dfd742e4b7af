//! One link: the search, the grid, the pairs.

use tidegate::result::{Document, LimitedBy, Recommendation, Settings, Trial};
use tidegate::stats::{LogMean, log_mean};
use tidegate::tune::MARGIN;
use tidegate::units::MIB;

use crate::Result;
use crate::link::{Limit, Link};
use crate::program::Gateway;

/// So small that a window holds several parts of most streams: with parts of 64 MiB a round of 32 streams
/// takes nine seconds on these links.
const PART_SIZES_MIB: [u64; 2] = [5, 16];

/// What a GCS administrator can set up to the highest that is searched, those between the doublings too.
const CONCURRENCIES: [u32; 10] = [1, 2, 4, 8, 12, 16, 24, 32, 48, 64];

/// How long it searches.
const BUDGET: &str = "120s";

/// Least time for which it holds its choice.
const SOAK: &str = "10s";

/// Of each trial.
const WARM_UP: &str = "500ms";

/// Of the search's and the grid's trials.
const WINDOW: &str = "1500ms";

/// Of a pair's: the longer the less noise.
const WINDOW_OF_PAIRS: &str = "3s";

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub pairs: u32,
}

/// What was measured on a link.
pub struct Checked {
    pub link: Link,
    pub tuned: Document,
    pub recommended: Recommendation,
    pub grid: Vec<Trial>,
    /// The cell with the highest goodput.
    pub best: Option<Settings>,
    /// Goodputs of the recommendation and the best cell.
    pub pairs: Vec<[f64; 2]>,
}

/// Searches and measures.
pub fn check(link: Link, plan: Plan) -> Result<Checked> {
    let gateway = Gateway::on(link)?;
    let part_sizes = PART_SIZES_MIB.map(|mib| format!("{mib}MiB")).join(",");
    let most = CONCURRENCIES[CONCURRENCIES.len() - 1].to_string();
    eprintln!("{}: tidegate tune", link.name);
    let search = [
        ["--part-sizes", &part_sizes],
        ["--max-concurrency", &most],
        ["--budget", BUDGET],
        ["--warm-up", WARM_UP],
        ["--window", WINDOW],
        ["--soak", SOAK],
    ];
    let tuned = gateway.tune(&search.concat())?;
    let recommended = tuned.recommendation.clone().ok_or("it recommends nothing")?;
    let mut checked =
        Checked { link, tuned, recommended, grid: Vec::new(), best: None, pairs: Vec::new() };
    if link.has_a_best() {
        checked.measure(&gateway, plan)?;
    }
    Ok(checked)
}

impl Checked {
    fn measure(&mut self, gateway: &Gateway, plan: Plan) -> Result<()> {
        let mut random = fastrand::Rng::with_seed(1);
        let mut cells = cells();
        random.shuffle(&mut cells);
        for (number, settings) in (1..).zip(&cells) {
            eprintln!("{}: cell {number} of {}", self.link.name, cells.len());
            self.grid.push(gateway.trial(*settings, WINDOW, WARM_UP)?);
        }
        let goodput = |trial: &&Trial| trial.goodput_bytes_per_second;
        let best = self.grid.iter().max_by(|one, other| goodput(one).total_cmp(&goodput(other)));
        let best = best.ok_or("the grid is empty")?.settings;
        self.best = Some(best);
        for pair in 1..=plan.pairs {
            eprintln!("{}: pair {pair} of {}", self.link.name, plan.pairs);
            let goodput = |settings| -> Result<f64> {
                let trial = gateway.trial(settings, WINDOW_OF_PAIRS, WARM_UP)?;
                Ok(trial.goodput_bytes_per_second)
            };
            let recommended = self.recommended.settings;
            self.pairs.push(match random.bool() {
                true => [goodput(recommended)?, goodput(best)?],
                false => {
                    let best = goodput(best)?;
                    [goodput(recommended)?, best]
                }
            });
        }
        Ok(())
    }

    /// The ratio of the recommendation to the best cell; `None` where there is none.
    pub fn ratio(&self) -> Option<LogMean> {
        let ratios: Vec<f64> = self.pairs.iter().map(|[one, other]| one / other).collect();
        log_mean(&ratios)
    }

    /// Trials of the search and the grid with these streams, and how many of them name this limit.
    pub fn named(&self, limit: LimitedBy, streams: impl Fn(u32) -> bool) -> (usize, usize) {
        let trials = self.tuned.trials.iter().chain(&self.grid);
        let trials: Vec<&Trial> =
            trials.filter(|trial| streams(trial.settings.streams())).collect();
        let named = trials.iter().filter(|trial| trial.limited_by == limit).count();
        (trials.len(), named)
    }

    /// Whether the claims hold.
    pub fn verdict(&self) -> Claims {
        let low = self.ratio().and_then(|ratio| ratio.interval_95).map(|[low, _]| low);
        let limits_named = match self.link.limit {
            Limit::Nothing => true,
            Limit::Throttled { beyond } => {
                let (above, named) = self.named(LimitedBy::Throttled, |streams| streams > beyond);
                let (_, wrong) = self.named(LimitedBy::Throttled, |streams| streams <= beyond);
                above > 0 && named == above && wrong == 0
            }
            Limit::Client => self.recommended.limited_by == Some(LimitedBy::ClientCpu),
        };
        let near_the_best = low.map(|low| low >= 1.0 - MARGIN);
        Claims {
            near_the_best: near_the_best.or((!self.link.has_a_best()).then_some(true)),
            limits_named,
        }
    }
}

/// What is claimed of a link.
#[derive(Clone, Copy, Debug)]
pub struct Claims {
    /// Nothing was measured that could say it: `None`.
    near_the_best: Option<bool>,
    limits_named: bool,
}

impl Claims {
    pub fn holds(self) -> bool {
        self.near_the_best == Some(true) && self.limits_named
    }

    /// In a table.
    pub fn word(self) -> &'static str {
        match (self.near_the_best, self.limits_named) {
            (Some(true), true) => "yes",
            (Some(true), false) => "no: a limit is not named",
            (Some(false), _) => "no: the lower end is below 0.95",
            (None, _) => "no: too few pairs",
        }
    }
}

fn cells() -> Vec<Settings> {
    let of = |mib: u64| {
        CONCURRENCIES.map(|concurrency| Settings {
            part_size_bytes: mib * MIB,
            concurrency,
            parts_in_flight: 1,
        })
    };
    PART_SIZES_MIB.into_iter().flat_map(of).collect()
}
