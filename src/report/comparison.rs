//! A comparison of two runs in a few lines.

use super::page::Facts;
use crate::compare::{Basis, Compared, Finding};
use crate::units::counted;
use crate::words;

/// What was compared, the ratio with its interval, and a sentence.
pub fn facts(compared: &Compared, threshold: f64) -> Facts {
    let Compared { settings, direction, ratio, interval_95, basis, .. } = *compared;
    let interval = match interval_95 {
        Some([low, high]) => format!("95 % interval {low:.3} to {high:.3}"),
        None => "no interval".into(),
    };
    let direction = words::direction(direction);
    Facts::from([
        ("compared", format!("{}, {direction}", words::settings(settings))),
        ("ratio B / A", format!("{ratio:.3} ({interval})")),
        ("basis", basis_in_words(basis)),
        ("finding", finding(compared, threshold)),
    ])
}

fn basis_in_words(basis: Basis) -> String {
    match basis {
        Basis::SameRun => "both are the same run".into(),
        Basis::PairedBlocks(blocks) => {
            format!("paired: {} of one session", counted(blocks, "block"))
        }
        Basis::PairedRuns(runs) => {
            format!("paired: {} of each, made in turns", counted(runs, "run"))
        }
        Basis::Unpaired([1, 1]) => "unpaired: two sessions, one after the other".into(),
        Basis::Unpaired([a, b]) => {
            format!("unpaired: {} of A and {b} of B, not in turns", counted(a, "session"))
        }
    }
}

fn finding(compared: &Compared, threshold: f64) -> String {
    let percent = |by: f64| words::percent(by.abs());
    let by = percent(compared.ratio - 1.0);
    match compared.finding {
        Finding::Regression if threshold > 0.0 => {
            format!("B is slower by {by}, and shown to be so by more than {}", percent(threshold))
        }
        Finding::Regression => format!("B is slower by {by}"),
        Finding::Slower => {
            format!("B is slower by {by}, not shown to be more than {}", percent(threshold))
        }
        Finding::NoDifference => "no difference is shown".into(),
        Finding::Faster => format!("B is faster by {by}"),
        Finding::NotJudged => format!(
            "not judged: B differs by {by} from A, and sessions may differ as much by themselves"
        ),
    }
}
