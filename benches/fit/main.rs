//! What a fitted link is worth on links that nobody made for it.
//!
//! `cargo bench --bench fit` draws links by number, as the bench `links` does (without weather and limits, which are
//! not fitted), and asks the real program in simulated time: `tidegate tune` measures a link once, `tidegate fit` fits
//! it, and `tidegate run` moves datasets with settings that were not measured over the true link and over the fitted
//! one. `-- --save` also writes `results/fit`.

#[path = "../links/draw.rs"]
#[allow(dead_code, reason = "links draws more than is asked for here")]
mod draw;
mod page;

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use clap::Parser;
use serde_json::Value;

use draw::Link;
use tidegate::fit::{Estimate, Held, Parameter};
use tidegate::result::Direction;
use tidegate::storj::Model;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Where `--save` writes.
const RESULTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/results/fit");

/// Concurrency, part size, profile, files and bytes of what is held out: of none of them has a search measured anything.
const HELD_OUT: [[&str; 5]; 6] = [
    ["3", "16MiB", "equal", "60", "3GB"],
    ["6", "32MiB", "climate", "48", "12GB"],
    ["12", "64MiB", "genomics", "36", "40GB"],
    ["24", "16MiB", "equal", "2400", "24GB"],
    ["10", "64MiB", "many-small", "1000", "1GB"],
    ["48", "32MiB", "equal", "192", "60GB"],
];

#[derive(Debug, Parser)]
#[command(name = "fit", about = "What a fitted link is worth on drawn links")]
struct Args {
    /// Number of the first link
    #[arg(long, value_name = "N", default_value_t = 1)]
    first: u64,
    /// How many links
    #[arg(long, value_name = "N", default_value_t = 40)]
    count: u64,
    /// Way that is measured and held out
    #[arg(long, value_name = "up|down", default_value = "up")]
    direction: String,
    /// Links at a time
    #[arg(long, value_name = "N", default_value_t = 2)]
    threads: usize,
    /// Also write the page and the figures to results/fit
    #[arg(long)]
    save: bool,
    /// Given by `cargo bench`; without it there is nothing to do
    #[arg(long, hide = true)]
    bench: bool,
}

/// A dataset that was not measured.
struct Told {
    link: u64,
    held_out: [&'static str; 5],
    took_s: f64,
    told_s: f64,
}

impl Told {
    fn error(&self) -> f64 {
        self.told_s / self.took_s - 1.0
    }
}

/// A number of a link.
struct Found {
    link: u64,
    truth: f64,
    estimate: Estimate,
}

impl Found {
    /// Whether the interval holds the truth; `None` if nothing was claimed.
    fn is_held(&self) -> Option<bool> {
        let [low, high] = self.estimate.interval_90?;
        let is_measured = self.estimate.held == Held::Measured;
        is_measured.then(|| (low..=high).contains(&self.truth))
    }
}

/// What all links showed.
#[derive(Default)]
struct Shown {
    told: Vec<Told>,
    found: Vec<Found>,
    faults: Vec<String>,
}

fn main() -> Result<()> {
    let args = Args::parse();
    if !args.bench {
        return Ok(());
    }
    let shown = ask_all(&args);
    let text = page::page(&shown, args.count, &args.direction);
    println!("{text}");
    if args.save {
        let directory = Path::new(RESULTS);
        std::fs::create_dir_all(directory)?;
        std::fs::write(directory.join("README.md"), text)?;
        std::fs::write(directory.join("held-out.csv"), page::held_out_csv(&shown.told))?;
        std::fs::write(directory.join("parameters.csv"), page::parameters_csv(&shown.found))?;
    }
    Ok(())
}

fn ask_all(args: &Args) -> Shown {
    let next = AtomicU64::new(args.first);
    let all = Mutex::new(Shown::default());
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= args.first + args.count {
                break;
            }
            let asked = ask(number, &args.direction);
            let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
            match asked {
                Ok((told, found)) => {
                    all.told.extend(told);
                    all.found.extend(found);
                }
                Err(error) => all.faults.push(format!("link {number}: {error}")),
            }
            eprintln!("link {number} is done");
        }
    };
    std::thread::scope(|scope| {
        (0..args.threads).for_each(|_| {
            scope.spawn(work);
        });
    });
    let mut shown = all.into_inner().unwrap_or_else(PoisonError::into_inner);
    shown.told.sort_by_key(|one| one.link);
    shown.found.sort_by_key(|one| one.link);
    shown
}

fn ask(number: u64, direction: &str) -> Result<(Vec<Told>, Vec<Found>)> {
    let directory = tempfile::tempdir()?;
    let [link, fitted, measured] =
        ["link.toml", "fitted.toml", "measured"].map(|name| directory.path().join(name));
    let truth = Link::draw(number).bare_toml();
    std::fs::write(&link, format!("limits = \"none\"\n{truth}"))?;
    let results = ["--results", text(&measured)?];
    let tune = ["tune", "--yes", "--simulate", text(&link)?, "--budget", "10m", "--json"];
    // Without an answer it ends with 1, and has measured all the same.
    let _ = program(&[&tune[..], &["--direction", direction], &results].concat())?;
    let fit = ["fit", text(&measured)?, "--save", text(&fitted)?, "--quiet", "--json"];
    let fit = asked(&fit)?;
    // The true link refuses nothing either.
    std::fs::write(&fitted, format!("limits = \"none\"\n{}", std::fs::read_to_string(&fitted)?))?;
    let took = |link: &Path, held_out: [&'static str; 5]| -> Result<f64> {
        let [concurrency, part_size, profile, files, size] = held_out;
        let results = directory.path().join("runs");
        let run = [
            ["run", "--json"],
            ["-c", concurrency],
            ["--part-size", part_size],
            ["--dataset", profile],
            ["--files", files],
            ["--size", size],
            ["--direction", direction],
            ["--simulate", text(link)?],
            ["--results", text(&results)?],
        ];
        let run = asked(run.as_flattened())?;
        run["trials"][0]["task"]["duration_s"].as_f64().ok_or_else(|| "a time is missing".into())
    };
    let told = HELD_OUT.into_iter().map(|held_out| {
        let (took_s, told_s) = (took(&link, held_out)?, took(&fitted, held_out)?);
        Ok(Told { link: number, held_out, took_s, told_s })
    });
    let told = told.collect::<Result<Vec<Told>>>()?;
    Ok((told, found(number, &toml::from_str(&truth)?, &fit)?))
}

/// What was found of a link, beside the truth.
fn found(link: u64, truth: &Model, fit: &Value) -> Result<Vec<Found>> {
    let estimates: Vec<Estimate> = serde_json::from_value(fit["parameters"].clone())?;
    let found = |estimate: Estimate| {
        let truth = of_model(estimate.parameter, truth)?;
        Some(Found { link, truth, estimate })
    };
    Ok(estimates.into_iter().filter_map(found).collect())
}

/// The true number; `None` of what a fit has in another form than the drawn link.
fn of_model(parameter: Parameter, model: &Model) -> Option<f64> {
    let round_trip_s = model.round_trip.as_secs_f64();
    let sum = |overhead: std::time::Duration, direction| {
        let nodes = model.nodes.as_ref().map(|nodes| nodes.mean_wait(direction));
        round_trip_s + (overhead + nodes.unwrap_or_default()).as_secs_f64()
    };
    match parameter {
        Parameter::ConnectionRate => model.connection_rate.map(|rate| rate.0),
        Parameter::SharedRate => model.shared_rate.map(|rate| rate.0),
        Parameter::Crowding => Some(model.crowding),
        Parameter::Call => Some(round_trip_s + model.call_overhead.as_secs_f64()),
        Parameter::Part => Some(sum(model.part_overhead, Direction::Up)),
        Parameter::FirstByte => Some(sum(model.part_overhead, Direction::Down)),
        Parameter::SegmentOverhead | Parameter::ReadAhead | Parameter::NodeSpread => None,
    }
}

fn text(path: &Path) -> Result<&str> {
    Ok(path.to_str().ok_or("a path is no text")?)
}

fn program(arguments: &[&str]) -> Result<std::process::Output> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    Ok(command.args(arguments).stdin(Stdio::null()).output()?)
}

/// What a verb prints as JSON.
fn asked(arguments: &[&str]) -> Result<Value> {
    let output = program(arguments)?;
    serde_json::from_slice(&output.stdout).map_err(|_| {
        let said = String::from_utf8_lossy(&output.stderr);
        format!("{}: {}", arguments.join(" "), said.trim().lines().last().unwrap_or_default())
            .into()
    })
}
