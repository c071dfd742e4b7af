//! Comma-separated values for programs.

use csv::Writer;

use super::page::Table;
use crate::error::{Error, Result};
use crate::escape;

/// The columns' names and the rows. Every row is one line, and steers no terminal.
///
/// # Errors
/// If a row has other columns than the heading.
pub fn write(table: &Table) -> Result<String> {
    let mut csv = Writer::from_writer(Vec::new());
    if !table.columns.is_empty() {
        csv.write_record(&table.columns).map_err(no_csv)?;
    }
    for row in &table.rows {
        csv.write_record(row.iter().map(|cell| escape::line(cell).into_owned())).map_err(no_csv)?;
    }
    let bytes = csv.into_inner().map_err(no_csv)?;
    String::from_utf8(bytes).map_err(no_csv)
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
        let written = write(&Table::new("", ["one", "two", "three"], rows)).unwrap();
        assert_eq!(written, "one,two,three\na b,\"1,5\",\"say \"\"hi\"\"\"\n");
    }

    #[test]
    fn a_row_is_one_line_and_steers_no_terminal() {
        let rows = [["a\u{1b}[2J\n", "b\u{202e}"].map(str::to_owned)];
        let written = write(&Table::new("", ["one", "two"], rows)).unwrap();
        assert_eq!(written, "one,two\na\\u{1b}[2J\\u{a},b\\u{202e}\n");
    }

    #[test]
    fn without_columns_there_is_nothing() {
        assert_eq!(write(&Table::default()).unwrap(), "");
    }
}
