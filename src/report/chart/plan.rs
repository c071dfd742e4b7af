//! The pictures of a plan: time against DTNs, time against file size, cost.

use super::super::table::{Column, Table};
use super::{Chart, Charts, Highlight, Point, Series, axis};
use crate::plan::{BySize, Forecast, Plan, Point as SimulatedPoint};

/// In what a chart tells times: hours, or days where all are longer than two.
#[derive(Clone, Copy)]
struct Unit {
    name: &'static str,
    seconds: f64,
}

const HOURS: Unit = Unit { name: "hours", seconds: 3600.0 };
const DAYS: Unit = Unit { name: "days", seconds: 86_400.0 };

impl Unit {
    fn of(shortest_s: f64) -> Self {
        if shortest_s > 2.0 * DAYS.seconds { DAYS } else { HOURS }
    }

    /// Where a time is on an axis of logarithms.
    fn place(self, seconds: f64) -> f64 {
        (seconds / self.seconds).log10()
    }

    /// A point at p50 with a line up to p90.
    fn point(self, x: f64, p50_s: f64, p90_s: f64) -> Point {
        let [y, p90] = [p50_s, p90_s].map(|seconds| self.place(seconds));
        Point { x, y, interval: Some([y, p90]), label: None }
    }

    fn axis(self, all_s: &[f64]) -> axis::Axis {
        let all = all_s.iter().map(|seconds| seconds / self.seconds);
        let low = all.clone().fold(f64::MAX, f64::min);
        axis::log10(self.name.into(), low, all.fold(0.0, f64::max))
    }
}

fn shortest(all_s: &[f64]) -> f64 {
    all_s.iter().copied().fold(f64::MAX, f64::min)
}

/// Months of the picture of costs.
const MONTHS: u32 = 12;

/// Every picture of a plan in the order of its report, with the name of its files.
pub fn all(plan: &Plan) -> Charts {
    let mut charts = vec![
        ("plan-nodes", by_nodes(plan)),
        ("plan-file-size", by_file_size(plan)),
        ("plan-cost", cost(plan)),
    ];
    // One number of DTNs is a point.
    if plan.forecasts.len() == 1 {
        charts.remove(0);
    }
    charts
}

fn by_nodes(plan: &Plan) -> Chart {
    let simulated = plan.simulated.iter().flat_map(|simulated| &simulated.points);
    let at = |nodes: u32| f64::from(nodes).log2();
    let first = &plan.forecasts[0];
    let alone_s = first.p50_s * f64::from(first.nodes);
    let shares = plan.forecasts.iter().map(|one| alone_s / f64::from(one.nodes));
    let all = plan.forecasts.iter().flat_map(|one| [one.p50_s, one.p90_s]);
    let all = all.chain(simulated.clone().flat_map(|one| [one.p50_s, one.p90_s]));
    let all: Vec<f64> = all.chain(shares.clone()).collect();
    let unit = Unit::of(shortest(&all));
    let model = plan.forecasts.iter();
    let model = model.map(|one| unit.point(at(one.nodes), one.p50_s, one.p90_s));
    let seen = simulated.clone().map(|one| unit.point(at(one.nodes), one.p50_s, one.p90_s));
    let seen: Vec<_> = seen.collect();
    let line = |name: &str, line: Vec<Point>, is_bare| Series {
        name: name.into(),
        line,
        is_bare,
        ..Series::default()
    };
    let mut series = vec![line("model", model.collect(), false)];
    if !seen.is_empty() {
        series.push(line("simulated", seen, false));
    }
    let share = |(one, seconds): (&Forecast, f64)| Point {
        x: at(one.nodes),
        y: unit.place(seconds),
        ..Point::default()
    };
    series.push(line(
        "if each brought its full share",
        plan.forecasts.iter().zip(shares).map(share).collect(),
        true,
    ));
    // Where all bring their share there is none.
    let last = plan.forecasts.last().map(|one| one.nodes);
    let knee = plan.nodes_at_knee.filter(|nodes| Some(*nodes) != last);
    let knee = plan.forecasts.iter().find(|one| Some(one.nodes) == knee);
    let nodes: Vec<f64> = plan.forecasts.iter().map(|one| f64::from(one.nodes)).collect();
    Chart {
        title: "Time against number of DTNs".into(),
        caption: "Half of such tasks take less than a point shows, nine of ten less than its line. Where the points leave the straight line a limit binds that the DTNs share.".into(),
        x: axis::log2_at("DTNs".into(), &nodes, None),
        y: unit.axis(&all),
        series,
        highlight: knee.map(|one| Highlight {
            name: "the last that brings its full share".into(),
            at: (at(one.nodes), unit.place(one.p50_s)),
        }),
        numbers: numbers_by_nodes(plan),
        ..Chart::default()
    }
}

fn numbers_by_nodes(plan: &Plan) -> Table {
    let simulated = |nodes: u32| {
        let mut points = plan.simulated.iter().flat_map(|simulated| &simulated.points);
        points.find(|point| point.nodes == nodes)
    };
    let columns: [Column<(&Forecast, Option<&SimulatedPoint>)>; 5] = [
        ("nodes", |(model, _)| model.nodes.to_string()),
        ("p50_s", |(model, _)| model.p50_s.to_string()),
        ("p90_s", |(model, _)| model.p90_s.to_string()),
        ("simulated_p50_s", |(_, seen)| seen.map_or_else(String::new, |one| one.p50_s.to_string())),
        ("simulated_p90_s", |(_, seen)| seen.map_or_else(String::new, |one| one.p90_s.to_string())),
    ];
    Table::numbers(&columns, plan.forecasts.iter().map(|one| (one, simulated(one.nodes))))
}

fn by_file_size(plan: &Plan) -> Chart {
    let at = |bytes: u64| (bytes as f64 / 1e6).log10();
    let all = plan.by_file_size.iter().flat_map(|one| [one.p50_s, one.p90_s]);
    let all: Vec<f64> = all.collect();
    let unit = Unit::of(shortest(&all));
    let points = plan.by_file_size.iter();
    let points = points.map(|one| unit.point(at(one.file_bytes), one.p50_s, one.p90_s));
    let title = "Time against file size, the same bytes".to_owned();
    let (Some(first), Some(last)) = (plan.by_file_size.first(), plan.by_file_size.last()) else {
        return Chart {
            title,
            caption: "The dataset is smaller than any file.".into(),
            ..Chart::default()
        };
    };
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    Chart {
        title,
        caption: "All files of one size, the dataset's bytes. Where the line is steep time goes into files, not into bytes.".into(),
        x: axis::log10("MB per file".into(), megabytes(first.file_bytes), megabytes(last.file_bytes)),
        y: unit.axis(&all),
        series: vec![Series { name: "model".into(), line: points.collect(), ..Series::default() }],
        numbers: Table::numbers(
            &[
                ("file_bytes", |one: &&BySize| one.file_bytes.to_string()),
                ("p50_s", |one| one.p50_s.to_string()),
                ("p90_s", |one| one.p90_s.to_string()),
            ],
            &plan.by_file_size,
        ),
        ..Chart::default()
    }
}

fn cost(plan: &Plan) -> Chart {
    let cost = &plan.cost;
    let stored =
        |month: u32| f64::from(month) * cost.storage_usd_per_month.0 + cost.egress_usd_once.0;
    let fetched = |month: u32| stored(month) + cost.download_usd.0;
    let line = |name: &str, of: &dyn Fn(u32) -> f64| Series {
        name: name.into(),
        line: (1..=MONTHS)
            .map(|month| Point { x: f64::from(month), y: of(month), ..Point::default() })
            .collect(),
        ..Series::default()
    };
    Chart {
        title: "Cost".into(),
        caption: format!(
            "In US dollars at {} prices, added up over the months that the dataset is stored.",
            cost.prices
        ),
        x: axis::from_zero("months stored".into(), f64::from(MONTHS)),
        y: axis::from_zero("USD".into(), fetched(MONTHS)),
        series: vec![line("stored", &stored), line("stored and downloaded once", &fetched)],
        numbers: Table::new(
            "",
            ["months", "stored_usd", "stored_and_downloaded_usd"],
            (1..=MONTHS).map(|month| {
                [month.to_string(), stored(month).to_string(), fetched(month).to_string()]
            }),
        ),
        ..Chart::default()
    }
}
