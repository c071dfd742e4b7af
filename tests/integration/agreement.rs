//! The same scenario through the embedded gateway in real time and in simulated time.

use std::io::Write;

use serde_json::Value;
use tempfile::NamedTempFile;

use crate::support::tidegate::Tidegate;

const REPEATS: usize = 3;

/// A model and the load it is met with.
struct Case {
    name: &'static str,
    model: String,
    streams: u32,
    part_size: &'static str,
}

/// Goodput in bytes per second, and the median time of a part in microseconds.
#[derive(Clone, Copy, Debug)]
struct Seen {
    goodput: f64,
    part_p50_us: f64,
}

fn seen(case: &Case, clock: &str, time: &str) -> Seen {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(case.model.as_bytes()).unwrap();
    let (path, streams) = (file.path().to_str().unwrap(), case.streams.to_string());
    let arguments = [
        [clock, path],
        ["--concurrency", &streams],
        ["--part-size", case.part_size],
        // One long file after the other for each stream: no part is shorter than the others.
        ["--files", "1"],
        ["--size", "100GB"],
        ["--warm-up", "2s"],
        ["--for", time],
    ];
    let document = Tidegate::embedded().json("run", &arguments.concat());
    let trial = &document["trials"][0];
    let number = |value: &Value| value.as_f64().unwrap();
    Seen {
        goodput: number(&trial["goodput_bytes_per_second"]),
        part_p50_us: number(&trial["requests"]["part"]["service_time_us"]["p50"]),
    }
}

/// What loopback carries without a model.
fn loopback_mb_per_s() -> f64 {
    let model = "limits = \"none\"\n".to_owned();
    let free = Case { name: "loopback", model, streams: 4, part_size: "16MiB" };
    seen(&free, "--model", "5s").goodput / 1e6
}

/// A quarter of that, or what the environment says.
fn link_mb_per_s() -> f64 {
    if let Ok(link) = std::env::var("TIDEGATE_TEST_LINK_MB_PER_S") {
        return link.parse().expect("a number of megabytes per second");
    }
    let loopback = loopback_mb_per_s();
    let link = (0.25 * loopback).min(800.0);
    println!("loopback carries {loopback:.0} MB/s, the modelled link {link:.0} MB/s");
    link
}

/// Three models, none of which asks for more than a quarter of what loopback carries.
fn cases(link_mb_per_s: f64) -> [Case; 3] {
    let rate = |mb_per_s: f64| format!("\"{}kB/s\"", (1000.0 * mb_per_s).round());
    let stream = link_mb_per_s / 8.0;
    // Three tenths of the time of the bytes.
    let overhead_ms = (300.0 * 16.78 / stream).round();
    [
        Case {
            name: "limited by each connection",
            model: format!(
                "limits = \"none\"\nround_trip = \"20ms\"\nconnection_rate = {}",
                rate(stream)
            ),
            streams: 6,
            part_size: "16MiB",
        },
        Case {
            name: "limited by the link",
            model: format!(
                "limits = \"none\"\nround_trip = \"5ms\"\nconnection_rate = {}\nshared_rate = {}",
                rate(stream),
                rate(link_mb_per_s)
            ),
            streams: 16,
            part_size: "16MiB",
        },
        Case {
            name: "segments, nodes and calls",
            model: format!(
                "limits = \"none\"\nround_trip = \"10ms\"\nconnection_rate = {}\nshared_rate = {}\nsegment_size = \"4MiB\"\npart_overhead = \"{overhead_ms}ms\"\nsegment_overhead = \"40ms\"\nnodes = {{ required = 29, optimal = 80, total = 110, latency = \"50ms\", spread = 0.5 }}",
                rate(stream),
                rate(link_mb_per_s)
            ),
            streams: 8,
            part_size: "16MiB",
        },
    ]
}

#[test]
#[ignore = "needs both cores for itself for five minutes: cargo test --release --test integration agreement -- --ignored --nocapture"]
fn real_and_simulated_time_agree() {
    let link = link_mb_per_s();
    let mut wrong = Vec::new();
    for case in cases(link) {
        let simulated = seen(&case, "--simulate", "120s");
        for repeat in 1..=REPEATS {
            let real = seen(&case, "--model", "20s");
            let off = |of: fn(Seen) -> f64| 100.0 * (of(real) / of(simulated) - 1.0);
            let (goodput, part) = (off(|seen| seen.goodput), off(|seen| seen.part_p50_us));
            let line = format!(
                "{}, repeat {repeat}: real {:.1} MB/s and {:.0} ms, simulated {:.1} MB/s and {:.0} ms: {goodput:+.1} %, {part:+.1} %",
                case.name,
                real.goodput / 1e6,
                real.part_p50_us / 1e3,
                simulated.goodput / 1e6,
                simulated.part_p50_us / 1e3,
            );
            println!("{line}");
            if goodput.abs() > 5.0 || part.abs() > 10.0 {
                wrong.push(line);
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "goodput is off by more than 5 % or p50 by more than 10 %: {wrong:#?}"
    );
}
