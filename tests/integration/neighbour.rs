//! A run under caps leaves the rest to others.

use crate::support::servers::Serve;
use crate::support::tidegate::Tidegate;

const RATE: f64 = 10e6;

#[test]
fn the_wire_carries_no_more_than_it_may_either_way() {
    let serve = Serve::start(&["--bucket", "bucket"]);
    let tidegate = Tidegate::at(&serve.endpoint());
    for direction in ["up", "down"] {
        let options = ["--direction", direction, "--max-rate", "10MB/s", "--part-size", "5MiB"];
        let dataset = ["s3://bucket/p", "--size", "12MB", "--files", "4", "-c", "4"];
        let document = tidegate.json("run", &[&dataset[..], &options].concat());
        let trial = &document["trials"][0];
        let bytes = trial["bytes"].as_f64().unwrap();
        let seconds = trial["task"]["duration_s"].as_f64().unwrap();
        // A piece of each connection is ahead, and 20 ms may be made up for.
        let ahead = 4.0 * 65_536.0 + 0.02 * RATE;
        assert!((bytes - ahead) / seconds < 1.01 * RATE, "{direction}: {bytes} in {seconds} s");
        assert_eq!(document["scenario"]["max_rate_bytes_per_second"], RATE);
    }
}

#[test]
fn a_simulated_link_carries_what_is_allowed_and_the_verdict_says_so() {
    let cap = ["--simulate", "hosted-10g-near", "--max-rate", "100MB/s"];
    let load = ["--size", "200GB", "-c", "32", "--for", "120s"];
    let document = Tidegate::embedded().json("run", &[&cap[..], &load].concat());
    let trial = &document["trials"][0];
    let wire = trial["wire_bytes_per_second"].as_f64().unwrap();
    assert!((0.98e8..1.02e8).contains(&wire), "{wire}");
    assert_eq!(trial["limited_by"], "cap");
    assert_eq!(trial["evidence"], "--max-rate 100 MB/s limited the rate");
}

#[test]
fn requests_begin_no_more_often_than_they_may() {
    let serve = Serve::start(&["--bucket", "bucket"]);
    let upload = ["s3://bucket/p", "--size", "100kB", "--files", "20", "-c", "8"];
    let cap = ["--max-requests-per-second", "40"];
    Tidegate::at(&serve.endpoint()).json("run", &[&upload[..], &cap].concat());
    let mut starts: Vec<u64> = serve.stop().iter().map(|request| request.start_us).collect();
    starts.sort_unstable();
    // Those of the clean-up are held as well.
    assert!(starts.len() >= 25, "{} requests", starts.len());
    let least_us = (starts.len() - 1) as u64 * 25_000;
    let took_us = starts[starts.len() - 1] - starts[0];
    // The first may have taken longer to arrive than the last.
    assert!(took_us + 100_000 > least_us, "{} requests in {took_us} us", starts.len());

    let simulated = ["--simulate", "hosted-10g-near", "--dataset", "many-small", "--files", "500"];
    let cap = ["--max-requests-per-second", "10", "-c", "64"];
    let document = Tidegate::embedded().json("run", &[&simulated[..], &cap].concat());
    let trial = &document["trials"][0];
    let requests = trial["requests"].as_object().unwrap().values();
    let attempts: f64 = requests.map(|one| one["attempts"].as_f64().unwrap()).sum();
    let rate = attempts / trial["task"]["duration_s"].as_f64().unwrap();
    assert!((9.8..10.1).contains(&rate), "{rate} requests a second");
    assert_eq!(trial["limited_by"], "cap", "{}", trial["evidence"]);
}

#[test]
fn a_cap_that_starves_its_streams_is_refused() {
    let starving = ["s3://bucket/p", "--max-rate", "1MB/s", "-c", "100"];
    let refused = Tidegate::at("http://127.0.0.1:1").run("run", &starving);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(refused.stderr.contains("give 1.10 MB/s or more"), "{}", refused.stderr);
    for nonsense in ["0", "-1", "many", "inf"] {
        let option = format!("--max-requests-per-second={nonsense}");
        assert_eq!(Tidegate::embedded().run("run", &[&option]).code, 2, "{nonsense}");
    }
}
