//! A model of the numbers that are searched, and of the link that it is like.

use std::time::Duration;

use super::parameter::Parameter;
use crate::result::Direction;
use crate::storj::{Model, Nodes};
use crate::units::{ByteSize, Rate};

/// What is searched of a link, each as its logarithm, in the order of [`Parameter`].
pub(super) type Searched = [f64; Parameter::COUNT];

/// A rate from here on is no limit at all.
const UNLIMITED: f64 = 1e11;

/// The round trip is no more than this share of the fastest request, however far away the other link is.
const ROUND_TRIP_MOST: f64 = 0.9;

/// ASSUMPTION: this share of what a part takes beside its bytes is the wait for nodes, the rest is always the same. Only
/// a request of many segments would tell; how much it varies is measured.
const OF_NODES: f64 = 0.5;

/// What is not searched.
#[derive(Clone, Debug)]
pub(super) struct Kin {
    /// The link that this one is like.
    pub like: Model,
    /// Whether measurements went up.
    pub up: bool,
    /// Whether they went down.
    pub down: bool,
    /// Whether requests without payload were timed.
    pub calls: bool,
    /// Whether it was seen how much requests of the same differ.
    pub chance: bool,
}

impl Kin {
    /// Whether measurements may say anything about it.
    pub(super) fn has(&self, parameter: Parameter) -> bool {
        match parameter {
            Parameter::Call => self.calls,
            Parameter::Part => self.up,
            Parameter::FirstByte | Parameter::ReadAhead => self.down,
            Parameter::NodeSpread => self.chance && self.like.nodes.is_some(),
            Parameter::SegmentOverhead
            | Parameter::ConnectionRate
            | Parameter::SharedRate
            | Parameter::Crowding => true,
        }
    }

    /// Those of the link that this one is like.
    pub(super) fn searched(&self) -> Searched {
        Parameter::ALL.map(|parameter| parameter.searched(self.of_like(parameter)))
    }

    fn of_like(&self, parameter: Parameter) -> f64 {
        let like = &self.like;
        let wait = |direction| like.nodes.as_ref().map(|nodes| nodes.mean_wait(direction));
        let sum = |overhead: Duration, wait: Option<Duration>| {
            (like.round_trip + overhead + wait.unwrap_or_default()).as_secs_f64()
        };
        let get_overhead = like.get_overhead.unwrap_or(like.part_overhead);
        match parameter {
            Parameter::Call => sum(like.call_overhead, None),
            Parameter::Part => sum(like.part_overhead, wait(Direction::Up)),
            Parameter::FirstByte => sum(get_overhead, wait(Direction::Down)),
            Parameter::SegmentOverhead => like.segment_overhead.as_secs_f64(),
            Parameter::ReadAhead => like.read_ahead.0 as f64,
            Parameter::ConnectionRate => like.connection_rate.map_or(UNLIMITED, |rate| rate.0),
            Parameter::SharedRate => like.shared_rate.map_or(UNLIMITED, |rate| rate.0),
            Parameter::Crowding => like.crowding,
            Parameter::NodeSpread => like.nodes.as_ref().map_or(0.0, |nodes| nodes.spread),
        }
    }

    /// The model with these numbers.
    pub(super) fn model(&self, searched: &Searched) -> Model {
        let value = |parameter: Parameter| parameter.value(searched[parameter as usize]);
        let like = &self.like;
        let sums = [Parameter::Call, Parameter::Part, Parameter::FirstByte];
        let measured = sums.into_iter().filter(|sum| self.has(*sum)).map(value);
        let fastest_s = measured.fold(f64::INFINITY, f64::min);
        let round_trip_s = like.round_trip.as_secs_f64().min(ROUND_TRIP_MOST * fastest_s);
        let beyond = |parameter| (value(parameter) - round_trip_s).max(0.0);
        let nodes = like.nodes.as_ref().map(|nodes| {
            let spread = if self.chance { value(Parameter::NodeSpread) } else { nodes.spread };
            self.nodes(nodes, spread.min(SPREAD_MAX), beyond)
        });
        let overhead = |parameter, direction| {
            let wait = nodes.as_ref().map(|nodes| nodes.mean_wait(direction));
            seconds(beyond(parameter) - wait.unwrap_or_default().as_secs_f64())
        };
        let rate = |parameter| Some(Rate(value(parameter))).filter(|rate| rate.0 < UNLIMITED);
        let up = self.up.then(|| overhead(Parameter::Part, Direction::Up));
        let down = self.down.then(|| overhead(Parameter::FirstByte, Direction::Down));
        let call = self.calls.then(|| seconds(beyond(Parameter::Call)));
        Model {
            round_trip: seconds(round_trip_s),
            connection_rate: rate(Parameter::ConnectionRate),
            shared_rate: rate(Parameter::SharedRate),
            crowding: value(Parameter::Crowding),
            call_overhead: call.unwrap_or(like.call_overhead),
            part_overhead: up.unwrap_or(like.part_overhead),
            get_overhead: down.or(like.get_overhead),
            segment_overhead: seconds(value(Parameter::SegmentOverhead)),
            read_ahead: ByteSize(value(Parameter::ReadAhead).round() as u64),
            nodes,
            ..like.clone()
        }
    }

    /// Nodes for which there is time within what requests take beyond the round trip.
    fn nodes(&self, like: &Nodes, spread: f64, beyond: impl Fn(Parameter) -> f64) -> Nodes {
        let unit = Nodes { latency: Duration::from_secs(1), spread, ..like.clone() };
        let room_s = |is_seen: bool, parameter, direction| match is_seen {
            true => OF_NODES * beyond(parameter) / unit.mean_wait(direction).as_secs_f64(),
            false => f64::INFINITY,
        };
        let up_s = room_s(self.up, Parameter::Part, Direction::Up);
        let down_s = room_s(self.down, Parameter::FirstByte, Direction::Down);
        let room_s = up_s.min(down_s);
        let latency_s = match self.chance {
            true => room_s,
            false => room_s.min(like.latency.as_secs_f64()),
        };
        Nodes { latency: seconds(latency_s), ..unit }
    }
}

/// A model takes no more (ASSUMPTION: no link needs as much).
const SPREAD_MAX: f64 = 2.5;

/// No part of a link takes longer than an hour.
fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds.clamp(0.0, 3600.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn like() -> Model {
        let latency = Duration::from_millis(5);
        Model {
            round_trip: Duration::from_millis(15),
            call_overhead: Duration::from_millis(12),
            part_overhead: Duration::from_millis(86),
            get_overhead: Some(Duration::from_millis(12)),
            nodes: Some(Nodes { required: 29, optimal: 80, total: 110, latency, spread: 0.5 }),
            ..Model::default()
        }
    }

    fn kin(chance: bool) -> Kin {
        Kin { like: like(), up: true, down: true, calls: true, chance }
    }

    proptest! {
        #[test]
        fn the_sums_of_a_model_are_those_that_it_was_made_of(
            call in 0.001_f64..1.0, part in 0.001_f64..2.0, first in 0.001_f64..2.0,
            spread in 0.0_f64..1.5, chance: bool,
        ) {
            let kin = kin(chance);
            let mut searched = kin.searched();
            for (parameter, value) in [
                (Parameter::Call, call), (Parameter::Part, part),
                (Parameter::FirstByte, first), (Parameter::NodeSpread, spread),
            ] {
                searched[parameter as usize] = parameter.searched(value);
            }
            let again = Kin { like: kin.model(&searched), ..kin };
            for (parameter, value) in
                [(Parameter::Call, call), (Parameter::Part, part), (Parameter::FirstByte, first)]
            {
                let found = again.of_like(parameter);
                prop_assert!((found - value).abs() < 1e-6, "{parameter:?}: {found} for {value}");
            }
        }
    }

    #[test]
    fn a_link_that_nothing_was_measured_of_is_the_one_that_it_is_like() {
        let kin = Kin { up: false, down: false, calls: false, ..kin(false) };
        let model = kin.model(&kin.searched());
        assert_eq!(model, like());
    }

    #[test]
    fn chance_that_was_not_seen_stays_that_of_the_other_link() {
        let nodes = kin(false).model(&kin(false).searched()).nodes.unwrap();
        assert_eq!((nodes.latency, nodes.spread), (Duration::from_millis(5), 0.5));
    }
}
