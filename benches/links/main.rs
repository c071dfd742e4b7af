//! What the tuner's recommendations are worth on links that nobody made for it.
//!
//! `cargo bench --bench links` draws links by number and asks the real program in simulated time: `tidegate
//! tune` for settings, and `tidegate run` for what these and all others of a grid carry in the long run. The
//! latter does not depend on the tuner and is kept in a file (`--truth`), so that the tuner can be changed
//! and asked again; delete the file when the simulator has changed. `-- --save` also writes `results/links`.

mod answer;
mod draw;
mod peers;
mod program;
mod report;
mod truth;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use clap::Parser;

use answer::{Answer, Budget};
use draw::Link;
use peers::Peer;
use program::Bench;
use truth::Truths;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Where `--save` writes.
const RESULTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/results/links");

const PROGRAM: &str = env!("CARGO_BIN_EXE_tidegate");

#[derive(Debug, Parser)]
#[command(name = "links", about = "What the tuner's recommendations are worth on drawn links")]
struct Args {
    /// Number of the first link
    #[arg(long, value_name = "N", default_value_t = 1)]
    first: u64,
    /// How many links
    #[arg(long, value_name = "N", default_value_t = 500)]
    count: u64,
    /// Budgets of the tuner: times, or `default`
    #[arg(long, value_name = "TIME,...", value_delimiter = ',', default_value = "2m,5m,default")]
    budgets: Vec<String>,
    /// Keep what settings are worth here
    #[arg(long, value_name = "FILE", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/target/links-truth.json"))]
    truth: PathBuf,
    /// Measure what settings are worth, and ask no tuner
    #[arg(long)]
    truth_only: bool,
    /// Ask this program for recommendations; what they are worth is measured by the one that was built
    #[arg(long, value_name = "PATH", default_value = PROGRAM)]
    program: PathBuf,
    /// A further option of `tune`, such as --tune-option=--max-concurrency=500; repeat for more
    #[arg(long, value_name = "OPTION", allow_hyphen_values = true)]
    tune_option: Vec<String>,
    /// Also ask a grid, random search, AzCopy's and Falcon's rules, with as many bytes as the last budget took
    #[arg(long)]
    peers: bool,
    /// Links at a time
    #[arg(long, value_name = "N", default_value_t = 2)]
    threads: usize,
    /// Also write the page and the figures to results/links
    #[arg(long)]
    save: bool,
    /// Given by `cargo bench`; without it there is nothing to do
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let args = Args::parse();
    if !args.bench {
        return Ok(());
    }
    let truths = Truths::read(&args.truth)?;
    let (answers, faults) = ask_all(&args, &truths);
    let page = report::page(&answers, &faults);
    println!("{page}\n{}", report::worst(&answers));
    if args.save {
        let directory = Path::new(RESULTS);
        std::fs::create_dir_all(directory)?;
        std::fs::write(directory.join("README.md"), page)?;
        std::fs::write(directory.join("links.csv"), report::csv(&answers))?;
    }
    Ok(())
}

/// All answers by link, and which links could not be measured.
fn ask_all(args: &Args, truths: &Truths) -> (Vec<Answer>, Vec<String>) {
    let next = AtomicU64::new(args.first);
    let all = Mutex::new((Vec::new(), Vec::new()));
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= args.first + args.count {
                break;
            }
            let answers = ask(args, truths, &Link::draw(number));
            let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
            match answers {
                Ok(answers) => all.0.extend(answers),
                Err(error) => all.1.push(format!("- {number}: {error}")),
            }
            eprintln!("link {number} is done");
        }
    };
    std::thread::scope(|scope| {
        (0..args.threads).for_each(|_| {
            scope.spawn(work);
        });
    });
    let (mut answers, faults) = all.into_inner().unwrap_or_else(PoisonError::into_inner);
    // By budget as they were asked within a link, which the sort leaves alone.
    answers.sort_by_key(|answer: &Answer| answer.link.number);
    (answers, faults)
}

fn ask(args: &Args, truths: &Truths, link: &Link) -> Result<Vec<Answer>> {
    let bench = Bench::of(link, &args.program, Path::new(PROGRAM))?;
    if args.truth_only {
        truths.of(link, &bench)?;
        return Ok(Vec::new());
    }
    let mut answers = Vec::new();
    for budget in args.budgets.iter().cloned().map(Budget) {
        let more = &args.tune_option;
        answers.push(Answer::of_tidegate(link, &bench, truths, &budget, more)?);
    }
    if args.peers
        && let Some(own) = answers.last().cloned()
    {
        for peer in Peer::ALL {
            answers.push(peer.answer(&own, &bench, truths)?);
        }
    }
    Ok(answers)
}
