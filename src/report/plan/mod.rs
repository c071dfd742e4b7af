//! A plan as a page.

mod facts;

use super::page::{Block, Facts, Page, Section, figures};
use super::table::Table;
use super::{Report, chart, json};
use crate::error::Result;
use crate::plan::Plan;

impl Report for Plan {
    /// The answer, a row for each number of DTNs, what it takes and costs, and what to do.
    fn brief(&self) -> Vec<Block> {
        let mut blocks = vec![facts::answer(self).into()];
        if self.forecasts.len() > 1 || self.simulated.is_some() {
            blocks.push(facts::by_nodes(self).into());
        }
        let mut lines = Facts::default();
        lines.add_each("Globus", facts::tasks_say(self));
        lines.add_each("advice", &self.advice);
        lines.add_each("warning", &self.warnings);
        blocks.extend([Block::Table(facts::tasks(self)), Block::Facts(lines)]);
        blocks
    }

    fn page(&self) -> Page {
        let list = |title, items: &[String]| Section::new(title, [Block::List(items.into())]);
        let numbers = [
            facts::by_nodes(self),
            facts::by_file_size(self),
            facts::scorecard(self),
            facts::tasks(self),
        ];
        let sections = [
            Section::new("The answer", [facts::answer(self).into()]),
            list("What to do", &self.advice),
            list("Careful", &self.warnings),
            Section::new("Charts", figures(Ok(chart::plan::all(self)))),
            Section::new("Numbers", numbers.map(Block::Table)),
            list("Globus's own tasks", &facts::tasks_say(self)),
            list("Runs that it rests on", &self.runs),
            list("Assumptions", &self.assumptions),
        ];
        let title = format!("Plan: {}", self.dataset.name);
        Page { title, blocks: sections.map(Block::Section).into() }
    }

    fn numbers(&self) -> Table {
        facts::by_nodes(self)
    }

    fn json(&self) -> Result<String> {
        json(self)
    }
}
