//! Documents as something to read: terminal text, Markdown, one HTML page, CSV and charts.
//!
//! What is said is one tree, `page`, made by the [`Report`] of each kind of document; `text`, `markdown` and
//! `html` write any of them, and `table` its numbers as CSV. Nothing is measured here and no network is used: the
//! document is the main input and the records beside it the other, so that any result, however old, can be reported
//! again.
//! `digest` works out what a result says, `facts` puts it into words.

mod brief;
mod chart;
mod comparison;
mod digest;
mod dtns;
mod facts;
mod fit;
mod html;
mod markdown;
mod numbers;
mod observation;
mod page;
mod plan;
mod recompute;
mod runs;
#[cfg(test)]
#[path = "../../tests/inside/samples.rs"]
pub(crate) mod samples;
mod scaling;
#[cfg(test)]
mod shape;
mod table;
mod text;
mod wording;

use std::path::Path;

pub use self::wording::shell_word;
pub use recompute::{Check, Recomputed};

use crate::compare::Compared;
use crate::error::{Error, Result};
use crate::plan::Plan;
use crate::result::{Document, Saved};
use chart::Charts;
use page::{Block, Page};
use table::Table;

/// The name of the page that [`write_all`] and [`write_plan`] write.
pub const PAGE: &str = "report.html";

/// What a report is written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// A few lines for a terminal
    #[default]
    Text,
    /// Markdown
    Md,
    /// One page with charts, complete in itself
    Html,
    /// The main table, as comma-separated values
    Csv,
    /// The document itself
    Json,
}

/// What there is to say about a kind of document. Each format is written from it.
pub trait Report {
    /// A few lines for a terminal.
    fn brief(&self) -> Vec<Block>;

    /// Everything.
    fn page(&self) -> Page;

    /// The main table, for programs.
    fn numbers(&self) -> Table;

    /// The document itself.
    ///
    /// # Errors
    /// If it cannot be written as JSON.
    fn json(&self) -> Result<String>;
}

/// A report in a format.
///
/// # Errors
/// If a record of a run cannot be read or a chart cannot be drawn.
pub fn render<R: Report + ?Sized>(report: &R, format: Format) -> Result<String> {
    match format {
        Format::Text => Ok(text::write(&report.brief())),
        Format::Md => Ok(markdown::write(&report.page())),
        Format::Html => html::write(report.page()),
        Format::Csv => report.numbers().csv(),
        Format::Json => report.json(),
    }
}

fn json(document: &impl serde::Serialize) -> Result<String> {
    let json = serde_json::to_string_pretty(document);
    json.map(|json| json + "\n").map_err(|error| Error::environment(format!("no JSON: {error}")))
}

/// What a run found, in a few lines, with where the rest is: in the page that was written, if one was.
pub fn summary(document: &Document, page: Option<&Path>) -> String {
    text::write(&[brief::of(document, page).into()])
}

/// A comparison of two runs in a few lines.
pub fn comparison(compared: &Compared, threshold: f64) -> String {
    text::write(&[comparison::facts(compared, threshold).into()])
}

/// Writes `report.html` and the charts, each as SVG and PNG with its numbers as CSV, into the directory
/// of the run.
///
/// # Errors
/// If a file cannot be read or written.
pub fn write_all(run: &Saved) -> Result<()> {
    write_charts(run, &run.directory)?;
    write_page(std::slice::from_ref(run), &run.directory)
}

/// The same of a plan, into a directory, which exists.
///
/// # Errors
/// If a file cannot be written or a chart cannot be drawn.
pub fn write_plan(plan: &Plan, directory: &Path) -> Result<()> {
    write_plan_charts(plan, directory)?;
    write_page(plan, directory)
}

fn write_page<R: Report + ?Sized>(report: &R, directory: &Path) -> Result<()> {
    write(&directory.join(PAGE), &html::write(report.page())?)
}

/// Writes the charts of a run into a directory, which exists.
///
/// # Errors
/// If a file cannot be read or written.
pub fn write_charts(run: &Saved, directory: &Path) -> Result<()> {
    write_each(chart::all(run)?, directory)
}

/// Writes the charts of a plan into a directory, which exists.
///
/// # Errors
/// If a file cannot be written or a chart cannot be drawn.
pub fn write_plan_charts(plan: &Plan, directory: &Path) -> Result<()> {
    write_each(chart::plan::all(plan), directory)
}

fn write_each(charts: Charts, directory: &Path) -> Result<()> {
    charts.iter().try_for_each(|(name, chart)| write_chart(name, chart, directory))
}

/// A chart as SVG and PNG, and its numbers as CSV.
fn write_chart(name: &str, chart: &chart::Chart, directory: &Path) -> Result<()> {
    let file = |extension| directory.join(name).with_extension(extension);
    write(&file("svg"), &chart::export::svg(chart)?)?;
    chart::export::save_png(chart, &file("png"))?;
    write(&file("csv"), &chart.numbers.csv()?)
}

fn write(path: &Path, content: &str) -> Result<()> {
    std::fs::write(path, content).map_err(|error| cannot_write(path, &error))
}

fn cannot_write(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::environment(format!("cannot write {}: {error}", path.display()))
        .hint("choose another directory")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Set it to a directory to keep the reports of the samples there and look at them.
    const KEEP: &str = "TIDEGATE_KEEP_REPORTS";

    fn saved(document: crate::result::Document, directory: &Path) -> Saved {
        Saved { document, directory: directory.to_owned() }
    }

    fn written(directory: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(directory).expect("the directory is there");
        let name = |entry: std::fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
        let mut names: Vec<_> = entries.map(|entry| name(entry.expect("an entry"))).collect();
        names.sort();
        names
    }

    #[test]
    fn every_sample_is_reported_with_each_chart_in_three_formats() {
        let temporary = tempfile::tempdir().expect("a temporary directory");
        let keep = std::env::var_os(KEEP);
        let root = keep.as_deref().map_or(temporary.path(), Path::new);
        for (name, document) in samples::all() {
            let directory = root.join(name);
            std::fs::create_dir_all(&directory).expect("a directory of the test's own");
            let run = saved(document, &directory);
            write_all(&run).expect(name);
            let charts = chart::all(&run).expect(name).into_iter();
            let charts = charts
                .flat_map(|(chart, _)| ["csv", "png", "svg"].map(|end| format!("{chart}.{end}")));
            let mut expected: Vec<String> = charts.chain([PAGE.to_owned()]).collect();
            expected.sort();
            assert_eq!(written(&directory), expected, "{name}");
            let png = std::fs::read(directory.join("latency.png")).expect("the picture");
            assert!(png.starts_with(b"\x89PNG"), "{name}");
        }
    }

    #[test]
    fn a_missing_directory_is_named_with_what_to_do() {
        let temporary = tempfile::tempdir().expect("a temporary directory");
        let absent = temporary.path().join("absent");
        let error = write_all(&saved(samples::tune(), &absent)).unwrap_err();
        assert!(error.to_string().contains("absent"), "{error}");
        assert!(error.to_string().contains("hint: "), "{error}");
    }

    #[test]
    fn json_is_a_stream_of_documents_that_read_back() {
        let documents = [samples::tune(), samples::run_with_failures()];
        let runs = documents.clone().map(|document| saved(document, Path::new("absent")));
        let json = render(&runs[..], Format::Json).unwrap();
        let stream = serde_json::Deserializer::from_str(&json).into_iter();
        let read: Vec<crate::result::Document> = stream.collect::<Result<_, _>>().unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!(read[0].trials.len(), documents[0].trials.len());
    }
}
