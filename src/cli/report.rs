//! `tidegate report`: saved runs as something to read, without measuring anything.

use std::path::{Path, PathBuf};

use super::options::print_report;
use tidegate::error::{Error, Result};
use tidegate::plan::Plan;
use tidegate::report::{self, Format, Recomputed};
use tidegate::result::Saved;
use tidegate::session;
use tidegate::terminal;

/// Options of `report`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Directories of runs or plans, or their result.json or plan.json
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<PathBuf>,
    /// Format of the report; csv has a row for each trial of a run, or each number of DTNs of a plan
    #[arg(long, short, value_enum, default_value_t)]
    format: Format,
    /// Write the report to this file instead of standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Also write the charts of a run into this directory, as SVG, PNG and CSV
    #[arg(long, value_name = "DIR")]
    charts: Option<PathBuf>,
    /// Recompute every figure and interval from the raw records and print whether they agree (exit code 1 if
    /// not), instead of a report
    #[arg(long, conflicts_with_all = ["format", "output", "charts"])]
    recompute: bool,
}

pub(super) fn run(args: Args) -> Result<()> {
    let (mut runs, mut plans) = (Vec::new(), Vec::new());
    for path in &args.runs {
        match session::load_plan(path)? {
            Some(plan) => plans.push(plan),
            None => runs.push(Saved::load(path)?),
        }
    }
    if !plans.is_empty() {
        return report_plans(&args, &runs, &plans);
    }
    if args.recompute {
        return recompute(&runs);
    }
    if let Some(directory) = &args.charts {
        charts(&runs, directory)?;
    }
    args.say(&report::render(&runs[..], args.format)?)
}

/// A plan is one document, and its page one page.
fn report_plans(args: &Args, runs: &[Saved], plans: &[Plan]) -> Result<()> {
    let ([plan], []) = (plans, runs) else {
        return Err(Error::environment("a plan cannot be reported together with other runs")
            .hint("name one plan, or runs only"));
    };
    if args.recompute {
        return Err(Error::environment("a plan has no raw records to recompute it from")
            .hint("make it again from its runs: tidegate plan RUN..."));
    }
    if let Some(directory) = &args.charts {
        std::fs::create_dir_all(directory).map_err(|error| cannot_write(directory, &error))?;
        report::write_plan_charts(plan, directory)?;
    }
    args.say(&report::render(plan, args.format)?)
}

impl Args {
    fn say(&self, text: &str) -> Result<()> {
        match &self.output {
            None => print_report(text, self.format),
            Some(file) => write(file, text)?,
        }
        Ok(())
    }
}

fn recompute(runs: &[Saved]) -> Result<()> {
    let mut agree = true;
    for run in runs {
        let again = Recomputed::of(run)?;
        agree &= again.agrees();
        terminal::print(&again.to_string());
    }
    match agree {
        true => Ok(()),
        false => Err(Error::answer_is_no("some figures do not follow from the records")
            .hint("the result or a record was altered, or another version computed it")),
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
        .hint("choose another file or directory")
}
