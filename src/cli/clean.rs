//! `tidegate clean`: what runs that were killed left behind.

use std::path::PathBuf;
use std::time::Duration;

use super::options::{Target, time};
use tidegate::error::{Error, Result};
use tidegate::interrupt::Interrupt;
use tidegate::session::{self, Cleaning, Fate, Leftover, SILENCE_MIN, Which, needs_target};
use tidegate::terminal;
use tidegate::units::{ByteSize, counted};
use tidegate::words;

/// Options of `clean`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    target: Target,
    /// Only list what would be removed
    #[arg(long, short = 'n')]
    dry_run: bool,
    /// Remove runs that gave no sign of life for this long, at least 10m
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = time)]
    older_than: Duration,
    /// Remove only this run, even if it gave a sign of life just now
    #[arg(long, value_name = "ID", conflicts_with = "older_than")]
    run: Option<String>,
    /// Directory of results: with --run ID, the uploads that the run's directory there lists are aborted too
    #[arg(long, value_name = "DIR", default_value = "results")]
    results: PathBuf,
}

pub(super) fn run(args: Args) -> Result<()> {
    if args.target.is_embedded() {
        return Err(needs_target("cleaning"));
    }
    if args.older_than < SILENCE_MIN {
        return Err(Error::environment("a run that was silent for less than 10m may be alive")
            .hint("name it with --run ID if you know that it is not"));
    }
    let target = args.target.resolve()?;
    let cleaning = Cleaning {
        which: args.run.map_or(Which::Silent(args.older_than), Which::Run),
        dry_run: args.dry_run,
        results: args.results,
    };
    let runtime = super::options::runtime()?;
    let leftovers = runtime.block_on(async {
        let interrupt = Interrupt::install()?;
        session::clean(&target, &cleaning, &interrupt).await
    })?;
    terminal::print(&describe_all(&leftovers));
    Ok(())
}

fn describe_all(leftovers: &[Leftover]) -> String {
    if leftovers.is_empty() {
        return "no run has left anything directly below the target that is visible with these keys \
                (on Storj: with their passphrase)"
            .into();
    }
    leftovers.iter().map(describe).collect::<Vec<String>>().join("\n")
}

fn describe(leftover: &Leftover) -> String {
    let fate = match leftover.fate {
        Fate::LeftAlone => "left alone",
        Fate::Removed => "removed",
        Fate::WouldBeRemoved => "would be removed",
    };
    let stays = match (leftover.keeps, leftover.fate) {
        (false, _) => "",
        (true, Fate::LeftAlone) => " (it was to keep its objects: --run ID aborts its uploads)",
        (true, Fate::Removed | Fate::WouldBeRemoved) => " (the objects it was to keep stay)",
    };
    let left = leftover.left.as_ref().map(|left| format!("\n  {}", left.escape_debug()));
    format!(
        "{fate}: run {} of {}, silent for {}: {}, {}, {}{stays}{}",
        // Anybody may have written them: nothing of it is for the terminal.
        leftover.run.escape_debug(),
        leftover.owner.escape_debug(),
        words::to_the_second(leftover.silent_for),
        counted(leftover.objects, "object"),
        ByteSize(leftover.bytes),
        counted(leftover.uploads, "open upload"),
        left.unwrap_or_default(),
    )
}
