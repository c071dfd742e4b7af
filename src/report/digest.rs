//! What every form of a report says about a document, worked out once.

use std::collections::BTreeMap;

use crate::result::{
    Document, ErrorCounts, Phase, Recommendation, Settings, TaskSummary, Trial, Workload,
};
use crate::stats;

/// A document and what follows from it.
pub struct Digest<'a> {
    /// The document itself.
    pub document: &'a Document,
    /// What it answers.
    pub answer: Answer<'a>,
    /// The trial shown in detail, see [`Shown`]; `None` when there is no trial at all.
    pub shown: Option<Shown<'a>>,
    /// The trials of the answer's direction by settings.
    pub candidates: Vec<Candidate<'a>>,
}

/// What a document answers.
pub enum Answer<'a> {
    /// Which settings to use.
    Settings(&'a Recommendation),
    /// How a whole dataset was moved.
    Task(&'a Trial, &'a TaskSummary),
    /// Only how fast its trials were: a timed run, or a search that did not finish.
    Trials,
}

/// One trial that stands for its settings: percentiles of several trials are never averaged.
#[derive(Clone, Copy)]
pub struct Shown<'a> {
    /// The trial whose goodput is the (lower) median.
    pub trial: &'a Trial,
    /// Among how many trials.
    pub of: usize,
    /// Whether those are the trials of the recommended settings.
    pub recommended: bool,
}

/// All trials of one settings in one direction.
pub struct Candidate<'a> {
    /// What was set.
    pub settings: Settings,
    /// All its trials.
    pub trials: Vec<&'a Trial>,
    /// Its goodput: over the confirmation or the race where it took part in one, else over all trials.
    pub goodput: Estimate,
}

/// A geometric mean and, from two values on, its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Geometric mean.
    pub mean: f64,
    /// 95 % interval of it.
    pub interval_95: Option<[f64; 2]>,
}

impl<'a> Digest<'a> {
    /// Works it out.
    pub fn of(document: &'a Document) -> Self {
        let answer = Answer::of(document);
        let workload = match &answer {
            Answer::Settings(recommendation) => Some(recommendation.workload()),
            Answer::Task(trial, _) => Some(trial.workload()),
            Answer::Trials => document.trials.first().map(Trial::workload),
        };
        let candidates = workload.map_or_else(Vec::new, |of| candidates(&document.trials, &of));
        let shown = match &answer {
            Answer::Settings(found) => {
                held(found, &document.trials).or_else(|| recommended(&candidates, found.settings))
            }
            Answer::Task(trial, _) => Some(Shown { trial, of: 1, recommended: false }),
            Answer::Trials => None,
        };
        let shown = shown.or_else(|| median(document.trials.iter().collect(), false));
        Self { document, answer, shown, candidates }
    }

    /// The recommended settings, if there are any.
    pub fn recommended(&self) -> Option<Settings> {
        match self.answer {
            Answer::Settings(found) => Some(found.settings),
            Answer::Task(..) | Answer::Trials => None,
        }
    }

    /// Failed attempts of all trials by class.
    pub fn errors(&self) -> ErrorCounts {
        self.document.trials.iter().map(|trial| trial.errors).sum()
    }

    /// Each warning once, with the trials that gave it.
    pub fn warnings(&self) -> BTreeMap<&'a str, Vec<u32>> {
        let mut warnings = BTreeMap::<&str, Vec<u32>>::new();
        for trial in &self.document.trials {
            for warning in &trial.warnings {
                warnings.entry(warning).or_default().push(trial.id);
            }
        }
        warnings
    }
}

impl<'a> Candidate<'a> {
    /// The trials that its goodput is the mean of.
    pub fn decisive(&self) -> Vec<&'a Trial> {
        decisive(&self.trials)
    }
}

impl<'a> Answer<'a> {
    fn of(document: &'a Document) -> Self {
        if let Some(recommendation) = &document.recommendation {
            return Self::Settings(recommendation);
        }
        let task = |trial: &'a Trial| trial.task.as_ref().map(|task| Self::Task(trial, task));
        document.trials.iter().find_map(task).unwrap_or(Self::Trials)
    }
}

fn candidates<'a>(trials: &'a [Trial], workload: &Workload) -> Vec<Candidate<'a>> {
    let mut by_settings = BTreeMap::<Settings, Vec<&Trial>>::new();
    for trial in trials.iter().filter(|trial| workload.is_of(trial)) {
        by_settings.entry(trial.settings).or_default().push(trial);
    }
    let candidate = |(settings, trials): (Settings, Vec<_>)| {
        let values: Vec<f64> = decisive(&trials).iter().map(|trial| goodput(trial)).collect();
        Candidate { settings, trials, goodput: Estimate::of(&values) }
    };
    by_settings.into_iter().map(candidate).collect()
}

/// The trials of the confirmation where there are any, else those of other blocks: the others were run to
/// find the way, one after another.
fn decisive<'a>(trials: &[&'a Trial]) -> Vec<&'a Trial> {
    let of = |phase: Phase| -> Vec<&'a Trial> {
        trials.iter().copied().filter(|trial| trial.phase == phase).collect()
    };
    let phases = [Phase::Confirmation, Phase::Race, Phase::BothWays].map(of);
    phases.into_iter().find(|found| !found.is_empty()).unwrap_or_else(|| trials.to_vec())
}

/// What was recommended is shown as it was held: its other trials are short.
fn held<'a>(found: &Recommendation, trials: &'a [Trial]) -> Option<Shown<'a>> {
    found.soak(trials).map(|trial| Shown { trial, of: 1, recommended: true })
}

fn recommended<'a>(candidates: &[Candidate<'a>], settings: Settings) -> Option<Shown<'a>> {
    let candidate = candidates.iter().find(|candidate| candidate.settings == settings)?;
    median(decisive(&candidate.trials), true)
}

/// The trial of (lower) median goodput.
pub fn median(mut trials: Vec<&Trial>, recommended: bool) -> Option<Shown<'_>> {
    trials.sort_by(|a, b| goodput(a).total_cmp(&goodput(b)));
    let middle = trials.len().checked_sub(1)? / 2;
    Some(Shown { trial: trials[middle], of: trials.len(), recommended })
}

/// A rate that can be drawn: what is not a positive number was no progress.
pub fn goodput(trial: &Trial) -> f64 {
    let rate = trial.goodput_bytes_per_second;
    if rate.is_finite() { rate.max(0.0) } else { 0.0 }
}

impl Estimate {
    /// No progress in one trial is no progress: its logarithm has no mean.
    fn of(values: &[f64]) -> Self {
        let none = Self { mean: 0.0, interval_95: None };
        stats::log_mean(values)
            .map_or(none, |mean| Self { mean: mean.mean, interval_95: mean.interval_95 })
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_trial_shown_has_the_median_goodput_of_the_recommended_settings() {
        let document = samples::tune();
        let settings = document.recommendation.as_ref().expect("tune recommends").settings;
        let shown = Digest::of(&document).shown.expect("there are trials");
        let race = |trial: &&Trial| trial.settings == settings && trial.phase == Phase::Race;
        let slower =
            document.trials.iter().filter(race).filter(|other| {
                other.goodput_bytes_per_second < shown.trial.goodput_bytes_per_second
            });
        assert_eq!((shown.trial.settings, shown.of), (settings, 4));
        assert_eq!(slower.count(), 1);
    }

    #[test]
    fn recommended_settings_that_were_held_are_shown_by_their_soak() {
        let mut document = samples::tune();
        let settings = document.recommendation.as_ref().expect("tune recommends").settings;
        let mut others = document.trials.iter().filter(|trial| trial.settings == settings);
        let mut soak = others.next().expect("they were tried").clone();
        (soak.id, soak.phase) = (1000, Phase::Soak);
        document.trials.push(soak);
        assert_eq!(Digest::of(&document).shown.expect("there are trials").trial.id, 1000);
    }

    #[test]
    fn trials_outside_the_race_do_not_move_the_estimate_of_a_racer() {
        let mut document = samples::tune();
        let means = |document: &Document| -> Vec<f64> {
            Digest::of(document).candidates.iter().map(|one| one.goodput.mean).collect()
        };
        let before = means(&document);
        let mut stray = document.trials.last().expect("a racer").clone();
        stray.phase = Phase::Ramp;
        stray.goodput_bytes_per_second *= 10.0;
        document.trials.push(stray);
        assert_eq!(means(&document), before);
    }

    #[test]
    fn the_interval_agrees_with_a_published_t_table() {
        // t(0.975, 2 degrees of freedom) = 4.303 (NIST/SEMATECH e-Handbook, 1.3.6.7.2).
        let estimate = Estimate::of(&[1.0_f64.exp(), 2.0_f64.exp(), 3.0_f64.exp()]);
        let [low, high] = estimate.interval_95.expect("three values");
        assert!((estimate.mean.ln() - 2.0).abs() < 1e-9);
        assert!((high.ln() - (2.0 + 4.303 / 3.0_f64.sqrt())).abs() < 1e-3);
        assert!((low.ln() - (2.0 - 4.303 / 3.0_f64.sqrt())).abs() < 1e-3);
    }

    proptest! {
        #[test]
        fn an_interval_contains_its_mean(values in prop::collection::vec(1.0_f64..1e12, 2..12)) {
            let estimate = Estimate::of(&values);
            let [low, high] = estimate.interval_95.expect("two values or more");
            prop_assert!(low <= estimate.mean && estimate.mean <= high);
        }

        #[test]
        fn one_value_gives_no_interval(value in 1.0_f64..1e12) {
            let estimate = Estimate::of(&[value]);
            prop_assert_eq!(estimate.interval_95, None);
            prop_assert!((estimate.mean / value - 1.0).abs() < 1e-9);
        }
    }
}
