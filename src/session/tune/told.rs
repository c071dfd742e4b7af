//! What the result says of how the search was asked for, and what it rests on.

use std::collections::BTreeMap;

use super::course::Course;
use super::estimate::{largest, stored_part_size};
use super::options::{Files, TuneOptions};
use crate::error::Result;
use crate::plan::Shape;
use crate::result::{FileSizes, ForTune, Moved, Scenario, SizeClasses, Verb};
use crate::session::progress::Progress;
use crate::session::target::Open;
use crate::session::visit::Visit;

/// What follows from objects that somebody else has stored.
pub(super) fn existing(options: &TuneOptions) -> Vec<String> {
    let note = "The objects that were downloaded existed before: their bytes are not known here and not verified (unverifiable), nor is how they were stored.";
    if options.files.exist() { vec![note.to_owned()] } else { Vec::new() }
}

/// What the model of a simulation cannot be relied on for, in every direction.
pub(super) fn of_the_model(
    options: &TuneOptions,
    courses: &[Course],
    open: &Open,
    progress: &Progress,
) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for course in courses {
        let settings = largest(options, &course.config);
        let more = open.assumptions(settings, course.direction, progress);
        all.extend(more.into_iter().filter(|one| !all.contains(one)).collect::<Vec<_>>());
    }
    all
}

/// With every default filled in, and the sizes of the files: a plan is made from times and sizes.
///
/// # Errors
/// If a dataset has no file.
pub(super) fn scenario(
    options: &TuneOptions,
    courses: &[Course],
    visit: &Visit,
) -> Result<Scenario> {
    let moved = match &options.files {
        Files::Existing => Moved::Existing { existing: visit.open.describe() },
        Files::Datasets { datasets, .. } => match &datasets[..] {
            [dataset] => dataset.moved(),
            several => {
                let names: Vec<String> = several.iter().map(ToString::to_string).collect();
                Moved::Named(names.join(","))
            }
        },
    };
    let verb = Verb::Tune(Box::new(asked(options, courses)));
    let connector = options.connector.as_ref();
    let scenario =
        visit.scenario(moved, (options.search.get, options.search.rules.seed), connector, verb);
    Ok(Scenario { dataset_shape: Some(sizes(courses)?), ..scenario })
}

fn sizes(courses: &[Course]) -> Result<FileSizes> {
    let of = |course: &Course| Ok(Shape::of(&course.dataset)?.into());
    let named = courses.iter().filter_map(|course| Some((course.name.clone()?, of(course))));
    let datasets: BTreeMap<String, SizeClasses> =
        named.map(|(name, sizes)| Ok((name, sizes?))).collect::<Result<_>>()?;
    match courses {
        [course, ..] if datasets.is_empty() => Ok(FileSizes::OfAll(of(course)?)),
        _ => Ok(FileSizes::OfDatasets { datasets }),
    }
}

fn asked(options: &TuneOptions, courses: &[Course]) -> ForTune {
    let configs = || courses.iter().map(|course| &course.config);
    // Downloads of whole objects stand for all sizes.
    let part_sizes = configs().map(|config| &config.part_sizes_bytes).max_by_key(|all| all.len());
    let prepared = courses.iter().find(|course| options.prepares(course.direction));
    ForTune {
        directions: options.search.directions.clone(),
        current_concurrency: options.search.current_concurrency,
        concurrency_max: configs().map(|config| config.concurrency_max).max().unwrap_or_default(),
        part_sizes_bytes: part_sizes.cloned().unwrap_or_default(),
        parts_in_flight: options.search.parts_in_flight.clone(),
        connector_part_size_bytes: options.gcs.connector_part_size_bytes,
        stored_part_size_bytes: prepared.map(|course| stored_part_size(options, &course.config)),
        verify: options.search.verify,
        max_refused: Some(options.search.rules.max_refused),
        memory_bytes: options.search.rules.limits.memory_bytes,
        requests_per_second_max: options.search.rules.limits.requests_per_second_max,
        budget_s: options.means.time.as_secs_f64(),
        max_bytes: options.means.caps.bytes,
        max_cost_usd: options.means.caps.cost,
        prices: Some(options.means.caps.prices.clone()),
        warm_up_s: options.search.rules.times.warm_up.as_secs_f64(),
        window_s: options.search.rules.times.window.as_secs_f64(),
        soak_s: Some(options.search.rules.times.soak.as_secs_f64()),
    }
}
