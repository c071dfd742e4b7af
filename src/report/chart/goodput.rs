//! Goodput against streams: where more of them stop helping, and whether larger parts do.

use std::collections::BTreeMap;

use super::super::digest::{Answer, Candidate, Digest, goodput};
use super::super::scaling::Law;
use super::super::table::{Column, Table};
use super::super::wording;
use super::axis::{self, Axis};
use super::{Chart, Guide, Highlight, Point, Series, dodge};
use crate::result::Settings;
use crate::tune::MARGIN;
use crate::units::{ByteSize, counted};
use crate::words;

/// An interval may stretch the picture to this many times the highest point; with few blocks it can be
/// wider than everything else, and the points are what there is to see.
const MOST_STRETCH: f64 = 1.4;

/// A point per trial, a line per shape (part size and parts in flight) through the means of its settings.
pub fn chart(digest: &Digest) -> Chart {
    let law = Law::of(digest);
    let highest = law.as_ref().map_or(0.0, Law::highest).max(highest(&digest.candidates));
    let unit = Unit::for_rates_up_to(highest);
    let y = axis::from_zero(format!("goodput in {}", unit.name), highest / unit.size);
    let x = streams_axis(digest);
    let lines = lines(&digest.candidates, x.range.end - x.range.start);
    let several = lines.iter().any(|line| line.shape.parts_in_flight != 1);
    Chart {
        title: "Goodput against streams".into(),
        caption: caption(&digest.candidates, law.as_ref(), y.range.end * unit.size),
        guides: law.as_ref().map_or_else(Vec::new, |law| guides(law, &y, &unit)),
        series: lines.iter().map(|line| series(line, several, &unit)).collect(),
        highlight: highlight(&digest.answer, &lines, &unit),
        numbers: numbers_with_law(digest, law.as_ref()),
        x,
        y,
        ..Chart::default()
    }
}

/// What the trials of one line have in common.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Shape {
    pub(super) part_size_bytes: u64,
    pub(super) parts_in_flight: u32,
}

impl Shape {
    pub(super) fn of(candidate: &Candidate) -> Self {
        let settings = candidate.settings;
        Self {
            part_size_bytes: settings.part_size_bytes,
            parts_in_flight: settings.parts_in_flight,
        }
    }

    /// On an axis.
    pub(super) fn label(self, with_parts_in_flight: bool) -> String {
        let size = ByteSize(self.part_size_bytes);
        match with_parts_in_flight {
            true => format!("{size} × {}", self.parts_in_flight),
            false => size.to_string(),
        }
    }

    /// In a legend.
    pub(super) fn name(self, with_parts_in_flight: bool) -> String {
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
        label: None,
    });
    Series {
        name: line.shape.name(with_parts_in_flight),
        samples: samples.collect(),
        line: means.collect(),
        is_bare: false,
    }
}

/// Points of a curve: so many look round.
const CURVE_POINTS: u32 = 100;

/// The law over the range that was tried, and its knee.
fn guides(law: &Law, y: &Axis, unit: &Unit) -> Vec<Guide> {
    let [from, to] = law.tried().map(f64::log2);
    let curve = (0..=CURVE_POINTS).map(|point| {
        let x = from + (to - from) * f64::from(point) / f64::from(CURVE_POINTS);
        (x, law.at(x.exp2()) / unit.size)
    });
    let knee = law.knee();
    let x = f64::from(knee).log2();
    vec![
        Guide { name: "fitted law".into(), line: curve.collect() },
        Guide {
            name: format!("knee: {}", counted(knee, "stream")),
            line: vec![(x, y.range.start), (x, y.range.end)],
        },
    ]
}

fn position(candidate: &Candidate) -> f64 {
    streams(candidate).log2()
}

fn streams(candidate: &Candidate) -> f64 {
    f64::from(candidate.settings.streams().max(1))
}

fn streams_axis(digest: &Digest) -> Axis {
    let mut tried: Vec<f64> = digest.candidates.iter().map(streams).collect();
    tried.sort_by(f64::total_cmp);
    tried.dedup();
    let ringed = digest.candidates.iter().find(|one| digest.recommended() == Some(one.settings));
    axis::log2_at("streams (concurrency × parts in flight)".into(), &tried, ringed.map(streams))
}

/// The highest rate that must have room.
pub(super) fn highest(candidates: &[Candidate]) -> f64 {
    let trials = candidates.iter().flat_map(|candidate| &candidate.trials);
    let point = trials.map(|trial| goodput(trial)).fold(0.0, f64::max);
    let ends = candidates.iter().filter_map(|candidate| candidate.goodput.interval_95);
    ends.map(|[_, high]| high.min(point * MOST_STRETCH)).fold(point, f64::max)
}

/// What the ring says in every picture.
pub(super) fn highlight_name(settings: Settings) -> String {
    format!("recommended: {}", words::settings(settings))
}

fn highlight(answer: &Answer, lines: &[Line], unit: &Unit) -> Option<Highlight> {
    let Answer::Settings(found) = answer else { return None };
    let points = lines
        .iter()
        .flat_map(|line| line.candidates.iter().map(move |candidate| (candidate, line.shift)));
    let (candidate, shift) =
        points.into_iter().find(|(candidate, _)| candidate.settings == found.settings)?;
    Some(Highlight {
        name: highlight_name(found.settings),
        at: (position(candidate) + shift, candidate.goodput.mean / unit.size),
    })
}

/// A row per settings: its mean with its interval, and of how many trials.
pub(super) fn numbers(candidates: &[Candidate]) -> Table {
    let columns: [Column<&Candidate>; 8] = [
        ("part_size_bytes", |one| one.settings.part_size_bytes.to_string()),
        ("concurrency", |one| one.settings.concurrency.to_string()),
        ("parts_in_flight", |one| one.settings.parts_in_flight.to_string()),
        ("streams", |one| one.settings.streams().to_string()),
        ("trials", |one| one.trials.len().to_string()),
        ("goodput_bytes_per_second", |one| one.goodput.mean.to_string()),
        ("goodput_low_95_bytes_per_second", |one| end(one, 0)),
        ("goodput_high_95_bytes_per_second", |one| end(one, 1)),
    ];
    Table::numbers(&columns, candidates)
}

fn end(candidate: &Candidate, end: usize) -> String {
    candidate.goodput.interval_95.map_or_else(String::new, |ends| ends[end].to_string())
}

/// The same with what the law gives for it, the law's knee, and whether it is recommended.
fn numbers_with_law(digest: &Digest, law: Option<&Law>) -> Table {
    let mut table = numbers(&digest.candidates);
    table.columns.extend(["law_bytes_per_second", "knee_streams", "recommended"]);
    for (row, candidate) in table.rows.iter_mut().zip(&digest.candidates) {
        let settings = candidate.settings;
        let of_law = law.filter(|law| law.is_of(settings));
        let given = of_law.map(|law| law.at(streams(candidate)).to_string());
        let knee = of_law.map(|law| law.knee().to_string());
        let is_recommended = digest.recommended() == Some(settings);
        row.extend([
            given.unwrap_or_default(),
            knee.unwrap_or_default(),
            is_recommended.to_string(),
        ]);
    }
    table
}

fn caption(candidates: &[Candidate], law: Option<&Law>, top: f64) -> String {
    if candidates.is_empty() {
        return wording::NOTHING_FINISHED.into();
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
    if law.is_some() {
        caption += &format!(
            ". Dashed: the universal scalability law through the trials of the recommended part size; \
             dotted: its knee, where it gives {} of the most it gives in the range that was tried",
            words::whole_percent(1.0 - MARGIN)
        );
    }
    caption + "."
}

/// One unit for all rates of a picture.
pub(super) struct Unit {
    pub(super) name: &'static str,
    pub(super) size: f64,
}

impl Unit {
    /// The largest in which the highest rate is at least 1.
    pub(super) fn for_rates_up_to(highest: f64) -> Self {
        let units = [("PB/s", 1e15), ("TB/s", 1e12), ("GB/s", 1e9), ("MB/s", 1e6), ("kB/s", 1e3)];
        let fitting = units.into_iter().find(|(_, size)| highest >= *size);
        let (name, size) = fitting.unwrap_or(("B/s", 1.0));
        Self { name, size }
    }

    /// Three digits of a rate, without the unit.
    pub(super) fn number(&self, rate: f64) -> String {
        match rate / self.size {
            large if large >= 99.95 => format!("{large:.0}"),
            medium if medium >= 9.995 => format!("{medium:.1}"),
            small => format!("{small:.2}"),
        }
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
    fn the_law_runs_through_the_range_that_was_tried_and_its_knee_stands_upright() {
        let document = samples::tune();
        let chart = chart(&Digest::of(&document));
        let [law, knee] = chart.guides.as_slice() else { panic!("a law and a knee") };
        assert!(!law.is_upright() && knee.is_upright());
        let ends = [law.line.first(), law.line.last()].map(|point| point.expect("a point").0);
        assert_eq!(ends, [0.0, 5.0], "1 to 32 streams");
        let of_csv = |column: usize| {
            let cells = chart.numbers.rows.iter().map(|row| row[column].clone());
            cells.filter(|cell| !cell.is_empty()).collect::<Vec<_>>()
        };
        assert_eq!(of_csv(8).len(), 6, "one for each settings of the recommended shape");
        assert!(of_csv(9).iter().all(|cell| knee.name == format!("knee: {cell} streams")));
        assert_eq!(of_csv(10).iter().filter(|cell| *cell == "true").count(), 1);
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
