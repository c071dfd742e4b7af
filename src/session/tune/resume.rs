//! `tune --resume`: a run that was cut off goes on where it was.
//!
//! The search is deterministic: it is told the saved trials again, and asks for the one that was cut off.
//! Everything that it rests on must be as it was then.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use crate::error::{Error, Result};
use crate::measure;
use crate::result::{Document, Saved, Scenario, Target, Trial};
use crate::session::record::Record;
use crate::tune::{self, Outcome, Question, Search};
use crate::units::counted;
use crate::words;

/// The search as it was after these trials; without any, one that begins.
pub(super) fn search<'a>(
    config: &tune::Config,
    trials: impl Iterator<Item = &'a Trial>,
) -> Result<Search> {
    let told = |trial: &Trial| {
        let left = Duration::from_micros(trial.asked?.left_us);
        Some((left, Question::from(trial), Outcome::from(trial)))
    };
    let told = trials.map(told).collect::<Option<Vec<_>>>();
    told.and_then(|told| Search::resumed(config.clone(), told)).ok_or_else(|| {
        Error::environment("the saved trials are not those that this version of tidegate would run")
            .hint("start a new search without --resume")
    })
}

/// What is said when a run goes on, so much of its budget being left.
pub(super) fn going_on(document: &Document, left: Duration) -> String {
    format!(
        "run {} goes on after {}; of its budget {} are left",
        document.id,
        counted(document.trials.len(), "trial"),
        words::to_the_second(left)
    )
}

/// The record of the run, to go on with.
pub(super) fn record(saved: Saved, scenario: &Scenario, target: &Target) -> Result<Record> {
    check(&saved.document, scenario)?;
    let mut record = Record::resume(saved)?;
    let document = &mut record.document;
    // An embedded gateway listens elsewhere now.
    document.target = target.clone();
    let (then, now) = (&document.host.name, measure::host().name);
    if *then != now {
        let trials = counted(document.trials.len(), "trial");
        document.assumptions.push(format!(
            "{now} is taken to measure as {then} did: the run was resumed there after {trials}."
        ));
    }
    Ok(record)
}

/// Sees that the run would go on as it began.
fn check(document: &Document, scenario: &Scenario) -> Result<()> {
    let [then, now] = [&document.scenario, scenario].map(Scenario::fields);
    let keys: BTreeSet<&String> = then.keys().chain(now.keys()).collect();
    let differs = keys.into_iter().find(|key| then.get(*key) != now.get(*key));
    let Some(key) = differs else { return Ok(()) };
    let [then, now] = [&then, &now].map(|of| of.get(key).unwrap_or(&Value::Null).to_string());
    let message = format!(
        "run {} cannot be resumed: it was begun with {key} = {then} and would go on with {now}",
        document.id
    );
    Err(Error::environment(message)
        .hint("a default, the environment or a file has changed since: start a new search"))
}
