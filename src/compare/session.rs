//! What one run says about one settings, and what several say together.

use std::collections::BTreeMap;

use super::comparable::Common;
use crate::result::{Document, Trial};
use crate::stats;

/// Degrees of freedom of the interval within one trial: it comes from ten batches.
const WITHIN_TRIAL: usize = 9;

/// More degrees of freedom than this make no difference to a quantile of t.
const DEGREES_OF_FREEDOM_MAX: f64 = 1e6;

/// The goodput of one settings in one run.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Session {
    pub(super) id: String,
    started: String,
    /// Mean of the logarithms.
    pub(super) log: f64,
    /// Processor time for 10^9 bytes: the geometric mean over its trials, where each says so.
    pub(super) cpu: Option<f64>,
    /// What is known of how well this run fixes its own mean.
    within: Option<Within>,
    by_block: BTreeMap<u32, f64>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Within {
    /// Variance of the mean of the logarithms.
    variance: f64,
    degrees_of_freedom: usize,
}

impl Session {
    /// `None` without any progress.
    pub(super) fn of(document: &Document, common: &Common) -> Option<Self> {
        let Common { settings, workload } = common;
        let by_block = document.blocks(workload).remove(settings).unwrap_or_default();
        let is_it = |trial: &&Trial| trial.settings == *settings && workload.is_of(trial);
        let trials: Vec<&Trial> = document.trials.iter().filter(is_it).collect();
        let goodputs: Vec<f64> = match by_block.is_empty() {
            true => trials.iter().map(|trial| trial.goodput_bytes_per_second).collect(),
            false => by_block.values().copied().collect(),
        };
        let mean = stats::log_mean(&goodputs)?;
        let costs: Option<Vec<f64>> =
            trials.iter().map(|trial| trial.client.cpu_seconds_per_gb).collect();
        let count = goodputs.len();
        let over_trials = mean
            .sd
            .map(|sd| Within { variance: sd * sd / count as f64, degrees_of_freedom: count - 1 });
        Some(Self {
            id: document.id.clone(),
            started: document.started.clone(),
            log: mean.mean.ln(),
            cpu: costs.and_then(|costs| stats::log_mean(&costs)).map(|cost| cost.mean),
            within: over_trials.or_else(|| within_trial(trials.first()?)),
            by_block,
        })
    }

    /// Goodput of the other over this one's in each block that both have.
    pub(super) fn ratios_by_block(&self, other: &Self) -> Vec<f64> {
        let ratio = |(block, goodput): (&u32, &f64)| Some(other.by_block.get(block)? / goodput);
        self.by_block.iter().filter_map(ratio).collect()
    }
}

fn within_trial(trial: &Trial) -> Option<Within> {
    let [low, high] = trial.goodput_interval_95.filter(|[low, _]| *low > 0.0)?;
    let half_width = (high / low).ln() / 2.0;
    let error = half_width / stats::quantile(0.975, WITHIN_TRIAL);
    Some(Within { variance: error * error, degrees_of_freedom: WITHIN_TRIAL })
}

/// Whether two series of at least two runs were made in turns, so that each run of one has a neighbour in
/// time of the other.
pub(super) fn take_turns(one: &[Session], other: &[Session]) -> bool {
    if one.len() != other.len() || one.len() < 2 {
        return false;
    }
    let of = |side: usize, sessions: &[Session]| {
        sessions.iter().map(move |session| (session.started.clone(), side)).collect::<Vec<_>>()
    };
    let mut starts = [of(0, one), of(1, other)].concat();
    // Stable: of two that began in the same second nobody knows which was first.
    starts.sort_by(|(this, _), (that, _)| this.cmp(that));
    starts.chunks(2).all(|pair| pair[0].1 != pair[1].1)
}

/// Mean of the logarithms over sessions.
pub(super) fn mean_log(sessions: &[Session]) -> f64 {
    sessions.iter().map(|session| session.log).sum::<f64>() / sessions.len() as f64
}

/// Half of the 95 % interval of the difference of two means of unpaired sessions that vary by `sd` beside
/// what each says of itself. Degrees of freedom after F. E. Satterthwaite, Biometrics Bulletin 2, 1946,
/// 110-114; the given spread counts as known.
pub(super) fn half_width(one: &[Session], other: &[Session], sd: f64) -> f64 {
    let (mut variance, mut weights) = (0.0, 0.0);
    for side in [one, other] {
        let count = side.len() as f64;
        variance += sd * sd / count;
        for within in side.iter().filter_map(|session| session.within) {
            let part = within.variance / (count * count);
            variance += part;
            weights += part * part / within.degrees_of_freedom as f64;
        }
    }
    let degrees_of_freedom = (variance * variance / weights).min(DEGREES_OF_FREEDOM_MAX);
    stats::quantile(0.975, (degrees_of_freedom as usize).max(1)) * variance.sqrt()
}
