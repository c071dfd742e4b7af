//! Where the time of a request goes as streams are added: waiting grows where they stop helping.

use super::super::digest::{Candidate, Digest};
use super::super::table::{Column, Table};
use super::super::wording;
use super::{Bar, Chart, Series, axis, of_timed, timed};
use crate::result::{TimeSpent, Trial};
use crate::units::ByteSize;
use crate::words;

/// In the order in which they pass, from the bottom.
const STAGES: [&str; 5] = ["connecting", "TLS", "sending", "waiting", "receiving"];

/// More bars than this have no room for their labels.
const BARS_MAX: usize = 10;

/// A part of a bar that is less than this part of the tallest is not seen.
const LEAST_SEEN: f64 = 0.005;

/// A bar per settings of the shape that is shown: the mean time of a request that moves data, by stages.
pub fn chart(digest: &Digest) -> Chart {
    let title = "Where the time of a request goes".to_owned();
    let all = bars(digest);
    let bars = shown(digest, &all);
    if bars.is_empty() {
        let caption = wording::NOTHING_MOVED.into();
        return Chart { title, caption, ..Chart::default() };
    }
    let top = bars.iter().map(|bar| bar.stages.iter().sum()).fold(0.0, f64::max);
    let stacks = bars.iter().enumerate().flat_map(|(x, bar)| stack(x, &bar.stages));
    Chart {
        title,
        caption: caption(digest, bars, all.len()),
        x: axis::categories(
            "streams (concurrency × parts in flight)",
            bars.iter().map(|bar| bar.candidate.settings.streams().to_string()),
        ),
        y: axis::from_zero("ms per request".into(), top),
        numbers: numbers(&all),
        bars: stacks.filter(|part| part.to - part.from >= top * LEAST_SEEN).collect(),
        series: STAGES.map(|name| Series { name: name.into(), ..Series::default() }).into(),
        ..Chart::default()
    }
}

/// The mean time of a request of one operation in one trial, in ms.
struct Measured<'c, 'd> {
    candidate: &'c Candidate<'d>,
    trial: &'d Trial,
    operation: &'d str,
    stages: [f64; STAGES.len()],
}

fn caption(digest: &Digest, bars: &[Measured], all: usize) -> String {
    let Measured { candidate, trial, operation, .. } = &bars[0];
    let operation = words::operation(operation);
    let size = ByteSize(candidate.settings.part_size_bytes);
    let which = match digest.candidates.len() {
        1 => format!("trial {}", trial.id),
        _ => "the soak where there was one, else in the trial of median goodput".into(),
    };
    let left_out = match bars.len() {
        shown if shown < all => format!(" Of {all} stream counts {shown} are shown."),
        _ => String::new(),
    };
    format!(
        "Mean time of {operation} with {size} parts, by what it was spent on, in {which}. Sending includes \
         reading the source; waiting is from the last byte sent to the first of the answer.{left_out}{}",
        of_timed(digest, bars.iter().map(|bar| bar.trial))
    )
}

/// The most streams that there is room for; the settings that are shown elsewhere are among them.
fn shown<'b, 'c, 'd>(digest: &Digest, bars: &'b [Measured<'c, 'd>]) -> &'b [Measured<'c, 'd>] {
    let settings = digest.shown.map(|shown| shown.trial.settings);
    let shown = bars.iter().position(|bar| Some(bar.candidate.settings) == settings);
    let first = bars.len().saturating_sub(BARS_MAX).min(shown.unwrap_or(usize::MAX));
    &bars[first..bars.len().min(first + BARS_MAX)]
}

fn bars<'c, 'd>(digest: &'c Digest<'d>) -> Vec<Measured<'c, 'd>> {
    let Some(shown) = digest.shown else { return Vec::new() };
    let shape = |candidate: &&Candidate| {
        let (one, other) = (candidate.settings, shown.trial.settings);
        (one.part_size_bytes, one.parts_in_flight) == (other.part_size_bytes, other.parts_in_flight)
    };
    let measured = |candidate: &'c Candidate<'d>| {
        let (trial, operation, summary) = timed(candidate)?;
        let stages = mean_ms(&summary.time_us?, summary.service_time_us.samples);
        Some(Measured { candidate, trial, operation, stages })
    };
    digest.candidates.iter().filter(shape).filter_map(measured).collect()
}

fn mean_ms(spent: &TimeSpent, samples: u64) -> [f64; STAGES.len()] {
    let TimeSpent { dns, connect, tls, send, wait, receive } = *spent;
    [dns.saturating_add(connect), tls, send, wait, receive]
        .map(|total_us| total_us as f64 / samples as f64 / 1000.0)
}

fn stack(x: usize, stages: &[f64]) -> impl Iterator<Item = Bar> {
    stages.iter().enumerate().scan(0.0, move |below, (series, height)| {
        let from = *below;
        *below += height;
        Some(Bar { x: x as f64, from, to: *below, series })
    })
}

fn numbers(bars: &[Measured]) -> Table {
    let columns: [Column<&Measured>; 7] = [
        ("streams", |bar| bar.candidate.settings.streams().to_string()),
        ("operation", |bar| bar.operation.to_owned()),
        ("connecting_ms", |bar| bar.stages[0].to_string()),
        ("tls_ms", |bar| bar.stages[1].to_string()),
        ("sending_ms", |bar| bar.stages[2].to_string()),
        ("waiting_ms", |bar| bar.stages[3].to_string()),
        ("receiving_ms", |bar| bar.stages[4].to_string()),
    ];
    Table::numbers(&columns, bars)
}

#[cfg(test)]
mod tests {
    use super::super::super::samples;
    use super::super::export;
    use super::*;

    #[test]
    fn a_bar_ends_at_the_mean_time_of_a_request() {
        let document = samples::tune();
        let digest = Digest::of(&document);
        let chart = chart(&digest);
        let bars = bars(&digest);
        let tallest = bars.last().expect("parts were moved");
        let part = &tallest.trial.requests["part"];
        let mean_ms =
            part.time_us.unwrap().total() as f64 / part.service_time_us.samples as f64 / 1e3;
        let ends = chart.bars.iter().filter(|bar| bar.x == (bars.len() - 1) as f64);
        let ends: Vec<f64> = ends.map(|bar| bar.to).collect();
        assert_eq!(ends.len(), STAGES.len());
        assert!((ends.into_iter().fold(0.0, f64::max) / mean_ms - 1.0).abs() < 1e-9);
    }

    #[test]
    fn the_legend_names_only_what_can_be_seen() {
        let mut document = samples::tune();
        for trial in &mut document.trials {
            for spent in trial.requests.values_mut().flat_map(|operation| &mut operation.time_us) {
                (spent.connect, spent.tls) = (spent.send / 1000, 0);
            }
        }
        let svg = export::svg(&chart(&Digest::of(&document))).expect("a picture");
        let seen = STAGES.map(|stage| svg.contains(&format!("\n{stage}\n")));
        assert_eq!(seen, [false, false, true, true, true]);
    }

    #[test]
    fn older_documents_without_the_times_say_that_there_is_nothing() {
        let mut document = samples::tune();
        for trial in &mut document.trials {
            trial.requests.values_mut().for_each(|operation| operation.time_us = None);
        }
        assert!(chart(&Digest::of(&document)).bars.is_empty());
    }
}
