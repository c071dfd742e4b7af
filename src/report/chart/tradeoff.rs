//! What more streams cost: the time of a request against the goodput, along the streams.

use std::collections::BTreeMap;

use super::super::digest::{Candidate, Digest, goodput};
use super::super::table::{Column, Table};
use super::super::wording;
use super::goodput::{Shape, Unit, highest, highlight_name};
use super::{Chart, Highlight, Point, Series, axis, of_timed, timed};
use crate::result::Trial;

/// Which percentile; of few samples the 99th is only the largest.
const PERCENTILE: &str = "p90";

/// A line per shape, a point per settings, labelled with its streams.
pub fn chart(digest: &Digest) -> Chart {
    let title = "Service time against goodput".to_owned();
    let measured: Vec<_> = digest.candidates.iter().filter_map(measured).collect();
    if measured.len() < 2 {
        let caption = wording::NOTHING_TO_COMPARE.into();
        return Chart { title, caption, ..Chart::default() };
    }
    let unit = Unit::for_rates_up_to(highest(&digest.candidates));
    let mut lines = BTreeMap::<Shape, Vec<Point>>::new();
    for (candidate, trial, time_ms) in &measured {
        lines.entry(Shape::of(candidate)).or_default().push(Point {
            x: goodput(trial) / unit.size,
            y: time_ms.log10(),
            label: Some(candidate.settings.streams().to_string()),
            ..Point::default()
        });
    }
    let several = lines.keys().any(|shape| shape.parts_in_flight != 1);
    let ringed = measured.iter().find(|(one, ..)| digest.recommended() == Some(one.settings));
    let top = measured.iter().map(|(_, trial, _)| goodput(trial)).fold(0.0, f64::max);
    let times = || measured.iter().map(|(.., time_ms)| *time_ms);
    let of_times = format!("{PERCENTILE} of service time in ms (logarithmic)");
    let [shortest, longest] = [f64::min, f64::max].map(|of| times().fold(measured[0].2, of));
    Chart {
        title,
        caption: caption(digest, &measured),
        x: axis::from_zero(format!("goodput in {}", unit.name), top / unit.size),
        y: axis::log10(of_times, shortest, longest),
        highlight: ringed.map(|(candidate, trial, time_ms)| Highlight {
            name: highlight_name(candidate.settings),
            at: (goodput(trial) / unit.size, time_ms.log10()),
        }),
        numbers: numbers(&measured),
        series: lines
            .into_iter()
            .map(|(shape, line)| Series { name: shape.name(several), line, ..Series::default() })
            .collect(),
        ..Chart::default()
    }
}

type Measured<'c, 'd> = (&'c Candidate<'d>, &'d Trial, f64);

/// The trial that tells the times of some settings, and its percentile in ms.
fn measured<'c, 'd>(candidate: &'c Candidate<'d>) -> Option<Measured<'c, 'd>> {
    let (trial, _, operation) = timed(candidate)?;
    Some((candidate, trial, operation.service_time_us.p90.max(1) as f64 / 1000.0))
}

fn caption(digest: &Digest, measured: &[Measured]) -> String {
    format!(
        "{PERCENTILE} of the requests that move data, in the soak where there was one, else in the trial of \
         median goodput. Labels are streams: past the knee more of them only take longer.{}",
        of_timed(digest, measured.iter().map(|(_, trial, _)| *trial))
    )
}

fn numbers(measured: &[Measured]) -> Table {
    let columns: [Column<&Measured>; 6] = [
        ("part_size_bytes", |(one, ..)| one.settings.part_size_bytes.to_string()),
        ("concurrency", |(one, ..)| one.settings.concurrency.to_string()),
        ("parts_in_flight", |(one, ..)| one.settings.parts_in_flight.to_string()),
        ("trial", |(_, trial, _)| trial.id.to_string()),
        ("goodput_bytes_per_second", |(_, trial, _)| goodput(trial).to_string()),
        ("service_time_p90_ms", |(.., time_ms)| time_ms.to_string()),
    ];
    Table::numbers(&columns, measured)
}
