//! A report as Markdown (GitHub's), to put into a wiki, a ticket or a repository.

use std::fmt::Write;

use super::digest::{Answer, Digest};
use super::facts::{self, Facts, Table};
use super::wording;
use crate::escape;

/// More files than this are left to the result document.
const FAILURES_SHOWN: usize = 20;

/// One report for all.
pub fn report(digests: &[Digest]) -> String {
    let mut page = Page::default();
    if let [one] = digests {
        page.heading(1, &facts::title(one));
        page.document(one, 2);
    } else {
        page.heading(1, &format!("{} runs", digests.len()));
        page.table(&facts::answers(digests));
        for digest in digests {
            page.heading(2, &format!("{}: {}", digest.document.id, facts::title(digest)));
            page.document(digest, 3);
        }
    }
    page.0
}

/// A page under way.
#[derive(Default)]
pub(super) struct Page(String);

impl Page {
    pub(super) fn into_string(self) -> String {
        self.0
    }

    /// Everything about one document, under headings of this level.
    fn document(&mut self, digest: &Digest, level: usize) {
        if let Some(caution) = wording::caution(digest.document.target.kind) {
            self.paragraph(&format!("> {caution}"));
        }
        self.paragraph(&format!("**{}**", escaped(&facts::headline(digest))));
        self.facts(&facts::answer(digest));
        match &digest.answer {
            Answer::Settings(_) => {
                self.heading(level, "Commands");
                for command in digest.document.commands() {
                    self.paragraph(&format!("For {}:", escaped(&wording::to_paste(command))));
                    self.code(&command.text);
                }
            }
            Answer::Task(_, task) => {
                if let Some((failures, unnamed)) = facts::failures(task, FAILURES_SHOWN) {
                    self.heading(level, "Failures");
                    self.table(&failures);
                    if unnamed > 0 {
                        self.paragraph(&format!("And {unnamed} more, see result.json."));
                    }
                }
            }
            Answer::Trials => {}
        }
        self.evidence(digest, level);
    }

    fn evidence(&mut self, digest: &Digest, level: usize) {
        let document = digest.document;
        if let Some(comparisons) = facts::comparisons(digest) {
            self.heading(level, "Comparison");
            self.table(&comparisons);
        }
        if let Some(trade) = facts::trade(digest) {
            self.table(&trade);
        }
        if let Some(shown) = digest.shown {
            self.heading(level, "Requests");
            self.table(&facts::requests(shown));
        }
        self.heading(level, "Limits and errors");
        self.table(&facts::limits(&document.trials));
        self.table(&facts::errors(digest));
        self.list(&facts::warnings(digest));
        self.heading(level, "Trials");
        self.table(&facts::trials(&document.trials));
        self.heading(level, "Method");
        self.paragraph(&facts::method(digest));
        self.paragraph("Windows were chosen by:");
        self.list(&facts::window_rules(&document.trials));
        self.table(&facts::scenario(digest));
        self.paragraph("Environment:");
        self.facts(&facts::environment(digest));
        self.paragraph("Assumptions:");
        self.list(&document.assumptions);
        self.paragraph("The command that was run:");
        self.code(&wording::command(document));
    }

    pub(super) fn heading(&mut self, level: usize, text: &str) {
        self.paragraph(&format!("{} {}", "#".repeat(level), escaped(text)));
    }

    fn paragraph(&mut self, markdown: &str) {
        let _ = writeln!(self.0, "{markdown}\n");
    }

    pub(super) fn facts(&mut self, facts: &Facts) {
        let items = facts.iter().map(|(name, value)| format!("- {name}: {}", escaped(value)));
        self.block(items);
    }

    pub(super) fn list(&mut self, items: &[String]) {
        self.block(items.iter().map(|item| format!("- {}", beginning(item))));
    }

    pub(super) fn table(&mut self, table: &Table) {
        if table.rows.is_empty() {
            return;
        }
        self.paragraph(&format!("{}:", escaped(&table.caption)));
        let row = |cells: Vec<String>| format!("| {} |", cells.join(" | "));
        let heading = table.columns.iter().map(|column| (*column).to_owned()).collect();
        let rule = vec!["---".to_owned(); table.columns.len()];
        let rows = table.rows.iter().map(|cells| cells.iter().map(|cell| escaped(cell)).collect());
        self.block([heading, rule].into_iter().chain(rows).map(row));
    }

    /// A fence longer than any within.
    fn code(&mut self, text: &str) {
        let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or_default();
        let fence = "`".repeat(longest.max(2) + 1);
        self.paragraph(&format!("{fence}sh\n{}\n{fence}", escape::text(text)));
    }

    fn block(&mut self, lines: impl Iterator<Item = String>) {
        let lines: Vec<String> = lines.collect();
        if !lines.is_empty() {
            self.paragraph(&lines.join("\n"));
        }
    }
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
    use super::super::samples;
    use super::*;
    use crate::result::Document;
    use proptest::prelude::*;

    fn report_of(documents: &[Document]) -> String {
        report(&documents.iter().map(Digest::of).collect::<Vec<_>>())
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
