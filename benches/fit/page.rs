//! What the bench writes.

use std::fmt::Write;

use super::{Found, HELD_OUT, Shown, Told};
use tidegate::fit::Parameter;

/// The page.
pub(crate) fn page(shown: &Shown, links: u64, direction: &str) -> String {
    let told: Vec<&Told> = shown.told.iter().collect();
    let [median, p95, worst] = [0.5, 0.95, 1.0].map(|share| error(&told, share));
    let mut page = format!(
        "# Fitted links\n\n\
         `cargo bench --bench fit -- --count {links} --save`: each link is measured by one `tidegate tune --direction {direction}` in simulated\n\
         time and fitted by `tidegate fit`; then `tidegate run` moves datasets with settings that were not measured over the\n\
         true link and over the fitted one. The links are those of [results/links](../links/README.md) without limits and\n\
         weather.\n\n\
         | datasets | median error | p95 | worst |\n|---|---|---|---|\n\
         | {} | {median:.1} % | {p95:.1} % | {worst:.1} % |\n\n\
         | files in flight | part size | dataset | median error | p95 | worst |\n|---|---|---|---|---|---|\n",
        told.len(),
    );
    for held_out in HELD_OUT {
        let of: Vec<&Told> = told.iter().filter(|one| one.held_out == held_out).copied().collect();
        let [median, p95, worst] = [0.5, 0.95, 1.0].map(|share| error(&of, share));
        let [concurrency, part_size, profile, files, size] = held_out;
        let _ = writeln!(
            page,
            "| {concurrency} | {part_size} | {profile}, {files} files of {size} | {median:.1} % | {p95:.1} % | {worst:.1} % |",
        );
    }
    page.push_str("\n| number | links of which it was told | median error | p95 | held by the 90 % interval |\n|---|---|---|---|---|\n");
    let mut all = Vec::new();
    for parameter in Parameter::ALL {
        let of = shown.found.iter().filter(|one| one.estimate.parameter == parameter);
        let measured: Vec<&Found> = of.filter(|one| one.is_held().is_some()).collect();
        if !measured.is_empty() {
            let _ = writeln!(page, "{}", row(parameter.name(), &measured));
            all.extend(measured);
        }
    }
    let _ = writeln!(page, "{}", row("all", &all));
    if !shown.faults.is_empty() {
        let _ = write!(page, "\nNot told:\n\n- {}\n", shown.faults.join("\n- "));
    }
    page
}

fn error(told: &[&Told], share: f64) -> f64 {
    let mut errors: Vec<f64> = told.iter().map(|one| 100.0 * one.error().abs()).collect();
    tidegate::stats::sample_quantile(&mut errors, share)
}

fn row(name: &str, found: &[&Found]) -> String {
    let off = |one: &&Found| match one.truth {
        0.0 => one.estimate.value,
        truth => (one.estimate.value / truth - 1.0).abs(),
    };
    let mut errors: Vec<f64> = found.iter().map(|one| 100.0 * off(one)).collect();
    let [median, p95] =
        [0.5, 0.95].map(|share| tidegate::stats::sample_quantile(&mut errors, share));
    let held = found.iter().filter(|one| one.is_held() == Some(true)).count();
    let share = 100.0 * held as f64 / found.len() as f64;
    format!("| {name} | {} | {median:.1} % | {p95:.1} % | {held} ({share:.0} %) |", found.len())
}

/// Every dataset.
pub(crate) fn held_out_csv(told: &[Told]) -> String {
    let mut csv = "link,concurrency,part_size,profile,files,size,took_s,told_s\n".to_owned();
    for Told { link, held_out, took_s, told_s } in told {
        let _ = writeln!(csv, "{link},{},{took_s},{told_s}", held_out.join(","));
    }
    csv
}

/// Every number.
pub(crate) fn parameters_csv(found: &[Found]) -> String {
    let mut csv = "link,parameter,truth,value,low_90,high_90\n".to_owned();
    for Found { link, truth, estimate } in found {
        let [low, high] = estimate
            .interval_90
            .map_or_else(|| [String::new(), String::new()], |ends| ends.map(|end| end.to_string()));
        let _ = writeln!(
            csv,
            "{link},{},{truth},{},{low},{high}",
            estimate.parameter.name(),
            estimate.value
        );
    }
    csv
}
