//! Which part of a timed trial counts, by a stated rule, and what passed the sockets in it.

use std::ops::Range;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::measure::{BIN, Recorder};
use crate::result::{Direction, Window};
use crate::stats::{is_level, mean_interval_95, steady_from};
use crate::words;

/// Windows of fewer bins are not judged: the rule needs some batches of five to go by.
const BINS_JUDGED_MIN: usize = 50;

/// The beginning of a window is cut off if its mean is then another by this share (ASSUMPTION: half of what a
/// trend may be).
const CUT_FOR_CHANGE_OF: f64 = 0.05;

/// By which rule a part of the window is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Rule {
    /// What is steady by MSER-5.
    #[default]
    Steady,
    /// Its end, which was watched until it was stable for so long.
    Stable(Duration),
    /// All of it: it never was stable for so long.
    NeverStable(Duration),
    /// All of it: there was no time in which all movers were warm and busy.
    TooShort,
}

/// What a window holds.
#[derive(Debug)]
pub(super) struct Measurement {
    pub(super) window: Window,
    pub(super) goodput_bytes_per_second: f64,
    /// Within this trial; says nothing of how much another would differ.
    pub(super) goodput_interval_95: Option<[f64; 2]>,
    pub(super) wire_bytes_per_second: f64,
    bins: Range<usize>,
    seconds: f64,
}

/// What passed in one direction.
#[derive(Clone, Copy, Debug)]
pub(super) struct OneWayRates {
    pub(super) goodput_bytes_per_second: f64,
    pub(super) wire_bytes_per_second: f64,
}

impl Measurement {
    /// The same window, of one direction only.
    pub(super) fn one_way(&self, recorder: &Recorder, direction: Direction) -> OneWayRates {
        let (way, bins) = (recorder.one_way(direction), &self.bins);
        OneWayRates {
            goodput_bytes_per_second: rate(way.good_bytes(bins.start, bins.end), self.seconds),
            wire_bytes_per_second: rate(way.wire_bytes(bins.start, bins.end), self.seconds),
        }
    }

    /// The bins of the window.
    pub(super) fn bins(&self) -> Range<usize> {
        self.bins.clone()
    }

    /// What counts in the same window.
    pub(super) fn good_bytes(&self, recorder: &Recorder) -> u64 {
        recorder.good_bytes(self.bins.start, self.bins.end)
    }

    /// Share of the attempts that were told to slow down, of those that ended in the same window or so shortly before
    /// it that a wait of this length reached into it. Movers that sleep through a short window are not refused in
    /// it, and those that came too many at the beginning are refused but once: neither share is that of a long run.
    pub(super) fn refused_share(&self, recorder: &Recorder, wait: Duration) -> f64 {
        let from = self.bins.start.saturating_sub(bin(wait));
        recorder.refused_share(from, self.bins.end)
    }

    /// Attempts that ended in the same window, per second.
    pub(super) fn attempts_per_second(&self, recorder: &Recorder) -> f64 {
        rate(recorder.attempts_ended(self.bins.start, self.bins.end), self.seconds)
    }

    /// Bytes per second that were read back in the same window.
    pub(super) fn read_back(&self, recorder: &Recorder) -> f64 {
        rate(recorder.read_back().wire_bytes(self.bins.start, self.bins.end), self.seconds)
    }
}

/// The window from `opened` to `closed`, or what the rule leaves of it.
pub(super) fn measure(
    recorder: &Recorder,
    opened: Duration,
    closed: Duration,
    rule: Rule,
) -> Measurement {
    let bins = bin(opened)..bin(closed);
    let wire = per_second(recorder, &bins, Recorder::wire_bytes);
    let (cut, steady, rule) = judge(&wire, rule);
    let bins = bins.start + cut..bins.end;
    let good = per_second(recorder, &bins, Recorder::good_bytes);
    Measurement {
        window: Window {
            start_s: (BIN * bins.start as u32).as_secs_f64(),
            end_s: (BIN * bins.end as u32).as_secs_f64(),
            steady,
            rule,
        },
        goodput_bytes_per_second: mean(&good),
        goodput_interval_95: mean_interval_95(&good),
        wire_bytes_per_second: mean(&wire[cut..]),
        seconds: BIN.as_secs_f64() * bins.len() as f64,
        bins,
    }
}

/// A whole dataset, of whose files so many bytes arrived.
pub(super) fn whole_task(
    recorder: &Recorder,
    start: Duration,
    end: Duration,
    bytes_done: u64,
) -> Measurement {
    let seconds = (end - start).as_secs_f64();
    Measurement {
        window: Window {
            start_s: start.as_secs_f64(),
            end_s: end.as_secs_f64(),
            steady: None,
            rule: "the whole task".into(),
        },
        goodput_bytes_per_second: rate(bytes_done, seconds),
        goodput_interval_95: None,
        wire_bytes_per_second: rate(recorder.wire_bytes(0, usize::MAX), seconds),
        bins: 0..usize::MAX,
        seconds,
    }
}

/// How many bins to cut off, whether the rest is steady, and the rule that says so.
fn judge(wire: &[f64], rule: Rule) -> (usize, Option<bool>, String) {
    let stable = |stretch: Duration| {
        format!(
            "stable: means of a tenth of the last {} of wire bytes are within 10 % of their mean and their line rises or falls by at most 5 % of it (after fio's steadystate), after the warm-up and every worker's first request with data",
            words::as_set(stretch)
        )
    };
    match rule {
        Rule::Stable(stretch) => {
            (wire.len().saturating_sub(bin(stretch)), Some(true), stable(stretch))
        }
        Rule::NeverStable(stretch) => (0, Some(false), stable(stretch)),
        Rule::TooShort => {
            (0, None, "from the start until the first worker had nothing more to do".into())
        }
        Rule::Steady => {
            let (cut, steady, rule) = judge_steady(wire);
            (cut, steady, rule.into())
        }
    }
}

fn judge_steady(wire: &[f64]) -> (usize, Option<bool>, &'static str) {
    if wire.len() < BINS_JUDGED_MIN {
        let rule = "fixed: after the warm-up and every worker's first request with data; too short to judge whether it is steady";
        return (0, None, rule);
    }
    let rule = "all of it, or what MSER-5 leaves of the wire bytes of 100 ms bins if that changes their mean by more than 5 %; steady unless that rises or falls by more than 10 % (a trend at the 1 % level over ten batches)";
    let is_level = |cut: usize| is_level(&wire[cut..]).unwrap_or(true);
    // The calmest part is another one each time: without a reason nothing is cut.
    let matters = |cut: &usize| (mean(wire) / mean(&wire[*cut..]) - 1.0).abs() > CUT_FOR_CHANGE_OF;
    match steady_from(wire).filter(matters).filter(|cut| is_level(*cut)) {
        Some(cut) => (cut, Some(true), rule),
        None => (0, Some(is_level(0)), rule),
    }
}

fn rate(bytes: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { bytes as f64 / seconds } else { 0.0 }
}

/// Bytes per second in each bin.
fn per_second(
    recorder: &Recorder,
    bins: &Range<usize>,
    bytes: impl Fn(&Recorder, usize, usize) -> u64,
) -> Vec<f64> {
    let rate = |bin| bytes(recorder, bin, bin + 1) as f64 / BIN.as_secs_f64();
    bins.clone().map(rate).collect()
}

fn mean(values: &[f64]) -> f64 {
    match values.len() {
        0 => 0.0,
        count => values.iter().sum::<f64>() / count as f64,
    }
}

fn bin(at: Duration) -> usize {
    (at.as_nanos() / BIN.as_nanos()) as usize
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::{self, now, sleep};
    use crate::measure::{AttemptId, Live, Operation, Outcome, Probe};

    /// One attempt that passes `bytes(bin)` in each of so many bins.
    fn recorded(bins: u32, bytes: impl Fn(u32) -> u64) -> Recorder {
        clock::simulate(async {
            let mut recorder = Recorder::default();
            let probe = Probe::begin(&Arc::new(Live::default()), now());
            recorder.request_began(Operation::Part);
            sleep(BIN / 2).await;
            for bin in 0..bins {
                probe.payload_sent(bytes(bin));
                sleep(BIN).await;
            }
            let id = AttemptId {
                operation: Operation::Part,
                file: 0,
                part_number: None,
                number: 1,
                intended_start: None,
            };
            recorder.attempt_ended(id, &probe, Outcome::Ok, now(), true);
            recorder
        })
    }

    #[test]
    fn a_rise_within_the_window_is_not_measured() {
        let recorder = recorded(100, |bin| if bin < 30 { 0 } else { 1000 });
        let found = measure(&recorder, BIN * 10, BIN * 100, Rule::Steady);
        assert_eq!(found.window.steady, Some(true));
        assert_eq!((found.window.start_s, found.window.end_s), (3.0, 10.0));
        assert_eq!(found.goodput_bytes_per_second, 10_000.0);
        assert_eq!(found.goodput_interval_95, Some([10_000.0, 10_000.0]));
    }

    #[test]
    fn a_window_that_rises_to_its_end_is_called_not_steady_and_measured_whole() {
        let recorder = recorded(100, |bin| u64::from(bin) * 10);
        let found = measure(&recorder, BIN * 10, BIN * 100, Rule::Steady);
        assert_eq!(found.window.steady, Some(false));
        assert_eq!((found.window.start_s, found.window.end_s), (1.0, 10.0));
        assert_eq!(found.goodput_bytes_per_second, 5450.0);
    }

    #[test]
    fn of_a_window_that_became_stable_its_stable_end_is_measured() {
        let recorder = recorded(100, |bin| if bin < 60 { 10 } else { 1000 });
        let measured = |rule| measure(&recorder, BIN * 10, BIN * 100, rule);
        let found = measured(Rule::Stable(BIN * 30));
        assert_eq!((found.window.start_s, found.window.steady), (7.0, Some(true)));
        assert_eq!(found.goodput_bytes_per_second, 10_000.0);
        let found = measured(Rule::NeverStable(BIN * 30));
        assert_eq!((found.window.start_s, found.window.steady), (1.0, Some(false)));
    }

    #[test]
    fn each_direction_is_measured_in_the_same_window() {
        let recorder = recorded(100, |_| 1000);
        let found = measure(&recorder, BIN * 10, BIN * 100, Rule::Steady);
        let of = |way| found.one_way(&recorder, way);
        assert_eq!(of(Direction::Up).goodput_bytes_per_second, found.goodput_bytes_per_second);
        assert_eq!(of(Direction::Up).wire_bytes_per_second, 10_000.0);
        assert_eq!(of(Direction::Down).wire_bytes_per_second, 0.0);
    }

    #[test]
    fn a_short_window_is_not_judged() {
        let recorder = recorded(30, u64::from);
        let found = measure(&recorder, BIN * 10, BIN * 30, Rule::Steady);
        assert_eq!((found.window.steady, found.goodput_interval_95), (None, None));
        assert_eq!(found.goodput_bytes_per_second, 195.0);
    }
}
