//! Goodput against the number of DTNs: where another stops paying.

use super::super::digest::Digest;
use super::super::table::{Column, Table};
use super::{Chart, Guide, Highlight, Point, Series, axis};
use crate::result::{DtnStep, MoreDtns};
use crate::words;

/// Bytes in the unit of the y axis.
const GB: f64 = 1e9;

/// The best that each number of DTNs carried, beside what they would carry if they shared nothing.
pub fn chart(digest: &Digest) -> Chart {
    let title = "Goodput of several DTNs".to_owned();
    let Some(more) = &digest.document.more_dtns else {
        let caption = "No search was made with several numbers of DTNs.".into();
        return Chart { title, caption, ..Chart::default() };
    };
    let MoreDtns { dtns_that_pay, steps, .. } = more;
    let at = |step: &DtnStep| (f64::from(step.dtns), step.goodput_bytes_per_second / GB);
    let first = &steps[0];
    let share = first.goodput_bytes_per_second / f64::from(first.dtns) / GB;
    let most = steps.iter().map(|step| step.dtns).max().unwrap_or(1);
    let top = steps.iter().map(|step| step.interval_95[1] / GB).fold(0.0, f64::max);
    // What they would carry together ends where the picture does.
    let ends = f64::from(most).min(top / share.max(f64::MIN_POSITIVE));
    let point = |step: &DtnStep| Point {
        x: at(step).0,
        y: at(step).1,
        interval: Some(step.interval_95.map(|end| end / GB)),
        label: Some(step.settings.concurrency.to_string()),
    };
    let paying = steps.iter().rfind(|step| step.dtns <= *dtns_that_pay);
    Chart {
        title,
        caption: format!(
            "Goodput of all DTNs together at the settings that were best for so many, with its 95 % interval; beside each point the concurrency of a DTN. {}.",
            capitalised(&more.why)
        ),
        x: axis::categories("DTNs", (0..=most).map(|dtns| dtns.to_string())),
        y: axis::from_zero("GB/s".into(), top),
        guides: vec![Guide {
            name: "if they shared nothing".into(),
            line: vec![(0.0, 0.0), (ends, ends * share)],
        }],
        series: vec![Series {
            name: "measured".into(),
            line: steps.iter().map(point).collect(),
            ..Series::default()
        }],
        highlight: paying.map(|step| Highlight { name: "recommended".into(), at: at(step) }),
        numbers: numbers(steps),
        ..Chart::default()
    }
}

fn capitalised(sentence: &str) -> String {
    let mut letters = sentence.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn numbers(steps: &[DtnStep]) -> Table {
    let columns: [Column<&DtnStep>; 5] = [
        ("dtns", |step| step.dtns.to_string()),
        ("settings_of_each", |step| words::settings(step.settings)),
        ("goodput_bytes_per_second", |step| step.goodput_bytes_per_second.to_string()),
        ("interval_95_low", |step| step.interval_95[0].to_string()),
        ("interval_95_high", |step| step.interval_95[1].to_string()),
    ];
    Table::numbers(&columns, steps)
}
