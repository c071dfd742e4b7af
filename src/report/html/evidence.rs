//! What the answer rests on: comparisons, limits, trials, method, surroundings.

use super::super::digest::Digest;
use super::super::{facts, wording};
use super::answer::command;
use super::markup::{Markup, definitions, element, list, table};

/// The recommended settings against the others, and what all that was tried brings.
pub fn comparison(digest: &Digest) -> Markup {
    let tables = [facts::comparisons(digest), facts::trade(digest)];
    let tables: Vec<Markup> = tables.iter().flatten().map(table).collect();
    match tables.is_empty() {
        true => Markup::default(),
        false => [element("h2", "Comparison")].into_iter().chain(tables).collect(),
    }
}

/// The requests of the trial that is shown.
pub fn requests(digest: &Digest) -> Markup {
    digest.shown.map_or_else(Markup::default, |shown| {
        [element("h2", "Requests"), table(&facts::requests(shown))].into()
    })
}

/// What held the trials down and what went wrong in them.
pub fn limits_and_errors(digest: &Digest) -> Markup {
    let limits = facts::limits(&digest.document.trials);
    let limits = if limits.rows.is_empty() { Markup::default() } else { table(&limits) };
    let warnings = facts::warnings(digest);
    let warnings = match warnings.is_empty() {
        true => element("p", "There were no warnings."),
        false => [element("h3", "Warnings"), list(warnings)].into(),
    };
    let heading = element("h2", "Limits and errors");
    [heading, limits, table(&facts::errors(digest)), warnings].into()
}

/// The table of all trials.
pub fn trials(digest: &Digest) -> Markup {
    match digest.document.trials.as_slice() {
        [] => Markup::default(),
        trials => [element("h2", "Trials"), table(&facts::trials(trials))].into(),
    }
}

/// How it was measured, what it rests on, and how to do it again.
pub fn method(digest: &Digest) -> Markup {
    let document = digest.document;
    [
        element("h2", "Method"),
        element("p", facts::method(digest)),
        element("h3", "Rule that chose the window of a trial"),
        list(facts::window_rules(&document.trials)),
        element("h3", "Scenario"),
        table(&facts::scenario(digest)),
        element("h3", "Environment"),
        definitions(facts::environment(digest)),
        element("h3", "Assumptions"),
        list(document.assumptions.iter().cloned()),
        element("h3", "Command"),
        command("The command that was run", &wording::command(document)),
    ]
    .into()
}
