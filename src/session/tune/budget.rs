//! What a search may spend: said before it begins, kept account of while it runs.

use std::time::Duration;

use super::TuneOptions;
use crate::error::{Error, Result};
use crate::result::Trial;
use crate::session::progress::Progress;
use crate::tune::{self, Forecast};

/// Part of a trial's time that is neither warm-up nor window, until trials have been seen (ASSUMPTION).
const DRAIN_SHARE: f64 = 0.35;

/// Says before anything is spent what the budget affords and what it can show.
pub(super) fn announce(
    options: &TuneOptions,
    config: &tune::Config,
    progress: &Progress,
) -> Result<()> {
    let trial = expected_trial(options);
    let trials = (options.budget.as_secs_f64() / trial.as_secs_f64()) as u32;
    let forecast = Forecast::new(config, trials);
    let least = Forecast::TRIALS_MIN;
    if forecast.trials < least {
        let needed = humantime::format_duration(Duration::from_secs(
            (trial * least).as_secs_f64().ceil() as u64,
        ));
        let message =
            format!("the budget affords {} trials and {least} are the least", forecast.trials);
        return Err(Error::environment(message).hint(format!("give --budget {needed} or more")));
    }
    let shows = forecast.smallest_difference.map_or("no differences at all".into(), |smallest| {
        let percent = 100.0 * smallest.exp_m1();
        let sd = 100.0 * tune::SD_ASSUMED;
        format!("differences of {percent:.0} % or more, if trials vary by {sd:.0} % (ASSUMPTION)")
    });
    progress.note(&format!(
        "budget {}: about {} trials of {:.0} s; {} to find the knee, up to {} files in flight, then a race and {} blocks of confirmation, which show {shows}",
        humantime::format_duration(options.budget),
        forecast.trials,
        trial.as_secs_f64(),
        forecast.to_the_knee,
        options.concurrency_max,
        forecast.blocks,
    ));
    Ok(())
}

fn expected_trial(options: &TuneOptions) -> Duration {
    (options.warm_up + options.window).mul_f64(1.0 + DRAIN_SHARE)
}

/// What trials have cost so far.
#[derive(Default)]
pub(super) struct Spent(Vec<Duration>);

impl Spent {
    /// On the trials of a run that was cut off.
    pub(super) fn by(trials: &[Trial]) -> Self {
        let asked = trials.iter().filter_map(|trial| trial.asked);
        Self(asked.map(|asked| Duration::from_secs_f64(asked.took_s)).collect())
    }

    pub(super) fn add(&mut self, time: Duration) {
        self.0.push(time);
    }

    /// Time that is left of the budget.
    pub(super) fn left(&self, options: &TuneOptions) -> Duration {
        options.budget.saturating_sub(self.0.iter().sum())
    }

    /// Trials that still fit the budget, at the median time of those seen: the ramp's last trials,
    /// with far more files in flight than will be raced, take several times as long to drain.
    pub(super) fn affordable(&self, options: &TuneOptions) -> u32 {
        let mut times = self.0.clone();
        times.sort_unstable();
        let trial = times.get(times.len() / 2).copied().unwrap_or_else(|| expected_trial(options));
        (self.left(options).as_secs_f64() / trial.as_secs_f64().max(1e-3)) as u32
    }
}
