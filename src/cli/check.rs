//! `tidegate check`: whether a target and this machine are fit for a run.

use schemars::JsonSchema;
use serde::Serialize;

use super::dtns;
use super::options::{Scratch, Target, runtime};
use tidegate::crew;
use tidegate::error::{Error, Result};
use tidegate::interrupt::Interrupt;
use tidegate::session::{self, Check, CheckOutcome, Checked, OfDtn};
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
    /// The same from the other DTNs, if an MPI launcher has started several: the list above is that of `dtn1`.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    dtns: &'a [OfDtn],
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
    let crew = dtns::crew(false, args.target.is_embedded())?;
    let mut target = args.target.resolve()?;
    args.scratch.set(&mut target);
    let checked = runtime()?.block_on(async {
        let interrupt = Interrupt::install()?;
        session::check_from_all(&target, &crew, &interrupt).await
    })?;
    let Some((Checked { checks, left }, others)) = checked else { return Ok(()) };
    print(&checks, &others, args.json)?;
    if let Some(left) = left {
        return Err(left);
    }
    if let Some(OfDtn { name, left: Some(left), .. }) = others.iter().find(|of| of.left.is_some()) {
        return Err(Error::environment(format!("{name}: {left}")));
    }
    answer(&checks, &others)
}

/// Whether anything failed, and on which DTNs.
fn answer(checks: &[Check], others: &[OfDtn]) -> Result<()> {
    let failed = |checks: &[Check]| {
        checks.iter().filter(|check| check.outcome == CheckOutcome::Failed).count()
    };
    let own = (crew::name(0), failed(checks));
    let others_failed = others.iter().map(|of| (of.name.clone(), failed(&of.checks)));
    let all: Vec<_> = std::iter::once(own).chain(others_failed).filter(|(_, of)| *of > 0).collect();
    let count: usize = all.iter().map(|(_, of)| of).sum();
    let on = match others.is_empty() {
        true => String::new(),
        false => {
            let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
            format!(" on {}", names.join(", "))
        }
    };
    match count {
        0 => Ok(()),
        failed => Err(Error::answer_is_no(format!("{} failed{on}", counted(failed, "check")))),
    }
}

fn print(checks: &[Check], dtns: &[OfDtn], as_json: bool) -> Result<()> {
    if as_json {
        let text = serde_json::to_string_pretty(&Checks { schema: SCHEMA, checks, dtns });
        terminal::print_json(
            &text.map_err(|error| Error::environment(format!("no JSON: {error}")))?,
        );
    } else {
        let of_other = |of: &OfDtn| {
            let head = format!("\n{} on {}", of.name, of.host);
            std::iter::once(head).chain(of.checks.iter().map(describe)).collect::<Vec<_>>()
        };
        let head = (!dtns.is_empty()).then(|| crew::name(0));
        let own = head.into_iter().chain(checks.iter().map(describe));
        let lines: Vec<String> = own.chain(dtns.iter().flat_map(of_other)).collect();
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
