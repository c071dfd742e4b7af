//! What limited a trial: a verdict with its evidence in one sentence.

use super::watch::Watched;
use crate::measure::{Live, Recorder};
use crate::result::LimitedBy;
use crate::transfer::{Control, Job};

/// A share of failed attempts above which they, and not the settings, explain the rate
/// (procedure in Abedi & Brecht, "Conducting Repeatable Experiments in Highly Variable Cloud
/// Computing Environments", ICPE 2017, asks for undisturbed trials; the number is an ASSUMPTION).
const FAILED_SHARE: f64 = 0.01;

/// A share of the worker threads' time above which this program is the limit (ASSUMPTION).
const CPU_SHARE: f64 = 0.85;

/// A share of the movers' time spent waiting for the source above which it is the limit (ASSUMPTION).
const SOURCE_SHARE: f64 = 0.5;

/// The verdict on one trial.
pub(super) struct Limit {
    pub(super) limited_by: LimitedBy,
    pub(super) evidence: String,
}

pub(super) fn judge(job: &Job, control: &Control, watched: &Watched, recorder: &Recorder) -> Limit {
    let errors = recorder.errors();
    let attempts = recorder.attempts().max(1) as f64;
    let window = (watched.closed - watched.opened).as_secs_f64().max(f64::MIN_POSITIVE);
    let throttled = errors.throttled as f64 / attempts;
    let failed = (errors.total() - errors.throttled) as f64 / attempts;
    let cpu = watched.cpu_in_window.as_secs_f64() / (window * watched.threads as f64);
    let movers = f64::from(job.settings.concurrency);
    let waited = Live::get(&control.live.source_wait_ns) as f64 / 1e9;
    let source = waited / (watched.closed.as_secs_f64().max(f64::MIN_POSITIVE) * movers);

    let limit = |limited_by, evidence| Limit { limited_by, evidence };
    let percent = |share: f64| format!("{:.0} %", 100.0 * share);
    if throttled > FAILED_SHARE {
        let evidence = format!("{} of the attempts were told to slow down", percent(throttled));
        return limit(LimitedBy::Throttled, evidence);
    }
    if failed > FAILED_SHARE {
        return limit(LimitedBy::Errors, format!("{} of the attempts failed", percent(failed)));
    }
    if recorder.payload_bytes() == 0 {
        return limit(LimitedBy::Unknown, "no request with payload ended".into());
    }
    if cpu > CPU_SHARE {
        let evidence = format!(
            "tidegate's {} threads were busy {} of the time",
            watched.threads,
            percent(cpu)
        );
        return limit(LimitedBy::ClientCpu, evidence);
    }
    if source > SOURCE_SHARE {
        let evidence = format!("movers waited {} of the time for the source", percent(source));
        return limit(LimitedBy::Source, evidence);
    }
    let evidence = format!(
        "no throttling, {} failed attempts, client threads busy {}, source waits {}; the network interface was not observed",
        errors.total(),
        percent(cpu),
        percent(source)
    );
    limit(LimitedBy::GatewayOrNetwork, evidence)
}
