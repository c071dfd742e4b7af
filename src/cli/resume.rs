//! `tune --resume RUN`: the command of a run that was cut off once more, with the trials that are saved.

use std::ffi::OsString;
use std::path::Path;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, CommandFactory, FromArgMatches};

use super::{Cli, tune};
use crate::error::{Error, Result};
use crate::result::{Saved, TargetKind};

/// What may differ: where the run is, what is shown, and how one gets into the bucket.
const FREE: [&str; 8] =
    ["resume", "results", "json", "quiet", "yes", "profile", "ca_bundle", "insecure"];

/// The arguments to tune with: those given or, to resume, those of the run, and what is saved of it.
///
/// # Errors
/// If there is no such run, it is over, or what is given now contradicts it.
pub(super) fn resolve(args: tune::Args) -> Result<(tune::Args, Option<Saved>)> {
    let Some(run) = &args.resume else { return Ok((args, None)) };
    let saved = find(run, &args.output.results)?;
    let document = &saved.document;
    if document.recommendation.is_some() {
        let report = format!("`tidegate report {}` shows it", saved.directory.display());
        let message = format!("run {} is over and has its recommendation", document.id);
        return Err(Error::environment(message).hint(report));
    }
    let then = matches(document.command.iter().map(OsString::from)).ok_or_else(|| {
        Error::environment(format!("run {} is not one of this `tune`", document.id))
            .hint("only searches are resumed: start a new run")
    })?;
    let now = matches(std::env::args_os()).unwrap_or_default();
    if let Some(contradiction) = contradiction(&now, &then) {
        let message = format!("{contradiction}, with which run {} was begun", document.id);
        return Err(
            Error::environment(message).hint("leave the option out: a run goes on as it was begun")
        );
    }
    let mut resumed = tune::Args::from_arg_matches(&then)
        .map_err(|error| Error::environment(error.to_string()))?;
    if document.target.kind == TargetKind::Endpoint {
        resumed.target = resumed.target.reached_as(&document.target.endpoint, args.target);
    }
    let attempts = resumed.output.attempts;
    resumed.output = args.output;
    resumed.output.attempts = attempts;
    Ok((resumed, Some(saved)))
}

/// A run by its place, or by its name.
fn find(run: &Path, results: &Path) -> Result<Saved> {
    if run.exists() { Saved::load(run) } else { Saved::load(&results.join(run)) }
}

/// The arguments of a `tune` command; `None` if it is none.
fn matches(command: impl Iterator<Item = OsString>) -> Option<ArgMatches> {
    let (verb, arguments) =
        Cli::command().try_get_matches_from(command).ok()?.remove_subcommand()?;
    (verb == "tune").then_some(arguments)
}

/// The first argument that was given now and is another than then: `--budget 5m is not --budget 10m`.
fn contradiction(now: &ArgMatches, then: &ArgMatches) -> Option<String> {
    let command = Cli::command();
    let tune = command.find_subcommand("tune")?;
    let given =
        |arg: &&Arg| now.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine);
    let differs = |arg: &&Arg| {
        let id = arg.get_id().as_str();
        !FREE.contains(&id) && raw(now, id) != raw(then, id)
    };
    let arg = tune.get_arguments().filter(given).find(differs)?;
    let id = arg.get_id().as_str();
    let said = |matches: &ArgMatches| -> String {
        let name = arg.get_long().map(|long| format!("--{long}"));
        let values = arg.get_action().takes_values().then(|| raw(matches, id)).flatten();
        [name, values].into_iter().flatten().collect::<Vec<_>>().join(" ")
    };
    Some(match raw(then, id).filter(|_| arg.get_action().takes_values()) {
        Some(_) => format!("{} is not {}", said(now), said(then)),
        None => format!("{} is not among the options", said(now)),
    })
}

/// All values of an argument as they were written, or its default.
fn raw(matches: &ArgMatches, id: &str) -> Option<String> {
    let values = matches.try_get_raw(id).ok()??;
    Some(values.map(|value| value.to_string_lossy()).collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(now: &[&str], then: &[&str]) -> Option<String> {
        let matches = |words: &[&str]| {
            matches(["tidegate", "tune"].iter().chain(words).map(OsString::from)).unwrap()
        };
        contradiction(&matches(now), &matches(then))
    }

    #[test]
    fn what_is_given_again_as_it_was_contradicts_nothing() {
        let then = ["s3://b/p", "--budget", "10m", "--part-sizes", "16MiB,64MiB"];
        for now in [
            &["--resume", "x"][..],
            &["s3://b/p", "--resume", "x", "--budget", "10m"],
            &["--part-sizes", "16MiB", "--part-sizes", "64MiB"],
            &["--seed", "1", "--max-refused", "5%"],
            &["--json", "--quiet", "--results", "elsewhere", "--profile", "other", "--insecure"],
        ] {
            assert_eq!(said(now, &then), None, "{now:?}");
        }
    }

    #[test]
    fn a_contradiction_is_named_with_both_values() {
        let then = ["s3://b/p", "--budget", "10m"];
        for (now, sentence) in [
            (&["--budget", "5m"][..], "--budget 5m is not --budget 10m"),
            (&["--seed", "2"], "--seed 2 is not --seed 1"),
            (&["--window", "5s"], "--window 5s is not among the options"),
            (&["s3://b/q"], "s3://b/q is not s3://b/p"),
            (&["--attempts"], "--attempts is not among the options"),
        ] {
            assert_eq!(said(now, &then).as_deref(), Some(sentence));
        }
    }
}
