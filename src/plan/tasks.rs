//! Real Globus tasks beside what the model says of them.
//!
//! A task is what `globus task show TASK_ID -F json` prints (the Transfer API's task document). That has the number of
//! its files and their bytes, but no sizes: files are taken for equal, unless the dataset of the question has as
//! many of as many bytes. Then the sizes are those.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::events::{Event, Trouble, at_s, errors_by_code};
use super::forecast::Models;
use super::own_fit::OwnFit;
use super::question::Question;
use super::shape::Shape;
use crate::error::{Error, Result};
use crate::prices::Prices;
use crate::storj::Limits;
use crate::units::Rate;
use crate::words::roughly;

/// A task that succeeded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// Files that a sync found to be there already, or that could not be read and were left out for that.
    #[serde(default)]
    pub files_skipped: u64,
    /// When it was requested and completed, in seconds since 1970.
    #[serde(skip)]
    pub during_s: [f64; 2],
}

/// A task beside the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
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

/// Real tasks beside the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Tasks {
    /// Each.
    pub compared: Vec<Compared>,
    /// Those that nothing is learned from, and why.
    #[serde(default)]
    pub left_out: Vec<String>,
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
    subtasks_skipped_errors: Option<u64>,
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
            Error::environment(format!("this Globus task cannot be used: {why}")).hint(
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
        let time = |text: Option<String>| at_s(&text?);
        let times = time(shown.request_time).zip(time(shown.completion_time));
        let (from, to) =
            times.ok_or_else(|| wrong("request_time or completion_time is missing"))?;
        let files = shown
            .files_transferred
            .or_else(|| Some(shown.files?.saturating_sub(shown.files_skipped.unwrap_or(0))));
        let (files, bytes) = (files.unwrap_or(0), shown.bytes_transferred.unwrap_or(0));
        let seconds = to - from;
        let [there_already, unreadable] =
            [shown.files_skipped, shown.subtasks_skipped_errors].map(Option::unwrap_or_default);
        let skipped = there_already.saturating_add(unreadable);
        if files == 0 && skipped > 0 {
            return Err(wrong(&format!("it skipped all {skipped} files")));
        }
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
            files_skipped: skipped,
            during_s: [from, to],
        })
    }

    /// Whether these are as many files of as many bytes, to one in a hundred.
    fn is_of(&self, shape: &Shape) -> bool {
        let near = |one: f64, other: f64| (one / other - 1.0).abs() < 0.01;
        near(shape.files(), self.files as f64) && near(shape.bytes(), self.bytes as f64)
    }

    /// Why nothing is learned from it: no model knows what it takes to look at files that are not moved.
    fn left_out(&self) -> Option<String> {
        let Self { name, files, files_skipped, .. } = self;
        let all = files.saturating_add(*files_skipped);
        (*files_skipped > 0).then(|| {
            format!(
                "{}: it skipped {files_skipped} of {all} files, which were there already or could not be read; it is not compared and not fitted, for looking at \
                 those took time, too",
                name.escape_debug()
            )
        })
    }

    /// Effective speed.
    pub(super) fn speed(&self) -> f64 {
        self.bytes as f64 / self.seconds
    }
}

impl Tasks {
    /// Compares tasks with the model; each has a DTN for itself, with the question's settings. One that skipped files
    /// is left out.
    ///
    /// # Errors
    /// If a way that is needed was not measured.
    pub fn compare(
        tasks: Vec<Task>,
        events: Vec<Event>,
        question: &Question,
        models: &Models,
    ) -> Result<Self> {
        let left_out = tasks.iter().filter_map(Task::left_out).collect();
        let tasks: Vec<Task> = tasks.into_iter().filter(|task| task.files_skipped == 0).collect();
        let own = OwnFit::of(&tasks);
        let compare = |task| compared(task, &events, question, models);
        let compared = tasks.into_iter().map(compare).collect::<Result<_>>()?;
        let errors = errors_by_code(&events).into_iter();
        let events = errors.map(|(code, times)| format!("{code}: {times}")).collect();
        Ok(Self { compared, left_out, own, events })
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
    // A real task is no further session of a model of this program.
    let models = &models.of_unseen_sessions();
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
        roughly(trouble.lost_s),
        roughly(task.seconds),
        Rate(without),
        if without >= slowest { "fit" } else { "not fit either" }
    )
}
