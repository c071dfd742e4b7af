//! The answer: which settings, how fast, how sure, what limits it, what to type.

use super::super::digest::{Answer, Digest, Shown};
use super::super::{text, wording};
use super::markup::{Markup, definitions, element, labelled, table};
use crate::result::{Commands, Recommendation, TaskSummary, Trial};

/// More files than this are left to the result document.
const FAILURES_SHOWN: usize = 100;

/// The first section of the page.
pub fn section(digest: &Digest) -> Markup {
    match &digest.answer {
        Answer::Settings(found) => settings(digest, found),
        Answer::Task(trial, task) => moved_task(digest, trial, task),
        Answer::Trials => trials(digest),
    }
}

fn settings(digest: &Digest, found: &Recommendation) -> Markup {
    let goodput = wording::rate(found.goodput_bytes_per_second);
    let interval = wording::rate_interval(found.interval_95);
    let seen = found.smallest_difference_seen.map(wording::percent).unwrap_or_default();
    [
        element("h2", "The answer"),
        element("p class=\"answer\"", wording::settings(found.settings)),
        definitions([
            ("goodput", format!("{goodput} (95 % interval {interval})").into()),
            ("direction", wording::direction(found.direction).into()),
            ("verdict", verdict(found)),
            ("no other is 5 % better", shown(found.within_margin_shown).into()),
            ("faster than the current default", shown(found.better_than_default_shown).into()),
            ("smallest difference these trials could show", seen.into()),
            ("limited by", limit(digest.shown)),
        ]),
        element("h2", "Commands"),
        commands(&found.commands),
    ]
    .into()
}

fn verdict(found: &Recommendation) -> Markup {
    let verdict = element("strong", wording::verdict(found.verdict));
    [verdict, found.why.as_str().into()].into()
}

fn shown(shown: bool) -> &'static str {
    if shown { "shown" } else { "not shown" }
}

fn limit(shown: Option<Shown>) -> Markup {
    let Some(shown) = shown else { return Markup::default() };
    let limit = wording::limited_by(shown.trial.limited_by);
    format!("{limit}: {} (trial {})", shown.trial.evidence, shown.trial.id).into()
}

fn commands(commands: &Commands) -> Markup {
    let all = [
        ("Globus Connect Server, this storage gateway only", &commands.gcs_storage_gateway),
        ("Globus Connect Server, the whole endpoint (all its gateways)", &commands.gcs_endpoint),
        ("Globus Connect Server, to undo both", &commands.gcs_revert),
        ("rclone", &commands.rclone),
        ("AWS CLI", &commands.aws),
        ("s5cmd", &commands.s5cmd),
    ];
    let given = all.into_iter().filter(|(_, command)| !command.is_empty());
    given.map(|(name, text)| [element("h3", name), command(name, text)].into()).collect()
}

/// A command in a box that scrolls by itself.
pub fn command(label: &str, command: &str) -> Markup {
    labelled("pre tabindex=\"0\" role=\"region\"", label, element("code", command))
}

fn moved_task(digest: &Digest, trial: &Trial, task: &TaskSummary) -> Markup {
    let effective = wording::rate(task.effective_speed_bytes_per_second);
    let verified = if task.verified { "every object was read back and compared" } else { "no" };
    [
        element("h2", "The answer"),
        element("p class=\"answer\"", format!("{effective} effective speed")),
        definitions([
            ("moved", text::moved(task).into()),
            ("direction", wording::direction(trial.direction).into()),
            ("goodput", wording::rate(task.goodput_bytes_per_second).into()),
            ("settings", wording::settings(trial.settings).into()),
            ("verified", verified.into()),
            ("limited by", limit(digest.shown)),
        ]),
        element(
            "p",
            "The effective speed is what Globus reports of a task: the bytes of the dataset over the \
             whole time of the task, checksums and retries included.",
        ),
        failures(task),
    ]
    .into()
}

fn failures(task: &TaskSummary) -> Markup {
    if task.failures.is_empty() {
        return Markup::default();
    }
    let shown = task.failures.iter().take(FAILURES_SHOWN);
    let rows = shown
        .map(|failure| [element("code", failure.path.as_str()), failure.reason.as_str().into()]);
    let unnamed = task.failures.len().saturating_sub(FAILURES_SHOWN);
    let more = match unnamed {
        0 => Markup::default(),
        unnamed => element("p", format!("And {unnamed} more, see result.json.")),
    };
    let table = table("Files that did not arrive", ["file", "why"], rows);
    [element("h2", "Failures"), table, more].into()
}

fn trials(digest: &Digest) -> Markup {
    let heading = element("h2", "The answer");
    let Some(shown) = digest.shown else {
        return [heading, element("p class=\"answer\"", "No trial was finished.")].into();
    };
    let trial = shown.trial;
    let goodput = wording::rate(trial.goodput_bytes_per_second);
    let interval = match trial.goodput_interval_95 {
        Some(_) => wording::goodput(trial),
        None => String::new(),
    };
    let [up, down] = match &trial.mixed {
        Some(mixed) => [&mixed.up, &mixed.down].map(wording::one_way),
        None => Default::default(),
    };
    let which = match shown.of {
        1 => String::new(),
        of => format!("{}, of median goodput among all {of}", trial.id),
    };
    let facts = definitions([
        ("settings", wording::settings(trial.settings).into()),
        ("direction", wording::direction(trial.direction).into()),
        ("goodput", interval.into()),
        ("up", up.into()),
        ("down", down.into()),
        ("trial", which.into()),
        ("limited by", limit(digest.shown)),
    ]);
    [heading, element("p class=\"answer\"", format!("{goodput} goodput")), facts].into()
}
