//! `tidegate tune`: a search driven over a store, each trial saved before the next.

mod budget;
mod course;
mod drive;
mod estimate;
mod follow;
mod jobs;
mod leg;
mod options;
mod resume;
mod said;
mod sensitivity;
mod told;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

pub use self::estimate::{Estimate, RateFrom, SearchEstimate};
pub use self::options::{FILES_MAX, Files, Means, SearchOptions, TuneOptions};

use self::budget::{Spent, Until};
use self::course::Course;
use self::drive::Tuning;
use self::jobs::Jobs;
use self::leg::Leg;
use self::sensitivity::sensitivity;
use super::claim::Claim;
use super::clean::remove_leftover;
use super::conditions::assumptions;
use super::existing::{self, Existing, tell};
use super::progress::Progress;
use super::record::Record;
use super::target::{Open, TargetOptions, TargetUrl};
use super::team::{Ground, Team};
use super::upwards::{Upwards, local_dataset};
use super::visit::{Visit, both, conclude};
use super::{Finished, Work, limits};
use crate::crew::Crew;
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::report::shell_word;
use crate::result::{Budget, Document, Phase, Saved, Sensitivity, Settings, Trial};
use crate::tune;
use crate::units::counted;

/// Searches for settings and recommends some, on all DTNs of a crew; goes on with a run that was `cut_off`, if there is
/// one. `None` is of DTNs that do not lead.
///
/// # Errors
/// If the target cannot be used, the budget is too small, nothing could be measured, the run that was
/// cut off was another one, or the user interrupts.
pub fn tune<'a>(
    options: &'a TuneOptions,
    cut_off: Option<Saved>,
    crew: &'a Crew,
    interrupt: &'a Interrupt,
    progress: &'a mut Progress,
) -> Work<'a, Option<Finished>> {
    let work = async move |interrupt: Interrupt| match crew.leads() {
        true => lead(options, cut_off, crew, &interrupt, progress).await.map(Some),
        false => follow::follow(options, crew, &interrupt, progress).await.map(|()| None),
    };
    Box::pin(crew.beside(interrupt, work))
}

/// What the DTN does that decides.
fn lead<'a>(
    options: &'a TuneOptions,
    cut_off: Option<Saved>,
    crew: &'a Crew,
    interrupt: &'a Interrupt,
    progress: &'a mut Progress,
) -> Work<'a, Finished> {
    Box::pin(async move {
        let Ahead { courses, estimate, opened } = look_ahead(options, interrupt, progress).await?;
        let before = cut_off.as_ref().map(|saved| &saved.document);
        let trials = before.map_or(&[][..], |document| &document.trials);
        let legs = Leg::all(options, courses.clone(), &estimate, trials)?;
        let whole = Until { time: options.means.time, caps: estimate.caps(options) };
        let spent = Spent::new(whole, before);
        progress.note(&match before {
            None => estimate.text(),
            Some(document) => resume::going_on(document, spent.left()),
        });
        let visit = match opened {
            Some(visit) => visit,
            None => {
                Visit::to_write(&options.target, options.means.time, interrupt, progress).await?
            }
        };
        let open = &visit.open;
        let most = options.search.dtns.iter().copied().max().unwrap_or(1);
        let team = Team::new(crew, &open.place, most, options.search.rules.seed);
        team.gather(|| follow::hello(options, &courses, &visit)).await?;
        let record = begin(options, &courses, &visit, cut_off, progress)?;
        // From here on it can be resumed.
        record.save()?;
        let claim = claim(options, &visit, &record, interrupt).await?;
        team.begin(&Ground::new(&claim, &record.identity));
        let mut tuning = Tuning {
            options,
            jobs: Jobs::new(options, &claim),
            team,
            place: &open.place,
            claim: &claim,
            interrupt,
            progress,
            record,
            allowance: spent.allowance(),
            prepared: BTreeSet::new(),
        };
        let searched = claim.while_alive(tuning.search(legs, spent)).await;
        let (growth, searched) = match searched {
            Ok(growth) => (growth, Ok(())),
            Err(error) => (None, Err(error)),
        };
        let others = tuning.team.end(&searched).await;
        let mut record = tuning.record;
        record.document.simulation = open.simulation_cost(progress);
        let searched = searched.and_then(|()| {
            record.document.sensitivity =
                hangs_on(options, &record.document, open, &courses, interrupt)?;
            Ok(())
        });
        if searched.is_err() {
            progress.note(&how_to_go_on(&record, options));
        }
        let saved = record.save();
        let given_back = visit.give_back(claim, &record.document.id).await;
        let after = conclude(searched.and(saved), both(others, given_back))?;
        answer(record, growth, options, after, progress)
    })
}

/// The result, if there is something to recommend.
fn answer(
    record: Record,
    growth: Option<f64>,
    options: &TuneOptions,
    after: Option<Error>,
    progress: &Progress,
) -> Result<Finished> {
    if record.document.recommendation.is_some() {
        return record.finish(after);
    }
    let nothing = nothing_to_recommend(&record, growth, options);
    let Some(after) = after else { return Err(nothing) };
    progress.note(&nothing.to_string());
    Err(after)
}

/// The record of a search that begins, or goes on.
fn begin(
    options: &TuneOptions,
    courses: &[Course],
    visit: &Visit,
    cut_off: Option<Saved>,
    progress: &Progress,
) -> Result<Record> {
    let of_the_model = told::of_the_model(options, courses, &visit.open, progress);
    let scenario = told::scenario(options, courses, visit)?;
    if let Some(saved) = cut_off {
        return resume::record(saved, &scenario, &visit.open.result);
    }
    let (connector, retry) = (options.connector.as_ref(), options.target.retry);
    let assumptions = [
        assumptions(options.flow(), options.search.get, connector, retry),
        of_the_model,
        told::existing(options),
    ];
    visit.begin(&options.saving.results, scenario, assumptions.concat())
}

/// The run's place in the bucket, without what it left there when it was cut off.
async fn claim<'a>(
    options: &TuneOptions,
    visit: &'a Visit<'a>,
    record: &Record,
    interrupt: &Interrupt,
) -> Result<Claim<'a>> {
    let (bucket, prefix) = (&visit.bucket, &visit.open.prefix);
    if options.files.exist() {
        return Ok(Claim::to_read(bucket, prefix));
    }
    let before = remove_leftover(bucket, prefix, &record.identity);
    let before = interrupt.unless_asked(before).await?;
    Ok(Claim::unique(bucket, prefix, &record.identity).await?.going_on(before))
}

/// Which assumed number the first recommendation hangs on, if it was simulated.
fn hangs_on(
    options: &TuneOptions,
    document: &Document,
    open: &Open,
    courses: &[Course],
    interrupt: &Interrupt,
) -> Result<Option<Sensitivity>> {
    let simulated = document.recommendation.as_ref().zip(open.scenario());
    // It looks at one DTN.
    let Some((found, scenario)) = simulated.filter(|(found, _)| found.dtns.is_none()) else {
        return Ok(None);
    };
    let course = courses.iter().find(|course| course.workload() == found.workload());
    course.map_or(Ok(None), |course| sensitivity(options, (scenario, course), found, interrupt))
}

fn how_to_go_on(record: &Record, options: &TuneOptions) -> String {
    format!(
        "{} saved: `tidegate tune {}--resume {}` goes on",
        counted(record.document.trials.len(), "trial"),
        named(options),
        record.directory().display()
    )
}

/// The target, as it is given again to go on: nothing for a gateway of our own.
fn named(options: &TuneOptions) -> String {
    let TargetOptions { url, endpoint, .. } = &options.target;
    let Some(TargetUrl { bucket, prefix }) = url else { return String::new() };
    let objects = if options.files.exist() { "--objects " } else { "" };
    let target = shell_word(&format!("s3://{bucket}/{prefix}"));
    format!("{objects}{target} --endpoint {} ", shell_word(endpoint))
}

/// What is known all the same, and what an answer would take.
fn nothing_to_recommend(record: &Record, growth: Option<f64>, options: &TuneOptions) -> Error {
    let document = &record.document;
    let used_up = document.spent.as_ref().and_then(|spent| spent.used_up);
    let known = growth.filter(|growth| *growth > 1.0).map_or(String::new(), |growth| {
        let now = options.search.current_concurrency;
        format!("; more files in flight carry at least {growth:.1} times what {now} carry")
    });
    let is_refused =
        |trial: &Trial| trial.refused_in_window > Some(options.search.rules.max_refused);
    let refused = document.trials.iter().any(is_refused);
    let mut soaks = document.trials.iter().filter(|trial| trial.phase == Phase::Soak);
    let only_prepared = document.trials.is_empty() && used_up.is_some();
    let why = match used_up {
        _ if only_prepared => "uploading the objects to download took the whole budget",
        _ if soaks.any(is_refused) => {
            "the settings held for a soak had more requests refused than --max-refused allows"
        }
        Some(_) => "the budget ended before the knee was found and held for a soak",
        None if refused => {
            "more requests were refused than --max-refused allows, whatever was tried"
        }
        None => "no settings that were tried moved data steadily",
    };
    let directory = record.directory().display();
    let more = match used_up {
        _ if only_prepared => "give fewer bytes with --size".to_owned(),
        Some(Budget::Time) => format!("give --budget {} or more", minutes(2 * options.means.time)),
        Some(budget) => format!("give a larger {}", budget.option()),
        None if refused => "give a larger --max-refused, or a lower --max-concurrency".to_owned(),
        None => "look at its trials".to_owned(),
    };
    Error::answer_is_no(format!("no settings could be recommended: {why}{known}"))
        .hint(format!("{more}; what was measured is in {directory}"))
}

/// In whole minutes.
fn minutes(time: Duration) -> String {
    format!("{}m", time.as_secs().div_ceil(60))
}

/// What a search would spend and could show: nothing is written anywhere.
///
/// # Errors
/// As for [`tune()`], before anything is spent.
pub fn estimate<'a>(
    options: &'a TuneOptions,
    interrupt: &'a Interrupt,
    progress: &'a Progress,
) -> Work<'a, Estimate> {
    Box::pin(async move { Ok(look_ahead(options, interrupt, progress).await?.estimate) })
}

/// What is known before anything is spent.
struct Ahead<'a> {
    courses: Vec<Course>,
    estimate: Estimate,
    /// Where the dataset lies already.
    opened: Option<Visit<'a>>,
}

async fn look_ahead<'a>(
    options: &'a TuneOptions,
    interrupt: &Interrupt,
    progress: &Progress,
) -> Result<Ahead<'a>> {
    let (datasets, opened) = match &options.files {
        Files::Existing => {
            let mut visit = Visit::to_read(&options.target, interrupt).await?;
            let Existing { prefix, objects, skipped, .. } =
                existing::objects(&visit.open, &visit.bucket, interrupt).await?;
            tell(&skipped, progress);
            visit.open.prefix = prefix;
            (vec![Arc::new(Dataset::Objects(objects))], Some(visit))
        }
        Files::Datasets { datasets, .. } => {
            let made = |of: &Upwards| Ok(Arc::new(local_dataset(of, progress)?.0));
            (datasets.iter().map(made).collect::<Result<_>>()?, None)
        }
    };
    let courses = Course::all(options, &datasets);
    for course in &courses {
        check_settings(options, course)?;
    }
    let estimate = Estimate::new(options, &courses)?;
    Ok(Ahead { courses, estimate, opened })
}

/// Sees that every settings that may be tried is possible.
fn check_settings(options: &TuneOptions, course: &Course) -> Result<()> {
    let Course { config, dataset, .. } = course;
    let concurrency = config.concurrency_max.max(config.current.concurrency);
    for part_size_bytes in config.part_sizes_bytes.iter().copied() {
        let parts_in_flight = config.parts_in_flight.iter().max().copied().unwrap_or(1);
        let settings = Settings { part_size_bytes, concurrency, parts_in_flight };
        tune::feasible(settings, dataset.largest_bytes())?;
        if options.target.simulation.is_none() {
            limits::check(settings, dataset, options.target.proof)?;
        }
    }
    Ok(())
}
