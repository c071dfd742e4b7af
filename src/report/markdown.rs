//! Markdown (GitHub's), to put into a wiki, a ticket or a repository.

use super::page::{Block, Facts, Page, Section};
use super::table::Table;
use crate::escape;

/// The whole page.
pub fn write(page: &Page) -> String {
    under_a_heading(&page.title, &page.blocks, 1)
}

/// Nothing where nothing is written below it.
fn under_a_heading(title: &str, blocks: &[Block], level: usize) -> String {
    let blocks: String = blocks.iter().map(|one| block(one, level + 1)).collect();
    match blocks.as_str() {
        "" => blocks,
        _ => paragraph(&format!("{} {}", "#".repeat(level), escaped(title))) + &blocks,
    }
}

fn block(block: &Block, level: usize) -> String {
    match block {
        Block::Caution(text) => paragraph(&format!("> {}", beginning(text))),
        Block::Answer(text) => paragraph(&format!("**{}**", escaped(text))),
        Block::Text(text) => paragraph(&beginning(text)),
        Block::Facts(all) => facts(all),
        Block::List(items) => lines(items.iter().map(|item| format!("- {}", beginning(item)))),
        Block::Code { what, text } => code(what, text),
        Block::Table(all) => table(all),
        Block::Figure(_) => String::new(),
        Block::Section(Section { title, blocks }) | Block::Article(Section { title, blocks }) => {
            under_a_heading(title, blocks, level)
        }
    }
}

fn paragraph(markdown: &str) -> String {
    format!("{markdown}\n\n")
}

fn lines(lines: impl Iterator<Item = String>) -> String {
    let lines: Vec<String> = lines.collect();
    if lines.is_empty() { String::new() } else { paragraph(&lines.join("\n")) }
}

fn facts(facts: &Facts) -> String {
    lines(facts.iter().map(|(name, value)| format!("- {}: {}", beginning(name), escaped(value))))
}

fn table(table: &Table) -> String {
    if table.rows.is_empty() {
        return String::new();
    }
    let row = |cells: Vec<String>| format!("| {} |", cells.join(" | "));
    let heading = table.columns.iter().map(|column| (*column).to_owned()).collect();
    let rule = vec!["---".to_owned(); table.columns.len()];
    let rows = table.rows.iter().map(|cells| cells.iter().map(|cell| escaped(cell)).collect());
    let caption = paragraph(&format!("{}:", beginning(&table.caption)));
    caption + &lines([heading, rule].into_iter().chain(rows).map(row))
}

/// A fence longer than any within.
fn code(what: &str, text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest.max(2) + 1);
    let fenced = format!("{fence}sh\n{}\n{fence}", escape::text(text));
    paragraph(&format!("{}:", beginning(what))) + &paragraph(&fenced)
}

/// Text that is only text: no markup of Markdown's or HTML's, on one line.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in escape::text(text).chars() {
        match character {
            '\n' => escaped.push(' '),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' => {
                escaped.extend(['\\', character])
            }
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            plain => escaped.push(plain),
        }
    }
    escaped
}

/// The same at the beginning of a block, where a dash, a number or spaces would be another list, a rule or code
/// (CommonMark 0.31, 4 and 5.2).
fn beginning(text: &str) -> String {
    let escaped = escaped(text.trim_start());
    let digits = escaped.bytes().take_while(u8::is_ascii_digit).count();
    let at = match escaped[digits..].chars().next() {
        Some('-' | '+' | '=') if digits == 0 => Some(0),
        Some('.' | ')') if digits > 0 => Some(digits),
        _ => None,
    };
    at.map_or(escaped.clone(), |at| format!("{}\\{}", &escaped[..at], &escaped[at..]))
}

#[cfg(test)]
mod tests {
    use super::super::{Report, samples};
    use super::*;
    use crate::result::Document;
    use proptest::prelude::*;

    fn report_of(documents: &[Document]) -> String {
        write(&samples::saved(documents).page())
    }

    #[test]
    fn tune_is_reported_in_markdown() {
        insta::assert_snapshot!(report_of(&[samples::tune()]));
    }

    #[test]
    fn a_run_with_failures_is_reported_in_markdown() {
        insta::assert_snapshot!(report_of(&[samples::run_with_failures()]));
    }

    #[test]
    fn several_runs_begin_with_their_answers_side_by_side() {
        let page = report_of(&[samples::tune(), samples::run_with_failures()]);
        assert!(page.starts_with("# 2 runs\n\nThe answers of all runs:\n\n| run |"), "{page}");
        assert_eq!(page.lines().filter(|line| line.starts_with("## ")).count(), 2);
    }

    #[test]
    fn every_row_of_a_table_has_as_many_cells_as_its_heading() {
        for (name, document) in samples::all() {
            let page = report_of(&[document]);
            let cells = |line: &str| line.replace("\\|", "").matches('|').count();
            let mut expected = None;
            for line in page.lines() {
                match line.starts_with('|') {
                    true => assert_eq!(*expected.get_or_insert(cells(line)), cells(line), "{name}"),
                    false => expected = None,
                }
            }
        }
    }

    #[test]
    fn what_users_name_is_no_markup() {
        let page = report_of(&[samples::hostile()]);
        assert!(!page.contains("<script") && !page.contains('\u{1b}'), "{page}");
    }

    /// What is outside of fences, as CommonMark has them (0.31, 4.5).
    fn outside_of_fences(page: &str) -> String {
        let mut outside = String::new();
        let mut fence: Option<usize> = None;
        for line in page.lines() {
            let ticks = line.trim_start().bytes().take_while(|byte| *byte == b'`').count();
            let is_bare = line.trim().len() == ticks;
            match fence {
                Some(open) if ticks >= open && is_bare => fence = None,
                Some(_) => {}
                None if ticks >= 3 => fence = Some(ticks),
                None => outside = outside + line + "\n",
            }
        }
        assert_eq!(fence, None, "a fence stays open");
        outside
    }

    proptest! {
        #[test]
        fn no_text_leaves_its_place(text in "(```|````|\n|\r|~~~|<b>|- |1. | |\u{9b}|x){0,12}") {
            let mut document = samples::tune();
            document.command.push(text.clone());
            document.assumptions = vec![text.clone()];
            document.target.bucket = text.clone();
            document.trials[0].warnings = vec![text.clone()];
            let found = document.recommendation.as_mut().expect("a search recommends");
            found.commands[0].program.clone_from(&text);
            found.commands[1].text = format!("x{text}");
            found.why = text;
            let page = report_of(&[document]);
            let steers = page.contains(['\r', '\u{9b}']);
            prop_assert!(!steers);
            let outside = outside_of_fences(&page);
            prop_assert!(!outside.contains("<b>") && !outside.contains("```"), "{outside}");
            let is_item = |line: &&str| line.starts_with("- ");
            for item in outside.lines().filter(is_item) {
                prop_assert!(!["- -", "- ~", "- 1. ", "-  "].iter().any(|bad| item.starts_with(bad)), "{item}");
            }
        }
    }

    #[test]
    fn a_command_with_line_ends_stays_on_its_line_and_can_be_pasted() {
        let mut document = samples::tune();
        document.command =
            ["tidegate", "tune", "--from", "a\n```\n<b>\u{1b}'"].map(str::to_owned).to_vec();
        let page = report_of(&[document]);
        assert!(page.contains(r"tidegate tune --from $'a\n```\n<b>\u001b\''"), "{page}");
    }
}
