//! Two runs, or two series of runs, against each other: is the second slower than the first?
//!
//! What differs between two sessions is not only what is compared: the network has other guests an hour
//! later. Runs that were made in turns (first, second, first, second, ...) are blocks: their ratios are
//! paired, and the paired t interval knows how much sessions differ, because every pair has two of them.
//! Two sessions alone do not say how much sessions differ. They are judged only when that is given.
//! (S. M. Blackburn et al., "The Truth, The Whole Truth, and Nothing But the Truth", TOPLAS 38, 2016, on
//! what is claimed of two measurements; A. Abedi, T. Brecht, ICPE 2017, on taking turns.)

mod comparable;
mod session;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::result::{Document, Settings, Traffic};
use crate::stats;
pub use comparable::Difference;
use session::Session;

/// How to judge.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Judgement {
    /// A slowdown up to this part is let pass: 0.05 is 5 %.
    pub threshold: f64,
    /// Standard deviation of the logarithm of the goodput from session to session; unpaired sessions are
    /// judged only with it.
    pub between_sessions_sd: Option<f64>,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Compared {
    /// The settings that were compared.
    pub settings: Settings,
    /// In this direction.
    pub direction: Traffic,
    /// What was asked for differently.
    pub differs: Vec<Difference>,
    /// Goodput of the second over goodput of the first.
    pub ratio: f64,
    /// 95 % interval of the ratio; `None` where nothing says how far to trust it.
    pub interval_95: Option<[f64; 2]>,
    /// What the interval rests on.
    pub basis: Basis,
    /// What it says.
    pub finding: Finding,
    /// What both cost this machine; `None` where nothing was measured of it.
    pub cpu: Option<CpuCompared>,
}

/// Processor time for payload on both sides.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CpuCompared {
    /// Seconds per 10^9 bytes, of the first and of the second.
    pub seconds_per_gb: [f64; 2],
    /// That of the second over that of the first.
    pub ratio: f64,
    /// 95 % interval of the ratio; only of runs that took turns.
    pub interval_95: Option<[f64; 2]>,
}

/// What a comparison rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Both are the same document.
    SameRun,
    /// So many blocks of one session.
    PairedBlocks(usize),
    /// So many pairs of runs that took turns.
    PairedRuns(usize),
    /// So many sessions on each side, one side after the other.
    Unpaired([usize; 2]),
}

/// What a comparison says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// The second is shown to be slower by more than the threshold.
    Regression,
    /// It is shown to be slower, but not by more than the threshold.
    Slower,
    /// The interval holds 1.
    NoDifference,
    /// The second is shown to be faster.
    Faster,
    /// Unpaired sessions without a given spread between them.
    NotJudged,
}

/// Compares the second with the first; each has at least one document, in order of their start.
///
/// # Errors
/// If they cannot be compared, with the reason.
pub fn compare(first: &[Document], second: &[Document], how: Judgement) -> Result<Compared> {
    let common = comparable::check(first, second)?;
    let differs = comparable::differences(first, second)?;
    let estimate = estimate(first, second, &common, how)?;
    let Estimate { ratio, interval_95, basis, cpu } = estimate;
    let finding = finding(interval_95, how.threshold);
    let comparable::Common { settings, workload } = common;
    let direction = workload.direction;
    Ok(Compared { settings, direction, differs, ratio, interval_95, basis, finding, cpu })
}

/// What both cost, by the runs that say so.
fn cpu(one: &[Session], other: &[Session], basis: Basis) -> Option<CpuCompared> {
    let costs = |side: &[Session]| side.iter().map(|session| session.cpu).collect::<Option<_>>();
    let (one, other): (Vec<f64>, Vec<f64>) = (costs(one)?, costs(other)?);
    let seconds_per_gb = [stats::log_mean(&one)?.mean, stats::log_mean(&other)?.mean];
    let [first, second] = seconds_per_gb;
    let interval_95 = match basis {
        Basis::PairedRuns(_) => {
            let ratios: Vec<f64> = one.iter().zip(&other).map(|(one, other)| other / one).collect();
            stats::log_mean(&ratios)?.interval_95
        }
        Basis::SameRun | Basis::PairedBlocks(_) | Basis::Unpaired(_) => None,
    };
    Some(CpuCompared { seconds_per_gb, ratio: second / first, interval_95 })
}

fn finding(interval: Option<[f64; 2]>, threshold: f64) -> Finding {
    match interval {
        None => Finding::NotJudged,
        Some([_, high]) if high < 1.0 - threshold => Finding::Regression,
        Some([_, high]) if high < 1.0 => Finding::Slower,
        Some([low, _]) if low > 1.0 => Finding::Faster,
        Some(_) => Finding::NoDifference,
    }
}

struct Estimate {
    ratio: f64,
    interval_95: Option<[f64; 2]>,
    basis: Basis,
    cpu: Option<CpuCompared>,
}

fn estimate(
    first: &[Document],
    second: &[Document],
    common: &comparable::Common,
    how: Judgement,
) -> Result<Estimate> {
    if first == second {
        let (interval_95, basis) = (Some([1.0, 1.0]), Basis::SameRun);
        return Ok(Estimate { ratio: 1.0, interval_95, basis, cpu: None });
    }
    let no_progress = || {
        Error::environment("there is nothing to compare: a run without any progress has no ratio")
            .hint("look at the errors in its report")
    };
    let sessions = |documents: &[Document]| -> Result<Vec<Session>> {
        documents.iter().map(|one| Session::of(one, common).ok_or_else(no_progress)).collect()
    };
    let (one, other) = (sessions(first)?, sessions(second)?);
    let paired = |ratios: Vec<f64>, basis: fn(usize) -> Basis| {
        let mean = stats::log_mean(&ratios).ok_or_else(no_progress)?;
        let (ratio, interval_95, basis) = (mean.mean, mean.interval_95, basis(ratios.len()));
        Ok(Estimate { ratio, interval_95, basis, cpu: cpu(&one, &other, basis) })
    };
    if let ([this], [that]) = (one.as_slice(), other.as_slice())
        && this.id == that.id
    {
        return paired(this.ratios_by_block(that), Basis::PairedBlocks);
    }
    if session::take_turns(&one, &other) {
        let ratios = one.iter().zip(&other).map(|(one, other)| (other.log - one.log).exp());
        return paired(ratios.collect(), Basis::PairedRuns);
    }
    let log = session::mean_log(&other) - session::mean_log(&one);
    let half_width = how.between_sessions_sd.map(|sd| session::half_width(&one, &other, sd));
    let interval_95 = half_width.map(|half| [(log - half).exp(), (log + half).exp()]);
    let basis = Basis::Unpaired([one.len(), other.len()]);
    Ok(Estimate { ratio: log.exp(), interval_95, basis, cpu: cpu(&one, &other, basis) })
}

#[cfg(test)]
mod tests;
