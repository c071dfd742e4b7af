//! What a search says of its trials while it runs.

use std::time::Duration;

use crate::result::{Phase, Trial};
use crate::units::Rate;
use crate::words;

/// What the budget still affords when a trial begins, beside the soak.
#[derive(Clone, Copy)]
pub(super) struct Left {
    pub(super) trials: u32,
    pub(super) time: Duration,
}

impl Left {
    pub(super) fn after(self, elapsed: Duration) -> String {
        let left = words::to_the_second(self.time.saturating_sub(elapsed));
        match self.trials {
            0 | 1 => left,
            trials => format!("{trials} trials and a soak at most, {left}"),
        }
    }
}

/// What a trial is for, in a word.
pub(super) fn why(phase: Phase, block: Option<u32>) -> String {
    let word = match phase {
        Phase::Calibration => "part size",
        Phase::Ramp => "the way",
        Phase::Race => "race",
        Phase::Confirmation => "confirm",
        Phase::Duplicate => "twice",
        Phase::Soak => "soak",
        Phase::BothWays => "for all",
        Phase::Run => "run",
    };
    block.map_or_else(|| word.to_owned(), |block| format!("{word} {block}"))
}

/// One line for a finished trial.
pub(super) fn line(trial: &Trial) -> String {
    let why = why(trial.phase, trial.block);
    let moved = ["part", "put", "get"].into_iter().filter_map(|name| trial.requests.get(name));
    let samples = moved.map(|requests| requests.service_time_us).find(|times| times.samples > 0);
    let p50 = samples.map_or("-".into(), |times| format!("{:.0} ms", times.p50 as f64 / 1e3));
    let effective = trial.verification.map_or(String::new(), |found| {
        let speed = found.effective_speed_bytes_per_second.map(|speed| Rate(speed).to_string());
        format!("  {:>10} effective", speed.unwrap_or("-".into()))
    });
    let dataset = trial.dataset.as_ref().map_or(String::new(), |name| format!("{name:<12}  "));
    format!(
        "trial {:>3}  {dataset}{why:<12}  {:<29}  {:>10}{effective}  p50 {p50:>8}  {} failed",
        trial.id,
        words::settings(trial.settings),
        Rate(trial.goodput_bytes_per_second).to_string(),
        trial.errors.total(),
    )
}
