//! All that is printed. Nothing that strangers wrote gets past here unescaped ([`crate::escape`]).
//!
//! Standard error as people see it: lines that stay, and below them a view that is renewed in place.
//! There is one view, as there is one standard error: whoever writes a line that stays, Ctrl-C too, must
//! take the view away first. The cursor waits below the view, so that a process that is killed leaves
//! whole lines and the prompt below them. In a pipe there is no view and nothing but text.

#![expect(clippy::disallowed_methods, reason = "the one place that prints")]

use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use crate::escape;

/// Rows that a view leaves free at the least: some of what stays, and the cursor's own.
const ROWS_FREE: usize = 3;

/// Bytes of an answer: `yes` and the line's end are fewer.
const ANSWER_MAX: u64 = 16;

/// Of a label in a view.
const LABEL_WIDTH: usize = 9;

/// The terminal behind standard error; `None` in a pipe, and where lines cannot be renewed.
static TERMINAL: LazyLock<Option<Mutex<Terminal>>> = LazyLock::new(|| {
    let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    let living = io::stderr().is_terminal() && !dumb;
    // <https://no-color.org>: present and not empty.
    let coloured = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    living.then(|| Mutex::new(Terminal { coloured, shown: Vec::new() }))
});

/// A row of a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// What it is about.
    pub label: &'static str,
    /// What it says.
    pub text: String,
}

/// Whether views are shown.
pub fn is_living() -> bool {
    TERMINAL.is_some()
}

/// Writes a line that stays. When nobody reads it any more the work goes on.
pub fn say(text: &str) {
    let text = escape::text(text);
    write(|terminal, columns| terminal.said(&text, columns), &format!("{text}\n"));
}

/// Writes data to standard output. A reader that has gone away is not our fault.
pub fn print(text: &str) {
    let _ = writeln!(io::stdout(), "{}", escape::text(text));
}

/// Writes a JSON document to standard output.
pub fn print_json(json: &str) {
    let _ = writeln!(io::stdout(), "{}", escape::json(json));
}

/// Standard error for what a program logs.
#[derive(Debug)]
pub struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        io::stderr().write_all(escape::text(&text).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// Asks for a yes; `None` where nobody can answer.
pub fn asks(question: &str) -> Option<bool> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return None;
    }
    say(question);
    let _ = std::io::stderr().write_all(b"go on? [y/N] ");
    let mut answer = String::new();
    let read = std::io::stdin().lock().take(ANSWER_MAX).read_line(&mut answer);
    Some(read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Renews the view; nothing in a pipe.
pub fn show(rows: &[Row]) {
    let size = size();
    write(|terminal, _| terminal.renewed(rows, size), "");
}

/// Takes the view away.
pub fn clear() {
    write(Terminal::erased, "");
}

/// Writes what the terminal says, or without one the plain text, at once.
fn write(living: impl FnOnce(&mut Terminal, usize) -> String, plain: &str) {
    let mut terminal = TERMINAL.as_ref().map(lock);
    let text = match &mut terminal {
        Some(terminal) => living(terminal, size().columns),
        None => plain.to_owned(),
    };
    let _ = io::stderr().write_all(text.as_bytes());
}

fn lock(terminal: &Mutex<Terminal>) -> MutexGuard<'_, Terminal> {
    terminal.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Clone, Copy, Debug)]
struct Size {
    rows: usize,
    columns: usize,
}

/// Asked each time, because windows are resized.
fn size() -> Size {
    let usual = Size { rows: 24, columns: 80 };
    let size = rustix::termios::tcgetwinsize(io::stderr()).ok();
    size.filter(|size| size.ws_row > 0 && size.ws_col > 0).map_or(usual, |size| Size {
        rows: usize::from(size.ws_row),
        columns: usize::from(size.ws_col),
    })
}

/// What a terminal shows of us.
#[derive(Debug)]
struct Terminal {
    coloured: bool,
    /// Characters in each row of the view.
    shown: Vec<usize>,
}

impl Terminal {
    /// The sequence that takes the view away, with the `^C` that may stand where the cursor is.
    ///
    /// A narrower window has broken its rows into several, as most terminals do. (Those that cut them
    /// instead lose a line above.)
    fn erased(&mut self, columns: usize) -> String {
        let broken = |characters: usize| characters.div_ceil(columns).max(1);
        match std::mem::take(&mut self.shown).into_iter().map(broken).sum::<usize>() {
            0 => "\r\x1b[K".to_owned(),
            rows => format!("\r\x1b[{rows}A\x1b[J"),
        }
    }

    fn said(&mut self, text: &str, columns: usize) -> String {
        self.erased(columns) + text + "\n"
    }

    fn renewed(&mut self, rows: &[Row], size: Size) -> String {
        let mut text = self.erased(size.columns);
        for Row { label, text: what } in rows.iter().take(size.rows.saturating_sub(ROWS_FREE)) {
            // The last column stays free: some terminals break the line as soon as it is written.
            let row = format!("{label:<LABEL_WIDTH$} {}", escape::line(what));
            let row: Vec<char> = row.chars().take(size.columns.saturating_sub(1)).collect();
            let (label, what) = row.split_at(LABEL_WIDTH.min(row.len()));
            let (label, what) = (String::from_iter(label), String::from_iter(what));
            match self.coloured {
                true => text += &format!("\x1b[36m{label}\x1b[0m{what}\n"),
                false => text += &format!("{label}{what}\n"),
            }
            self.shown.push(row.len());
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A window that breaks long lines anew when it is resized, as most terminals do.
    struct Window {
        lines: Vec<String>,
        columns: usize,
    }

    impl Window {
        /// Of each row its line and the characters before it.
        fn rows(&self) -> Vec<(usize, usize)> {
            let of_line = |(index, line): (usize, &String)| {
                let rows = line.chars().count().div_ceil(self.columns).max(1);
                (0..rows).map(move |row| (index, row)).collect::<Vec<_>>()
            };
            let rows = self.lines.iter().enumerate().flat_map(of_line);
            rows.map(|(index, row)| (index, row * self.columns)).collect()
        }

        /// Understands what [`Terminal`] says, with the cursor always at the end.
        fn print(&mut self, text: &str) {
            let mut rest = text;
            while let Some(first) = rest.chars().next() {
                rest = &rest[first.len_utf8()..];
                match first {
                    '\r' => {}
                    '\n' => self.lines.push(String::new()),
                    '\x1b' => {
                        let end = rest.find(|c: char| c.is_ascii_alphabetic()).expect("a letter");
                        let (number, letter) = (&rest[1..end], &rest[end..=end]);
                        match letter {
                            "A" => self.up(number.parse().expect("a number")),
                            "K" => self.lines.last_mut().expect("a line").clear(),
                            "J" | "m" => {}
                            other => panic!("{other} is not known to windows"),
                        }
                        rest = &rest[end + 1..];
                    }
                    plain => self.lines.last_mut().expect("a line").push(plain),
                }
            }
        }

        /// Up, and away with all below: [`Terminal`] never says the one without the other.
        fn up(&mut self, count: usize) {
            let rows = self.rows();
            let (line, before) = rows[rows.len() - 1 - count];
            self.lines.truncate(line + 1);
            self.lines[line] = self.lines[line].chars().take(before).collect();
        }
    }

    fn rows(number: usize) -> Vec<Row> {
        let text = format!("{number} ").repeat(20);
        vec![Row { label: "trying", text: text.clone() }, Row { label: "rate", text }]
    }

    #[test]
    fn only_what_was_said_is_left_whatever_the_width_was_meanwhile() {
        for coloured in [true, false] {
            let mut window =
                Window { lines: vec!["$ tidegate".into(), String::new()], columns: 80 };
            let mut terminal = Terminal { coloured, shown: Vec::new() };
            for (number, columns) in [80, 40, 100, 20, 9, 60].into_iter().enumerate() {
                window.columns = columns;
                let size = Size { rows: 24, columns };
                window.print(&terminal.renewed(&rows(number), size));
                assert_eq!(window.lines.len(), 4 + number, "{:?}", window.lines);
                let widest = window.lines.iter().map(|line| line.chars().count()).max();
                assert!(widest < Some(columns.max(12)), "{:?}", window.lines);
                window.columns = columns / 2;
                window.print(&terminal.said(&format!("{number} done"), columns / 2));
            }
            window.columns = 60;
            window.print(&terminal.renewed(&rows(9), Size { rows: 24, columns: 60 }));
            window.print("^C");
            window.print(&terminal.said("stopping", 60));
            let expected = ["$ tidegate", "0 done", "1 done", "2 done", "3 done", "4 done"];
            assert_eq!(window.lines[..6], expected);
            assert_eq!(window.lines[6..], ["5 done", "stopping", ""]);
        }
    }

    #[test]
    fn a_low_window_shows_the_first_rows() {
        let mut terminal = Terminal { coloured: false, shown: Vec::new() };
        let view = terminal.renewed(&rows(1), Size { rows: ROWS_FREE + 1, columns: 80 });
        assert!(view.contains("trying") && !view.contains("rate"), "{view}");
    }

    #[test]
    fn without_colours_a_row_is_text_alone() {
        let mut terminal = Terminal { coloured: false, shown: Vec::new() };
        let view = terminal.renewed(&rows(1), Size { rows: 24, columns: 80 });
        assert!(!view.contains('m') && view.ends_with("1 1 \n"), "{view}");
    }
}
