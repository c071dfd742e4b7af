//! What a session tells Prometheus: sums over its jobs, the settings under way, and what came of them.
//!
//! Jobs count by themselves ([`Live`]), whether anybody reads or not, so that nothing is added for metrics while data
//! moves. The lock here is taken when a job begins, when a trial is over, and by readers.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::error::{ErrorKind, Result};
use crate::measure::{Live, Operation, OperationCounts, Outcome};
use crate::metrics::{Collector, DescriptorEncoder, Families, Labels, Unit};
use crate::result::{Direction, Document, Phase, Recommendation, Settings, Trial};
use crate::transfer::{Flow, Job};

/// What a job is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    /// It uploads what is to be downloaded.
    Preparing,
    /// It is a trial.
    Measuring(Phase),
}

/// What is told of a session. Clones tell the same.
#[derive(Clone, Debug, Default)]
pub struct SessionMetrics(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// Of the jobs that are over.
    sums: Sums,
    job: Option<Counting>,
    /// Trials that are over, by phase.
    trials: BTreeMap<String, u64>,
    last: Option<LastTrial>,
    recommended: Vec<Recommendation>,
    ended: Option<&'static str>,
}

/// A job that is under way, or was last.
#[derive(Debug)]
struct Counting {
    live: Arc<Live>,
    flow: Flow,
    settings: Settings,
    doing: Doing,
}

/// What came of a trial.
#[derive(Debug)]
struct LastTrial {
    goodput_bytes_per_second: f64,
    refused_share: f64,
    limited_by: String,
}

/// Two labels' values.
type Pair = [&'static str; 2];

/// Counters by the values of their labels, the last of which is what the bytes were for.
#[derive(Clone, Debug, Default)]
struct Sums {
    /// By direction.
    wire_bytes: BTreeMap<Pair, u64>,
    /// By direction.
    payload_bytes: BTreeMap<Pair, u64>,
    /// By operation.
    operations: BTreeMap<Pair, OperationCounts>,
    /// By how they ended.
    files: BTreeMap<Pair, u64>,
}

impl SessionMetrics {
    /// A job begins: what it counts is told from here on.
    pub(super) fn job_begins(&self, job: &Job, doing: Doing) {
        let mut state = self.lock();
        if let Some(before) = state.job.take() {
            state.sums.add(&before);
        }
        let (live, flow, settings) = (Arc::clone(&job.live), job.direction, job.settings);
        state.job = Some(Counting { live, flow, settings, doing });
    }

    /// A trial is over, and this came of it.
    pub(super) fn trial_ended(&self, trial: &Trial) {
        let mut state = self.lock();
        *state.trials.entry(word(trial.phase)).or_default() += 1;
        state.last = Some(LastTrial {
            goodput_bytes_per_second: trial.goodput_bytes_per_second,
            refused_share: trial.refused_in_window.unwrap_or(0.0),
            limited_by: word(trial.limited_by),
        });
    }

    /// The session is over, and this came of it.
    pub fn concluded(&self, document: &Document) {
        self.lock().recommended = document.recommended().to_vec();
    }

    /// The verb ends so.
    pub fn ended(&self, how: &Result<()>) {
        self.lock().ended = Some(match how.as_ref().map_err(|error| error.kind()) {
            Ok(()) => "done",
            Err(ErrorKind::AnswerIsNo) => "answer_is_no",
            Err(ErrorKind::Environment) => "failed",
            Err(ErrorKind::Interrupted) => "interrupted",
        });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Collector for SessionMetrics {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let state = self.lock();
        let mut sums = state.sums.clone();
        state.job.iter().for_each(|job| sums.add(job));
        let mut families = Families::new(encoder);
        sums.encode(&mut families)?;
        if let Some(job) = &state.job {
            job.encode(&mut families)?;
        }
        state.encode(&mut families)
    }
}

impl Sums {
    fn add(&mut self, job: &Counting) {
        let live = &job.live;
        for (direction, bytes) in
            [(Direction::Up, &live.sent_bytes), (Direction::Down, &live.received_bytes)]
        {
            let labels = [word_of(direction), job.purpose(direction)];
            *self.wire_bytes.entry(labels).or_default() += Live::get(bytes);
            // There from the beginning: what appears with a value has no rate before it.
            self.payload_bytes.entry(labels).or_default();
        }
        for (operation, counts) in job.operations() {
            let purpose = job.purpose(operation.direction());
            self.operations.entry([operation.name(), purpose]).or_default().merge(&counts);
            let labels = [word_of(operation.direction()), purpose];
            *self.payload_bytes.entry(labels).or_default() += counts.payload_bytes;
        }
        for (how, files) in [
            ("arrived", &live.files_done),
            ("failed", &live.files_failed),
            ("there_before", &live.files_there),
        ] {
            // Files that are read back are those that went up.
            *self.files.entry([how, job.purpose(Direction::Up)]).or_default() += Live::get(files);
        }
    }

    fn encode(&self, families: &mut Families<'_>) -> fmt::Result {
        let bytes = Some(Unit::Bytes);
        families.counters(
            ("wire", bytes.clone()),
            "Body bytes that passed the sockets, of failed attempts too.",
            self.wire_bytes.iter().map(|(pair, bytes)| (labels("direction", pair), *bytes)),
        )?;
        families.counters(
            ("payload", bytes),
            "Body bytes of attempts that succeeded.",
            self.payload_bytes.iter().map(|(pair, bytes)| (labels("direction", pair), *bytes)),
        )?;
        families.counters(
            ("files", None),
            "Files, by how they ended.",
            self.files.iter().map(|(pair, files)| (labels("outcome", pair), *files)),
        )?;
        let operations =
            || self.operations.iter().map(|(pair, of)| (labels("operation", pair), of));
        families.counters(
            ("requests", None),
            "Logical requests that began, each of one attempt or more.",
            operations().map(|(labels, of)| (labels, of.requests)),
        )?;
        families.counters(
            ("attempts", None),
            "Attempts that ended, by operation and outcome.",
            operations().flat_map(|(labels, of)| {
                let outcome = move |(outcome, count): (Outcome, u64)| {
                    ([labels.clone(), vec![("outcome", outcome.name())]].concat(), count)
                };
                Outcome::ALL.into_iter().zip(of.ended).map(outcome)
            }),
        )?;
        families.durations(
            "attempt_duration",
            "From the start of an attempt to the last byte of its answer, where it succeeded.",
            operations().map(|(labels, of)| (labels, of.times)),
        )
    }
}

impl Counting {
    /// The operations that it has used.
    fn operations(&self) -> impl Iterator<Item = (Operation, OperationCounts)> {
        let counts = |operation| (operation, self.live.of(operation).counts());
        Operation::ALL.into_iter().map(counts).filter(|(_, counts)| counts.is_used())
    }

    /// What is moved that way for.
    fn purpose(&self, direction: Direction) -> &'static str {
        match (self.doing, self.flow, direction) {
            (Doing::Preparing, ..) => "preparation",
            (Doing::Measuring(_), Flow::Up, Direction::Down) => "verification",
            (Doing::Measuring(_), ..) => "trial",
        }
    }

    fn encode(&self, families: &mut Families<'_>) -> fmt::Result {
        let in_flight = |(operation, counts): (Operation, OperationCounts)| {
            (vec![("operation", operation.name())], counts.in_flight)
        };
        families.gauges(
            ("attempts_in_flight", None),
            "Attempts under way; those of `part`, `put` and `get` carry data.",
            self.operations().map(in_flight),
        )?;
        families.gauges(
            ("files_in_flight", None),
            "Files under way.",
            [(vec![], Live::get(&self.live.files_in_flight))],
        )?;
        let Settings { part_size_bytes, concurrency, parts_in_flight } = self.settings;
        families.gauges(
            ("setting_part_size", Some(Unit::Bytes)),
            "Part size that is tried, or was last.",
            [(vec![], part_size_bytes)],
        )?;
        families.gauges(
            ("setting_concurrency", None),
            "Files in flight that are tried, or were last: Globus's concurrency.",
            [(vec![], concurrency)],
        )?;
        families.gauges(
            ("setting_parts_in_flight", None),
            "Parts of one file in flight that are tried, or were last.",
            [(vec![], parts_in_flight)],
        )?;
        let phase = match self.doing {
            Doing::Preparing => "preparation".to_owned(),
            Doing::Measuring(phase) => word(phase),
        };
        families.gauges(
            ("phase", None),
            "1 for what the job under way is for, or was last.",
            [(vec![("phase", phase.as_str())], 1_u64)],
        )
    }
}

impl State {
    fn encode(&self, families: &mut Families<'_>) -> fmt::Result {
        families.counters(
            ("trials", None),
            "Trials that are over, by phase.",
            self.trials.iter().map(|(phase, count)| (vec![("phase", phase.as_str())], *count)),
        )?;
        if let Some(last) = &self.last {
            last.encode(families)?;
        }
        let recommended =
            || self.recommended.iter().map(|found| (vec![("direction", way(found))], found));
        families.gauges(
            ("recommended_part_size", Some(Unit::Bytes)),
            "Part size that the search recommends.",
            recommended().map(|(labels, found)| (labels, found.settings.part_size_bytes)),
        )?;
        families.gauges(
            ("recommended_concurrency", None),
            "Files in flight that the search recommends: Globus's concurrency.",
            recommended().map(|(labels, found)| (labels, found.settings.concurrency)),
        )?;
        let verdicts: Vec<_> =
            self.recommended.iter().map(|found| (way(found), word(found.verdict))).collect();
        families.gauges(
            ("verdict", None),
            "1 for how sure the search is of what it recommends.",
            verdicts.iter().map(|(way, verdict)| {
                (vec![("direction", *way), ("verdict", verdict.as_str())], 1_u64)
            }),
        )?;
        families.gauges(
            ("session_state", None),
            "1 for `running`, or for how it ended.",
            [(vec![("state", self.ended.unwrap_or("running"))], 1_u64)],
        )
    }
}

impl LastTrial {
    fn encode(&self, families: &mut Families<'_>) -> fmt::Result {
        families.gauges(
            ("last_trial_goodput_bytes_per_second", None),
            "Bytes of the last trial's window in attempts that succeeded, per second.",
            [(vec![], self.goodput_bytes_per_second)],
        )?;
        families.gauges(
            ("last_trial_refused_ratio", None),
            "Share of the attempts in the last trial's window that were told to slow down.",
            [(vec![], self.refused_share)],
        )?;
        families.gauges(
            ("last_trial_limited_by", None),
            "1 for what held the last trial's rate down.",
            [(vec![("limit", self.limited_by.as_str())], 1_u64)],
        )
    }
}

/// The first label is called so.
fn labels(first: &'static str, [value, purpose]: &Pair) -> Labels<'static> {
    vec![(first, *value), ("purpose", *purpose)]
}

fn way(found: &Recommendation) -> &'static str {
    word_of(found.direction)
}

fn word_of(direction: Direction) -> &'static str {
    match direction {
        Direction::Up => "up",
        Direction::Down => "down",
    }
}

/// A state's word in the result document.
fn word(state: impl Serialize) -> String {
    let word = serde_json::to_value(state).ok();
    word.and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::dataset::{Dataset, Scale, Synthetic};
    use crate::error::Error;
    use crate::metrics::Exposition;
    use crate::units::ByteSize;

    fn job(flow: Flow) -> Job {
        let scale = Scale { size: Some(ByteSize(10)), files: Some(1) };
        let dataset = Dataset::Synthetic(Synthetic::new("equal", scale).unwrap());
        let settings = Settings { part_size_bytes: 7, concurrency: 3, parts_in_flight: 2 };
        Job::new(Arc::new(dataset), flow, settings, "p/".into())
    }

    #[track_caller]
    fn assert_tells(metrics: &SessionMetrics, line: &str) {
        let text = Exposition::of(metrics.clone()).text().unwrap();
        assert!(text.lines().any(|told| told == line), "{line} is not in: {text}");
    }

    #[test]
    fn a_job_goes_on_from_the_sums_of_those_before_it() {
        let metrics = SessionMetrics::default();
        for (doing, flow) in [
            (Doing::Preparing, Flow::Up),
            (Doing::Measuring(Phase::Race), Flow::Down),
            (Doing::Measuring(Phase::Soak), Flow::Down),
            (Doing::Measuring(Phase::Run), Flow::Up),
        ] {
            let job = job(flow);
            metrics.job_begins(&job, doing);
            Live::add(&job.live.sent_bytes, 2);
            Live::add(&job.live.received_bytes, 5);
            let get = job.live.of(Operation::Get);
            get.request_began();
            get.attempt_began();
            get.attempt_ended(Outcome::Ok, Duration::from_millis(20), 5);
            get.attempt_began();
        }
        for line in [
            "tidegate_wire_bytes_total{direction=\"up\",purpose=\"preparation\"} 2",
            "tidegate_wire_bytes_total{direction=\"up\",purpose=\"trial\"} 6",
            "tidegate_wire_bytes_total{direction=\"down\",purpose=\"trial\"} 10",
            "tidegate_wire_bytes_total{direction=\"down\",purpose=\"verification\"} 5",
            "tidegate_payload_bytes_total{direction=\"down\",purpose=\"trial\"} 10",
            "tidegate_attempts_total{operation=\"get\",purpose=\"trial\",outcome=\"ok\"} 2",
            "tidegate_attempts_total{operation=\"get\",purpose=\"trial\",outcome=\"throttled\"} 0",
            "tidegate_attempt_duration_seconds_count{operation=\"get\",purpose=\"trial\"} 2",
            "tidegate_attempts_in_flight{operation=\"get\"} 1",
            "tidegate_setting_concurrency 3",
            "tidegate_phase{phase=\"run\"} 1",
        ] {
            assert_tells(&metrics, line);
        }
    }

    #[test]
    fn the_state_is_how_the_verb_ended() {
        let metrics = SessionMetrics::default();
        assert_tells(&metrics, "tidegate_session_state{state=\"running\"} 1");
        for (how, state) in [
            (Ok(()), "done"),
            (Err(Error::answer_is_no("no")), "answer_is_no"),
            (Err(Error::environment("no")), "failed"),
            (Err(Error::interrupted()), "interrupted"),
        ] {
            metrics.ended(&how);
            assert_tells(&metrics, &format!("tidegate_session_state{{state=\"{state}\"}} 1"));
        }
    }

    #[test]
    fn a_result_tells_its_verdict_and_what_limited_it() {
        let (metrics, document) = (SessionMetrics::default(), crate::report::samples::tune());
        document.trials.iter().for_each(|trial| metrics.trial_ended(trial));
        metrics.concluded(&document);
        let found = document.recommendation.as_ref().unwrap();
        let verdict = word(found.verdict);
        assert_tells(
            &metrics,
            &format!("tidegate_verdict{{direction=\"up\",verdict=\"{verdict}\"}} 1"),
        );
        let concurrency = found.settings.concurrency;
        assert_tells(
            &metrics,
            &format!("tidegate_recommended_concurrency{{direction=\"up\"}} {concurrency}"),
        );
        let limit = word(document.trials.last().unwrap().limited_by);
        assert_tells(&metrics, &format!("tidegate_last_trial_limited_by{{limit=\"{limit}\"}} 1"));
    }
}
