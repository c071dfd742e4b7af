//! `tidegate fit`: the numbers of a link from saved runs.

use std::path::{Path, PathBuf};

use super::options::{print_report, runtime};
use tidegate::error::{Error, Result};
use tidegate::fit::{self, Fit, Fitted, Measured};
use tidegate::interrupt::Interrupt;
use tidegate::report::{self, Format};
use tidegate::result::{Document, Saved};
use tidegate::scenario;
use tidegate::session::{self, Progress};
use tidegate::storj::Model;
use tidegate::terminal;

/// Options of `fit`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Runs of any verb: directories of runs, or of results
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<PathBuf>,
    /// Link that this one resembles: what the runs do not tell is taken from it
    #[arg(long, value_name = "PRESET|FILE", default_value = "hosted-10g-near")]
    like: PathBuf,
    /// Write the link to a file for --simulate, `serve --model` and --like
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Format of the fit
    #[arg(long, short, value_enum, default_value_t)]
    format: Format,
    /// Print the fit as JSON (schema tidegate.fit/1), as --format json does
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Print no progress, only the fit
    #[arg(long, short)]
    quiet: bool,
}

pub(super) fn run(args: Args) -> Result<()> {
    let runs = args.runs.iter().map(|path| Saved::load_all(path));
    let runs: Vec<Vec<Saved>> = runs.collect::<Result<_>>()?;
    let documents: Vec<Document> = runs.into_iter().flatten().map(|run| run.document).collect();
    let measured = Measured::by(&documents)?;
    let like = scenario::read(&args.like)?;
    let fitted = args.fitted(&measured, &like.model)?;
    let fit = Fit::of(&fitted, &measured, &like.name);
    let format = if args.json { Format::Json } else { args.format };
    print_report(&report::render(&fit, format)?, format);
    if !fit.is_usable {
        return Err(Error::answer_is_no("no link of this model does what was measured")
            .hint("measure again, with one load at a time: tidegate tune TARGET"));
    }
    match &args.save {
        Some(file) => write(file, &fit::text(&fitted, &measured.runs, &like.name)),
        None => Ok(()),
    }
}

impl Args {
    fn fitted(&self, measured: &Measured, like: &Model) -> Result<Fitted> {
        let runtime = runtime()?;
        let interrupt = runtime.block_on(async { Interrupt::install() })?;
        let mut progress = Progress::new(self.quiet);
        let fitting = session::fit(measured, like, &interrupt, &mut progress);
        let fitted = runtime.block_on(fitting);
        progress.end();
        fitted
    }
}

fn write(file: &Path, text: &str) -> Result<()> {
    std::fs::write(file, text).map_err(|error| {
        Error::environment(format!("cannot write {}: {error}", file.display()))
            .hint("choose another file with --save")
    })?;
    terminal::say(&format!(
        "the link is in {0}: try `tidegate tune --simulate {0}`",
        file.display()
    ));
    Ok(())
}
