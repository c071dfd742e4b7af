//! Simulations whose answer is a formula: the simulator must be within 2 % of it.
//!
//! Each file of the dataset has `PARTS` parts of `S` bytes. A stream that is not held up by others
//! moves one in create + `PARTS` x part + complete, and create and complete take a round trip each.

use std::io::Write;

use serde_json::Value;
use tempfile::NamedTempFile;

use crate::support::tidegate::Tidegate;

const S: f64 = 67_108_864.0;
const PARTS: f64 = 100.0;

/// A trial of one minute in this scenario, with files of `PARTS` parts.
fn simulated(scenario: &str, streams: u32, more: &[&str]) -> Value {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(scenario.as_bytes()).unwrap();
    let (path, streams) = (file.path().to_str().unwrap(), streams.to_string());
    let arguments = ["--simulate", path, "--concurrency", &streams, "--for", "60s"];
    Tidegate::embedded().json("run", &[&arguments, more].concat())["trials"][0].clone()
}

/// One long file after the other: 100 parts of 64 MiB each.
const LONG_FILES: [&str; 4] = ["--files", "1", "--size", "6710886400"];

fn assert_within_2_percent(measured: &Value, formula: f64, of: &str) {
    let measured = measured.as_f64().unwrap();
    println!("{of}: {measured:.4e} simulated, {formula:.4e} by the formula");
    assert!((measured / formula - 1.0).abs() < 0.02, "{of}: {measured} for {formula}");
}

#[test]
fn latency_limited() {
    // Bytes take no time: a part is a round trip and the satellite's begin and commit.
    let scenario = "limits = \"none\"\nround_trip = \"100ms\"\npart_overhead = \"50ms\"";
    let part_s = 0.100 + 0.050;
    for streams in [1, 8] {
        let trial = simulated(scenario, streams, &LONG_FILES);
        let file_s = 2.0 * 0.100 + PARTS * part_s;
        let formula = f64::from(streams) * PARTS * S / file_s;
        assert_within_2_percent(&trial["goodput_bytes_per_second"], formula, "goodput");
        let p50 = &trial["requests"]["part"]["service_time_us"]["p50"];
        assert_within_2_percent(p50, 1e6 * part_s, "p50 of a part");
    }
}

#[test]
fn limited_by_each_connection() {
    let scenario = "limits = \"none\"\nround_trip = \"20ms\"\nconnection_rate = \"40MB/s\"";
    let part_s = 0.020 + S / 40e6;
    for streams in [1, 32] {
        let trial = simulated(scenario, streams, &LONG_FILES);
        let file_s = 2.0 * 0.020 + PARTS * part_s;
        let formula = f64::from(streams) * PARTS * S / file_s;
        assert_within_2_percent(&trial["goodput_bytes_per_second"], formula, "goodput");
        let p50 = &trial["requests"]["part"]["service_time_us"]["p50"];
        assert_within_2_percent(p50, 1e6 * part_s, "p50 of a part");
    }
}

#[test]
fn limited_by_the_link() {
    // 64 streams could carry 2.56 GB/s. Those that wait leave their share to the others.
    let scenario = "limits = \"none\"\nround_trip = \"20ms\"\nconnection_rate = \"40MB/s\"\nshared_rate = \"1GB/s\"";
    for direction in ["up", "down"] {
        let more = [&LONG_FILES[..], &["--direction", direction, "--get", "ranged"]].concat();
        let trial = simulated(scenario, 64, &more);
        assert_within_2_percent(&trial["goodput_bytes_per_second"], 1e9, direction);
    }
}

#[test]
fn limited_by_the_rate_of_requests() {
    // A GetObject of one segment is one call to the satellite, and a refused one takes no token. So
    // many movers ask again that no token is left lying: 100 objects of 10 kB a second.
    let scenario = "round_trip = \"1ms\"\nlimits = { retry_after = \"100ms\" }";
    let more = ["--files", "100", "--size", "1MB", "--direction", "down"];
    let trial = simulated(scenario, 64, &more);
    let (rate, object_bytes) = (100.0, 1e6 / 100.0);
    assert_within_2_percent(&trial["goodput_bytes_per_second"], rate * object_bytes, "goodput");
    assert_eq!(trial["limited_by"], "throttled");
}

#[test]
fn segments_of_one_get_come_one_after_the_other() {
    // 256 MiB stored in parts of 64 MiB: a round trip, the first call, then 4 times the nodes and 3
    // times a call, whatever the part size of the download is.
    let nodes = "{ required = 4, optimal = 8, total = 10, latency = \"80ms\", spread = 0.0 }";
    let scenario = format!(
        "limits = \"none\"\nround_trip = \"20ms\"\nconnection_rate = \"200MB/s\"\npart_overhead = \"60ms\"\nsegment_overhead = \"30ms\"\nnodes = {nodes}"
    );
    let get_s = 0.020 + 0.060 + 4.0 * 0.080 + 3.0 * 0.030 + 4.0 * S / 200e6;
    let more = ["--files", "1", "--size", "268435456", "--direction", "down"];
    let trial = simulated(&scenario, 1, &more);
    assert_within_2_percent(&trial["goodput_bytes_per_second"], 4.0 * S / get_s, "goodput");
    let p50 = &trial["requests"]["get"]["service_time_us"]["p50"];
    assert_within_2_percent(p50, 1e6 * get_s, "p50 of a GET");
}
