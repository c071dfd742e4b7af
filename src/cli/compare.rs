//! `tidegate compare`: is the second slower than the first?

use std::path::PathBuf;

use tidegate::compare::{Compared, Judgement, compare};
use tidegate::error::{Error, Result};
use tidegate::report;
use tidegate::result::{Document, Saved};
use tidegate::terminal;

/// Options of `compare`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Run to compare with, or a directory of runs
    #[arg(value_name = "A")]
    first: PathBuf,
    /// Run that may be slower, or a directory of as many runs, alternating with those of A
    #[arg(value_name = "B")]
    second: PathBuf,
    /// Slowdown to tolerate, such as 5%
    #[arg(long, value_name = "PART", default_value = "0%", value_parser = part)]
    threshold: f64,
    /// Standard deviation of the goodput between sessions, such as 3%; needed to judge sessions that are not
    /// paired
    #[arg(long, value_name = "PART", value_parser = part)]
    between_sessions_sd: Option<f64>,
    /// Print the comparison as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: Args) -> Result<()> {
    let load = |path: &PathBuf| -> Result<Vec<Document>> {
        Ok(Saved::load_all(path)?.into_iter().map(|run| run.document).collect())
    };
    let (first, second) = (load(&args.first)?, load(&args.second)?);
    let Args { threshold, between_sessions_sd, .. } = args;
    let compared = compare(&first, &second, Judgement { threshold, between_sessions_sd })?;
    match args.json {
        true => terminal::print_json(&json(&compared)?),
        false => terminal::print(&report::comparison(&compared, threshold)),
    }
    verdict(&compared)
}

fn json(compared: &Compared) -> Result<String> {
    let json = serde_json::to_string_pretty(compared);
    json.map_err(|error| Error::environment(format!("no JSON: {error}")))
}

fn verdict(compared: &Compared) -> Result<()> {
    use tidegate::compare::Finding;
    match compared.finding {
        Finding::Regression => Err(Error::answer_is_no("B is slower than A")),
        Finding::NotJudged => Err(Error::environment(
            "A and B cannot be judged: it is not known how much sessions differ by themselves",
        )
        .hint("run both in turns and name their directories, or give --between-sessions-sd")),
        Finding::Slower | Finding::NoDifference | Finding::Faster => Ok(()),
    }
}

/// `5%` or `0.05`.
fn part(text: &str) -> Result<f64, String> {
    let (number, unit) = match text.strip_suffix('%') {
        Some(percent) => (percent, 0.01),
        None => (text, 1.0),
    };
    let part = number.trim().parse::<f64>().map(|number| number * unit);
    part.ok()
        .filter(|part| (0.0..1.0).contains(part))
        .ok_or_else(|| format!("`{text}` is not a part of a whole such as 5% or 0.05"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read_as_percent_and_as_fractions() {
        assert_eq!(part("5%"), Ok(0.05));
        assert_eq!(part("0.05"), Ok(0.05));
        for bad in ["", "%", "-1%", "100%", "5 percent"] {
            assert!(part(bad).is_err(), "{bad} was read as a part");
        }
    }
}
