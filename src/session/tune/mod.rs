//! `tidegate tune`: a search driven over a store, each trial saved before the next.

mod budget;
mod drive;
mod estimate;
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
pub use self::options::{FILES_MAX, Most, TuneOptions};

use self::budget::{Spent, Until};
use self::drive::Tuning;
use self::leg::{Course, Leg};
use self::sensitivity::sensitivity;
use super::claim::Claim;
use super::clean::remove_leftover;
use super::conditions::assumptions;
use super::existing::{self, Existing, tell};
use super::progress::Progress;
use super::record::Record;
use super::target::{TargetOptions, TargetUrl};
use super::upwards::{Upwards, local_dataset};
use super::visit::{Visit, conclude};
use super::{Finished, Work, limits};
use crate::dataset::{Dataset, Pattern};
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::report::shell_word;
use crate::result::{Budget, Phase, Saved, Settings, Trial};
use crate::transfer::PATTERN_SEED;
use crate::tune;
use crate::units::counted;
use crate::words;

/// Searches for settings and recommends some; goes on with a run that was `cut_off`, if there is one.
///
/// # Errors
/// If the target cannot be used, the budget is too small, nothing could be measured, the run that was
/// cut off was another one, or the user interrupts.
pub fn tune<'a>(
    options: &'a TuneOptions,
    cut_off: Option<Saved>,
    interrupt: &'a Interrupt,
    progress: &'a mut Progress,
) -> Work<'a, Finished> {
    Box::pin(async move {
        let Ahead { courses, estimate, opened } = look_ahead(options, interrupt, progress).await?;
        let before = cut_off.as_ref().map(|saved| &saved.document);
        let trials = before.map_or(&[][..], |document| &document.trials);
        let legs = Leg::all(options, courses.clone(), &estimate, trials)?;
        let whole = Until { time: options.budget, caps: estimate.caps(options) };
        let spent = Spent::new(whole, before);
        match &cut_off {
            None => progress.note(&estimate.text()),
            Some(saved) => progress.note(&format!(
                "run {} goes on after {}; of its budget {} are left",
                saved.document.id,
                counted(trials.len(), "trial"),
                words::to_the_second(spent.left())
            )),
        }
        let visit = match opened {
            Some(visit) => visit,
            None => Visit::to_write(&options.target, options.budget, interrupt, progress).await?,
        };
        let open = &visit.open;
        let of_the_model = told::of_the_model(options, &courses, open, progress);
        let scenario = told::scenario(options, &courses, &visit)?;
        let record = match cut_off {
            Some(saved) => resume::record(saved, &scenario, &open.result)?,
            None => {
                let (connector, retry) = (options.connector.as_ref(), options.target.retry);
                let assumptions = [
                    assumptions(options.flow(), options.get, connector, retry),
                    of_the_model,
                    told::existing(options),
                ];
                visit.begin(&options.results, scenario, assumptions.concat())?
            }
        };
        // From here on it can be resumed.
        record.save()?;
        let claim = match options.objects {
            true => Claim::to_read(&visit.bucket, &open.prefix),
            false => {
                let before = remove_leftover(&visit.bucket, &open.prefix, &record.identity);
                let before = interrupt.unless_asked(before).await?;
                Claim::unique(&visit.bucket, &open.prefix, &record.identity).await?.going_on(before)
            }
        };
        let mut tuning = Tuning {
            options,
            pattern: Pattern::new(PATTERN_SEED),
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
        let mut record = tuning.record;
        record.document.simulation = open.simulation_cost(progress);
        let searched = searched.and_then(|()| {
            let document = &mut record.document;
            let simulated = document.recommendation.as_ref().zip(open.scenario());
            let Some((found, scenario)) = simulated else { return Ok(()) };
            let course = courses.iter().find(|course| course.workload() == found.workload());
            let Some(course) = course else { return Ok(()) };
            document.sensitivity = sensitivity(options, (scenario, course), found, interrupt)?;
            Ok(())
        });
        if searched.is_err() {
            let (saved, directory) = (record.document.trials.len(), record.directory().display());
            progress.note(&format!(
                "{} saved: `tidegate tune {}--resume {directory}` goes on",
                counted(saved, "trial"),
                named(options)
            ));
        }
        let saved = record.save();
        let given_back = visit.give_back(claim, &record.document.id).await;
        let after = conclude(searched.and(saved), given_back)?;
        if record.document.recommendation.is_none() {
            let nothing = nothing_to_recommend(&record, growth, options);
            return Err(match after {
                None => nothing,
                Some(after) => {
                    progress.note(&nothing.to_string());
                    after
                }
            });
        }
        record.finish(after)
    })
}

/// The target, as it is given again to go on: nothing for a gateway of our own.
fn named(options: &TuneOptions) -> String {
    let TargetOptions { url, endpoint, .. } = &options.target;
    let Some(TargetUrl { bucket, prefix }) = url else { return String::new() };
    let objects = if options.objects { "--objects " } else { "" };
    let target = shell_word(&format!("s3://{bucket}/{prefix}"));
    format!("{objects}{target} --endpoint {} ", shell_word(endpoint))
}

/// What is known all the same, and what an answer would take.
fn nothing_to_recommend(record: &Record, growth: Option<f64>, options: &TuneOptions) -> Error {
    let document = &record.document;
    let used_up = document.spent.as_ref().and_then(|spent| spent.used_up);
    let known = growth.filter(|growth| *growth > 1.0).map_or(String::new(), |growth| {
        let now = options.current_concurrency;
        format!("; more files in flight carry at least {growth:.1} times what {now} carry")
    });
    let is_refused = |trial: &Trial| trial.refused_in_window > Some(options.max_refused);
    let refused = document.trials.iter().any(is_refused);
    let mut soaks = document.trials.iter().filter(|trial| trial.phase == Phase::Soak);
    let only_prepared = document.trials.is_empty() && used_up.is_some();
    let why = match used_up {
        _ if only_prepared => "to upload the objects that are downloaded took the whole budget",
        _ if soaks.any(is_refused) => {
            "what was held for a soak had more refused than --max-refused allows"
        }
        Some(_) => "the budget ended before the knee was found and held for a soak",
        None if refused => "more was refused than --max-refused allows, whatever was tried",
        None => "nothing that was tried moved anything steadily",
    };
    let directory = record.directory().display();
    let more = match used_up {
        _ if only_prepared => "give fewer bytes with --size".to_owned(),
        Some(Budget::Time) => format!("give --budget {} or more", minutes(2 * options.budget)),
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
    let (datasets, opened) = match options.objects {
        true => {
            let mut visit = Visit::to_read(&options.target, interrupt).await?;
            let Existing { prefix, objects, skipped, .. } =
                existing::objects(&visit.open, &visit.bucket, interrupt).await?;
            tell(&skipped, progress);
            visit.open.prefix = prefix;
            (vec![Arc::new(Dataset::Objects(objects))], Some(visit))
        }
        false => {
            let made = |of: &Upwards| Ok(Arc::new(local_dataset(of, progress)?.0));
            (options.datasets.iter().map(made).collect::<Result<_>>()?, None)
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
            limits::check(settings, dataset)?;
        }
    }
    Ok(())
}
