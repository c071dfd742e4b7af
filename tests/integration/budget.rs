//! `tune` spends no more than it was allowed, says before what that is, and can leave a bucket as it is.

use std::fs;

use serde_json::Value;

use crate::support::SLOW_STREAMS;
use crate::support::requests::Request;
use crate::support::servers::Serve;
use crate::support::tidegate::Tidegate;

/// A short search over a slow link: a trial moves some 25 MB.
const SHORT: [&str; 12] = [
    "--files",
    "4",
    "--size",
    "200MB",
    "--part-sizes",
    "5MiB",
    "--warm-up",
    "300ms",
    "--window",
    "500ms",
    "--max-concurrency",
    "8",
];
const SLOW: [&str; 4] = ["--bucket", "bucket", "--shared-rate", "30MB/s"];

fn is_write(request: &Request) -> bool {
    !["GetBucketLocation", "ListObjectsV2", "GetObject", "HeadObject"]
        .contains(&request.operation.as_str())
}

/// Payload that reached the server for trials: the marker is housekeeping.
fn trial_bytes(requests: &[Request]) -> u64 {
    let payload = requests.iter().filter(|request| {
        ["PutObject", "UploadPart"].contains(&request.operation.as_str())
            && request.bytes_in > 10_000
    });
    payload.map(|request| request.bytes_in).sum()
}

#[test]
fn over_http_no_more_is_sent_than_allowed_and_nothing_is_left() {
    let serve = Serve::start(&[&SLOW[..], &["--retain", "discard"]].concat());
    let tidegate = Tidegate::at(&serve.endpoint());
    let limits = ["s3://bucket/p", "--budget", "10m", "--max-bytes", "600MB", "--soak", "5s"];
    let finished = tidegate.run("tune", &[&limits, &SHORT[..]].concat());
    // So little may not be enough for a recommendation.
    assert!([0, 1].contains(&finished.code), "{}", finished.stderr);
    let run = tidegate.runs().pop().unwrap().join("result.json");
    let document: Value = serde_json::from_str(&fs::read_to_string(run).unwrap()).unwrap();
    let spent = &document["spent"];
    assert_eq!(spent["used_up"], "bytes", "{spent}");
    let told = spent["bytes_up"].as_u64().unwrap();
    let listed = tidegate.run("run", &["s3://bucket/p", "--direction", "down"]);
    assert!(listed.stderr.contains("there are no objects"), "{}", listed.stderr);
    let requests = serve.stop();
    let sent = trial_bytes(&requests);
    assert!(sent <= told && told <= 600_000_000, "{sent} were sent, {told} are told");
    assert!(sent > 300_000_000, "it stopped long before its budget was used: {sent}");
}

#[test]
fn whatever_the_caps_they_are_kept_in_both_directions() {
    for (direction, cap) in [
        ("up", ["--max-cost", "0.70USD"]),
        ("down", ["--max-bytes", "100GB"]),
        ("both", ["--max-bytes", "200GB"]),
        ("both", ["--max-cost", "1.40USD"]),
    ] {
        let search = ["--simulate", "--direction", direction, "--max-concurrency", "16"];
        let search = [&search[..], &["--soak", "15s"]].concat();
        let document = Tidegate::embedded().json("tune", &[&search[..], &cap].concat());
        let spent = &document["spent"];
        let bytes = spent["bytes_up"].as_u64().unwrap() + spent["bytes_down"].as_u64().unwrap();
        let cost = spent["cost_usd"].as_f64().unwrap();
        // 7 USD for 1 TB, whichever way, as all of it is stored for 30 days.
        assert!((cost - 7.0 * bytes as f64 / 1e12).abs() < 1e-6, "{cost} for {bytes}");
        let (used, allowed) = match cap {
            ["--max-bytes", size] => (bytes as f64 / 1e9, size.trim_end_matches("GB")),
            [_, usd] => (cost, usd.trim_end_matches("USD")),
        };
        let allowed: f64 = allowed.parse().unwrap();
        assert!(used <= allowed && used > 0.3 * allowed, "{used} of {allowed}");
        assert_ne!(spent["used_up"], "time");
        assert!(document["recommendation"]["settings"].is_object());
        if direction == "both" {
            let up = spent["bytes_up"].as_u64().unwrap() as f64 / bytes as f64;
            assert!((0.3..0.7).contains(&up), "each has its half: {up} went up");
            assert_eq!(document["recommendations"].as_array().unwrap().len(), 2);
        }
    }
}

#[test]
fn a_cap_too_small_for_an_answer_is_named_with_what_is_known_and_nothing_is_recommended() {
    for cap in ["20GB", "25GB"] {
        // The way and the soak fit by what is announced, and a race does not.
        let search = ["--max-concurrency", "64", "--soak", "20s", "--max-bytes", cap];
        let link = ["--simulate", SLOW_STREAMS, "--expected-rate", "200MB/s"];
        let finished = Tidegate::embedded().run("tune", &[&search[..], &link].concat());
        assert_eq!(finished.code, 1, "{}", finished.stderr);
        for said in ["carry at least", "times what 2 carry", "give a larger --max-bytes"] {
            assert!(finished.stderr.contains(said), "{said}: {}", finished.stderr);
        }
        assert!(!finished.stdout.contains("globus-connect-server"), "{}", finished.stdout);
    }
}

#[test]
fn a_dry_run_says_what_would_be_spent_and_touches_nothing() {
    let serve = Serve::start(&SLOW);
    let tidegate = Tidegate::at(&serve.endpoint());
    let search = ["s3://bucket/p", "--dry-run", "--budget", "10m"];
    let unknown = tidegate.json("tune", &search);
    assert_eq!(unknown["bytes_up"], Value::Null, "nothing is known of the rate");
    assert_eq!(unknown["max_bytes"], 1_000_000_000_000_u64);
    assert_eq!(unknown["max_cost_usd"], 10.0);
    let known = [&search[..], &["--expected-rate", "100MB/s", "--max-bytes", "20GB"]].concat();
    let known = tidegate.json("tune", &known);
    let search = &known["searches"][0];
    assert_eq!(search["bound_by"], "bytes");
    assert!(search["smallest_difference"].as_f64().unwrap() > 0.0, "{known}");
    let bytes = known["bytes_up"].as_u64().unwrap();
    assert!((15_000_000_000..=20_000_000_000).contains(&bytes), "{bytes}");
    let cost = known["cost_usd"].as_f64().unwrap();
    assert!((cost - 7.0 * bytes as f64 / 1e12).abs() < 1e-3, "{cost} for {bytes}");
    for number in ["trials", "requests", "memory_bytes", "duration_s"] {
        assert!(known[number].as_f64().unwrap() > 0.0, "{number} in {known}");
    }
    assert!(tidegate.runs().is_empty());
    assert!(serve.stop().is_empty(), "a dry run of uploads asks nothing of the server");
}

#[test]
fn a_dry_run_of_both_directions_counts_both_and_the_preparation() {
    let tidegate = Tidegate::at("http://127.0.0.1:1");
    let estimate = |direction: &str, budget: &str| {
        let known = ["s3://bucket/p", "--dry-run", "--expected-rate", "100MB/s"];
        let search = ["--direction", direction, "--budget", budget];
        tidegate.json("tune", &[&known[..], &search].concat())
    };
    let (up, down, both) = (estimate("up", "5m"), estimate("down", "5m"), estimate("both", "10m"));
    let directions = both["searches"].as_array().unwrap().iter().map(|one| &one["direction"]);
    assert_eq!(directions.collect::<Vec<_>>(), ["up", "down"]);
    assert!(down["bytes_up"].as_u64().unwrap() > 1_900_000_000, "the objects are uploaded: {down}");
    for number in ["trials", "duration_s", "bytes_up", "bytes_down", "requests"] {
        let of = |estimate: &Value| estimate[number].as_f64().unwrap();
        assert_eq!(of(&both), of(&up) + of(&down), "{number}");
    }
    // Objects may be kept as long as the whole takes, which does not matter below 30 days.
    let cost = |estimate: &Value| estimate["cost_usd"].as_f64().unwrap();
    assert!((cost(&both) - cost(&up) - cost(&down)).abs() < 1e-9, "{both}");
}

#[test]
fn more_than_a_terabyte_needs_a_yes() {
    let tidegate = Tidegate::at("http://127.0.0.1:1");
    let much = ["s3://bucket/p", "--dry-run", "--expected-rate", "10GB/s"];
    let refused = tidegate.run("tune", &much);
    assert_eq!(refused.code, 2, "{}", refused.stdout);
    assert!(refused.stderr.contains("more than 1 TB or 10 USD needs --yes"), "{}", refused.stderr);
    assert_eq!(tidegate.run("tune", &[&much[..], &["--yes"]].concat()).code, 0);
    let capped = [&much[..], &["--max-bytes", "900GB", "--max-cost", "9USD", "--soak", "5s"]];
    let capped = capped.concat();
    assert_eq!(tidegate.run("tune", &capped).code, 0);
    let asked = ["s3://bucket/p", "--dry-run", "--max-cost", "11USD"];
    assert_eq!(tidegate.run("tune", &asked).code, 2);
}

#[test]
fn existing_objects_are_read_and_nothing_is_written() {
    let serve = Serve::start(&["--bucket", "bucket", "--shared-rate", "100MB/s"]);
    let tidegate = Tidegate::at(&serve.endpoint());
    let put = ["s3://bucket/data", "--keep", "--files", "8", "--size", "40MB"];
    assert_eq!(tidegate.run("run", &put).code, 0);
    let search =
        ["--direction", "down", "--budget", "10m", "--warm-up", "200ms", "--window", "500ms"];
    let objects = ["--objects", "s3://bucket/data/", "--max-concurrency", "4", "--soak", "5s"];
    let document = tidegate.json("tune", &[&objects[..], &search].concat());
    assert_eq!(document["spent"]["bytes_up"], 0);
    assert!(document["spent"]["bytes_down"].as_u64().unwrap() > 40_000_000);
    assert!(document["assumptions"].to_string().contains("unverifiable"));
    let requests = serve.stop();
    let began = requests.iter().position(|request| request.operation == "GetObject").unwrap();
    let last_write = requests.iter().rposition(is_write).unwrap();
    assert!(last_write < began, "{:?}", requests[last_write]);
}

#[test]
fn how_the_objects_are_stored_decides_how_fast_they_come() {
    let goodput = |part: &str| {
        let search = ["--direction", "down", "--stored-part-size", part];
        let link = ["--simulate", SLOW_STREAMS, "--budget", "20m"];
        let document = Tidegate::embedded().json("tune", &[&search[..], &link].concat());
        let bytes = document["scenario"]["stored_part_size_bytes"].as_u64().unwrap();
        assert_eq!(format!("{}MiB", bytes >> 20), part);
        document["trials"][0]["goodput_bytes_per_second"].as_f64().unwrap()
    };
    // A download fetches segment after segment, and each part has its own.
    let (small, large) = (goodput("5MiB"), goodput("64MiB"));
    assert!(large > 1.2 * small, "{large} and {small}");
}

#[test]
fn options_that_contradict_each_other_are_refused_in_a_sentence() {
    let tidegate = Tidegate::at("http://127.0.0.1:1");
    for (options, said) in [
        (&["--objects", "s3://b/p/"][..], "--objects is about objects that are downloaded"),
        (&["s3://b/p", "--stored-part-size", "64MiB"], "add --direction down"),
        (&["s3://b/p", "--max-cost", "five"], "is not an amount such as 5USD"),
        (&["s3://b/p", "--prices", "gold"], "name a file or one of: standard, advanced, legacy"),
        (&["s3://b/p", "--max-bytes", "1GB", "--expected-rate", "1GB/s"], "--max-bytes lasts for"),
        (
            &["s3://b/p", "--direction", "both", "--max-bytes", "3GB"],
            "the objects to download are 2.00 GB: more than half of --max-bytes",
        ),
        (&["s3://b/p", "--direction", "both", "--budget", "1m"], "half of the budget lasts for"),
        (
            &["s3://b/p", "--max-bytes", "1GB", "--max-concurrency", "64"],
            "64 requests of 64 MiB in flight are more than",
        ),
        (&["s3://b/p", "--soak", "2s"], "a soak of less than 5 seconds"),
        (&["s3://b/p", "--max-refused", "120%"], "write a share below one, such as 5%"),
        (
            &["s3://b/p", "--direction", "down", "--max-bytes", "1GB"],
            "the objects to download are 2.00 GB: more than --max-bytes",
        ),
    ] {
        let refused = tidegate.run("tune", options);
        assert_eq!(refused.code, 2, "{options:?}: {}", refused.stderr);
        assert!(refused.stderr.contains(said), "{options:?}: {}", refused.stderr);
    }
    assert!(tidegate.runs().is_empty());
}
