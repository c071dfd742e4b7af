//! What the tuner's recommendation loses over real HTTP.
//!
//! `cargo bench --bench recommendation` takes an hour and wants this machine for itself. It starts
//! `tidegate serve` with eleven modelled links in turn (`scenarios/tuner`), searches each with
//! `tidegate tune`, measures all of a grid with `tidegate run`, and then the grid's best cell and the
//! recommendation in pairs, in random order within each. The claim: the lower end of the 95 % interval of
//! recommended / best is at least 0.95, and what else limited a trial is named. `-- --save` also writes
//! `results/tuner-over-http`. The exit code is 1 if a claim does not hold.

mod check;
mod link;
mod program;
mod report;

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use check::{Checked, Plan};
use link::Link;

type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T> = std::result::Result<T, Error>;

/// Where `--save` writes.
const RESULTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/results/tuner-over-http");

#[derive(Debug, Parser)]
#[command(name = "recommendation", about = "What the tuner's recommendation loses over real HTTP")]
struct Args {
    /// Links to check, by name; all of them if none is named
    links: Vec<String>,
    /// Pairs of the recommendation and the best cell
    #[arg(long, value_name = "N", default_value_t = 10)]
    pairs: u32,
    /// Also write the tables and the figures to results/tuner-over-http
    #[arg(long)]
    save: bool,
    /// Given by `cargo bench`; without it there is nothing to do
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    if !args.bench {
        return Ok(ExitCode::SUCCESS);
    }
    let links = Link::named(&args.links)?;
    let plan = Plan { pairs: args.pairs };
    let load_before = report::load_average()?;
    let (mut checked, mut faults) = (Vec::<Checked>::new(), Vec::new());
    for link in links {
        match check::check(link, plan) {
            Ok(one) => checked.push(one),
            Err(error) => faults.push((link, error)),
        }
    }
    let report = report::report(&checked, &faults, &load_before)?;
    println!("{report}");
    if args.save {
        let directory = Path::new(RESULTS);
        std::fs::create_dir_all(directory)?;
        std::fs::write(directory.join("README.md"), report)?;
        std::fs::write(directory.join("cells.csv"), report::cells_csv(&checked))?;
        std::fs::write(directory.join("pairs.csv"), report::pairs_csv(&checked))?;
    }
    let holds = faults.is_empty() && checked.iter().all(|one| one.verdict().holds());
    Ok(if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
