//! Load shapes: round and round for a time, with movers asking or with arrivals of their own.

use serde_json::Value;

use crate::support::servers::Serve;
use crate::support::tidegate::Tidegate;

/// A second of files of 10 kB, with these arrivals. Each request takes a tenth of a second.
fn measured_for_a_second(options: &[&str]) -> Value {
    let serve = Serve::start(&["--round-trip", "100ms"]);
    let files = ["s3://bucket/p", "--size", "1MB", "--files", "100"];
    let time = ["--for", "1s", "--warm-up", "300ms"];
    let document =
        Tidegate::at(&serve.endpoint()).json("run", &[&files[..], &time, options].concat());
    document["trials"][0].clone()
}

#[test]
fn a_run_for_a_time_goes_round_and_round() {
    let trial = measured_for_a_second(&["--concurrency", "20"]);
    assert!(trial["objects"].as_u64().unwrap() > 100, "more than the dataset has: {trial}");
    assert!(trial["goodput_bytes_per_second"].as_f64().unwrap() > 0.0);
    assert_eq!((&trial["task"], trial.get("open_loop")), (&Value::Null, None));
}

#[test]
fn arrivals_faster_than_a_mover_leave_a_backlog_and_are_waited_for() {
    // One mover does at most ten a second.
    let trial = measured_for_a_second(&["--concurrency", "1", "--arrivals", "constant:50"]);
    assert_eq!(trial["open_loop"]["distances"], "constant");
    assert!(trial["open_loop"]["backlog_files"].as_u64().unwrap() >= 30, "{trial}");
    let p50_us = |what: &str| trial["objects_us"][what]["p50"].as_u64().unwrap();
    assert!(p50_us("begun") > 100_000, "they wait for longer than one takes: {trial}");
    assert!(p50_us("completed") > 200_000, "and then for that: {trial}");
}

#[test]
fn arrivals_slower_than_the_movers_leave_none() {
    let trial = measured_for_a_second(&["--concurrency", "20", "--arrivals", "poisson:20"]);
    assert_eq!(trial["open_loop"]["distances"], "poisson");
    assert_eq!(trial["open_loop"]["backlog_files"], 0, "{trial}");
}
