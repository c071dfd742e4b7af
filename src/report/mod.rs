//! A result document as something to read: terminal text, charts and one HTML page.
//!
//! The document is the only input: nothing is measured here and no network is used, so that any result,
//! however old, can be reported again. `digest` works out what all three forms say; the forms only say it.

mod chart;
mod digest;
mod html;
#[cfg(test)]
mod samples;
mod text;
mod wording;

use std::path::Path;

pub use text::summary;

use crate::error::{Error, Result};
use crate::result::Document;
use digest::Digest;

/// The name of the page that [`write_all`] writes.
pub const PAGE: &str = "report.html";

/// Writes `report.html` and both charts, each as SVG and PNG, to `directory`, which exists.
///
/// # Errors
/// If a file cannot be written.
pub fn write_all(document: &Document, directory: &Path) -> Result<()> {
    let digest = Digest::of(document);
    let goodput = chart::goodput::chart(&digest);
    let latency = chart::latency::chart(&digest);
    for (name, chart) in [("goodput", &goodput), ("latency", &latency)] {
        write(&directory.join(name).with_extension("svg"), &chart::export::svg(chart)?)?;
        chart::export::save_png(chart, &directory.join(name).with_extension("png"))?;
    }
    write(&directory.join(PAGE), &html::page(&digest, &goodput, &latency)?)
}

fn write(path: &Path, content: &str) -> Result<()> {
    std::fs::write(path, content).map_err(|error| cannot_write(path, &error))
}

fn cannot_write(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::environment(format!("cannot write {}: {error}", path.display()))
        .hint("choose another directory with --results DIR")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: [&str; 5] =
        ["goodput.png", "goodput.svg", "latency.png", "latency.svg", "report.html"];

    /// Set it to a directory to keep the reports of the samples there and look at them.
    const KEEP: &str = "TIDEGATE_KEEP_REPORTS";

    fn written(directory: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(directory).expect("the directory is there");
        let name = |entry: std::fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
        let mut names: Vec<_> = entries.map(|entry| name(entry.expect("an entry"))).collect();
        names.sort();
        names
    }

    #[test]
    fn every_sample_is_reported_in_five_files() {
        let temporary = tempfile::tempdir().expect("a temporary directory");
        let keep = std::env::var_os(KEEP);
        let root = keep.as_deref().map_or(temporary.path(), Path::new);
        for (name, document) in samples::all() {
            let directory = root.join(name);
            std::fs::create_dir_all(&directory).expect("a directory of the test's own");
            write_all(&document, &directory).expect(name);
            assert_eq!(written(&directory), FILES, "{name}");
            let png = std::fs::read(directory.join("goodput.png")).expect("the picture");
            assert!(png.starts_with(b"\x89PNG"), "{name}");
        }
    }

    #[test]
    fn a_missing_directory_is_named_with_what_to_do() {
        let temporary = tempfile::tempdir().expect("a temporary directory");
        let error = write_all(&samples::tune(), &temporary.path().join("absent")).unwrap_err();
        assert!(error.to_string().contains("absent"), "{error}");
        assert!(error.to_string().contains("hint: "), "{error}");
    }
}
