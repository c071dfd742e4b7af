//! What the answer rests on: comparisons, trials, errors, method, surroundings.

use std::collections::BTreeMap;

use super::super::digest::{Answer, Digest, Shown};
use super::super::wording;
use super::answer::command;
use super::markup::{Markup, definitions, element, list, table};
use crate::result::{Host, Recommendation, Trial};
use crate::units::ByteSize;

/// Everything after the charts.
pub fn sections(digest: &Digest) -> Markup {
    [
        comparisons(digest),
        requests(digest.shown),
        trials(&digest.document.trials),
        errors(digest),
        method(digest),
        environment(digest),
    ]
    .into()
}

fn comparisons(digest: &Digest) -> Markup {
    match &digest.answer {
        Answer::Settings(found) if !found.compared_with.is_empty() => comparison_table(found),
        _ => Markup::default(),
    }
}

fn comparison_table(found: &Recommendation) -> Markup {
    let rows = found.compared_with.iter().map(|comparison| {
        [wording::settings(comparison.settings), wording::ratio(comparison)].map(Markup::from)
    });
    let caption = format!(
        "Goodput of {} over goodput of another, paired over blocks of trials",
        wording::settings(found.settings)
    );
    let table = table(&caption, ["the other", "ratio (95 % interval)"], rows);
    [element("h2", "Comparison"), table].into()
}

fn requests(shown: Option<Shown>) -> Markup {
    let Some(shown) = shown else { return Markup::default() };
    let rows = shown.trial.requests.iter().map(|(name, operation)| {
        let times = operation.service_time_us;
        let milliseconds = |time_us: u64| match times.samples {
            0 => "–".to_owned(),
            _ => format!("{:.1}", time_us as f64 / 1000.0),
        };
        [
            name.clone(),
            wording::count(operation.count),
            wording::count(operation.retries),
            milliseconds(times.p50),
            milliseconds(times.p90),
            milliseconds(times.p99),
            milliseconds(times.p999),
            milliseconds(times.max),
            milliseconds(operation.ttfb_us.p50),
        ]
        .map(Markup::from)
    });
    let caption = format!("Requests of trial {}; times in ms", shown.trial.id);
    let columns =
        ["operation", "requests", "retries", "p50", "p90", "p99", "p99.9", "max", "first byte p50"];
    [element("h2", "Requests"), table(&caption, columns, rows)].into()
}

fn trials(trials: &[Trial]) -> Markup {
    if trials.is_empty() {
        return Markup::default();
    }
    let columns = [
        "trial",
        "phase",
        "block",
        "part size",
        "concurrency",
        "parts in flight",
        "direction",
        "goodput",
        "on the wire",
        "objects",
        "retries",
        "errors",
        "cut",
        "CPU s/GB",
        "steady",
        "limited by",
    ];
    let caption = "All trials in the order in which they ran";
    [element("h2", "Trials"), table(caption, columns, trials.iter().map(trial_row))].into()
}

fn trial_row(trial: &Trial) -> [Markup; 16] {
    let or_dash = |value: Option<String>| value.unwrap_or_else(|| "–".into());
    let retries = trial.requests.values().map(|operation| operation.retries).sum();
    let steady = trial.window.steady.map(|steady| if steady { "yes" } else { "no" }.into());
    [
        trial.id.to_string(),
        wording::phase(trial.phase).into(),
        or_dash(trial.block.map(|block| block.to_string())),
        ByteSize(trial.settings.part_size_bytes).to_string(),
        trial.settings.concurrency.to_string(),
        trial.settings.parts_in_flight.to_string(),
        wording::direction(trial.direction).into(),
        wording::rate(trial.goodput_bytes_per_second),
        wording::rate(trial.wire_bytes_per_second),
        wording::count(trial.objects),
        wording::count(retries),
        wording::count(trial.errors.total()),
        wording::count(trial.cut),
        or_dash(trial.client.cpu_seconds_per_gb.map(|cost| format!("{cost:.2}"))),
        or_dash(steady),
        wording::limited_by(trial.limited_by).into(),
    ]
    .map(Markup::from)
}

fn errors(digest: &Digest) -> Markup {
    let errors = digest.errors();
    let rows = wording::error_classes(&errors)
        .map(|(class, number)| [class.into(), wording::count(number).into()]);
    let warnings = digest.warnings().into_iter().map(|(warning, trials)| {
        let trials: Vec<_> = trials.iter().map(u32::to_string).collect();
        format!("{warning} (trial {})", trials.join(", "))
    });
    let warnings: Vec<_> = warnings.collect();
    let warnings = match warnings.as_slice() {
        [] => element("p", "There were no warnings."),
        _ => list(warnings),
    };
    [
        element("h2", "Errors and warnings"),
        table("Failed attempts of all trials", ["class", "attempts"], rows),
        warnings,
    ]
    .into()
}

fn method(digest: &Digest) -> Markup {
    let document = digest.document;
    let mut rules = BTreeMap::<&str, usize>::new();
    for trial in &document.trials {
        *rules.entry(&trial.window.rule).or_default() += 1;
    }
    let rules = rules.into_iter().map(|(rule, trials)| match trials {
        1 => format!("{rule} (1 trial)"),
        _ => format!("{rule} ({trials} trials)"),
    });
    let scenario = document
        .scenario
        .iter()
        .map(|(name, value)| [element("code", name.as_str()), element("code", value.to_string())]);
    [
        element("h2", "Method"),
        element("p", METHOD),
        element("h3", "Rule that chose the window of a trial"),
        list(rules),
        element("h3", "Scenario"),
        table("The scenario with every default filled in", ["name", "value"], scenario),
        element("h3", "Assumptions"),
        list(document.assumptions.iter().cloned()),
        element("h3", "Command"),
        command("The command that was run", &wording::command(document)),
    ]
    .into()
}

/// The definitions that a reader needs to compare the numbers with others.
const METHOD: &str = "Goodput is the bytes that passed the sockets inside a trial's window in attempts \
    that in the end succeeded, per second. Streams are the files in flight (concurrency) times the parts \
    of one file in flight. Requests are sent as earlier ones end (a closed loop): their times are service \
    times, not response times. Settings are compared over whole trials, never over the seconds of one.";

fn environment(digest: &Digest) -> Markup {
    let document = digest.document;
    let Host { name, os, arch, cores, memory_bytes } = &document.host;
    let memory = memory_bytes.map(|bytes| ByteSize(bytes).to_string()).unwrap_or_default();
    let tool = format!("{} {}", document.tool.name, document.tool.version);
    [
        element("h2", "Environment"),
        definitions([
            ("target", wording::place(&document.target).into()),
            ("endpoint", document.target.endpoint.as_str().into()),
            ("run", document.id.as_str().into()),
            ("started", document.started.as_str().into()),
            ("program", tool.into()),
            ("host", name.as_str().into()),
            ("system", format!("{os}, {arch}").into()),
            ("processors", cores.to_string().into()),
            ("memory", memory.into()),
        ]),
    ]
    .into()
}
