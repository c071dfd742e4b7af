//! Draws the answer of a saved run as a terminal shows it: `cargo run --example terminal -- RUN` writes
//! `RUN/answer.svg`.

use std::path::PathBuf;

use tidegate::error::{Error, Result};
use tidegate::report;
use tidegate::result::Saved;

/// Characters in a line.
const COLUMNS: usize = 100;
/// What `report` leaves for the labels of its lines.
const LABELS: usize = 13;

const FONT_SIZE: usize = 14;
/// A little more than most fixed-width fonts take for a character of that size.
const ADVANCE: f64 = 8.6;
const LEADING: usize = 20;
const MARGIN: usize = 18;

/// Paper of its own, so that it is read on any page.
const STYLE: &str = "\
    rect{fill:#f6f8fa;stroke:#d0d7de}\
    text{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#1f2328}\
    .label{fill:#0550ae}\
    @media(prefers-color-scheme:dark){\
    rect{fill:#161b22;stroke:#30363d}text{fill:#e6edf3}.label{fill:#79c0ff}}";

fn main() -> Result<()> {
    let unnamed = || Error::environment("name a run: cargo run --example terminal -- RUN");
    let run = PathBuf::from(std::env::args_os().nth(1).ok_or_else(unnamed)?);
    let document = Saved::load(&run)?.document;
    let (_, arguments) = document.command.split_first().ok_or_else(unnamed)?;
    let words = arguments.iter().map(|word| report::shell_word(word));
    let command = format!("tidegate {}", words.collect::<Vec<_>>().join(" "));
    let svg = picture(&command, &report::summary(&document, None));
    let file = run.join("answer.svg");
    std::fs::write(&file, svg)
        .map_err(|error| Error::environment(format!("cannot write {}: {error}", file.display())))
}

/// The command after a prompt, and below it what the program said.
fn picture(command: &str, said: &str) -> String {
    let answers = said.lines().map(|line| line.split_at(LABELS.min(line.len())));
    let lines = std::iter::once(("$", command)).chain(answers);
    let mut texts = String::new();
    let mut row = 0;
    for (label, what) in lines {
        let indent = if label == "$" { 2 } else { LABELS };
        texts += &text(0, row, " class=\"label\"", label.trim());
        for part in wrapped(what, COLUMNS - indent) {
            texts += &text(indent, row, "", &part);
            row += 1;
        }
    }
    let width = (COLUMNS as f64 * ADVANCE) as usize + 2 * MARGIN;
    let height = row * LEADING + 2 * MARGIN;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" font-size=\"{FONT_SIZE}\">\n<style>{STYLE}</style>\n\
         <rect x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"6\"/>\n{texts}</svg>\n",
        width - 1,
        height - 1
    )
}

fn text(column: usize, row: usize, attributes: &str, content: &str) -> String {
    let x = MARGIN as f64 + column as f64 * ADVANCE;
    let y = MARGIN + row * LEADING + FONT_SIZE;
    let content = content.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    format!("<text x=\"{x:.1}\" y=\"{y}\"{attributes}>{content}</text>\n")
}

/// Lines of whole words.
fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is always one");
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= columns {
            *line += " ";
            *line += word;
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}
