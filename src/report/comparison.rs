//! A comparison of two runs in a few lines.

use super::page::Facts;
use crate::compare::{Basis, Compared, CpuCompared, Difference, Finding};
use crate::units::counted;
use crate::words;

/// What was compared, the ratio with its interval, and a sentence.
pub fn facts(compared: &Compared, threshold: f64) -> Facts {
    let Compared { settings, direction, ratio, interval_95, basis, .. } = *compared;
    let direction = words::direction(direction);
    let differs = compared.differs.iter().map(|Difference { name, first, second }| {
        format!("{name} is {first} in A and {second} in B")
    });
    Facts::from([
        ("compared", format!("{}, {direction}", words::settings(settings))),
        ("what differs", differs.collect::<Vec<_>>().join("; ")),
        ("ratio B / A", with_interval(ratio, interval_95)),
        ("CPU s/GB", compared.cpu.map(cpu_in_words).unwrap_or_default()),
        ("basis", basis_in_words(basis)),
        ("finding", finding(compared, threshold)),
    ])
}

fn with_interval(ratio: f64, interval_95: Option<[f64; 2]>) -> String {
    match interval_95 {
        Some([low, high]) => format!("{ratio:.3} (95 % interval {low:.3} to {high:.3})"),
        None => format!("{ratio:.3} (no interval)"),
    }
}

fn cpu_in_words(CpuCompared { seconds_per_gb: [a, b], ratio, interval_95 }: CpuCompared) -> String {
    format!("{a:.3} in A, {b:.3} in B; ratio B / A {}", with_interval(ratio, interval_95))
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
            "not judged: B differs from A by {by}, and sessions may differ that much anyway"
        ),
    }
}
