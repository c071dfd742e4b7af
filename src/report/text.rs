//! Lines for a terminal: a label and what it says, and tables whose columns stand below each other.

use super::page::{Block, Facts, Section};
use super::table::Table;
use crate::escape;

/// Characters that the longest label takes in most pages.
const LABEL: usize = 12;

/// All blocks, an empty line between them.
pub fn write(blocks: &[Block]) -> String {
    let blocks: Vec<String> =
        blocks.iter().map(block).filter(|written| !written.is_empty()).collect();
    blocks.join("\n")
}

fn block(block: &Block) -> String {
    match block {
        Block::Caution(text) => text_line(text),
        Block::Answer(text) | Block::Text(text) => text_line(text),
        Block::Facts(all) => facts(all),
        Block::List(items) => items.iter().map(|item| text_line(&format!("- {item}"))).collect(),
        Block::Code { what, text } => format!("{}{}\n", text_line(what), escape::text(text)),
        Block::Table(all) => table(all),
        Block::Figure(_) => String::new(),
        Block::Section(Section { title, blocks }) | Block::Article(Section { title, blocks }) => {
            match write(blocks) {
                empty if empty.is_empty() => empty,
                written => format!("{}\n{written}", text_line(title)),
            }
        }
    }
}

fn text_line(text: &str) -> String {
    format!("{}\n", escape::line(text))
}

/// Further lines of a value are indented like its first.
fn facts(facts: &Facts) -> String {
    let longest = facts.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let width = if longest <= LABEL { LABEL } else { longest + 1 };
    let mut text = String::new();
    for (name, value) in facts.iter() {
        let mut label = name;
        for line in value.lines() {
            text += format!("{label:<width$} {}", escape::line(line)).trim_end();
            text.push('\n');
            label = "";
        }
    }
    text
}

fn table(table: &Table) -> String {
    if table.rows.is_empty() {
        return String::new();
    }
    let columns: Vec<String> = table.columns.iter().map(|name| (*name).to_owned()).collect();
    let rows: Vec<Vec<String>> = std::iter::once(&columns)
        .chain(&table.rows)
        .map(|row| row.iter().map(|cell| escape::line(cell).into_owned()).collect())
        .collect();
    let width = |column: usize| {
        let lengths = rows.iter().filter_map(|row| row.get(column));
        lengths.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let mut text = format!("{}:\n", escape::line(&table.caption));
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        text += format!("  {}", cells.collect::<Vec<_>>().join("  ")).trim_end();
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_below_each_other_and_so_do_their_further_lines() {
        let facts = Facts::from([
            ("short", "1\n2".to_owned()),
            ("a label of its own length", "3".to_owned()),
            ("left out", String::new()),
        ]);
        let expected = "short                      1\n                           2\na label of its own length  3\n";
        assert_eq!(write(&[facts.into()]), expected);
    }

    #[test]
    fn all_but_pictures_is_written_and_what_is_empty_has_no_heading() {
        let page = [
            Block::Answer("an answer".into()),
            Section::new("nothing", [Table::default().into()]).into(),
            Section::new(
                "a section",
                [
                    Block::List(vec!["an item".into()]),
                    Block::Code { what: "to paste".into(), text: "a\n b".into() },
                    Table::new("a table", ["of", "x"], [["1".into(), "\u{1b}".into()]]).into(),
                ],
            )
            .into(),
        ];
        let expected = "an answer\n\na section\n\n- an item\n\nto paste\na\n b\n\na table:\n  of  x\n  1   \\u{1b}\n";
        assert_eq!(write(&page), expected);
    }
}
