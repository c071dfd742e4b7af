//! The GridFTP leg between two DTNs: how many channels a process needs, from an iperf3 test.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::units::Rate;
use crate::words;

/// GCS's `normal`: parallelism 4 preferred, 8 at most (globus-cli, endpoint introspection).
const PARALLELISM_MAX: f64 = 8.0;

/// What is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Gridftp {
    /// An iperf3 test, if there was one.
    pub iperf3: Option<Iperf3>,
    /// TCP channels that one process needs; `None`: not known without a test.
    pub parallelism: Option<u32>,
}

/// An iperf3 test.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Iperf3 {
    /// What one stream received.
    pub stream_bytes_per_second: f64,
    /// Streams of the test, in one direction.
    pub streams: u32,
    /// Mean round trip that the sender saw; `None` where it does not say.
    pub round_trip_us: Option<u64>,
    /// What `-b` or `--fq-rate` let a stream send at most, if it was held.
    #[serde(default)]
    pub stream_cap_bytes_per_second: Option<f64>,
}

impl Iperf3 {
    /// Reads the output of `iperf3 --json` or `--json-stream`. Of a test in both directions at once (`--bidir`) that
    /// of the client counts.
    ///
    /// # Errors
    /// If it is none or not a single one, its test failed, or did not send TCP.
    pub fn read(text: &str) -> Result<Self> {
        let wrong = |why: &str| {
            Error::environment(format!("this is not the output of an iperf3 test: {why}"))
                .hint("make one with `iperf3 --client HOST --json`, between the two DTNs")
        };
        let test = one_test(text).map_err(|why| wrong(&why))?;
        if let Some(error) = test["error"].as_str() {
            return Err(wrong(&format!("it failed: {}", error.escape_debug())));
        }
        let (start, end) = (&test["start"]["test_start"], &test["end"]);
        let protocol = start["protocol"].as_str().unwrap_or("TCP");
        if protocol != "TCP" || end["streams"][0]["udp"].is_object() {
            return Err(wrong("it did not send TCP, as GridFTP's channels do: leave -u out"));
        }
        let bits = end["sum_received"]["bits_per_second"].as_f64().filter(|bits| *bits > 0.0);
        let bits = bits.ok_or_else(|| wrong("end.sum_received.bits_per_second is missing"))?;
        let streams = streams_of_one_direction(start, end);
        let round_trips = streams.iter().filter_map(|stream| stream["sender"]["mean_rtt"].as_u64());
        let round_trips: Vec<u64> = round_trips.filter(|us| *us > 0).collect();
        let number = start["num_streams"].as_u64().and_then(|number| u32::try_from(number).ok());
        let number = number.filter(|number| *number > 0).unwrap_or(streams.len().max(1) as u32);
        Ok(Self {
            stream_bytes_per_second: bits / 8.0 / f64::from(number),
            streams: number,
            round_trip_us: mean(&round_trips),
            stream_cap_bytes_per_second: stream_cap(&test),
        })
    }

    /// What the test does not show.
    pub fn warning(&self) -> Option<String> {
        let cap = self.stream_cap_bytes_per_second?;
        Some(format!(
            "the streams of the iperf3 test were held to {} each (-b or --fq-rate): one may carry more, and then \
             less parallelism is needed",
            Rate(cap)
        ))
    }
}

/// `None` without numbers. Whatever a file says, their sum is at hand.
fn mean(numbers: &[u64]) -> Option<u64> {
    let sum: u128 = numbers.iter().map(|number| u128::from(*number)).sum();
    sum.checked_div(numbers.len() as u128).and_then(|mean| u64::try_from(mean).ok())
}

/// A file's only test. What `--json-stream` prints line by line is put together.
fn one_test(text: &str) -> Result<Value, String> {
    let documents = serde_json::Deserializer::from_str(text.trim_start_matches('\u{feff}'));
    let documents: Result<Vec<Value>, _> = documents.into_iter().collect();
    let mut documents = documents.map_err(|error| error.to_string())?;
    let of = |event: &str| -> Vec<&Value> {
        let of_event = documents.iter().filter(|line| line["event"] == event);
        of_event.map(|line| &line["data"]).collect()
    };
    let tests = match of("start").len() {
        0 => documents.len(),
        starts => starts,
    };
    match (tests, of("start").first(), of("end").first()) {
        (0, ..) => Err("it is empty".into()),
        (1, Some(start), end) => {
            Ok(json!({ "start": start, "end": end, "error": of("error").first() }))
        }
        (1, None, _) => Ok(documents.remove(0)),
        (tests, ..) => Err(format!("it holds {tests} tests, and has to hold one")),
    }
}

/// Those that the client sent, where both sides did.
fn streams_of_one_direction<'a>(start: &Value, end: &'a Value) -> Vec<&'a Value> {
    let both = start["bidir"].as_u64().is_some_and(|bidir| bidir > 0)
        || end["sum_received_bidir_reverse"].is_object();
    let streams = end["streams"].as_array().into_iter().flatten();
    streams.filter(|stream| !both || stream["sender"]["sender"].as_bool() != Some(false)).collect()
}

/// Zero is no cap. Versions differ in where they say it.
fn stream_cap(test: &Value) -> Option<f64> {
    let start = &test["start"];
    let all = ["target_bitrate", "fqrate", "fq_rate"]
        .into_iter()
        .flat_map(|name| [&start["test_start"][name], &start[name]]);
    let caps = all.filter_map(Value::as_f64).filter(|bits| *bits > 0.0).map(|bits| bits / 8.0);
    caps.min_by(f64::total_cmp)
}

impl Gridftp {
    /// For processes of which each has to carry so much.
    pub fn of(iperf3: Option<Iperf3>, process_bytes_per_second: f64) -> Self {
        let channels = |test: Iperf3| {
            let needed = process_bytes_per_second / test.stream_bytes_per_second;
            needed.ceil().clamp(1.0, PARALLELISM_MAX) as u32
        };
        Self { iperf3, parallelism: iperf3.map(channels) }
    }

    /// In a sentence.
    pub fn sentence(&self) -> String {
        let (Some(test), Some(parallelism)) = (self.iperf3, self.parallelism) else {
            return "not known: parallelism shapes only the leg between the DTNs; test it with `iperf3 --json` and give --iperf3 FILE".into();
        };
        let round_trip = test.round_trip_us.map_or(String::new(), |us| {
            format!(", round trip {}", words::milliseconds(us as f64 / 1e6))
        });
        let (bound, held) = match test.stream_cap_bytes_per_second {
            Some(_) => (" at most", ", held by the test"),
            None => ("", ""),
        };
        format!(
            "parallelism {parallelism}{bound}: one stream carries {}{held}{round_trip}; it shapes only the leg between the DTNs",
            Rate(test.stream_bytes_per_second)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEST: &str = r#"{"start":{"test_start":{"num_streams":2}},"end":{
        "streams":[{"sender":{"mean_rtt":42000}},{"sender":{"mean_rtt":44000}}],
        "sum_sent":{"bits_per_second":4.1e9},"sum_received":{"bits_per_second":4.0e9}}}"#;

    #[test]
    fn a_test_tells_the_rate_of_a_stream_and_the_round_trip() {
        let test = Iperf3::read(TEST).unwrap();
        assert_eq!((test.stream_bytes_per_second, test.streams), (250e6, 2));
        assert_eq!(test.round_trip_us, Some(43_000));
        assert_eq!(Gridftp::of(Some(test), 600e6).parallelism, Some(3));
        assert_eq!(Gridftp::of(Some(test), 6e12).parallelism, Some(8));
    }

    #[test]
    fn round_trips_beyond_any_clock_have_a_mean() {
        let text = TEST.replace("42000", &u64::MAX.to_string());
        let mean = Iperf3::read(&text).unwrap().round_trip_us;
        assert_eq!(mean, Some((u64::MAX - 44_000) / 2 + 44_000));
    }

    fn stream(sender: bool) -> Value {
        json!({ "sender": { "mean_rtt": 1000, "sender": sender }, "receiver": { "sender": sender } })
    }

    /// What eight streams print of which four go each way.
    fn both_ways(test_start: &Value) -> String {
        let streams: Vec<Value> = [true, false].repeat(4).into_iter().map(stream).collect();
        let sum = json!({ "bits_per_second": 8e9 });
        json!({
            "start": { "test_start": test_start },
            "end": { "streams": streams, "sum_received": sum, "sum_received_bidir_reverse": sum },
        })
        .to_string()
    }

    #[test]
    fn of_a_test_in_both_directions_the_streams_of_one_count() {
        for start in [json!({ "num_streams": 4, "bidir": 1 }), json!({})] {
            let test = Iperf3::read(&both_ways(&start)).unwrap();
            assert_eq!((test.stream_bytes_per_second, test.streams), (250e6, 4));
            assert_eq!(Gridftp::of(Some(test), 1e9).parallelism, Some(4));
        }
    }

    #[test]
    fn a_test_of_udp_is_refused() {
        let by_name = TEST.replace("\"num_streams\"", "\"protocol\":\"UDP\",\"num_streams\"");
        let by_streams = TEST.replace("{\"sender\"", "{\"udp\":{},\"sender\"");
        for test in [by_name, by_streams] {
            let error = Iperf3::read(&test).unwrap_err().to_string();
            assert!(error.contains("-u"), "{error}");
        }
    }

    #[test]
    fn a_test_whose_rate_was_capped_is_warned_of() {
        assert_eq!(Iperf3::read(TEST).unwrap().warning(), None);
        for (at, cap) in [("{\"num_streams\"", "target_bitrate"), ("{\"test_start\"", "fq_rate")] {
            let key = at.trim_start_matches('{');
            let capped = TEST.replace(at, &format!("{{\"{cap}\":2000000000,{key}"));
            let test = Iperf3::read(&capped).unwrap();
            assert!(test.warning().unwrap().contains("250 MB/s"), "{capped}");
            assert!(Gridftp::of(Some(test), 1e9).sentence().contains("4 at most"));
        }
    }

    #[test]
    fn a_byte_order_mark_and_a_test_that_is_told_line_by_line_are_read() {
        let test = Iperf3::read(TEST).unwrap();
        assert_eq!(Iperf3::read(&format!("\u{feff}{TEST}")).unwrap(), test);
        let whole: Value = serde_json::from_str(TEST).unwrap();
        let line = |event: &str| json!({ "event": event, "data": whole[event] }).to_string();
        let lines = [line("start"), line("interval"), line("end")].join("\n");
        assert_eq!(Iperf3::read(&lines).unwrap(), test);
    }

    #[test]
    fn several_tests_in_one_file_are_told_by_their_number() {
        let error = Iperf3::read(&[TEST, TEST, TEST].join("\n")).unwrap_err().to_string();
        assert!(error.contains("3 tests"), "{error}");
    }

    #[test]
    fn without_a_test_it_is_said_that_nothing_is_known() {
        assert!(Gridftp::of(None, 1e9).sentence().starts_with("not known"));
    }

    #[test]
    fn what_is_no_test_is_refused_in_a_sentence() {
        for bad in ["", "{}", "[]", r#"{"error":"unable to connect"}"#] {
            let error = Iperf3::read(bad).unwrap_err().to_string();
            assert!(
                error.contains("not the output of an iperf3 test") && error.contains("hint: "),
                "{error}"
            );
        }
    }
}
