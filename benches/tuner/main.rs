//! What the tuner's choices lose and whether its claims hold, on links whose best settings are known.
//!
//! `cargo bench --bench tuner` prints the tables; `-- --save` also writes `results/tuner`: the tables, the
//! figures as CSV and a chart. Everything is computed: no clock and no network has a part in it, and the
//! same seeds give the same figures on any machine.

mod report;
mod strategies;
mod study;
mod surface;

use std::path::Path;

use clap::Parser;

/// Where `--save` writes.
const RESULTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/results/tuner");

#[derive(Debug, Parser)]
#[command(name = "tuner", about = "What the tuner's choices lose and whether its claims hold")]
struct Args {
    /// Searches for each shape and noise, from which the claims are judged
    #[arg(long, value_name = "N", default_value_t = 1000)]
    searches: u32,
    /// Of them, surfaces for each shape and noise on which all strategies choose
    #[arg(long, value_name = "N", default_value_t = 150)]
    compared: u32,
    /// Also write the tables, the figures and the chart to results/tuner
    #[arg(long)]
    save: bool,
    /// Given by `cargo bench`; without it there is nothing to do
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> std::io::Result<()> {
    let args = Args::parse();
    if !args.bench {
        return Ok(());
    }
    let study = study::study(args.searches, args.compared.min(args.searches));
    let tables = report::tables(&study);
    println!("{tables}");
    if args.save {
        let directory = Path::new(RESULTS);
        std::fs::create_dir_all(directory)?;
        std::fs::write(directory.join("README.md"), tables)?;
        std::fs::write(directory.join("losses.csv"), report::losses_csv(&study))?;
        std::fs::write(directory.join("claims.csv"), report::claims_csv(&study))?;
        std::fs::write(directory.join("losses.svg"), report::chart(&study))?;
    }
    Ok(())
}
