//! The pictures of a report. A [`Chart`] says what a picture shows, independent of any canvas: a module
//! for each makes one from a result, [`draw`] puts any of them on any plotters backend, and [`export`]
//! knows the files.

pub mod axis;
mod course;
mod draw;
mod dtns;
pub mod export;
mod goodput;
mod heat;
mod ink;
mod latency;
pub mod plan;
mod spent;
mod tradeoff;

use super::digest::{Candidate, Digest, median};
use super::table::Table;
use super::wording;
use crate::error::Result;
use crate::result::{OperationSummary, Phase, Saved, Trial};
use axis::Axis;

/// Pictures with the names of their files.
pub type Charts = Vec<(&'static str, Chart)>;

/// Pictures that compare settings: of one there is nothing to compare.
const COMPARING: [&str; 3] = ["goodput", "heat", "tradeoff"];

/// Every picture of a run in the order of the report, with the name of its files.
///
/// # Errors
/// If a record of the run cannot be read.
pub fn all(run: &Saved) -> Result<Charts> {
    let digest = Digest::of(&run.document);
    let mut charts = vec![
        ("goodput", goodput::chart(&digest)),
        ("heat", heat::chart(&digest)),
        ("latency", latency::chart(&digest)),
        ("tradeoff", tradeoff::chart(&digest)),
        ("course", course::chart(run, &digest)?),
        ("spent", spent::chart(&digest)),
        ("dtns", dtns::chart(&digest)),
    ];
    if run.document.more_dtns.is_none() {
        charts.retain(|(name, _)| *name != "dtns");
    }
    if digest.candidates.len() == 1 {
        charts.retain(|(name, _)| !COMPARING.contains(name));
    }
    Ok(charts)
}

/// The trial that tells how long requests took with some settings, and its operation that moved data: the
/// soak, whose window is long, else the trial of median goodput. None if more requests were let go than
/// timed: those that were timed are the quick ones.
fn timed<'d>(candidate: &Candidate<'d>) -> Option<(&'d Trial, &'d str, &'d OperationSummary)> {
    let soak = candidate.trials.iter().rfind(|trial| trial.phase == Phase::Soak).copied();
    let trial = soak.or_else(|| Some(median(candidate.decisive(), false)?.trial))?;
    let (name, operation) = wording::data_operation(trial)?;
    let samples = operation.service_time_us.samples;
    (samples > 0 && trial.under_way <= samples).then_some((trial, name, operation))
}

/// What a picture of [`timed`] trials says of itself.
fn of_timed<'d>(digest: &Digest, trials: impl Iterator<Item = &'d Trial>) -> String {
    let left_out = digest.candidates.iter().any(|candidate| timed(candidate).is_none());
    let left_out = match left_out {
        true => " Settings for which more requests were abandoned than timed are left out.",
        false => "",
    };
    format!("{}{left_out}", wording::let_go(trials))
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
    pub numbers: Table,
}

impl Chart {
    /// Whether there is nothing to draw but the caption.
    pub fn is_empty(&self) -> bool {
        self.series.is_empty() && self.cells.is_empty()
    }

    /// The series of which there is something in the picture, with their indices.
    fn drawn_series(&self) -> impl Iterator<Item = (usize, &Series)> {
        let is_drawn = |(index, series): &(usize, &Series)| {
            let has_points = !series.line.is_empty() || !series.samples.is_empty();
            has_points || self.bars.iter().any(|bar| bar.series == *index)
        };
        self.series.iter().enumerate().filter(is_drawn)
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

    fn charts_of(document: crate::result::Document) -> Charts {
        all(&Saved { document, directory: "absent".into() }).expect("no record is read")
    }

    #[test]
    fn one_setting_is_not_compared_with_itself() {
        let names = |document| charts_of(document).into_iter().map(|(name, _)| name);
        let of_a_run: Vec<_> = names(samples::run_with_failures()).collect();
        assert_eq!(of_a_run, ["latency", "course", "spent"]);
        assert_eq!(names(samples::tune()).count(), 6);
    }

    #[test]
    fn pictures_are_worded_for_people() {
        let mut single = samples::run_with_failures();
        for operation in single.trials[0].requests.values_mut() {
            operation.service_time_us.samples = 1;
        }
        let documents = samples::all().into_iter().map(|(_, document)| document);
        for (_, chart) in documents.chain([single]).flat_map(charts_of) {
            let names = chart.series.iter().map(|series| &series.name);
            let names = names.chain(chart.guides.iter().map(|guide| &guide.name));
            let names = names.chain(chart.highlight.iter().map(|highlight| &highlight.name));
            for text in names.chain([&chart.title, &chart.caption, &chart.x.title, &chart.y.title])
            {
                assert!(!text.contains('`'), "{text}");
                let words: Vec<_> = text.split(|c: char| !c.is_alphanumeric()).collect();
                let is_wrong =
                    |pair: &[&str]| pair[0] == "1" && pair[1].len() > 1 && pair[1].ends_with('s');
                assert!(!words.windows(2).any(is_wrong), "{text}");
            }
        }
    }

    #[test]
    fn requests_are_timed_in_the_soak_or_not_at_all_where_most_were_let_go() {
        let mut document = samples::tune();
        let settings = document.trials[0].settings;
        let of_time = |document: &crate::result::Document| {
            let digest = Digest::of(document);
            let candidate = digest.candidates.iter().find(|one| one.settings == settings);
            timed(candidate.expect("it was tried")).map(|(trial, ..)| trial.id)
        };
        assert_eq!(of_time(&document), Some(0));
        document.trials[0].under_way = 12_346;
        assert_eq!(of_time(&document), None, "12,345 were timed");
        let caption = tradeoff::chart(&Digest::of(&document)).caption;
        assert!(
            caption.contains("more requests were abandoned than timed are left out"),
            "{caption}"
        );
        let soak = Trial { id: 99, phase: Phase::Soak, under_way: 1, ..document.trials[0].clone() };
        document.trials.push(soak);
        assert_eq!(of_time(&document), Some(99));
    }

    #[test]
    fn dodging_keeps_the_centre() {
        let sum: f64 = (0..5).map(|index| dodge(index, 5, 0.1)).sum();
        assert!(sum.abs() < 1e-12);
        assert_eq!(dodge(0, 1, 0.1), 0.0);
    }
}
