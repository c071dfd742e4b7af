//! What is said about a document, in words and in an order of its own, before it takes any form.

use std::collections::BTreeMap;

use super::digest::{Answer, Digest, Shown};
use super::page::Facts;
use super::scaling::Law;
use super::table::{Column, Table};
use super::{dtns, wording};
use crate::result::{
    Command, Document, End, Host, LimitedBy, Recommendation, Sensitivity, TargetKind, TaskSummary,
    Trial, Varied, Verdict, Workload,
};
use crate::units::{ByteSize, count, counted};
use crate::words;

/// What the document is about, as a title.
pub fn title(digest: &Digest) -> String {
    let place = wording::place(&digest.document.target);
    match digest.answer {
        Answer::Settings(_) => format!("Settings for {place}"),
        Answer::Task(trial, _) => {
            let journey = wording::journey(trial.direction, &digest.document.target);
            format!("A dataset moved {journey}")
        }
        Answer::Trials => format!("Trials: {place}"),
    }
}

/// The answer in one phrase.
pub fn headline(digest: &Digest) -> String {
    match (&digest.answer, digest.shown) {
        (Answer::Settings(found), _) => {
            wording::recommended(digest.document.for_gcs(), found.settings)
        }
        (Answer::Task(_, task), _) => {
            format!("{} effective speed", words::rate(task.effective_speed_bytes_per_second))
        }
        (Answer::Trials, None) => "No trial was finished.".into(),
        (Answer::Trials, Some(shown)) => {
            format!("{} goodput", words::rate(shown.trial.goodput_bytes_per_second))
        }
    }
}

/// How fast, how sure, and what limits it.
pub fn answer(digest: &Digest) -> Facts {
    match &digest.answer {
        Answer::Settings(found) => recommended(digest, found),
        Answer::Task(trial, task) => task_done(digest, trial, task),
        Answer::Trials => measured(digest),
    }
}

/// `790 MB/s (95 % interval 780 MB/s to 800 MB/s)`, and the effective speed beside it where that decided.
pub fn goodput(found: &Recommendation) -> String {
    let said = |rate: f64, interval: Option<[f64; 2]>| match interval {
        Some(ends) => {
            format!("{} (95 % interval {})", words::rate(rate), words::rate_interval(ends))
        }
        None => words::rate(rate),
    };
    let goodput = said(found.goodput_bytes_per_second, Some(found.interval_95));
    let interval = found.effective_speed_interval_95;
    found.effective_speed_bytes_per_second.map_or(goodput.clone(), |speed| {
        format!("{goodput}; effective speed with verification {}", said(speed, interval))
    })
}

/// The same, with the settings that carried it where GCS gets others.
pub fn goodput_of_the_measured(digest: &Digest, found: &Recommendation) -> String {
    match digest.document.for_gcs() {
        Some(gcs) if !gcs.is(found.settings) => {
            format!("{}, with {}", goodput(found), words::settings(found.settings))
        }
        _ => goodput(found),
    }
}

/// Why GCS gets this number, or none, in sentences.
pub fn for_globus(digest: &Digest) -> Vec<String> {
    let document = digest.document;
    match document.for_gcs() {
        Some(gcs) => gcs.remarks.clone(),
        None if document.commands().iter().any(Command::is_for_globus) => Vec::new(),
        None => vec![NOT_FOR_GCS.into()],
    }
}

/// Instead of a number for GCS.
const NOT_FOR_GCS: &str = "no number: these trials had other parts of a file in flight than the connector, which has 1 unless --connector says otherwise";

/// The settings of one search, and how fast they are.
pub fn settings_and_goodput(found: &Recommendation) -> String {
    format!("{}, {}", words::settings(found.settings), goodput(found))
}

/// How sure, and why.
pub fn verdict(found: &Recommendation) -> String {
    format!("{}: {}", words::verdict(found.verdict), found.why)
}

/// One concurrency for all searches of a document, if there were several, under its name.
pub fn for_all(document: &Document) -> Facts {
    let workloads: Vec<Workload> =
        document.recommendations.iter().map(Recommendation::workload).collect();
    let said = match &document.joint {
        Some(joint) => format!("concurrency {}: {}", joint.concurrency, joint.why),
        None if workloads.len() > 1 && document.more_dtns.is_none() => NOTHING_FOR_ALL.into(),
        None => String::new(),
    };
    let is_of_datasets = workloads.iter().any(|workload| workload.dataset.is_some());
    Facts::from([(if is_of_datasets { "all datasets" } else { "both ways" }, said)])
}

/// Instead of it.
const NOTHING_FOR_ALL: &str = "no concurrency was measured in every search: give a larger --budget";

/// What the searches after the first brought.
fn other_searches(document: &Document) -> Facts {
    let mut facts = Facts::default();
    let first = document.recommendation.as_ref().map(Recommendation::workload);
    let is_other = |other: &&Recommendation| Some(other.workload()) != first;
    for other in document.recommendations.iter().filter(is_other) {
        facts.add(words::workload(&other.workload()), settings_and_goodput(other));
        facts.add("its verdict", verdict(other));
    }
    facts
}

/// Of several searches only the first is shown in full.
pub fn of_the_first_search(digest: &Digest) -> Option<String> {
    let ([_, _, ..], Answer::Settings(found)) =
        (&digest.document.recommendations[..], &digest.answer)
    else {
        return None;
    };
    let which = if digest.document.more_dtns.is_some() { "search" } else { "first search" };
    Some(format!(
        "Tables and charts from here to the requests are of the {which}: {}.",
        words::workload(&found.workload())
    ))
}

fn recommended(digest: &Digest, found: &Recommendation) -> Facts {
    // Of several searches what is for all comes first: it is what the headline says.
    let mut facts = dtns::that_pay(digest.document);
    facts.append(for_all(digest.document));
    facts.append(first_search(digest, found));
    facts.append(other_searches(digest.document));
    facts.add("spent", digest.document.spent.as_ref().map(wording::spent).unwrap_or_default());
    facts
}

fn first_search(digest: &Digest, found: &Recommendation) -> Facts {
    Facts::from([
        ("for Globus", for_globus(digest).join("; ")),
        ("goodput", goodput_of_the_measured(digest, found)),
        ("direction", words::workload(&found.workload())),
        ("uploads", wording::proof(digest.document)),
        ("verdict", verdict(found)),
        ("the blocks show", proof(found, true)),
        ("they do not show", proof(found, false)),
        ("scaling", Law::of(digest).map(|law| law.in_words()).unwrap_or_default()),
        ("limited by", limit(digest)),
        ("evenness", dtns::evenness(digest)),
        ("depends on", wording::hangs_on(digest.document)),
    ])
}

/// What the blocks of trials show, or do not, at the 95 % level. A verdict takes more than them.
fn proof(found: &Recommendation, is_shown: bool) -> String {
    let seen = found.smallest_difference_seen.map(words::percent);
    let seen = seen
        .map_or(String::new(), |least| format!(" (they can show differences of {least} or more)"));
    let claims = [
        (found.within_margin_shown, format!("no other settings in them carry 5 % more{seen}")),
        (found.better_than_default_shown, "it carries more than what is set now".to_owned()),
    ];
    let said = claims.into_iter().filter(|(shown, _)| *shown == is_shown);
    let said = said.map(|(_, claim)| claim).collect::<Vec<_>>().join("; ");
    match found.verdict {
        Verdict::Indistinguishable if is_shown && !said.is_empty() => {
            format!("{said}; that alone does not settle the choice: see the verdict")
        }
        _ => said,
    }
}

/// What held the shown trial down; the figures of what did not are in the table of all trials.
pub fn limit(digest: &Digest) -> String {
    let Some(Shown { trial, .. }) = digest.shown else { return String::new() };
    let limit = words::limited_by(trial.limited_by);
    match (trial.limited_by, digest.document.target.kind) {
        (LimitedBy::GatewayOrNetwork, TargetKind::Endpoint | TargetKind::Embedded) => {
            format!("{limit}: none of the limits that can be seen on this machine was reached")
        }
        _ => format!("{limit}: {}", trial.evidence),
    }
}

/// What the effective speed of a task is.
pub const EFFECTIVE_SPEED: &str = "The effective speed is what Globus reports of a task: the bytes of the \
    dataset over the whole time of the task, checksums and retries included.";

/// `1,873 of 1,875 files, 4.99 GB in 1m 2s`.
pub fn moved(task: &TaskSummary) -> String {
    format!(
        "{} of {}, {} in {}",
        count(task.files_done),
        counted(task.files, "file"),
        ByteSize(task.bytes_done),
        words::duration(task.duration_s)
    )
}

fn task_done(digest: &Digest, trial: &Trial, task: &TaskSummary) -> Facts {
    Facts::from([
        ("moved", moved(task)),
        ("direction", words::direction(trial.direction).into()),
        ("goodput", words::rate(task.goodput_bytes_per_second)),
        ("recorded", wording::recorded(digest.document)),
        ("settings", words::settings(trial.settings)),
        ("uploads", wording::proof(digest.document)),
        ("verified", wording::verified(task, trial.direction)),
        ("were there", wording::there(task)),
        ("directories", wording::directory_markers(task)),
        ("read back", read_back(trial)),
        ("addresses", wording::addresses(trial)),
        ("own addresses", wording::own_addresses(trial)),
        ("limited by", limit(digest)),
    ])
}

fn read_back(trial: &Trial) -> String {
    match trial.read_back_bytes {
        0 => String::new(),
        bytes => {
            format!("{} to compare uploads with their source, in no other rate", ByteSize(bytes))
        }
    }
}

fn measured(digest: &Digest) -> Facts {
    let Some(shown) = digest.shown else { return Facts::default() };
    let trial = shown.trial;
    let interval = trial.goodput_interval_95.map(|_| wording::goodput(trial)).unwrap_or_default();
    let [up, down] = match &trial.mixed {
        Some(mixed) => [&mixed.up, &mixed.down].map(wording::one_way),
        None => Default::default(),
    };
    let which = match shown.of {
        1 => String::new(),
        of => format!("{}, of median goodput among all {of}", trial.id),
    };
    Facts::from([
        ("settings", words::settings(trial.settings)),
        ("direction", words::direction(trial.direction).into()),
        ("uploads", wording::proof(digest.document)),
        ("goodput", interval),
        ("up", up),
        ("down", down),
        ("read back", read_back(trial)),
        ("addresses", wording::addresses(trial)),
        ("own addresses", wording::own_addresses(trial)),
        ("trial", which),
        ("limited by", limit(digest)),
    ])
}

/// Files that did not arrive: at most `most` by name, and how many more there are.
pub fn failures(task: &TaskSummary, most: usize) -> (Table, usize) {
    let rows = task.failures.iter().take(most);
    let rows = rows.map(|failure| [failure.path.clone(), failure.reason.clone()]);
    let table = Table::new("Files that did not arrive", ["file", "why"], rows);
    (table, task.failures.len().saturating_sub(most))
}

/// The recommended settings against each other candidate.
pub fn comparisons(digest: &Digest) -> Table {
    let Answer::Settings(found) = &digest.answer else { return Table::default() };
    let rows = found.compared_with.iter();
    let rows = rows.map(|other| {
        [words::settings(other.settings), words::ratio(other.ratio, other.interval_95)]
    });
    let caption = format!(
        "Goodput of {} over goodput of another, paired over blocks of trials",
        words::settings(found.settings)
    );
    Table::new(caption, ["the other", "ratio (95 % interval)"], rows)
}

/// What other settings bring and have refused, beside those that are recommended.
pub fn trade(digest: &Digest) -> Table {
    let Answer::Settings(found) = &digest.answer else { return Table::default() };
    let rows = found.trade.iter().map(|one| {
        [
            words::settings(one.settings),
            words::rate(one.goodput_bytes_per_second),
            words::percent(one.refused_share),
            one.trials.to_string(),
        ]
    });
    let caption = "What was tried, what it carried, and the share of the attempts ending in its windows that was told to slow down";
    Table::new(caption, ["settings", "goodput", "refused in windows", "trials"], rows)
}

/// What other values of what is assumed do to the answer of a simulation.
pub fn sensitivity(digest: &Digest) -> Table {
    let Some(Sensitivity { base, parameters, .. }) = &digest.document.sensitivity else {
        return Table::default();
    };
    let caption = format!(
        "What the answer depends on: the fewest files in flight that carry 95 % of the most, by simulated runs with 1, 2, 4, ... of them; {} and {} with the model as it is",
        base.concurrency,
        words::rate(base.goodput_bytes_per_second)
    );
    let columns = ["assumed", "value", "if it is", "N", "goodput", "if it is", "N", "goodput"];
    let row = |Varied { parameter, value, ends: [low, high] }: &Varied| {
        let carried = |end: &End| words::rate(end.knee.goodput_bytes_per_second);
        let concurrency = |end: &End| end.knee.concurrency.to_string();
        [
            parameter.clone(),
            value.clone(),
            low.value.clone(),
            concurrency(low),
            carried(low),
            high.value.clone(),
            concurrency(high),
            carried(high),
        ]
    };
    Table::new(caption, columns, parameters.iter().map(row))
}

/// Counts and times of the requests of the trial that is shown.
pub fn requests(shown: Shown) -> Table {
    let rows = shown.trial.requests.iter().map(|(name, operation)| {
        let times = operation.service_time_us;
        let milliseconds = |time_us: u64| match times.samples {
            0 => "–".to_owned(),
            _ => format!("{:.1}", time_us as f64 / 1000.0),
        };
        [
            name.clone(),
            count(operation.count),
            count(operation.retries),
            milliseconds(times.p50),
            milliseconds(times.p90),
            milliseconds(times.p99),
            milliseconds(times.p999),
            milliseconds(times.max),
            milliseconds(operation.ttfb_us.p50),
        ]
    });
    let caption = format!("Requests of trial {}; times in ms", shown.trial.id);
    let columns =
        ["operation", "requests", "retries", "p50", "p90", "p99", "p99.9", "max", "first byte p50"];
    Table::new(caption, columns, rows)
}

/// Every trial.
pub fn trials(trials: &[Trial]) -> Table {
    let columns: [Column<&Trial>; 16] = [
        ("trial", |trial| trial.id.to_string()),
        ("phase", |trial| words::phase(trial.phase).into()),
        ("block", |trial| or_dash(trial.block)),
        ("part size", |trial| ByteSize(trial.settings.part_size_bytes).to_string()),
        ("concurrency", |trial| trial.settings.concurrency.to_string()),
        ("parts in flight", |trial| trial.settings.parts_in_flight.to_string()),
        ("direction", |trial| words::workload(&trial.workload())),
        ("goodput", |trial| both_speeds(trial)),
        ("on the wire", |trial| words::rate(trial.wire_bytes_per_second)),
        ("objects", |trial| count(trial.objects)),
        ("retries", |trial| count(trial.retries())),
        ("errors", |trial| count(trial.errors.total())),
        ("cut", |trial| count(trial.cut)),
        ("CPU s/GB", |trial| {
            or_dash(trial.client.cpu_seconds_per_gb.map(|cost| format!("{cost:.2}")))
        }),
        ("steady", |trial| {
            or_dash(trial.window.steady.map(|steady| if steady { "yes" } else { "no" }))
        }),
        ("limited by", |trial| words::limited_by(trial.limited_by).into()),
    ];
    Table::of("All trials in the order in which they ran", &columns, trials)
}

fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "–".into(), |value| value.to_string())
}

/// The goodput, and the effective speed beside it where uploads were read back.
fn both_speeds(trial: &Trial) -> String {
    let goodput = words::rate(trial.goodput_bytes_per_second);
    let effective = trial.verification.and_then(|found| found.effective_speed_bytes_per_second);
    match effective {
        Some(speed) => format!("{goodput}, {} effective", words::rate(speed)),
        None => goodput,
    }
}

/// What held the trials down, with each evidence once and the trials that gave it.
pub fn limits(trials: &[Trial]) -> Table {
    let mut by_evidence = BTreeMap::<(&str, &str), Vec<u32>>::new();
    for trial in trials {
        let limit = words::limited_by(trial.limited_by);
        by_evidence.entry((limit, &trial.evidence)).or_default().push(trial.id);
    }
    let mut rows: Vec<_> = by_evidence.into_iter().collect();
    rows.sort_by(|((one, _), these), ((other, _), those)| (one, these).cmp(&(other, those)));
    let rows = rows.into_iter().map(|((limit, evidence), trials)| {
        [limit.to_owned(), words::runs_of(&trials), evidence.to_owned()]
    });
    Table::new(
        "What limited the trials; attempts are all those of a trial, its warm-up included",
        ["limited by", "trials", "evidence"],
        rows,
    )
}

/// Failed attempts by class.
pub fn errors(digest: &Digest) -> Table {
    let errors = digest.errors();
    let rows = words::error_classes(&errors);
    let rows = rows.map(|(class, number)| [class.to_owned(), count(number)]);
    Table::new("Failed attempts of all trials", ["class", "attempts"], rows)
}

/// Each warning with the trials that gave it.
pub fn warnings(digest: &Digest) -> Vec<String> {
    let warnings = digest.warnings().into_iter();
    let warnings =
        warnings.map(|(warning, trials)| format!("{warning} (trial {})", words::runs_of(&trials)));
    warnings.collect()
}

/// The definitions that a reader needs to compare the numbers with others.
pub fn method(digest: &Digest) -> String {
    let is_open = digest.document.trials.iter().any(|trial| trial.open_loop.is_some());
    let times = match is_open {
        true => {
            "Files arrive at times of their own (an open loop): the times of whole objects are response \
             times from their arrival, those of requests are service times."
        }
        false => {
            "Requests are sent as earlier ones end (a closed loop): their times are service times, not \
             response times."
        }
    };
    format!("{MEASURED} {times} {COMPARED}")
}

const MEASURED: &str = "Goodput is the bytes that passed the sockets inside a trial's window in attempts \
    that in the end succeeded, per second. Streams are the files in flight (concurrency) times the parts \
    of one file in flight.";

const COMPARED: &str = "Settings are compared over whole trials, never over the seconds of one.";

/// The rules that chose windows, with the number of trials.
pub fn window_rules(trials: &[Trial]) -> Vec<String> {
    let mut rules = BTreeMap::<&str, usize>::new();
    for trial in trials {
        *rules.entry(&trial.window.rule).or_default() += 1;
    }
    let said = rules.into_iter();
    said.map(|(rule, trials)| format!("{rule} ({})", counted(trials, "trial"))).collect()
}

/// The sizes of thousands of files, and what the command says.
const FOR_PROGRAMS: [&str; 2] = ["dataset_shape", "verb"];

/// What was asked for, with every default.
pub fn scenario(digest: &Digest) -> Table {
    let fields = digest.document.scenario.fields().into_iter();
    let rows = fields.filter(|(name, _)| !FOR_PROGRAMS.contains(&name.as_str()));
    let rows = rows.map(|(name, value)| [name, value.to_string()]);
    Table::new("The scenario with every default filled in", ["name", "value"], rows)
}

/// Where and when it was measured, and by what.
pub fn environment(digest: &Digest) -> Facts {
    let document = digest.document;
    let Host { name, os, arch, cores, memory_bytes } = &document.host;
    Facts::from([
        ("target", wording::place(&document.target)),
        ("endpoint", document.target.endpoint.clone()),
        ("run", document.id.clone()),
        ("started", document.started.clone()),
        ("program", format!("{} {}", document.tool.name, document.tool.version)),
        ("host", name.clone()),
        ("system", format!("{os}, {arch}")),
        ("processors", cores.to_string()),
        ("memory", memory_bytes.map(|bytes| ByteSize(bytes).to_string()).unwrap_or_default()),
    ])
}

/// The answers of several documents side by side.
pub fn answers(digests: &[Digest]) -> Table {
    let row = |digest: &Digest| {
        let document = digest.document;
        let (goodput, interval) = match (&digest.answer, digest.shown) {
            (Answer::Settings(found), _) => {
                (found.goodput_bytes_per_second, Some(found.interval_95))
            }
            (Answer::Task(_, task), _) => (task.goodput_bytes_per_second, None),
            (Answer::Trials, Some(shown)) => {
                (shown.trial.goodput_bytes_per_second, shown.trial.goodput_interval_95)
            }
            (Answer::Trials, None) => (f64::NAN, None),
        };
        let settings = match (&digest.answer, digest.shown) {
            (Answer::Settings(found), _) => Some(found.settings),
            (_, shown) => shown.map(|shown| shown.trial.settings),
        };
        let verdict = match digest.answer {
            Answer::Settings(found) => words::verdict(found.verdict),
            Answer::Task(..) | Answer::Trials => "–",
        };
        [
            document.id.clone(),
            document.started.clone(),
            wording::place(&document.target),
            settings.map_or_else(|| "–".into(), words::settings),
            words::rate(goodput),
            interval.map_or_else(|| "–".into(), words::rate_interval),
            verdict.into(),
        ]
    };
    let columns = ["run", "started", "target", "settings", "goodput", "95 % interval", "verdict"];
    Table::new("The answers of all runs", columns, digests.iter().map(row))
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn what_the_blocks_show_does_not_contradict_the_verdict() {
        let mut document = samples::tune();
        let found = document.recommendation.as_mut().expect("tune recommends");
        (found.within_margin_shown, found.better_than_default_shown) = (true, true);
        for (verdict, settles) in [(Verdict::Clear, true), (Verdict::Indistinguishable, false)] {
            document.recommendation.as_mut().expect("tune recommends").verdict = verdict;
            let facts = answer(&Digest::of(&document));
            let (_, shown) = facts.iter().find(|(name, _)| *name == "the blocks show").unwrap();
            assert_eq!(!shown.contains("does not settle the choice"), settles, "{shown}");
        }
    }
}
