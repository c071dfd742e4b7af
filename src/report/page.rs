//! What a report says before it takes any form: one tree, of which text, Markdown and HTML are written. What is
//! said belongs to the makers of pages, how it looks to the writers.

use std::borrow::Cow;

use super::chart::{Chart, Charts};
use super::table::Table;
use crate::error::Result;

/// Everything about something.
pub struct Page {
    /// What it is about.
    pub title: String,
    /// From the answer down.
    pub blocks: Vec<Block>,
}

/// A piece of a page. What is empty is not written.
pub enum Block {
    /// What a reader must not take the result for.
    Caution(&'static str),
    /// The answer in one phrase.
    Answer(String),
    /// A paragraph.
    Text(String),
    /// Names with their values.
    Facts(Facts),
    /// Sentences that stand by themselves.
    List(Vec<String>),
    /// What can be pasted into a shell or a file, and what it is for.
    Code {
        /// What it is for.
        what: String,
        /// Itself.
        text: String,
    },
    /// Rows and columns.
    Table(Table),
    /// A picture, or why there is none. Only HTML has pictures.
    Figure(Result<Box<Chart>>),
    /// Blocks under a heading.
    Section(Section),
    /// One document among several.
    Article(Section),
}

/// Blocks under a heading, which is only written where one of them is.
pub struct Section {
    /// The heading.
    pub title: Cow<'static, str>,
    /// What is below it.
    pub blocks: Vec<Block>,
}

impl Section {
    /// A section.
    pub fn new(
        title: impl Into<Cow<'static, str>>,
        blocks: impl IntoIterator<Item = Block>,
    ) -> Self {
        Self { title: title.into(), blocks: blocks.into_iter().collect() }
    }
}

/// Names with their values; what is empty is left out.
#[derive(Default)]
pub struct Facts(Vec<(Cow<'static, str>, String)>);

impl Facts {
    /// Adds a value, unless it is empty.
    pub fn add(&mut self, name: impl Into<Cow<'static, str>>, value: impl ToString) {
        let value = value.to_string();
        if !value.is_empty() {
            self.0.push((name.into(), value));
        }
    }

    /// Adds values of the same name.
    pub fn add_each(&mut self, name: &'static str, values: impl IntoIterator<Item: ToString>) {
        values.into_iter().for_each(|value| self.add(name, value));
    }

    /// Adds others after its own.
    pub fn append(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// Names with their values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }
}

impl<const N: usize> From<[(&'static str, String); N]> for Facts {
    fn from(facts: [(&'static str, String); N]) -> Self {
        let mut all = Self::default();
        facts.into_iter().for_each(|(name, value)| all.add(name, value));
        all
    }
}

impl From<Facts> for Block {
    fn from(facts: Facts) -> Self {
        Self::Facts(facts)
    }
}

impl From<Table> for Block {
    fn from(table: Table) -> Self {
        Self::Table(table)
    }
}

impl From<Section> for Block {
    fn from(section: Section) -> Self {
        Self::Section(section)
    }
}

/// Pictures, or why there are none.
pub fn figures(charts: Result<Charts>) -> Vec<Block> {
    match charts {
        Ok(charts) => {
            charts.into_iter().map(|(_, chart)| Block::Figure(Ok(chart.into()))).collect()
        }
        Err(error) => vec![Block::Figure(Err(error))],
    }
}
