//! What the result says of how the search was asked for, and what it rests on.

use super::TuneOptions;
use super::estimate::{largest, stored_part_size};
use super::leg::Leg;
use crate::dataset::Dataset;
use crate::error::Result;
use crate::plan::Shape;
use crate::result::{FileSizes, ForTune, Moved, Scenario, Verb};
use crate::session::progress::Progress;
use crate::session::target::Open;
use crate::session::visit::Visit;

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
    visit: &Visit,
) -> Result<Scenario> {
    let sizes = FileSizes::OfAll(Shape::of(dataset)?.into());
    let moved = match options.objects {
        true => Moved::Existing { existing: visit.open.describe() },
        false => options.dataset.moved(),
    };
    let verb = Verb::Tune(Box::new(asked(options, legs)));
    let connector = options.connector.as_ref();
    let scenario = visit.scenario(moved, (options.get, options.seed), connector, verb);
    Ok(Scenario { dataset_shape: Some(sizes), ..scenario })
}

fn asked(options: &TuneOptions, legs: &[Leg]) -> ForTune {
    let configs = || legs.iter().map(|leg| &leg.config);
    // Downloads of whole objects stand for all sizes.
    let part_sizes = configs().map(|config| &config.part_sizes_bytes).max_by_key(|all| all.len());
    let prepared = legs.iter().find(|leg| options.prepares(leg.direction));
    ForTune {
        directions: options.directions.clone(),
        current_concurrency: options.current_concurrency,
        concurrency_max: configs().map(|config| config.concurrency_max).max().unwrap_or_default(),
        part_sizes_bytes: part_sizes.cloned().unwrap_or_default(),
        parts_in_flight: options.parts_in_flight.clone(),
        connector_part_size_bytes: options.gcs.connector_part_size_bytes,
        stored_part_size_bytes: prepared.map(|leg| stored_part_size(options, &leg.config)),
        verify: options.verify,
        max_refused: Some(options.max_refused),
        memory_bytes: options.limits.memory_bytes,
        requests_per_second_max: options.limits.requests_per_second_max,
        budget_s: options.budget.as_secs_f64(),
        max_bytes: options.caps.bytes,
        max_cost_usd: options.caps.cost,
        prices: Some(options.caps.prices.clone()),
        warm_up_s: options.times.warm_up.as_secs_f64(),
        window_s: options.times.window.as_secs_f64(),
        soak_s: Some(options.times.soak.as_secs_f64()),
    }
}
