//! The pictures of a report. A [`Chart`] says what a picture shows, independent of any canvas: [`goodput`]
//! and [`latency`] make one from a result, [`draw`] puts any of them on any plotters backend, and
//! [`export`] knows the files.

pub mod axis;
mod draw;
pub mod export;
pub mod goodput;
mod ink;
pub mod latency;

use axis::Axis;

/// A picture, not yet drawn.
pub struct Chart {
    /// What it shows, in a few words.
    pub title: String,
    /// What a reader must know to read it.
    pub caption: String,
    /// Left to right.
    pub x: Axis,
    /// Bottom to top.
    pub y: Axis,
    /// What is shown; with none, the caption says why.
    pub series: Vec<Series>,
    /// The one point to look at.
    pub highlight: Option<Highlight>,
}

/// Points of one colour and marker, joined by a line.
pub struct Series {
    /// In the legend.
    pub name: String,
    /// What was measured: faint points.
    pub samples: Vec<(f64, f64)>,
    /// What is said about it: full points on the line, left to right.
    pub line: Vec<Point>,
}

/// A point on a line.
pub struct Point {
    /// Position on the x axis.
    pub x: f64,
    /// Position on the y axis.
    pub y: f64,
    /// The ends of its interval on the y axis.
    pub interval: Option<[f64; 2]>,
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
    use super::super::digest::Digest;
    use super::super::samples;
    use super::*;

    /// Everything that is drawn except intervals, which may end at the edge.
    fn positions(chart: &Chart) -> impl Iterator<Item = (f64, f64)> {
        let samples = chart.series.iter().flat_map(|series| series.samples.iter().copied());
        let lines = chart.series.iter().flat_map(|series| &series.line);
        let ring = chart.highlight.iter().map(|highlight| highlight.at);
        samples.chain(lines.map(|point| (point.x, point.y))).chain(ring)
    }

    #[test]
    fn nothing_lies_outside_the_axes() {
        for (name, document) in samples::all() {
            let digest = Digest::of(&document);
            for chart in [goodput::chart(&digest), latency::chart(&digest)] {
                for (x, y) in positions(&chart) {
                    assert!(chart.x.range.contains(&x), "{name}: x = {x} of {}", chart.title);
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
