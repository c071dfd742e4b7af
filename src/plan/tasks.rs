//! Real Globus tasks beside what the model says of them.
//!
//! A task's document has the number of its files and their bytes, but no sizes: files are taken for equal, unless the
//! dataset of the question has as many of as many bytes. Then the sizes are those.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::forecast::Models;
use super::globus::OwnFit;
use super::question::Question;
use super::shape::Shape;
use super::task::{Event, Task, Trouble, errors_by_code};
use crate::error::Result;
use crate::prices::Prices;
use crate::storj::Limits;
use crate::units::{Rate, counted};
use crate::words::roughly;

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
        return "faster than the model: its path, its settings or its file sizes differ".into();
    }
    let Some(trouble) = Trouble::during(events, task.during_s) else {
        return match task.faults {
            0 => {
                "slower without a fault: its path, its settings, its load or its file sizes differ"
                    .into()
            }
            faults => format!(
                "slower with {}; --globus-events tells how long they took",
                counted(faults, "fault")
            ),
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
