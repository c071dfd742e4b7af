//! Whether documents can be compared at all, by which settings, and what may differ: that is what their comparison is
//! about.

use serde::Serialize;

use crate::error::{Error, Result};
use crate::result::{
    Checksum, Document, PayloadSigning, Recommendation, Settings, TargetKind, Trial, Workload,
};

/// What both sides measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Common {
    pub(super) settings: Settings,
    pub(super) workload: Workload,
}

/// Parts of a scenario that change what a rate means.
const MUST_BE_EQUAL: [&str; 4] = ["dataset", "get", "verify", "arrivals"];

/// What is compared: the settings that the first recommends, if all measured them; else those that were
/// fastest in the first among those that all measured.
pub(super) fn check(first: &[Document], second: &[Document]) -> Result<Common> {
    let refuse = |why: String| Err(Error::environment(format!("these cannot be compared: {why}")));
    let Some(reference) = first.first() else { return refuse("the first has no run".into()) };
    if second.is_empty() {
        return refuse("the second has no run".into());
    }
    let all = || first.iter().chain(second);
    if let Some(why) = all().find_map(|other| difference(reference, other)) {
        return refuse(why);
    }
    let workload = workload(reference);
    let Some(workload) = workload.filter(|of| all().all(|one| measured(one, of).count() > 0))
    else {
        return refuse("they went different ways, or one has no trial".into());
    };
    let is_common = |settings: &Settings| {
        all().all(|one| measured(one, &workload).any(|(other, _)| other == *settings))
    };
    let recommended = reference.recommendation.as_ref().map(|found| found.settings);
    let fastest = || {
        let common = measured(reference, &workload).filter(|(settings, _)| is_common(settings));
        common.max_by(|one, other| one.1.total_cmp(&other.1)).map(|(settings, _)| settings)
    };
    match recommended.filter(is_common).or_else(fastest) {
        Some(settings) => Ok(Common { settings, workload }),
        None => refuse("no settings were measured by all of them".into()),
    }
}

/// The first thing that makes two documents speak of different things.
fn difference(one: &Document, other: &Document) -> Option<String> {
    let kinds = [one, other].map(|document| kind(document.target.kind));
    if kinds[0] != kinds[1] {
        return Some(format!("one measured {}, the other {}", kinds[0], kinds[1]));
    }
    let is_task = |document: &Document| document.trials.iter().any(|trial| trial.task.is_some());
    if is_task(one) != is_task(other) {
        return Some("one moved a whole dataset, the other measured for a time".into());
    }
    let [these, those] = [one, other].map(|document| document.scenario.fields());
    MUST_BE_EQUAL.into_iter().find_map(|name| {
        let (this, that) = (these.get(name), those.get(name));
        let said = |value: Option<&serde_json::Value>| {
            value.map_or_else(|| "nothing".to_owned(), ToString::to_string)
        };
        (this != that)
            .then(|| format!("`{name}` is {} in one and {} in the other", said(this), said(that)))
    })
}

fn kind(kind: TargetKind) -> &'static str {
    match kind {
        TargetKind::Embedded => "the embedded gateway",
        TargetKind::Endpoint => "an endpoint",
        TargetKind::Simulated => "a simulation",
    }
}

fn workload(document: &Document) -> Option<Workload> {
    let recommended = document.recommendation.as_ref().map(Recommendation::workload);
    recommended.or_else(|| document.trials.first().map(Trial::workload))
}

fn measured(document: &Document, workload: &Workload) -> impl Iterator<Item = (Settings, f64)> {
    let trials = document.trials.iter().filter(|trial| workload.is_of(trial));
    trials.map(|trial| (trial.settings, trial.goodput_bytes_per_second))
}

/// One thing that is not alike on both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The option that says it, without its dashes.
    pub name: &'static str,
    /// On the first side.
    pub first: &'static str,
    /// On the second.
    pub second: &'static str,
}

/// How uploads were signed, and which checksum went with them.
type Proven = (PayloadSigning, Checksum);

/// What differs between the sides.
///
/// # Errors
/// If it differs within one of them.
pub(super) fn differences(first: &[Document], second: &[Document]) -> Result<Vec<Difference>> {
    let (first, second) = (proven(first, "first")?, proven(second, "second")?);
    let payload = ("payload", first.0.name(), second.0.name());
    let checksum = ("checksum", first.1.name(), second.1.name());
    let differs = [payload, checksum].into_iter().filter(|(_, one, other)| one != other);
    Ok(differs.map(|(name, first, second)| Difference { name, first, second }).collect())
}

fn proven(side: &[Document], which: &str) -> Result<Proven> {
    let mut all = side.iter().map(proven_by);
    let first = all.next().unwrap_or_default();
    match all.find(|other| *other != first) {
        None => Ok(first),
        Some(other) => {
            let said = |(payload, checksum): Proven| {
                format!("`--payload {} --checksum {}`", payload.name(), checksum.name())
            };
            Err(Error::environment(format!(
                "these cannot be compared: some runs of the {which} have {} and others {}",
                said(first),
                said(other)
            )))
        }
    }
}

/// Of a document that says nothing of it, what was done then.
fn proven_by(document: &Document) -> Proven {
    let scenario = &document.scenario;
    (scenario.payload.unwrap_or_default(), scenario.checksum.unwrap_or_default())
}
