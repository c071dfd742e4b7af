//! Goodput by part size and streams, as a heat map: where the plateau is.

use std::collections::BTreeSet;

use super::super::digest::{Candidate, Digest};
use super::super::wording;
use super::goodput::{Shape, Unit, highest, highlight_name};
use super::{Cell, Chart, Highlight, axis};

/// A cell per settings, as dark as it is fast; nothing where nothing was tried.
pub fn chart(digest: &Digest) -> Chart {
    let candidates = &digest.candidates;
    let unit = Unit::for_rates_up_to(highest(candidates));
    let streams: BTreeSet<u32> = candidates.iter().map(|one| one.settings.streams()).collect();
    let shapes: BTreeSet<Shape> = candidates.iter().map(Shape::of).collect();
    let several = shapes.iter().any(|shape| shape.parts_in_flight != 1);
    let best = candidates.iter().map(|one| one.goodput.mean).fold(0.0, f64::max);
    let place = |candidate: &Candidate| {
        let column = streams.iter().position(|one| *one == candidate.settings.streams())?;
        let row = shapes.iter().position(|one| *one == Shape::of(candidate))?;
        Some((column as f64, row as f64))
    };
    let cell = |candidate: &Candidate| {
        let goodput = candidate.goodput.mean;
        let share = if best > 0.0 { goodput / best } else { 0.0 };
        Some(Cell { at: place(candidate)?, share, label: unit.number(goodput) })
    };
    let ringed = |candidate: &&Candidate| digest.recommended() == Some(candidate.settings);
    let highlight = candidates.iter().find(ringed).and_then(|candidate| {
        Some(Highlight { name: highlight_name(candidate.settings), at: place(candidate)? })
    });
    Chart {
        title: format!("Goodput in {} by part size and streams", unit.name),
        caption: caption(candidates, streams.len() * shapes.len()),
        x: axis::categories(
            "streams (concurrency × parts in flight)",
            streams.iter().map(ToString::to_string),
        ),
        y: axis::categories("part size", shapes.iter().map(|shape| shape.label(several))),
        cells: candidates.iter().filter_map(cell).collect(),
        highlight,
        numbers: super::goodput::numbers(candidates),
        ..Chart::default()
    }
}

fn caption(candidates: &[Candidate], places: usize) -> String {
    if candidates.is_empty() {
        return wording::NOTHING_FINISHED.into();
    }
    let empty = if candidates.len() < places { " Empty cells were not tried." } else { "" };
    format!("Geometric means of the trials of the same settings; the darker, the faster.{empty}")
}

#[cfg(test)]
mod tests {
    use super::super::super::samples;
    use super::super::export;
    use super::*;

    #[test]
    fn the_mark_of_the_legend_is_the_one_in_the_map() {
        let document = samples::tune();
        let svg = export::svg(&chart(&Digest::of(&document))).expect("a picture");
        assert!(svg.contains("recommended: 64 MiB parts, concurrency 16"));
        assert!(!svg.contains("<circle"), "a ring is no frame");
    }

    #[test]
    fn every_settings_has_a_cell_and_the_fastest_is_the_darkest() {
        let document = samples::tune();
        let digest = Digest::of(&document);
        let chart = chart(&digest);
        assert_eq!(chart.cells.len(), digest.candidates.len());
        let darkest = chart.cells.iter().max_by(|a, b| a.share.total_cmp(&b.share)).unwrap();
        assert_eq!(darkest.share, 1.0);
        // 32 streams of the larger part size: the last of six columns, the second row.
        assert_eq!(darkest.at, (5.0, 1.0));
    }
}
