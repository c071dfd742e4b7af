//! The few lines that a terminal shows when a run is over.

use std::path::Path;

use super::digest::{Answer, Digest};
use super::page::Facts;
use super::{dtns, facts, wording};
use crate::result::{Document, Recommendation, TaskSummary, Traffic, Trial};
use crate::units::{count, counted};
use crate::words;

/// More failures than this are counted, not named.
const FAILURES_NAMED: usize = 3;

/// What was found, in at most 15 lines (if the Globus command is at most seven), with where the rest is:
/// in the page that was written, if one was.
pub fn of(document: &Document, page: Option<&Path>) -> Facts {
    let digest = Digest::of(document);
    let mut lines = Facts::default();
    match &digest.answer {
        Answer::Settings(_) if document.more_dtns.is_some() => {
            recommended_with_dtns(&mut lines, &digest);
        }
        Answer::Settings(_) if document.recommendations.len() > 1 => {
            recommended_for_all(&mut lines, &digest);
        }
        Answer::Settings(recommendation) => recommended(&mut lines, &digest, recommendation),
        Answer::Task(trial, task) => task_done(&mut lines, &digest, trial, task),
        Answer::Trials => trials_only(&mut lines, &digest),
    }
    if let Some(caution) = wording::caution(document.target.kind) {
        lines.add("note", caution);
    }
    if let Some(page) = page {
        lines.add("report", page.display());
    }
    lines
}

fn recommended(lines: &mut Facts, digest: &Digest, found: &Recommendation) {
    lines.add("recommended", facts::headline(digest));
    for_globus(lines, digest);
    lines.add("target", wording::journey(found.direction, &digest.document.target));
    lines.add("goodput", facts::goodput_of_the_measured(digest, found));
    lines.add("verdict", facts::verdict(found));
    limit(lines, digest);
    lines.add("depends on", wording::hangs_on(digest.document));
    spent(lines, digest);
    warnings(lines, digest);
    command(lines, digest);
}

/// Several searches, and one concurrency for all.
fn recommended_for_all(lines: &mut Facts, digest: &Digest) {
    let document = digest.document;
    let has_number = document.joint.is_some();
    if has_number {
        lines.add("recommended", facts::headline(digest));
    }
    lines.append(facts::for_all(document));
    if has_number {
        for_globus(lines, digest);
    }
    lines.add("target", wording::journey(ways(document), &document.target));
    for found in &document.recommendations {
        lines.add(words::workload(&found.workload()), facts::settings_and_goodput(found));
        lines.add("verdict", facts::verdict(found));
    }
    spent(lines, digest);
    if has_number {
        warnings(lines, digest);
        command(lines, digest);
    }
}

/// Searches with several numbers of DTNs, and how many pay.
fn recommended_with_dtns(lines: &mut Facts, digest: &Digest) {
    let document = digest.document;
    lines.add("recommended", facts::headline(digest));
    lines.append(dtns::that_pay(document));
    for_globus(lines, digest);
    lines.add("target", wording::journey(ways(document), &document.target));
    for found in &document.recommendations {
        lines.add(words::workload(&found.workload()), facts::settings_and_goodput(found));
        lines.add("verdict", facts::verdict(found));
    }
    lines.add("evenness", dtns::evenness(digest));
    limit(lines, digest);
    spent(lines, digest);
    warnings(lines, digest);
    command(lines, digest);
}

/// Which ways were searched.
fn ways(document: &Document) -> Traffic {
    let mut ways = document.recommendations.iter().map(|found| Traffic::from(found.direction));
    let first = ways.next().unwrap_or(Traffic::Mixed);
    if ways.all(|way| way == first) { first } else { Traffic::Mixed }
}

/// Why GCS gets this number.
fn for_globus(lines: &mut Facts, digest: &Digest) {
    lines.add_each("for Globus", facts::for_globus(digest));
}

/// What to paste for Globus.
fn command(lines: &mut Facts, digest: &Digest) {
    let mut commands = digest.document.commands().iter();
    if let Some(command) = commands.find(|command| command.is_for_globus()) {
        lines.add("Globus", &command.text);
    }
}

fn spent(lines: &mut Facts, digest: &Digest) {
    if let Some(spent) = &digest.document.spent {
        lines.add("spent", wording::spent(spent));
    }
}

fn task_done(lines: &mut Facts, digest: &Digest, trial: &Trial, task: &TaskSummary) {
    lines.add("target", wording::journey(trial.direction, &digest.document.target));
    lines.add("settings", words::settings(trial.settings));
    lines.add("moved", facts::moved(task));
    lines.add("speed", speeds(task));
    lines.add("recorded", wording::recorded(digest.document));
    both_ways(lines, trial);
    lines.add("errors", errors(trial));
    lines.add("verified", wording::verified(task, trial.direction));
    lines.add("were there", wording::there(task));
    lines.add("directories", wording::directory_markers(task));
    lines.add("evenness", dtns::evenness(digest));
    limit(lines, digest);
    warnings(lines, digest);
    for failure in task.failures.iter().take(FAILURES_NAMED) {
        lines.add("failed", format!("{}: {}", failure.path, failure.reason));
    }
    let unnamed = task.failures.len().saturating_sub(FAILURES_NAMED);
    if unnamed > 0 {
        lines.add("failed", format!("and {unnamed} more, see result.json"));
    }
}

fn trials_only(lines: &mut Facts, digest: &Digest) {
    let Some(shown) = digest.shown else {
        lines.add("result", "no trial was finished");
        return;
    };
    let trial = shown.trial;
    lines.add("target", wording::journey(trial.direction, &digest.document.target));
    lines.add("settings", words::settings(trial.settings));
    lines.add("goodput", goodput(trial));
    both_ways(lines, trial);
    object_times(lines, trial);
    if shown.of > 1 {
        lines.add("trial", format!("{}, of median goodput among {}", trial.id, shown.of));
    }
    lines.add("errors", errors(trial));
    lines.add("evenness", dtns::evenness(digest));
    limit(lines, digest);
    warnings(lines, digest);
}

fn goodput(trial: &Trial) -> String {
    let unsteady = match trial.window.steady {
        Some(false) => "; not steady: measure longer",
        Some(true) | None => "",
    };
    format!("{}{unsteady}", wording::goodput(trial))
}

fn both_ways(lines: &mut Facts, trial: &Trial) {
    if let Some(mixed) = &trial.mixed {
        lines.add("up", wording::one_way(&mixed.up));
        lines.add("down", wording::one_way(&mixed.down));
    }
}

/// Whole objects: response times where files arrived by themselves, else service times.
fn object_times(lines: &mut Facts, trial: &Trial) {
    let Some(times) = trial.objects_us.completed else { return };
    let seconds = |time_us: u64| words::duration(time_us as f64 / 1e6);
    let percentiles = format!(
        "p50 {}, p99 {}, max {} of {}",
        seconds(times.p50),
        seconds(times.p99),
        seconds(times.max),
        counted(times.samples, "object")
    );
    match trial.open_loop {
        None => lines.add("service time", percentiles),
        Some(open_loop) => {
            lines.add("response", format!("{percentiles}, from their arrival"));
            let backlog = counted(open_loop.backlog_files, "file");
            let rate = open_loop.files_per_second;
            lines.add("backlog", format!("{backlog} waited at the end, at {rate} a second"));
        }
    }
}

fn speeds(task: &TaskSummary) -> String {
    let effective = words::rate(task.effective_speed_bytes_per_second);
    let goodput = words::rate(task.goodput_bytes_per_second);
    format!("{effective} effective (as Globus reports it), {goodput} goodput")
}

fn errors(trial: &Trial) -> String {
    format!("{}, retries {}", words::errors(&trial.errors), count(trial.retries()))
}

fn limit(lines: &mut Facts, digest: &Digest) {
    lines.add("limited by", facts::limit(digest));
}

fn warnings(lines: &mut Facts, digest: &Digest) {
    let warnings = digest.warnings().len();
    if warnings > 0 {
        lines.add("warnings", format!("{warnings}, see the report"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::{samples, summary};
    use super::*;
    use crate::result::{Budget, Spent};

    fn summary_of(document: &Document) -> String {
        summary(document, Some(Path::new("results/sample/report.html")))
    }

    #[test]
    fn tune_is_summed_up_for_a_terminal() {
        insta::assert_snapshot!(summary_of(&samples::tune()));
    }

    #[test]
    fn what_a_search_has_spent_is_in_its_summary() {
        let spent = Spent {
            duration_s: 600.0,
            bytes_up: 74_300_000_000,
            bytes_down: 0,
            requests: 1873,
            cost_usd: 0.52,
            prices: "standard".into(),
            used_up: Some(Budget::Bytes),
        };
        let text = summary_of(&Document { spent: Some(spent), ..samples::tune() });
        let line = "74.3 GB up, 0 B down, 1,873 requests, 0.52 USD at standard prices; --max-bytes ended it";
        assert!(text.contains(line), "{text}");
    }

    #[test]
    fn a_run_is_summed_up_for_a_terminal() {
        insta::assert_snapshot!(summary_of(&samples::run_with_failures()));
    }

    #[test]
    fn a_demonstration_says_that_it_is_one() {
        insta::assert_snapshot!(summary_of(&samples::embedded()));
    }

    #[test]
    fn no_summary_is_longer_than_fifteen_lines() {
        for (name, document) in samples::all() {
            let text = summary_of(&document);
            assert!(text.lines().count() <= 15, "{name}:\n{text}");
        }
    }

    #[test]
    fn both_directions_and_one_concurrency_for_both_are_said() {
        let text = summary_of(&samples::both());
        let lines: Vec<&str> = text.lines().collect();
        let line = |label: &str| lines.iter().filter(|line| line.starts_with(label)).count();
        for (label, count) in [
            ("recommended ", 1),
            ("target ", 1),
            ("up ", 1),
            ("down ", 1),
            ("verdict ", 2),
            ("both ways ", 1),
        ] {
            assert_eq!(line(label), count, "{label}: {text}");
        }
        assert!(lines[0].ends_with(" N = 16 files in flight, parts of 64 MiB"), "{text}");
        assert!(text.contains("concurrency 16: the fewest files in flight"), "{text}");
        assert!(text.contains("--max-concurrency 16 "), "{text}");
        assert!(lines.len() <= 15, "{text}");
    }

    #[test]
    fn no_n_is_told_where_no_number_serves_both_directions() {
        let document = Document { joint: None, ..samples::both() };
        assert_eq!(document.for_gcs(), None);
        assert!(!summary_of(&document).contains("N = "), "{}", summary_of(&document));
        assert!(!facts::headline(&Digest::of(&document)).contains("N = "));
    }

    #[test]
    fn a_file_name_cannot_steer_the_terminal() {
        let mut document = samples::run_with_failures();
        let task = document.trials[0].task.as_mut().expect("a run of a dataset");
        task.failures[0].path = "\u{1b}[2Jgone".into();
        let text = summary_of(&document);
        assert!(!text.contains('\u{1b}') && text.contains("gone"), "{text}");
    }
}
