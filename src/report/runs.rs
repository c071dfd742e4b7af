//! Runs as a page: the answer first, then what it rests on. A section is a function here and a line in [`blocks`].

use super::digest::{Answer, Digest};
use super::page::{Block, Page, Section, figures};
use super::table::Table;
use super::{PAGE, Report, brief, chart, dtns, facts, json, numbers, wording};
use crate::error::Result;
use crate::result::Saved;

/// More files than this are left to the result document.
const FAILURES_SHOWN: usize = 100;

impl Report for [Saved] {
    fn brief(&self) -> Vec<Block> {
        let brief = |run: &Saved| {
            let page = run.directory.join(PAGE);
            brief::of(&run.document, page.is_file().then_some(&page)).into()
        };
        self.iter().map(brief).collect()
    }

    fn page(&self) -> Page {
        let digests: Vec<Digest> = self.iter().map(|run| Digest::of(&run.document)).collect();
        if let ([run], [digest]) = (self, &*digests) {
            return Page { title: facts::title(digest), blocks: blocks(run, digest) };
        }
        let articles = self.iter().zip(&digests).map(|(run, digest)| {
            let title = format!("{}: {}", run.document.id, facts::title(digest));
            Block::Article(Section::new(title, blocks(run, digest)))
        });
        let answers = Block::Table(facts::answers(&digests));
        let blocks = std::iter::once(answers).chain(articles).collect();
        Page { title: format!("{} runs", self.len()), blocks }
    }

    fn numbers(&self) -> Table {
        numbers::of_trials(self.iter().map(|run| &run.document))
    }

    fn json(&self) -> Result<String> {
        self.iter().map(|run| json(&run.document)).collect()
    }
}

/// Everything about a run.
fn blocks(run: &Saved, digest: &Digest) -> Vec<Block> {
    let caution = wording::caution(digest.document.target.kind).map(Block::Caution);
    let sections = [
        answer(digest),
        commands(digest),
        failures(digest),
        dtns(digest),
        comparison(digest),
        Section::new("Charts", figures(chart::all(run))),
        requests(digest),
        limits_and_errors(digest),
        trials(digest),
        method(digest),
    ];
    caution.into_iter().chain(sections.map(Block::Section)).collect()
}

/// Which settings, how fast, how sure, what limits it.
fn answer(digest: &Digest) -> Section {
    let mut blocks =
        vec![Block::Answer(facts::headline(digest)), Block::Facts(facts::answer(digest))];
    if let Answer::Task(..) = digest.answer {
        blocks.push(Block::Text(facts::EFFECTIVE_SPEED.into()));
    }
    Section::new("The answer", blocks)
}

fn commands(digest: &Digest) -> Section {
    let commands = digest.document.commands().iter();
    let commands =
        commands.map(|one| Block::Code { what: wording::to_paste(one), text: one.text.clone() });
    Section::new("Commands", commands)
}

/// What several DTNs carried, together and each.
fn dtns(digest: &Digest) -> Section {
    let tables = [dtns::steps(digest.document), dtns::shares(digest)];
    Section::new("DTNs", tables.map(Block::Table))
}

fn failures(digest: &Digest) -> Section {
    let mut blocks = Vec::new();
    if let Answer::Task(_, task) = digest.answer {
        let (failures, unnamed) = facts::failures(task, FAILURES_SHOWN);
        blocks.push(failures.into());
        if unnamed > 0 {
            blocks.push(Block::Text(format!("And {unnamed} more, see result.json.")));
        }
    }
    Section::new("Failures", blocks)
}

/// The recommended settings against the others, and what all that was tried brings.
fn comparison(digest: &Digest) -> Section {
    let of_the_first = facts::of_the_first_search(digest).map(Block::Text);
    let tables = [facts::comparisons(digest), facts::trade(digest), facts::sensitivity(digest)];
    Section::new("Comparison", of_the_first.into_iter().chain(tables.map(Block::Table)))
}

/// The requests of the trial that is shown.
fn requests(digest: &Digest) -> Section {
    Section::new("Requests", digest.shown.map(facts::requests).map(Block::Table))
}

/// What held the trials down and what went wrong in them.
fn limits_and_errors(digest: &Digest) -> Section {
    let warnings = match facts::warnings(digest) {
        none if none.is_empty() => Block::Text("There were no warnings.".into()),
        warnings => Section::new("Warnings", [Block::List(warnings)]).into(),
    };
    let limits = facts::limits(&digest.document.trials);
    Section::new("Limits and errors", [limits.into(), facts::errors(digest).into(), warnings])
}

fn trials(digest: &Digest) -> Section {
    Section::new("Trials", [facts::trials(&digest.document.trials).into()])
}

/// How it was measured, what it rests on, and how to do it again.
fn method(digest: &Digest) -> Section {
    let document = digest.document;
    let windows = Block::List(facts::window_rules(&document.trials));
    let assumptions = Block::List(document.assumptions.clone());
    let below = [
        Section::new("Rule that chose the window of a trial", [windows]),
        Section::new("Scenario", [facts::scenario(digest).into()]),
        Section::new("Environment", [facts::environment(digest).into()]),
        Section::new("Assumptions", [assumptions]),
    ];
    let command =
        Block::Code { what: "The command that was run".into(), text: wording::command(document) };
    let text = Block::Text(facts::method(digest));
    let blocks = [text].into_iter().chain(below.map(Block::Section)).chain([command]);
    Section::new("Method", blocks)
}
