//! What a gigabyte costs tidegate and its peers on the same server.
//!
//! `cargo bench --bench peers` runs all in turn, in an order drawn anew in each round, so that drift
//! of the machine hits all alike. Compare within one run only: ratios are formed within a round.
//! A peer that this machine lacks is a row that says so.

mod core;
mod goals;
mod machine;
mod measure;
mod median;
mod memory;
mod peer;
mod raw_hyper;
mod report;
mod servers;
mod stage;
mod task;

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

use measure::Sample;
use peer::Peer;
use stage::Stage;
use task::Task;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Where `--save` writes.
const RESULTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/results/peers");

#[derive(Debug, Parser)]
#[command(name = "peers", about = "What a gigabyte costs tidegate and its peers")]
struct Args {
    /// Times that everything is measured; the intervals are over these, and there are none below six
    #[arg(long, value_name = "N", default_value_t = 12)]
    rounds: u32,
    /// Also write the tables to results/peers/README.md
    #[arg(long)]
    save: bool,
    /// Where the files that are sent and received lie; what is made there is removed
    #[arg(long, value_name = "DIR", default_value_os_t = std::env::temp_dir())]
    directory: PathBuf,
    /// Given by `cargo bench`; without it there is nothing to do
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    role: Option<Role>,
}

/// What this program does as a process of its own.
#[derive(Debug, Subcommand)]
enum Role {
    #[command(hide = true)]
    RawHyper(raw_hyper::Args),
}

/// All rounds of one peer at one task, or why there are none.
type Outcomes = BTreeMap<(Task, Peer), std::result::Result<Vec<Sample>, String>>;

fn main() -> Result<()> {
    let args = Args::parse();
    match args.role {
        Some(Role::RawHyper(args)) => raw_hyper::run(&args),
        None if args.bench => compare(&args),
        None => Ok(()),
    }
}

fn compare(args: &Args) -> Result<()> {
    let mut circumstances = machine::describe(&args.directory)?;
    let stage = Stage::set(&args.directory)?;
    let mut outcomes = Outcomes::new();
    let mut peaks = memory::Peaks::default();
    // Files that were fetched are removed, and the memory that they leave a virtual machine gives back to
    // its host. To get it again is slow: whoever came next would look worse than it is.
    let (last, first) = Task::all().partition::<Vec<_>, _>(|task| task.writes_files());
    for round in 0..args.rounds {
        run_all(&stage, &first, round, &mut outcomes);
        peaks.measure(&stage)?;
        eprintln!("round {} of {}", round + 1, args.rounds);
    }
    for round in 0..args.rounds {
        run_all(&stage, &last, round, &mut outcomes);
        eprintln!("round {} of {}, to files", round + 1, args.rounds);
    }
    circumstances += &format!("\n- load average when it ended: {}", machine::load_average()?);
    let rounds = args.rounds;
    let report = report::Report { circumstances, outcomes, peaks, rounds }.to_string();
    println!("{report}");
    if args.save {
        std::fs::create_dir_all(RESULTS)?;
        std::fs::write(PathBuf::from(RESULTS).join("README.md"), report)?;
    }
    Ok(())
}

fn run_all(stage: &Stage, tasks: &[Task], round: u32, outcomes: &mut Outcomes) {
    let mut random = fastrand::Rng::with_seed(u64::from(round));
    for task in tasks {
        let mut peers = task.peers().to_vec();
        random.shuffle(&mut peers);
        for peer in peers {
            let samples = outcomes.entry((*task, peer)).or_insert_with(|| Ok(Vec::new()));
            run_once(stage, *task, peer, samples);
        }
    }
}

/// Adds a sample. A peer that failed once is out: its mean would be over other rounds.
fn run_once(
    stage: &Stage,
    task: Task,
    peer: Peer,
    samples: &mut std::result::Result<Vec<Sample>, String>,
) {
    if let Ok(taken) = samples {
        match stage.run(task, peer) {
            Ok(sample) => taken.push(sample),
            Err(error) => *samples = Err(error.to_string()),
        }
    }
}
