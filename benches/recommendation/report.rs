//! The tables in Markdown, the figures as CSV.

use std::fmt::Write;

use tidegate::measure;
use tidegate::result::{LimitedBy, Settings};
use tidegate::units::{ByteSize, Rate};

use crate::check::Checked;
use crate::link::{Limit, Link};
use crate::{Error, Result};

const INTRODUCTION: &str = "\
`cargo bench --bench recommendation -- --save` wrote this page. Each link is a model (`scenarios/tuner`) in \
`tidegate serve`, met over HTTP on loopback by the release binary. `tidegate tune` searches parts of 5 and 16 \
MiB and 1 to 64 files in flight for 120 s at most; then every cell of a grid of these parts and 1, 2, 4, 8, 12, 16, \
24, 32, 48 and 64 files is measured once, in random order, and the one with the highest goodput is measured against \
the recommendation in pairs, in random order within each. The ratio is the geometric mean of recommended / \
best over the pairs, with Student's two-sided 95 % interval of their logarithms: that its lower end is 0.95 \
or more is the claim. Best and recommendation may be the same settings; then this is the noise.";

const LIMITS: &str = "\
## Limits

A limit is named if the trial says it (`limited_by`). On `throttled` all trials with more than 12 streams must \
say \"throttled\", and no other; on `unlimited` nothing is modelled and the files have 16 kB, so that the client's \
processor is the limit, and the recommendation must say so.";

pub fn report(checked: &[Checked], faults: &[(Link, Error)], load_before: &str) -> Result<String> {
    let host = measure::host();
    let mut text = format!(
        "# The recommendation over HTTP\n\n{INTRODUCTION}\n\n- {} cores, {}\n- load average before: {load_before}; after: {}\n\n",
        host.cores,
        host.os,
        load_average()?
    );
    text += "| link | recommended | verdict | trials | best of the grid | pairs | recommended / best | holds |\n|---|---|---|---|---|---|---|---|\n";
    for one in checked {
        let _ = writeln!(text, "| {} |", row(one).join(" | "));
    }
    let _ = writeln!(text, "\n{LIMITS}\n");
    text += "| link | trials | client's processors | throttled | errors |\n|---|---|---|---|---|\n";
    for one in checked {
        let _ = writeln!(text, "| {} |", limits(one).join(" | "));
    }
    let _ = writeln!(text, "\n## Why\n");
    for one in checked {
        let _ = writeln!(text, "- **{}**: {}", one.link.name, one.recommended.why);
    }
    for (link, error) in faults {
        // The last lines say why; those before are the trials.
        let said = error.to_string();
        let why = said.find("tidegate: ").map_or(said.as_str(), |at| &said[at..]);
        let _ = writeln!(text, "- **{}** has no row, no claim holds: {}", link.name, why.trim());
    }
    Ok(text)
}

/// The load of the last 1, 5 and 15 minutes.
pub fn load_average() -> Result<String> {
    let text = std::fs::read_to_string("/proc/loadavg")?;
    Ok(text.split(' ').take(3).collect::<Vec<_>>().join(" "))
}

fn row(one: &Checked) -> [String; 8] {
    let found = &one.recommended;
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "–".into());
    let rate = Rate(found.goodput_bytes_per_second);
    let best = one.best.map(|best| {
        let cell = one.grid.iter().find(|trial| trial.settings == best);
        let rate = cell.map_or(0.0, |trial| trial.goodput_bytes_per_second);
        format!("{}, {}", cell_name(best), Rate(rate))
    });
    let ratio = one.ratio().map(|ratio| {
        let interval = ratio.interval_95.map(|[low, high]| format!(" ({low:.3} to {high:.3})"));
        format!("{:.3}{}", ratio.mean, interval.unwrap_or_default())
    });
    let limited_by = found.limited_by.map(|by| format!(" by {}", word(by)));
    [
        one.link.name.into(),
        format!("{}, {rate}", cell_name(found.settings)),
        format!("{}{}", word(found.verdict), limited_by.unwrap_or_default()),
        one.tuned.trials.len().to_string(),
        or_dash(best),
        one.pairs.len().to_string(),
        or_dash(ratio),
        one.verdict().word().into(),
    ]
}

fn limits(one: &Checked) -> [String; 5] {
    let named = |limit| {
        let (all, named) = one.named(limit, |_| true);
        format!("{named} of {all}")
    };
    let throttled = match one.link.limit {
        Limit::Throttled { beyond } => {
            let (above, named) = one.named(LimitedBy::Throttled, |streams| streams > beyond);
            let (below, wrong) = one.named(LimitedBy::Throttled, |streams| streams <= beyond);
            format!("{named} of {above} with more than {beyond} streams, {wrong} of {below} others")
        }
        _ => named(LimitedBy::Throttled),
    };
    [
        one.link.name.into(),
        (one.tuned.trials.len() + one.grid.len()).to_string(),
        named(LimitedBy::ClientCpu),
        throttled,
        named(LimitedBy::Errors),
    ]
}

/// As the result document writes it.
fn word(value: impl serde::Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().replace('_', " ")
}

fn cell_name(settings: Settings) -> String {
    format!("{} x {}", ByteSize(settings.part_size_bytes), settings.concurrency)
}

pub fn cells_csv(checked: &[Checked]) -> String {
    let mut text =
        "link,part_size_bytes,concurrency,goodput_bytes_per_second,limited_by\n".to_owned();
    for one in checked {
        for trial in &one.grid {
            let Settings { part_size_bytes, concurrency, .. } = trial.settings;
            let (name, rate) = (one.link.name, trial.goodput_bytes_per_second);
            let by = serde_json::to_value(trial.limited_by).unwrap_or_default();
            let by = by.as_str().unwrap_or_default();
            let _ = writeln!(text, "{name},{part_size_bytes},{concurrency},{rate:.0},{by}");
        }
    }
    text
}

pub fn pairs_csv(checked: &[Checked]) -> String {
    let mut text = "link,pair,recommended_bytes_per_second,best_bytes_per_second\n".to_owned();
    for one in checked {
        for (pair, [recommended, best]) in (1..).zip(&one.pairs) {
            let _ = writeln!(text, "{},{pair},{recommended:.0},{best:.0}", one.link.name);
        }
    }
    text
}
