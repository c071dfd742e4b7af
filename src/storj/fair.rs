//! A link divided max-min fairly among its flows, in simulated time: told what happens and when.
//!
//! All flows have the same rate of their own, so at any moment each has min(own rate, capacity / flows).
//! So it is enough to know how many bytes *a* flow has carried since the beginning: a flow of S bytes
//! that begins when this count is v ends when it is v + S. Flows end in the order of these numbers
//! (generalised processor sharing; A. K. Parekh, R. G. Gallager, "A Generalized Processor Sharing
//! Approach to Flow Control", 1993), and a change of the rate moves no flow in that order.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::time::Duration;

use super::carried::{Carried, Moment, Stretch};
use super::model::Capacity;
use super::weather::{Forecast, Spell};
use crate::clock::Instant;
use crate::units::Rate;

/// What is less than this is over: rounding, not payload.
const HALF_A_BYTE: f64 = 0.5;

/// So many moments are kept without a second look.
const MOMENTS_MIN: usize = 1000;

/// One way of a link. Flows are named by numbers that the caller chooses.
#[derive(Debug)]
pub struct FairLink {
    own_rate: f64,
    capacity: Option<Capacity>,
    forecast: Forecast,
    /// The weather as of `at`.
    spell: Spell,
    /// Bytes that a flow which never ended would have carried, as of `at`.
    carried: f64,
    at: Instant,
    /// The same at earlier moments, as far back as flows that have not ended began.
    earlier: Carried,
    /// With more moments than this it is looked whether some may be forgotten.
    moments_max: usize,
    flows: BinaryHeap<Reverse<Flow>>,
    begun: u64,
}

#[derive(Clone, Copy, Debug)]
struct Flow {
    ends: f64,
    /// In order of their beginning, should two end together.
    order: u64,
    name: usize,
    bytes: u64,
    began: Instant,
}

impl Flow {
    fn beginning(&self) -> Moment {
        Moment { at: self.began, bytes: self.ends - self.bytes as f64 }
    }
}

impl PartialEq for Flow {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Flow {}

impl PartialOrd for Flow {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Flow {
    fn cmp(&self, other: &Self) -> Ordering {
        self.ends.total_cmp(&other.ends).then(self.order.cmp(&other.order))
    }
}

impl FairLink {
    /// An idle link; `None` if nothing limits it.
    pub fn new(
        own_rate: Option<Rate>,
        capacity: Option<Capacity>,
        forecast: Forecast,
    ) -> Option<Self> {
        if own_rate.is_none() && capacity.is_none() {
            return None;
        }
        Some(Self {
            own_rate: own_rate.map_or(f64::INFINITY, |rate| rate.0),
            capacity,
            forecast,
            spell: forecast.spell(Instant::default()),
            carried: 0.0,
            at: Instant::default(),
            earlier: Carried::default(),
            moments_max: MOMENTS_MIN,
            flows: BinaryHeap::new(),
            begun: 0,
        })
    }

    /// Bytes per second of each flow.
    fn rate(&self) -> f64 {
        let flows = self.flows.len();
        let share = |capacity: Capacity| capacity.of(flows).0 / flows as f64;
        self.own_rate.min(self.capacity.map_or(f64::INFINITY, share)) * self.spell.factor
    }

    fn advance(&mut self, now: Instant) {
        if self.flows.is_empty() {
            self.begin_anew(now);
            return;
        }
        while self.spell.until <= now {
            self.carry_until(self.spell.until);
            self.spell = self.forecast.spell(self.at);
        }
        self.carry_until(now);
    }

    /// Small numbers are exact ones: while nothing flows, the count begins again.
    fn begin_anew(&mut self, now: Instant) {
        (self.at, self.carried) = (now, 0.0);
        self.spell = self.forecast.spell(now);
        self.earlier.restart();
        self.earlier.note(self.now());
    }

    /// Within a spell.
    fn carry_until(&mut self, at: Instant) {
        self.carried += at.since(self.at).as_secs_f64() * self.rate();
        self.at = at;
        self.earlier.note(self.now());
    }

    /// As of `at`.
    fn now(&self) -> Moment {
        Moment { at: self.at, bytes: self.carried }
    }

    /// A flow begins.
    pub fn begin(&mut self, now: Instant, name: usize, bytes: u64) {
        self.advance(now);
        self.begun += 1;
        let ends = self.carried + bytes as f64;
        self.flows.push(Reverse(Flow { ends, order: self.begun, name, bytes, began: now }));
        self.forget();
    }

    /// Forgets what was before all flows.
    fn forget(&mut self) {
        if self.earlier.len() > self.moments_max
            && let Some(first) = self.flows.iter().map(|Reverse(flow)| flow.began).min()
        {
            self.earlier.forget_before(first);
            self.moments_max = MOMENTS_MIN.max(2 * self.earlier.len());
        }
    }

    /// Which flow ends next, and when if nothing changes until then; if the weather changes before, the
    /// moment at which to ask again.
    pub fn next(&self) -> Option<(usize, Instant)> {
        let Reverse(flow) = self.flows.peek()?;
        let left_s = (flow.ends - self.carried).max(0.0) / self.rate();
        // Rounded up, so that it is over then.
        let end = self.at + Duration::from_nanos((left_s * 1e9).ceil() as u64);
        Some((flow.name, end.min(self.spell.until)))
    }

    /// Takes out one flow that is over; when its bytes passed.
    pub fn take_ended(&mut self, now: Instant) -> Option<(usize, Vec<Stretch>)> {
        self.advance(now);
        let Reverse(flow) = self.flows.peek()?;
        if flow.ends > self.carried + HALF_A_BYTE {
            return None;
        }
        let Reverse(flow) = self.flows.pop()?;
        Some((flow.name, self.earlier.stretches(flow.beginning(), self.now(), flow.bytes)))
    }

    /// A flow is broken off; when the bytes passed that it had carried.
    pub fn break_off(&mut self, now: Instant, name: usize) -> Vec<Stretch> {
        self.advance(now);
        let now = self.now();
        let mut stretches = Vec::new();
        self.flows.retain(|Reverse(flow)| {
            if flow.name == name {
                let carried = flow.bytes as f64 - (flow.ends - now.bytes).max(0.0);
                stretches = self.earlier.stretches(flow.beginning(), now, carried as u64);
            }
            flow.name != name
        });
        stretches
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::Direction;
    use crate::storj::Model;
    use proptest::prelude::*;

    fn seconds(seconds: f64) -> Instant {
        Instant::default() + Duration::from_secs_f64(seconds)
    }

    fn link(own: f64, capacity: f64) -> FairLink {
        FairLink::new(Some(Rate(own)), Some(Rate(capacity).into()), Forecast::default()).unwrap()
    }

    /// All that is left, with the times of their ends in seconds.
    fn ends(link: &mut FairLink) -> Vec<(usize, f64)> {
        let mut ends = Vec::new();
        while let Some((_, at)) = link.next() {
            while let Some((name, _)) = link.take_ended(at) {
                ends.push((name, at.since(Instant::default()).as_secs_f64()));
            }
        }
        ends
    }

    /// Bytes that passed in the second that begins then.
    fn passed_within(stretches: &[Stretch], second: u32) -> f64 {
        let (from, to) = (seconds(f64::from(second)), seconds(f64::from(second + 1)));
        let within = |Stretch { over, bytes }: &Stretch| {
            let shared = over.end.min(to).since(over.start.max(from)).as_secs_f64();
            *bytes as f64 * shared / over.end.since(over.start).as_secs_f64()
        };
        stretches.iter().map(within).sum()
    }

    #[test]
    fn a_flow_that_begins_later_takes_its_share_from_then_on() {
        // 1000 B/s alone for a second, then 500 B/s each.
        let mut link = link(1e9, 1000.0);
        link.begin(seconds(0.0), 1, 2000);
        link.begin(seconds(1.0), 2, 2000);
        let ends = ends(&mut link);
        assert_eq!(ends.iter().map(|(name, _)| *name).collect::<Vec<_>>(), [1, 2]);
        assert!((ends[0].1 - 3.0).abs() < 1e-6, "{ends:?}");
        assert!((ends[1].1 - 4.0).abs() < 1e-6, "{ends:?}");
    }

    #[test]
    fn what_passes_in_any_while_is_no_more_than_the_link_carries() {
        // One after the other they crowd in: the first are fast before the others come.
        let mut link = link(1e9, 1e6);
        let mut stretches = Vec::new();
        (0..32)
            .for_each(|name| link.begin(seconds(f64::from(name) * 0.1), name as usize, 2_000_000));
        while let Some((_, at)) = link.next() {
            while let Some((_, of_one)) = link.take_ended(at) {
                stretches.extend(of_one);
            }
        }
        for second in 0..64 {
            let passed = passed_within(&stretches, second);
            assert!((passed / 1e6 - 1.0).abs() < 0.02, "{passed} in second {second}");
        }
    }

    #[test]
    fn a_flow_that_is_broken_off_leaves_its_share_and_says_what_it_carried() {
        let mut link = link(1e9, 1000.0);
        link.begin(seconds(0.0), 1, 2000);
        link.begin(seconds(0.0), 2, 2000);
        let over = seconds(0.0)..seconds(2.0);
        assert_eq!(link.break_off(seconds(2.0), 1), [Stretch { over, bytes: 1000 }]);
        let ends = ends(&mut link);
        assert_eq!(ends.len(), 1);
        assert!((ends[0].1 - 3.0).abs() < 1e-6, "{ends:?}");
    }

    #[test]
    fn flows_that_crowd_each_other_carry_less_together() {
        // As the bodies of [`crate::storj::Link`]: 120 B/s alone, five share 100.
        let model = Model { crowding: 0.05, shared_rate: Some(Rate(120.0)), ..Model::default() };
        let mut link =
            FairLink::new(None, model.capacity(Direction::Up), Forecast::default()).unwrap();
        (0..5).for_each(|name| link.begin(seconds(0.0), name, 40));
        for (_, at) in ends(&mut link) {
            assert!((at - 2.0).abs() < 1e-6, "{at}");
        }
    }

    fn stormy(seed: u64) -> Forecast {
        let text = "noise = 0.3\ninterval = \"700ms\"\ndrift = 0.3\nperiod = \"30s\"";
        Forecast::new(toml::from_str(text).ok(), seed)
    }

    /// Over a long time, by small steps that know nothing of spells.
    fn mean_factor(forecast: &Forecast, over_s: f64) -> f64 {
        let steps = (over_s * 1000.0) as u32;
        let factor = |step: u32| forecast.factor(seconds((f64::from(step) + 0.5) / 1000.0));
        (0..steps).map(factor).sum::<f64>() / f64::from(steps)
    }

    #[test]
    fn weather_carries_the_nominal_rate_times_its_mean_factor() {
        let forecast = stormy(3);
        let mut link = FairLink::new(None, Some(Rate(1e6).into()), forecast).unwrap();
        (0..4).for_each(|name| link.begin(Instant::default(), name, u64::from(u32::MAX)));
        let carried: u64 = (0..4)
            .map(|name| link.break_off(seconds(1000.0), name))
            .flat_map(|stretches| stretches.into_iter().map(|stretch| stretch.bytes))
            .sum();
        let expected = 1e9 * mean_factor(&forecast, 1000.0);
        assert!((carried as f64 / expected - 1.0).abs() < 1e-4, "{carried} for {expected}");
    }

    #[test]
    fn flows_in_weather_end_when_small_steps_of_integration_say_so() {
        let forecast = stormy(5);
        let (own, capacity) = (400.0, Capacity::from(Rate(1000.0)));
        let mut link = FairLink::new(Some(Rate(own)), Some(capacity), forecast).unwrap();
        let sizes = [2000_u64, 5000, 9000, 40_000];
        sizes.iter().enumerate().for_each(|(name, bytes)| link.begin(seconds(0.0), name, *bytes));
        let expected = integrated(&sizes, &forecast, |flows| own.min(1000.0 / flows));
        for (name, end) in ends(&mut link) {
            assert!((end - expected[name]).abs() < 0.002, "{name}: {end} for {expected:?}");
        }
    }

    /// When each flow ends, by steps of a tenth of a millisecond.
    fn integrated(sizes: &[u64], forecast: &Forecast, rate: impl Fn(f64) -> f64) -> Vec<f64> {
        const STEP_S: f64 = 1e-4;
        let mut left: Vec<f64> = sizes.iter().map(|bytes| *bytes as f64).collect();
        let mut ends = vec![0.0; left.len()];
        let mut at = 0.0;
        while left.iter().any(|left| *left > 0.0) {
            let flows = left.iter().filter(|left| **left > 0.0).count() as f64;
            let bytes = STEP_S * rate(flows) * forecast.factor(seconds(at + STEP_S / 2.0));
            at += STEP_S;
            for (left, end) in left.iter_mut().zip(&mut ends).filter(|(left, _)| **left > 0.0) {
                *left -= bytes;
                *end = at;
            }
        }
        ends
    }

    #[test]
    fn bytes_lie_where_the_weather_let_them_pass() {
        let forecast = stormy(7);
        let mut link = FairLink::new(None, Some(Rate(1e6).into()), forecast).unwrap();
        link.begin(seconds(0.0), 1, 60_000_000);
        let mut stretches = Vec::new();
        while let Some((_, at)) = link.next() {
            stretches.extend(link.take_ended(at).into_iter().flat_map(|(_, passed)| passed));
        }
        for second in 0..50 {
            let passed = passed_within(&stretches, second);
            let from = seconds(f64::from(second));
            let factor = |step| forecast.factor(from + Duration::from_millis(step));
            let expected = 1e3 * (0..1000).map(factor).sum::<f64>();
            assert!((passed / expected - 1.0).abs() < 0.03, "{passed} for {expected} in {second}");
        }
    }

    #[test]
    fn a_link_without_limits_is_none() {
        assert!(FairLink::new(None, None, Forecast::default()).is_none());
    }

    proptest! {
        #[test]
        fn equal_flows_end_together_at_their_share(
            flows in 1_usize..300,
            own in 1e3_f64..1e9,
            capacity in 1e3_f64..1e10,
            bytes in 1_000_000_u64..1_000_000_000,
        ) {
            let mut link = link(own, capacity);
            (0..flows).for_each(|name| link.begin(Instant::default(), name, bytes));
            let expected = bytes as f64 / own.min(capacity / flows as f64);
            for (_, at) in ends(&mut link) {
                prop_assert!((at / expected - 1.0).abs() < 1e-5, "{at} for {expected}");
            }
        }

        #[test]
        fn a_full_link_carries_its_capacity_whatever_the_sizes(
            sizes in prop::collection::vec(1_000_u64..1_000_000, 1..50),
        ) {
            let mut link = link(1e12, 1e6);
            for (name, bytes) in sizes.iter().enumerate() {
                link.begin(Instant::default(), name, *bytes);
            }
            let last = ends(&mut link).last().unwrap().1;
            let expected = sizes.iter().sum::<u64>() as f64 / 1e6;
            prop_assert!((last / expected - 1.0).abs() < 1e-5, "{last} for {expected}");
        }
    }
}
