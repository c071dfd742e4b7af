//! The pictures of a report. A [`Chart`] says what a picture shows, independent of any canvas: a module
//! for each makes one from a result, [`draw`] puts any of them on any plotters backend, and [`export`]
//! knows the files.

pub mod axis;
mod course;
mod draw;
pub mod export;
mod goodput;
mod heat;
mod ink;
mod latency;
pub mod plan;
mod spent;
mod tradeoff;

use super::digest::Digest;
use crate::error::Result;
use crate::result::Saved;
use axis::Axis;

/// Every picture of a run in the order of the report, with the name of its files.
///
/// # Errors
/// If a record of the run cannot be read.
pub fn all(run: &Saved) -> Result<Vec<(&'static str, Chart)>> {
    let digest = Digest::of(&run.document);
    Ok(vec![
        ("goodput", goodput::chart(&digest)),
        ("heat", heat::chart(&digest)),
        ("latency", latency::chart(&digest)),
        ("tradeoff", tradeoff::chart(&digest)),
        ("course", course::chart(run, &digest)?),
        ("spent", spent::chart(&digest)),
    ])
}

/// A picture, not yet drawn: layers on one pair of axes, from the back to the front.
#[derive(Default)]
pub struct Chart {
    /// What it shows, in a few words.
    pub title: String,
    /// What a reader must know to read it.
    pub caption: String,
    /// Left to right.
    pub x: Axis,
    /// Bottom to top.
    pub y: Axis,
    /// Shaded from bottom to top.
    pub bands: Vec<Band>,
    /// Rectangles one unit wide and high around their places.
    pub cells: Vec<Cell>,
    /// Parts of columns.
    pub bars: Vec<Bar>,
    /// Lines of reference, behind the series.
    pub guides: Vec<Guide>,
    /// Points and lines. With none of these the caption says why.
    pub series: Vec<Series>,
    /// The one point to look at.
    pub highlight: Option<Highlight>,
    /// The numbers of the picture.
    pub csv: String,
}

impl Chart {
    /// Whether there is nothing to draw but the caption.
    pub fn is_empty(&self) -> bool {
        self.series.is_empty() && self.cells.is_empty()
    }
}

/// A stretch of the x axis.
pub struct Band {
    /// Left end.
    pub from: f64,
    /// Right end.
    pub to: f64,
}

/// A place of a heat map.
pub struct Cell {
    /// Its middle.
    pub at: (f64, f64),
    /// How dark, from 0 to 1.
    pub share: f64,
    /// Written on it.
    pub label: String,
}

/// A part of a column, in the colour of a series.
pub struct Bar {
    /// The middle of the column.
    pub x: f64,
    /// Lower end.
    pub from: f64,
    /// Upper end.
    pub to: f64,
    /// Index of the series.
    pub series: usize,
}

/// A line of reference: dashed, in the colour of text; dotted if it stands upright.
pub struct Guide {
    /// In the legend.
    pub name: String,
    /// From point to point.
    pub line: Vec<(f64, f64)>,
}

impl Guide {
    /// Whether it marks a place of the x axis.
    pub fn is_upright(&self) -> bool {
        self.line.windows(2).all(|pair| pair[0].0 == pair[1].0)
    }
}

/// Points of one colour and marker, joined by a line.
#[derive(Default)]
pub struct Series {
    /// In the legend.
    pub name: String,
    /// What was measured: faint points.
    pub samples: Vec<(f64, f64)>,
    /// What is said about it: full points on the line, left to right.
    pub line: Vec<Point>,
    /// A line without its points, which are too many to be marked.
    pub is_bare: bool,
}

/// A point on a line.
#[derive(Default)]
pub struct Point {
    /// Position on the x axis.
    pub x: f64,
    /// Position on the y axis.
    pub y: f64,
    /// The ends of its interval on the y axis.
    pub interval: Option<[f64; 2]>,
    /// Written beside it.
    pub label: Option<String>,
}

/// A point with a ring around it.
pub struct Highlight {
    /// In the legend.
    pub name: String,
    /// Position.
    pub at: (f64, f64),
}

/// Moves series `index` of `count` sideways so that equal values stay apart; `step` on the x axis.
fn dodge(index: usize, count: usize, step: f64) -> f64 {
    (index as f64 - (count as f64 - 1.0) / 2.0) * step
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    /// Everything that is drawn except intervals, which may end at the edge.
    fn positions(chart: &Chart) -> impl Iterator<Item = (f64, f64)> {
        let samples = chart.series.iter().flat_map(|series| series.samples.iter().copied());
        let lines = chart.series.iter().flat_map(|series| &series.line);
        let ring = chart.highlight.iter().map(|highlight| highlight.at);
        let cells = chart.cells.iter().map(|cell| cell.at);
        let bars = chart.bars.iter().flat_map(|bar| [(bar.x, bar.from), (bar.x, bar.to)]);
        let points = samples.chain(lines.map(|point| (point.x, point.y))).chain(ring);
        let guides = chart.guides.iter().flat_map(|guide| guide.line.iter().copied());
        points.chain(cells).chain(bars).chain(guides)
    }

    #[test]
    fn nothing_lies_outside_the_axes() {
        for (name, document) in samples::all() {
            let run = Saved { document, directory: "absent".into() };
            for (_, chart) in all(&run).expect("no record is read") {
                for (x, y) in positions(&chart) {
                    let x_range = chart.x.range.start..=chart.x.range.end;
                    assert!(x_range.contains(&x), "{name}: x = {x} of {}", chart.title);
                    let y_range = chart.y.range.start..=chart.y.range.end;
                    assert!(y_range.contains(&y), "{name}: y = {y} of {}", chart.title);
                }
            }
        }
    }

    #[test]
    fn dodging_keeps_the_centre() {
        let sum: f64 = (0..5).map(|index| dodge(index, 5, 0.1)).sum();
        assert!(sum.abs() < 1e-12);
        assert_eq!(dodge(0, 1, 0.1), 0.0);
    }
}
