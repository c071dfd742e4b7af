//! What is said about several DTNs: what each did, and what more of them bring.

use super::digest::Digest;
use super::page::Facts;
use super::table::Table;
use crate::result::{Document, DtnShare, MoreDtns, Recommendation};
use crate::words;

/// How many DTNs pay, if that was searched.
pub fn that_pay(document: &Document) -> Facts {
    let said = document.more_dtns.as_ref().map(|more| {
        let MoreDtns { dtns_that_pay, end_seen, why, .. } = more;
        let pay = match (end_seen, dtns_that_pay) {
            (true, 1) => "1 pays".to_owned(),
            (true, _) => format!("{dtns_that_pay} pay"),
            (false, 2) => "both pay".to_owned(),
            (false, _) => format!("all {dtns_that_pay} pay"),
        };
        format!("{pay}: {why}")
    });
    Facts::from([("DTNs", said.unwrap_or_default())])
}

/// What each number of DTNs carried.
pub fn steps(document: &Document) -> Table {
    let Some(more) = &document.more_dtns else { return Table::default() };
    let verdict = |dtns: u32| {
        let is_of = |found: &&Recommendation| found.dtns.unwrap_or(1) == dtns;
        let found = document.recommendations.iter().find(is_of);
        found.map_or_else(String::new, |found| words::verdict(found.verdict).to_owned())
    };
    let rows = more.steps.iter().map(|step| {
        [
            step.dtns.to_string(),
            words::settings(step.settings),
            words::rate(step.goodput_bytes_per_second),
            words::rate_interval(step.interval_95),
            words::rate(step.goodput_bytes_per_second / f64::from(step.dtns)),
            verdict(step.dtns),
        ]
    });
    let columns =
        ["DTNs", "settings of each", "goodput of all", "95 % interval", "of each", "verdict"];
    Table::new("The best that so many DTNs carried together", columns, rows)
}

/// What each did in the trial that is shown.
pub fn shares(digest: &Digest) -> Table {
    let Some(shown) = digest.shown else { return Table::default() };
    let rows = shown.trial.dtns.iter().map(|dtn| {
        let or_dash = |value: Option<String>| value.unwrap_or_else(|| "-".into());
        [
            dtn.name.clone(),
            or_dash(dtn.host.clone()),
            words::rate(dtn.goodput_bytes_per_second),
            words::limited_by(dtn.limited_by).to_owned(),
            or_dash(dtn.client.cpu_seconds_per_gb.map(|seconds| format!("{seconds:.2}"))),
            or_dash(clock(dtn)),
            or_dash(dtn.began_after_s.map(words::milliseconds)),
            or_dash(dtn.overlap.map(words::whole_percent)),
        ]
    });
    let columns = [
        "DTN",
        "host",
        "goodput",
        "limited by",
        "CPU s per GB",
        "clock ahead of dtn1's",
        "began after the first",
        "in the window of all",
    ];
    Table::new(format!("What each DTN did in trial {}", shown.trial.id), columns, rows)
}

/// `0.1 ms (± 0.0 ms)`.
fn clock(dtn: &DtnShare) -> Option<String> {
    let (ahead, error) = dtn.clock_ahead_s.zip(dtn.clock_error_s)?;
    let sign = if ahead < 0.0 { "-" } else { "" };
    Some(format!("{sign}{} (± {})", words::milliseconds(ahead.abs()), words::milliseconds(error)))
}

/// How even they were: the least and the most of a share; empty of one.
pub fn evenness(digest: &Digest) -> String {
    let dtns = digest.shown.map_or(&[][..], |shown| &shown.trial.dtns);
    let goodputs = || dtns.iter().map(|dtn| dtn.goodput_bytes_per_second);
    let mean = goodputs().sum::<f64>() / dtns.len() as f64;
    if dtns.is_empty() || mean <= 0.0 {
        return String::new();
    }
    let [least, most] = [f64::min, f64::max].map(|of| goodputs().reduce(of).unwrap_or(mean));
    format!(
        "of {} DTNs the slowest carried {} and the fastest {} of an equal share",
        dtns.len(),
        words::whole_percent(least / mean),
        words::whole_percent(most / mean)
    )
}
