//! What the result says of how the search was asked for, and what it rests on.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::TuneOptions;
use super::estimate::{largest, stored_part_size};
use super::leg::Leg;
use crate::dataset::Dataset;
use crate::error::Result;
use crate::plan::{SHAPE, Shape};
use crate::session::conditions::{capped, of_directory, seen};
use crate::session::progress::Progress;
use crate::session::target::Open;
use crate::session::upwards::Upwards;

/// What follows from objects that somebody else has stored.
pub(super) fn existing(options: &TuneOptions) -> Vec<String> {
    let note = "The objects that were downloaded existed before: their bytes are not known here and not verified (unverifiable), nor is how they were stored.";
    if options.objects { vec![note.to_owned()] } else { Vec::new() }
}

/// What the model of a simulation cannot be relied on for, in every direction.
pub(super) fn of_the_model(
    options: &TuneOptions,
    legs: &[Leg],
    open: &Open,
    progress: &Progress,
) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for leg in legs {
        let more = open.assumptions(largest(options, &leg.config), leg.direction, progress);
        all.extend(more.into_iter().filter(|one| !all.contains(one)).collect::<Vec<_>>());
    }
    all
}

/// With every default filled in, and the sizes of the files: a plan is made from times and sizes.
///
/// # Errors
/// If the dataset has no file.
pub(super) fn scenario(
    options: &TuneOptions,
    legs: &[Leg],
    dataset: &Dataset,
    open: &Open,
) -> Result<BTreeMap<String, Value>> {
    let shape = Shape::of(dataset)?;
    let dataset = match &options.dataset {
        _ if options.objects => json!({ "existing": open.describe() }),
        Upwards::Synthetic { name, .. } => json!(name),
        Upwards::Directory { root, symlinks } => of_directory(root, *symlinks),
    };
    // Downloads of whole objects stand for all sizes.
    let part_sizes =
        legs.iter().map(|leg| &leg.config.part_sizes_bytes).max_by_key(|all| all.len());
    let concurrency_max = legs.iter().map(|leg| leg.config.concurrency_max).max();
    let mut scenario = BTreeMap::from([
        ("budget_s".into(), json!(options.budget.as_secs_f64())),
        ("concurrency_max".into(), json!(concurrency_max)),
        ("connector_part_size_bytes".into(), json!(options.gcs.connector_part_size_bytes)),
        ("current_concurrency".into(), json!(options.current_concurrency)),
        ("dataset".into(), dataset),
        ("directions".into(), json!(options.directions)),
        ("get".into(), json!(format!("{:?}", options.get).to_lowercase())),
        ("memory_bytes".into(), json!(options.limits.memory_bytes)),
        ("model".into(), open.model()),
        ("part_sizes_bytes".into(), json!(part_sizes)),
        ("parts_in_flight".into(), json!(options.parts_in_flight)),
        ("requests_per_second_max".into(), json!(options.limits.requests_per_second_max)),
        ("seed".into(), json!(options.seed)),
        ("verify".into(), json!(options.verify)),
        ("max_refused".into(), json!(options.max_refused)),
        ("soak_s".into(), json!(options.times.soak.as_secs_f64())),
        ("warm_up_s".into(), json!(options.times.warm_up.as_secs_f64())),
        ("window_s".into(), json!(options.times.window.as_secs_f64())),
    ]);
    scenario.extend([
        (SHAPE.into(), json!(shape)),
        ("max_bytes".into(), json!(options.caps.bytes)),
        ("max_cost_usd".into(), json!(options.caps.cost)),
        ("prices".into(), json!(options.caps.prices)),
        ("retry".into(), json!(options.target.retry)),
    ]);
    for leg in legs.iter().filter(|leg| options.prepares(leg.direction)) {
        let stored = stored_part_size(options, &leg.config);
        scenario.insert("stored_part_size_bytes".into(), json!(stored));
    }
    scenario.extend(seen(options.connector.as_ref()));
    scenario.extend(capped(&options.target.paces));
    Ok(scenario)
}
