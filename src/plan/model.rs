//! How long a dataset takes.
//!
//! T = S0 + N t0 / F + B / R + tail (Z. Liu et al., arXiv:2009.03190), with what an S3 gateway adds: files in
//! parts, parts, and segments cost something each, too. A mover spends o + x on a file: o = t0 + (Create,
//! Complete) + parts + segments, in which no byte of it flows, and x = bytes / r. Where the link never binds,
//! F movers need N (o + x) / F, and with R = F r this is the paper's sum.
//!
//! Where it binds, it matters whether the movers' pauses o fall together. Files of one size that begin together
//! stay in step: then the link is idle in each pause, N o / F + B / C. Otherwise some movers send while
//! others pause. Their number follows a birth and death process (the machine repairman, L. Kleinrock,
//! "Queueing Systems" I, 1975, section 3.8): F movers, of which each that pauses begins to send after o on average,
//! while n that send get min(n r, C).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::shape::Shape;
use super::work::{Manner, Work};

/// Files that are put on movers one by one to see the tail: for each mover, and at least.
const TAIL_FILES_PER_MOVER: usize = 40;
const TAIL_FILES_MIN: usize = 2_000;

/// Orders of the files that are looked at.
const ORDERS: usize = 8;

/// What one way through the gateway costs. Nothing is below zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Model {
    /// S0: once for each task.
    pub startup_s: f64,
    /// t0: each file, its first request included.
    pub per_file_s: f64,
    /// Each file in parts, on top: Create and Complete.
    pub per_multipart_file_s: f64,
    /// Each part after the first.
    pub per_further_part_s: f64,
    /// Each segment after the first of a request.
    pub per_further_segment_s: f64,
    /// 1 / r: each byte of a stream.
    pub seconds_per_byte: f64,
    /// C: what all streams of a DTN carry together; `None`: it was never the limit.
    pub link_bytes_per_second: Option<f64>,
    /// How far movers of files of one size stay in step, from 0 to 1.
    pub in_step: f64,
}

/// Who moves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Crew {
    /// Files in flight, all tasks and DTNs together.
    pub movers: f64,
    /// Links among which they are divided.
    pub links: f64,
    /// What each of them carries.
    pub link_bytes_per_second: Option<f64>,
}

/// Seconds of a task by what takes them. They add up to the whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Terms {
    /// S0.
    pub startup_s: f64,
    /// Files: N t0 / F, and Create and Complete.
    pub files_s: f64,
    /// Further parts and segments.
    pub parts_s: f64,
    /// Bytes at the rate of the streams.
    pub bytes_s: f64,
    /// Waiting for the link, which carries no more.
    pub link_s: f64,
    /// The last files, while other movers have none left.
    pub tail_s: f64,
}

impl Terms {
    /// All of them.
    pub fn total_s(&self) -> f64 {
        self.startup_s + self.files_s + self.parts_s + self.bytes_s + self.link_s + self.tail_s
    }
}

impl Model {
    /// What the counts of [`Work::terms`] cost.
    pub fn costs(&self) -> [f64; 5] {
        [
            self.per_file_s,
            self.per_multipart_file_s,
            self.per_further_part_s,
            self.per_further_segment_s,
            self.seconds_per_byte,
        ]
    }

    /// Seconds of one mover for all of it.
    pub fn mover_seconds(&self, work: &Work) -> f64 {
        self.costs().iter().zip(work.terms()).map(|(cost, count)| cost * count).sum()
    }

    /// The time of a task.
    pub fn time(&self, shape: &Shape, manner: Manner, crew: Crew) -> Terms {
        let steady = self.steady(shape, manner, crew);
        let tail_s = self.tail_s(shape, manner, crew.movers);
        self.with_tail(steady, tail_s)
    }

    /// The time while all movers are busy.
    pub fn steady(&self, shape: &Shape, manner: Manner, crew: Crew) -> Terms {
        let work = Work::of(shape, manner);
        let [files, multipart, parts, segments, bytes] = {
            let (costs, counts) = (self.costs(), work.terms());
            std::array::from_fn(|term| costs[term] * counts[term] / crew.movers)
        };
        let pauses_s = files + multipart + parts + segments;
        let link_s = crew.link_bytes_per_second.map_or(0.0, |link| {
            let all = link * crew.links;
            let in_step_s = pauses_s + bytes.max(work.bytes / all);
            let out_of_step_s = work.bytes
                / (crew.links
                    * carried(
                        crew.movers / crew.links,
                        pauses_s / bytes,
                        link,
                        work.bytes / bytes / crew.movers,
                    ));
            let in_step = if shape.is_of_one_size() { self.in_step } else { 0.0 };
            let steady_s = in_step * in_step_s + (1.0 - in_step) * out_of_step_s;
            (steady_s - pauses_s - bytes).max(0.0)
        });
        Terms {
            startup_s: 0.0,
            files_s: files + multipart,
            parts_s: parts + segments,
            bytes_s: bytes,
            link_s,
            tail_s: 0.0,
        }
    }

    /// The whole time. A task that the link holds back has less of a tail: the last movers have the link.
    pub fn with_tail(&self, steady: Terms, tail_s: f64) -> Terms {
        let busy_s = steady.total_s();
        let free = if busy_s > 0.0 { 1.0 - steady.link_s / busy_s } else { 1.0 };
        Terms { startup_s: self.startup_s, tail_s: tail_s * free, ..steady }
    }

    /// How much longer the last mover works than movers do on average, when each takes the next file as
    /// soon as it is free (R. L. Graham, "Bounds on Multiprocessing Timing Anomalies", 1969).
    pub fn tail_s(&self, shape: &Shape, manner: Manner, movers: f64) -> f64 {
        self.tail(shape, manner, movers).0
    }

    /// The same, and its standard deviation over orders of the files: which is the last nobody knows.
    pub fn tail(&self, shape: &Shape, manner: Manner, movers: f64) -> (f64, f64) {
        let movers = (movers.round() as usize).max(1);
        let all = shape.files().round().max(1.0);
        let wanted = TAIL_FILES_MIN.max(TAIL_FILES_PER_MOVER * movers);
        // Of a long task the end is looked at, which is as long as it takes to get out of step.
        let wanted = match all as usize > wanted {
            true => wanted + (all as usize - wanted) % movers,
            false => wanted,
        };
        let orders = if shape.is_of_one_size() { 1 } else { ORDERS };
        let tail = |order: usize| {
            let sizes = shape.sample(wanted, order as f64 / orders as f64);
            let of_file = |size: &f64| self.mover_seconds(&Work::of_file(*size, manner));
            let mut seconds: Vec<f64> = sizes.iter().map(of_file).collect();
            if order > 0 {
                fastrand::Rng::with_seed(order as u64).shuffle(&mut seconds);
            }
            let mean = seconds.iter().sum::<f64>() / movers as f64;
            makespan(&seconds, movers) - mean
        };
        let tails: Vec<f64> = (0..orders).map(tail).collect();
        let mean = tails.iter().sum::<f64>() / orders as f64;
        let squares: f64 = tails.iter().map(|tail| (tail - mean).powi(2)).sum();
        (mean, (squares / (orders.max(2) - 1) as f64).sqrt())
    }
}

/// What `movers` send together over a link, in the mean. A mover pauses `pause` times as long as its bytes take
/// when it is alone, and is then sent at `stream`.
fn carried(movers: f64, pause: f64, link: f64, stream: f64) -> f64 {
    let movers = movers.round().max(1.0) as u32;
    if pause <= 0.0 || !pause.is_finite() || stream * f64::from(movers) <= link {
        return link.min(stream * f64::from(movers) / (1.0 + pause.max(0.0)));
    }
    // Times are in units of what the bytes of a file take alone; weights are relative to that of nobody sending.
    let (mut weight, mut sum, mut rate) = (1.0, 1.0, 0.0);
    for sending in 1..=movers {
        let ends = (f64::from(sending) * stream).min(link) / stream;
        weight *= f64::from(movers - sending + 1) / pause / ends;
        sum += weight;
        rate += weight * ends;
        if sum > 1e200 {
            (weight, sum, rate) = (weight / sum, 1.0, rate / sum);
        }
    }
    rate / sum * stream
}

/// When the last of `movers` is done, each taking the next file when it is free.
fn makespan(seconds: &[f64], movers: usize) -> f64 {
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;
    // Whole nanoseconds have an order.
    let mut free_at: BinaryHeap<Reverse<u64>> = (0..movers).map(|_| Reverse(0)).collect();
    let mut last = 0;
    for file in seconds {
        let Some(Reverse(start)) = free_at.pop() else { break };
        let end = start.saturating_add((file * 1e9) as u64);
        last = last.max(end);
        free_at.push(Reverse(end));
    }
    last as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::{Direction, Settings};
    use crate::units::MIB;
    use proptest::prelude::*;

    fn manner(concurrency: u32) -> Manner {
        let settings = Settings { part_size_bytes: 64 * MIB, concurrency, parts_in_flight: 1 };
        Manner { direction: Direction::Up, settings, ranged: false }
    }

    fn model() -> Model {
        Model { startup_s: 2.0, per_file_s: 0.1, seconds_per_byte: 1.0 / 50e6, ..Model::default() }
    }

    #[test]
    fn without_a_link_it_is_the_sum_of_the_paper() {
        let shape = Shape::equal(1000.0, 10e9);
        let crew = Crew { movers: 10.0, links: 1.0, link_bytes_per_second: None };
        let terms = model().time(&shape, manner(10), crew);
        assert!((terms.total_s() - (2.0 + 1000.0 * 0.1 / 10.0 + 10e9 / 500e6)).abs() < 1e-6);
        assert_eq!(terms.tail_s.round(), 0.0);
    }

    #[test]
    fn a_full_link_hides_what_files_cost_unless_the_movers_are_in_step() {
        let shape = Shape::equal(1000.0, 10e9);
        let crew = Crew { movers: 10.0, links: 1.0, link_bytes_per_second: Some(100e6) };
        let time = |in_step| Model { in_step, ..model() }.time(&shape, manner(10), crew).total_s();
        assert!((time(1.0) - (2.0 + 10.0 + 100.0)).abs() < 1e-6, "{}", time(1.0));
        assert!((102.0..102.1).contains(&time(0.0)), "{}", time(0.0));
    }

    #[test]
    fn eleven_files_take_ten_movers_twice_as_long() {
        let shape = Shape::equal(11.0, 11e6);
        let crew = Crew { movers: 10.0, links: 1.0, link_bytes_per_second: None };
        let terms = model().time(&shape, manner(10), crew);
        assert!((terms.total_s() - (2.0 + 2.0 * 0.12)).abs() < 1e-6, "{terms:?}");
    }

    proptest! {
        #[test]
        fn more_movers_are_never_slower(files in 1_u64..5_000, movers in 1_u32..64) {
            let shape = Shape::equal(files as f64, files as f64 * 3e6);
            let time = |movers: u32| {
                let crew = Crew { movers: f64::from(movers), links: 1.0, link_bytes_per_second: None };
                model().time(&shape, manner(movers), crew).total_s()
            };
            prop_assert!(time(movers + 1) <= time(movers) * (1.0 + 1e-9));
        }
    }
}
