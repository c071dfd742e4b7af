//! What a report says before it takes any form: one tree, of which text, Markdown and HTML are written. What is
//! said belongs to the makers of pages, how it looks to the writers.

use std::borrow::Cow;

use super::chart::Chart;
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

/// The heading of a column, and what its cell says of a thing.
pub type Column<T> = (&'static str, fn(&T) -> String);

/// A table; numbers for programs are one as well.
#[derive(Default)]
pub struct Table {
    /// What it shows.
    pub caption: String,
    /// The heading of each column.
    pub columns: Vec<&'static str>,
    /// The first cell of each names it.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// A table for people.
    pub fn new<const N: usize>(
        caption: impl Into<String>,
        columns: [&'static str; N],
        rows: impl IntoIterator<Item = [String; N]>,
    ) -> Self {
        let rows = rows.into_iter().map(Vec::from).collect();
        Self { caption: caption.into(), columns: columns.into(), rows }
    }

    /// A row for each thing.
    pub fn of<T>(
        caption: impl Into<String>,
        columns: &[Column<T>],
        things: impl IntoIterator<Item = T>,
    ) -> Self {
        let row = |thing: T| columns.iter().map(|(_, cell)| cell(&thing)).collect();
        Self {
            caption: caption.into(),
            columns: columns.iter().map(|(name, _)| *name).collect(),
            rows: things.into_iter().map(row).collect(),
        }
    }

    /// Numbers for programs, with their units in the names of the columns.
    pub fn numbers<T>(columns: &[Column<T>], things: impl IntoIterator<Item = T>) -> Self {
        Self::of("", columns, things)
    }

    /// The same with fewer columns.
    #[must_use]
    pub fn first_columns(mut self, count: usize) -> Self {
        self.columns.truncate(count);
        self.rows.iter_mut().for_each(|row| row.truncate(count));
        self
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
