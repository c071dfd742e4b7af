//! How long requests took, by percentile: what more streams cost.

use super::super::digest::{Digest, Shown};
use super::super::table::{Column, Table};
use super::super::wording;
use super::axis::{self, Axis, Tick};
use super::{Chart, Point, Series, dodge};
use crate::result::{OperationSummary, Percentiles, Phase};
use crate::units::counted;
use crate::words;

/// Operations that move data or open and close uploads, in the order of an upload.
const OPERATIONS: [&str; 5] = ["create", "part", "complete", "put", "get"];

/// Between operations that took as long as each other, as a part of the axis.
const APART: f64 = 0.008;

/// A line per operation through its percentiles, of one trial.
pub fn chart(digest: &Digest) -> Chart {
    let measured = digest.shown.map_or_else(Vec::new, measured);
    let x = percentile_axis(&measured);
    let apart = (x.range.end - x.range.start) * APART;
    let series = measured.iter().enumerate().map(|(index, (name, operation))| {
        let times = operation.service_time_us;
        Series {
            name: format!("{} ({})", words::operation(name), counted(times.samples, "sample")),
            line: line(&times, dodge(index, measured.len(), apart)),
            ..Series::default()
        }
    });
    Chart {
        title: "Service time by percentile".into(),
        caption: caption(digest.shown, measured.is_empty()),
        series: series.collect(),
        x,
        y: time_axis(&measured),
        numbers: numbers(&measured),
        ..Chart::default()
    }
}

fn measured<'a>(shown: Shown<'a>) -> Vec<(&'static str, &'a OperationSummary)> {
    let find = |name| Some((name, shown.trial.requests.get(name)?));
    let found = OPERATIONS.into_iter().filter_map(find);
    found.filter(|(_, operation)| operation.service_time_us.samples > 0).collect()
}

/// In milliseconds; what was faster than the histogram's microsecond is drawn as one.
fn milliseconds(time_us: u64) -> f64 {
    time_us.max(1) as f64 / 1000.0
}

/// Where a percentile stands: by the power of ten of the share of requests that took longer.
fn position(share_longer: f64) -> f64 {
    -share_longer.log10()
}

/// The percentiles that the samples bear, and the largest at the share of one of them.
fn line(times: &Percentiles, shift: f64) -> Vec<Point> {
    let least = 1.0 / times.samples as f64;
    let percentiles = [(0.5, times.p50), (0.1, times.p90), (0.01, times.p99), (0.001, times.p999)];
    let borne = percentiles.into_iter().filter(|(share_longer, _)| *share_longer > least);
    let points = borne.chain([(least.min(0.5), times.max)]);
    let point = |(share_longer, time_us): (f64, u64)| Point {
        x: position(share_longer) + shift,
        y: milliseconds(time_us).log10(),
        ..Point::default()
    };
    points.map(point).collect()
}

/// From the median to the largest of the most samples.
fn percentile_axis(measured: &[(&str, &OperationSummary)]) -> Axis {
    let samples = measured.iter().map(|(_, operation)| operation.service_time_us.samples);
    let end = position(1.0 / samples.max().unwrap_or(1).max(10) as f64);
    let ticks = [("50 %", 0.5), ("90 %", 0.1), ("99 %", 0.01), ("99.9 %", 1e-3), ("99.99 %", 1e-4)];
    let ticks =
        ticks.into_iter().map(|(label, longer)| Tick { at: position(longer), label: label.into() });
    let range = position(0.5) - 0.15..end + 0.15;
    Axis {
        title: "percentile".into(),
        ticks: ticks.filter(|tick| range.contains(&tick.at)).collect(),
        range,
    }
}

/// A row per operation.
fn numbers(measured: &[(&str, &OperationSummary)]) -> Table {
    let columns: [Column<&(&str, &OperationSummary)>; 7] = [
        ("operation", |(name, _)| (*name).to_owned()),
        ("samples", |(_, one)| one.service_time_us.samples.to_string()),
        ("p50_us", |(_, one)| one.service_time_us.p50.to_string()),
        ("p90_us", |(_, one)| one.service_time_us.p90.to_string()),
        ("p99_us", |(_, one)| one.service_time_us.p99.to_string()),
        ("p999_us", |(_, one)| one.service_time_us.p999.to_string()),
        ("max_us", |(_, one)| one.service_time_us.max.to_string()),
    ];
    Table::numbers(&columns, measured)
}

fn time_axis(measured: &[(&str, &OperationSummary)]) -> Axis {
    let drawn = |one: &OperationSummary| line(&one.service_time_us, 0.0);
    let points = || measured.iter().flat_map(move |(_, one)| drawn(one));
    let values = || points().map(|point| 10_f64.powf(point.y));
    let title = "service time in ms (logarithmic)".into();
    match values().reduce(f64::min) {
        Some(low) => axis::log10(title, low, values().fold(low, f64::max)),
        None => axis::log10(title, 1.0, 1000.0),
    }
}

fn caption(shown: Option<Shown>, empty: bool) -> String {
    let Some(shown) = shown else {
        return wording::NOTHING_FINISHED.into();
    };
    let which = which(shown);
    if empty {
        return format!("Nothing to show: no request of {which} succeeded in its window.");
    }
    format!(
        "Successful attempts of {which}, from an attempt's start to its last byte. The last \
         point of a line is the largest of its samples."
    )
}

/// `trial 17 (64 MiB parts, concurrency 16), of median goodput among the 4 of the recommended settings`.
pub(super) fn which(shown: Shown) -> String {
    let trial = shown.trial;
    let soak = if trial.phase == Phase::Soak { "the soak, " } else { "" };
    let name = format!("{soak}trial {} ({})", trial.id, words::settings(trial.settings));
    match shown {
        Shown { of: 1, .. } => name,
        Shown { of, recommended: true, .. } => {
            format!("{name}, of median goodput among the {of} of the recommended settings")
        }
        Shown { of, recommended: false, .. } => format!("{name}, of median goodput among all {of}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::samples;
    use super::*;

    #[test]
    fn the_percentiles_are_those_of_one_trial() {
        let document = samples::tune();
        let digest = Digest::of(&document);
        let trial = digest.shown.expect("there are trials").trial;
        let chart = chart(&digest);
        let part = &chart.series[1];
        assert_eq!(part.name, "UploadPart (12,345 samples)");
        let p99_us = 10_f64.powf(part.line[2].y) * 1000.0;
        assert_eq!(part.line.len(), 5, "12,345 samples bear p99.9, and the largest comes last");
        assert_eq!(p99_us.round() as u64, trial.requests["part"].service_time_us.p99);
        assert!(chart.caption.contains(&format!("trial {} ", trial.id)), "{}", chart.caption);
        assert!(chart.caption.contains("among the 4 of the recommended"), "{}", chart.caption);
    }

    #[test]
    fn operations_that_move_nothing_are_left_out() {
        let document = samples::tune();
        let chart = chart(&Digest::of(&document));
        assert!(!chart.series.iter().any(|series| series.name.starts_with("list")));
        assert_eq!(chart.series.len(), 3);
    }

    #[test]
    fn without_samples_the_caption_says_why_there_is_nothing() {
        let document = samples::nothing_moved();
        let chart = chart(&Digest::of(&document));
        assert!(chart.series.is_empty());
        assert!(chart.caption.starts_with("Nothing to show"), "{}", chart.caption);
    }
}
