//! Axes with ticks where a reader wants them. Positions are linear on the canvas: a logarithmic axis
//! holds logarithms.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

use crate::units::count;

/// Labels a reader can still tell apart on the narrowest canvas, as a part of the axis.
const LEAST_TICK_DISTANCE: f64 = 0.07;
/// More labels than this on the y axis are clutter.
const MOST_TICKS: usize = 8;

/// An axis: its title with the unit, its ends, its ticks.
#[derive(Default)]
pub struct Axis {
    /// What it measures, with the unit.
    pub title: String,
    /// Its ends.
    pub range: Range<f64>,
    /// Where it is labelled.
    pub ticks: Vec<Tick>,
}

/// A labelled position.
pub struct Tick {
    /// Position.
    pub at: f64,
    /// Label.
    pub label: String,
}

/// plotters puts its own ticks on an axis unless the axis brings them.
impl Ranged for &Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (first, last): (i32, i32)) -> i32 {
        let part = (value - self.range.start) / (self.range.end - self.range.start);
        // A file may claim any number: what is far beyond the axis is drawn just beyond the canvas.
        let part = part.clamp(-2.0, 3.0);
        first + (part * f64::from(last - first)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() {
            return Vec::new();
        }
        self.ticks.iter().map(|tick| tick.at).collect()
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

impl ValueFormatter<f64> for &Axis {
    fn format(at: &f64) -> String {
        at.to_string()
    }

    fn format_ext(&self, at: &f64) -> String {
        let tick = self.ticks.iter().find(|tick| tick.at == *at);
        tick.map_or_else(|| at.to_string(), |tick| tick.label.clone())
    }
}

/// An axis of names at 0, 1, 2 and so on, each with room of one around it.
pub fn categories(title: &str, names: impl Iterator<Item = String>) -> Axis {
    let tick = |(index, label): (usize, String)| Tick { at: index as f64, label };
    let ticks: Vec<Tick> = names.enumerate().map(tick).collect();
    Axis { title: title.into(), range: -0.5..ticks.len().max(1) as f64 - 0.5, ticks }
}

/// An axis from zero to at least `top` with round steps.
pub fn from_zero(title: String, top: f64) -> Axis {
    let top = if top > 0.0 { top } else { 1.0 };
    let step = round_step(top);
    let steps = (top / step - 1e-9).ceil().max(1.0) as usize;
    let decimals = (-step.log10().floor()).max(0.0) as usize;
    let tick = |index: usize| {
        let at = index as f64 * step;
        let label = if decimals == 0 { count(at as u64) } else { format!("{at:.decimals$}") };
        Tick { at, label }
    };
    Axis { title, range: 0.0..steps as f64 * step, ticks: (0..=steps).map(tick).collect() }
}

/// The smallest of 1, 2, 5 times a power of ten that needs no more than [`MOST_TICKS`] ticks.
fn round_step(top: f64) -> f64 {
    let least = top / (MOST_TICKS - 1) as f64;
    let power = 10_f64.powf(least.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= least * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * power
}

/// A base-2 logarithmic axis with a tick at each of `values` (sorted, all positive), fewer where they crowd, but
/// always at `kept`.
pub fn log2_at(title: String, values: &[f64], kept: Option<f64>) -> Axis {
    let first = values.first().map_or(0.0, |value| value.log2());
    let last = values.last().map_or(0.0, |value| value.log2());
    let margin = if last > first { (last - first) * 0.08 } else { 1.0 };
    let range = first - margin..last + margin;
    let least_distance = (range.end - range.start) * LEAST_TICK_DISTANCE;
    let mut ticks = Vec::<Tick>::new();
    for value in values {
        let at = value.log2();
        let is_apart = |other: f64| other == at || (at - other).abs() >= least_distance;
        let has_room = ticks.last().is_none_or(|previous| is_apart(previous.at));
        if has_room && kept.is_none_or(|kept| is_apart(kept.log2())) {
            ticks.push(Tick { at, label: value.to_string() });
        }
    }
    Axis { title, range, ticks }
}

/// A base-10 logarithmic axis around `low..=high` (positive), from one round value to another.
pub fn log10(title: String, low: f64, high: f64) -> Axis {
    // A file may claim any number: what has no place is drawn beyond the edge.
    let within = |value: f64| if value.is_nan() { 1.0 } else { value.clamp(1e-12, 1e18) };
    let [low, high] = [low, high].map(within);
    let first = round_index(low).floor() as i32;
    let last = (round_index(high).ceil() as i32).max(first + 1);
    let every =
        [1, 3, 6, 9, 18].into_iter().find(|every| (last - first) / every < MOST_TICKS as i32);
    // Where not every 1, 2, 5 has room, only decades are labelled.
    let every = every.unwrap_or(36);
    let tick = |index: i32| {
        let value = round_value(index);
        let label = if value < 1.0 { value.to_string() } else { count(value as u64) };
        Tick { at: value.log10(), label }
    };
    Axis {
        title,
        range: round_value(first).log10()..round_value(last).log10(),
        ticks: (first..=last).filter(|index| index % every == 0).map(tick).collect(),
    }
}

/// Where `value` lies in the sequence 1, 2, 5, 10, 20, 50, ... in which 1 has index 0.
fn round_index(value: f64) -> f64 {
    let decade = value.log10().floor();
    let rest = value / 10_f64.powf(decade);
    let within = match rest {
        rest if rest <= 1.0 => 0.0,
        rest if rest < 2.0 => 0.5,
        2.0 => 1.0,
        rest if rest < 5.0 => 1.5,
        5.0 => 2.0,
        _ => 2.5,
    };
    decade * 3.0 + within
}

/// The member of that sequence at `index`.
fn round_value(index: i32) -> f64 {
    // Parsed, because powers of ten below one are not exact and would be labelled 0.0010000000000000002.
    let digit = [1, 2, 5][index.rem_euclid(3) as usize];
    format!("{digit}e{}", index.div_euclid(3)).parse().unwrap_or(f64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|tick| tick.label.as_str()).collect()
    }

    #[test]
    fn an_axis_from_zero_has_round_steps() {
        assert_eq!(labels(&from_zero(String::new(), 9.1)), ["0", "2", "4", "6", "8", "10"]);
        assert_eq!(labels(&from_zero(String::new(), 0.6)).last(), Some(&"0.6"));
        assert_eq!(from_zero(String::new(), 0.0).range, 0.0..1.0);
    }

    #[test]
    fn streams_that_crowd_lose_their_labels_and_not_their_place() {
        let tried = [1.0, 10.0, 11.0, 12.0, 100.0];
        let axis = log2_at(String::new(), &tried, None);
        assert_eq!(labels(&axis), ["1", "10", "100"]);
        assert_eq!(labels(&log2_at(String::new(), &tried, Some(12.0))), ["1", "12", "100"]);
        assert!(axis.range.contains(&12_f64.log2()));
    }

    #[test]
    fn a_short_logarithmic_axis_shows_one_two_five() {
        assert_eq!(labels(&log10(String::new(), 80.0, 450.0)), ["50", "100", "200", "500"]);
        assert_eq!(labels(&log10(String::new(), 0.002, 0.02)), ["0.002", "0.005", "0.01", "0.02"]);
    }

    #[test]
    fn a_long_logarithmic_axis_shows_decades() {
        for (low, high) in [(0.0, 5.0), (1.0, f64::INFINITY), (f64::NAN, -1.0), (1e308, 1e308)] {
            let axis = log10(String::new(), low, high);
            assert!(axis.range.end > axis.range.start && axis.ticks.len() < 50, "{low} to {high}");
        }
        assert_eq!(labels(&log10(String::new(), 3.0, 40_000.0)).first(), Some(&"10"));
        assert_eq!(labels(&log10(String::new(), 3.0, 40_000.0)).last(), Some(&"10,000"));
    }

    proptest! {
        #[test]
        fn axes_hold_their_values_with_few_ticks(exponent in -9_f64..8.0, spread in 0_f64..8.0) {
            let (low, high) = (10_f64.powf(exponent), 10_f64.powf(exponent + spread));
            let linear = from_zero(String::new(), high);
            prop_assert!(linear.range.end >= high * (1.0 - 1e-6));
            let logarithmic = log10(String::new(), low, high);
            prop_assert!(logarithmic.range.start <= low.log10() + 1e-9);
            prop_assert!(logarithmic.range.end >= high.log10() - 1e-9);
            for axis in [linear, logarithmic] {
                prop_assert!((2..=MOST_TICKS + 1).contains(&axis.ticks.len()));
                prop_assert!(axis.ticks.windows(2).all(|pair| pair[0].label != pair[1].label));
            }
        }
    }
}
