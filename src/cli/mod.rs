//! The command line: one file per verb, and the options that verbs share.

pub mod serve;

use clap::{Parser, Subcommand};

use crate::error::Result;

/// Measure and tune the transfer of large research datasets to and from Storj, driven the way a
/// Globus S3 storage gateway drives them.
#[derive(Debug, Parser)]
#[command(name = "tidegate", version)]
pub struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Serve the embedded S3 gateway.
    Serve(serve::Args),
}

/// Runs the verb.
///
/// # Errors
/// What the user is told; its kind decides the exit code.
pub fn run(cli: Cli) -> Result<()> {
    match cli.verb {
        Verb::Serve(args) => serve::run(args),
    }
}
