//! Where the time of a request goes as streams are added: waiting grows where they stop helping.

use super::super::digest::{Candidate, Digest, median};
use super::super::wording;
use super::{Bar, Chart, Series, axis};
use crate::csv;
use crate::result::TimeSpent;
use crate::units::ByteSize;

/// In the order in which they pass, from the bottom.
const STAGES: [&str; 5] = ["connecting", "TLS", "sending", "waiting", "receiving"];

/// More bars than this have no room for their labels.
const BARS_MAX: usize = 10;

/// A bar per settings of the shape that is shown: the mean time of a request that moves data, by stages.
pub fn chart(digest: &Digest) -> Chart {
    let title = "Where the time of a request goes".to_owned();
    let bars = bars(digest);
    let Some((_, operation, _)) = bars.first() else {
        let caption = wording::NOTHING_MOVED.into();
        return Chart { title, caption, ..Chart::default() };
    };
    let operation = operation.clone();
    let top = bars.iter().map(|(.., stages)| stages.iter().sum()).fold(0.0, f64::max);
    let size = ByteSize(bars[0].0.settings.part_size_bytes);
    Chart {
        title,
        caption: format!(
            "Mean time of a `{operation}` with {size} parts, by what it was spent on, in the trial of \
             median goodput of each number of streams. Sending includes reading the source; waiting is \
             from the last byte sent to the first of the answer.{}",
            wording::let_go(bars.iter().flat_map(|(candidate, ..)| candidate.decisive()))
        ),
        x: axis::categories(
            "streams (concurrency × parts in flight)",
            bars.iter().map(|(candidate, ..)| candidate.settings.streams().to_string()),
        ),
        y: axis::from_zero("ms per request".into(), top),
        csv: numbers(&bars),
        bars: bars.iter().enumerate().flat_map(|(x, (.., stages))| stack(x, stages)).collect(),
        series: STAGES.map(|name| Series { name: name.into(), ..Series::default() }).into(),
        ..Chart::default()
    }
}

type Measured<'c, 'd> = (&'c Candidate<'d>, String, [f64; STAGES.len()]);

fn bars<'c, 'd>(digest: &'c Digest<'d>) -> Vec<Measured<'c, 'd>> {
    let Some(shown) = digest.shown else { return Vec::new() };
    let shape = |candidate: &&Candidate| {
        let (one, other) = (candidate.settings, shown.trial.settings);
        (one.part_size_bytes, one.parts_in_flight) == (other.part_size_bytes, other.parts_in_flight)
    };
    let measured = |candidate: &'c Candidate<'d>| {
        let trial = median(candidate.decisive(), false)?.trial;
        let (name, operation) = wording::data_operation(trial)?;
        let samples = operation.service_time_us.samples;
        let spent = operation.time_us.filter(|_| samples > 0)?;
        Some((candidate, name.to_owned(), mean_ms(&spent, samples)))
    };
    let mut bars: Vec<_> = digest.candidates.iter().filter(shape).filter_map(measured).collect();
    bars.truncate(BARS_MAX);
    bars
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

fn numbers(bars: &[Measured]) -> String {
    let heading = [
        "streams",
        "operation",
        "connecting_ms",
        "tls_ms",
        "sending_ms",
        "waiting_ms",
        "receiving_ms",
    ];
    let rows = bars.iter().map(|(candidate, operation, stages)| {
        let names = [candidate.settings.streams().to_string(), operation.clone()];
        csv::row(names.into_iter().chain(stages.map(|time| time.to_string())))
    });
    csv::row(heading) + &rows.collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::super::super::samples;
    use super::*;

    #[test]
    fn a_bar_ends_at_the_mean_time_of_a_request() {
        let document = samples::tune();
        let digest = Digest::of(&document);
        let chart = chart(&digest);
        let bars = bars(&digest);
        let (candidate, ..) = bars[0];
        let trial = median(candidate.decisive(), false).unwrap().trial;
        let part = &trial.requests["part"];
        let mean_ms =
            part.time_us.unwrap().total() as f64 / part.service_time_us.samples as f64 / 1e3;
        let tallest = chart.bars.iter().filter(|bar| bar.x == 0.0).map(|bar| bar.to);
        assert!((tallest.fold(0.0, f64::max) / mean_ms - 1.0).abs() < 1e-9);
        assert_eq!(chart.bars.len(), STAGES.len() * bars.len());
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
