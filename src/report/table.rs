//! Rows and columns: for people on a page, for programs as comma-separated values.

use csv::Writer;

use crate::error::{Error, Result};
use crate::escape;

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

    /// As comma-separated values: the names of the columns, then the rows. Every row is one line, and steers no
    /// terminal.
    ///
    /// # Errors
    /// If a row has other columns than the heading.
    pub fn csv(&self) -> Result<String> {
        let mut csv = Writer::from_writer(Vec::new());
        if !self.columns.is_empty() {
            csv.write_record(&self.columns).map_err(no_csv)?;
        }
        for row in &self.rows {
            csv.write_record(row.iter().map(|cell| escape::line(cell).into_owned()))
                .map_err(no_csv)?;
        }
        let bytes = csv.into_inner().map_err(no_csv)?;
        String::from_utf8(bytes).map_err(no_csv)
    }
}

fn no_csv(error: impl std::fmt::Display) -> Error {
    Error::environment(format!("no CSV: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_fields_that_need_quotes_have_them() {
        let rows = [["a b", "1,5", "say \"hi\""].map(str::to_owned)];
        let written = Table::new("", ["one", "two", "three"], rows).csv().unwrap();
        assert_eq!(written, "one,two,three\na b,\"1,5\",\"say \"\"hi\"\"\"\n");
    }

    #[test]
    fn a_row_is_one_line_and_steers_no_terminal() {
        let rows = [["a\u{1b}[2J\n", "b\u{202e}"].map(str::to_owned)];
        let written = Table::new("", ["one", "two"], rows).csv().unwrap();
        assert_eq!(written, "one,two\na\\u{1b}[2J\\u{a},b\\u{202e}\n");
    }

    #[test]
    fn without_columns_there_is_nothing() {
        assert_eq!(Table::default().csv().unwrap(), "");
    }
}
