//! Goodput against streams: where more of them stop helping, and whether larger parts do.

use std::collections::BTreeMap;

use super::super::digest::{Answer, Candidate, Digest, goodput};
use super::super::wording;
use super::axis::{self, Axis};
use super::{Chart, Highlight, Point, Series, dodge};
use crate::units::ByteSize;

/// An interval may stretch the picture to this many times the highest point; with few blocks it can be
/// wider than everything else, and the points are what there is to see.
const MOST_STRETCH: f64 = 1.4;

/// A point per trial, a line per shape (part size and parts in flight) through the means of its settings.
pub fn chart(digest: &Digest) -> Chart {
    let highest = highest(&digest.candidates);
    let unit = Unit::for_rates_up_to(highest);
    let y = axis::from_zero(format!("goodput in {}", unit.name), highest / unit.size);
    let x = streams_axis(&digest.candidates);
    let lines = lines(&digest.candidates, x.range.end - x.range.start);
    let several = lines.iter().any(|line| line.shape.parts_in_flight != 1);
    Chart {
        title: "Goodput against streams".into(),
        caption: caption(&digest.candidates, y.range.end * unit.size),
        series: lines.iter().map(|line| series(line, several, &unit)).collect(),
        highlight: highlight(&digest.answer, &lines, &unit),
        x,
        y,
    }
}

/// What the trials of one line have in common.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Shape {
    part_size_bytes: u64,
    parts_in_flight: u32,
}

impl Shape {
    fn of(candidate: &Candidate) -> Self {
        let settings = candidate.settings;
        Self {
            part_size_bytes: settings.part_size_bytes,
            parts_in_flight: settings.parts_in_flight,
        }
    }

    fn name(self, with_parts_in_flight: bool) -> String {
        let size = ByteSize(self.part_size_bytes);
        if with_parts_in_flight {
            format!("{size} parts, {} in flight", self.parts_in_flight)
        } else {
            format!("{size} parts")
        }
    }
}

/// The candidates of one shape, in order of streams.
struct Line<'c, 'd> {
    shape: Shape,
    candidates: Vec<&'c Candidate<'d>>,
    /// Sideways, on the x axis.
    shift: f64,
}

fn lines<'c, 'd>(candidates: &'c [Candidate<'d>], axis_length: f64) -> Vec<Line<'c, 'd>> {
    let mut by_shape = BTreeMap::<Shape, Vec<_>>::new();
    for candidate in candidates {
        // They come in order of concurrency, hence of streams within a shape.
        by_shape.entry(Shape::of(candidate)).or_default().push(candidate);
    }
    let count = by_shape.len();
    let step = axis_length * (0.05 / count as f64).min(0.012);
    let line =
        |(index, (shape, candidates))| Line { shape, candidates, shift: dodge(index, count, step) };
    by_shape.into_iter().enumerate().map(line).collect()
}

fn series(line: &Line, with_parts_in_flight: bool, unit: &Unit) -> Series {
    let samples = line.candidates.iter().flat_map(|candidate| {
        let x = position(candidate) + line.shift;
        candidate.trials.iter().map(move |trial| (x, goodput(trial) / unit.size))
    });
    let means = line.candidates.iter().map(|candidate| Point {
        x: position(candidate) + line.shift,
        y: candidate.goodput.mean / unit.size,
        interval: candidate.goodput.interval_95.map(|ends| ends.map(|end| end / unit.size)),
    });
    Series {
        name: line.shape.name(with_parts_in_flight),
        samples: samples.collect(),
        line: means.collect(),
    }
}

fn position(candidate: &Candidate) -> f64 {
    streams(candidate).log2()
}

fn streams(candidate: &Candidate) -> f64 {
    f64::from(candidate.settings.streams().max(1))
}

fn streams_axis(candidates: &[Candidate]) -> Axis {
    let mut tried: Vec<f64> = candidates.iter().map(streams).collect();
    tried.sort_by(f64::total_cmp);
    tried.dedup();
    axis::log2_at("streams (concurrency × parts in flight)".into(), &tried)
}

/// The highest rate that must have room.
fn highest(candidates: &[Candidate]) -> f64 {
    let trials = candidates.iter().flat_map(|candidate| &candidate.trials);
    let point = trials.map(|trial| goodput(trial)).fold(0.0, f64::max);
    let ends = candidates.iter().filter_map(|candidate| candidate.goodput.interval_95);
    ends.map(|[_, high]| high.min(point * MOST_STRETCH)).fold(point, f64::max)
}

fn highlight(answer: &Answer, lines: &[Line], unit: &Unit) -> Option<Highlight> {
    let Answer::Settings(found) = answer else { return None };
    let points = lines
        .iter()
        .flat_map(|line| line.candidates.iter().map(move |candidate| (candidate, line.shift)));
    let (candidate, shift) =
        points.into_iter().find(|(candidate, _)| candidate.settings == found.settings)?;
    Some(Highlight {
        name: format!("recommended: {}", wording::settings(found.settings)),
        at: (position(candidate) + shift, candidate.goodput.mean / unit.size),
    })
}

fn caption(candidates: &[Candidate], top: f64) -> String {
    if candidates.is_empty() {
        return "There is nothing to show: no trial was finished.".into();
    }
    if candidates.iter().all(|candidate| candidate.trials.len() == 1) {
        return "Each point is a trial.".into();
    }
    let mut caption =
        String::from("Faint points are trials; lines join the geometric means of settings");
    let highs = candidates.iter().filter_map(|one| one.goodput.interval_95).map(|[_, high]| high);
    let highest = highs.fold(f64::NEG_INFINITY, f64::max);
    if highest.is_finite() {
        caption += "; bars are their 95 % intervals";
    }
    if highest > top {
        caption += "; a bar without a cap goes on beyond the picture";
    }
    caption + "."
}

/// One unit for all rates of a picture.
struct Unit {
    name: &'static str,
    size: f64,
}

impl Unit {
    /// The largest in which the highest rate is at least 1.
    fn for_rates_up_to(highest: f64) -> Self {
        let units = [("PB/s", 1e15), ("TB/s", 1e12), ("GB/s", 1e9), ("MB/s", 1e6), ("kB/s", 1e3)];
        let fitting = units.into_iter().find(|(_, size)| highest >= *size);
        let (name, size) = fitting.unwrap_or(("B/s", 1.0));
        Self { name, size }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::samples;
    use super::*;

    #[test]
    fn tune_shows_every_trial_and_a_mean_per_settings() {
        let document = samples::tune();
        let chart = chart(&Digest::of(&document));
        let samples: usize = chart.series.iter().map(|series| series.samples.len()).sum();
        let means: Vec<_> = chart.series.iter().map(|series| series.line.len()).collect();
        assert_eq!(samples, document.trials.len());
        assert_eq!(means, [3, 6]);
    }

    #[test]
    fn only_settings_with_several_trials_have_an_interval() {
        let document = samples::tune();
        let chart = chart(&Digest::of(&document));
        let with_interval = |series: &Series| -> Vec<bool> {
            series.line.iter().map(|point| point.interval.is_some()).collect()
        };
        assert_eq!(with_interval(&chart.series[0]), [true; 3]);
        assert_eq!(with_interval(&chart.series[1]), [false, false, false, true, true, true]);
    }

    #[test]
    fn the_ring_is_on_the_recommended_settings() {
        let document = samples::tune();
        let chart = chart(&Digest::of(&document));
        let ring = chart.highlight.expect("tune recommends");
        let point = &chart.series[1].line[4];
        assert_eq!(ring.at, (point.x, point.y));
        assert_eq!(ring.name, "recommended: 64 MiB parts, concurrency 16");
    }

    #[test]
    fn a_wide_interval_does_not_flatten_the_points() {
        let mut document = samples::tune();
        document.trials.retain(|trial| trial.block.is_none_or(|block| block < 2));
        document.trials.last_mut().expect("a racer").goodput_bytes_per_second /= 50.0;
        let highest = document.trials.iter().map(goodput).fold(0.0, f64::max);
        let chart = chart(&Digest::of(&document));
        assert!(chart.y.range.end * 1e6 < highest * 2.0, "{:?}", chart.y.range);
        assert!(chart.caption.contains("beyond the picture"), "{}", chart.caption);
    }

    #[test]
    fn one_unit_serves_all_rates() {
        let name = |highest| Unit::for_rates_up_to(highest).name;
        assert_eq!(
            [0.0, 1.5e3, 999e6, 1e9, 2e13].map(name),
            ["B/s", "kB/s", "MB/s", "GB/s", "TB/s"]
        );
    }
}
