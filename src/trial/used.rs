//! What the process, its machine and its interfaces spent in the window.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::since_start;
use crate::measure::{Interfaces, ThreadTime, Usage};
use crate::result::{InterfaceUse, ThreadUse};
use crate::transfer::{Control, GetMode, Job};

/// Threads that are told of in a result.
const THREADS_SHOWN: usize = 16;

/// All counters at one edge of the window.
#[derive(Debug)]
pub(super) struct Edge {
    at: Duration,
    usage: Usage,
    interfaces: Interfaces,
    source_waited: Duration,
    destination_waited: Duration,
}

/// What was spent between two edges.
#[derive(Clone, Debug, Default)]
pub(super) struct Used {
    /// Processor time over time: 2 is two processors.
    pub(super) processors: f64,
    /// Those that wanted most of a processor, first the busiest; empty where unknown.
    pub(super) threads: Vec<ThreadUse>,
    pub(super) machine_busy_share: Option<f64>,
    /// Of the movers' time.
    pub(super) source_waited_share: f64,
    /// Of the time of the movers, or of the ranges that each has in flight.
    pub(super) destination_waited_share: f64,
    pub(super) interfaces: Vec<InterfaceUse>,
}

impl Edge {
    pub(super) fn now(control: &Control) -> Self {
        Self {
            at: since_start(control),
            usage: Usage::now(),
            interfaces: Interfaces::now(),
            source_waited: control.live.source.total(),
            destination_waited: control.live.destination.total(),
        }
    }
}

impl Used {
    /// `ended` are threads that may have been gone by the second edge, `addresses` those of our
    /// connections on this machine.
    pub(super) fn between(
        [opened, closed]: &[Edge; 2],
        ended: &BTreeMap<u32, ThreadTime>,
        job: &Job,
        addresses: impl IntoIterator<Item = IpAddr>,
    ) -> Self {
        let elapsed = closed.at.saturating_sub(opened.at);
        let share = |then: Duration, now: Duration| share(now.saturating_sub(then), elapsed);
        let movers = job.settings.concurrency;
        let writers = movers * ranges_in_flight(job);
        let of_each = |many, then, now| share(then, now) / f64::from(many);
        let machine = opened.usage.machine.zip(closed.usage.machine);
        Self {
            processors: share(opened.usage.cpu, closed.usage.cpu),
            threads: threads(&opened.usage, &closed.usage, ended, elapsed),
            machine_busy_share: machine.and_then(|(then, now)| now.busy_share_since(then)),
            source_waited_share: of_each(movers, opened.source_waited, closed.source_waited),
            destination_waited_share: of_each(
                writers,
                opened.destination_waited,
                closed.destination_waited,
            ),
            interfaces: closed.interfaces.since(&opened.interfaces, elapsed, addresses),
        }
    }
}

/// How many ranges of a file are written at a time, at most.
fn ranges_in_flight(job: &Job) -> u32 {
    match job.get {
        GetMode::Whole => 1,
        GetMode::Ranged => {
            let ranges = job.dataset.largest_bytes().div_ceil(job.settings.part_size_bytes);
            ranges.clamp(1, u64::from(job.settings.parts_in_flight)) as u32
        }
    }
}

fn share(part: Duration, whole: Duration) -> f64 {
    part.as_secs_f64() / whole.as_secs_f64().max(f64::MIN_POSITIVE)
}

fn threads(
    opened: &Usage,
    closed: &Usage,
    ended: &BTreeMap<u32, ThreadTime>,
    elapsed: Duration,
) -> Vec<ThreadUse> {
    let ended = ended.iter().filter(|(number, _)| !closed.threads.contains_key(number));
    let mut threads: Vec<ThreadUse> = closed
        .threads
        .iter()
        .chain(ended)
        .map(|(number, now)| {
            let then = opened.threads.get(number);
            let spent = |of: fn(&ThreadTime) -> Duration| {
                share(of(now).saturating_sub(then.map(of).unwrap_or_default()), elapsed)
            };
            ThreadUse {
                name: now.name.clone(),
                running_share: spent(|thread| thread.running),
                ready_share: spent(|thread| thread.ready),
            }
        })
        .collect();
    let wanted = |thread: &ThreadUse| thread.running_share + thread.ready_share;
    threads.sort_by(|a, b| wanted(b).total_cmp(&wanted(a)));
    threads.truncate(THREADS_SHOWN);
    threads
}
