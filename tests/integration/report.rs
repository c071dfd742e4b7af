//! Saved runs are reported, recomputed and compared from their files alone.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::tidegate::Tidegate;
use crate::support::tools;

/// A search in simulated time: seconds of processor, a real answer.
fn tuned(tidegate: &Tidegate) -> PathBuf {
    tidegate.json("tune", &["--simulate", "--budget", "5m"]);
    tidegate.runs().pop().unwrap()
}

/// What `jq` makes of the run's result.
fn jq(run: &std::path::Path, filter: &str) -> Option<Value> {
    let program = tools::find("jq")?;
    let output = Command::new(program).arg(filter).arg(run.join("result.json")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

fn assert_same(one: &Value, other: &Value) {
    let (one, other) = (one.as_f64().unwrap(), other.as_f64().unwrap());
    assert!((one / other - 1.0).abs() < 1e-9, "{one} is not {other}");
}

/// The words of a picture in their order.
fn words(svg: &str) -> String {
    let texts = svg.split("<text ").skip(1).map(|rest| {
        let text = rest.split_once('>').unwrap().1.split_once("</text>").unwrap().0;
        text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    });
    texts.collect::<Vec<_>>().join(" ")
}

#[test]
fn the_pictures_of_a_terminal_show_what_the_program_says() {
    for run in ["results/embedded-demonstration", "results/simulated-dtn-100g"] {
        let svg = std::fs::read_to_string(format!("{run}/answer.svg")).unwrap();
        assert!(svg.len() < 30_000, "{run}: {} bytes", svg.len());
        let shown = words(&svg);
        let (command, answer) = shown.split_at(shown.find(" recommended ").unwrap());
        assert!(command.starts_with("$ tidegate tune "), "{command}");
        let said = Tidegate::embedded().run_plain("report", &[run]).stdout;
        let said: Vec<_> = said.split_whitespace().collect();
        let shown: Vec<_> = answer.split_whitespace().collect();
        assert_eq!(shown, said, "run: cargo run --example terminal -- {run}");
    }
}

#[test]
fn every_point_estimate_of_the_answer_comes_out_again_by_jq_alone() {
    let tidegate = Tidegate::embedded();
    let run = tuned(&tidegate);
    let Some(answer) = jq(&run, ".recommendation") else { return };
    // What was measured at these settings, by its time: the soak, and the blocks if nothing was refused.
    let goodput = "def mean: map(log) | add / length | exp;
        def seconds: .window.end_s - .window.start_s;
        .recommendation as $found
        | [.trials[] | select(.direction == $found.direction and .settings == $found.settings)] as $mine
        | ($mine | map(select(.phase == \"soak\")) | last) as $soak
        | [$mine[] | select(.block != null and .phase != \"both_ways\")] | group_by(.block)
        | map({rate: (map(.goodput_bytes_per_second) | mean),
               first: (map(select(.phase != \"duplicate\")) | first)})
        | map({rate, s: (.first | seconds), refused: (.first.refused_in_window // 0)})
        | (if all(.refused == 0) then . else [] end)
          + [{rate: $soak.goodput_bytes_per_second, s: ($soak | seconds)}]
        | (map(.rate * .s) | add) / (map(.s) | add)";
    assert_same(&jq(&run, goodput).unwrap(), &answer["goodput_bytes_per_second"]);
    let ratios = "def mean: map(log) | add / length | exp;
        .recommendation as $found
        | [.trials[] | select(.block != null and .direction == $found.direction)] as $race
        | def of($settings; $phase): $race | map(select(.settings == $settings and
                (.phase == $phase or ($phase == \"confirmation\" and .phase == \"duplicate\"))))
            | group_by(.block)
            | map({key: (.[0].block | tostring), value: (map(.goodput_bytes_per_second) | mean)})
            | from_entries;
          .
        | [$found.compared_with[] | select(.phase != \"ramp\") | .phase as $phase | of(.settings; $phase) as $theirs
            | of($found.settings; $phase)
            | [to_entries[] | select($theirs[.key]) | .value / $theirs[.key]] | mean]";
    let ratios = jq(&run, ratios).unwrap();
    // What is out of the question was compared by a single trial on the way.
    let stated = answer["compared_with"].as_array().unwrap().iter();
    let stated: Vec<&Value> = stated.filter(|one| one["phase"] != "ramp").collect();
    assert_eq!(ratios.as_array().unwrap().len(), stated.len());
    assert!(!stated.is_empty());
    for (again, stated) in ratios.as_array().unwrap().iter().zip(&stated) {
        assert_same(again, &stated["ratio"]);
    }
}

#[test]
fn intervals_come_out_again_from_the_records_and_an_altered_result_does_not() {
    let tidegate = Tidegate::embedded();
    let run = tuned(&tidegate);
    let path = run.to_str().unwrap();
    let report = |arguments: &[&str]| tidegate.run_plain("report", &[&[path], arguments].concat());
    let again = report(&["--recompute"]);
    assert_eq!(again.code, 0, "{}{}", again.stdout, again.stderr);
    assert!(again.stdout.contains("figures and their intervals agree"), "{}", again.stdout);
    assert!(!again.stdout.contains("left out"), "{}", again.stdout);

    let result = run.join("result.json");
    let mut document: Value =
        serde_json::from_str(&std::fs::read_to_string(&result).unwrap()).unwrap();
    let stated = &mut document["trials"][0]["goodput_bytes_per_second"];
    *stated = (stated.as_f64().unwrap() * 1.01).into();
    std::fs::write(&result, document.to_string()).unwrap();
    let altered = report(&["--recompute"]);
    assert_eq!(altered.code, 1, "{}", altered.stdout);
    assert!(altered.stdout.contains("differs      goodput of trial 0"), "{}", altered.stdout);
}

#[test]
fn published_results_are_reported_and_recomputed_as_they_were() {
    let tidegate = Tidegate::embedded();
    for name in ["embedded-demonstration", "simulated-dtn-100g"] {
        let run = Path::new(env!("CARGO_MANIFEST_DIR")).join("results").join(name);
        let path = run.to_str().unwrap();
        let again = tidegate.run_plain("report", &[path, "--recompute"]);
        assert_eq!(again.code, 0, "{}{}", again.stdout, again.stderr);
        let reported = tidegate.run_plain("report", &[path, "--format", "md"]).stdout;
        let published = std::fs::read_to_string(run.join("report.md")).unwrap();
        // The words around it are of the version that published it.
        let [said, was] = [&reported, &published].map(|report| {
            let scenario = report.split("The scenario").nth(1).unwrap();
            scenario.split("Environment").next().unwrap()
        });
        assert_eq!(said, was, "{name}");
    }
}

#[test]
fn a_run_is_reported_in_every_format_and_does_not_differ_from_itself() {
    let tidegate = Tidegate::embedded();
    let run = tuned(&tidegate);
    let path = run.to_str().unwrap();
    for (format, said) in [
        ("text", "recommended"),
        ("md", "# 2 runs"),
        ("html", "<!DOCTYPE html>"),
        ("csv", "run,trial,phase"),
        ("json", "\"schema\": \"tidegate.result/4\""),
    ] {
        let report = tidegate.run_plain("report", &[path, path, "--format", format]);
        assert_eq!(report.code, 0, "{}", report.stderr);
        assert!(report.stdout.contains(said), "{format}: {}", report.stdout);
    }
    let compared = tidegate.run_plain("compare", &[path, path]);
    assert_eq!(compared.code, 0, "{}", compared.stderr);
    assert!(compared.stdout.contains("no difference is shown"), "{}", compared.stdout);
}

/// Below this a page can be sent by mail.
const PAGE_BYTES_MAX: u64 = 1_500_000;

/// Pages of a search, of a task in real time, and of both together.
fn pages(tidegate: &Tidegate) -> Vec<PathBuf> {
    tuned(tidegate);
    tidegate.json("run", &["--size", "20MB", "--files", "3"]);
    let runs = tidegate.runs();
    let together = runs[0].join("together.html");
    let [one, other] = [&runs[0], &runs[1]].map(|run| run.to_str().unwrap());
    let output = together.to_str().unwrap();
    let arguments = [one, other, "--format", "html", "--output", output];
    let report = tidegate.run_plain("report", &arguments);
    assert_eq!(report.code, 0, "{}", report.stderr);
    let pages = runs.iter().map(|run| run.join("report.html"));
    pages.chain([together]).collect()
}

#[test]
fn pages_pass_the_validator_of_the_w3c_and_are_small() {
    let tidegate = Tidegate::embedded();
    let pages = pages(&tidegate);
    for page in &pages {
        let bytes = page.metadata().unwrap().len();
        assert!(bytes < PAGE_BYTES_MAX, "{} has {bytes} bytes", page.display());
    }
    let Some(validator) = tools::find("vnu") else { return };
    let output = Command::new(validator).args(&pages).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
}

/// The page allows itself nothing but its own text and style: what else it asks for is a complaint.
#[test]
fn a_browser_shows_pages_without_a_request_or_a_complaint() {
    let tidegate = Tidegate::embedded();
    let Some(browser) = tools::find_if_there("chromium") else { return };
    for page in pages(&tidegate) {
        let profile = tempfile::tempdir().unwrap();
        let output = Command::new(&browser)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update"])
            .args(["--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .args(["--enable-logging=stderr", "--dump-dom"])
            .arg(format!("file://{}", page.display()))
            .output()
            .unwrap();
        let (shown, said) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(shown.contains("default-src 'none'") && shown.contains("</svg>"), "{said}");
        assert!(!said.contains("CONSOLE"), "{said}");
    }
}

#[test]
fn what_is_no_run_is_named_with_what_to_do() {
    let report = Tidegate::embedded().run_plain("report", &["/dev"]);
    assert_eq!(report.code, 2);
    assert!(report.stderr.contains("/dev is not a run") && report.stderr.contains("hint: "));
}
