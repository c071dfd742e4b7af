//! Where a search begins: the numbers with which a rough formula comes nearest to the measured rates.
//!
//! A stream sends its bytes and pauses in turns. One of few takes as long as its connection needs; of many, as long as
//! all need together. Between the two lies a smooth step, for the simulator knows better.

use super::cell::Cell;
use super::features::{Feature, Features};
use super::parameter::Parameter;
use super::sums::{Kin, Searched};
use crate::plan::Work;
use crate::result::Direction;

/// The highest rates that were measured, bytes per second.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reached {
    /// Of one stream.
    pub of_a_stream: f64,
    /// Of all.
    pub of_all: f64,
}

impl Reached {
    /// In these cells.
    pub(super) fn in_cells(cells: &[Cell]) -> Self {
        let rates = cells.iter().filter_map(|cell| {
            let rate = Features::mean(&cell.trials).ln(Feature::Rate)?.exp();
            Some((rate, f64::from(cell.asked.manner.settings.streams())))
        });
        let highest = |none: Self, (rate, streams): (f64, f64)| Self {
            of_a_stream: none.of_a_stream.max(rate / streams),
            of_all: none.of_all.max(rate),
        };
        rates.fold(Self { of_a_stream: 0.0, of_all: 0.0 }, highest)
    }
}

/// A cell as the formula sees it.
#[derive(Clone, Copy)]
struct Seen {
    direction: Direction,
    streams: f64,
    /// Of a request with payload.
    bytes: f64,
    /// Requests without payload for each with.
    calls: f64,
    /// From the beginning of a request with payload to that of the next of its stream.
    cycle_s: f64,
}

impl Seen {
    fn of(cell: &Cell) -> Option<Self> {
        let manner = cell.asked.manner;
        let rate = Features::mean(&cell.trials).ln(Feature::Rate)?.exp();
        let work = Work::of(&cell.asked.shape, manner);
        let streams = f64::from(manner.settings.streams());
        let loaded = match manner.direction {
            Direction::Up => work.parts,
            Direction::Down => work.requests,
        };
        let bytes = work.bytes / loaded;
        let calls = (work.requests - loaded) / loaded;
        Some(Self {
            direction: manner.direction,
            streams,
            bytes,
            calls,
            cycle_s: streams * bytes / rate,
        })
    }
}

/// What the formula knows of a link.
#[derive(Clone, Copy)]
struct Rough {
    call_s: f64,
    pause_s: [f64; 2],
    stream: f64,
    all: f64,
    crowding: f64,
}

/// How sharp the step is between a stream that is held by its connection and one that is held by the others.
const SHARPNESS: f64 = 8.0;

impl Rough {
    fn cycle_s(&self, seen: &Seen) -> f64 {
        let alone_s = self.pause_s[seen.direction as usize] + seen.bytes / self.stream;
        let busy = seen.streams * (seen.bytes / self.stream / alone_s);
        let crowded = 1.0 + self.crowding * (busy - 1.0).max(0.0);
        let together_s = seen.streams * seen.bytes * crowded / self.all;
        let longer_s = alone_s.max(together_s);
        let step = (alone_s / longer_s).powf(SHARPNESS) + (together_s / longer_s).powf(SHARPNESS);
        seen.calls * self.call_s + longer_s * step.powf(SHARPNESS.recip())
    }

    /// What it is off by, as the sum of squares of logarithms; one cell counts no more than a factor of two.
    fn cost(&self, all: &[Seen]) -> f64 {
        let squares = all.iter().map(|seen| (self.cycle_s(seen) / seen.cycle_s).ln().powi(2));
        squares.map(|square| square.min(0.5)).sum()
    }
}

/// Pauses are tried from a thousandth of the shortest cycle to all of it.
const PAUSES: usize = 24;
const PAUSE_LEAST: f64 = 1e-3;

/// Rates of a stream are tried from what one carried to this many times as much.
const STREAM_RATES: usize = 32;
const STREAM_MOST: f64 = 30.0;

/// Rates of all, over the highest that was measured: the last stands for a link that was never filled.
const SHARED: [f64; 7] = [1.0, 1.02, 1.06, 1.15, 1.4, 2.0, 10.0];
const FILLED: usize = 6;

const CROWDINGS: [f64; 6] = [0.0, 2e-3, 5e-3, 0.012, 0.03, 0.06];

/// The starts: the best of all, and the best of links that have another number of what the formula tells worst: the
/// pause, and whether the link was filled.
pub(super) fn starts(cells: &[Cell], kin: &Kin) -> Vec<Searched> {
    let seen: Vec<Seen> = cells.iter().filter_map(Seen::of).collect();
    let reached = Reached::in_cells(cells);
    let tried = tried(&seen, cells, kin, reached);
    let best = |keep: &dyn Fn(&(f64, Rough)) -> bool| {
        let kept = tried.iter().filter(|one| keep(one));
        kept.min_by(|one, two| one.0.total_cmp(&two.0)).map(|(_, rough)| *rough)
    };
    let Some(first) = best(&|_| true) else { return vec![kin.searched()] };
    let pause_s = first.pause_s[0] + first.pause_s[1];
    let is_filled = |rough: &Rough| rough.all < reached.of_all * SHARED[FILLED];
    let others = [
        best(&|(_, one)| one.pause_s[0] + one.pause_s[1] < 0.6 * pause_s),
        best(&|(_, one)| one.pause_s[0] + one.pause_s[1] > 1.6 * pause_s),
        best(&|(_, one)| is_filled(one) != is_filled(&first)),
    ];
    [Some(first)].into_iter().chain(others).flatten().map(|rough| begun(kin, rough)).collect()
}

/// Every combination, with what it is off by.
fn tried(seen: &[Seen], cells: &[Cell], kin: &Kin, reached: Reached) -> Vec<(f64, Rough)> {
    let known = |feature| known(cells, feature);
    let like = kin.searched();
    let call_s = known(Feature::CallTime)
        .unwrap_or_else(|| Parameter::Call.value(like[Parameter::Call as usize]));
    let shortest_s = seen.iter().map(|one| one.cycle_s).fold(f64::INFINITY, f64::min);
    let mut tried = Vec::new();
    for pause in 0..PAUSES {
        let share = PAUSE_LEAST.powf(1.0 - pause as f64 / (PAUSES - 1) as f64);
        let pause_s = share * shortest_s;
        let first_byte_s = known(Feature::FirstByte).unwrap_or(pause_s);
        for stream in 0..STREAM_RATES {
            let times = STREAM_MOST.powf(stream as f64 / (STREAM_RATES - 1) as f64);
            for shared in SHARED {
                for crowding in CROWDINGS {
                    let rough = Rough {
                        call_s,
                        pause_s: [pause_s, first_byte_s],
                        stream: times * reached.of_a_stream,
                        all: shared * reached.of_all,
                        crowding,
                    };
                    tried.push((rough.cost(seen), rough));
                }
            }
        }
    }
    tried
}

/// The mean of a time over all cells.
fn known(cells: &[Cell], feature: Feature) -> Option<f64> {
    let times = cells.iter().filter_map(|cell| Features::mean(&cell.trials).ln(feature));
    let times: Vec<f64> = times.collect();
    (!times.is_empty()).then(|| (times.iter().sum::<f64>() / times.len() as f64).exp())
}

fn begun(kin: &Kin, rough: Rough) -> Searched {
    let mut searched = kin.searched();
    let mut set = |parameter: Parameter, value: f64| {
        searched[parameter as usize] = parameter.searched(value);
    };
    set(Parameter::Call, rough.call_s);
    set(Parameter::Part, rough.pause_s[Direction::Up as usize]);
    set(Parameter::FirstByte, rough.pause_s[Direction::Down as usize]);
    set(Parameter::ConnectionRate, rough.stream);
    set(Parameter::SharedRate, rough.all);
    set(Parameter::Crowding, rough.crowding);
    if kin.has(Parameter::NodeSpread) {
        set(Parameter::NodeSpread, SPREAD_START);
    }
    searched
}

/// Little chance: more is found from there, and less.
const SPREAD_START: f64 = 0.2;
