//! A trial over its time, with what was warm-up and what was measured.

use super::super::digest::Digest;
use super::super::table::{Column, Table};
use super::super::wording;
use super::goodput::Unit;
use super::{Band, Chart, Point, Series, axis, latency};
use crate::error::Result;
use crate::result::{Bin, Saved, Trial, Window};

/// More points than this are not told apart: bins are put together.
const POINTS_MAX: usize = 200;

/// The bytes of the trial that is shown, over time.
///
/// # Errors
/// If its record cannot be read.
pub fn chart(run: &Saved, digest: &Digest) -> Result<Chart> {
    let title = "A trial over its time".to_owned();
    let Some(shown) = digest.shown else {
        let caption = wording::NOTHING_FINISHED.into();
        return Ok(Chart { title, caption, ..Chart::default() });
    };
    let trial = shown.trial;
    let which = latency::which(shown);
    let rates = run.bins(trial.id)?.map_or_else(Vec::new, |bins| rates(whole(trial, &bins)));
    if rates.is_empty() {
        let caption = format!(
            "Nothing to show: the bytes over time of {which} are missing beside the result."
        );
        return Ok(Chart { title, caption, ..Chart::default() });
    }
    let top = rates.iter().map(|(_, rate)| *rate).fold(0.0, f64::max);
    let end = rates.last().map_or(0.0, |(at, _)| *at).max(trial.window.end_s);
    let unit = Unit::for_rates_up_to(top);
    let line =
        rates.iter().map(|(at, rate)| Point { x: *at, y: rate / unit.size, ..Point::default() });
    Ok(Chart {
        title,
        caption: format!("What passed the sockets in {which}. {}", window(trial, end)),
        x: axis::from_zero("seconds since the trial began".into(), end),
        y: axis::from_zero(format!("on the wire in {}", unit.name), top / unit.size),
        bands: vec![Band { from: trial.window.start_s, to: trial.window.end_s }],
        series: vec![Series {
            name: "all body bytes".into(),
            line: line.collect(),
            is_bare: true,
            ..Series::default()
        }],
        numbers: numbers(&rates),
        ..Chart::default()
    })
}

/// What is shaded, and what lies before and after it.
fn window(trial: &Trial, end_s: f64) -> String {
    let Window { start_s, end_s: closed_s, steady, .. } = trial.window;
    let steady = match steady {
        Some(true) => "; it was found to be steady",
        Some(false) => "; it was not steady",
        None => "",
    };
    let before = if start_s > 0.0 { " Before it is the warm-up." } else { "" };
    let after = match (trial.under_way > 0, end_s > closed_s) {
        (true, _) => " Requests under way when it closed were abandoned.",
        (false, true) => " After it is the drain.",
        (false, false) => "",
    };
    format!(
        "The shaded window is what was measured, from {start_s:.1} s to {closed_s:.1} s{steady}.{before}{after}"
    )
}

/// Where requests were let go, the last bin is cut off, and its rate would look like a fall.
fn whole<'b>(trial: &Trial, bins: &'b [Bin]) -> &'b [Bin] {
    let Some(width_s) = width_s(bins).filter(|_| trial.under_way > 0) else { return bins };
    let is_whole = |bin: &Bin| bin.start_s + width_s <= trial.window.end_s + width_s / 100.0;
    &bins[..bins.iter().take_while(|bin| is_whole(bin)).count()]
}

fn width_s(bins: &[Bin]) -> Option<f64> {
    bins.get(1).map(|bin| bin.start_s - bins[0].start_s)
}

/// The middle of each group of bins and the rate in it.
fn rates(bins: &[Bin]) -> Vec<(f64, f64)> {
    let Some(width_s) = width_s(bins) else { return Vec::new() };
    let group = bins.len().div_ceil(POINTS_MAX);
    let rate = |bins: &[Bin]| {
        let seconds = width_s * bins.len() as f64;
        // A file may claim any number.
        let bytes = bins.iter().fold(0, |sum: u64, bin| sum.saturating_add(bin.wire_bytes));
        (bins[0].start_s + seconds / 2.0, bytes as f64 / seconds)
    };
    bins.chunks(group).map(rate).collect()
}

fn numbers(rates: &[(f64, f64)]) -> Table {
    let columns: [Column<&(f64, f64)>; 2] = [
        ("middle_s", |(at, _)| at.to_string()),
        ("wire_bytes_per_second", |(_, rate)| rate.to_string()),
    ];
    Table::numbers(&columns, rates)
}

#[cfg(test)]
mod tests {
    use super::super::super::samples;
    use super::*;
    use crate::result::{BINS_HEADER, bins_name};

    #[test]
    fn the_window_is_marked_and_many_bins_are_put_together() {
        let directory = tempfile::tempdir().unwrap();
        let document = samples::tune();
        let digest = Digest::of(&document);
        let shown = digest.shown.unwrap().trial;
        let rows: String =
            (0..1000).map(|bin| format!("{:.1},100,90\n", f64::from(bin) / 10.0)).collect();
        let file = directory.path().join(bins_name(shown.id));
        std::fs::write(file, format!("{BINS_HEADER}\n{rows}")).unwrap();
        let run = Saved { document: document.clone(), directory: directory.path().to_owned() };
        let chart = chart(&run, &digest).unwrap();
        assert_eq!((chart.bands[0].from, chart.bands[0].to), (5.0, 25.0));
        assert_eq!(chart.series[0].line.len(), POINTS_MAX);
        assert!(chart.series[0].line.iter().all(|point| (point.y - 1.0).abs() < 1e-6));
    }

    #[test]
    fn a_window_without_a_warm_up_or_a_drain_tells_of_none() {
        let mut trial = samples::tune().trials.remove(0);
        let before_and_after = |trial: &Trial| {
            let said = window(trial, 30.0);
            ["warm-up", "drain", "were abandoned"].map(|word| said.contains(word))
        };
        assert_eq!(before_and_after(&trial), [true, true, false]);
        trial.under_way = 3;
        assert_eq!(before_and_after(&trial), [true, false, true]);
        (trial.under_way, trial.window.start_s, trial.window.end_s) = (0, 0.0, 30.0);
        assert_eq!(before_and_after(&trial), [false; 3]);
    }

    #[test]
    fn a_bin_in_which_requests_were_let_go_is_no_fall() {
        let mut trial = samples::tune().trials.remove(0);
        let bin =
            |index: u32| Bin { start_s: f64::from(index) / 10.0, wire_bytes: 100, good_bytes: 100 };
        let bins: Vec<Bin> = (0..=250).map(bin).collect();
        assert_eq!(whole(&trial, &bins).len(), 251, "a drain is shown to its end");
        trial.under_way = 3;
        assert_eq!(whole(&trial, &bins).len(), 250, "the window closes at 25 s");
    }

    #[test]
    fn without_the_record_the_caption_says_so() {
        let document = samples::tune();
        let run = Saved { document: document.clone(), directory: "absent".into() };
        let chart = chart(&run, &Digest::of(&document)).unwrap();
        assert!(chart.caption.contains("missing beside the result"), "{}", chart.caption);
    }
}
