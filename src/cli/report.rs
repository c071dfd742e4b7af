//! `tidegate report`: saved runs as something to read, without measuring anything.

use std::path::{Path, PathBuf};

use super::options::print_data;
use crate::error::{Error, Result};
use crate::report::{self, Format, Recomputed};
use crate::result::Saved;

/// Options of `report`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Directories of runs, or their result.json
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<PathBuf>,
    /// What the report is written in
    #[arg(long, short, value_enum, default_value_t)]
    format: Format,
    /// Write the report to this file instead of standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Also write the charts of a run into this directory, as SVG, PNG and CSV
    #[arg(long, value_name = "DIR")]
    charts: Option<PathBuf>,
    /// Instead of a report work out every figure and interval again from the records, and say whether
    /// they agree (exit code 1 if not)
    #[arg(long, conflicts_with_all = ["format", "output", "charts"])]
    recompute: bool,
}

pub(super) fn run(args: Args) -> Result<()> {
    let runs: Vec<Saved> = args.runs.iter().map(|run| Saved::load(run)).collect::<Result<_>>()?;
    if args.recompute {
        return recompute(&runs);
    }
    if let Some(directory) = &args.charts {
        charts(&runs, directory)?;
    }
    let text = report::render(&runs, args.format)?;
    match &args.output {
        None => print_data(text.trim_end()),
        Some(file) => write(file, &text)?,
    }
    Ok(())
}

fn recompute(runs: &[Saved]) -> Result<()> {
    let mut agree = true;
    for run in runs {
        let again = Recomputed::of(run)?;
        agree &= again.agrees();
        print_data(&again.to_string());
    }
    match agree {
        true => Ok(()),
        false => Err(Error::answer_is_no("not every figure follows from the records")
            .hint("the result or a record was altered, or another version worked it out")),
    }
}

/// Those of one run; of several each into a directory of its own.
fn charts(runs: &[Saved], directory: &Path) -> Result<()> {
    for run in runs {
        let directory = match runs.len() {
            1 => directory.to_owned(),
            _ => directory.join(&run.document.id),
        };
        std::fs::create_dir_all(&directory).map_err(|error| cannot_write(&directory, &error))?;
        report::write_charts(run, &directory)?;
    }
    Ok(())
}

fn write(file: &Path, text: &str) -> Result<()> {
    std::fs::write(file, text).map_err(|error| cannot_write(file, &error))
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Error {
    Error::environment(format!("cannot write {}: {error}", path.display()))
}
