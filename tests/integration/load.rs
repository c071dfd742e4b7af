//! Load shapes: round and round for a time, with movers asking or with arrivals of their own.

use serde_json::{Value, json};

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

#[test]
fn a_run_says_in_types_how_files_arrived_and_not_as_rust_would_print_it() {
    let load = ["--for", "10s", "--arrivals", "poisson:20"];
    let document = Tidegate::embedded().json("run", &[&["--simulate"][..], &load].concat());
    let scenario = &document["scenario"];
    assert_eq!(scenario["arrivals"], json!({ "kind": "poisson", "files_per_second": 20.0 }));
    assert_eq!((&scenario["verb"], &scenario["get"]), (&json!("run"), &json!("whole")));
    assert!(!document.to_string().contains("{ "), "{document}");
}

#[test]
fn a_run_of_so_many_objects_moves_exactly_these() {
    let serve = Serve::start(&["--round-trip", "10ms"]);
    let files = ["s3://bucket/p", "--size", "1MB", "--files", "10", "--concurrency", "4"];
    let load = ["--stop-after-objects", "123", "--warm-up", "100ms"];
    let document = Tidegate::at(&serve.endpoint()).json("run", &[&files[..], &load].concat());
    let trial = &document["trials"][0];
    assert_eq!((&trial["objects"], &trial["cut"]), (&123.into(), &0.into()), "{trial}");
    assert_eq!(trial["requests"]["put"]["count"], 123);
    assert_eq!(document["scenario"]["load"]["stop_after_objects"], 123);
}

#[test]
fn a_mixed_run_goes_both_ways_and_says_how_fast_each() {
    let serve = Serve::start(&["--round-trip", "10ms"]);
    let tidegate = Tidegate::at(&serve.endpoint());
    let files = ["s3://bucket/p", "--size", "10MB", "--files", "10", "--concurrency", "4"];
    let mixed = ["--direction", "mixed", "--mix", "3:1", "--warm-up", "100ms"];
    let load = ["--stop-after-objects", "80"];
    let document = tidegate.json("run", &[&files[..], &mixed, &load].concat());
    let trial = &document["trials"][0];
    assert_eq!(trial["direction"], "mixed");
    let [up, down] = ["up", "down"].map(|way| &trial["mixed"][way]);
    assert_eq!((&up["objects"], &down["objects"]), (&60.into(), &20.into()), "{trial}");
    let bytes = |value: &Value| value["bytes"].as_u64().unwrap();
    assert_eq!(bytes(up) + bytes(down), bytes(trial));
    assert!(bytes(up) > 0 && bytes(down) > 0);
    assert_eq!(
        (&trial["requests"]["put"]["count"], &trial["requests"]["get"]["count"]),
        (&60.into(), &20.into())
    );
    // All that was written is gone, but for what others may have.
    let left = serve.stop();
    assert!(left.iter().any(|request| request.operation == "DeleteObjects"));
}

#[test]
fn loads_that_contradict_themselves_are_refused_in_one_sentence() {
    let tidegate = Tidegate::embedded();
    let cases: [(&[&str], &str); 4] = [
        (&["--mix", "1:2"], "--mix is for mixed runs"),
        (&["--direction", "mixed", "--verify"], "a mixed run measures"),
        (&["--stop-when-stable=1s"], "less than 5 seconds"),
        (&["--stop-after-objects", "5", "--keep"], "again and again"),
    ];
    for (options, sentence) in cases {
        let finished = tidegate.run("run", options);
        assert_eq!(finished.code, 2, "{}", finished.stderr);
        assert!(finished.stderr.contains(sentence), "{}", finished.stderr);
    }
}
