//! `tune --resume RUN`: the command of a run that was cut off once more, with the trials that are saved.

use std::ffi::OsString;
use std::path::Path;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, CommandFactory, FromArgMatches};

use super::Args;
use crate::cli::Cli;
use tidegate::error::{Error, Result};
use tidegate::report::shell_word;
use tidegate::result::{Document, Saved, TargetKind};
use tidegate::terminal;

/// What may differ: where the run is, what is shown, and how one gets into the bucket.
const FREE: [&str; 11] = [
    "resume",
    "results",
    "json",
    "quiet",
    "metrics",
    "metrics_file",
    "yes",
    "profile",
    "ca_bundle",
    "insecure",
    "endpoint",
];

/// What leads out of this machine, and as whom; what is sent there; and what that may cost. The endpoint is one too:
/// that of the run is in its document.
const REACHES: [&str; 10] = [
    "target",
    "objects",
    "from",
    "profile",
    "ca_bundle",
    "insecure",
    "max_bytes",
    "max_cost",
    "prices",
    "yes",
];

/// The arguments to tune with: those given or, to resume, those of the run, and what is saved of it.
///
/// # Errors
/// If there is no such run, it is over, or what is given now contradicts it.
pub(super) fn resolve(args: Args) -> Result<(Args, Option<Saved>)> {
    let Some(run) = &args.resume else { return Ok((args, None)) };
    let saved = find(run, &args.output.results)?;
    let document = &saved.document;
    if document.recommendation.is_some() {
        let report = format!("`tidegate report {}` shows it", saved.directory.display());
        let message = format!("run {} has finished and has its recommendation", document.id);
        return Err(Error::environment(message).hint(report));
    }
    let then = matches(document.command.iter().map(OsString::from)).ok_or_else(|| {
        Error::environment(format!("run {} was not started by `tune`", document.id))
            .hint("only searches are resumed: start a new run")
    })?;
    let now = matches(std::env::args_os()).unwrap_or_default();
    if let Some(contradiction) = contradiction(&now, &then) {
        let message = format!("{contradiction}, with which run {} was begun", document.id);
        return Err(
            Error::environment(message).hint("leave the option out: a run goes on as it was begun")
        );
    }
    let mut resumed =
        Args::from_arg_matches(&then).map_err(|error| Error::environment(error.to_string()))?;
    if goes_out(&then) {
        let endpoint = endpoint(document, &now)?;
        confirm(document, endpoint, &then, &now, &args)?;
        resumed.target = resumed.target.reached_as(endpoint, args.target);
    }
    let attempts = resumed.output.attempts;
    resumed.output = args.output;
    resumed.output.attempts = attempts;
    resumed.metrics = args.metrics;
    Ok((resumed, Some(saved)))
}

/// Whether the run is at an endpoint, and not on this machine alone.
fn goes_out(then: &ArgMatches) -> bool {
    ["target", "objects"].iter().any(|id| raw(then, id).is_some())
}

/// The endpoint that the run went to.
fn endpoint<'a>(document: &'a Document, now: &ArgMatches) -> Result<&'a str> {
    let (run, target) = (shell_word(&document.id), &document.target);
    if target.kind != TargetKind::Endpoint {
        return Err(Error::environment(format!(
            "run {run} does not say to which endpoint it went"
        ))
        .hint("start a new search without --resume"));
    }
    let given = now.value_source("endpoint") == Some(ValueSource::CommandLine);
    match given && !is_endpoint(now, &target.endpoint) {
        true => Err(Error::environment(format!("--endpoint is not that of run {run}"))
            .hint(format!("it went to {}", shell_word(&target.endpoint)))),
        false => Ok(&target.endpoint),
    }
}

fn is_endpoint(now: &ArgMatches, endpoint: &str) -> bool {
    let same = |url: String| url.trim_end_matches('/') == endpoint.trim_end_matches('/');
    raw(now, "endpoint").is_some_and(same)
}

/// Sees that the user wants what the file alone says: anybody may have written it, and it could send the user's files
/// anywhere. What this command would do by itself needs no more words.
fn confirm(
    document: &Document,
    endpoint: &str,
    then: &ArgMatches,
    now: &ArgMatches,
    args: &Args,
) -> Result<()> {
    let mut words = not_given(then, now);
    if !is_endpoint(now, endpoint) {
        words.extend(["--endpoint".to_owned(), shell_word(endpoint)]);
    }
    if words.is_empty() {
        return Ok(());
    }
    let (run, words) = (shell_word(&document.id), words.join(" "));
    let goes_on = format!("run {run} goes on with what only its file says: {words}");
    let confirmed = match args.budgets.yes {
        true => {
            terminal::say(&goes_on);
            Some(true)
        }
        false => terminal::asks(&goes_on),
    };
    let not = match confirmed {
        Some(true) => return Ok(()),
        Some(false) => "it was not confirmed",
        None => "there is no terminal to confirm it at",
    };
    Err(Error::environment(format!("{goes_on}; {not}"))
        .hint("give again what you want of it, or all of it with --yes"))
}

/// The options of the run that reach out and are not those of this command, as they are typed.
fn not_given(then: &ArgMatches, now: &ArgMatches) -> Vec<String> {
    let command = Cli::command();
    let Some(tune) = command.find_subcommand("tune") else { return Vec::new() };
    let of_command =
        |matches: &ArgMatches, id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
    let words = |arg: &Arg| -> Vec<String> {
        let id = arg.get_id().as_str();
        let is_flag = !arg.get_action().takes_values();
        let is_given = if is_flag { of_command(now, id) } else { is_same(now, then, id) };
        // What is not of its command is of the user's own environment, or usual.
        if !REACHES.contains(&id) || !of_command(then, id) || is_given {
            return Vec::new();
        }
        let name = arg.get_long().map(|long| format!("--{long}"));
        let value = raw(then, id).filter(|_| !is_flag).map(|value| shell_word(&value));
        [name, value].into_iter().flatten().collect()
    };
    tune.get_arguments().flat_map(words).collect()
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
        !FREE.contains(&id) && !is_same(now, then, id)
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

/// Whether an argument has the same values, but for a slash at the end of a prefix or a directory.
fn is_same(now: &ArgMatches, then: &ArgMatches, id: &str) -> bool {
    let plain = |matches| raw(matches, id).map(|value| value.trim_end_matches('/').to_owned());
    plain(now) == plain(then)
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
            &["s3://b/p/"],
            &["--seed", "1", "--max-refused", "5%"],
            &["--json", "--quiet", "--results", "elsewhere", "--profile", "other", "--insecure"],
            &["--metrics", "127.0.0.1:0", "--metrics-file", "m.prom"],
        ] {
            assert_eq!(said(now, &then), None, "{now:?}");
        }
    }

    fn matches_of(words: &[&str]) -> ArgMatches {
        matches(["tidegate", "tune"].iter().chain(words).map(OsString::from)).unwrap()
    }

    #[test]
    fn what_reaches_out_or_spends_is_not_taken_from_a_file_alone() {
        let then = [
            "s3://b/p",
            "--from",
            "/home",
            "--insecure",
            "--profile",
            "rich",
            "--ca-bundle",
            "c.pem",
            "--yes",
            "--max-cost",
            "9000USD",
            "--max-bytes",
            "1PB",
            "--prices",
            "free.toml",
            "--budget",
            "10m",
        ];
        let asked = |now: &[&str]| not_given(&matches_of(&then), &matches_of(now)).join(" ");
        let all = asked(&["--resume", "x"]);
        for word in then.iter().take(then.len() - 2) {
            assert!(all.contains(word), "{word}: {all}");
        }
        assert!(!all.contains("--budget"), "{all}");
        assert_eq!(asked(&[&["--resume", "x"], &then[..]].concat()), "");
        let most = ["--resume", "x", "s3://b/p", "--from", "/home", "--insecure", "--yes"];
        let rest = asked(&most);
        assert!(rest.contains("--profile rich") && !rest.contains("--from"), "{rest}");
        assert!(goes_out(&matches_of(&then)) && goes_out(&matches_of(&["--objects", "s3://b/p"])));
        assert!(!goes_out(&matches_of(&["--from", "/home", "--yes"])));
    }

    #[test]
    fn a_file_that_hides_its_endpoint_is_refused() {
        let published =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("results/embedded-demonstration");
        let mut document = Document::load(&published.join("result.json")).unwrap();
        let now = matches_of(&["--resume", "x", "--endpoint", "https://mine"]);
        document.target.kind = TargetKind::Simulated;
        assert!(endpoint(&document, &now).is_err());
        document.target.kind = TargetKind::Endpoint;
        document.target.endpoint = "https://theirs".into();
        assert!(endpoint(&document, &now).unwrap_err().to_string().contains("https://theirs"));
        document.target.endpoint = "https://mine/".into();
        assert_eq!(endpoint(&document, &now).unwrap(), "https://mine/");
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
