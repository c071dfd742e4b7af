//! A dataset's files as the limits of a project see them: one request after the other.

use super::model::Model;
use super::shape::Shape;
use super::work::{Manner, Work};
use crate::result::Direction;
use crate::storj::Ask;

/// Files in whose order the mix of a dataset is met again and again.
const FILES: usize = 1024;

/// The limiter knows keys by their names; none of these limits goes by key.
const NOWHERE: &str = "";

/// A file's requests: so many like steps after one another, and the next. Its parts may be very many.
#[derive(Clone, Debug, PartialEq)]
pub struct Steps(Vec<(u64, Step)>);

/// Requests that are made together, and how long the mover is at them once they were let in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// What each asks for.
    pub ask: Ask<'static>,
    /// Stored segments of which an answer carries bytes.
    pub segments: usize,
    /// How many.
    pub at_once: u32,
    /// Mean time.
    pub seconds: f64,
    /// Standard deviation of the time's logarithm.
    pub sd: f64,
}

/// Files round and round, each as its steps.
#[derive(Clone, Debug)]
pub struct Files {
    /// Of each class of sizes.
    classes: Vec<Steps>,
    /// Of each file.
    order: Vec<usize>,
    calls: f64,
    seconds: f64,
}

impl Files {
    /// Those of a shape. A mover is `stretch` times as long at a file as by itself, where a link holds it back;
    /// `sd` tells how much the times of requests of so many bytes differ.
    pub fn of(
        shape: &Shape,
        manner: Manner,
        model: &Model,
        stretch: f64,
        sd: &dyn Fn(f64) -> f64,
    ) -> Self {
        let of_class = |bytes: f64| steps(bytes, manner, model, stretch, sd);
        let classes = shape.classes().iter().map(|class| of_class(class.file_bytes)).collect();
        let place = |size: &f64| {
            let class = shape.classes().iter().position(|class| class.file_bytes == *size);
            class.unwrap_or(0)
        };
        let work = Work::of(shape, manner);
        Self {
            classes,
            order: shape.sample(FILES, 0.0).iter().map(place).collect(),
            calls: work.calls / work.files,
            seconds: stretch * model.mover_seconds(&work) / work.files,
        }
    }

    /// The steps of the n-th file.
    pub fn steps(&self, file: usize) -> &Steps {
        &self.classes[self.order[file % self.order.len()]]
    }

    /// Calls of a file to the satellite, in the mean.
    pub fn calls(&self) -> f64 {
        self.calls
    }

    /// Seconds of a mover for a file, in the mean.
    pub fn seconds(&self) -> f64 {
        self.seconds
    }

    /// Requests that a mover makes at once, at most.
    pub fn at_once(&self) -> u32 {
        let steps = self.classes.iter().flat_map(|steps| &steps.0);
        steps.map(|(_, step)| step.at_once).max().unwrap_or(1)
    }
}

impl Steps {
    /// The n-th; `None` after the last.
    pub fn get(&self, number: u64) -> Option<Step> {
        let mut before = 0;
        let run = self.0.iter().find(|(times, _)| {
            before += times;
            number < before
        });
        run.map(|(_, step)| *step)
    }

    /// Seconds from the n-th on.
    pub fn seconds_from(&self, number: u64) -> f64 {
        let mut before = 0;
        let left = self.0.iter().map(|(times, step)| {
            let skipped = number.saturating_sub(before).min(*times);
            before += times;
            (times - skipped) as f64 * step.seconds
        });
        left.sum()
    }
}

fn steps(
    bytes: f64,
    manner: Manner,
    model: &Model,
    stretch: f64,
    sd: &dyn Fn(f64) -> f64,
) -> Steps {
    let work = Work::of_file(bytes, manner);
    let seconds = stretch * model.mover_seconds(&work);
    let part_bytes = (manner.settings.part_size_bytes as f64).min(bytes);
    let one = |ask, segments: f64, seconds, bytes| {
        vec![(1, Step { ask, segments: segments as usize, at_once: 1, seconds, sd: sd(bytes) })]
    };
    // Parts, or ranges, so many at a time; the last round may have fewer.
    let rounds = |ask, seconds: f64| {
        let in_flight = f64::from(manner.settings.parts_in_flight.max(1));
        let rounds = (work.parts / in_flight).ceil();
        let round = |at_once: f64| Step {
            ask,
            segments: 0,
            at_once: at_once as u32,
            seconds: seconds / rounds,
            sd: sd(part_bytes),
        };
        let last = work.parts - (rounds - 1.0) * in_flight;
        vec![(rounds as u64 - 1, round(in_flight)), (1, round(last))]
    };
    Steps(match manner.direction {
        Direction::Up if work.multipart_files > 0.0 => {
            let around = 0.5 * stretch * model.per_multipart_file_s;
            let create = Ask::Create { bucket: NOWHERE, key: NOWHERE };
            let part = Ask::Part { bytes: part_bytes as u64 };
            let parts = rounds(part, seconds - 2.0 * around);
            [one(create, 0.0, around, 1.0), parts, one(Ask::Complete, 0.0, around, 1.0)].concat()
        }
        Direction::Up => {
            let put = Ask::Put { bucket: NOWHERE, key: NOWHERE, bytes: bytes as u64 };
            one(put, 0.0, seconds, bytes)
        }
        Direction::Down if manner.ranged => rounds(Ask::Get, seconds),
        Direction::Down => one(Ask::Get, work.segments, seconds, bytes),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::Settings;
    use crate::units::MIB;

    const MODEL: Model = Model {
        startup_s: 0.0,
        per_file_s: 0.25,
        per_multipart_file_s: 0.14,
        per_further_part_s: 0.25,
        per_further_segment_s: 0.05,
        seconds_per_byte: 1.0 / 50e6,
        link_bytes_per_second: None,
        in_step: 0.0,
    };

    #[test]
    fn steps_take_as_long_and_make_as_many_requests_as_the_work_of_their_file() {
        for direction in [Direction::Up, Direction::Down] {
            for (parts_in_flight, ranged) in [(1, false), (1, true), (4, true)] {
                let settings =
                    Settings { part_size_bytes: 64 * MIB, concurrency: 8, parts_in_flight };
                let manner = Manner { direction, settings, ranged };
                for bytes in [0.0, 1e3, 50e6, 500e6, 3.3e9] {
                    let work = Work::of_file(bytes, manner);
                    let steps = steps(bytes, manner, &MODEL, 1.5, &|_| 0.0);
                    let all: Vec<Step> = (0..).map_while(|number| steps.get(number)).collect();
                    let seconds: f64 = all.iter().map(|step| step.seconds).sum();
                    assert!((seconds / (1.5 * MODEL.mover_seconds(&work)) - 1.0).abs() < 1e-9);
                    assert!((seconds / steps.seconds_from(0) - 1.0).abs() < 1e-9);
                    let last = all.len() as u64 - 1;
                    assert_eq!(steps.seconds_from(last), all[all.len() - 1].seconds);
                    let requests: u32 = all.iter().map(|step| step.at_once).sum();
                    assert_eq!(f64::from(requests), work.requests, "{bytes} {manner:?}");
                }
            }
        }
    }

    #[test]
    fn a_file_of_any_size_is_a_few_runs_of_steps() {
        let settings = Settings { part_size_bytes: 64 * MIB, concurrency: 8, parts_in_flight: 3 };
        let manner = Manner { direction: Direction::Up, settings, ranged: false };
        let steps = steps(1e300, manner, &MODEL, 1.0, &|_| 0.0);
        assert_eq!(steps.0.len(), 4);
        assert!(steps.get(u64::MAX - 2).is_some_and(|step| step.at_once == 3));
    }
}
