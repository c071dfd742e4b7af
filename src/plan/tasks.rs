//! Real Globus tasks as evidence: what the model says of them, and their own S0, t0 and R.
//!
//! A task is what `globus task show TASK_ID -F json` prints (the Transfer API's task document). That has the number of
//! its files and their bytes, but no sizes: files are taken for equal, unless the dataset of the question has as
//! many of as many bytes. Then the sizes are those.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::events::{Event, Trouble, errors_by_code};
use super::forecast::Models;
use super::least_squares;
use super::question::Question;
use super::shape::Shape;
use super::words::duration;
use crate::error::{Error, Result};
use crate::prices::Prices;
use crate::storj::Limits;
use crate::units::Rate;

/// Tasks from which Globus's own numbers are fitted: at least so many.
const TASKS_MIN: usize = 6;

/// And their mean file sizes differ by at least this factor.
const SIZES_RATIO: f64 = 10.0;

/// A fit whose tasks, each told by the others, are missed by more than this in the median does not fit.
/// Regressions over Globus logs miss half of the links by up to 21 % (Z. Liu et al., MLN 2018).
const MISS_MAX: f64 = 0.21;

/// A task that succeeded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Its label, or its id.
    pub name: String,
    /// Files that were transferred.
    pub files: u64,
    /// Bytes that were transferred.
    pub bytes: u64,
    /// From the request to the end.
    pub seconds: f64,
    /// Whether checksums were compared.
    pub verified: bool,
    /// Errors on the way.
    pub faults: u64,
    /// When it was requested and completed, in seconds since 1970.
    #[serde(skip)]
    pub during_s: [f64; 2],
}

/// A task beside the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// The task.
    pub task: Task,
    /// Actual effective speed.
    pub actual_bytes_per_second: f64,
    /// What the model says: median, and what holds 90 of 100 tasks.
    pub predicted_bytes_per_second: f64,
    /// The interval of the speed.
    pub interval_90: [f64; 2],
    /// Whether the task lies in it. One that does not changes nothing in the model.
    pub fits: bool,
    /// What is known of why it does not.
    #[serde(default)]
    pub why: Option<String>,
    /// Whether its files are those of the question's dataset; otherwise they are taken for equal.
    #[serde(default)]
    pub sizes_are_known: bool,
}

/// Globus's own numbers: T = S0 + N t0 + B / R with t0 for all movers together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct OwnFit {
    /// S0.
    pub startup_s: f64,
    /// t0 / F: of a task, not of a mover.
    pub per_file_s: f64,
    /// R.
    pub bytes_per_second: f64,
    /// Each task told by the others: what half of them are missed by, as a share.
    pub median_error: f64,
    /// Bytes over the rate of the fastest task instead: what half are missed by.
    pub naive_median_error: f64,
    /// Whether it may be used.
    pub fits: bool,
}

/// Real tasks beside the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tasks {
    /// Each.
    pub compared: Vec<Compared>,
    /// Their own numbers, when they are enough.
    pub own: Option<OwnFit>,
    /// Errors of all events, by their code.
    pub events: Vec<String>,
}

#[derive(Deserialize)]
struct Shown {
    task_id: Option<String>,
    label: Option<String>,
    status: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    files: Option<u64>,
    files_transferred: Option<u64>,
    files_skipped: Option<u64>,
    bytes_transferred: Option<u64>,
    request_time: Option<String>,
    completion_time: Option<String>,
    verify_checksum: Option<bool>,
    faults: Option<u64>,
}

impl Task {
    /// Reads what `globus task show -F json` prints.
    ///
    /// # Errors
    /// If it is something else, or the task did not succeed.
    pub fn read(text: &str) -> Result<Self> {
        let wrong = |why: &str| {
            Error::environment(format!("this is no Globus task to learn from: {why}")).hint(
                "save what `globus task show TASK_ID -F json` prints, of a transfer that succeeded",
            )
        };
        let shown: Shown = serde_json::from_str(text).map_err(|error| wrong(&error.to_string()))?;
        if shown.kind.as_deref().is_some_and(|kind| kind != "TRANSFER") {
            return Err(wrong("it is not a transfer"));
        }
        match shown.status.as_deref() {
            Some("SUCCEEDED") => {}
            Some(other) => return Err(wrong(&format!("its status is {other}"))),
            None => return Err(wrong("it has no status")),
        }
        let time = |text: Option<String>| OffsetDateTime::parse(&text?, &Rfc3339).ok();
        let times = time(shown.request_time).zip(time(shown.completion_time));
        let (from, to) =
            times.ok_or_else(|| wrong("request_time or completion_time is missing"))?;
        let files = shown
            .files_transferred
            .or_else(|| Some(shown.files?.saturating_sub(shown.files_skipped.unwrap_or(0))));
        let (files, bytes) = (files.unwrap_or(0), shown.bytes_transferred.unwrap_or(0));
        let seconds = (to - from).as_seconds_f64();
        if files == 0 || bytes == 0 || seconds <= 0.0 {
            return Err(wrong("it moved nothing, or in no time"));
        }
        Ok(Self {
            name: shown.label.or(shown.task_id).unwrap_or_else(|| "a task".into()),
            files,
            bytes,
            seconds,
            verified: shown.verify_checksum.unwrap_or(true),
            faults: shown.faults.unwrap_or(0),
            during_s: [from, to].map(|time| time.unix_timestamp_nanos() as f64 / 1e9),
        })
    }

    /// Whether these are as many files of as many bytes, to one in a hundred.
    fn is_of(&self, shape: &Shape) -> bool {
        let near = |one: f64, other: f64| (one / other - 1.0).abs() < 0.01;
        near(shape.files(), self.files as f64) && near(shape.bytes(), self.bytes as f64)
    }

    fn speed(&self) -> f64 {
        self.bytes as f64 / self.seconds
    }
}

impl Tasks {
    /// Compares tasks with the model; each has a DTN for itself, with the question's settings.
    ///
    /// # Errors
    /// If a way that is needed was not measured.
    pub fn compare(
        tasks: Vec<Task>,
        events: Vec<Event>,
        question: &Question,
        models: &Models,
    ) -> Result<Self> {
        let own = OwnFit::of(&tasks);
        let compare = |task| compared(task, &events, question, models);
        let compared = tasks.into_iter().map(compare).collect::<Result<_>>()?;
        let errors = errors_by_code(&events).into_iter();
        let events = errors.map(|(code, times)| format!("{code}: {times} times")).collect();
        Ok(Self { compared, own, events })
    }

    /// How many the model does not hold.
    pub fn misfits(&self) -> usize {
        self.compared.iter().filter(|one| !one.fits).count()
    }
}

fn compared(
    task: Task,
    events: &[Event],
    question: &Question,
    models: &Models,
) -> Result<Compared> {
    let question = Question {
        verify: task.verified,
        tasks: 1,
        limits: Limits::none(),
        prices: Prices::default(),
        ..question.clone()
    };
    let sizes_are_known = task.is_of(&question.shape);
    let shape = match sizes_are_known {
        true => question.shape.clone(),
        false => Shape::equal(task.files as f64, task.bytes as f64),
    };
    let setup = question.setup(1);
    // Verification that cannot be told is left out: then the model says less time, and the task is flagged.
    let told = question
        .ask(models, &shape, &setup)
        .or_else(|_| Question { verify: false, ..question.clone() }.ask(models, &shape, &setup))?;
    let speed = |seconds: f64| task.bytes as f64 / seconds;
    let [fast_s, slow_s] = told.interval_90_s;
    let interval_90 = [speed(slow_s), speed(fast_s)];
    let actual_bytes_per_second = task.speed();
    let fits = (interval_90[0]..=interval_90[1]).contains(&actual_bytes_per_second);
    Ok(Compared {
        actual_bytes_per_second,
        predicted_bytes_per_second: speed(told.p50_s),
        interval_90,
        fits,
        why: (!fits).then(|| why(&task, events, interval_90)),
        sizes_are_known,
        task,
    })
}

/// What is known of why a task is outside of its interval.
fn why(task: &Task, events: &[Event], [slowest, fastest]: [f64; 2]) -> String {
    if task.speed() > fastest {
        return "faster than the model: its path, its settings or the sizes of its files are others".into();
    }
    let Some(trouble) = Trouble::during(events, task.during_s) else {
        return match task.faults {
            0 => "slower without a fault: its path, its settings, its load or the sizes of its files are others".into(),
            faults => format!("slower with {faults} faults; --globus-events tells what time they took"),
        };
    };
    let without = task.bytes as f64 / (task.seconds - trouble.lost_s).max(f64::MIN_POSITIVE);
    format!(
        "slower; {trouble}; at most {} of {} passed between an error and the next progress, and without them {} would {}",
        duration(trouble.lost_s),
        duration(task.seconds),
        Rate(without),
        if without >= slowest { "fit" } else { "not fit either" }
    )
}

impl OwnFit {
    /// Their own numbers; `None` if they are too few or too alike.
    pub fn of(tasks: &[Task]) -> Option<Self> {
        let size = |task: &Task| task.bytes as f64 / task.files as f64;
        let (small, large) = tasks
            .iter()
            .map(size)
            .fold((f64::MAX, 0.0_f64), |(low, high), size| (low.min(size), high.max(size)));
        if tasks.len() < TASKS_MIN || large / small < SIZES_RATIO {
            return None;
        }
        let rows: Vec<Row> = tasks.iter().map(row).collect();
        let numbers = fit(&rows)?;
        let left_out = |index: usize| {
            let others: Vec<Row> =
                rows.iter().enumerate().filter(|(i, _)| *i != index).map(|(_, row)| *row).collect();
            fit(&others).map(|numbers| error(&rows[index], numbers))
        };
        let errors: Option<Vec<f64>> = (0..rows.len()).map(left_out).collect();
        let median_error = super::simulated::quantile(&mut errors?, 0.5);
        let fastest = tasks.iter().map(Task::speed).fold(0.0, f64::max);
        let naive = |task: &Task| (task.bytes as f64 / fastest / task.seconds - 1.0).abs();
        let mut naive: Vec<f64> = tasks.iter().map(naive).collect();
        let [startup_s, per_file_s, per_byte] = numbers;
        Some(Self {
            startup_s,
            per_file_s,
            bytes_per_second: 1.0 / per_byte.max(f64::MIN_POSITIVE),
            median_error,
            naive_median_error: super::simulated::quantile(&mut naive, 0.5),
            fits: median_error <= MISS_MAX,
        })
    }
}

/// S0, t0 / F and 1 / R, each for a second of the task.
type Row = [f64; 3];

fn row(task: &Task) -> Row {
    [1.0, task.files as f64, task.bytes as f64].map(|count| count / task.seconds)
}

fn error(row: &Row, numbers: Row) -> f64 {
    (row.iter().zip(numbers).map(|(count, cost)| count * cost).sum::<f64>() - 1.0).abs()
}

/// Least squares of relative errors, nothing below zero.
fn fit(rows: &[Row]) -> Option<Row> {
    least_squares::parsimonious(rows).map(|(numbers, _)| numbers)
}
