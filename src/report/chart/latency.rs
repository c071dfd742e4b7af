//! How long requests took, by percentile: what more streams cost.

use super::super::digest::{Digest, Shown};
use super::super::wording;
use super::axis::{self, Axis, Tick};
use super::{Chart, Point, Series, dodge};
use crate::result::{OperationSummary, Percentiles};

/// Operations that move data or open and close uploads, in the order of an upload.
const OPERATIONS: [&str; 5] = ["create", "part", "complete", "put", "get"];

const PERCENTILES: [&str; 5] = ["p50", "p90", "p99", "p99.9", "max"];

/// A line per operation through its percentiles, of one trial.
pub fn chart(digest: &Digest) -> Chart {
    let measured = digest.shown.map_or_else(Vec::new, measured);
    let series = measured.iter().enumerate().map(|(index, (name, operation))| {
        let times = operation.service_time_us;
        Series {
            name: format!("{name} ({} samples)", wording::count(times.samples)),
            samples: Vec::new(),
            line: line(&times, dodge(index, measured.len(), 0.06)),
        }
    });
    Chart {
        title: "Service time by percentile".into(),
        caption: caption(digest.shown, measured.is_empty()),
        series: series.collect(),
        x: percentile_axis(),
        y: time_axis(&measured),
        highlight: None,
    }
}

fn measured<'a>(shown: Shown<'a>) -> Vec<(&'static str, &'a OperationSummary)> {
    let find = |name| Some((name, shown.trial.requests.get(name)?));
    let found = OPERATIONS.into_iter().filter_map(find);
    found.filter(|(_, operation)| operation.service_time_us.samples > 0).collect()
}

/// In milliseconds; what was faster than the histogram's microsecond is drawn as one.
fn values_ms(times: &Percentiles) -> [f64; 5] {
    let values_us = [times.p50, times.p90, times.p99, times.p999, times.max];
    values_us.map(|time_us| time_us.max(1) as f64 / 1000.0)
}

fn line(times: &Percentiles, shift: f64) -> Vec<Point> {
    let point = |(index, time_ms): (usize, f64)| Point {
        x: index as f64 + shift,
        y: time_ms.log10(),
        interval: None,
    };
    values_ms(times).into_iter().enumerate().map(point).collect()
}

fn percentile_axis() -> Axis {
    let tick = |(index, name): (usize, &str)| Tick { at: index as f64, label: name.into() };
    Axis {
        title: "percentile".into(),
        range: -0.4..PERCENTILES.len() as f64 - 0.6,
        ticks: PERCENTILES.into_iter().enumerate().map(tick).collect(),
    }
}

fn time_axis(measured: &[(&str, &OperationSummary)]) -> Axis {
    let values = || measured.iter().flat_map(|(_, one)| values_ms(&one.service_time_us));
    let title = "service time in ms (logarithmic)".into();
    match values().reduce(f64::min) {
        Some(low) => axis::log10(title, low, values().fold(low, f64::max)),
        None => axis::log10(title, 1.0, 1000.0),
    }
}

fn caption(shown: Option<Shown>, empty: bool) -> String {
    let Some(shown) = shown else {
        return "There is nothing to show: no trial was finished.".into();
    };
    let which = which(shown);
    if empty {
        return format!(
            "There is nothing to show: no request of {which} ended well in its window."
        );
    }
    format!(
        "Successful attempts of {which}, from an attempt's start to its last byte. With fewer than \
         1,000 samples p99.9 is the largest value."
    )
}

/// `trial 17 (64 MiB parts, concurrency 16), of median goodput among the 4 of the recommended settings`.
fn which(shown: Shown) -> String {
    let trial = shown.trial;
    let name = format!("trial {} ({})", trial.id, wording::settings(trial.settings));
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
        assert_eq!(part.name, "part (12,345 samples)");
        let p99_us = 10_f64.powf(part.line[2].y) * 1000.0;
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
        assert!(chart.caption.starts_with("There is nothing to show"), "{}", chart.caption);
    }
}
