//! Trials that were asked for the same, from saved runs.

use std::collections::BTreeMap;
use std::time::Duration;

use super::features::Features;
use crate::error::{Error, Result};
use crate::plan::{Manner, Shape, Sizes, usable};
use crate::result::{Document, GetMode, Load, Moved, RetryMode, Trial, Verb};
use crate::words;

/// What a trial was asked for, as far as a simulation of it has to know.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// Which way, with which settings.
    pub manner: Manner,
    /// The files.
    pub shape: Shape,
    /// The profile that they are of, if they are of one.
    pub profile: Option<String>,
    /// The parts in which objects that are downloaded were uploaded.
    pub stored_part_size_bytes: u64,
    /// Whether requests learn from those that were refused.
    pub retry: RetryMode,
    /// When it was measured.
    pub during: During,
}

/// The part of a trial that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum During {
    /// From the first request to the last.
    WholeTask,
    /// A window of a load that goes on; files begin at their beginning, and what is under way may end.
    Window {
        /// Before it, at least.
        warm_up: Duration,
        /// Its length.
        window: Duration,
    },
    /// The same within a search: movers begin midway, and what is under way is let go.
    ShortWindow {
        /// Before it, at least.
        warm_up: Duration,
        /// Its length.
        window: Duration,
    },
}

/// Trials of the same.
#[derive(Clone, Debug)]
pub struct Cell {
    /// What they were asked for.
    pub asked: Asked,
    /// What each showed.
    pub trials: Vec<Features>,
}

/// What saved runs measured.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// By what was asked for, in the order in which it was first.
    pub cells: Vec<Cell>,
    /// The runs.
    pub runs: Vec<String>,
    /// Whether every run spoke TLS; `None` if some did and others did not.
    pub tls: Option<bool>,
    /// Why trials could not be used, a sentence for each reason and run.
    pub left_out: Vec<String>,
    /// What is taken for something that a run does not tell, a sentence each.
    pub taken_for: Vec<String>,
}

impl Measured {
    /// By these runs.
    ///
    /// # Errors
    /// If no trial of them can be used.
    pub fn by<'a>(documents: impl IntoIterator<Item = &'a Document>) -> Result<Self> {
        let mut measured = Self::default();
        for document in documents {
            measured.add(document);
        }
        if measured.cells.is_empty() {
            let why = measured.left_out.last().cloned();
            let why = why.map_or_else(String::new, |why| format!(": {why}"));
            let message = format!("no trial of these runs says anything about the link{why}");
            return Err(Error::environment(message).hint("measure it: tidegate tune TARGET"));
        }
        Ok(measured)
    }

    fn add(&mut self, document: &Document) {
        let sizes = Sizes::of(document);
        self.taken_for.extend(sizes.taken_for(&document.id));
        let speaks_tls = match &document.scenario.model {
            Some(model) => model.tls,
            None => document.target.endpoint.starts_with("https:"),
        };
        self.tls = match self.runs.is_empty() {
            true => Some(speaks_tls),
            false => self.tls.filter(|tls| *tls == speaks_tls),
        };
        self.runs.push(document.id.clone());
        let mut left_out = BTreeMap::<&str, Vec<u32>>::new();
        for trial in &document.trials {
            match asked(document, &sizes, trial) {
                Ok(asked) => self.put(asked, Features::of(trial)),
                Err(why) => left_out.entry(why).or_default().push(trial.id),
            }
        }
        self.left_out.extend(left_out.into_iter().map(|(why, ids)| {
            let trials = if ids.len() == 1 { "trial" } else { "trials" };
            format!("{trials} {} of {}: {why}", words::runs_of(&ids), document.id)
        }));
    }

    fn put(&mut self, asked: Asked, seen: Features) {
        match self.cells.iter_mut().find(|cell| cell.asked == asked) {
            Some(cell) => cell.trials.push(seen),
            None => self.cells.push(Cell { asked, trials: vec![seen] }),
        }
    }
}

fn asked(document: &Document, sizes: &Sizes, trial: &Trial) -> Result<Asked, &'static str> {
    let direction = usable(trial)?;
    tells_the_link(trial)?;
    let scenario = &document.scenario;
    if scenario.max_rate_bytes_per_second.or(scenario.max_requests_per_second).is_some() {
        return Err("a cap that the user set may have limited it");
    }
    let stored = match &scenario.verb {
        Verb::Tune(search) => search.stored_part_size_bytes,
        Verb::Run(_) | Verb::Plan(_) => None,
    };
    let counted = || {
        let (files, bytes) = match &trial.task {
            Some(task) => (task.files, task.bytes_done),
            None => (trial.objects, trial.bytes),
        };
        Shape::equal(files as f64, bytes as f64)
    };
    let ranged = scenario.get == GetMode::Ranged;
    Ok(Asked {
        manner: Manner { direction, settings: trial.settings, ranged },
        shape: sizes.of_trial(trial).unwrap_or_else(counted),
        profile: match &scenario.dataset {
            Moved::Named(name) => Some(name.clone()),
            _ => None,
        },
        stored_part_size_bytes: stored.unwrap_or(trial.settings.part_size_bytes),
        retry: scenario.retry,
        during: during(&scenario.verb, trial),
    })
}

/// Whether the link alone set the pace of a trial, and something of it arrived.
fn tells_the_link(trial: &Trial) -> Result<(), &'static str> {
    match &trial.task {
        _ if trial.verification.is_some() => {
            Err("it was verified: its time covers both directions")
        }
        Some(task) if task.files_verified() > 0 => {
            Err("it was verified: its time covers both directions")
        }
        Some(task) if task.files_done < task.files || task.files == 0 => Err("files failed"),
        Some(task) if task.bytes_done == 0 || task.duration_s <= 0.0 => Err("it moved no bytes"),
        Some(_) => Ok(()),
        None if trial.open_loop.is_some() => Err("the files' arrivals set its rate"),
        None if trial.goodput_bytes_per_second <= 0.0 => Err("it moved no bytes"),
        None => Ok(()),
    }
}

fn during(verb: &Verb, trial: &Trial) -> During {
    let window = rounded(trial.window.end_s - trial.window.start_s);
    let warm_up = |asked_s: f64| rounded(asked_s.min(trial.window.start_s));
    match verb {
        _ if trial.task.is_some() => During::WholeTask,
        Verb::Tune(search) => During::ShortWindow { warm_up: warm_up(search.warm_up_s), window },
        Verb::Run(run) => {
            let asked_s = match run.load {
                Load::Timed { warm_up_s, .. } => warm_up_s,
                Load::Whole(_) => trial.window.start_s,
            };
            During::Window { warm_up: warm_up(asked_s), window }
        }
        Verb::Plan(_) => During::Window { warm_up: warm_up(trial.window.start_s), window },
    }
}

/// Like trials differ by the time in which the clock was looked at.
fn rounded(seconds: f64) -> Duration {
    const STEP_S: f64 = 0.5;
    let steps = (seconds / STEP_S).round().max(1.0);
    Duration::from_secs_f64((steps * STEP_S).min(1e6))
}
