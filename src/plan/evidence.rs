//! What saved runs say about time: one observation for each trial that can be used.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::shape::Shape;
use super::sizes::Sizes;
use super::usable::usable;
use super::work::Manner;
use crate::error::{Error, Result};
use crate::result::{Direction, Document, GetMode, TargetKind, Trial};

/// A dataset that was moved, and how long it took.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// The run: trials of one run have the same conditions, those of others may not.
    pub session: String,
    /// What was moved.
    pub shape: Shape,
    /// How.
    pub manner: Manner,
    /// How long.
    pub seconds: f64,
    /// Whether these are all seconds of a task, or only those in which all movers were busy.
    pub is_whole_task: bool,
    /// How much the times of requests of one size differed, where the trial tells.
    pub requests: Option<RequestTimes>,
}

/// How even requests of one size are.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RequestTimes {
    /// Payload of each.
    pub bytes: f64,
    /// Standard deviation of the logarithm of their times.
    pub sd: f64,
}

/// So many times tell how they are spread.
const REQUESTS_MIN: u64 = 20;

/// Nine of ten normal deviates are below this.
const NORMAL_90: f64 = 1.2816;

/// The observations of some runs, and what could not be used.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// What can be used.
    pub observations: Vec<Observation>,
    /// What can not, and why, in a sentence each.
    pub left_out: Vec<String>,
    /// What is taken for something that a run does not tell, in a sentence each.
    pub taken_for: Vec<String>,
    /// Of the runs.
    pub kinds: Vec<TargetKind>,
    /// Processor time of tidegate per 10^9 bytes, the highest of the trials.
    pub cpu_seconds_per_gb: Option<f64>,
}

impl Evidence {
    /// What these runs say.
    ///
    /// # Errors
    /// If a run has no trial that can be used.
    pub fn of<'a>(documents: impl IntoIterator<Item = &'a Document>) -> Result<Self> {
        let mut evidence = Self::default();
        for document in documents {
            evidence.add(document)?;
        }
        Ok(evidence)
    }

    fn add(&mut self, document: &Document) -> Result<()> {
        let before = self.observations.len();
        let sizes = Sizes::of(document);
        self.taken_for.extend(sizes.taken_for(&document.id));
        for trial in &document.trials {
            match observation(document, &sizes, trial) {
                Ok(observation) => self.observations.push(observation),
                Err(why) => {
                    self.left_out.push(format!("trial {} of {}: {why}", trial.id, document.id));
                }
            }
            let cpu = trial.client.cpu_seconds_per_gb.unwrap_or(0.0);
            if cpu > self.cpu_seconds_per_gb.unwrap_or(0.0) {
                self.cpu_seconds_per_gb = Some(cpu);
            }
        }
        self.kinds.push(document.target.kind);
        if self.observations.len() > before {
            return Ok(());
        }
        let why = self.left_out.last().cloned();
        Err(Error::environment(format!(
            "{} has no steady trial and no whole task: {}",
            document.id,
            why.unwrap_or_else(|| "it has no trials at all".into())
        ))
        .hint("measure longer, or let tidegate measure what a plan needs: tidegate plan --measure"))
    }

    /// Those of one way, in the given order.
    pub fn one_way(&self, direction: Direction) -> Vec<&Observation> {
        let same = |observation: &&Observation| observation.manner.direction == direction;
        self.observations.iter().filter(same).collect()
    }
}

fn observation(
    document: &Document,
    sizes: &Sizes,
    trial: &Trial,
) -> Result<Observation, &'static str> {
    let direction = usable(trial)?;
    let ranged = document.scenario.get == GetMode::Ranged;
    let manner = Manner { direction, settings: trial.settings, ranged };
    let session = document.id.clone();
    let recorded = sizes.of_trial(trial);
    let requests = request_times(trial, recorded.as_ref());
    match &trial.task {
        Some(task) if task.files_verified() > 0 => {
            Err("it was verified: its time covers both directions")
        }
        Some(task) if task.files_done < task.files || task.files == 0 => Err("files failed"),
        Some(task) if task.bytes_done == 0 || task.duration_s <= 0.0 => Err("it moved no bytes"),
        Some(task) => Ok(Observation {
            session,
            shape: recorded
                .unwrap_or_else(|| Shape::equal(task.files as f64, task.bytes_done as f64)),
            manner,
            seconds: task.duration_s,
            is_whole_task: true,
            requests,
        }),
        None if trial.window.steady == Some(false) => Err("it was not steady"),
        None if trial.open_loop.is_some() => Err("the files' arrivals set its rate"),
        None if trial.objects == 0 || trial.goodput_bytes_per_second <= 0.0 => {
            Err("no file of it arrived")
        }
        None => {
            let bytes = trial.bytes as f64;
            let shape = recorded.map(|shape| shape.scaled(bytes / shape.bytes()));
            Ok(Observation {
                session,
                shape: shape.unwrap_or_else(|| Shape::equal(trial.objects as f64, bytes)),
                manner,
                seconds: bytes / trial.goodput_bytes_per_second,
                is_whole_task: false,
                requests,
            })
        }
    }
}

/// Of the requests of a trial that were of one size.
fn request_times(trial: &Trial, recorded: Option<&Shape>) -> Option<RequestTimes> {
    let part_bytes = trial.settings.part_size_bytes as f64;
    let of_files = recorded.filter(|shape| shape.is_of_one_size()).map(Shape::mean_bytes);
    let are_whole_parts = |bytes: &f64| *bytes > part_bytes && bytes % part_bytes < 1.0;
    let parts =
        trial.requests.get("part").zip(of_files.filter(are_whole_parts).and(Some(part_bytes)));
    let whole = ["put", "get"].iter().find_map(|name| trial.requests.get(*name)).zip(of_files);
    let (requests, bytes) = parts.or(whole)?;
    let times = &requests.service_time_us;
    let sd = (times.p90 as f64 / times.p50.max(1) as f64).ln() / NORMAL_90;
    (times.samples >= REQUESTS_MIN).then_some(RequestTimes { bytes, sd })
}
