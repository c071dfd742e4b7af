//! The command line: one file per verb, and the options that verbs share.
//!
//! Data goes to standard output, everything else to standard error.

pub mod serve;

mod arguments;
mod beside;
mod check;
mod clean;
mod compare;
mod connector;
mod dtns;
mod fit;
mod gcs;
mod metrics;
mod observe;
mod options;
mod pages;
mod plan;
mod report;
mod run;
mod schema;
mod tune;

use clap::{Parser, Subcommand};

use tidegate::clock;
use tidegate::error::Result;

/// Measure and tune the transfer of large research datasets to and from Storj, driven the way a
/// Globus S3 storage gateway drives them.
#[derive(Debug, Parser)]
#[command(name = "tidegate", version, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Find the part size and concurrency to set; without TARGET a short demonstration on this machine.
    Tune(Box<tune::Args>),
    /// Move one dataset with one set of settings and measure it; without TARGET to the embedded gateway.
    Run(run::Args),
    /// Forecast a transfer from results or a simulation: time, number of DTNs, cost.
    Plan(plan::Args),
    /// Fit a model of the link to saved runs, for simulations to use.
    Fit(fit::Args),
    /// Find out what a connector really does: part size, parts and files in flight.
    Observe(observe::Args),
    /// Show saved runs as text, Markdown, HTML, CSV or JSON, or recompute their figures.
    Report(report::Args),
    /// Test whether B is slower than A (exit code 1), with an interval.
    Compare(compare::Args),
    /// Print the JSON Schema of a document that other programs read.
    Schema(schema::Args),
    /// Print completions for a shell.
    Completions(pages::Args),
    /// Print the manual page of tidegate or of a verb.
    Man(pages::ManArgs),
    /// Serve the embedded S3 gateway.
    Serve(serve::Args),
    /// Check whether a target and this machine are fit for a run (exit code 1 if not); leaves nothing behind.
    Check(check::Args),
    /// Remove what killed runs left in a bucket, and nothing else.
    Clean(clean::Args),
}

/// Looks through the whole command line, before clap, which repeats what it does not know.
///
/// # Errors
/// If a URL in it holds a secret.
pub fn refuse_secrets() -> Result<()> {
    arguments::refuse_secrets(std::env::args_os())
}

/// Runs the verb.
///
/// # Errors
/// What the user is told; its kind decides the exit code.
pub fn run(cli: Cli) -> Result<()> {
    clock::check_date()?;
    match cli.verb {
        Verb::Tune(args) => tune::run(*args),
        Verb::Run(args) => run::run(args),
        Verb::Plan(args) => plan::run(args),
        Verb::Fit(args) => fit::run(args),
        Verb::Observe(args) => observe::run(args),
        Verb::Report(args) => report::run(args),
        Verb::Compare(args) => compare::run(args),
        Verb::Schema(args) => schema::run(args),
        Verb::Completions(args) => pages::completions(args),
        Verb::Man(args) => pages::man(args),
        Verb::Serve(args) => serve::run(args),
        Verb::Check(args) => check::run(args),
        Verb::Clean(args) => clean::run(args),
    }
}
