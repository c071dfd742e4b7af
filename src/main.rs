//! The `tidegate` command: parse, dispatch, exit code.

use std::process::ExitCode;

use clap::Parser;
use tidegate::cli::{self, Cli};
use tidegate::error::ErrorKind;

fn main() -> ExitCode {
    match cli::run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            match error.kind() {
                ErrorKind::Interrupted => eprintln!("tidegate: interrupted"),
                _ => eprintln!("tidegate: {error}"),
            }
            ExitCode::from(error.exit_code())
        }
    }
}
