//! The `tidegate` command: parse, dispatch, exit code.

use std::process::ExitCode;

use clap::Parser;
use tidegate::cli::{self, Cli};
use tidegate::terminal;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(usage) => return no_command(&usage),
    };
    match cli::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal::say(&format!("tidegate: {error}"));
            ExitCode::from(error.exit_code())
        }
    }
}

/// Help, the version, or what is wrong with the command line. It repeats what was typed, or pasted from
/// somewhere: plain text, as all that we print.
fn no_command(usage: &clap::Error) -> ExitCode {
    let text = usage.render().to_string();
    match usage.use_stderr() {
        true => terminal::say(text.trim_end()),
        false => terminal::print(text.trim_end()),
    }
    ExitCode::from(u8::try_from(usage.exit_code()).unwrap_or(2))
}
