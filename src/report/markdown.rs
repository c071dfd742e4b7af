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
            Answer::Settings(found) => {
                self.heading(level, "Commands");
                for (name, command) in facts::commands(digest, found) {
                    self.paragraph(&format!("{name}:"));
                    self.code(&command);
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
        self.block(items.iter().map(|item| format!("- {}", escaped(item))));
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
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' => escaped.extend(['\\', character]),
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            plain => escaped.push(plain),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;
    use crate::result::Document;

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
}
