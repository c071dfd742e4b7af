//! A terminal as a user sees it, and what is left of it in a pipe.

use std::fs::File;
use std::io::Read;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, sleep};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::support::tidegate::Tidegate;

const COLUMNS: usize = 80;

/// Of the rows of a view.
const LABELS: [&str; 5] = ["trying", "stage", "rate", "requests", "left"];

/// A search on the embedded gateway with its standard error on a terminal of 80 x 24.
struct Session {
    child: Child,
    received: Arc<Mutex<String>>,
    reader: JoinHandle<()>,
    _tidegate: Tidegate,
}

impl Session {
    fn start(variable: (&str, &str)) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let slave = File::options().read(true).write(true).open(name).unwrap();
        let columns = COLUMNS as u16;
        let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&slave, size).unwrap();
        let tidegate = Tidegate::embedded().with_variable(variable.0, variable.1);
        let short = ["--budget", "60s", "--warm-up", "300ms", "--window", "1s"];
        let child = tidegate.start_on(Stdio::from(slave), "tune", &short);
        let received = Arc::new(Mutex::new(String::new()));
        let into = Arc::clone(&received);
        let reader = std::thread::spawn(move || read(File::from(master), &into));
        Self { child, received, reader, _tidegate: tidegate }
    }

    /// Until the terminal was sent this.
    fn wait_for(&mut self, text: &str) {
        while !self.received.lock().unwrap().contains(text) {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "no {text}: {}", self.received.lock().unwrap());
            sleep(Duration::from_millis(20));
        }
    }

    /// Interrupts it; everything that the terminal was sent.
    fn interrupt(mut self) -> String {
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(130));
        self.reader.join().unwrap();
        std::mem::take(&mut *self.received.lock().unwrap())
    }
}

/// Until the last who could write is gone.
fn read(mut master: File, into: &Mutex<String>) {
    let mut buffer = [0; 4096];
    let mut unfinished = Vec::new();
    while let Ok(length @ 1..) = master.read(&mut buffer) {
        unfinished.extend(&buffer[..length]);
        let whole = match std::str::from_utf8(&unfinished) {
            Ok(text) => text.len(),
            Err(error) => error.valid_up_to(),
        };
        let rest = unfinished.split_off(whole);
        into.lock().unwrap().push_str(std::str::from_utf8(&unfinished).unwrap());
        unfinished = rest;
    }
}

/// What a terminal shows that was sent this.
fn shown(sent: &str) -> Vec<String> {
    let (mut rows, mut row) = (vec![String::new()], 0);
    let mut rest = sent;
    while let Some(first) = rest.chars().next() {
        rest = &rest[first.len_utf8()..];
        match first {
            '\r' => {}
            '\n' => {
                row += 1;
                rows.resize(rows.len().max(row + 1), String::new());
            }
            '\x1b' => {
                let end = rest.find(|c: char| c.is_ascii_alphabetic()).expect("a letter");
                let number: usize = rest[1..end].parse().unwrap_or_default();
                match &rest[end..=end] {
                    "A" => row -= number,
                    "J" => {
                        rows.truncate(row + 1);
                        rows[row].clear();
                    }
                    "K" => rows[row].clear(),
                    "m" => {}
                    other => panic!("{other} is not known to this terminal"),
                }
                rest = &rest[end + 1..];
            }
            plain => rows[row].push(plain),
        }
    }
    rows
}

#[test]
fn the_view_says_what_is_tried_and_ctrl_c_leaves_only_what_was_said() {
    let mut session = Session::start(("TERM", "xterm"));
    session.wait_for("trial   0  ");
    session.wait_for(" so far");
    let before = session.received.lock().unwrap().clone();
    let view = shown(&before[..before.rfind("\x1b[J").unwrap()]);
    let view: Vec<_> = view.iter().skip_while(|row| !row.starts_with("trying")).collect();
    assert!(view.len() >= LABELS.len(), "{view:#?}");
    for (row, label) in view.iter().zip(LABELS) {
        assert!(row.starts_with(label) && row.len() < COLUMNS, "{view:#?}");
    }
    assert!(before.contains("\x1b[36m"), "it has colours");

    let rows = shown(&session.interrupt());
    let is_of_a_view = |row: &&String| LABELS.iter().any(|label| row.starts_with(label));
    assert_eq!(rows.iter().find(is_of_a_view), None, "{rows:#?}");
    for said in ["trial   0  ", "tidegate: stopping and cleaning up"] {
        assert!(rows.iter().any(|row| row.starts_with(said)), "{rows:#?}");
    }
    assert_eq!(rows[rows.len() - 2..], ["tidegate: interrupted", ""]);
}

#[test]
fn no_color_is_honoured() {
    let mut session = Session::start(("NO_COLOR", "1"));
    session.wait_for("trying");
    let sent = session.interrupt();
    assert!(!sent.contains("\x1b[36m") && !sent.contains("\x1b[0m"), "{sent}");
}

#[test]
fn a_pipe_gets_plain_lines_and_quiet_says_nothing() {
    let tidegate = Tidegate::embedded();
    let simulated = ["--simulate", "--budget", "5m"];
    let finished = tidegate.run("tune", &simulated);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    assert!(!finished.stderr.contains(['\x1b', '\r']), "{}", finished.stderr);
    let trials = finished.stderr.lines().filter(|line| line.starts_with("trial ")).count();
    assert!(trials > 10 && !finished.stderr.contains("trying"), "{}", finished.stderr);
    let quiet = tidegate.run("tune", &[&simulated[..], &["--quiet"]].concat());
    assert_eq!((quiet.code, quiet.stderr.as_str()), (0, ""));
}
