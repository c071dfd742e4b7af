//! The `tidegate` command: parse, dispatch, exit code.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use tidegate::cli::{self, Cli};

fn main() -> ExitCode {
    match cli::run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Whoever read it may be gone: the exit code says it too.
            let _ = writeln!(std::io::stderr(), "tidegate: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
