//! What the user sees while a run works: one living line on a terminal, plain lines in a pipe.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::transfer::Stage;
use crate::trial::Snapshot;
use crate::units::{ByteSize, Rate};

/// Time between two markers, as GridFTP's performance markers (`markers` default of 5 s in
/// globus-url-copy; gridcf/gct).
const MARKER_EVERY: Duration = Duration::from_secs(5);

/// Characters of the living line: with its spinner less than 80, so that the cursor stays in it and a
/// single erased line is all that an interrupt must clean up.
const LINE_MAX: usize = 76;

/// Progress on standard error.
#[derive(Debug)]
pub struct Progress {
    line: ProgressBar,
    quiet: bool,
    next_marker: Duration,
    last: Option<(Duration, u64)>,
}

impl Progress {
    /// A living line if standard error is a terminal; nothing at all if `quiet`.
    pub fn new(quiet: bool) -> Self {
        let living = std::io::stderr().is_terminal() && !quiet;
        let target = if living {
            ProgressDrawTarget::stderr_with_hz(5)
        } else {
            ProgressDrawTarget::hidden()
        };
        let line = ProgressBar::with_draw_target(None, target).with_style(
            ProgressStyle::with_template("{spinner} {msg}").expect("a constant template is valid"),
        );
        Self { line, quiet, next_marker: MARKER_EVERY, last: None }
    }

    /// A line that stays. When nobody reads it any more the work goes on.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            self.line.suspend(|| {
                let _ = writeln!(std::io::stderr(), "{text}");
            });
        }
    }

    /// A new trial: rates and markers count from here.
    pub fn trial_begins(&mut self) {
        self.next_marker = MARKER_EVERY;
        self.last = None;
    }

    /// Renews the living line.
    pub fn show(&mut self, what: &str, snapshot: &Snapshot, left: Option<Duration>) {
        let stage = match snapshot.stage {
            Stage::WarmUp => "warming up",
            Stage::Measuring => "measuring",
            Stage::Finishing => "finishing what has begun",
            Stage::Draining => "draining",
        };
        let rate = self.rate(snapshot);
        let left = left.map_or(String::new(), |left| format!(", {} s left", left.as_secs()));
        self.say(format!("{what}: {stage}, {rate}{left}"));
    }

    /// Sets the living line.
    pub fn say(&self, text: String) {
        self.line.set_message(text.chars().take(LINE_MAX).collect::<String>());
        self.line.tick();
    }

    /// A line that stays every five seconds of a task.
    pub fn marker(&mut self, snapshot: &Snapshot) {
        if snapshot.elapsed < self.next_marker {
            return;
        }
        self.next_marker += MARKER_EVERY;
        let files = match snapshot.files {
            Some(files) => format!("{} of {files} files", snapshot.files_done),
            None => format!("{} files", snapshot.files_done),
        };
        self.note(&format!(
            "marker {:>6.1} s  {}  {files}  {} now  {} on average  {} failed attempts",
            snapshot.elapsed.as_secs_f64(),
            ByteSize(snapshot.wire_bytes),
            self.rate(snapshot),
            Rate(snapshot.wire_bytes as f64 / snapshot.elapsed.as_secs_f64().max(1e-3)),
            snapshot.failed_attempts,
        ));
        self.last = Some((snapshot.elapsed, snapshot.wire_bytes));
    }

    /// Takes the living line away.
    pub fn end(&self) {
        self.line.finish_and_clear();
    }

    /// Since the last marker, or the start.
    fn rate(&self, snapshot: &Snapshot) -> Rate {
        let (then, bytes) = self.last.unwrap_or_default();
        let seconds = (snapshot.elapsed.saturating_sub(then)).as_secs_f64().max(1e-3);
        Rate(snapshot.wire_bytes.saturating_sub(bytes) as f64 / seconds)
    }
}
