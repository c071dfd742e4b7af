//! `tidegate check`: whether a target and this machine are fit for a run.

use schemars::JsonSchema;
use serde::Serialize;

use super::options::{Scratch, Target, runtime};
use tidegate::error::{Error, Result};
use tidegate::interrupt::Interrupt;
use tidegate::session::{self, Check, CheckOutcome, Checked};
use tidegate::terminal;
use tidegate::units::counted;

/// The `schema` field of what `--json` prints.
const SCHEMA: &str = "tidegate.check/1";

/// What was looked at before a run, and how it ended.
#[derive(Serialize, JsonSchema)]
pub(super) struct Checks<'a> {
    /// Version of this document.
    #[schemars(extend("const" = SCHEMA))]
    schema: &'static str,
    /// Each, in the order in which they were made.
    checks: &'a [Check],
}

/// Options of `check`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    scratch: Scratch,
    /// Print the checks as JSON on standard output
    #[arg(long, help_heading = "Output")]
    json: bool,
}

pub(super) fn run(args: Args) -> Result<()> {
    let mut target = args.target.resolve()?;
    args.scratch.set(&mut target);
    let Checked { checks, left } = runtime()?.block_on(async {
        let interrupt = Interrupt::install()?;
        session::check(&target, &interrupt).await
    })?;
    print(&checks, args.json)?;
    if let Some(left) = left {
        return Err(left);
    }
    match checks.iter().filter(|check| check.outcome == CheckOutcome::Failed).count() {
        0 => Ok(()),
        failed => Err(Error::answer_is_no(format!("{} failed", counted(failed, "check")))),
    }
}

fn print(checks: &[Check], as_json: bool) -> Result<()> {
    if as_json {
        let text = serde_json::to_string_pretty(&Checks { schema: SCHEMA, checks });
        terminal::print_json(
            &text.map_err(|error| Error::environment(format!("no JSON: {error}")))?,
        );
    } else {
        let lines: Vec<String> = checks.iter().map(describe).collect();
        terminal::print(&lines.join("\n"));
    }
    Ok(())
}

fn describe(check: &Check) -> String {
    let outcome = match check.outcome {
        CheckOutcome::Ok => "ok",
        CheckOutcome::Warning => "warning",
        CheckOutcome::Failed => "failed",
        CheckOutcome::NotChecked => "not checked",
    };
    let Check { name, says, next_step, .. } = check;
    let next_step = next_step.iter().map(|step| format!("\n{:26}do: {step}", ""));
    format!("{outcome:<12}{name:<14}{says}{}", next_step.collect::<String>())
}
