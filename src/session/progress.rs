//! What the user sees while a run works: a view below the lines that stay, plain lines in a pipe.

use std::collections::VecDeque;
use std::time::Duration;

use super::metrics::SessionMetrics;
use crate::clock;
use crate::terminal::{self, Row};
use crate::transfer::Stage;
use crate::trial::Snapshot;
use crate::units::{ByteSize, Rate, counted};
use crate::words;

/// Time between two markers, as GridFTP's performance markers (`markers` default of 5 s in
/// globus-url-copy; gridcf/gct).
const MARKER_EVERY: Duration = Duration::from_secs(5);

/// Time between two looks of the view: oftener is not read.
const VIEW_EVERY: Duration = Duration::from_millis(250);

/// From here on a wait that the endpoint asks for is told: a person begins to wonder.
pub(super) const WAIT_TOLD: Duration = Duration::from_secs(5);

/// The rate of the present is over so much of the past.
const PRESENT: Duration = Duration::from_secs(2);

/// Progress on standard error.
#[derive(Debug)]
pub struct Progress {
    quiet: bool,
    /// When the view was renewed last, in people's time: a simulation's passes too fast to be seen.
    viewed: Option<std::time::Instant>,
    /// The longest wait that was told.
    told_wait: Duration,
    next_marker: Duration,
    /// Bytes on the wire at the last marker.
    marked: (Duration, u64),
    /// The same at the looks of the present.
    lately: VecDeque<(Duration, u64)>,
    /// The same for Prometheus, whether it is asked for or not.
    metrics: SessionMetrics,
}

impl Progress {
    /// A view if standard error is a terminal; nothing at all if `quiet`.
    pub fn new(quiet: bool) -> Self {
        Self {
            quiet,
            viewed: None,
            told_wait: Duration::ZERO,
            next_marker: MARKER_EVERY,
            marked: <_>::default(),
            lately: VecDeque::new(),
            metrics: SessionMetrics::default(),
        }
    }

    /// The same, and these metrics are told as well.
    #[must_use]
    pub fn told_to(self, metrics: SessionMetrics) -> Self {
        Self { metrics, ..self }
    }

    /// A line that stays.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            terminal::say(text);
        }
    }

    /// A new trial: rates and markers count from here.
    pub fn trial_begins(&mut self) {
        let (viewed, told_wait) = (self.viewed, self.told_wait);
        let metrics = self.metrics.clone();
        *self = Self { viewed, told_wait, metrics, ..Self::new(self.quiet) };
    }

    /// What metrics are told.
    pub(super) fn metrics(&self) -> &SessionMetrics {
        &self.metrics
    }

    /// Renews the view: what is tried, how it goes, and what is left of how much.
    pub fn show(&mut self, what: &str, snapshot: &Snapshot, left: &str) {
        self.tell_wait(snapshot.asked_to_wait);
        if !self.is_time() {
            return;
        }
        let row = |label, text| Row { label, text };
        let mut rows = vec![
            row("trying", what.to_owned()),
            row("stage", stage(snapshot)),
            row("rate", self.rates(snapshot)),
            row("requests", times(snapshot)),
        ];
        if !left.is_empty() {
            rows.push(row("left", left.to_owned()));
        }
        terminal::show(&rows);
    }

    /// Says once that the endpoint asks for a long wait, and again for a longer one.
    fn tell_wait(&mut self, asked: Duration) {
        if asked >= WAIT_TOLD && asked > self.told_wait {
            self.told_wait = asked;
            self.note(&format!(
                "the endpoint asks to wait for {}: workers wait",
                words::to_the_second(asked)
            ));
        }
    }

    /// Sets a view of one row.
    pub fn say(&self, label: &'static str, text: String) {
        if !self.quiet {
            terminal::show(&[Row { label, text }]);
        }
    }

    /// A line that stays every five seconds of a task.
    pub fn marker(&mut self, snapshot: &Snapshot) {
        if snapshot.elapsed < self.next_marker {
            return;
        }
        self.next_marker += MARKER_EVERY;
        let files = match snapshot.files {
            Some(files) => format!("{} of {}", snapshot.files_done, counted(files, "file")),
            None => counted(snapshot.files_done, "file"),
        };
        self.note(&format!(
            "marker {:>6.1} s  {}  {files}  {} now  {} on average  {}",
            snapshot.elapsed.as_secs_f64(),
            ByteSize(snapshot.wire_bytes),
            rate(snapshot, self.marked),
            rate(snapshot, <_>::default()),
            counted(snapshot.failed_attempts, "failed attempt"),
        ));
        self.marked = (snapshot.elapsed, snapshot.wire_bytes);
    }

    /// Takes the view away.
    pub fn end(&self) {
        terminal::clear();
    }

    fn is_time(&mut self) -> bool {
        let now = clock::real();
        let is_new = self.viewed.is_none_or(|viewed| now.duration_since(viewed) >= VIEW_EVERY);
        let is_time = is_new && !self.quiet && terminal::is_living();
        if is_time {
            self.viewed = Some(now);
        }
        is_time
    }

    fn rates(&mut self, snapshot: &Snapshot) -> String {
        self.lately.push_back((snapshot.elapsed, snapshot.wire_bytes));
        let past = |(then, _): &(Duration, u64)| *then + PRESENT <= snapshot.elapsed;
        // One look from before the present, so that there is always something to compare with.
        while self.lately.get(1).is_some_and(past) {
            self.lately.pop_front();
        }
        let since = self.lately.front().filter(|_| self.lately.len() > 1);
        let (now, all) = (rate(snapshot, since.copied().unwrap_or_default()), <_>::default());
        format!("{now} now, {} since it began", rate(snapshot, all))
    }
}

/// Since the look before.
fn rate(snapshot: &Snapshot, (then, bytes): (Duration, u64)) -> Rate {
    let seconds = snapshot.elapsed.saturating_sub(then).as_secs_f64().max(1e-3);
    Rate(snapshot.wire_bytes.saturating_sub(bytes) as f64 / seconds)
}

fn stage(snapshot: &Snapshot) -> String {
    let stage = match snapshot.stage {
        Stage::WarmUp => "warming up",
        Stage::Measuring => "measuring",
        Stage::Finishing => "finishing what has begun",
        Stage::Draining => "draining",
        Stage::Over => "over",
    };
    let files = match snapshot.files {
        Some(files) => format!(", {} of {}", snapshot.files_done, counted(files, "file")),
        None => String::new(),
    };
    format!("{stage}, {} s{files}", snapshot.elapsed.as_secs())
}

fn times(snapshot: &Snapshot) -> String {
    let failed = match snapshot.failed_attempts {
        0 => String::new(),
        failed => format!(", {}", counted(failed, "failed attempt")),
    };
    let Some(times) = snapshot.times else { return format!("none measured yet{failed}") };
    let (p50, p99) = (time(times.p50_us), time(times.p99_us));
    format!("p50 {p50}, p99 {p99} of {} so far{failed}", times.samples)
}

/// Two digits or so: it is known no better.
fn time(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} us"),
        1_000..9_950 => format!("{:.1} ms", us as f64 / 1e3),
        9_950..995_000 => format!("{:.0} ms", us as f64 / 1e3),
        _ => format!("{:.1} s", us as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::TimesSoFar;

    fn snapshot(seconds: u64, wire_bytes: u64) -> Snapshot {
        Snapshot {
            elapsed: Duration::from_secs(seconds),
            stage: Stage::Measuring,
            wire_bytes,
            files_done: 1,
            files_failed: 0,
            files: None,
            bytes: None,
            times: Some(TimesSoFar { samples: 7, p50_us: 410_000, p99_us: 1_250_000 }),
            failed_attempts: 2,
            asked_to_wait: Duration::ZERO,
        }
    }

    #[test]
    fn the_rate_of_the_present_forgets_the_past() {
        let mut progress = Progress::new(false);
        progress.rates(&snapshot(10, 0));
        progress.rates(&snapshot(20, 100));
        progress.rates(&snapshot(21, 1_100));
        let said = progress.rates(&snapshot(22, 2_100));
        assert_eq!(said, format!("{} now, {} since it began", Rate(1000.0), Rate(2100.0 / 22.0)));
    }

    #[test]
    fn a_long_wait_is_told_once_and_a_longer_one_again() {
        let mut progress = Progress::new(true);
        let mut told = Vec::new();
        for seconds in [0, 4, 12, 12, 5, 290, 290] {
            let before = progress.told_wait;
            progress.tell_wait(Duration::from_secs(seconds));
            told.push(progress.told_wait > before);
            if seconds == 12 {
                progress.trial_begins();
            }
        }
        assert_eq!(told, [false, false, true, false, false, true, false]);
    }

    #[test]
    fn a_view_says_percentiles_and_failures() {
        assert_eq!(times(&snapshot(1, 1)), "p50 410 ms, p99 1.2 s of 7 so far, 2 failed attempts");
        let warming_up = Snapshot { times: None, failed_attempts: 0, ..snapshot(1, 1) };
        assert_eq!(times(&warming_up), "none measured yet");
    }
}
