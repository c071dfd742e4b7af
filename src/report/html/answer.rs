//! The answer: which settings, how fast, how sure, what limits it, what to type.

use super::super::digest::{Answer, Digest};
use super::super::{facts, wording};
use super::markup::{Markup, definitions, element, labelled, table};
use crate::result::TaskSummary;

/// More files than this are left to the result document.
const FAILURES_SHOWN: usize = 100;

/// The first section of the page.
pub fn section(digest: &Digest) -> Markup {
    let more = match &digest.answer {
        Answer::Settings(_) => commands(digest),
        Answer::Task(_, task) => [element("p", EFFECTIVE_SPEED), failures(task)].into(),
        Answer::Trials => Markup::default(),
    };
    [
        element("h2", "The answer"),
        element("p class=\"answer\"", facts::headline(digest)),
        definitions(facts::answer(digest)),
        more,
    ]
    .into()
}

const EFFECTIVE_SPEED: &str = "The effective speed is what Globus reports of a task: the bytes of the \
    dataset over the whole time of the task, checksums and retries included.";

fn commands(digest: &Digest) -> Markup {
    let commands = digest.document.commands().iter().map(|one| {
        let name = wording::to_paste(one);
        [element("h3", name.clone()), command(&name, &one.text)].into()
    });
    [element("h2", "Commands"), commands.collect()].into()
}

/// A command in a box that scrolls by itself.
pub fn command(label: &str, command: &str) -> Markup {
    labelled("pre tabindex=\"0\" role=\"region\"", label, element("code", command))
}

fn failures(task: &TaskSummary) -> Markup {
    let Some((failures, unnamed)) = facts::failures(task, FAILURES_SHOWN) else {
        return Markup::default();
    };
    let more = match unnamed {
        0 => Markup::default(),
        unnamed => element("p", format!("And {unnamed} more, see result.json.")),
    };
    [element("h2", "Failures"), table(&failures), more].into()
}
