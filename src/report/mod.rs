//! A result document as something to read: terminal text, Markdown, CSV, charts and one HTML page.
//!
//! The document is the main input and the records beside it the other: nothing is measured here and no
//! network is used, so that any result, however old, can be reported again. `digest` works out what all
//! forms say, `facts` puts it into words; the forms only say it.

mod chart;
mod digest;
mod facts;
mod html;
mod markdown;
mod plan;
mod recompute;
#[cfg(test)]
pub(crate) mod samples;
mod scaling;
mod sentence;
#[cfg(test)]
mod shape;
mod table;
mod text;
mod wording;

use std::path::Path;

pub use self::wording::shell_word;
pub use plan::{plan, write_plan, write_plan_charts};
pub use recompute::{Check, Recomputed};
pub use sentence::comparison;
pub use text::summary;

use crate::error::{Error, Result};
use crate::result::Saved;
use digest::Digest;

/// The name of the page that [`write_all`] writes.
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
    /// A row for each trial
    Csv,
    /// The result documents, one after another
    Json,
}

/// A report on some runs, from their files alone.
///
/// # Errors
/// If a record of a run cannot be read or a chart cannot be drawn.
pub fn render(runs: &[Saved], format: Format) -> Result<String> {
    let documents = || runs.iter().map(|run| &run.document);
    let digests = || documents().map(Digest::of).collect::<Vec<_>>();
    match format {
        Format::Text => Ok(texts(runs)),
        Format::Md => Ok(markdown::report(&digests())),
        Format::Html => html::page(runs),
        Format::Csv => Ok(table::csv(documents())),
        Format::Json => documents().map(json).collect(),
    }
}

fn texts(runs: &[Saved]) -> String {
    let text = |run: &Saved| {
        let page = run.directory.join(PAGE);
        summary(&run.document, page.is_file().then_some(&page))
    };
    runs.iter().map(text).collect::<Vec<_>>().join("\n")
}

fn json(document: &crate::result::Document) -> Result<String> {
    let json = serde_json::to_string_pretty(document);
    json.map(|json| json + "\n").map_err(|error| Error::environment(format!("no JSON: {error}")))
}

/// Writes `report.html` and the charts, each as SVG and PNG with its numbers as CSV, into the directory
/// of the run.
///
/// # Errors
/// If a file cannot be read or written.
pub fn write_all(run: &Saved) -> Result<()> {
    write_charts(run, &run.directory)?;
    write(&run.directory.join(PAGE), &html::page(std::slice::from_ref(run))?)
}

/// Writes the charts of a run into a directory, which exists.
///
/// # Errors
/// If a file cannot be read or written.
pub fn write_charts(run: &Saved, directory: &Path) -> Result<()> {
    chart::all(run)?.iter().try_for_each(|(name, chart)| write_chart(name, chart, directory))
}

/// A chart as SVG and PNG, and its numbers as CSV.
fn write_chart(name: &str, chart: &chart::Chart, directory: &Path) -> Result<()> {
    let file = |extension| directory.join(name).with_extension(extension);
    write(&file("svg"), &chart::export::svg(chart)?)?;
    chart::export::save_png(chart, &file("png"))?;
    write(&file("csv"), &chart.csv)
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
        let json = render(&runs, Format::Json).unwrap();
        let stream = serde_json::Deserializer::from_str(&json).into_iter();
        let read: Vec<crate::result::Document> = stream.collect::<Result<_, _>>().unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!(read[0].trials.len(), documents[0].trials.len());
    }
}
