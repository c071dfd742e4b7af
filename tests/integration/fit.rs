//! `fit` as its users meet it: a link is measured, fitted, and asked for what was not measured.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tidegate::stats::sample_quantile;

use crate::support::schemas;
use crate::support::servers::text;
use crate::support::tidegate::Tidegate;

/// Links, each far from the preset that the fit is told to be like.
const LINKS: [(&str, &str); 2] = [
    (
        "slow streams",
        "round_trip = \"40ms\"\nconnection_rate = \"12MB/s\"\nshared_rate = \"400MB/s\"\npart_overhead = \"150ms\"\ncall_overhead = \"30ms\"",
    ),
    (
        "segments and nodes",
        "round_trip = \"20ms\"\nconnection_rate = \"60MB/s\"\nshared_rate = \"600MB/s\"\nsegment_overhead = \"60ms\"\npart_overhead = \"80ms\"\ncall_overhead = \"40ms\"\nnodes = { required = 29, optimal = 80, total = 110, latency = \"70ms\", spread = 0.5 }",
    ),
];

/// Concurrency, part size, files and bytes: none of them is among what `tune` measures.
const HELD_OUT: [[&str; 4]; 6] = [
    ["3", "16MiB", "60", "3GB"],
    ["6", "32MiB", "48", "12GB"],
    ["12", "64MiB", "96", "40GB"],
    ["24", "16MiB", "240", "24GB"],
    ["10", "64MiB", "1000", "1GB"],
    ["48", "32MiB", "192", "60GB"],
];

/// Measures a link by one `tune` and one run of small files, fits it, and gives the fit and the file of the fitted link.
fn fitted(tidegate: &Tidegate, link: &Path, directory: &Path) -> (Value, PathBuf) {
    tidegate.json("tune", &["--simulate", text(link), "--budget", "5m"]);
    let small = ["--dataset", "equal", "--files", "150", "--size", "30MB", "-c", "4"];
    tidegate.json("run", &[&["--simulate", text(link)], &small[..]].concat());
    let file = directory.join("fitted.toml");
    let runs = tidegate.runs();
    let runs = runs.iter().map(|run| text(run));
    let asked: Vec<&str> = runs.chain(["--save", text(&file), "--json"]).collect();
    let finished = tidegate.run_plain("fit", &asked);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    let fit: Value = serde_json::from_str(&finished.stdout).expect("nothing but JSON");
    schemas::hold(&fit);
    // The true link refuses nothing either.
    let link = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("limits = \"none\"\n{link}")).unwrap();
    (fit, file)
}

fn seconds(link: &Path, [concurrency, part_size, files, size]: [&str; 4]) -> f64 {
    let options = ["--dataset", "equal", "-c", concurrency, "--part-size", part_size];
    let more = ["--files", files, "--size", size, "--simulate", text(link)];
    let document = Tidegate::embedded().json("run", &[&options[..], &more[..]].concat());
    document["trials"][0]["task"]["duration_s"].as_f64().unwrap()
}

#[test]
fn a_link_that_one_search_measured_is_told_for_settings_that_it_did_not_try() {
    let directory = tempfile::tempdir().unwrap();
    let mut errors = Vec::new();
    for (name, model) in LINKS {
        let link = directory.path().join("link.toml");
        fs::write(&link, format!("limits = \"none\"\n{model}\n")).unwrap();
        let (fit, fitted) = fitted(&Tidegate::embedded(), &link, directory.path());
        println!("{name}\n{fit:#}\n{}", fs::read_to_string(&fitted).unwrap());
        for held_out in HELD_OUT {
            let [truth, told] = [&link, &fitted].map(|file| seconds(file, held_out));
            let error = 100.0 * (told / truth - 1.0);
            println!("{name}: {held_out:?}: {truth:.2} s, told {told:.2} s: {error:+.1} %");
            errors.push(error.abs());
        }
    }
    let [median, p95] = [0.5, 0.95].map(|share| sample_quantile(&mut errors, share));
    println!("median error {median:.1} %, p95 {p95:.1} %");
    assert!(median <= 3.0 && p95 <= 10.0, "median error {median:.1} %, p95 {p95:.1} %");
}

#[test]
fn a_link_that_no_model_is_like_is_useless_and_is_not_written() {
    let directory = tempfile::tempdir().unwrap();
    let [link, file] = ["link.toml", "fitted.toml"].map(|name| directory.path().join(name));
    let tidegate = Tidegate::embedded();
    // Three streams carry three hundred times as much as one.
    for (rate, concurrency) in [("4MB/s", "1"), ("400MB/s", "3")] {
        fs::write(&link, format!("limits = \"none\"\nconnection_rate = \"{rate}\"\n")).unwrap();
        let timed = ["--for", "20s", "--part-size", "16MiB", "-c", concurrency];
        tidegate.json("run", &[&["--simulate", text(&link)], &timed[..]].concat());
    }
    let runs = tidegate.runs();
    let runs = runs.iter().map(|run| text(run));
    let asked: Vec<&str> = runs.chain(["--save", text(&file)]).collect();
    let finished = tidegate.run_plain("fit", &asked);
    assert_eq!(finished.code, 1, "{}", finished.stdout);
    let first = finished.stdout.lines().next().unwrap_or_default();
    assert!(first.contains("NOT AT ALL"), "{}", finished.stdout);
    assert!(!file.exists());
}

#[test]
fn what_is_no_run_is_named_and_nothing_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("link.toml");
    let nothing = directory.path().join("no-such-run");
    let finished = Tidegate::embedded().run_plain("fit", &[text(&nothing), "--save", text(&file)]);
    assert_eq!(finished.code, 2, "{}", finished.stderr);
    assert!(finished.stderr.contains("no-such-run"), "{}", finished.stderr);
    assert!(!file.exists());
}
