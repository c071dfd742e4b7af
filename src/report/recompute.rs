//! The figures of a document worked out again from what they rest on: the answer from the goodputs of the
//! trials, the goodput of a trial and its interval from its bytes over time.

use std::fmt;

use crate::error::Result;
use crate::result::{BINS_MAX, Bin, Recommendation, Saved, Settings, Trial};
use crate::stats::{self, LogMean};
use crate::tune::Ground;
use crate::words;

/// Above this relative difference two figures do not agree; below it is the arithmetic of floating point.
const TOLERANCE: f64 = 1e-6;

/// Everything that was worked out again.
pub struct Recomputed {
    /// Name of the run.
    pub run: String,
    /// Figures that were.
    pub checks: Vec<Check>,
    /// What could not be, and why.
    pub left_out: Vec<String>,
}

/// A figure, or the ends of an interval, as it stands in the document and as it comes out again.
pub struct Check {
    /// Which.
    pub what: String,
    /// In the document.
    pub stated: Vec<f64>,
    /// From what it rests on.
    pub again: Vec<f64>,
}

impl Check {
    /// Whether they are the same.
    pub fn agrees(&self) -> bool {
        let same = |(one, other): (&f64, &f64)| {
            one == other || (one - other).abs() <= TOLERANCE * one.abs().max(other.abs())
        };
        self.stated.len() == self.again.len() && self.stated.iter().zip(&self.again).all(same)
    }
}

impl Recomputed {
    /// Works everything out again that can be.
    ///
    /// # Errors
    /// If a record is there and cannot be read.
    pub fn of(run: &Saved) -> Result<Self> {
        let run_id = run.document.id.clone();
        let mut done = Self { run: run_id, checks: Vec::new(), left_out: Vec::new() };
        for found in run.document.recommended() {
            done.answer(run, found);
        }
        for trial in &run.document.trials {
            done.trial(run, trial)?;
        }
        Ok(done)
    }

    /// Whether figures were worked out again, and every one is that which stands there.
    pub fn agrees(&self) -> bool {
        !self.checks.is_empty() && self.checks.iter().all(Check::agrees)
    }

    fn check(&mut self, what: String, stated: Vec<f64>, again: Vec<f64>) {
        self.checks.push(Check { what, stated, again });
    }

    fn answer(&mut self, run: &Saved, found: &Recommendation) {
        let blocks = run.document.blocks(&found.workload());
        let of = |settings: &Settings| blocks.get(settings);
        let goodputs: Vec<f64> =
            of(&found.settings).into_iter().flat_map(|blocks| blocks.values().copied()).collect();
        let workload = found.workload();
        let trials = run.document.trials.iter().filter(|trial| workload.is_of(trial));
        let (ground, goodput) = (Ground::of(trials.clone()), Ground::of_goodput(trials));
        // Older results say nothing of phases: theirs is the mean of all blocks.
        let has_phases = found.compared_with.iter().any(|other| other.phase.is_some());
        let soaked = found.soak(&run.document.trials);
        let mean = match has_phases {
            true => goodput.goodput(found.settings),
            false => stats::log_mean(&goodputs),
        };
        let stated = figure(found.goodput_bytes_per_second, Some(found.interval_95));
        let mean = match soaked {
            Some(soak) if soak.verification.is_some() => {
                figure(soak.goodput_bytes_per_second, soak.goodput_interval_95)
            }
            Some(_) => goodput
                .told(found.settings)
                .map_or_else(Vec::new, |(told, interval)| figure(told, Some(interval))),
            None => again(mean),
        };
        self.check("goodput of the recommended settings".into(), stated, mean);
        if let Some(speed) = found.effective_speed_bytes_per_second {
            let stated = figure(speed, found.effective_speed_interval_95);
            let mean = match soaked {
                Some(_) => ground
                    .told(found.settings)
                    .map_or_else(Vec::new, |(told, _)| figure(told, None)),
                None => again(ground.goodput(found.settings)),
            };
            self.check("effective speed of the recommended settings".into(), stated, mean);
        }
        for other in &found.compared_with {
            let pairs = of(&found.settings).into_iter().flatten();
            let ratio =
                |(block, goodput): (&u32, &f64)| Some(goodput / of(&other.settings)?.get(block)?);
            let ratios: Vec<f64> = pairs.filter_map(ratio).collect();
            let what = format!("ratio to {}", words::settings(other.settings));
            let stated = figure(other.ratio, other.interval_95);
            let again = match other.phase {
                Some(_) => ground
                    .compare(found.settings, other.settings)
                    .map_or_else(Vec::new, |again| figure(again.ratio, again.interval_95)),
                None => again(stats::log_mean(&ratios)),
            };
            self.check(what, stated, again);
        }
    }

    fn trial(&mut self, run: &Saved, trial: &Trial) -> Result<()> {
        let what = format!("goodput of trial {}", trial.id);
        if let Some(task) = &trial.task {
            let stated = figure(task.goodput_bytes_per_second, None);
            self.check(what, stated, vec![task.bytes_done as f64 / task.duration_s]);
            return Ok(());
        }
        let Some(bins) = run.bins(trial.id)? else {
            self.left_out.push(format!("{what}: its bytes over time are not beside the result"));
            return Ok(());
        };
        let stated = figure(trial.goodput_bytes_per_second, trial.goodput_interval_95);
        let Some(rates) = rates(&bins, trial) else {
            // Nothing comes out of a window that no trial has.
            self.check(what, stated, Vec::new());
            return Ok(());
        };
        let mean = rates.iter().sum::<f64>() / rates.len().max(1) as f64;
        self.check(what, stated, figure(mean, stats::mean_interval_95(&rates)));
        Ok(())
    }
}

fn figure(mean: f64, interval: Option<[f64; 2]>) -> Vec<f64> {
    [mean].into_iter().chain(interval.into_iter().flatten()).collect()
}

fn again(mean: Option<LogMean>) -> Vec<f64> {
    mean.map_or_else(Vec::new, |mean| figure(mean.mean, mean.interval_95))
}

/// Bytes per second in each bin of the window of a trial; `None` if no trial has so many.
fn rates(bins: &[Bin], trial: &Trial) -> Option<Vec<f64>> {
    let Some(width_s) = bins.get(1).map(|bin| bin.start_s - bins[0].start_s) else {
        return Some(Vec::new());
    };
    let index = |at_s: f64| (at_s / width_s).round() as usize;
    let window = index(trial.window.start_s)..index(trial.window.end_s);
    // The file ends with the last byte: bins of the window after it passed none.
    let bytes = |bin: usize| bins.get(bin).map_or(0, |bin| bin.good_bytes);
    (window.len() <= BINS_MAX).then(|| window.map(|bin| bytes(bin) as f64 / width_s).collect())
}

impl fmt::Display for Recomputed {
    /// A line for each figure that differs, then how many agree.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let differ: Vec<&Check> = self.checks.iter().filter(|check| !check.agrees()).collect();
        for check in &differ {
            let (stated, again) = (&check.stated, &check.again);
            writeln!(
                f,
                "differs      {}: {stated:?} stands there, {again:?} comes out",
                check.what
            )?;
        }
        for left_out in &self.left_out {
            writeln!(f, "left out     {left_out}")?;
        }
        let agree = self.checks.len() - differ.len();
        let total = self.checks.len();
        write!(
            f,
            "recomputed   {agree} of {total} figures and their intervals agree ({})",
            self.run
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;
    use crate::result::{BINS_HEADER, Phase, bins_name};

    /// The sample with an answer that follows from its trials.
    fn consistent() -> Saved {
        let mut document = samples::tune();
        let found = document.recommendation.as_mut().expect("tune recommends");
        let workload = found.workload();
        let (settings, blocks) = (found.settings, document.blocks(&workload));
        let found = document.recommendation.as_mut().expect("tune recommends");
        let goodputs: Vec<f64> = blocks[&settings].values().copied().collect();
        let mean = stats::log_mean(&goodputs).unwrap();
        found.goodput_bytes_per_second = mean.mean;
        found.interval_95 = mean.interval_95.unwrap();
        for other in &mut found.compared_with {
            let theirs = blocks[&other.settings].values();
            let ratios: Vec<f64> =
                goodputs.iter().zip(theirs).map(|(one, two)| one / two).collect();
            let ratio = stats::log_mean(&ratios).unwrap();
            (other.ratio, other.interval_95) = (ratio.mean, ratio.interval_95);
        }
        Saved { document, directory: "absent".into() }
    }

    #[test]
    fn an_answer_that_follows_from_its_trials_agrees() {
        let again = Recomputed::of(&consistent()).unwrap();
        assert!(again.agrees(), "{again}");
        assert_eq!(again.checks.len(), 1 + 3);
        assert_eq!(again.left_out.len(), 30, "no trial has its bytes over time beside it");
    }

    #[test]
    fn an_altered_figure_is_found() {
        let alter: [fn(&mut Recommendation); 3] = [
            |found| found.goodput_bytes_per_second *= 1.001,
            |found| found.interval_95[1] *= 1.001,
            |found| found.compared_with[1].ratio *= 0.999,
        ];
        for alter in alter {
            let mut run = consistent();
            alter(run.document.recommendation.as_mut().unwrap());
            let again = Recomputed::of(&run).unwrap();
            assert_eq!(again.checks.iter().filter(|check| !check.agrees()).count(), 1, "{again}");
        }
    }

    #[test]
    fn an_altered_trial_changes_the_answer() {
        let mut run = consistent();
        let best = run.document.recommendation.as_ref().unwrap().settings;
        let is_racer = |trial: &&mut Trial| trial.phase == Phase::Race && trial.settings == best;
        run.document.trials.iter_mut().find(is_racer).unwrap().goodput_bytes_per_second *= 2.0;
        assert!(!Recomputed::of(&run).unwrap().agrees());
    }

    #[test]
    fn the_goodput_of_a_trial_and_its_interval_come_from_its_bins() {
        let directory = tempfile::tempdir().unwrap();
        let mut document = samples::unfinished();
        document.trials.truncate(1);
        let trial = &mut document.trials[0];
        (trial.window.start_s, trial.window.end_s) = (1.0, 11.0);
        let mut random = fastrand::Rng::with_seed(1);
        // Before the window there is something else, and after it the drain.
        let bytes: Vec<u64> = (0..130).map(|_| random.u64(900_000..1_100_000)).collect();
        let in_window: Vec<f64> = bytes[10..110].iter().map(|bytes| *bytes as f64 * 10.0).collect();
        trial.goodput_bytes_per_second = in_window.iter().sum::<f64>() / 100.0;
        trial.goodput_interval_95 = stats::mean_interval_95(&in_window);
        let row = |(bin, bytes)| format!("{:.1},{bytes},{bytes}\n", bin as f64 / 10.0);
        let rows: String = bytes.iter().enumerate().map(row).collect();
        let file = directory.path().join(bins_name(0));
        std::fs::write(file, format!("{BINS_HEADER}\n{rows}")).unwrap();
        let mut run = Saved { document, directory: directory.path().to_owned() };
        let again = Recomputed::of(&run).unwrap();
        assert!(again.agrees() && again.left_out.is_empty(), "{again}");
        run.document.trials[0].window.start_s = 1.1;
        assert!(!Recomputed::of(&run).unwrap().agrees());
        // Says a document that was made by hand.
        for end_s in [1e308, 1e9, -1.0, f64::NAN] {
            run.document.trials[0].window.end_s = end_s;
            let again = Recomputed::of(&run).unwrap();
            assert!(!again.agrees(), "{end_s}: {again}");
        }
    }
}
