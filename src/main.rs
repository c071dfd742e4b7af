//! The `tidegate` command: parse, dispatch, exit code.

mod cli;

use std::process::ExitCode;

use clap::Parser;
use tidegate::error::Result;
use tidegate::terminal;

use self::cli::Cli;

fn main() -> ExitCode {
    match cli::refuse_secrets().map(|()| Cli::try_parse()) {
        Ok(Ok(cli)) => ended(cli::run(cli)),
        Ok(Err(usage)) => no_command(&usage),
        Err(error) => ended(Err(error)),
    }
}

fn ended(work: Result<()>) -> ExitCode {
    match work {
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
