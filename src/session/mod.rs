//! What a verb does from beginning to end: finds the target, claims a prefix, runs trials, saves each,
//! cleans up after itself, also after Ctrl-C.

mod beats;
mod bucket;
mod check;
mod claim;
mod clean;
mod conditions;
mod embedded;
mod existing;
mod expiry;
#[cfg(test)]
#[path = "../../tests/inside/faults/mod.rs"]
mod faults;
mod fit;
mod journal;
mod lifetime;
mod limits;
mod marker;
mod metrics;
mod observe;
mod plan;
mod plan_saved;
mod plan_simulated;
mod progress;
mod proof;
mod record;
mod replay;
mod run;
mod silence;
mod sweep;
mod target;
mod team;
mod tune;
mod upwards;
mod visit;

pub use check::{Check, Checked, OfDtn, Outcome as CheckOutcome, check_from_all};
pub use clean::{Cleaning, Fate, Leftover, Which, clean};
pub use expiry::Expiry;
pub use fit::fit;
#[cfg(any(test, fuzzing))]
pub(crate) use journal::{NAME as JOURNAL, open_uploads};
#[cfg(any(test, fuzzing))]
pub(crate) use marker::Marker;
pub use marker::SILENCE_MIN;
pub use metrics::SessionMetrics;
pub use observe::{ObserveOptions, observe, observe_log};
pub use plan::{MeasureOptions, measure};
pub use plan_saved::{load_plan, save_plan};
pub use plan_simulated::{SimulateOptions, simulate};
pub use progress::Progress;
pub use record::Saving;
pub use replay::Replay;
pub use run::{Objects, RunOptions, run};
pub use target::{Simulation, TargetOptions, TargetUrl, needs_target};
pub use tune::{
    Estimate, FILES_MAX, Files, Means, RateFrom, SearchEstimate, SearchOptions, TuneOptions,
    estimate, tune,
};
pub use upwards::Upwards;

use std::future::Future;
use std::path::PathBuf;

use futures::future::LocalBoxFuture;
use tokio::sync::oneshot;

use crate::clock;
use crate::error::{Error, Result};
use crate::result::Document;

/// A verb at work. It is boxed here, because the body of an `async fn` is compiled by the crate that awaits it: the
/// program would take minutes to build when one of its options changes.
pub type Work<'a, T> = LocalBoxFuture<'a, Result<T>>;

/// A finished session: its document and where its files are.
#[derive(Debug)]
pub struct Finished {
    /// The result.
    pub document: Document,
    /// `results/<run>`.
    pub directory: PathBuf,
    /// What went wrong after the result was saved: what may be left in the bucket, say. The result is told first.
    pub after: Option<Error>,
}

/// Does all of `work` in simulated time: on a thread of its own, so that Ctrl-C is still heard on this one.
///
/// # Errors
/// The work's.
pub async fn in_simulated_time<T, F>(work: impl FnOnce() -> F + Send + 'static) -> Result<T>
where
    T: Send + 'static,
    F: Future<Output = Result<T>>,
{
    let (sender, done) = oneshot::channel();
    let simulate = move || {
        // Nobody to hear of it any more: then nobody misses it.
        let _ = sender.send(clock::simulate(work()));
    };
    let thread = std::thread::Builder::new().name("simulation".into()).spawn(simulate);
    thread.map_err(|error| Error::environment(format!("cannot start a thread: {error}")))?;
    // The panic itself is on standard error already.
    done.await.map_err(|_| Error::environment("the simulation panicked: this is a bug"))?
}
